//! Small words that say of how many, or of what else, a question is.
//!
//! "Only", "all", "another" and "still" are so frequent that the comparison of words must not count
//! them one by one, but a question with one of them is not the question without it. "Any" and "some"
//! are only told from "all": "Do you have any vegan food" is "Do you have vegan food".

use super::lexicon::Class;
use super::reading::{Features, Item};
use super::token::Form;
use super::{Difference, DifferenceKind, differ};

/// What a small word does to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    /// Nothing but this.
    Only,
    /// Without exception.
    All,
    /// At least one, whichever.
    Some,
    /// This not: "everything but".
    Except,
    /// Not the same again.
    Other,
    /// In addition.
    Also,
    /// More than is good: "too hot".
    Excess,
    /// Hardly any, which "a few" is not.
    Few,
    /// As before.
    Still,
    /// Not quite.
    Almost,
    /// More than the number behind it.
    Above,
    /// No more than the number behind it.
    Within,
    /// The one as well as the other.
    Both,
    /// One of two.
    Either,
    /// More than half.
    Most,
}

/// What counts when only one side has it.
const COUNTING: [(Sense, DifferenceKind); 10] = [
    (Sense::Only, DifferenceKind::Negation),
    (Sense::Except, DifferenceKind::Negation),
    (Sense::All, DifferenceKind::Subject),
    (Sense::Other, DifferenceKind::Subject),
    (Sense::Also, DifferenceKind::Subject),
    (Sense::Excess, DifferenceKind::Subject),
    (Sense::Few, DifferenceKind::Subject),
    (Sense::Still, DifferenceKind::Subject),
    (Sense::Almost, DifferenceKind::Subject),
    (Sense::Above, DifferenceKind::Number),
];

/// The same small words of these kinds on both sides.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    let (one, other) = (senses(a), senses(b));
    let text = |side: &[(Sense, &str)], sense: Sense| {
        side.iter().find(|(found, _)| *found == sense).map_or("", |(_, text)| text).to_owned()
    };
    let has = |side: &[(Sense, &str)], sense: Sense| side.iter().any(|(found, _)| *found == sense);
    for (sense, kind) in COUNTING {
        if has(&one, sense) != has(&other, sense) {
            return differ(kind, &text(&one, sense), &text(&other, sense));
        }
    }
    if has(&one, Sense::Within) != has(&other, Sense::Within) {
        return differ(
            DifferenceKind::Number,
            &text(&one, Sense::Within),
            &text(&other, Sense::Within),
        );
    }
    for (left, right) in [(&one, &other), (&other, &one)] {
        let only = |side, sense, not| has(side, sense) && !has(side, not);
        for (sense, not) in [(Sense::Both, Sense::Either), (Sense::Most, Sense::Some)] {
            if only(left, sense, not) && only(right, not, sense) {
                return differ(DifferenceKind::Subject, &text(&one, sense), &text(&other, sense));
            }
        }
    }
    let joined = |side: &Features, yes: &str, no: &str| side.has(yes) && !side.has(no);
    for [yes, no] in [["and", "or"], ["or", "and"]] {
        if joined(a, yes, no) && joined(b, no, yes) {
            return differ(DifferenceKind::Subject, yes, no);
        }
    }
    Ok(())
}

/// The small words of a question, with what each says there.
fn senses(features: &Features) -> Vec<(Sense, &str)> {
    let places = 0..features.tokens.len();
    places.filter_map(|at| sense(&features.tokens, at)).collect()
}

fn sense(items: &[Item], at: usize) -> Option<(Sense, &str)> {
    let item = items.get(at)?;
    let text = |at: Option<usize>| {
        at.and_then(|at| items.get(at)).map_or("", |item| item.token.text.as_str())
    };
    let (before, next) = (text(at.checked_sub(1)), text(at.checked_add(1)));
    let ends = items.get(at + 1).is_none_or(|next| next.token.leads);
    let word = item.token.text.as_str();
    let counts = items.get(at + 1).is_some_and(|next| next.token.form == Form::Number);
    let sense = match word {
        "most" if !matches!(before, "the" | "at") => Sense::Most,
        "only" | "solely" | "exclusively" | "merely" => Sense::Only,
        "all" if matches!(before, "at" | "after" | "hi" | "hello") => return None,
        "all" if before == "of" && text(at.checked_sub(2)) == "1." => return None,
        // "What are all the planets" asks for no more than "what are the planets".
        "all" if before == "are" && matches!(text(at.checked_sub(2)), "what" | "which") => {
            return None;
        }
        "every" | "each" if matches!(next, "other" | "time") => return None,
        "all" | "every" | "each" | "everyone" | "everybody" | "everything" | "everywhere" => {
            Sense::All
        }
        "any" | "some" | "anyone" | "anybody" | "anything" | "someone" | "something" => Sense::Some,
        "but" if follows_all(items, at) => Sense::Except,
        "other" | "others" if before == "each" || before == "the" => return None,
        "other" | "another" | "others" => Sense::Other,
        "more"
            if matches!(before, "one" | "1" | "2" | "3" | "5" | "10")
                && !matches!(next, "than" | "question" | "thing" | "time") =>
        {
            Sense::Other
        }
        "else" if before != "or" => Sense::Other,
        "different" if before == "a" => Sense::Other,
        "also" if !item.token.leads => Sense::Also,
        "too" if ends => Sense::Also,
        "too" => Sense::Excess,
        "few" if !matches!(before, "a" | "the" | "last" | "past" | "next" | "these") => Sense::Few,
        // "I still haven't got it" is "I haven't got it".
        "still" if items.iter().skip(at + 1).take(2).any(|item| item.negates) => return None,
        "still" => Sense::Still,
        "almost" | "nearly" => Sense::Almost,
        "than" if counts && ABOVE.contains(&before) => Sense::Above,
        "over" if counts && before != "divide" => Sense::Above,
        "most" if counts && before == "at" => Sense::Within,
        "to" if counts && before == "up" => Sense::Within,
        "both" => Sense::Both,
        "either" => Sense::Either,
        _ => return None,
    };
    Some((sense, word))
}

const ABOVE: [&str; 8] =
    ["more", "greater", "higher", "bigger", "larger", "longer", "older", "taller"];

/// Whether the "but" at this place takes something out of what is before it: "everything but the
/// cat", "all users but admins".
fn follows_all(items: &[Item], at: usize) -> bool {
    const WHOLES: [&str; 10] = [
        "all",
        "every",
        "everything",
        "everyone",
        "everybody",
        "any",
        "anything",
        "anyone",
        "nothing",
        "nobody",
    ];
    let leads = items.get(at).is_none_or(|item| item.token.leads);
    let near = items.get(at.saturating_sub(3)..at).unwrap_or_default();
    let verbs = near
        .iter()
        .filter(|item| item.class == Class::Empty && !WHOLES.contains(&item.token.text.as_str()));
    !leads
        && verbs.count() == 0
        && near.iter().any(|item| WHOLES.contains(&item.token.text.as_str()))
}
