//! Words that say little because of what else is in the question.

use super::DifferenceKind;
use super::lexicon::Class;
use super::reading::Item;
use super::token::Form;

/// Makes the words weak that the rest of the question implies, and the "a" specific that is a name.
pub(super) fn weigh(items: &mut [Item], quotes: bool) {
    let has = |word: &str| items.iter().any(|item| item.token.text == word);
    let of_kind = |kind| items.iter().filter(|item| item.kind() == kind).count();
    let password = has("password") && (has("reset") || has("recover"));
    let language = of_kind(DifferenceKind::Language) > 0;
    let code = items.iter().any(|item| item.token.form == Form::Code);
    let duration = has("duration");
    let measures = of_kind(DifferenceKind::Unit) > 1
        && items.iter().any(|item| item.token.form == Form::Number);
    for at in 0..items.len() {
        if is_variable(&items[at..]) {
            items[at].class = Class::Specific;
        }
        let implied = match items[at].token.text.as_str() {
            // Who resets a password has lost it.
            "forgot" | "forgotten" | "forget" | "lost" => password,
            // "What is 5 km in miles" converts, and so translates "What is 'yes' in French".
            "convert" => measures,
            "translate" | "translation" => quotes && language,
            "word" | "phrase" | "idiom" | "expression" | "proverb" | "saying" | "sentence"
            | "verb" | "noun" | "adjective" => quotes,
            // "How long does it last" and "how long is it good"
            "last" => duration && ends(&items[at + 1..]),
            "equation" | "error" | "exception" | "message" => code || quotes,
            // The other words of this stem ask for a format.
            "details" => true,
            // What is created is new.
            "new" => creates(&items[at.saturating_sub(2)..at]),
            _ => false,
        };
        if implied {
            items[at].class = Class::Weak;
        }
    }
}

/// Whether the verb before `rest` has no object there.
fn ends(rest: &[Item]) -> bool {
    const BEHIND: [&str; 8] = ["in", "after", "at", "when", "if", "on", "once", "for"];
    rest.first().is_none_or(|next| next.token.leads || BEHIND.contains(&next.token.text.as_str()))
}

/// Whether the first of `items` is the "a" of "subtract a from b".
fn is_variable(items: &[Item]) -> bool {
    let [first, rest @ ..] = items else { return false };
    let next = rest.first().filter(|next| !next.token.leads);
    first.token.text == "a"
        && next.is_none_or(|next| {
            matches!(
                next.token.text.as_str(),
                "from" | "to" | "and" | "or" | "by" | "than" | "minus" | "plus"
            )
        })
}

/// Whether one of the words brings what follows into being.
fn creates(before: &[Item]) -> bool {
    const VERBS: [&str; 12] = [
        "create", "creating", "add", "adding", "open", "opening", "make", "making", "register",
        "start", "insert", "generate",
    ];
    before.iter().any(|item| VERBS.contains(&item.token.text.as_str()))
}
