//! What kind of answer a question asks for.

use super::reading::Features;
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
    let whether = one == Asks::Whether && other == Asks::Whether;
    if whether && (may(a) && must(b) || must(a) && may(b)) {
        return differ(DifferenceKind::Question, "whether", "whether");
    }
    let present = |side: &Features| ["is", "are", "am"].iter().any(|word| side.has(word));
    if whether && (present(a) && future(b) || future(a) && present(b)) {
        return differ(DifferenceKind::Date, tense(a), tense(b));
    }
    if past(a) && future(b) || future(a) && past(b) {
        return differ(DifferenceKind::Date, tense(a), tense(b));
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

/// Whether it asks for a permission or a possibility.
fn may(features: &Features) -> bool {
    !must(features) && ["can", "could", "may"].iter().any(|word| features.has(word))
}

/// Whether it asks for a duty.
fn must(features: &Features) -> bool {
    ["must", "need", "required", "necessary", "mandatory"].iter().any(|word| features.has(word))
        || features
            .tokens
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.token.text == "have" && b.token.text == "to"))
}

fn past(features: &Features) -> bool {
    ["did", "was", "were", "won", "happened"].iter().any(|word| features.has(word))
}

fn future(features: &Features) -> bool {
    features.has("will") && !past(features)
}

fn tense(features: &Features) -> &'static str {
    if past(features) {
        "past"
    } else if future(features) {
        "future"
    } else {
        "present"
    }
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
        let told = TELLERS.contains(&before);
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
