//! The stem of a word: what its inflections have in common.
//!
//! Only endings that leave the meaning are taken off (plural, tense, adverb). `-er`, `-less` and all
//! prefixes stay, because "helpless" and "undo" are not "help" and "do".

/// The stem of `word`, which is in lower case. Of no use but for comparing.
pub(super) fn stem(word: &str) -> String {
    if let Ok(at) = IRREGULAR.binary_search_by_key(&word, |(form, _)| form) {
        return base(IRREGULAR[at].1);
    }
    base(word)
}

/// Whether `word` may be a noun that is made of a verb.
pub(super) fn is_nominal(word: &str) -> bool {
    let one = word.strip_suffix('s').unwrap_or(word);
    word.len() > 6 && (one.ends_with("ion") || one.ends_with("ment"))
}

/// Whether `word`, which [`is_nominal`], is what one does or gets by the verb of this stem: "contribution" of "contribut",
/// "treatment" of "treat".
pub(super) fn is_noun_of(word: &str, verb: &str) -> bool {
    const OTHERS: [&str; 16] = [
        "product", "document", "apart", "appoint", "depart", "stat", "govern", "question", "quest",
        "direct", "plant", "found", "compart", "parlia", "press", "express",
    ];
    if verb.len() < 4 || OTHERS.contains(&verb) {
        return false;
    }
    let word = word.strip_suffix('s').unwrap_or(word);
    let is_verb = |head: &str| {
        let mut head = head.to_owned();
        undouble(&mut head);
        head == verb || head.strip_suffix('e') == Some(verb)
    };
    let after = |ending: &str, least: usize| {
        word.strip_suffix(ending).filter(|head| head.len() >= least && head.starts_with(verb))
    };
    after("ion", 6).or_else(|| after("ation", 5)).or_else(|| after("ment", 4)).is_some_and(is_verb)
        || after("ation", 5).is_some_and(is_verb)
}

fn base(word: &str) -> String {
    if !word.is_ascii() || word.len() < 4 || word.bytes().any(|byte| !byte.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let mut stem = american(word);
    strip_ending(&mut stem);
    if stem.len() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    // "Paying" is "pay", and that is too short to lose anything.
    if stem.len() > 3 && stem.ends_with('y') {
        stem.pop();
        stem.push('i');
    }
    undouble(&mut stem);
    stem
}

/// The American spelling of the endings that differ.
fn american(word: &str) -> String {
    for (british, american) in
        [("isation", "ization"), ("yse", "yze"), ("ising", "izing"), ("ised", "ized")]
    {
        if let Some(head) = word.strip_suffix(british).filter(|head| head.len() > 3) {
            return format!("{head}{american}");
        }
    }
    match word.strip_suffix("ise") {
        Some(head) if head.len() > 4 => format!("{head}ize"),
        _ => word.to_owned(),
    }
}

fn strip_ending(stem: &mut String) {
    let plural = stem.ends_with('s') && !["ss", "us", "is"].iter().any(|end| stem.ends_with(end));
    if plural {
        let es = ["sses", "shes", "ches", "xes", "zzes"].iter().any(|end| stem.ends_with(end));
        if stem.ends_with("ies") && stem.len() > 4 {
            stem.truncate(stem.len() - 3);
            stem.push('y');
        } else {
            stem.truncate(stem.len() - if es { 2 } else { 1 });
        }
    }
    for (ending, least) in [("ing", 3), ("ed", 3), ("ly", 4)] {
        let Some(head) = stem.strip_suffix(ending) else { continue };
        if head.len() >= least && head.bytes().any(|byte| b"aeiouy".contains(&byte)) {
            let length = head.len();
            let ied = ending == "ed" && head.ends_with('i');
            stem.truncate(length);
            if ied {
                stem.pop();
                stem.push('y');
            }
        }
        return;
    }
}

/// "stopp" is "stop", and so is "full" "ful": the same on both sides is what counts.
fn undouble(stem: &mut String) {
    let bytes = stem.as_bytes();
    if let [.., a, b] = bytes
        && a == b
        && bytes.len() > 3
    {
        stem.pop();
    }
}

/// Irregular forms and British spellings, sorted by the form.
static IRREGULAR: &[(&str, &str)] = &[
    ("aeroplane", "airplane"),
    ("ate", "eat"),
    ("beaten", "beat"),
    ("became", "become"),
    ("began", "begin"),
    ("begun", "begin"),
    ("behaviour", "behavior"),
    ("bought", "buy"),
    ("bred", "breed"),
    ("broke", "break"),
    ("broken", "break"),
    ("brought", "bring"),
    ("built", "build"),
    ("came", "come"),
    ("cancelled", "cancel"),
    ("cancelling", "cancel"),
    ("catalogue", "catalog"),
    ("caught", "catch"),
    ("centre", "center"),
    ("centres", "center"),
    ("cheque", "check"),
    ("children", "child"),
    ("chose", "choose"),
    ("chosen", "choose"),
    ("colour", "color"),
    ("colours", "color"),
    ("criteria", "criterion"),
    ("defence", "defense"),
    ("died", "die"),
    ("does", "do"),
    ("done", "do"),
    ("drank", "drink"),
    ("drew", "draw"),
    ("driven", "drive"),
    ("drove", "drive"),
    ("drunk", "drink"),
    ("dying", "die"),
    ("eaten", "eat"),
    ("fallen", "fall"),
    ("favourite", "favorite"),
    ("feet", "foot"),
    ("fell", "fall"),
    ("felt", "feel"),
    ("flavour", "flavor"),
    ("flew", "fly"),
    ("flown", "fly"),
    ("forgot", "forget"),
    ("forgotten", "forget"),
    ("fought", "fight"),
    ("found", "find"),
    ("froze", "freeze"),
    ("frozen", "freeze"),
    ("gave", "give"),
    ("geese", "goose"),
    ("given", "give"),
    ("gone", "go"),
    ("got", "get"),
    ("gotten", "get"),
    ("grew", "grow"),
    ("grey", "gray"),
    ("grown", "grow"),
    ("halves", "half"),
    ("heard", "hear"),
    ("held", "hold"),
    ("hid", "hide"),
    ("hidden", "hide"),
    ("indices", "index"),
    ("jewellery", "jewelry"),
    ("kept", "keep"),
    ("kilometre", "kilometer"),
    ("kilometres", "kilometer"),
    ("knew", "know"),
    ("knives", "knife"),
    ("known", "know"),
    ("leaky", "leak"),
    ("leaves", "leaf"),
    ("led", "lead"),
    ("lent", "lend"),
    ("licence", "license"),
    ("litre", "liter"),
    ("litres", "liter"),
    ("lives", "live"),
    ("loaves", "loaf"),
    ("lost", "lose"),
    ("lying", "lie"),
    ("made", "make"),
    ("meant", "mean"),
    ("men", "man"),
    ("met", "meet"),
    ("metre", "meter"),
    ("metres", "meter"),
    ("mice", "mouse"),
    ("mould", "mold"),
    ("neighbour", "neighbor"),
    ("neighbours", "neighbor"),
    ("offence", "offense"),
    ("paid", "pay"),
    ("programme", "program"),
    ("programmes", "program"),
    ("ran", "run"),
    ("rang", "ring"),
    ("ridden", "ride"),
    ("risen", "rise"),
    ("rode", "ride"),
    ("rose", "rise"),
    ("said", "say"),
    ("sang", "sing"),
    ("sank", "sink"),
    ("saw", "see"),
    ("seen", "see"),
    ("sent", "send"),
    ("shelves", "shelf"),
    ("shown", "show"),
    ("slept", "sleep"),
    ("sold", "sell"),
    ("spent", "spend"),
    ("spoke", "speak"),
    ("spoken", "speak"),
    ("stole", "steal"),
    ("stolen", "steal"),
    ("stood", "stand"),
    ("stuck", "stick"),
    ("sung", "sing"),
    ("swam", "swim"),
    ("taken", "take"),
    ("taught", "teach"),
    ("teeth", "tooth"),
    ("theatre", "theater"),
    ("thieves", "thief"),
    ("thought", "think"),
    ("threw", "throw"),
    ("thrown", "throw"),
    ("tied", "tie"),
    ("told", "tell"),
    ("took", "take"),
    ("travelled", "travel"),
    ("travelling", "travel"),
    ("tying", "tie"),
    ("tyre", "tire"),
    ("tyres", "tire"),
    ("understood", "understand"),
    ("used", "use"),
    ("uses", "use"),
    ("using", "use"),
    ("went", "go"),
    ("wives", "wife"),
    ("woke", "wake"),
    ("woken", "wake"),
    ("women", "woman"),
    ("won", "win"),
    ("wore", "wear"),
    ("worn", "wear"),
    ("written", "write"),
    ("wrote", "write"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn irregular_forms_are_sorted() {
        assert!(IRREGULAR.is_sorted_by_key(|(form, _)| form));
    }

    #[test]
    fn inflections_share_a_stem() {
        for (one, other) in [
            ("write", "writing"),
            ("write", "wrote"),
            ("reset", "resetting"),
            ("cancel", "cancelled"),
            ("city", "cities"),
            ("box", "boxes"),
            ("quick", "quickly"),
            ("caramelize", "caramelise"),
            ("copy", "copied"),
            ("knife", "knives"),
            ("update", "updating"),
            ("call", "calling"),
            ("pay", "paying"),
            ("try", "tries"),
        ] {
            assert_eq!(stem(one), stem(other), "{one} {other}");
        }
        assert!(is_noun_of("contributions", &stem("contribute")));
        assert!(is_noun_of("cancellation", &stem("cancel")));
        assert!(is_noun_of("treatment", &stem("treat")));
        assert!(!is_noun_of("production", &stem("product")));
        assert!(!is_noun_of("apartment", &stem("apart")));
        for (one, other) in
            [("undo", "do"), ("help", "helpless"), ("hot", "hotel"), ("heavy", "heavier")]
        {
            assert_ne!(stem(one), stem(other), "{one} {other}");
        }
    }
}
