//! Requests: the hub → Anthropic's JSON.

use super::types::{
    BlockKind, BlockOut, FormatOut, MessagesRequest, Metadata, OutputConfig, SourceOut,
    ThinkingOut, ToolChoiceOut, ToolOut, TurnOut,
};
use crate::dialect::EncodeContext;
use crate::dialect::schema::plain as plain_schema;
use crate::llm::{
    ChatRequest, Data, Extra, Failure, Message, Part, Reasoning, ResponseFormat, Role, Tool,
    ToolChoice, Wire,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

/// What Anthropic takes at least as a thinking budget.
const SMALLEST_BUDGET: u64 = 1024;
/// Output tokens where neither the client nor the catalogue gives a bound; the field is mandatory.
const DEFAULT_MAX_TOKENS: u64 = 4096;
/// Anthropic has no mode for "some JSON object", so the model is told.
const JSON_OBJECT: &str = "Respond with a single JSON object and nothing else.";

/// Writes a request.
pub(super) fn encode(chat: &ChatRequest, context: &EncodeContext) -> Result<Bytes, Failure> {
    refuse_unsupported(chat)?;
    let max_tokens = chat.max_tokens.or(context.max_output_tokens).unwrap_or(DEFAULT_MAX_TOKENS);
    let thinking = chat.reasoning.as_ref().and_then(|r| thinking(r, max_tokens, context.model));
    let is_thinking = matches!(thinking, Some(ThinkingOut::Enabled { .. } | ThinkingOut::Adaptive));
    // Thinking takes no sampling parameters, and temperature excludes top_p on newer models.
    let temperature = chat.temperature.filter(|_| !is_thinking).map(|t| t.clamp(0.0, 1.0));
    let body = MessagesRequest {
        model: context.model,
        max_tokens,
        messages: turns(chat)?,
        system: system(chat),
        temperature,
        top_p: chat.top_p.filter(|_| temperature.is_none() && !is_thinking),
        top_k: chat.top_k.filter(|_| !is_thinking),
        stop_sequences: (chat.stop.iter().map(String::as_str))
            .filter(|text| !text.trim().is_empty())
            .collect(),
        tools: chat.tools.iter().filter(|tool| is_function(tool)).map(tool).collect(),
        tool_choice: tool_choice(chat, is_thinking),
        output_config: output_config(chat, thinking.as_ref()),
        thinking,
        metadata: chat.user.as_deref().map(|user_id| Metadata { user_id }),
        stream: chat.stream,
    };
    serde_json::to_vec(&body).map(Bytes::from).map_err(|e| Failure::invalid(e.to_string()))
}

/// What would bring another answer than was asked for is refused; another provider may do it.
fn refuse_unsupported(chat: &ChatRequest) -> Result<(), Failure> {
    if chat.choices.is_some_and(|n| n > 1) {
        return Err(
            Failure::unsupported("anthropic gives one answer only: n must be 1").with_param("n")
        );
    }
    if chat.logprobs == Some(true) || chat.top_logprobs.is_some_and(|n| n > 0) {
        return Err(
            Failure::unsupported("anthropic gives no log probabilities").with_param("logprobs")
        );
    }
    Ok(())
}

fn system(chat: &ChatRequest) -> Vec<BlockOut<'_>> {
    let messages = chat.messages.iter().filter(|message| is_system(message));
    let mut blocks: Vec<BlockOut> = messages
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::Text { text, extra } if !text.is_empty() => {
                Some(block(BlockKind::Text { text }, extra))
            }
            _ => None,
        })
        .collect();
    if chat.response_format == Some(ResponseFormat::JsonObject) {
        blocks.push(plain(BlockKind::Text { text: JSON_OBJECT }));
    }
    blocks
}

fn is_system(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// The conversation with neighbours of the same role put together, as Anthropic wants it.
fn turns(chat: &ChatRequest) -> Result<Vec<TurnOut<'_>>, Failure> {
    let mut turns: Vec<TurnOut> = Vec::new();
    for (at, message) in chat.messages.iter().enumerate() {
        if is_system(message) {
            continue;
        }
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let mut content = blocks(at, message)?;
        if content.is_empty() {
            continue;
        }
        match turns.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.append(&mut content),
            None => turns.push(TurnOut { role, content }),
        }
    }
    Ok(turns)
}

fn blocks(at: usize, message: &Message) -> Result<Vec<BlockOut<'_>>, Failure> {
    let mut blocks = Vec::with_capacity(message.parts.len());
    for part in &message.parts {
        if let Some(block) = part_block(at, part)? {
            blocks.push(block);
        }
    }
    Ok(blocks)
}

/// `None` for what Anthropic would refuse and loses nothing by: empty text, unsigned thinking.
fn part_block(at: usize, part: &Part) -> Result<Option<BlockOut<'_>>, Failure> {
    Ok(match part {
        Part::Text { text, extra } => {
            (!text.is_empty()).then(|| block(BlockKind::Text { text }, extra))
        }
        Part::Refusal { text } => Some(plain(BlockKind::Text { text })),
        Part::Image { data, extra, .. } => {
            Some(block(BlockKind::Image { source: source(data) }, extra))
        }
        Part::File { data, name, extra } => {
            let source = document_source(data);
            let kind = BlockKind::Document { source, title: name.as_deref() };
            Some(block(kind, extra))
        }
        Part::Audio { .. } => {
            let param = format!("messages[{at}].content");
            return Err(Failure::unsupported("anthropic takes no audio").with_param(param));
        }
        Part::Reasoning { encrypted: Some(data), .. } => {
            Some(plain(BlockKind::RedactedThinking { data }))
        }
        Part::Reasoning { text, signature: Some(signature), .. } => {
            Some(plain(BlockKind::Thinking { thinking: text, signature }))
        }
        Part::Reasoning { .. } => None,
        Part::ToolCall { id, name, arguments, .. } => {
            let input = arguments_object(at, name, arguments)?;
            Some(plain(BlockKind::ToolUse { id, name, input }))
        }
        Part::ToolResult { call_id, parts, is_error, extra, .. } => {
            let mut content = Vec::new();
            for part in parts {
                content.extend(part_block(at, part)?);
            }
            let kind = BlockKind::ToolResult { tool_use_id: call_id, content, is_error: *is_error };
            Some(block(kind, extra))
        }
    })
}

/// Arguments as the object that Anthropic wants. Empty ones are an empty object.
fn arguments_object(at: usize, name: &str, arguments: &str) -> Result<Value, Failure> {
    if arguments.trim().is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_str(arguments) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => {
            let param = format!("messages[{at}].tool_calls");
            let message = format!("{param}: the arguments of '{name}' are not a JSON object");
            Err(Failure::invalid(message).with_param(param))
        }
    }
}

fn source(data: &Data) -> SourceOut<'_> {
    match data {
        Data::Inline { media_type, base64 } => SourceOut::Base64 { media_type, data: base64 },
        Data::Url(url) => SourceOut::Url { url },
        Data::FileId(file_id) => SourceOut::File { file_id },
    }
}

/// Anthropic takes a document of plain text as it is, and only a PDF in base64.
fn document_source(data: &Data) -> SourceOut<'_> {
    if let Data::Inline { media_type, base64 } = data
        && media_type.starts_with("text/")
        && let Ok(bytes) = STANDARD.decode(base64)
        && let Ok(text) = String::from_utf8(bytes)
    {
        return SourceOut::Text { media_type: "text/plain", data: text };
    }
    source(data)
}

fn block<'a>(kind: BlockKind<'a>, extra: &'a Extra) -> BlockOut<'a> {
    // OpenAI's clients send Anthropic's cache marker on parts; it means the same there.
    BlockOut { kind, cache_control: extra.field(Wire::OpenaiChat, "cache_control") }
}

fn plain(kind: BlockKind<'_>) -> BlockOut<'_> {
    BlockOut { kind, cache_control: None }
}

/// Tools that are no functions belong to their vendor and mean nothing here.
fn is_function(tool: &Tool) -> bool {
    tool.extra.field(Wire::OpenaiChat, "type").is_none()
}

fn tool(tool: &Tool) -> ToolOut<'_> {
    ToolOut {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: tool
            .parameters
            .as_ref()
            .map_or_else(|| json!({"type": "object"}), plain_schema),
        strict: tool.strict.filter(|strict| *strict),
        cache_control: tool.extra.field(Wire::OpenaiChat, "cache_control"),
    }
}

/// While thinking, a model may not be forced to call a tool.
fn tool_choice(chat: &ChatRequest, is_thinking: bool) -> Option<ToolChoiceOut<'_>> {
    if chat.tools.is_empty() {
        return None;
    }
    let (kind, name) = match chat.tool_choice.as_ref() {
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) if !is_thinking => ("any", None),
        Some(ToolChoice::Function(name)) if !is_thinking => ("tool", Some(name.as_str())),
        None if chat.parallel_tool_calls != Some(false) => return None,
        _ => ("auto", None),
    };
    let disable_parallel_tool_use =
        (chat.parallel_tool_calls == Some(false) && kind != "none").then_some(true);
    Some(ToolChoiceOut { kind, name, disable_parallel_tool_use })
}

/// A budget of tokens by number, or by word; models that judge for themselves take the word.
fn thinking(reasoning: &Reasoning, max_tokens: u64, model: &str) -> Option<ThinkingOut> {
    let largest = max_tokens.checked_sub(1)?;
    let enabled = |budget: u64| {
        let budget = budget.clamp(SMALLEST_BUDGET, largest.max(SMALLEST_BUDGET));
        (budget < max_tokens).then_some(ThinkingOut::Enabled { budget_tokens: budget })
    };
    match (reasoning.max_tokens, reasoning.effort.as_deref()) {
        (Some(0), _) | (None, Some("none" | "")) => Some(ThinkingOut::Disabled),
        (Some(tokens), _) => enabled(u64::try_from(tokens).unwrap_or(SMALLEST_BUDGET)),
        (None, Some(_)) if judges_for_itself(model) => Some(ThinkingOut::Adaptive),
        (None, Some(effort)) => {
            let share = match effort {
                "minimal" => 0.025,
                "low" => 0.15,
                "high" | "xhigh" | "max" => 0.80,
                _ => 0.425,
            };
            let range = max_tokens.saturating_sub(SMALLEST_BUDGET);
            enabled(SMALLEST_BUDGET + (range as f64 * share) as u64)
        }
        (None, None) => None,
    }
}

/// Models whose thinking is adaptive and steered by `output_config.effort`: those since 4.6.
fn judges_for_itself(model: &str) -> bool {
    let older = ["claude-3", "claude-sonnet-4-0", "claude-opus-4-0", "claude-sonnet-4-2025"];
    let older_too = ["claude-opus-4-2025", "claude-opus-4-1", "-4-5"];
    !older.iter().chain(&older_too).any(|name| model.contains(name))
}

fn output_config<'a>(
    chat: &'a ChatRequest,
    thinking: Option<&ThinkingOut>,
) -> Option<OutputConfig<'a>> {
    let effort = chat.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_deref());
    let effort =
        effort.filter(|_| thinking == Some(&ThinkingOut::Adaptive)).map(|word| match word {
            "minimal" => "low",
            word => word,
        });
    let format = match &chat.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => {
            Some(FormatOut::JsonSchema { schema: plain_schema(schema) })
        }
        _ => None,
    };
    (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format })
}
