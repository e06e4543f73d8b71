//! A complete answer as it came.

use super::members;
use crate::dialect::openai_chat::response::failure_in_stream;
use crate::dialect::openai_chat::types::UsageWire;
use crate::llm::{Failure, Usage};
use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

/// Bytes of text per token, roughly: English has about four.
pub const BYTES_PER_TOKEN: u64 = 4;

/// What is read of an answer that passes as it came.
#[derive(Debug)]
pub struct RawResponse {
    usage: Option<Usage>,
}

impl RawResponse {
    /// Reads what the provider counted.
    ///
    /// # Errors
    /// `BadResponse` when `body` is no JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Failure> {
        let usage = match members::find(body, "usage") {
            Some(None) => Some(None),
            Some(Some(usage)) => serde_json::from_slice(usage).ok(),
            None => usage_in(body),
        };
        let usage: Option<UsageWire> = usage.ok_or_else(|| not_json(body))?;
        Ok(RawResponse { usage: usage.map(Usage::from) })
    }

    /// What the provider counted.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

/// The usage of an object; `None` for what is none.
fn usage_in(body: &[u8]) -> Option<Option<UsageWire>> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        usage: Option<UsageWire>,
    }
    // Or an array would do as well.
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let answer: Option<Answer> = serde_json::from_slice(body).ok().filter(|_| is_object);
    answer.map(|answer| answer.usage)
}

/// The failure that a body or a chunk reports instead of an answer, whatever its status said (OpenRouter
/// and others answer 200 with an `error` and no `choices`).
pub fn failure_in_answer(body: &[u8]) -> Option<Failure> {
    static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\""));
    ERROR.find(body).and_then(|_| failure_in_stream(body))
}

/// The tokens that the texts of an answer without a count probably are: content, reasoning and the
/// arguments of tool calls, as far as they are strings.
pub fn estimated_output(body: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        choices: Vec<Choice>,
    }
    #[derive(Deserialize)]
    struct Choice {
        #[serde(default)]
        message: Value,
    }
    let answer: Answer = serde_json::from_slice(body).unwrap_or(Answer { choices: Vec::new() });
    let bytes: u64 = answer.choices.iter().map(|choice| text_bytes(&choice.message)).sum();
    bytes.div_ceil(BYTES_PER_TOKEN)
}

fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(members) => {
            members.iter().filter(|(name, _)| *name != "role").map(|(_, v)| text_bytes(v)).sum()
        }
        _ => 0,
    }
}

/// `body` with `"extra_fields": extra` as its last member. A body that is no object stays as it is.
pub fn splice_extra_fields(body: Bytes, extra: &[u8]) -> Bytes {
    let Some(end) = end_of_object(&body) else { return body };
    let mut out = BytesMut::with_capacity(body.len() + extra.len() + 20);
    splice_into(&body, end, extra, &mut out);
    out.freeze()
}

/// Writes `object` with the extra member before the brace at `end`.
pub(super) fn splice_into(object: &[u8], end: usize, extra: &[u8], out: &mut BytesMut) {
    let (before, after) = object.split_at(end);
    let is_empty = before.iter().rev().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    out.extend_from_slice(before);
    out.extend_from_slice(if is_empty { b"\"extra_fields\":" } else { b",\"extra_fields\":" });
    out.extend_from_slice(extra);
    out.extend_from_slice(after);
}

/// Where the closing brace of `body` stands, if it ends in one.
pub(super) fn end_of_object(body: &[u8]) -> Option<usize> {
    let end = body.iter().rposition(|byte| !byte.is_ascii_whitespace())?;
    (body.get(end) == Some(&b'}')).then_some(end)
}

/// What a body is that should have been an answer, in words that help.
fn not_json(body: &[u8]) -> Failure {
    let start: String =
        String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default()).into_owned();
    let lower = start.trim_start().to_ascii_lowercase();
    let message = if body.is_empty() {
        "the provider sent an empty answer".to_owned()
    } else if lower.starts_with("<!doctype") || lower.starts_with("<html") {
        "the provider sent an HTML page instead of an answer; check its base_url".to_owned()
    } else {
        "the provider sent an answer that is not a JSON object".to_owned()
    };
    Failure::bad_response(message).with_code("invalid_upstream_response")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_only_names_have_to_be_utf_8() {
        let answer = |other: &[u8]| {
            let body = [b"{", other, br#","usage":{"prompt_tokens":7}}"#].concat();
            RawResponse::parse(&body).map(|response| response.usage().map(|usage| usage.input))
        };
        assert_eq!(answer(b"\"a\":\"\xff\"").ok(), Some(Some(7)));
        assert_eq!(answer(b"\"a\":{\"\xff\":1}").ok(), Some(Some(7)));
        assert!(answer(b"\"\xff\":1").is_err());
    }

    #[test]
    fn the_usage_is_read_wherever_it_stands() {
        let input = |body: &str| {
            let usage = RawResponse::parse(body.as_bytes()).map(|response| response.usage());
            usage.map(|usage| usage.map(|usage| usage.input)).map_err(|failure| failure.code)
        };
        assert_eq!(input(r#"{"usage":{"prompt_tokens":7},"choices":[{"usage":1}]}"#), Ok(Some(7)));
        assert_eq!(input(r#" {"data":[0.5,-1e-3],"us\u0061ge":{"prompt_tokens":7}}"#), Ok(Some(7)));
        assert_eq!(input(r#"{"usage":null}"#), Ok(None));
        assert_eq!(input(r#"{"choices":[{"usage":{"prompt_tokens":7}}]}"#), Ok(None));
        for wrong in [
            "",
            "[]",
            r#"[{"prompt_tokens":7}]"#,
            r#"{"usage":7}"#,
            r#"{"usage":{"prompt_tokens":7},"usage":{"prompt_tokens":8}}"#,
            r#"{"usage":{"prompt_tokens":7}"#,
            r#"{"usage":{"prompt_tokens":7},"a":01}"#,
        ] {
            let code = input(wrong).unwrap_err();
            assert_eq!(code.as_deref(), Some("invalid_upstream_response"), "{wrong}");
        }
    }
}
