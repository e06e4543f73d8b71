//! OpenAI's JSON. Unknown fields are kept in `rest` wherever a codec must write them back.

use crate::llm::{Cost, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The body of `POST /v1/chat/completions`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ChatRequestWire {
    pub(super) model: String,
    pub(super) messages: Vec<MessageWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tools: Option<Vec<ToolWire>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_format: Option<ResponseFormatWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<ReasoningWire>,
    /// Bifrost's flat spelling of `reasoning.max_tokens`.
    #[serde(default, skip_serializing)]
    pub(super) reasoning_max_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop: Option<OneOrMany>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream_options: Option<StreamOptionsWire>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StreamOptionsWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) include_usage: Option<bool>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// OpenRouter's and Bifrost's spelling of the thinking effort.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReasoningWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<i64>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ResponseFormatWire {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchemaWire },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JsonSchemaWire {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) schema: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ToolWire {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function: Option<FunctionWire>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FunctionWire {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct MessageWire {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Option<ContentWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_calls: Option<Vec<ToolCallWire>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<String>,
    /// The spelling of DeepSeek and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_details: Option<Vec<ReasoningDetailWire>>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ContentWire {
    Text(String),
    Parts(Vec<PartWire>),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PartWire {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_url: Option<ImageUrlWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input_audio: Option<AudioWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<FileWire>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ImageUrlWire {
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AudioWire {
    pub(super) data: String,
    pub(super) format: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct FileWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filename: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ToolCallWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function: Option<CalledWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extra_content: Option<ExtraContentWire>,
}

/// Where Google's own OpenAI-compatible API carries the thought signature of a call.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ExtraContentWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) google: Option<GoogleWire>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct GoogleWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct CalledWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) arguments: String,
}

/// OpenRouter's and Bifrost's form of thinking that must come back unchanged.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ReasoningDetailWire {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<String>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// The answer of `POST /v1/chat/completions`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChatResponseWire {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default = "completion")]
    pub(super) object: String,
    #[serde(default)]
    pub(super) created: i64,
    #[serde(default)]
    pub(super) model: String,
    pub(super) choices: Vec<ChoiceWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<UsageWire>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

fn completion() -> String {
    "chat.completion".to_owned()
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChoiceWire {
    #[serde(default)]
    pub(super) index: u32,
    pub(super) message: AnswerWire,
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) logprobs: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// The message of an answer, whose `content` and `refusal` stand even when null.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AnswerWire {
    #[serde(default = "assistant")]
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_calls: Option<Vec<ToolCallWire>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_details: Option<Vec<ReasoningDetailWire>>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

fn assistant() -> String {
    "assistant".to_owned()
}

/// Token counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct UsageWire {
    #[serde(default)]
    pub(super) prompt_tokens: u64,
    #[serde(default)]
    pub(super) completion_tokens: u64,
    #[serde(default)]
    pub(super) total_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prompt_tokens_details: Option<PromptDetailsWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) completion_tokens_details: Option<CompletionDetailsWire>,
    /// DeepSeek's spelling of the cached part.
    #[serde(default, skip_serializing)]
    pub(super) prompt_cache_hit_tokens: Option<u64>,
    /// US dollars, as OpenRouter's number or in Perplexity's object.
    #[serde(default, skip_serializing)]
    pub(super) cost: Option<Value>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct PromptDetailsWire {
    #[serde(default)]
    pub(super) cached_tokens: Option<u64>,
    #[serde(default)]
    pub(super) audio_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cache_write_tokens: Option<u64>,
    /// Bifrost's spelling of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cached_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct CompletionDetailsWire {
    #[serde(default)]
    pub(super) reasoning_tokens: Option<u64>,
    #[serde(default)]
    pub(super) audio_tokens: Option<u64>,
    #[serde(default)]
    pub(super) accepted_prediction_tokens: Option<u64>,
    #[serde(default)]
    pub(super) rejected_prediction_tokens: Option<u64>,
}

impl From<UsageWire> for Usage {
    fn from(wire: UsageWire) -> Usage {
        let prompt = wire.prompt_tokens_details.unwrap_or_default();
        let completion = wire.completion_tokens_details.unwrap_or_default();
        let cached_read = prompt.cached_tokens.or(wire.prompt_cache_hit_tokens).unwrap_or(0);
        let cached_write = prompt.cache_write_tokens.or(prompt.cached_write_tokens).unwrap_or(0);
        Usage {
            input: wire.prompt_tokens,
            cached_read: cached_read.min(wire.prompt_tokens),
            cached_write: cached_write.min(wire.prompt_tokens),
            cached_write_1h: 0,
            output: wire.completion_tokens,
            reasoning: completion.reasoning_tokens.unwrap_or(0).min(wire.completion_tokens),
            input_audio: prompt.audio_tokens.unwrap_or(0),
            output_audio: completion.audio_tokens.unwrap_or(0),
            cost: wire.cost.as_ref().and_then(|cost| {
                let dollars = cost.as_f64().or_else(|| cost.get("total_cost")?.as_f64());
                Cost::from_dollars(dollars?)
            }),
        }
    }
}

impl From<Usage> for UsageWire {
    fn from(usage: Usage) -> UsageWire {
        let some = |count: u64| Some(count);
        let cached_write = Some(usage.cached_write).filter(|&count| count > 0);
        UsageWire {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.total(),
            prompt_tokens_details: Some(PromptDetailsWire {
                cached_tokens: some(usage.cached_read),
                audio_tokens: some(usage.input_audio),
                cache_write_tokens: cached_write,
                cached_write_tokens: cached_write,
            }),
            completion_tokens_details: Some(CompletionDetailsWire {
                reasoning_tokens: some(usage.reasoning),
                audio_tokens: some(usage.output_audio),
                accepted_prediction_tokens: some(0),
                rejected_prediction_tokens: some(0),
            }),
            prompt_cache_hit_tokens: None,
            cost: None,
        }
    }
}

/// A chunk of a stream.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) object: String,
    #[serde(default)]
    pub(super) created: i64,
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) choices: Vec<ChunkChoice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<UsageWire>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ChunkChoice {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) delta: DeltaWire,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) logprobs: Option<Value>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct DeltaWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tool_calls: Option<Vec<ToolCallWire>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_details: Option<Vec<ReasoningDetailWire>>,
    /// Such as `audio` and the old `function_call`.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

impl DeltaWire {
    /// Whether a client cannot unsee this delta.
    pub(super) fn says_something(&self) -> bool {
        let text = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        text(&self.content)
            || text(&self.refusal)
            || text(&self.reasoning)
            || text(&self.reasoning_content)
            || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
            || self.reasoning_details.as_ref().is_some_and(|details| !details.is_empty())
            || self.rest.values().any(|value| !value.is_null())
    }
}

/// The body of `POST /v1/embeddings`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EmbeddingRequestWire {
    pub(super) model: String,
    pub(super) input: InputWire,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum InputWire {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

/// The answer of `POST /v1/embeddings`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EmbeddingResponseWire {
    pub(super) object: String,
    pub(super) data: Vec<EmbeddingWire>,
    #[serde(default)]
    pub(super) model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<EmbeddingUsageWire>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct EmbeddingUsageWire {
    #[serde(default)]
    pub(super) prompt_tokens: u64,
    #[serde(default)]
    pub(super) total_tokens: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EmbeddingWire {
    pub(super) object: String,
    pub(super) index: u32,
    pub(super) embedding: VectorWire,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum VectorWire {
    Floats(Vec<f32>),
    Base64(String),
}
