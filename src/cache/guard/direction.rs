//! Whether the same things are related the same way round.

use super::lexicon::Class;
use super::reading::{Features, Item};
use super::token::Form;
use super::{Difference, DifferenceKind, differ};

/// The same words and numbers in other roles: from and to, the one before "than" and the one behind.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    // Weak words may be what is converted, but say nothing by their mere order.
    let (one, other) = (parts(a, Class::Weak), parts(b, Class::Weak));
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
    let (one, other) = (parts(a, Class::Specific), parts(b, Class::Specific));
    if let Some((left, right)) = turned(&one, &other).or_else(|| numbers_turned(a, b, &one, &other))
    {
        return reversed(left, right);
    }
    match unit_moved(a, b) {
        Some((left, right)) => {
            differ(DifferenceKind::Direction, &left.token.text, &right.token.text)
        }
        None => Ok(()),
    }
}

/// "How many miles are 5 km" and "How many km are 5 miles": the same number with another unit, when
/// both have both.
fn unit_moved<'a, 'b>(a: &'a Features, b: &'b Features) -> Option<(&'a Item, &'b Item)> {
    measures(a).find_map(|(number, unit)| {
        let mut there = measures(b).filter(|(other, _)| *other == number);
        let (_, other) = there.next().filter(|(_, other)| !other.matches(unit))?;
        there.all(|(_, other)| !other.matches(unit)).then_some((unit, other))
    })
}

/// The numbers of a question that have a unit behind them.
fn measures(features: &Features) -> impl Iterator<Item = (&str, &Item)> {
    features.tokens.windows(2).filter_map(|pair| {
        let [number, unit] = pair else { return None };
        let measure = number.token.form == Form::Number && unit.kind() == DifferenceKind::Unit;
        measure.then_some((number.token.text.as_str(), unit))
    })
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
    /// Behind "of": "the cost of parking" is "the parking cost".
    of: bool,
}

/// The parts of a question, in reading order.
fn parts(features: &Features, least: Class) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut role, mut listed, mut of, mut before) = ("", false, false, "");
    let mut article = false;
    let exchanges = EXCHANGES.iter().any(|verb| features.has(verb));
    for item in &features.tokens {
        let text = item.token.text.as_str();
        let infinitive = text == "to" && GOVERNORS.contains(&before);
        before = text;
        // Across clauses, order says nothing either.
        listed |= item.token.leads;
        match text {
            "to" if infinitive => role = "",
            "from" | "to" | "into" | "than" | "by" | "against" | "over" => role = text,
            "with" | "for" if exchanges => role = text,
            "instead" => role = text,
            "and" | "or" | "vs" | "versus" | "plus" | "times" | "with" => listed = true,
            "of" => of = true,
            "a" | "an" | "the" | "my" | "your" if item.class == Class::Empty => article = true,
            // "Convert a list to a string": what has an article or a role is no verb.
            _ if item.class >= least
                && (item.class != Class::WeakVerb || article || !role.is_empty())
                && !item.negates =>
            {
                parts.push(Part { item, role, listed, of });
                (role, listed, of, article) = ("", false, false, false);
            }
            _ => (role, article) = ("", false),
        }
    }
    parts
}

/// Verbs that tell one thing from the other by "with" or "for".
const EXCHANGES: [&str; 9] = [
    "replace",
    "replaces",
    "replacing",
    "substitute",
    "substituting",
    "swap",
    "swapping",
    "exchange",
    "exchanging",
];

/// Words before the "to" of an infinitive, which governs nothing.
const GOVERNORS: [&str; 24] = [
    "how",
    "what",
    "where",
    "when",
    "want",
    "need",
    "like",
    "have",
    "able",
    "unable",
    "possible",
    "try",
    "trying",
    "way",
    "going",
    "ought",
    "allowed",
    "required",
    "necessary",
    "safe",
    "best",
    "time",
    "easy",
    "not",
];

fn find<'a, 'b>(parts: &'b [Part<'a>], wanted: &Part<'_>) -> Option<&'b Part<'a>> {
    parts.iter().find(|part| part.item.matches(wanted.item))
}

/// "dogs chase cats" and "cats chase dogs": three parts in a row, the other way round.
fn turned<'b, 'a>(one: &'b [Part<'a>], other: &[Part<'_>]) -> Option<(&'b Part<'a>, &'b Part<'a>)> {
    let triple = |parts: &&'b [Part<'a>]| {
        let [left, middle, right] = parts else { return false };
        let listed = |part: &Part<'_>| part.listed || part.item.token.form == Form::Code;
        !listed(middle)
            && !left.item.matches(right.item)
            && !listed(right)
            && other.windows(3).any(|there| {
                let [first, second, third] = there else { return false };
                left.item.matches(third.item)
                    && middle.item.matches(second.item)
                    && right.item.matches(first.item)
                    && !second.listed
                    && !third.listed
                    && (middle.of || right.of) == (second.of || third.of)
                    // "Paid by the company": the passive is the same the other way round.
                    && (right.role == "by") == (third.role == "by")
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
