//! Who is meant: "my son with his anxiety" and "my son with my anxiety".

use super::reading::Features;
use super::{Difference, DifferenceKind, differ};

/// The same persons, who stand to each other in the same way.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    owners(a, b)?;
    others(a, b)?;
    agents(a, b)
}

/// Whose the things are that are asked for.
fn owners(a: &Features, b: &Features) -> Result<(), Difference> {
    for owners in [["my", "your"], ["his", "her"], ["my", "his"], ["my", "her"], ["he", "she"]] {
        for [one, other] in [owners, [owners[1], owners[0]]] {
            // "How do you clean your oven" is about anyone's.
            let clear = |side: &Features, yes: &str, no: &str| {
                side.has(yes) && !side.has(no) && !(yes == "your" && side.has("you"))
            };
            if clear(a, one, other) && clear(b, other, one) {
                return differ(DifferenceKind::Person, one, other);
            }
        }
    }
    Ok(())
}

/// Somebody else who is on one side only, or who comes before the asker on one side and after them on the other:
/// "Can they see my history?" and "Can I see their history?"
fn others(a: &Features, b: &Features) -> Result<(), Difference> {
    for [surely, other] in OTHERS {
        let place = |side: &Features, words: &[&str]| {
            side.tokens.iter().position(|item| words.contains(&item.token.text.as_str()))
        };
        let order = |side: &Features| {
            let (other, own) = (place(side, other)?, place(side, OWN)?);
            Some(other < own)
        };
        let is_in_one = place(a, surely).is_some() != place(b, surely).is_some();
        let is_exchanged = order(a).zip(order(b)).is_some_and(|(one, other)| one != other);
        if is_in_one || is_exchanged {
            return differ(DifferenceKind::Person, other[0], other[0]);
        }
    }
    Ok(())
}

/// The same verb with somebody else before it: "When will you ship it?" and "When will I ship it?" After other
/// auxiliaries "you" is anybody: "How do you clean an oven?"
fn agents(a: &Features, b: &Features) -> Result<(), Difference> {
    let agent = |side: &Features| {
        side.tokens.windows(3).find_map(|three| {
            let [auxiliary, agent, verb] = three else { return None };
            let agent = match agent.token.text.as_str() {
                "i" | "we" => "i",
                "you" => "you",
                _ => return None,
            };
            let is_clear = AUXILIARIES.contains(&auxiliary.token.text.as_str());
            is_clear.then(|| (verb.stem.clone(), agent))
        })
    };
    match (agent(a), agent(b)) {
        (Some((verb, one)), Some((same, other))) if verb == same && one != other => {
            differ(DifferenceKind::Person, one, other)
        }
        _ => Ok(()),
    }
}

const OWN: &[&str] = &["i", "me", "my", "mine", "we", "us", "our", "ours"];
/// Somebody else, as they are surely meant, and in all forms: "feed him" may be "feed my dog", and "how did they
/// build it" is "how was it built".
const OTHERS: [[&[&str]; 2]; 3] = [
    [&["he", "his"], &["he", "his", "him"]],
    [&["she", "hers"], &["she", "hers", "her"]],
    [&["their", "theirs"], &["they", "their", "theirs", "them"]],
];
const AUXILIARIES: [&str; 5] = ["will", "would", "did", "have", "shall"];
