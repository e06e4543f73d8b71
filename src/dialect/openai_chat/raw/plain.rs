//! Answers and chunks that are nothing but text, told from all others without decoding them: most are,
//! and what the cache keeps of them needs no more.

use super::walk::Walk;
use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;
use serde::de::IgnoredAny;
use std::sync::LazyLock;

/// Fields of an answer for which the hub's events have no word: kept in one form, it would lack them in
/// the other.
pub const UNSAID: [&str; 6] =
    ["annotations", "images", "audio", "citations", "search_results", "function_call"];

/// Whether JSON may have a field of [`UNSAID`]; if not, it need not be read for it.
pub fn may_say_more(json: &[u8]) -> bool {
    // With their quotes: every count of tokens has `audio_tokens`.
    static FINDER: LazyLock<Option<AhoCorasick>> =
        LazyLock::new(|| AhoCorasick::new(UNSAID.map(|name| format!("\"{name}\""))).ok());
    FINDER.as_ref().is_none_or(|finder| finder.is_match(json))
}

/// Whether a complete answer, which has been read before, is nothing but text that the model ended
/// itself, or that its bound ended.
pub fn is_plain_text(answer: &[u8]) -> bool {
    static CHOICES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"choices\""));
    let mut walk = Walk::new(answer);
    let mut choices = 0;
    walk.enter(b'{');
    while let Some(name) = walk.name() {
        if name == b"choices" && walk.enter(b'[') {
            // Twice would be two answers to two readers.
            if choices > 0 {
                return false;
            }
            while walk.item() {
                choices += 1;
                if !is_plain_choice(&mut walk) {
                    return false;
                }
            }
            if choices == 0 {
                return false;
            }
            if CHOICES.find(walk.rest).is_none() && !may_say_more(walk.rest) {
                break;
            }
            continue;
        }
        let value = walk.value();
        if UNSAID.iter().any(|unsaid| unsaid.as_bytes() == name) && !is_nothing(value) {
            return false;
        }
    }
    choices > 0
}

fn is_plain_choice(walk: &mut Walk) -> bool {
    if !walk.enter(b'{') {
        return false;
    }
    let (mut ended, mut said) = (false, false);
    while let Some(name) = walk.name() {
        match name {
            b"finish_reason" => ended = matches!(walk.value(), b"\"stop\"" | b"\"length\""),
            b"message" if walk.enter(b'{') => {
                while let Some(name) = walk.name() {
                    match name {
                        b"role" => drop(walk.value()),
                        b"content" => said = walk.string().is_some_and(says_something),
                        _ if is_nothing(walk.value()) => {}
                        _ => return false,
                    }
                }
            }
            _ => drop(walk.value()),
        }
    }
    ended && said
}

/// Chunks of a stream that do nothing but add to the first choice's text. One is read; most of those
/// that follow differ from it in the text alone, or in what it is padded with, and are only compared.
#[derive(Debug, Default)]
pub struct PlainChunks {
    /// The chunk that was read last, without its text and without its padding. Empty if none was.
    shape: Vec<u8>,
    /// Where its text was.
    text: usize,
    /// Where its padding was; at the end if it has none.
    padding: usize,
}

/// Where in a chunk is what the next one may differ in.
struct Outline<'a> {
    text: &'a [u8],
    /// Bytes from the text on, and after it.
    from_text: usize,
    after_text: usize,
    /// The same of the last string beside the choices, in which providers hide how long the text is; both
    /// 0 if there is none.
    from_padding: usize,
    after_padding: usize,
}

impl PlainChunks {
    /// What the chunk adds to the text with which `bytes` begin, as it is written in JSON, and what follows
    /// the chunk; `None` when it is not like the one that was read last.
    pub fn next<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if self.shape.is_empty() {
            return None;
        }
        let (rest, after_padding) = self.shape.split_at_checked(self.padding)?;
        let (before, after) = rest.split_at_checked(self.text)?;
        let rest = bytes.strip_prefix(before)?;
        let (text, rest) = rest.split_at_checked(length_of_string(rest)?)?;
        let rest = rest.strip_prefix(after)?;
        if after_padding.is_empty() {
            return Some((text, rest));
        }
        let (_padding, rest) = rest.split_at_checked(length_of_string(rest)?)?;
        Some((text, rest.strip_prefix(after_padding)?))
    }

    /// What a chunk adds to the text, and how many bytes follow it; `None` when it is not like the one that was
    /// read last.
    pub fn like_last<'a>(&self, chunk: &'a [u8]) -> Option<(&'a [u8], usize)> {
        match self.next(chunk)? {
            (text, []) => Some((text, chunk.len() - self.text - text.len())),
            _ => None,
        }
    }

    /// The same whatever the chunks before were like; `None` when it says anything else, or when it adds
    /// nothing and is not like the one before. One of which it is not known that it is sound is read for that.
    pub fn text<'a>(&mut self, chunk: &'a [u8], is_sound: bool) -> Option<(&'a [u8], usize)> {
        if let Some(text) = self.like_last(chunk) {
            return Some(text);
        }
        // The first and the last of a stream, and what says anything else, are mostly told by that.
        if !says_text(chunk) {
            return None;
        }
        let outline = outline_of_plain_chunk(chunk)?;
        if !is_sound {
            serde_json::from_slice::<IgnoredAny>(chunk).ok()?;
        }
        let (before, rest) = split_from_end(chunk, outline.from_text)?;
        let (_text, rest) = split_from_end(rest, outline.after_text)?;
        let (after, rest) = split_from_end(rest, outline.from_padding)?;
        let (_padding, after_padding) = split_from_end(rest, outline.after_padding)?;
        self.shape.clear();
        self.shape.extend_from_slice(before);
        self.text = self.shape.len();
        self.shape.extend_from_slice(after);
        self.padding = self.shape.len();
        self.shape.extend_from_slice(after_padding);
        Some((outline.text, outline.after_text))
    }
}

/// Whether there is a text in a chunk that is not empty: at a glance, which may be wrong where it stands twice.
fn says_text(chunk: &[u8]) -> bool {
    static CONTENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"content\""));
    let value = CONTENT.find(chunk).and_then(|at| chunk.get(at + CONTENT.needle().len()..));
    let text = value
        .and_then(|value| value.trim_ascii_start().strip_prefix(b":"))
        .and_then(|value| value.trim_ascii_start().strip_prefix(b"\""));
    text.is_some_and(|text| !text.starts_with(b"\""))
}

fn split_from_end(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(length)?)
}

/// How long the text is that goes on with `json`, up to the quote that ends its string. `None` where
/// none does, or where the text is not sound.
fn length_of_string(json: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = json.get(at..)?;
        at += match rest.first_chunk().map(plain_bytes) {
            Some(8) => {
                at += 8;
                continue;
            }
            Some(plain) => plain,
            None => rest.iter().position(|byte| plain_bytes(&[*byte; 8]) == 0)?,
        };
        at += match json.get(at..)? {
            [b'"', ..] => break,
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'\\', b'u', digits @ ..]
                if digits.first_chunk::<4>()?.iter().all(u8::is_ascii_hexdigit) =>
            {
                6
            }
            _ => return None,
        };
    }
    debug_assert!(json.get(..at).is_some_and(|text| !Walk::new(text).ends_within_a_string()));
    Some(at)
}

/// How many of the bytes of a string in JSON stand for themselves before one that does not: a quote, a
/// backslash or a control character. All are looked at at once, which is done for every chunk.
fn plain_bytes(bytes: &[u8; 8]) -> usize {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(*bytes);
    // Sets the highest bit of the first byte that is less than that, and none before it.
    let less = |word: u64, than: u8| word.wrapping_sub(EACH * u64::from(than)) & !word;
    let is = |byte: u8| less(word ^ (EACH * u64::from(byte)), 1);
    let found = (is(b'"') | is(b'\\') | less(word, b' ')) & (EACH << 7);
    found.trailing_zeros() as usize / 8
}

fn outline_of_plain_chunk(chunk: &[u8]) -> Option<Outline<'_>> {
    let mut walk = Walk::new(chunk);
    let mut outline = None;
    if !walk.enter(b'{') {
        return None;
    }
    while let Some(name) = walk.name() {
        if name == b"choices" {
            if outline.is_some() || !walk.enter(b'[') || !walk.item() {
                return None;
            }
            let (text, rest) = text_of_plain_delta(&mut walk)?;
            // Its quote stands there as well.
            let after_text = rest + 1;
            let from_text = after_text + text.len();
            outline =
                Some(Outline { text, from_text, after_text, from_padding: 0, after_padding: 0 });
            if walk.item() {
                return None;
            }
            continue;
        }
        let value = walk.value();
        let unsaid = || UNSAID.iter().any(|unsaid| unsaid.as_bytes() == name);
        if (name == b"usage" || name == b"error" || unsaid()) && !is_nothing(value) {
            return None;
        }
        if let (Some(outline), Some(string)) = (&mut outline, value.strip_prefix(b"\"")) {
            outline.after_padding = walk.rest.len() + 1;
            outline.from_padding = walk.rest.len() + string.len();
        }
    }
    outline
}

/// The text, and how many bytes follow its last quote.
fn text_of_plain_delta<'a>(walk: &mut Walk<'a>) -> Option<(&'a [u8], usize)> {
    let mut text = None;
    if !walk.enter(b'{') {
        return None;
    }
    while let Some(name) = walk.name() {
        match name {
            b"index" if walk.value() == b"0" => {}
            b"delta" if walk.enter(b'{') => {
                while let Some(name) = walk.name() {
                    match name {
                        b"content" => text = Some((walk.string()?, walk.rest.len())),
                        // Some say it in every chunk.
                        b"role" => drop(walk.value()),
                        _ if is_nothing(walk.value()) => {}
                        _ => return None,
                    }
                }
            }
            b"index" => return None,
            _ if is_nothing(walk.value()) => {}
            _ => return None,
        }
    }
    text
}

fn is_nothing(value: &[u8]) -> bool {
    matches!(value, b"null" | b"[]" | b"{}")
}

/// Whether a text, escapes and all, is sound and more than white space. Escapes that need a closer look
/// (half of a character is none) are for others to look at.
fn says_something(text: &[u8]) -> bool {
    static LONG_ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u"));
    let Ok(mut text) = std::str::from_utf8(text) else { return false };
    if LONG_ESCAPE.find(text.as_bytes()).is_some() {
        return false;
    }
    loop {
        let trimmed = text.trim_start();
        let blank = ["\\n", "\\t", "\\r", "\\f"].iter().find_map(|it| trimmed.strip_prefix(it));
        match blank {
            Some(rest) => text = rest,
            None => return !trimmed.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn plain_text_is_told_from_everything_else() {
        let answer = |reason: &str, message: serde_json::Value| {
            json!({"id": "1", "choices": [{"index": 0, "finish_reason": reason, "message": message}],
                "usage": {"total_tokens": 3}})
            .to_string()
        };
        let text =
            json!({"role": "assistant", "content": "At nine.", "refusal": null, "annotations": []});
        assert!(is_plain_text(answer("stop", text.clone()).as_bytes()));
        assert!(is_plain_text(answer("length", text.clone()).as_bytes()));
        assert!(!is_plain_text(answer("content_filter", text).as_bytes()));
        for message in [
            json!({"role": "assistant", "content": " "}),
            json!({"role": "assistant", "content": "\n \r\t"}),
            json!({"role": "assistant", "content": "\u{a0}\n\u{3000}"}),
            json!({"role": "assistant"}),
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}),
            json!({"role": "assistant", "content": "See.", "annotations": [{"type": "url_citation"}]}),
            json!({"role": "assistant", "content": "", "refusal": "No."}),
        ] {
            assert!(!is_plain_text(answer("stop", message.clone()).as_bytes()), "{message}");
        }
        assert!(is_plain_text(answer("stop", json!({"content": "\n\"a"})).as_bytes()));
        let cited =
            answer("stop", json!({"content": "a"})).replacen('{', r#"{"citations":["b"],"#, 1);
        assert!(!is_plain_text(cited.as_bytes()));
        assert!(is_plain_text(cited.replace("[\"b\"]", "[]").as_bytes()));
        // Half of a character, which no reader of a stream could be given.
        for half in [&b"Hi \\ud83d"[..], b"Hi \xff"] {
            let whole = answer("length", json!({"content": "HALF"}));
            let (before, after) = whole.split_once("HALF").unwrap();
            assert!(!is_plain_text(&[before.as_bytes(), half, after.as_bytes()].concat()));
        }
        let twice = answer("stop", json!({"content": "a"}));
        assert!(!is_plain_text(twice.replacen('{', r#"{"choices":[],"#, 1).as_bytes()));
        let again = format!("{},{}", twice.strip_suffix('}').unwrap(), &twice[1..]);
        assert!(!is_plain_text(again.as_bytes()));
        assert!(!is_plain_text(b"{\"choices\":[]}"));
        assert!(!is_plain_text(b"[]"));
    }

    #[test]
    fn a_chunk_of_nothing_but_text_is_told_from_everything_else() {
        let chunk = |choice: serde_json::Value| {
            json!({"id": "1", "choices": [choice], "usage": null}).to_string()
        };
        let text = |delta: serde_json::Value| {
            chunk(json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}))
        };
        let plain = text(json!({"content": "a \"b\""}));
        fn added<'a>(chunks: &mut PlainChunks, chunk: &'a str) -> Option<&'a [u8]> {
            let (text, after) = chunks.text(chunk.as_bytes(), false)?;
            assert!(chunk.as_bytes().get(..chunk.len() - after).unwrap().ends_with(text));
            Some(text)
        }
        let mut chunks = PlainChunks::default();
        assert_eq!(added(&mut chunks, &plain), Some(&br#"a \"b\""#[..]));
        // The second time it is compared, whatever its text.
        for (said, written) in [("", ""), ("c", "c"), ("\\\"", r#"\\\""#), ("ü\n", "ü\\n")] {
            let next = text(json!({"content": said}));
            assert!(chunks.next(next.as_bytes()).is_some(), "{next}");
            assert_eq!(added(&mut chunks, &next), Some(written.as_bytes()));
        }
        for other in [
            text(json!({"content": "a", "reasoning_content": "b"})),
            text(json!({"role": "assistant"})),
            text(json!({"content": null})),
            text(json!({})),
            chunk(json!({"index": 1, "delta": {"content": "a"}})),
            chunk(json!({"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"})),
            chunk(json!({"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [1]}})),
            plain.replace("null}", "{\"prompt_tokens\":1}}"),
            plain.replacen('{', "{\"citations\":[\"a\"],", 1),
            plain.replace("}]", "},{\"index\":0,\"delta\":{\"content\":\"c\"}}]"),
            "[DONE]".to_owned(),
            // Cut off.
            plain.trim_end_matches(['}', ']']).to_owned(),
            // The same beginning and end, and something else in between.
            text(json!({"content": "a"})).replacen("a\"", "a\",\"refusal\":\"b\"", 1),
            plain.replace("b\\\"\"", "b\\\"\\\\\",\"refusal\":\"\""),
        ] {
            assert_eq!(chunks.text(other.as_bytes(), false), None, "{other}");
            assert_eq!(PlainChunks::default().text(other.as_bytes(), false), None, "{other}");
        }
    }

    /// A chunk as OpenAI writes them, with this between the quotes of its text and of its padding.
    fn padded(text: &str, padding: &str) -> String {
        format!(
            r#"{{"id":"1","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}],"usage":null,"obfuscation":"{padding}","n":[1]}}"#
        )
    }

    #[test]
    fn a_chunk_that_is_padded_otherwise_is_only_compared() {
        let mut chunks = PlainChunks::default();
        assert!(chunks.next(padded("a", "b").as_bytes()).is_none());
        assert!(chunks.text(padded("a", "b").as_bytes(), false).is_some());
        for (text, padding) in
            [("", ""), ("c\\\"", "\\\\"), ("d", "long enough for two"), ("\\u00e9", "x")]
        {
            let chunk = padded(text, padding);
            assert_eq!(chunks.next(chunk.as_bytes()), Some((text.as_bytes(), &b""[..])));
            let (_, after) = chunks.text(chunk.as_bytes(), false).unwrap();
            assert!(chunk.get(..chunk.len() - after).unwrap().ends_with(text));
            // What follows is left, and nothing is seen of one that is not complete.
            let two = format!("{chunk}\n\n{chunk}");
            let rest = two.get(chunk.len()..).unwrap();
            assert_eq!(chunks.next(two.as_bytes()), Some((text.as_bytes(), rest.as_bytes())));
            for cut in 0..chunk.len() {
                assert_eq!(chunks.next(chunk.get(..cut).unwrap().as_bytes()), None, "{cut}");
            }
        }
        for other in [
            padded("a", "b").replace("[1]", "[2]"),
            padded("a", "b").replace("null,\"obf", "1,\"obf"),
            padded("a\",\"refusal\":\"c", "b"),
            padded("a", "b\",\"citations\":\"c"),
            padded("a", "\\"),
            padded("a", "\n"),
        ] {
            assert_eq!(chunks.next(other.as_bytes()), None, "{other}");
        }
        // A string that says something is no padding.
        for name in ["usage", "error", "citations"] {
            let other = padded("a", "b").replace("obfuscation", name);
            assert_eq!(chunks.text(other.as_bytes(), false), None, "{other}");
        }
    }

    #[test]
    fn a_chunk_that_is_not_sound_is_none_unless_it_is_known_to_be() {
        let unsound = padded("a", "b").replace("[1]", "[01]");
        assert_eq!(PlainChunks::default().text(unsound.as_bytes(), false), None);
        assert!(PlainChunks::default().text(unsound.as_bytes(), true).is_some());
    }

    proptest! {
        #[test]
        fn a_text_is_taken_as_any_reader_takes_it(
            text in "[a-f0\"\\\\/unt\n\u{1}\u{e9}]{0,6}|([^\"\\\\]{12,20}|\\\\[\"\\\\nu/]){0,4}",
        ) {
            let mut chunks = PlainChunks::default();
            chunks.text(padded("a", "b").as_bytes(), false).unwrap();
            let is_sound = serde_json::from_str::<IgnoredAny>(&format!("\"{text}\"")).is_ok();
            let expected = is_sound.then_some((text.as_bytes(), &b""[..]));
            let chunk = padded(&text, "c");
            prop_assert_eq!(chunks.next(chunk.as_bytes()), expected);
            let chunk = padded("d", &text);
            let expected = is_sound.then_some((&b"d"[..], &b""[..]));
            prop_assert_eq!(chunks.next(chunk.as_bytes()), expected);
        }
    }
}
