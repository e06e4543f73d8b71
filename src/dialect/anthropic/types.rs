//! Anthropic's JSON. <https://docs.anthropic.com/en/api/messages>

use crate::llm::{StopReason, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Debug, Default, Serialize)]
pub(super) struct MessagesRequest<'a> {
    pub(super) model: &'a str,
    pub(super) max_tokens: u64,
    pub(super) messages: Vec<TurnOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) system: Vec<BlockOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<ThinkingOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) stream: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct TurnOut<'a> {
    pub(super) role: &'static str,
    pub(super) content: Vec<BlockOut<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct BlockOut<'a> {
    #[serde(flatten)]
    pub(super) kind: BlockKind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum BlockKind<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: SourceOut<'a>,
    },
    Document {
        source: SourceOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Value,
    },
    ToolResult {
        tool_use_id: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<BlockOut<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum SourceOut<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Text { media_type: &'a str, data: String },
    Url { url: &'a str },
    File { file_id: &'a str },
}

#[derive(Debug, Serialize)]
pub(super) struct ToolOut<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    pub(super) input_schema: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct ToolChoiceOut<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ThinkingOut {
    Enabled { budget_tokens: u64 },
    Adaptive,
    Disabled,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<FormatOut>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FormatOut {
    JsonSchema { schema: Value },
}

#[derive(Debug, Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) user_id: &'a str,
}

/// The answer of `POST /v1/messages`.
#[derive(Debug, Deserialize)]
pub(super) struct MessageIn {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) model: String,
    pub(super) content: Vec<BlockIn>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) stop_sequence: Option<String>,
    #[serde(default)]
    pub(super) usage: UsageIn,
}

/// A block of an answer, complete or as it begins in a stream. One struct for all kinds: a tagged
/// enum would be read into a buffer first, in which the bytes of a tool's input are lost.
#[derive(Debug, Default, Deserialize)]
pub(super) struct BlockIn {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) thinking: String,
    #[serde(default)]
    pub(super) signature: String,
    #[serde(default)]
    pub(super) data: String,
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) input: Option<Box<RawValue>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct UsageIn {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation: Option<CacheCreationIn>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetailsIn>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct CacheCreationIn {
    #[serde(default)]
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct OutputDetailsIn {
    #[serde(default)]
    thinking_tokens: Option<u64>,
}

impl From<UsageIn> for Usage {
    /// Anthropic counts cached input apart from `input_tokens`; the hub counts all input together.
    fn from(wire: UsageIn) -> Usage {
        let cached_read = wire.cache_read_input_tokens.unwrap_or(0);
        let cached_write = wire.cache_creation_input_tokens.unwrap_or(0);
        let cached_write_1h = wire.cache_creation.and_then(|cache| cache.ephemeral_1h_input_tokens);
        let output = wire.output_tokens.unwrap_or(0);
        let reasoning = wire.output_tokens_details.and_then(|details| details.thinking_tokens);
        let input = wire.input_tokens.unwrap_or(0);
        Usage {
            input: input.saturating_add(cached_read).saturating_add(cached_write),
            cached_read,
            cached_write,
            cached_write_1h: cached_write_1h.unwrap_or(0).min(cached_write),
            output,
            reasoning: reasoning.unwrap_or(0).min(output),
            ..Usage::default()
        }
    }
}

/// An event of a stream; which fields are there depends on its kind.
#[derive(Debug, Default, Deserialize)]
pub(super) struct EventIn {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) message: Option<MessageStartIn>,
    #[serde(default)]
    pub(super) content_block: Option<BlockIn>,
    #[serde(default)]
    pub(super) delta: DeltaIn,
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
    #[serde(default)]
    pub(super) error: Option<ErrorIn>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct MessageStartIn {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) usage: UsageIn,
}

/// What a `content_block_delta` or `message_delta` adds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct DeltaIn {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) thinking: String,
    #[serde(default)]
    pub(super) signature: String,
    #[serde(default)]
    pub(super) partial_json: String,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) stop_sequence: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorBodyIn {
    pub(super) error: ErrorIn,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorIn {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) message: String,
}

/// What a `stop_reason` means.
pub(super) fn stop_reason(word: &str, sequence: Option<String>) -> StopReason {
    match word {
        "end_turn" => StopReason::Stop,
        "stop_sequence" => StopReason::StopSequence(sequence),
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "tool_use" => StopReason::ToolCalls,
        "refusal" => StopReason::ContentFilter,
        other => StopReason::Other(other.to_owned()),
    }
}
