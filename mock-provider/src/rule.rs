//! Rules: which requests they are for and what those are answered with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line of the script: requests that fit `when` are answered as `reply` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// What a request must be like; empty fits every request.
    pub when: When,
    /// What is answered; empty is the default answer.
    pub reply: Reply,
    /// How many more requests it answers; without it, any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// The conditions of a rule; all that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// The provider label: the first path segment before the API's own path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The credential sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The model asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A piece of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_contains: Option<String>,
    /// A piece of the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// Whether a stream is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

/// What a request is answered with. What is not given stays the default answer's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// The HTTP status. From 400 on, without `body`, the vendor's error is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers added to the answer, replacing those of the same name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body: a string is sent as it is, anything else as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The content type of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Seconds to wait, in the vendor's way: `retry-after`, or Gemini's `RetryInfo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// Milliseconds before the response head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_headers_ms: Option<u64>,
    /// Milliseconds before the first delta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_first_token_ms: Option<u64>,
    /// Milliseconds between two deltas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_between_ms: Option<u64>,
    /// Drops the connection after so many events; unstreamed, after half the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_after_events: Option<usize>,
    /// Reads the request and never answers.
    #[serde(skip_serializing_if = "is_false")]
    pub never_answer: bool,
    /// Drops the connection instead of answering.
    #[serde(skip_serializing_if = "is_false")]
    pub close_before_headers: bool,
    /// After so many events sends the vendor's in-band error and ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_error_after_events: Option<usize>,
    /// The text of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A filler text of so many words, each one delta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<usize>,
    /// Thinking sent before the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// A refusal, in place of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Tool calls; without `text` they come alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why the answer ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<Finish>,
    /// The tokens told; what is not given is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageSpec>,
    /// Sends the body in pieces of so many bytes, regardless of event boundaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<usize>,
}

/// A scripted tool call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The function's name.
    pub name: String,
    /// Its arguments; a string is sent as it is where the vendor's arguments are text.
    #[serde(default)]
    pub arguments: Value,
}

/// Why an answer ended, in OpenAI's words; each vendor gets its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// The vendor's filter ended it.
    ContentFilter,
}

/// The tokens an answer tells of. `input_tokens` holds the cached ones and the ones
/// written to the cache, `output_tokens` the reasoning ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsageSpec {
    /// All tokens sent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// All tokens generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Of the input, read from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Of the input, written to the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Of the output, thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// What a rule is matched against.
pub(crate) struct Facts<'a> {
    pub(crate) provider: &'a str,
    pub(crate) key: &'a str,
    pub(crate) model: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) stream: bool,
}

impl When {
    /// Whether all given conditions hold.
    pub(crate) fn fits(&self, facts: &Facts<'_>) -> bool {
        let same = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|w| w == have);
        same(&self.provider, facts.provider)
            && same(&self.key, facts.key)
            && same(&self.model, facts.model)
            && self.path_contains.as_deref().is_none_or(|piece| facts.path.contains(piece))
            && self.body_contains.as_deref().is_none_or(|piece| holds(facts.body, piece.as_bytes()))
            && self.stream.is_none_or(|stream| stream == facts.stream)
    }
}

fn holds(body: &[u8], piece: &[u8]) -> bool {
    piece.is_empty() || body.windows(piece.len()).any(|window| window == piece)
}
