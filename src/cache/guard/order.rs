//! Whether what both questions have stands in the same order.
//!
//! Two questions of the very same words in another order attach numbers, names or clauses to other
//! things: "Tom is 5 and Ann is 7", "cp a b", "Can admins only view reports?" No grammar is needed to
//! see that, so it works in any language. Only what is joined by "and" or "or" may change places, and
//! a phrase may move from the end to the front: "In Python, how do I sort a list?"

use super::lexicon::Class;
use super::number;
use super::reading::{Features, Item};
use super::stem::stem;
use super::token::{Form, Token};
use super::{Difference, DifferenceKind, differ};
use std::collections::HashSet;

/// The words of a question for [`compare`]: stems, numbers and code.
pub(super) fn fold(tokens: &[Token]) -> Vec<String> {
    let tokens = number::read_words(tokens.to_vec());
    let words = tokens.into_iter().map(|token| match token.text.as_str() {
        "are" | "am" => "is".to_owned(),
        "does" => "do".to_owned(),
        text if token.form == Form::Word => stem(text),
        _ => token.text,
    });
    words.collect()
}

/// The same words in another order, or numbers, dates and names in another order among others.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    let bare = |words: &[String]| -> Vec<String> {
        let says = |word: &&String| !matches!(word.as_str(), "a" | "an" | "the" | "please");
        words.iter().filter(says).cloned().collect()
    };
    let as_written = (a.spoken.clone(), b.spoken.clone());
    for (one, other) in [as_written, (bare(&a.spoken), bare(&b.spoken))] {
        if !is_permutation(&one, &other) {
            continue;
        }
        if is_harmless(&one, &other) {
            return Ok(());
        }
        let place = one.iter().zip(&other).find(|(one, other)| one != other);
        let (one, other) = place.map_or(("", ""), |(one, other)| (one, other));
        return differ(DifferenceKind::Direction, one, other);
    }
    marked(a, b)
}

/// Whether they are the same words as often, in another order.
fn is_permutation(one: &[String], other: &[String]) -> bool {
    if one.len() != other.len() || one == other {
        return false;
    }
    let sorted = |words: &[String]| {
        let mut words = words.to_vec();
        words.sort_unstable();
        words
    };
    sorted(one) == sorted(other)
}

/// "Cats and dogs" for "dogs and cats", a phrase that moved to the other end, or "is not" for "isn't"
/// with the subject between.
fn is_harmless(one: &[String], other: &[String]) -> bool {
    if one.iter().any(|word| ORDERED.contains(&word.as_str())) {
        return false;
    }
    let (one, other) = (sorted_pairs(one), sorted_pairs(other));
    let head = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let (left, right) = (&one[head..], &other[head..]);
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|(one, two)| one == two);
    let tail = tail.count();
    let (left, right) = (&left[..left.len() - tail], &right[..right.len() - tail]);
    left.is_empty()
        || is_exchange(left, right)
        || is_rotation(&one, &other)
        || is_rotation(&other, &one)
        || is_moved_phrase(left, right)
        || is_moved_interrogative(&one, &other)
        || is_moved_interrogative(&other, &one)
        || is_moved_negation(&one, &other)
}

/// The words with the two single ones around a conjunction in the order of the alphabet, also when
/// both have the same word before them: "to fly or to drive".
fn sorted_pairs(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    for at in 1..words.len().saturating_sub(1) {
        if !CONJUNCTIONS.contains(&words[at].as_str()) {
            continue;
        }
        let repeated = at >= 2 && words[at - 2] == words[at + 1] && words[at - 2].len() <= 3;
        let right = if repeated { at + 2 } else { at + 1 };
        if words.get(right).is_some_and(|right| *right < words[at - 1]) {
            words.swap(at - 1, right);
        }
    }
    words
}

/// "From Oslo to Rome on May 3" and "on May 3 from Oslo to Rome": two phrases that each begin with
/// a preposition.
fn is_moved_phrase(left: &[String], right: &[String]) -> bool {
    let begins = |words: &[String]| {
        let first = words.first().map_or("", String::as_str);
        LEADERS.contains(&first)
            || matches!(first, "from" | "to" | "by" | "near" | "around" | "von" | "nach" | "de")
    };
    (1..left.len().min(9)).any(|at| {
        let (phrase, rest) = left.split_at(at);
        begins(phrase) && begins(rest) && right.starts_with(rest) && right.ends_with(phrase)
    })
}

/// "Why was my card declined?" and "My card was declined, why?"
fn is_moved_interrogative(one: &[String], other: &[String]) -> bool {
    let [interrogative, auxiliary, rest @ ..] = one else { return false };
    let [before @ .., last] = other else { return false };
    if !matches!(interrogative.as_str(), "why" | "how" | "when" | "where" | "what")
        || last != interrogative
    {
        return false;
    }
    let place = before.iter().position(|word| word == auxiliary);
    place.is_some_and(|at| before[..at].iter().chain(&before[at + 1..]).eq(rest))
}

/// "Why isn't my code working?" and "Why is my code not working?"
fn is_moved_negation(one: &[String], other: &[String]) -> bool {
    let is_not = |word: &&String| word.as_str() == "not";
    let single = one.iter().filter(is_not).count() == 1;
    let scope = one.iter().any(|word| SCOPED.contains(&word.as_str()));
    single
        && !scope
        && one.iter().filter(|it| !is_not(it)).eq(other.iter().filter(|it| !is_not(it)))
}

/// Words that mean something else when a negation moves across them.
const SCOPED: [&str; 9] = ["all", "every", "only", "both", "always", "just", "must", "to", "and"];

/// Words with which order says something even around an "and".
const ORDERED: [&str; 5] = ["ratio", "respective", "respectively", "first", "then"];

/// Whether `right` is `left` with the two sides of a conjunction exchanged.
fn is_exchange(left: &[String], right: &[String]) -> bool {
    let length = left.len();
    let joins = |word: &String| CONJUNCTIONS.contains(&word.as_str());
    (1..length.saturating_sub(1)).filter(|at| joins(&left[*at])).any(|at| {
        let behind = length - at - 1;
        at <= 4
            && behind <= 4
            && left[..at] == right[behind + 1..]
            && left[at + 1..] == right[..behind]
            && left[at] == right[behind]
    })
}

/// What joins two things of which neither is the first.
const CONJUNCTIONS: [&str; 11] =
    ["and", "or", "vs", "versus", "plus", "times", "und", "oder", "et", "ou", "y"];

/// Whether `other` has the phrase at its end that `one` begins with.
fn is_rotation(one: &[String], other: &[String]) -> bool {
    let first = one.first().map_or("", String::as_str);
    LEADERS.contains(&first)
        && (2..one.len().min(7)).any(|length| {
            let (phrase, rest) = one.split_at(length);
            other.starts_with(rest) && other.ends_with(phrase)
        })
}

/// What a phrase begins with that may stand before or behind a question.
const LEADERS: [&str; 16] = [
    "in", "on", "at", "for", "with", "during", "under", "using", "after", "before", "if", "when",
    "en", "dans", "bei", "im",
];

/// The numbers, dates and names that both have stand in the same order.
fn marked(a: &Features, b: &Features) -> Result<(), Difference> {
    let all = a.tokens.iter().chain(&b.tokens);
    let marks: HashSet<&str> = all.filter(|it| is_mark(it)).map(|it| it.stem.as_str()).collect();
    if marks.len() < 2 {
        return Ok(());
    }
    let (mut one, mut other) = (sequence(a, &marks), sequence(b, &marks));
    let (ones, others): (HashSet<&str>, HashSet<&str>) =
        (one.iter().copied().collect(), other.iter().copied().collect());
    one.retain(|mark| others.contains(mark));
    other.retain(|mark| ones.contains(mark));
    match one.iter().zip(&other).find(|(left, right)| left != right) {
        Some((left, right)) => differ(DifferenceKind::Direction, left, right),
        None => Ok(()),
    }
}

/// Whether the item is bound to its place: a number, a date or a name.
fn is_mark(item: &Item) -> bool {
    let bound = item.token.form == Form::Number
        || item.token.stands_out
        || item.kind() == DifferenceKind::Date;
    item.class == Class::Specific && bound
}

/// The marks in reading order. Those that a conjunction joins, and a date with its time, stand in the
/// order of the alphabet, and so do the two ends of a distance.
fn sequence<'a>(features: &'a Features, marks: &HashSet<&str>) -> Vec<&'a str> {
    let symmetric = SYMMETRIC.iter().any(|word| features.has(word));
    let mut sequence: Vec<&str> = Vec::new();
    let (mut run, mut last): (usize, Option<usize>) = (0, None);
    for (at, item) in features.tokens.iter().enumerate() {
        if !marks.contains(item.stem.as_str()) {
            continue;
        }
        let before = last.and_then(|last| features.tokens.get(last..at)).unwrap_or_default();
        if !(is_joined(before, item) || symmetric && item.token.form == Form::Word) {
            sort_run(&mut sequence, run);
            run = sequence.len();
        }
        sequence.push(&item.stem);
        last = Some(at);
    }
    sort_run(&mut sequence, run);
    sequence
}

/// With these, neither of two names is the first.
const SYMMETRIC: [&str; 4] = ["distance", "difference", "compare", "compared"];

/// Whether the first of `before` and `item`, with nothing of meaning between them, have no order.
fn is_joined(before: &[Item], item: &Item) -> bool {
    let [first, between @ ..] = before else { return false };
    let of = |words: &[&str]| {
        let is = |item: &Item| words.contains(&item.token.text.as_str());
        between
            .iter()
            .all(|item| is(item) || matches!(item.token.text.as_str(), "a" | "an" | "the"))
    };
    let dated = [first, item].iter().any(|item| item.kind() == DifferenceKind::Date);
    let alike = first.token.form == item.token.form;
    if dated && !alike {
        return of(&["on", "at", "in", "of"]) && !item.token.leads;
    }
    alike && !between.is_empty() && of(&CONJUNCTIONS)
}

fn sort_run(sequence: &mut [&str], from: usize) {
    if let Some(run) = sequence.get_mut(from..) {
        run.sort_unstable();
    }
}
