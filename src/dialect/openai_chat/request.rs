//! Requests: OpenAI's JSON ⇄ the hub.

use super::types::{
    AudioWire, CalledWire, ChatRequestWire, ContentWire, EmbeddingRequestWire, ExtraContentWire,
    FileWire, FunctionWire, GoogleWire, ImageUrlWire, InputWire, JsonSchemaWire, MessageWire,
    OneOrMany, PartWire, ReasoningDetailWire, ReasoningWire, ResponseFormatWire, StreamOptionsWire,
    ToolCallWire, ToolWire,
};
use crate::dialect::{EncodeContext, MaxTokensField};
use crate::llm::{
    ChatRequest, Data, EmbeddingInput, EmbeddingRequest, Extra, Failure, Message, Operation, Part,
    Reasoning, Request, ResponseFormat, Role, Tool, ToolChoice, Wire,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

const WIRE: Wire = Wire::OpenaiChat;

/// Reads a request.
pub(super) fn decode(operation: Operation, body: &[u8]) -> Result<Request, Failure> {
    match operation {
        Operation::Embedding => {
            let wire: EmbeddingRequestWire = parse(body)?;
            Ok(Request::Embedding(decode_embedding(wire)))
        }
        _ => {
            let wire: ChatRequestWire = parse(body)?;
            Ok(Request::Chat(Box::new(decode_chat(wire)?)))
        }
    }
}

/// Writes a request for an upstream.
pub(super) fn encode(request: &Request, context: &EncodeContext) -> Result<Bytes, Failure> {
    let body = match request {
        Request::Chat(chat) => serde_json::to_vec(&encode_chat(chat, context)),
        Request::Embedding(embedding) => serde_json::to_vec(&encode_embedding(embedding, context)),
    };
    body.map(Bytes::from).map_err(|error| Failure::invalid(error.to_string()))
}

/// Parses `body`, naming the field at fault as OpenAI does: `messages[1].content`.
fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = format!("invalid request format: {path}: {}", error.inner());
        Failure::invalid(message).with_param(path)
    })
}

fn decode_chat(wire: ChatRequestWire) -> Result<ChatRequest, Failure> {
    let messages = wire.messages.into_iter().enumerate();
    let messages = messages.map(|(at, message)| decode_message(at, message));
    let mut tools: Vec<Tool> =
        wire.tools.unwrap_or_default().into_iter().map(decode_tool).collect();
    if let Some(names) = wire.tool_choice.as_ref().and_then(allowed_names) {
        tools.retain(|tool| names.contains(&tool.name.as_str()));
    }
    let include_usage = wire.stream_options.as_ref().and_then(|options| options.include_usage);
    // What other formats have no word for, such as OpenRouter's `enabled`.
    let mut rest = without(wire.rest, "fallbacks");
    if let Some(more) = wire.reasoning.as_ref().map(|it| &it.rest).filter(|it| !it.is_empty()) {
        rest.insert("reasoning".to_owned(), Value::Object(more.clone()));
    }
    Ok(ChatRequest {
        model: wire.model,
        messages: messages.collect::<Result<_, _>>()?,
        tools,
        tool_choice: wire.tool_choice.as_ref().map(decode_tool_choice).transpose()?.flatten(),
        parallel_tool_calls: wire.parallel_tool_calls,
        response_format: wire.response_format.map(decode_format),
        reasoning: decode_reasoning(
            wire.reasoning_effort,
            wire.reasoning,
            wire.reasoning_max_tokens,
        ),
        max_tokens: wire.max_completion_tokens.or(wire.max_tokens),
        temperature: wire.temperature,
        top_p: wire.top_p,
        top_k: wire.top_k,
        frequency_penalty: wire.frequency_penalty,
        presence_penalty: wire.presence_penalty,
        seed: wire.seed,
        stop: match wire.stop {
            None => Vec::new(),
            Some(OneOrMany::One(text)) => vec![text],
            Some(OneOrMany::Many(texts)) => texts,
        },
        choices: wire.n,
        logprobs: wire.logprobs,
        top_logprobs: wire.top_logprobs,
        user: wire.user,
        stream: wire.stream.unwrap_or(false),
        include_usage: include_usage.unwrap_or(false),
        extra: Extra::new(WIRE, rest),
    })
}

fn without(mut map: Map<String, Value>, name: &str) -> Map<String, Value> {
    map.remove(name);
    map
}

fn decode_message(at: usize, wire: MessageWire) -> Result<Message, Failure> {
    let role = match wire.role.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        other => {
            let message = format!(
                "messages[{at}].role: '{other}' is not one of system, developer, user, assistant, tool"
            );
            return Err(Failure::invalid(message).with_param(format!("messages[{at}].role")));
        }
    };
    let mut parts = Vec::new();
    decode_thinking(wire.reasoning_details, wire.reasoning.or(wire.reasoning_content), &mut parts);
    let content = match wire.content {
        None => Vec::new(),
        Some(ContentWire::Text(text)) => vec![Part::text(text)],
        Some(ContentWire::Parts(list)) => {
            let list = list.into_iter().enumerate();
            list.map(|(i, part)| decode_part(at, i, part)).collect::<Result<_, _>>()?
        }
    };
    if role == Role::Tool {
        let call_id = wire.tool_call_id.unwrap_or_default();
        let extra = Extra::new(WIRE, wire.rest);
        let result = Part::ToolResult {
            call_id,
            name: wire.name.clone(),
            parts: content,
            is_error: false,
            extra,
        };
        return Ok(Message { role, parts: vec![result], name: None, extra: Extra::default() });
    }
    parts.extend(content);
    parts.extend(wire.refusal.map(|text| Part::Refusal { text }));
    parts.extend(wire.tool_calls.unwrap_or_default().into_iter().map(decode_call));
    Ok(Message { role, parts, name: wire.name, extra: Extra::new(WIRE, wire.rest) })
}

/// Thinking that comes back from a client: the details where it kept them, else the plain text.
pub(super) fn decode_thinking(
    details: Option<Vec<ReasoningDetailWire>>,
    text: Option<String>,
    parts: &mut Vec<Part>,
) {
    let Some(details) = details.filter(|details| !details.is_empty()) else {
        parts.extend(text.filter(|text| !text.is_empty()).map(|text| Part::Reasoning {
            text,
            signature: None,
            encrypted: None,
            extra: Extra::default(),
        }));
        return;
    };
    parts.extend(details.into_iter().map(|detail| Part::Reasoning {
        text: detail.text.unwrap_or_default(),
        signature: detail.signature,
        encrypted: detail.data,
        extra: Extra::new(WIRE, detail.rest),
    }));
}

pub(super) fn decode_call(wire: ToolCallWire) -> Part {
    let called = wire.function.unwrap_or_default();
    let google = wire.extra_content.and_then(|extra| extra.google);
    Part::ToolCall {
        id: wire.id.unwrap_or_default(),
        name: called.name.unwrap_or_default(),
        arguments: called.arguments,
        signature: google.and_then(|google| google.thought_signature),
        extra: Extra::default(),
    }
}

fn decode_part(message: usize, at: usize, wire: PartWire) -> Result<Part, Failure> {
    let extra = Extra::new(WIRE, wire.rest);
    let missing = |field: &str| {
        let param = format!("messages[{message}].content[{at}].{field}");
        Failure::invalid(format!("{param} is required for a part of this type")).with_param(param)
    };
    match wire.kind.as_str() {
        "text" => Ok(Part::Text { text: wire.text.ok_or_else(|| missing("text"))?, extra }),
        "refusal" => Ok(Part::Refusal { text: wire.refusal.ok_or_else(|| missing("refusal"))? }),
        "image_url" => {
            let image = wire.image_url.ok_or_else(|| missing("image_url"))?;
            Ok(Part::Image { data: data_of(image.url), detail: image.detail, extra })
        }
        "input_audio" => {
            let audio = wire.input_audio.ok_or_else(|| missing("input_audio"))?;
            let media_type = format!("audio/{}", audio.format);
            Ok(Part::Audio { data: Data::Inline { media_type, base64: audio.data }, extra })
        }
        "file" => {
            let file = wire.file.ok_or_else(|| missing("file"))?;
            let data = match (file.file_data, file.file_id, file.file_url) {
                (Some(data), ..) => file_data(data),
                (None, Some(id), _) => Data::FileId(id),
                (None, None, Some(url)) => Data::Url(url),
                (None, None, None) => return Err(missing("file.file_data")),
            };
            Ok(Part::File { data, name: file.filename, extra })
        }
        other => {
            let param = format!("messages[{message}].content[{at}].type");
            let message = format!(
                "{param}: '{other}' is not one of text, image_url, input_audio, file, refusal"
            );
            Err(Failure::invalid(message).with_param(param))
        }
    }
}

/// A data URL as inline data, anything else as an address.
fn data_of(url: String) -> Data {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inline {
        Some((media_type, base64)) => {
            // What OpenAI takes for a JPEG, other vendors do not.
            let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
            Data::Inline { media_type: media_type.to_owned(), base64: base64.to_owned() }
        }
        None => Data::Url(url),
    }
}

/// `file_data` is a data URL, or bare base64 of a PDF as early clients send it.
fn file_data(data: String) -> Data {
    match data_of(data) {
        Data::Url(base64) => Data::Inline { media_type: "application/pdf".to_owned(), base64 },
        inline => inline,
    }
}

fn decode_tool(wire: ToolWire) -> Tool {
    let mut rest = wire.rest;
    match wire.function {
        Some(function) => Tool {
            name: function.name,
            description: function.description,
            parameters: function.parameters,
            strict: function.strict,
            extra: Extra::new(WIRE, rest),
        },
        None => {
            rest.insert("type".to_owned(), wire.kind.clone().into());
            Tool {
                name: wire.kind,
                description: None,
                parameters: None,
                strict: None,
                extra: Extra::new(WIRE, rest),
            }
        }
    }
}

/// The functions that a choice of `allowed_tools` leaves. Other vendors have no word for it, but a
/// tool that may not be called may as well be missing.
fn allowed_names(choice: &Value) -> Option<Vec<&str>> {
    let allowed = choice.get("allowed_tools")?.get("tools")?.as_array()?;
    let names = allowed.iter().filter_map(|tool| tool.get("function")?.get("name")?.as_str());
    Some(names.collect())
}

/// `None` for a choice that leaves it to the provider.
fn decode_tool_choice(value: &Value) -> Result<Option<ToolChoice>, Failure> {
    let wrong = || {
        let message = "tool_choice must be \"none\", \"auto\", \"required\" or \
                       {\"type\":\"function\",\"function\":{\"name\":…}}";
        Failure::invalid(message).with_param("tool_choice")
    };
    match value {
        Value::Null => Ok(None),
        Value::String(word) => match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(wrong()),
        },
        Value::Object(choice) => {
            let name = choice.get("function").and_then(|function| function.get("name"));
            match (name.and_then(Value::as_str), choice.get("allowed_tools")) {
                (Some(name), _) => Ok(Some(ToolChoice::Function(name.to_owned()))),
                (None, Some(allowed)) => {
                    Ok(Some(match allowed.get("mode").and_then(Value::as_str) {
                        Some("required") => ToolChoice::Required,
                        _ => ToolChoice::Auto,
                    }))
                }
                (None, None) => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    }
}

fn decode_format(wire: ResponseFormatWire) -> ResponseFormat {
    match wire {
        ResponseFormatWire::Text => ResponseFormat::Text,
        ResponseFormatWire::JsonObject => ResponseFormat::JsonObject,
        ResponseFormatWire::JsonSchema { json_schema } => ResponseFormat::JsonSchema {
            name: json_schema.name,
            description: json_schema.description,
            schema: json_schema.schema,
            strict: json_schema.strict,
        },
    }
}

fn decode_reasoning(
    effort: Option<String>,
    wire: Option<ReasoningWire>,
    max_tokens: Option<i64>,
) -> Option<Reasoning> {
    let (nested, nested_max) = wire.map_or((None, None), |wire| (wire.effort, wire.max_tokens));
    let (effort, max_tokens) = (effort.or(nested), max_tokens.or(nested_max));
    (effort.is_some() || max_tokens.is_some()).then_some(Reasoning { effort, max_tokens })
}

fn decode_embedding(wire: EmbeddingRequestWire) -> EmbeddingRequest {
    EmbeddingRequest {
        model: wire.model,
        input: match wire.input {
            InputWire::Text(text) => EmbeddingInput::Texts(vec![text]),
            InputWire::Texts(texts) => EmbeddingInput::Texts(texts),
            InputWire::Tokens(tokens) => EmbeddingInput::Tokens(vec![tokens]),
            InputWire::TokenLists(lists) => EmbeddingInput::Tokens(lists),
        },
        dimensions: wire.dimensions,
        base64: wire.encoding_format.as_deref() == Some("base64"),
        user: wire.user,
        extra: Extra::new(WIRE, without(wire.rest, "fallbacks")),
    }
}

fn encode_chat(chat: &ChatRequest, context: &EncodeContext) -> ChatRequestWire {
    let quirks = context.quirks;
    let (max_tokens, max_completion_tokens) = match quirks.max_tokens_field {
        MaxTokensField::MaxTokens => (chat.max_tokens, None),
        _ => (None, chat.max_tokens),
    };
    let mut rest = Map::new();
    chat.extra.write(WIRE, &mut rest);
    rest.retain(|name, _| !quirks.drop_params.contains(&name.as_str()));
    let effort = chat.reasoning.as_ref().and_then(|reasoning| reasoning.effort.clone());
    let stream_options = (chat.stream && quirks.stream_options)
        .then(|| StreamOptionsWire { include_usage: Some(true), rest: Map::new() });
    ChatRequestWire {
        model: context.model.to_owned(),
        messages: chat.messages.iter().flat_map(encode_message).collect(),
        tools: (!chat.tools.is_empty()).then(|| chat.tools.iter().map(encode_tool).collect()),
        tool_choice: chat.tool_choice.as_ref().map(|choice| match choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!(quirks.tool_choice_required),
            ToolChoice::Function(name) => json!({"type": "function", "function": {"name": name}}),
        }),
        parallel_tool_calls: chat.parallel_tool_calls,
        response_format: chat.response_format.as_ref().map(encode_format),
        reasoning_effort: effort.map(|effort| match effort.as_str() {
            "minimal" if !quirks.minimal_effort => "low".to_owned(),
            _ => effort,
        }),
        reasoning: None,
        reasoning_max_tokens: None,
        max_tokens,
        max_completion_tokens,
        temperature: chat.temperature,
        top_p: chat.top_p,
        top_k: chat.top_k,
        frequency_penalty: chat.frequency_penalty,
        presence_penalty: chat.presence_penalty,
        seed: chat.seed,
        stop: match chat.stop.as_slice() {
            [] => None,
            [one] => Some(OneOrMany::One(one.clone())),
            many => Some(OneOrMany::Many(many.to_vec())),
        },
        n: chat.choices,
        logprobs: chat.logprobs,
        top_logprobs: chat.top_logprobs,
        user: chat.user.clone(),
        stream: chat.stream.then_some(true),
        stream_options,
        rest,
    }
}

/// A message; one per tool result, as OpenAI has a message for each.
fn encode_message(message: &Message) -> Vec<MessageWire> {
    let results: Vec<MessageWire> = message.parts.iter().filter_map(encode_result).collect();
    if !results.is_empty() {
        return results;
    }
    let mut wire = MessageWire {
        role: match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
        .to_owned(),
        name: message.name.clone(),
        ..MessageWire::default()
    };
    message.extra.write(WIRE, &mut wire.rest);
    wire.content = encode_content(&message.parts);
    let calls: Vec<ToolCallWire> = message.parts.iter().filter_map(encode_call).collect();
    wire.tool_calls = (!calls.is_empty()).then_some(calls);
    let thinking = encode_thinking(&message.parts);
    wire.reasoning_details = (!thinking.is_empty()).then_some(thinking);
    vec![wire]
}

fn encode_result(part: &Part) -> Option<MessageWire> {
    let Part::ToolResult { call_id, name, parts, extra, .. } = part else { return None };
    let mut rest = Map::new();
    extra.write(WIRE, &mut rest);
    Some(MessageWire {
        role: "tool".to_owned(),
        content: encode_content(parts),
        name: name.clone(),
        tool_call_id: Some(call_id.clone()),
        rest,
        ..MessageWire::default()
    })
}

/// One plain text as a string, anything else as parts.
fn encode_content(parts: &[Part]) -> Option<ContentWire> {
    let mut wires: Vec<PartWire> = parts.iter().filter_map(encode_part).collect();
    match wires.as_mut_slice() {
        [] => None,
        [one] if one.kind == "text" && one.rest.is_empty() => {
            one.text.take().map(ContentWire::Text)
        }
        _ => Some(ContentWire::Parts(wires)),
    }
}

fn encode_part(part: &Part) -> Option<PartWire> {
    let mut wire = PartWire::default();
    let extra = match part {
        Part::Text { text, extra } => {
            wire.kind = "text".to_owned();
            wire.text = Some(text.clone());
            extra
        }
        Part::Refusal { text } => {
            wire.kind = "refusal".to_owned();
            wire.refusal = Some(text.clone());
            return Some(wire);
        }
        Part::Image { data, detail, extra } => {
            wire.kind = "image_url".to_owned();
            wire.image_url = Some(ImageUrlWire { url: url_of(data), detail: detail.clone() });
            extra
        }
        Part::Audio { data: Data::Inline { media_type, base64 }, extra } => {
            wire.kind = "input_audio".to_owned();
            let format = media_type.strip_prefix("audio/").unwrap_or(media_type).to_owned();
            wire.input_audio = Some(AudioWire { data: base64.clone(), format });
            extra
        }
        Part::File { data, name, extra } => {
            wire.kind = "file".to_owned();
            let mut file = FileWire { filename: name.clone(), ..FileWire::default() };
            match data {
                Data::Inline { .. } => file.file_data = Some(url_of(data)),
                Data::Url(url) => file.file_url = Some(url.clone()),
                Data::FileId(id) => file.file_id = Some(id.clone()),
            }
            wire.file = Some(file);
            extra
        }
        _ => return None,
    };
    extra.write(WIRE, &mut wire.rest);
    Some(wire)
}

fn url_of(data: &Data) -> String {
    match data {
        Data::Inline { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
        Data::Url(url) => url.clone(),
        Data::FileId(id) => id.clone(),
    }
}

/// A tool call as it stands in a complete message.
pub(super) fn encode_call(part: &Part) -> Option<ToolCallWire> {
    let Part::ToolCall { id, name, arguments, signature, .. } = part else { return None };
    Some(ToolCallWire {
        index: None,
        id: Some(id.clone()),
        kind: Some("function".to_owned()),
        function: Some(CalledWire { name: Some(name.clone()), arguments: arguments.clone() }),
        extra_content: signature.clone().map(extra_content),
    })
}

pub(super) fn extra_content(signature: String) -> ExtraContentWire {
    ExtraContentWire { google: Some(GoogleWire { thought_signature: Some(signature) }) }
}

/// Thinking as details, numbered in order.
pub(super) fn encode_thinking(parts: &[Part]) -> Vec<ReasoningDetailWire> {
    let mut details = Vec::new();
    for part in parts {
        let Part::Reasoning { text, signature, encrypted, extra } = part else { continue };
        let mut rest = Map::new();
        extra.write(WIRE, &mut rest);
        let kind = if encrypted.is_some() { "reasoning.encrypted" } else { "reasoning.text" };
        details.push(ReasoningDetailWire {
            index: u32::try_from(details.len()).unwrap_or(u32::MAX),
            kind: kind.to_owned(),
            text: encrypted.is_none().then(|| text.clone()),
            signature: signature.clone(),
            data: encrypted.clone(),
            rest,
        });
    }
    details
}

fn encode_tool(tool: &Tool) -> ToolWire {
    let mut rest = Map::new();
    tool.extra.write(WIRE, &mut rest);
    if let Some(Value::String(kind)) = rest.remove("type") {
        return ToolWire { kind, function: None, rest };
    }
    let function = FunctionWire {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
        strict: tool.strict,
    };
    ToolWire { kind: "function".to_owned(), function: Some(function), rest }
}

fn encode_format(format: &ResponseFormat) -> ResponseFormatWire {
    match format {
        ResponseFormat::Text => ResponseFormatWire::Text,
        ResponseFormat::JsonObject => ResponseFormatWire::JsonObject,
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            ResponseFormatWire::JsonSchema {
                json_schema: JsonSchemaWire {
                    name: name.clone(),
                    description: description.clone(),
                    schema: schema.clone(),
                    strict: *strict,
                },
            }
        }
    }
}

fn encode_embedding(request: &EmbeddingRequest, context: &EncodeContext) -> EmbeddingRequestWire {
    let mut rest = Map::new();
    request.extra.write(WIRE, &mut rest);
    EmbeddingRequestWire {
        model: context.model.to_owned(),
        input: match &request.input {
            EmbeddingInput::Texts(texts) => InputWire::Texts(texts.clone()),
            EmbeddingInput::Tokens(lists) => InputWire::TokenLists(lists.clone()),
        },
        dimensions: request.dimensions,
        encoding_format: request.base64.then(|| "base64".to_owned()),
        user: request.user.clone(),
        rest,
    }
}
