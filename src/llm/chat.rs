//! Chat: messages made of parts.
//!
//! The shape is Anthropic's blocks generalised, because OpenAI's messages can be derived from
//! blocks and blocks cannot be derived from OpenAI's messages.

use super::{Extra, Usage};
use serde_json::Value;

/// A chat completion request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatRequest {
    /// The model's name without a provider prefix.
    pub model: String,
    /// The conversation in order, system messages included where they stood.
    pub messages: Vec<Message>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called; `None` leaves it to the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called in one answer.
    pub parallel_tool_calls: Option<bool>,
    /// The form that the text of the answer must have.
    pub response_format: Option<ResponseFormat>,
    /// How much the model may think before it answers.
    pub reasoning: Option<Reasoning>,
    /// Upper bound of output tokens.
    pub max_tokens: Option<u64>,
    /// Sampling temperature, as the client spelled its scale.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling among the k likeliest tokens.
    pub top_k: Option<u64>,
    /// Penalty for repeated tokens.
    pub frequency_penalty: Option<f64>,
    /// Penalty for tokens seen at all.
    pub presence_penalty: Option<f64>,
    /// Seed for reproducible sampling.
    pub seed: Option<i64>,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// How many answers are asked for; `None` is one.
    pub choices: Option<u64>,
    /// Whether log probabilities are asked for, and how many alternatives.
    pub logprobs: Option<bool>,
    /// Alternatives per token in the log probabilities.
    pub top_logprobs: Option<u64>,
    /// The end user's opaque name.
    pub user: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a streaming client asked for the usage chunk.
    pub include_usage: bool,
    /// Fields without a neutral meaning.
    pub extra: Extra,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions of the application.
    System,
    /// Instructions of the application, in OpenAI's newer spelling.
    Developer,
    /// The end user.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The participant's name, where the wire format has one.
    pub name: Option<String>,
    /// Fields without a neutral meaning.
    pub extra: Extra,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Such as `cache_control` and citations.
        extra: Extra,
    },
    /// A picture.
    Image {
        /// The picture itself or where it is.
        data: Data,
        /// `low`, `high` or `auto`.
        detail: Option<String>,
        /// Such as `cache_control`.
        extra: Extra,
    },
    /// Sound.
    Audio {
        /// The sound itself or where it is.
        data: Data,
        /// Fields without a neutral meaning.
        extra: Extra,
    },
    /// A document.
    File {
        /// The document itself or where it is.
        data: Data,
        /// Its file name.
        name: Option<String>,
        /// Fields without a neutral meaning.
        extra: Extra,
    },
    /// What the model says when it declines.
    Refusal {
        /// The text.
        text: String,
    },
    /// The model's thinking.
    Reasoning {
        /// The readable part; empty when only `encrypted` is there.
        text: String,
        /// The provider's proof that the text is its own; must come back unchanged.
        signature: Option<String>,
        /// Thinking that only the provider can read.
        encrypted: Option<String>,
        /// Fields without a neutral meaning.
        extra: Extra,
    },
    /// The model calls a tool.
    ToolCall {
        /// Names this call in the result that answers it.
        id: String,
        /// The tool.
        name: String,
        /// Arguments as JSON text, exactly as the model wrote them.
        arguments: String,
        /// Gemini's thought signature, which must come back with the call.
        signature: Option<String>,
        /// Fields without a neutral meaning.
        extra: Extra,
    },
    /// The answer of a tool.
    ToolResult {
        /// The call that it answers.
        call_id: String,
        /// The tool's name, where the wire format has one.
        name: Option<String>,
        /// What the tool said.
        parts: Vec<Part>,
        /// Whether the tool failed.
        is_error: bool,
        /// Such as `cache_control`.
        extra: Extra,
    },
}

impl Part {
    /// Plain text without extras.
    pub fn text(text: impl Into<String>) -> Self {
        Part::Text { text: text.into(), extra: Extra::default() }
    }
}

/// Bytes of a picture, sound or document, or where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Carried in the request.
    Inline {
        /// Such as `image/png`.
        media_type: String,
        /// Base64, as the client wrote it.
        base64: String,
    },
    /// To be fetched by the provider.
    Url(String),
    /// Uploaded to the provider before.
    FileId(String),
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The function's name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments, in the client's key order where the parser keeps it.
    pub parameters: Option<Value>,
    /// Whether arguments must fit the schema exactly.
    pub strict: Option<bool>,
    /// Such as `cache_control`; for a tool that is no function, its whole definition.
    pub extra: Extra,
}

/// Whether and which tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool may be called.
    None,
    /// Some tool must be called.
    Required,
    /// This tool must be called.
    Function(String),
}

/// The form of the answer's text.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseFormat {
    /// Free text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it describes.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Whether it must fit exactly.
        strict: Option<bool>,
    },
}

/// How much the model may think.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasoning {
    /// `none`, `minimal`, `low`, `medium`, `high`, or a newer word of the vendor.
    pub effort: Option<String>,
    /// Upper bound of thinking tokens; −1 leaves it to the model.
    pub max_tokens: Option<i64>,
}

/// A complete chat answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatResponse {
    /// The provider's id of the answer.
    pub id: String,
    /// The model that the provider says answered.
    pub model: String,
    /// Unix seconds; 0 when the wire format has none.
    pub created: i64,
    /// The answers.
    pub choices: Vec<Choice>,
    /// What the provider counted.
    pub usage: Option<Usage>,
    /// Fields without a neutral meaning.
    pub extra: Extra,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Its place among the answers.
    pub index: u32,
    /// What the model said, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub stop: Option<StopReason>,
    /// Log probabilities in OpenAI's shape.
    pub logprobs: Option<Value>,
    /// Fields without a neutral meaning.
    pub extra: Extra,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The model was done.
    Stop,
    /// A stop text was met; which one, when the provider says.
    StopSequence(Option<String>),
    /// The bound of output tokens was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// The provider's filter or the model's refusal ended it.
    ContentFilter,
    /// A reason of one vendor, in its own word.
    Other(String),
}
