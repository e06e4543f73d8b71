//! Requests: the hub → Google's JSON.

use super::types::{
    BlobOut, CallingConfigOut, ContentOut, FileDataOut, FunctionCallOut, FunctionOut,
    FunctionResponseOut, GenerateRequest, GenerationConfig, PartOut, ThinkingConfig, ToolConfigOut,
    ToolsOut,
};
use crate::dialect::EncodeContext;
use crate::dialect::schema::plain;
use crate::llm::{
    ChatRequest, Data, Failure, Message, Part, Reasoning, ResponseFormat, Role, Tool, ToolChoice,
    Wire,
};
use bytes::Bytes;
use serde_json::{Value, json};

/// Sent for a call whose signature is not known, because another vendor's model made it.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
const UNKNOWN_SIGNATURE: &str = "skip_thought_signature_validator";

/// Writes a request.
pub(super) fn encode(chat: &ChatRequest, context: &EncodeContext) -> Result<Bytes, Failure> {
    let json_schema = match &chat.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(plain(schema)),
        _ => None,
    };
    let wants_json =
        json_schema.is_some() || chat.response_format == Some(ResponseFormat::JsonObject);
    let body = GenerateRequest {
        contents: contents(chat, context.model)?,
        system_instruction: system(chat),
        tools: tools(chat),
        tool_config: tool_config(chat),
        generation_config: GenerationConfig {
            max_output_tokens: chat.max_tokens,
            temperature: chat.temperature,
            top_p: chat.top_p,
            top_k: chat.top_k,
            stop_sequences: &chat.stop,
            candidate_count: chat.choices.filter(|n| *n > 1),
            seed: chat.seed,
            presence_penalty: chat.presence_penalty,
            frequency_penalty: chat.frequency_penalty,
            response_logprobs: chat.logprobs.filter(|wanted| *wanted),
            logprobs: chat.top_logprobs.filter(|_| chat.logprobs == Some(true)).map(|n| n.min(20)),
            response_mime_type: wants_json.then_some("application/json"),
            response_json_schema: json_schema,
            thinking_config: (chat.reasoning.as_ref())
                .and_then(|reasoning| thinking(reasoning, context.model)),
        },
    };
    serde_json::to_vec(&body).map(Bytes::from).map_err(|e| Failure::invalid(e.to_string()))
}

fn is_system(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn system(chat: &ChatRequest) -> Option<ContentOut<'_>> {
    let parts: Vec<PartOut> = (chat.messages.iter().filter(|message| is_system(message)))
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::Text { text, .. } if !text.is_empty() => Some(text_part(text)),
            _ => None,
        })
        .collect();
    (!parts.is_empty()).then_some(ContentOut { role: None, parts })
}

/// The conversation with neighbours of the same role put together.
fn contents<'a>(chat: &'a ChatRequest, model: &str) -> Result<Vec<ContentOut<'a>>, Failure> {
    let mut contents: Vec<ContentOut> = Vec::new();
    for (at, message) in chat.messages.iter().enumerate() {
        if is_system(message) {
            continue;
        }
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        let mut parts = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            parts.extend(part_out(chat, at, part)?);
        }
        sign_first_call(&mut parts, model);
        if parts.is_empty() {
            continue;
        }
        match contents.last_mut().filter(|last| last.role == Some(role)) {
            Some(last) => last.parts.append(&mut parts),
            None => contents.push(ContentOut { role: Some(role), parts }),
        }
    }
    Ok(contents)
}

/// Models since 3 refuse a turn of calls whose first one is not signed.
fn sign_first_call(parts: &mut [PartOut], model: &str) {
    if !is_third_generation(model) {
        return;
    }
    if let Some(call) = parts.iter_mut().find(|part| part.function_call.is_some()) {
        call.thought_signature.get_or_insert(UNKNOWN_SIGNATURE);
    }
}

fn part_out<'a>(
    chat: &'a ChatRequest,
    at: usize,
    part: &'a Part,
) -> Result<Option<PartOut<'a>>, Failure> {
    Ok(Some(match part {
        Part::Text { text, .. } | Part::Refusal { text } if text.is_empty() => return Ok(None),
        Part::Text { text, .. } | Part::Refusal { text } => text_part(text),
        Part::Image { data, .. } => data_part(data),
        Part::Audio { data, .. } => data_part(data),
        Part::File { data, .. } => data_part(data),
        Part::Reasoning { text, signature: Some(signature), .. } => PartOut {
            text: Some(text),
            thought: Some(true),
            thought_signature: Some(signature),
            ..PartOut::default()
        },
        Part::Reasoning { .. } => return Ok(None),
        Part::ToolCall { id, name, arguments, signature, .. } => PartOut {
            function_call: Some(FunctionCallOut { id, name, args: args(at, name, arguments)? }),
            thought_signature: signature.as_deref(),
            ..PartOut::default()
        },
        Part::ToolResult { call_id, name, parts, .. } => {
            let name = name.as_deref().or_else(|| called_name(chat, call_id)).ok_or_else(|| {
                let param = format!("messages[{at}].tool_call_id");
                let message = format!("{param}: no earlier message calls a tool by this id");
                Failure::invalid(message).with_param(param)
            })?;
            let response = result_object(parts);
            let function_response = FunctionResponseOut { id: call_id, name, response };
            PartOut { function_response: Some(function_response), ..PartOut::default() }
        }
    }))
}

fn text_part(text: &str) -> PartOut<'_> {
    PartOut { text: Some(text), ..PartOut::default() }
}

fn data_part(data: &Data) -> PartOut<'_> {
    let mut part = PartOut::default();
    match data {
        Data::Inline { media_type, base64 } => {
            part.inline_data = Some(BlobOut { mime_type: media_type, data: base64 });
        }
        Data::Url(uri) | Data::FileId(uri) => {
            part.file_data = Some(FileDataOut { mime_type: media_type_of(uri), file_uri: uri });
        }
    }
    part
}

/// The media type that a URL's ending tells; Google finds it out itself where it does not.
fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        _ => return None,
    })
}

fn args(at: usize, name: &str, arguments: &str) -> Result<Value, Failure> {
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

/// The tool that an earlier message called by `id`: OpenAI's results do not say.
fn called_name<'a>(chat: &'a ChatRequest, id: &str) -> Option<&'a str> {
    chat.messages.iter().flat_map(|message| &message.parts).find_map(|part| match part {
        Part::ToolCall { id: called, name, .. } if called == id => Some(name.as_str()),
        _ => None,
    })
}

/// A tool's answer as the object that Google wants.
fn result_object(parts: &[Part]) -> Value {
    let text: String = (parts.iter())
        .filter_map(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    match serde_json::from_str(&text) {
        Ok(value @ Value::Object(_)) => value,
        _ => json!({ "output": text }),
    }
}

fn tools(chat: &ChatRequest) -> Vec<ToolsOut<'_>> {
    let functions: Vec<FunctionOut> = (chat.tools.iter())
        .filter(|tool| tool.extra.field(Wire::OpenaiChat, "type").is_none())
        .map(|tool: &Tool| FunctionOut {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters_json_schema: tool.parameters.as_ref().map(plain),
        })
        .collect();
    if functions.is_empty() {
        return Vec::new();
    }
    vec![ToolsOut { function_declarations: functions }]
}

fn tool_config(chat: &ChatRequest) -> Option<ToolConfigOut<'_>> {
    let (mode, allowed_function_names) = match chat.tool_choice.as_ref()? {
        ToolChoice::Auto => ("AUTO", Vec::new()),
        ToolChoice::None => ("NONE", Vec::new()),
        ToolChoice::Required => ("ANY", Vec::new()),
        ToolChoice::Function(name) => ("ANY", vec![name.as_str()]),
    };
    let function_calling_config = CallingConfigOut { mode, allowed_function_names };
    (!chat.tools.is_empty()).then_some(ToolConfigOut { function_calling_config })
}

fn is_third_generation(model: &str) -> bool {
    model.contains("gemini-3") || model.contains("gemini-4")
}

/// Thinking as a level for models since 3, as a budget of tokens for 2.5, not at all before.
fn thinking(reasoning: &Reasoning, model: &str) -> Option<ThinkingConfig> {
    let off = reasoning.max_tokens == Some(0) || reasoning.effort.as_deref() == Some("none");
    let include_thoughts = Some(!off);
    if is_third_generation(model) {
        let pro = model.contains("-pro");
        let level = match reasoning.effort.as_deref() {
            Some("none" | "minimal") if !pro => "MINIMAL",
            Some("none" | "minimal" | "low") => "LOW",
            Some("medium") if !pro => "MEDIUM",
            Some(_) => "HIGH",
            None => return budget(reasoning.max_tokens?, include_thoughts),
        };
        let thinking_level = Some(level);
        return Some(ThinkingConfig { include_thoughts, thinking_level, ..Default::default() });
    }
    if !model.contains("2.5") && !model.contains("thinking") {
        return None;
    }
    if let Some(tokens) = reasoning.max_tokens {
        return budget(tokens, include_thoughts);
    }
    let (smallest, largest) = match model {
        model if model.contains("flash-lite") => (512, 24_576),
        model if model.contains("flash") => (0, 24_576),
        _ => (128, 32_768),
    };
    let share = match reasoning.effort.as_deref()? {
        "none" if smallest == 128 => 0.0,
        "none" => return budget(0, include_thoughts),
        "minimal" => 0.025,
        "low" => 0.15,
        "high" | "xhigh" | "max" => 0.80,
        _ => 0.425,
    };
    budget(smallest + ((largest - smallest) as f64 * share) as i64, include_thoughts)
}

fn budget(tokens: i64, include_thoughts: Option<bool>) -> Option<ThinkingConfig> {
    let thinking_budget = Some(tokens.max(-1));
    Some(ThinkingConfig { include_thoughts, thinking_budget, thinking_level: None })
}
