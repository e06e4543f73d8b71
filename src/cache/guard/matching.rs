//! Quotations, code, negations, persons and words of two questions against each other.

use super::lexicon::Class;
use super::opposites::are_opposites;
use super::reading::{Features, Item};
use super::token::Form;
use super::{Difference, DifferenceKind, differ};
use std::collections::HashSet;

/// Both quote: the same. One quotes: the other must have the words, which [`compare_words`] cannot
/// know of.
pub(super) fn compare_quotes(a: &Features, b: &Features) -> Result<(), Difference> {
    let missing = |from: &Features, to: &Features| {
        let found = |quote: &String| {
            // "import a from 'b'" quotes another word than "import b from 'a'".
            let spelled = from.quotes.len() != to.quotes.len() && spells(to, quote);
            to.quotes.contains(quote) || spelled
        };
        from.quotes.iter().find(|quote| !found(quote)).cloned()
    };
    let (only_a, only_b) = (missing(a, b), missing(b, a));
    if only_a.is_none() && only_b.is_none() {
        return Ok(());
    }
    differ(DifferenceKind::Quotation, &only_a.unwrap_or_default(), &only_b.unwrap_or_default())
}

/// Whether the words of the quotation are in the text, one behind the other.
fn spells(features: &Features, quote: &str) -> bool {
    let words: Vec<&str> = quote.split_whitespace().collect();
    let texts: Vec<&str> = features.tokens.iter().map(|item| item.token.text.as_str()).collect();
    !words.is_empty() && texts.windows(words.len()).any(|window| window == words)
}

/// The same code in the same number.
pub(super) fn compare_code(a: &Features, b: &Features) -> Result<(), Difference> {
    let missing = |from: &Features, to: &Features| {
        let same = |one: &str, two: &str| one == two || one.eq_ignore_ascii_case(two);
        let code: Vec<&str> = from.of_form(Form::Code).collect();
        let found = code.into_iter().find(|piece| {
            let count =
                |side: &Features| side.of_form(Form::Code).filter(|c| same(c, piece)).count();
            let word = to.has(&piece.to_lowercase());
            count(to) < count(from) && !word
        });
        found.map(str::to_owned)
    };
    let (only_a, only_b) = (missing(a, b), missing(b, a));
    if only_a.is_none() && only_b.is_none() {
        return Ok(());
    }
    differ(DifferenceKind::Code, &only_a.unwrap_or_default(), &only_b.unwrap_or_default())
}

/// How often a question denies. Of "ne … pas" and "neither … nor" only one counts.
fn negations(features: &Features) -> usize {
    let seconds = |item: &&Item| !matches!(item.token.text.as_str(), "nor" | "ne" | "n");
    features.tokens.iter().filter(|item| item.negates).filter(seconds).count()
}

/// Words that ask what tells two things apart.
const CONTRASTS: [&str; 9] = [
    "difference",
    "differences",
    "differ",
    "differs",
    "different",
    "vs",
    "versus",
    "distinguish",
    "distinction",
];

/// "The difference between a boss and a manager": where things are told apart, synonyms are two things.
pub(super) fn compare_contrasts(a: &Features, b: &Features) -> Result<(), Difference> {
    let contrasts = |side: &Features| CONTRASTS.iter().any(|word| side.has(word));
    if !contrasts(a) && !contrasts(b) {
        return Ok(());
    }
    let replaced = |from: &Features, to: &Features| {
        let stems: HashSet<&str> = to.tokens.iter().map(|item| item.stem.as_str()).collect();
        let found = from.tokens.iter().find(|item| {
            let text = item.token.text.as_str();
            let plain = item.class == Class::Specific && item.token.form == Form::Word;
            let abbreviates = to.tokens.iter().any(|other| {
                is_typo(item, other)
                    || item.matches(other)
                        && (abbreviates(text, &other.token.text)
                            || abbreviates(&other.token.text, text))
            });
            let there = stems.contains(item.stem.as_str());
            plain && !there && !CONTRASTS.contains(&text) && !FRAMES.contains(&text) && !abbreviates
        });
        found.map(|item| item.token.text.clone())
    };
    let (one, other) = (replaced(a, b), replaced(b, a));
    if one.is_none() && other.is_none() {
        return Ok(());
    }
    differ(DifferenceKind::Subject, &one.unwrap_or_default(), &other.unwrap_or_default())
}

/// Whether the short word has letters of the long one, as "js" has of "javascript".
fn abbreviates(short: &str, long: &str) -> bool {
    let mut letters = long.chars();
    let first = short.chars().next();
    short.len() <= 3
        && first == long.chars().next()
        && short.chars().all(|letter| letters.any(|other| other == letter))
}

/// What a question for a difference may be worded with.
const FRAMES: [&str; 8] =
    ["compare", "compared", "comparison", "explain", "tell", "main", "key", "between"];

/// Both deny as often; and what both name is denied on both sides or on none.
pub(super) fn compare_negation(a: &Features, b: &Features) -> Result<(), Difference> {
    let first = |side: &Features| side.tokens.iter().position(|item| item.negates);
    let (ones, others) = (negations(a), negations(b));
    if ones != others && ones > 0 && others > 0 {
        let times = [ones, others].map(|count| format!("{count} times"));
        return differ(DifferenceKind::Negation, &times[0], &times[1]);
    }
    match (first(a), first(b)) {
        (None, None) => Ok(()),
        (Some(one), None) => differ(DifferenceKind::Negation, &a.tokens[one].token.text, ""),
        (None, Some(other)) => differ(DifferenceKind::Negation, "", &b.tokens[other].token.text),
        (Some(one), Some(other)) => {
            let (ones, others) = (denied(a, one), denied(b, other));
            let has = |side: &Features, item: &Item| side.tokens.iter().any(|t| t.matches(item));
            let shared = ones.iter().any(|one| others.iter().any(|other| one.matches(other)));
            match (ones.first(), others.first()) {
                (Some(one), Some(other)) if !shared && has(b, one) && has(a, other) => {
                    differ(DifferenceKind::Negation, &one.token.text, &other.token.text)
                }
                _ => Ok(()),
            }
        }
    }
}

/// The words of meaning that a negation may be about: the next two of its clause. It is two because
/// a question may put its subject there: "Why won't my car start?"
fn denied(features: &Features, negation: usize) -> Vec<&Item> {
    let ends =
        |item: &&Item| item.token.leads || matches!(item.token.text.as_str(), "but" | "and" | "or");
    let clause = features.tokens[negation + 1..].iter().take_while(|item| !ends(item));
    clause.filter(|item| item.class == Class::Specific).take(2).collect()
}

/// Each specific word must have its counterpart, and no weak word may be replaced by another.
pub(super) fn compare_words(a: &Features, b: &Features) -> Result<(), Difference> {
    let only_a = unmatched(a, b);
    let only_b = unmatched(b, a);
    let any = |items: &[&Item], class| items.iter().any(|item| item.class == class);
    let specific = any(&only_a, Class::Specific) || any(&only_b, Class::Specific);
    let replaced = |class| any(&only_a, class) && any(&only_b, class);
    if !specific && !replaced(Class::Weak) && !replaced(Class::WeakVerb) {
        return Ok(());
    }
    // The pair that tells the most: opposites, then what a table has a kind for, then any.
    let opposites = only_a.iter().find_map(|one| {
        only_b
            .iter()
            .copied()
            .find(|other| are_opposites(&one.token.text, &other.token.text))
            .map(|other| (*one, other))
    });
    if let Some((one, other)) = opposites {
        return differ(DifferenceKind::Opposite, &one.token.text, &other.token.text);
    }
    let telling = |items: &[&Item]| {
        let rank = |item: &&&Item| {
            (item.class, item.kind() != DifferenceKind::Subject, item.token.stands_out)
        };
        items.iter().rev().max_by_key(rank).map(|item| (item.kind(), item.token.text.clone()))
    };
    let (one, other) = (telling(&only_a), telling(&only_b));
    let kinds = [&one, &other].map(|side| side.as_ref().map(|(kind, _)| *kind));
    let kind = match kinds {
        [Some(DifferenceKind::Subject) | None, Some(kind)] | [Some(kind), _] => kind,
        [None, None] => DifferenceKind::Subject,
    };
    let text = |side: Option<(DifferenceKind, String)>| side.map(|(_, text)| text);
    differ(kind, &text(one).unwrap_or_default(), &text(other).unwrap_or_default())
}

/// The words of `from` that say something and have no counterpart in `to`.
fn unmatched<'a>(from: &'a Features, to: &Features) -> Vec<&'a Item> {
    let found = |item: &Item| {
        // "Remote" is no typo of a "remove" that has its counterpart.
        let typo = |other: &&Item| {
            is_typo(item, other) && !from.tokens.iter().any(|there| there.matches(other))
        };
        to.tokens.iter().any(|other| item.matches(other))
            || to.tokens.iter().any(|other| typo(&other))
            || is_quoted(item, to)
    };
    let words = from.tokens.iter().filter(|item| item.token.form == Form::Word);
    words.filter(|item| item.class > Class::Empty && !found(item)).collect()
}

fn is_quoted(item: &Item, features: &Features) -> bool {
    features.quotes.iter().any(|quote| quote.split(' ').any(|word| word == item.token.text))
}

/// Whether one is the other with a slip of the finger. Only of a word that the tables know and one
/// that they do not: "Niger" and "Nigeria" are no typos of each other.
fn is_typo(one: &Item, other: &Item) -> bool {
    let (a, b) = (one.token.text.as_str(), other.token.text.as_str());
    one.known != other.known
        && a.len() >= 5
        && b.len() >= 5
        && a.is_ascii()
        && b.is_ascii()
        && a.as_bytes().first() == b.as_bytes().first()
        && !one.token.stands_out
        && !other.token.stands_out
        && is_one_edit(a.as_bytes(), b.as_bytes())
}

/// One letter inserted, left out or replaced, or two neighbours swapped.
fn is_one_edit(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let head = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[head..], &long[head..]);
    match long.len() - short.len() {
        1 => long.get(1..) == Some(short),
        0 => {
            let swapped = matches!((short, long), ([a, b, s @ ..], [c, d, l @ ..])
                if a == d && b == c && s == l);
            swapped || short.get(1..) == long.get(1..)
        }
        _ => false,
    }
}
