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
/// that follow differ from it in the text alone, and are only compared.
#[derive(Debug, Default)]
pub struct PlainChunks {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl PlainChunks {
    /// What a chunk adds to the text, as it is written in JSON, and how many bytes follow it; `None` when
    /// it says anything else.
    pub fn text<'a>(&mut self, chunk: &'a [u8]) -> Option<(&'a [u8], usize)> {
        if let Some(text) = self.same(chunk) {
            return Some((text, self.after.len()));
        }
        let (text, rest) = text_of_plain_chunk(chunk)?;
        // The gateway has not read it before.
        serde_json::from_slice::<IgnoredAny>(chunk).ok()?;
        let before = chunk.len().checked_sub(rest + 1 + text.len())?;
        self.before = chunk.get(..before)?.to_vec();
        self.after = chunk.get(before + text.len()..)?.to_vec();
        Some((text, self.after.len()))
    }

    fn same<'a>(&self, chunk: &'a [u8]) -> Option<&'a [u8]> {
        if self.before.is_empty() {
            return None;
        }
        let text = chunk.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        // A quote would end it, and what follows would be something else.
        let ended = Walk::new(text).ends_within_a_string();
        (!ended).then_some(text)
    }
}

/// The text, and how many bytes follow its last quote.
fn text_of_plain_chunk(chunk: &[u8]) -> Option<(&[u8], usize)> {
    let mut walk = Walk::new(chunk);
    let mut text = None;
    if !walk.enter(b'{') {
        return None;
    }
    while let Some(name) = walk.name() {
        if name == b"choices" {
            if text.is_some() || !walk.enter(b'[') || !walk.item() {
                return None;
            }
            text = Some(text_of_plain_delta(&mut walk)?);
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
    }
    text
}

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
            let (text, after) = chunks.text(chunk.as_bytes())?;
            assert!(chunk.as_bytes().get(..chunk.len() - after).unwrap().ends_with(text));
            Some(text)
        }
        let mut chunks = PlainChunks::default();
        assert_eq!(added(&mut chunks, &plain), Some(&br#"a \"b\""#[..]));
        // The second time it is compared, whatever its text.
        for (said, written) in [("", ""), ("c", "c"), ("\\\"", r#"\\\""#), ("ü\n", "ü\\n")] {
            let next = text(json!({"content": said}));
            assert!(chunks.same(next.as_bytes()).is_some(), "{next}");
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
            assert_eq!(chunks.text(other.as_bytes()), None, "{other}");
            assert_eq!(PlainChunks::default().text(other.as_bytes()), None, "{other}");
        }
    }
}
