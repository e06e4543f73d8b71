//! In which language a question is written: by its script, and by its function words.

use super::foreign::LANGUAGES;
use super::reading::Features;
use super::token::{Form, Token};
use super::{Difference, DifferenceKind, differ};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Position in [`LANGUAGES`] and whether the word negates.
type Senses = Vec<(usize, bool)>;

static WORDS: LazyLock<HashMap<&'static str, Senses>> = LazyLock::new(|| {
    let mut words: HashMap<&str, Senses> = HashMap::new();
    for (at, language) in LANGUAGES.iter().enumerate() {
        for word in language.empty.split(' ') {
            words.entry(word).or_default().push((at, false));
        }
        for word in language.negations.split(' ').filter(|word| !word.is_empty()) {
            words.entry(word).or_default().push((at, true));
        }
    }
    words
});

/// What a word is in the language at this position of [`LANGUAGES`]: empty (`Some(false)`), a
/// negation (`Some(true)`) or neither.
pub(super) fn sense(word: &str, language: usize) -> Option<bool> {
    WORDS.get(word)?.iter().find(|(at, _)| *at == language).map(|(_, negates)| *negates)
}

/// The language of a Latin text, as a position in [`LANGUAGES`], and how many of its function words
/// are there.
pub(super) fn detect(tokens: &[Token]) -> (usize, usize) {
    let mut counts = vec![0_usize; LANGUAGES.len()];
    for token in tokens.iter().filter(|token| token.form == Form::Word) {
        for (at, _) in WORDS.get(token.text.as_str()).into_iter().flatten() {
            counts[*at] += 1;
        }
    }
    let mut best = (0, counts.first().copied().unwrap_or(0));
    for (at, count) in counts.into_iter().enumerate() {
        if count > best.1 {
            best = (at, count);
        }
    }
    best
}

/// The script that most letters of `text` are in.
pub(super) fn script(text: &str) -> &'static str {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_alphabetic()) { "latin" } else { "" };
    }
    let mut counts = [0_usize; SCRIPTS.len()];
    for character in text.chars().filter(|c| c.is_alphabetic()) {
        let code = u32::from(character);
        let inside = |(_, ranges): &(&str, &[(u32, u32)])| {
            ranges.iter().any(|(from, to)| (*from..=*to).contains(&code))
        };
        if let Some(at) = SCRIPTS.iter().position(inside) {
            counts[at] += 1;
        }
    }
    let kana = counts[1];
    let most = counts.iter().enumerate().max_by_key(|(at, count)| (**count, usize::MAX - at));
    match most {
        // A Japanese text has Kana between its Han characters; a Chinese one has none.
        Some((0, _)) if kana > 0 => SCRIPTS[1].0,
        Some((at, count)) if *count > 0 => SCRIPTS[at].0,
        _ => "",
    }
}

type Script = (&'static str, &'static [(u32, u32)]);

static SCRIPTS: [Script; 11] = [
    ("han", &[(0x3400, 0x4dbf), (0x4e00, 0x9fff)]),
    ("kana", &[(0x3040, 0x30ff)]),
    ("latin", &[(0x41, 0x24f), (0x1e00, 0x1eff)]),
    ("cyrillic", &[(0x400, 0x52f)]),
    ("greek", &[(0x370, 0x3ff)]),
    ("hangul", &[(0x1100, 0x11ff), (0xac00, 0xd7af)]),
    ("arabic", &[(0x600, 0x6ff), (0x750, 0x77f)]),
    ("hebrew", &[(0x590, 0x5ff)]),
    ("devanagari", &[(0x900, 0x97f)]),
    ("bengali", &[(0x980, 0x9ff)]),
    ("thai", &[(0xe00, 0xe7f)]),
];

/// Another script, or function words of another language.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    if a.script != b.script && !a.script.is_empty() && !b.script.is_empty() {
        return differ(DifferenceKind::Language, a.script, b.script);
    }
    let (one, other) = (a.language, b.language);
    if one.0 != other.0 && one.1 > 1 && other.1 > 1 {
        return differ(DifferenceKind::Language, LANGUAGES[one.0].code, LANGUAGES[other.0].code);
    }
    Ok(())
}
