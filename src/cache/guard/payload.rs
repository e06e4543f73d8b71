//! The text that a question wants something done to: "Proofread: I could of gone".
//!
//! In such a text everything counts: the mistakes are what is asked about. So it must be the same
//! character by character. What stands before its colon is compared by the rules as ever.

use super::{Difference, DifferenceKind, differ};

/// A question that is an instruction, a colon and a text.
struct Instructed<'a> {
    /// It begins with what is to be done to a text, as "translate" says.
    commands: bool,
    text: &'a str,
}

/// The texts behind the instructions must be equal, and there on both sides or on neither.
pub(super) fn compare(asked: &str, stored: &str) -> Result<(), Difference> {
    let (one, other) = (split(asked), split(stored));
    let equal = match (&one, &other) {
        // "Python: how do I sort a list?" names a topic, and its question is one like others.
        (Some(one), Some(other)) => {
            let asks = |side: &Instructed<'_>| !side.commands && side.text.ends_with('?');
            one.text == other.text || asks(one) && asks(other)
        }
        (Some(only), None) | (None, Some(only)) => !only.commands,
        (None, None) => true,
    };
    if equal {
        return Ok(());
    }
    let text = |side: Option<Instructed<'_>>| side.map_or(String::new(), |it| it.text.to_owned());
    differ(DifferenceKind::Quotation, &text(one), &text(other))
}

/// Cuts at the first colon with a space behind it, or behind an instruction on a line of its own.
fn split(text: &str) -> Option<Instructed<'_>> {
    let text = text.trim();
    // An instruction is short; a long text is not searched through.
    let mut near = text.char_indices().take_while(|(at, _)| *at <= 200);
    let colon = near.find_map(|(at, character)| {
        let (head, behind) = (&text[..at], &text[at + character.len_utf8()..]);
        let splits = match character {
            // "for x in y:" at the end of a line is code.
            ':' if behind.starts_with(['\r', '\n']) => commands(head),
            ':' => behind.starts_with(char::is_whitespace),
            '：' => true,
            '\n' => commands(head),
            '.' | '-' => behind.starts_with(' ') && commands(head) && points(head),
            _ => false,
        };
        splits.then_some((head, behind.trim()))
    });
    let (head, text) = colon?;
    let prose = !head.trim().is_empty() && !head.contains(['(', '=', '{']);
    let courtesy = head.split_whitespace().all(|word| COURTESIES.contains(&plain(word).as_str()));
    (prose && !courtesy && !text.is_empty()).then(|| Instructed { commands: commands(head), text })
}

fn plain(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Whether one of the words asks to do something to a text.
fn commands(head: &str) -> bool {
    let verb = |word: &str| {
        let word = plain(word);
        VERBS.iter().flat_map(|row| row.split(' ')).any(|verb| verb == word)
    };
    head.split_whitespace().any(verb)
}

/// Whether it says that the text is behind it.
fn points(head: &str) -> bool {
    head.split_whitespace()
        .any(|word| matches!(plain(word).as_str(), "this" | "following" | "below"))
}

/// What people put before a question with a colon.
static COURTESIES: [&str; 25] = [
    "hi",
    "hello",
    "hey",
    "quick",
    "question",
    "questions",
    "a",
    "my",
    "the",
    "one",
    "simple",
    "short",
    "another",
    "dear",
    "team",
    "all",
    "support",
    "please",
    "help",
    "problem",
    "issue",
    "ask",
    "me",
    "frage",
    "pregunta",
];

/// What is done to a text, in the form that orders it.
static VERBS: &[&str] = &[
    "translate proofread fix correct rewrite rephrase paraphrase summarize summarise classify decode",
    "encode convert edit polish shorten lengthen expand simplify capitalize capitalise format",
    "reformat extract parse count complete continue finish transcribe transliterate pronounce spell",
    "spellcheck normalize normalise remove replace sort reverse anonymize redact label tag",
    "categorize categorise analyze analyse annotate punctuate hash encrypt decrypt escape unescape",
    "minify beautify refactor debug explain evaluate solve simplify pluralize conjugate make improve",
    "übersetze korrigiere verbessere umschreibe traduis traduisez corrige traduce traduzca resume",
    "traduci correggi riassumi traduza corrija vertaal verbeter",
];
