//! Whether the same things are related the same way round.

use super::lexicon::Class;
use super::reading::{Features, Item};
use super::token::Form;
use super::{Difference, DifferenceKind, differ};

/// The same words and numbers in other roles: from and to, the one before "than" and the one behind.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    let (one, other) = (parts(a), parts(b));
    for (at, left) in one.iter().enumerate() {
        let Some(left_there) = find(&other, left) else { continue };
        for right in &one[at + 1..] {
            let Some(right_there) = find(&other, right) else { continue };
            let crossed = left.role != right.role
                && left_there.role == right.role
                && right_there.role == left.role;
            if crossed {
                return reversed(left, right);
            }
        }
        // "flights from Rome" and "flights to Rome"
        let roles = [left.role, left_there.role];
        if roles.contains(&"from") && (roles.contains(&"to") || roles.contains(&"into")) {
            let text = &left.item.token.text;
            let named = roles.map(|role| format!("{role} {text}"));
            return differ(DifferenceKind::Direction, &named[0], &named[1]);
        }
    }
    if let Some((left, right)) = turned(&one, &other).or_else(|| numbers_turned(a, b, &one, &other))
    {
        return reversed(left, right);
    }
    Ok(())
}

fn reversed(left: &Part<'_>, right: &Part<'_>) -> Result<(), Difference> {
    let (left, right) = (&left.item.token.text, &right.item.token.text);
    differ(DifferenceKind::Direction, &format!("{left} … {right}"), &format!("{right} … {left}"))
}

/// A word of meaning or a number, with the preposition that governs it.
struct Part<'a> {
    item: &'a Item,
    role: &'a str,
    /// Joined to the one before by "and" or "or" or in another clause, where order says nothing.
    listed: bool,
}

/// The parts of a question, in reading order.
fn parts(features: &Features) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut role, mut listed) = ("", false);
    for item in &features.tokens {
        let text = item.token.text.as_str();
        // Across clauses, order says nothing either.
        listed |= item.token.leads;
        match text {
            "from" | "to" | "into" | "than" | "by" | "against" | "over" => role = text,
            "and" | "or" | "vs" | "versus" | "plus" | "times" | "with" => listed = true,
            "a" | "an" | "the" | "my" | "your" | "of" => {}
            _ if item.class == Class::Specific && !item.negates => {
                parts.push(Part { item, role, listed });
                (role, listed) = ("", false);
            }
            _ => role = "",
        }
    }
    parts
}

fn find<'a, 'b>(parts: &'b [Part<'a>], wanted: &Part<'_>) -> Option<&'b Part<'a>> {
    parts.iter().find(|part| part.item.matches(wanted.item))
}

/// "dogs chase cats" and "cats chase dogs": three parts in a row, the other way round.
fn turned<'b, 'a>(one: &'b [Part<'a>], other: &[Part<'_>]) -> Option<(&'b Part<'a>, &'b Part<'a>)> {
    let triple = |parts: &&'b [Part<'a>]| {
        let [left, middle, right] = parts else { return false };
        let listed = |part: &Part<'_>| part.listed || part.item.token.form == Form::Code;
        !listed(middle)
            && !listed(right)
            && other.windows(3).any(|there| {
                let [first, second, third] = there else { return false };
                left.item.matches(third.item)
                    && middle.item.matches(second.item)
                    && right.item.matches(first.item)
                    && !second.listed
                    && !third.listed
            })
    };
    let found = one.windows(3).find(triple)?;
    found.first().zip(found.last())
}

/// Numbers in another order, where "and", "plus" or "times" do not make it the same.
fn numbers_turned<'b, 'a>(
    a: &Features,
    b: &Features,
    one: &'b [Part<'a>],
    other: &[Part<'_>],
) -> Option<(&'b Part<'a>, &'b Part<'a>)> {
    let free = ["and", "or", "plus", "times", "sum", "average", "mean"];
    if free.iter().any(|word| a.has(word) || b.has(word)) {
        return None;
    }
    let is_number = |part: &&Part<'_>| part.item.token.form == Form::Number;
    let there = other.iter().filter(is_number);
    one.iter()
        .filter(is_number)
        .zip(there)
        .find(|(one, other)| one.item.stem != other.item.stem)
        .map(|(one, _)| (one, one))
}
