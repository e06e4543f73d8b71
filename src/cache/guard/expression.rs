//! Code among words, outside of fences and quotations: operators, brackets, paths and whole lines.
//!
//! Punctuation says nothing in a sentence and everything in code: "a - b * c" is not "(a - b) * c",
//! and `rm ./tmp` is not `rm /tmp`. So what stands around an operator is taken out of the text as it
//! is written, without its spaces, and must be the same on both sides.

use super::lexicon;
use super::{Difference, DifferenceKind, differ};

/// The same expressions and paths in the same order, and the same lines where lines are code.
pub(super) fn compare(asked: &str, stored: &str) -> Result<(), Difference> {
    let (one, other) = (lines(asked), lines(stored));
    let code = |lines: &[&str]| lines.len() > 1 && lines.iter().any(|line| is_code_line(line));
    if one != other && (code(&one) || code(&other)) {
        let mut places = one.iter().zip(&other);
        let (one, other) =
            places.find(|(one, other)| one != other).map_or(("", ""), |(one, other)| (one, other));
        return differ(DifferenceKind::Code, one, other);
    }
    let (one, other) = (expressions(&one), expressions(&other));
    if one == other {
        return Ok(());
    }
    let at = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let text = |side: &[String]| side.get(at).cloned().unwrap_or_default();
    differ(DifferenceKind::Code, &text(&one), &text(&other))
}

/// The lines that have something on them, with what they are indented by.
fn lines(text: &str) -> Vec<&str> {
    text.trim().lines().map(str::trim_end).filter(|line| !line.is_empty()).collect()
}

fn is_code_line(line: &str) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "def ", "import ", "class ", "#include", "select ", "return ", "if (", "for (", "while (",
        "let ", "const ", "```",
    ];
    const PIECES: [&str; 6] = ["()", " = ", "==", "=>", "</", "->"];
    let lower = line.to_lowercase();
    line.starts_with([' ', '\t'])
        || line.ends_with(['{', '}', ';'])
        || line.ends_with("):")
        || BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning))
        || PIECES.iter().any(|piece| line.contains(piece))
}

/// What is code in the lines, in small letters and without spaces.
fn expressions(lines: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for line in lines {
        let chunks: Vec<&str> = line.split_whitespace().map(unquoted).collect();
        let mut at = 0;
        while at < chunks.len() {
            let mut end = at + 1;
            while operates(&chunks, end) {
                end = (end + 2).min(chunks.len());
            }
            let joined: String = chunks[at..end].concat();
            let run_as_written = joined.as_str();
            let run = joined.trim_end_matches(is_punctuation);
            if end > at + 1 {
                found.push(run.to_lowercase());
            } else if matches!(run_as_written, "." | ".." | "/")
                // At the beginning of a line it is the mark of a list.
                || run_as_written == "*" && at > 0
            {
                found.push(run_as_written.to_owned());
            } else if has_name(run) && is_compact(run) || is_path(run) {
                found.push(run.to_lowercase());
            }
            at = end;
        }
    }
    found
}

/// A piece of a line without marks of quotation and emphasis.
fn unquoted(chunk: &str) -> &str {
    let inner = chunk.trim_matches(['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»']);
    let emphasis = inner.len() > 4 && inner.starts_with("**") && inner.ends_with("**");
    if emphasis { inner.trim_matches('*') } else { inner }
}

fn is_punctuation(character: char) -> bool {
    ".?!,;:…\"'`".contains(character)
}

/// Whether the piece at this place is an operator between two others. Some marks are that only
/// between numbers and single letters: "black & white", "pros - cons".
fn operates(chunks: &[&str], at: usize) -> bool {
    let Some(chunk) = chunks.get(at) else { return false };
    if chunk.is_empty() || !chunk.chars().all(|c| "=<>+-*/%^&|!~→⇒?:".contains(c)) {
        return false;
    }
    let short = |at: Option<usize>| {
        let word = at.and_then(|at| chunks.get(at)).map_or("", |chunk| chunk);
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        let code = word.contains(['(', ')', '[', ']']) && !core.is_empty();
        core.chars().count() == 1 || code || core.starts_with(|c: char| c.is_ascii_digit())
    };
    // "The difference between == and ===" names operators, and computes nothing.
    let prose = |at: Option<usize>| {
        let word = at.and_then(|at| chunks.get(at)).map_or("", |chunk| chunk);
        word.chars().nth(1).is_some() && lexicon::is_empty(&word.to_lowercase())
    };
    if prose(at.checked_sub(1)) || prose(Some(at + 1)) {
        return false;
    }
    let weak = matches!(*chunk, "-" | "--" | "/" | "&" | "~" | "%" | "?" | "??" | ":");
    !weak || (short(at.checked_sub(1)) && short(Some(at + 1)))
}

/// Whether it is more than an operator.
fn has_name(chunk: &str) -> bool {
    chunk.contains(char::is_alphanumeric)
}

/// An expression that is written without spaces: "x[0]", "(a+b)", "!a", "x++".
fn is_compact(chunk: &str) -> bool {
    let Some(first) = chunk.chars().next() else { return false };
    let behind = &chunk[first.len_utf8()..];
    let named = |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || "_(".contains(c));
    let prefixed = matches!(first, '!' | '*' | '&' | '$' | '@' | '#') && named(behind);
    let money = first == '$' && behind.starts_with(|c: char| c.is_ascii_digit());
    let bracketed = chunk.contains(['{', '[']) || behind.contains('(');
    let operator = behind.contains(['=', '<', '>', '^', '|', '*'])
        || first == '<' && named(behind)
        || ["&&", "++", "::", "->", "--"].iter().any(|mark| behind.contains(mark))
        || plus_between(chunk)
        || chunk.split_once('?').is_some_and(|(_, behind)| behind.contains(':'));
    let grouped = chunk.len() == 2 && (first == '(' || chunk.ends_with(')'));
    grouped || (prefixed && !money) || bracketed || operator
}

/// "a+b" and "(2+3)", but not "18+" and "C++".
fn plus_between(chunk: &str) -> bool {
    chunk.split_once('+').is_some_and(|(before, behind)| {
        before.ends_with(|c: char| c.is_alphanumeric() || c == ')')
            && behind.starts_with(|c: char| c.is_alphanumeric() || c == '(')
    })
}

/// A path that says where it begins, or that it is a folder: "./tmp", "~/work", ".env", "src/".
fn is_path(chunk: &str) -> bool {
    let hidden = chunk.strip_prefix('.').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let anchored = ["/", "./", "../", "~/"].iter().any(|start| chunk.starts_with(start));
    let remote = chunk.contains(":/") && !chunk.contains("://");
    let folder = chunk.len() > 2 && chunk.ends_with('/') && !chunk.contains("://");
    hidden || folder || remote || (anchored && chunk.len() > 1) || matches!(chunk, ".." | "~")
}
