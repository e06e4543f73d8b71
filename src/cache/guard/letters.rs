//! Capital and small letters where they are the question.
//!
//! Most people write as it comes, so "sql" is "SQL" and "iphone" is "iPhone". But a milliwatt is no
//! megawatt, `-i` is not `-I`, "IT" is not "it", and in a base64 text every letter counts. This also
//! decides about texts whose fingerprints agree, which fold letters and white space.

use super::lexicon;
use super::{Difference, DifferenceKind, differ};
use std::collections::BTreeMap;

/// The same word in both questions, in letters that make it another one.
pub(super) fn compare(asked: &str, stored: &str) -> Result<(), Difference> {
    if shouts(asked) || shouts(stored) {
        return Ok(());
    }
    let behind_first = |text: &str| text.chars().skip(1).collect::<String>();
    let quoted = quoted(asked).into_iter().zip(quoted(stored)).find(|(one, other)| {
        one.to_lowercase() == other.to_lowercase() && behind_first(one) != behind_first(other)
    });
    if let Some((one, other)) = quoted {
        return differ(DifferenceKind::Quotation, one, other);
    }
    let exact = [asked, stored].iter().any(|text| is_about_letters(text));
    let mut words: BTreeMap<String, [Vec<Spelled<'_>>; 2]> = BTreeMap::new();
    for (side, text) in [asked, stored].into_iter().enumerate() {
        for (at, chunk) in text.split_whitespace().enumerate() {
            let word = chunk.trim_matches(is_edge);
            let sides = words.entry(word.to_lowercase()).or_default();
            if let Some(forms) = sides.get_mut(side) {
                forms.push(Spelled { text: word, first: at == 0 });
            }
        }
    }
    for (lower, [ones, others]) in &words {
        // "Is Polish hard to polish?" tells the two by their letters itself.
        let tells = [ones, others].map(|side| {
            side.iter().any(|it| side.first().is_some_and(|first| first.text != it.text))
        });
        let exact = exact || tells == [true, true];
        let found = ones
            .iter()
            .zip(others)
            .find(|(one, other)| one.text != other.text && matters(lower, one, other, exact));
        if let Some((one, other)) = found {
            return differ(DifferenceKind::Code, one.text, other.text);
        }
    }
    Ok(())
}

/// What is between straight quotation marks, where each letter counts but the first, which many begin a
/// sentence with.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// A word as it is written.
struct Spelled<'a> {
    text: &'a str,
    /// First of its text, where a capital says nothing.
    first: bool,
}

/// How capitals are spread over a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Small,
    Title,
    Capitals,
    /// A capital behind a small letter, or a small letter between capitals.
    Mixed,
}

fn shape(word: &str) -> Shape {
    let mut letters = word.chars().filter(|c| c.is_alphabetic());
    let capital = letters.next().is_some_and(char::is_uppercase);
    let (mut upper, mut lower) = (false, false);
    for letter in letters {
        upper |= letter.is_uppercase();
        lower |= letter.is_lowercase();
    }
    match (capital, upper, lower) {
        (false, false, _) => Shape::Small,
        (true, false, true) => Shape::Title,
        (true, _, false) => Shape::Capitals,
        _ => Shape::Mixed,
    }
}

/// Whether two spellings of `lower` are two things.
fn matters(lower: &str, one: &Spelled<'_>, other: &Spelled<'_>, exact: bool) -> bool {
    let shapes = [shape(one.text), shape(other.text)];
    let has = |wanted: Shape| shapes.contains(&wanted);
    if lower.starts_with('-') || lower.contains('\\') {
        return true;
    }
    if lower.contains('/') {
        return address(one.text) != address(other.text);
    }
    let first = (one.first || other.first) && !has(Shape::Mixed) && !has(Shape::Capitals);
    if exact && !first && lower != "i" && !TOPICS.contains(&lower) {
        return true;
    }
    let letters = lower.chars().filter(|c| c.is_alphabetic()).count();
    let coded = lower.contains('=') || lower.bytes().any(|byte| byte.is_ascii_digit());
    if UNITS.contains(&lower.trim_start_matches(|c: char| c.is_ascii_digit())) {
        return has(Shape::Mixed) || has(Shape::Title);
    }
    if shapes == [Shape::Mixed, Shape::Mixed] {
        return true;
    }
    if letters <= 5 && has(Shape::Mixed) && has(Shape::Capitals) {
        return !matches!(lower, "ios" | "phd" | "wifi" | "ph" | "ebay" | "ipad");
    }
    if letters == 2 && !first && has(Shape::Title) && has(Shape::Capitals) {
        return !SLOPPY.contains(&lower);
    }
    if has(Shape::Mixed) {
        return coded
            || letters <= 2 && lower != "ph"
            || is_identifier(one)
            || is_identifier(other);
    }
    if coded {
        return has(Shape::Title) && !first;
    }
    has(Shape::Capitals) && (2..=5).contains(&letters) && is_ordinary(lower)
}

/// Short words that many write in any letters.
const SLOPPY: [&str; 8] = ["tv", "ok", "pc", "id", "uk", "eu", "ip", "ai"];

/// Units whose letters tell a thousandth from a million, and bits from bytes.
const UNITS: [&str; 13] =
    ["mw", "kw", "mb", "kb", "gb", "tb", "pb", "mbps", "gbps", "kbps", "mhz", "mv", "ms"];

/// "myVar", but not "iPhone" and "eBay".
fn is_identifier(word: &Spelled<'_>) -> bool {
    const BRANDS: [&str; 4] = ["macOS", "jQuery", "tvOS", "watchOS"];
    let mut letters = word.text.chars();
    let small = letters.next().is_some_and(char::is_lowercase);
    let brand = BRANDS.contains(&word.text) || letters.next().is_some_and(char::is_uppercase);
    let plain = word.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    small && plain && !brand && shape(word.text) == Shape::Mixed
}

/// An address with the parts small that are the same in any letters.
fn address(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    format!("{}://{}{path}", scheme.to_lowercase(), host.to_lowercase())
}

/// Whether the small word is one of its own, so that its capitals are a name, and not stress.
fn is_ordinary(lower: &str) -> bool {
    const STRESSED: [&str; 37] = [
        "not", "no", "all", "any", "only", "must", "never", "every", "very", "how", "why", "what",
        "when", "where", "is", "do", "does", "can", "you", "my", "ok", "best", "good", "same",
        "much", "many", "too", "also", "ever", "each", "both", "some", "own", "your", "want",
        "need", "the",
    ];
    const NAMES: [&str; 20] = [
        "aids", "arm", "sat", "act", "rest", "soap", "cat", "ice", "nice", "spa", "hat", "bat",
        "lead", "mars", "sad", "bit", "pet", "mint", "care", "fast",
    ];
    let own = lexicon::is_empty(lower) || NAMES.contains(&lower);
    own && !STRESSED.contains(&lower)
}

/// Whether the whole text is in capitals, which then say nothing.
fn shouts(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    letters > 5 && text.split_whitespace().nth(1).is_some() && !text.chars().any(char::is_lowercase)
}

/// Whether the text is about letters, so that each counts.
fn is_about_letters(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).any(|word| TOPICS.contains(&word))
}

const TOPICS: [&str; 14] = [
    "base64",
    "decode",
    "encode",
    "hash",
    "md5",
    "sha256",
    "capitalize",
    "capitalise",
    "capitalization",
    "uppercase",
    "lowercase",
    "camelcase",
    "anagram",
    "palindrome",
];

fn is_edge(character: char) -> bool {
    ".,;:!?()[]{}\"'`“”„‘’«»…".contains(character)
}
