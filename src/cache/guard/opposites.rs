//! Words that ask for the opposite of each other.

use super::stem::stem;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Whether the words (in lower case, in any inflection) are opposites of each other.
pub(super) fn are_opposites(one: &str, other: &str) -> bool {
    let (one, other) = (stem(one), stem(other));
    PAIRS.contains(&(one.clone(), other.clone()))
        || prefixed(&one, &other)
        || prefixed(&other, &one)
}

/// "installed" and "uninstalled", "legal" and "illegal", "encrypt" and "decrypt".
fn prefixed(one: &str, other: &str) -> bool {
    const PREFIXES: [&str; 10] = ["un", "in", "im", "il", "ir", "dis", "de", "non", "mis", "anti"];
    let plain = |prefix: &&str| one.strip_prefix(*prefix).is_some_and(|rest| rest == other);
    other.len() > 3 && PREFIXES.iter().any(plain)
        || one.strip_prefix("en").zip(other.strip_prefix("de")).is_some_and(|(a, b)| a == b)
        || one.strip_prefix("up").zip(other.strip_prefix("down")).is_some_and(|(a, b)| a == b)
        || one.strip_prefix("im").zip(other.strip_prefix("ex")).is_some_and(|(a, b)| a == b)
}

static PAIRS: LazyLock<HashSet<(String, String)>> = LazyLock::new(|| {
    let mut pairs = HashSet::new();
    for (ones, others) in TABLE {
        for one in ones.split(' ') {
            for other in others.split(' ') {
                pairs.insert((stem(one), stem(other)));
                pairs.insert((stem(other), stem(one)));
            }
        }
    }
    pairs
});

/// Each word on the left is the opposite of each on the right.
static TABLE: &[(&str, &str)] = &[
    ("enable activate on", "disable deactivate off"),
    ("buy purchase", "sell"),
    ("start begin launch open run", "stop end finish close quit kill"),
    (
        "increase raise gain grow more rise boost higher",
        "decrease reduce lower lose shrink less fall fewer cut drop",
    ),
    ("before", "after"),
    ("import", "export"),
    (
        "max maximum most maximize largest biggest highest tallest longest",
        "min minimum least minimize smallest lowest shortest fewest",
    ),
    ("cheap cheapest inexpensive", "expensive dear dearest costly"),
    ("up top above over upper", "down bottom below under lower"),
    ("lock close", "unlock open"),
    ("add insert include including create append", "remove delete exclude excluding subtract drop"),
    ("advantage benefit pro upside", "disadvantage drawback con downside"),
    ("ascending", "descending"),
    ("accept approve allow permit confirm", "decline reject deny refuse block forbid"),
    ("upload push send", "download pull receive fetch"),
    ("old older oldest", "young younger youngest new newer newest"),
    ("first earliest", "last latest final"),
    ("hide", "show unhide"),
    ("borrow", "lend"),
    ("fast faster fastest quick quickest", "slow slower slowest"),
    ("best good better", "worst bad worse"),
    ("login", "logout"),
    ("big bigger large larger", "small smaller little"),
    ("high", "low"),
    ("long longer", "short shorter brief"),
    ("hot warm hottest", "cold cool coldest"),
    ("early earlier", "late later"),
    ("left", "right"),
    ("win", "lose"),
    ("arrive arrival land", "depart departure leave"),
    ("in inside indoor", "out outside outdoor"),
    ("hire", "fire dismiss"),
    ("read", "write"),
    ("safe", "dangerous unsafe"),
    ("deposit", "withdraw"),
    ("credit", "debit"),
    ("internal", "external"),
    ("input", "output"),
    ("positive", "negative"),
    ("public", "private"),
    ("always", "never"),
    ("all", "none"),
    ("male man father husband son brother", "female woman mother wife daughter sister"),
    ("love like", "hate dislike"),
    ("expand", "collapse"),
    ("attach", "detach"),
    ("zip compress", "unzip extract decompress"),
    ("encode", "decode"),
    ("freeze", "thaw unfreeze"),
    ("follow", "unfollow"),
    ("join", "leave split"),
    ("merge", "split"),
    ("save", "spend discard"),
    ("give", "take"),
    ("heavy heavier heaviest", "light lighter lightest"),
    ("strong stronger strongest", "weak weaker weakest"),
    ("rich", "poor"),
    ("near nearest closest", "far farthest furthest"),
    ("present", "absent"),
    ("succeed success", "fail failure"),
    ("multiply", "divide"),
    ("do", "avoid"),
    ("formal", "informal casual"),
    ("beginner", "expert advanced"),
    ("easy easier easiest", "hard harder hardest difficult"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opposites_in_any_inflection() {
        assert!(are_opposites("starting", "stopped"));
        assert!(are_opposites("ineligible", "eligible"));
        assert!(are_opposites("encrypt", "decrypt"));
        assert!(are_opposites("upload", "download"));
        assert!(!are_opposites("start", "begin"));
        assert!(!are_opposites("in", "in"));
    }
}
