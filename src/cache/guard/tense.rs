//! Of when a question is, and whether it asks for a duty or a possibility.

use super::reading::{Features, Item};
use super::token::Form;
use super::{Difference, DifferenceKind, differ};

/// A past, present or future on one side only, and "should" against "can".
///
/// `whether` says that both are answered with yes or no, where the auxiliary is the question: "Where
/// can I" and "Where should I" are the same, "How can I" and "How must I" too.
pub(super) fn compare(a: &Features, b: &Features, whether: bool) -> Result<(), Difference> {
    let duty = |side: &Features| must(side) || whether && should(side);
    let asks_how = a.has("how") || b.has("how");
    if (whether || !asks_how) && (may(a) && duty(b) || duty(a) && may(b)) {
        return differ(DifferenceKind::Question, "whether", "whether");
    }
    if let (Some(one), Some(other)) = (done_by_whom(a), done_by_whom(b))
        && one.stem == other.stem
        && one.token.text.ends_with('s') != other.token.text.ends_with('s')
    {
        return differ(DifferenceKind::Date, &one.token.text, &other.token.text);
    }
    let (one, other) = (tense(a), tense(b));
    let had = a.has("had") || b.has("had");
    let differs = match (one, other) {
        (Tense::Past, Tense::Future | Tense::Present)
        | (Tense::Future | Tense::Present, Tense::Past) => true,
        // "It has not arrived" is "it did not arrive".
        (Tense::Past, Tense::Perfect) | (Tense::Perfect, Tense::Past) => had,
        (Tense::Present | Tense::Perfect, Tense::Future) => whether || is_perfect(a),
        (Tense::Future, Tense::Present | Tense::Perfect) => whether || is_perfect(b),
        _ => false,
    };
    if differs {
        return differ(DifferenceKind::Date, one.name(), other.name());
    }
    Ok(())
}

/// The verb of "Who owns it?", whose ending tells it from "Who owned it?"
fn done_by_whom(features: &Features) -> Option<&Item> {
    let [first, verb, ..] = features.tokens.as_slice() else { return None };
    let plain = !matches!(verb.token.text.as_str(), "is" | "was" | "has" | "does");
    (first.token.text == "who" && plain && verb.token.form == Form::Word).then_some(verb)
}

/// What the auxiliaries of a question say of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tense {
    Past,
    Present,
    /// "Has" and "have" alone, which may be of what is over.
    Perfect,
    Future,
    /// No auxiliary says it, or several do otherwise.
    Open,
}

impl Tense {
    fn name(self) -> &'static str {
        match self {
            Tense::Past => "past",
            Tense::Present => "present",
            Tense::Perfect => "perfect",
            Tense::Future => "future",
            Tense::Open => "",
        }
    }
}

fn tense(features: &Features) -> Tense {
    let any = |words: &[&str]| words.iter().any(|word| features.has(word));
    let (pasts, presents): (&[&str], &[&str]) =
        FORMS.get(features.language.0).copied().unwrap_or_default();
    let perfect = features.has("has") || features.has("have");
    if any(pasts) {
        // "I was charged twice, what do I do" is of now.
        return if any(presents) || perfect { Tense::Open } else { Tense::Past };
    }
    if features.has("will") {
        return Tense::Future;
    }
    match (any(presents), perfect) {
        (true, _) => Tense::Present,
        (false, true) => Tense::Perfect,
        (false, false) => Tense::Open,
    }
}

/// "Have taxes gone up?" and "What has been decided?"
fn is_perfect(features: &Features) -> bool {
    let leads = features.tokens.first().map_or("", |item| item.token.text.as_str());
    let has = features.has("has") || features.has("have");
    has && (features.has("been") || matches!(leads, "has" | "have"))
}

/// Past and present forms, by the position of the language in `foreign`.
static FORMS: [(&[&str], &[&str]); 7] = [
    (
        &["did", "was", "were", "won", "happened", "had"],
        &["is", "are", "am", "do", "does", "happens", "wins"],
    ),
    (&["war", "waren", "hatte", "hatten", "wurde", "wurden"], &["ist", "sind", "hat", "wird"]),
    (&["était", "étaient", "fut", "avait"], &["est", "sont", "a", "ont"]),
    (&["era", "eran", "fue", "fueron", "estaba", "había"], &["es", "son", "está", "hay"]),
    (&["era", "erano", "fu", "aveva"], &["è", "sono", "ha"]),
    (&["era", "eram", "foi", "foram", "tinha"], &["é", "são", "tem", "está"]),
    (&["was", "waren", "had", "werd"], &["is", "zijn", "heeft", "wordt"]),
];

/// Whether it asks for a permission or a possibility.
fn may(features: &Features) -> bool {
    !must(features) && ["can", "could", "may"].iter().any(|word| features.has(word))
}

/// Whether it asks for advice.
fn should(features: &Features) -> bool {
    ["should", "ought", "recommended", "advisable"].iter().any(|word| features.has(word))
}

/// Whether it asks for a duty.
fn must(features: &Features) -> bool {
    ["must", "need", "required", "necessary", "mandatory"].iter().any(|word| features.has(word))
        || features
            .tokens
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.token.text == "have" && b.token.text == "to"))
}
