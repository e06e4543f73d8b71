//! What kind of answer a question asks for.

use super::reading::{Features, Item};
use super::tense;
use super::token::Form;
use super::{Difference, DifferenceKind, differ};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Person,
    Moment,
    Place,
    Cause,
    /// Yes or no.
    Whether,
    /// "Can you …", which is a request or a question.
    Favour,
    /// "Is there …", which asks for the thing as well.
    Existence,
    /// How, what, which, or a request: the words tell.
    Thing,
}

/// The kinds of answer must be compatible.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    let (one, other) = (asks(a), asks(b));
    let yes_or_no = |asks: Asks| matches!(asks, Asks::Whether | Asks::Favour);
    let whether = yes_or_no(one) && yes_or_no(other);
    tense::compare(a, b, whether)?;
    if needs(a) && owns(b) || owns(a) && needs(b) {
        return differ(DifferenceKind::Question, "need", "have");
    }
    // "How many eggs do I boil" and "How do I boil eggs"
    let counts = |side: &Features, other: &Features| {
        side.has("many") && !other.has("many") && other.has("how") && !other.has("convert")
    };
    if counts(a, b) || counts(b, a) {
        return differ(DifferenceKind::Question, "how many", "how");
    }
    if complains(a, one, b, other) || located(a, one, b, other) {
        return Ok(());
    }
    let alike = one == other
        || matches!(
            (one, other),
            (Asks::Favour | Asks::Existence, Asks::Whether | Asks::Thing)
                | (Asks::Whether | Asks::Thing, Asks::Favour | Asks::Existence)
                | (Asks::Favour, Asks::Existence)
                | (Asks::Existence, Asks::Favour)
        );
    if alike {
        return Ok(());
    }
    differ(DifferenceKind::Question, one.name(), other.name())
}

/// "My payment does not go through" asks for the reason as well.
fn complains(a: &Features, one: Asks, b: &Features, other: Asks) -> bool {
    let states = |side: &Features, asks: Asks| {
        let interrogative = |item: &Item| Asks::of(&item.token.text).is_some();
        let orders = side.tokens.first().is_some_and(|item| item.token.text == "do");
        asks == Asks::Thing
            && !orders
            && side.tokens.iter().any(|item| item.negates)
            && !side.tokens.iter().any(interrogative)
    };
    states(a, one) && other == Asks::Cause || states(b, other) && one == Asks::Cause
}

/// "Where do I change my address" is "How do I change my address": of what is done on a page, the
/// place is the way.
fn located(a: &Features, one: Asks, b: &Features, other: Asks) -> bool {
    let place = match (one, other) {
        (Asks::Place, Asks::Thing) => a,
        (Asks::Thing, Asks::Place) => b,
        _ => return false,
    };
    let how = |side: &Features| side.has("how");
    let subject = |text: &str| matches!(text, "i" | "you" | "we");
    let acts = place.tokens.windows(4).any(|items| {
        let text = |at: usize| items.get(at).map_or("", |item: &Item| item.token.text.as_str());
        text(0) == "where"
            && AUXILIARIES.contains(&text(1))
            && subject(text(2))
            && ON_A_PAGE.contains(&text(3))
    });
    acts && (how(a) || how(b))
}

/// What is done on a page or with a form.
const ON_A_PAGE: [&str; 35] = [
    "leave",
    "post",
    "redeem",
    "find",
    "see",
    "view",
    "check",
    "change",
    "update",
    "edit",
    "enter",
    "submit",
    "download",
    "upload",
    "access",
    "enable",
    "disable",
    "set",
    "setup",
    "report",
    "request",
    "cancel",
    "add",
    "manage",
    "delete",
    "remove",
    "reset",
    "register",
    "login",
    "configure",
    "renew",
    "track",
    "book",
    "file",
    "review",
];

/// Whether it asks for what is needed, and not for what one has.
fn needs(features: &Features) -> bool {
    ["need", "needed", "require", "required"].iter().any(|word| features.has(word))
        && !features.has("have")
}

/// Whether it asks for what someone has: "Do I have insurance", but not "Do I have to pay" and not
/// "What documents must I have".
fn owns(features: &Features) -> bool {
    let text = |at: usize| features.tokens.get(at).map_or("", |item| item.token.text.as_str());
    let owns = (2..features.tokens.len()).any(|at| {
        let before = at.saturating_sub(4)..at - 1;
        text(at) == "have"
            && text(at + 1) != "to"
            && before.into_iter().any(|at| matches!(text(at), "do" | "does"))
    });
    owns && !features.has("need")
}

impl Asks {
    fn name(self) -> &'static str {
        match self {
            Asks::Person => "who",
            Asks::Moment => "when",
            Asks::Place => "where",
            Asks::Cause => "why",
            Asks::Whether => "whether",
            Asks::Favour => "can you",
            Asks::Existence => "is there",
            Asks::Thing => "how or what",
        }
    }

    /// What an interrogative asks for.
    fn of(word: &str) -> Option<Asks> {
        Some(match word {
            "who" | "wer" | "qui" | "quién" | "quien" | "chi" | "quem" => Asks::Person,
            "when" | "wann" | "quand" | "cuándo" | "quando" | "wanneer" => Asks::Moment,
            "where" | "wo" | "où" | "dónde" | "dove" | "onde" | "waar" => Asks::Place,
            "why" | "warum" | "wieso" | "weshalb" | "pourquoi" | "perché" | "waarom" => {
                Asks::Cause
            }
            "how" | "what" | "which" => Asks::Thing,
            "whether" => Asks::Whether,
            _ => return None,
        })
    }
}

/// The first interrogative that is no relative pronoun; without one, whether a verb leads.
fn asks(features: &Features) -> Asks {
    let words: Vec<(&str, bool)> = features
        .tokens
        .iter()
        .map(|item| {
            let word = item.token.form == Form::Word;
            (if word { item.token.text.as_str() } else { "" }, item.token.leads)
        })
        .collect();
    let lead = lead(&words);
    for (at, (word, leads)) in words.iter().enumerate() {
        let Some(asks) = Asks::of(word) else { continue };
        let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", |(word, _)| *word);
        let told = TELLERS.contains(&before) || before == "you" && lead == Some(Asks::Favour);
        let last = at + 1 == words.len();
        let bare = asks == Asks::Thing && lead.is_none();
        // "Do I have to pay when I return it": a verb has led, and this only tells the case.
        let conjunction = lead.is_some() && !told;
        if (*leads && !conjunction) || told || last || bare || (asks == Asks::Cause && !conjunction)
        {
            return asks;
        }
    }
    lead.unwrap_or(Asks::Thing)
}

/// Words before an interrogative that begin an indirect question.
const TELLERS: [&str; 18] = [
    "tell",
    "me",
    "know",
    "explain",
    "wonder",
    "wondering",
    "ask",
    "remember",
    "say",
    "see",
    "understand",
    "about",
    "on",
    "in",
    "for",
    "idea",
    "show",
    "describe",
];

/// What a text asks for that begins a clause with a verb.
fn lead(words: &[(&str, bool)]) -> Option<Asks> {
    for (at, (word, leads)) in words.iter().enumerate() {
        if !leads {
            continue;
        }
        if Asks::of(word).is_some() {
            return None;
        }
        if AUXILIARIES.contains(word) {
            let next = words.get(at + 1).map_or("", |(word, _)| *word);
            return Some(match (*word, next) {
                ("can" | "could" | "will" | "would", "you") => Asks::Favour,
                ("is" | "are", "there") => Asks::Existence,
                ("do", "not") => return None,
                _ => Asks::Whether,
            });
        }
    }
    None
}

const AUXILIARIES: [&str; 22] = [
    "can", "could", "may", "might", "must", "shall", "should", "will", "would", "is", "are", "am",
    "was", "were", "do", "does", "did", "has", "have", "had", "kannst", "puis",
];
