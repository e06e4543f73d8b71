//! Prepositions that turn what is behind them: books by Churchill and books about Churchill.
//!
//! Most prepositions replace each other ("by card", "with a card"), so only the pairs count that
//! never do.

use super::lexicon::Class;
use super::reading::{Features, Item};
use super::{Difference, DifferenceKind, differ};
use std::collections::BTreeMap;

/// No word may have a preposition before it on one side that turns the one of the other side.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    let (ones, others) = (governed(a), governed(b));
    for (stem, one) in &ones {
        let Some(other) = others.get(stem) else { continue };
        if turns(one, other) || turns(other, one) {
            let named = [one, other].map(|preposition| format!("{preposition} {stem}"));
            return differ(DifferenceKind::Direction, &named[0], &named[1]);
        }
    }
    Ok(())
}

/// Each word of meaning that has a preposition before it, if only an article is between.
fn governed(features: &Features) -> BTreeMap<&str, &str> {
    let mut governed = BTreeMap::new();
    let mut preposition = "";
    for item in &features.tokens {
        let text = item.token.text.as_str();
        if TURNING.iter().any(|(one, other)| text == *one || text == *other) {
            preposition = text;
        } else if item.class > Class::Empty {
            if !preposition.is_empty() {
                governed.entry(item.stem.as_str()).or_insert(preposition);
            }
            preposition = "";
        } else if !is_determiner(item) {
            preposition = "";
        }
    }
    governed
}

fn is_determiner(item: &Item) -> bool {
    const DETERMINERS: [&str; 13] = [
        "a", "an", "the", "my", "your", "his", "her", "our", "their", "some", "any", "this", "that",
    ];
    DETERMINERS.contains(&item.token.text.as_str())
}

fn turns(one: &str, other: &str) -> bool {
    TURNING.contains(&(one, other))
}

/// Prepositions of which one is never meant by the other.
const TURNING: [(&str, &str); 13] = [
    ("by", "about"),
    ("by", "to"),
    ("by", "for"),
    ("by", "against"),
    ("for", "from"),
    ("for", "against"),
    ("from", "about"),
    ("from", "to"),
    ("to", "about"),
    ("to", "against"),
    ("since", "before"),
    ("since", "until"),
    ("with", "against"),
];
