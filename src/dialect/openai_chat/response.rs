//! Answers and failures: OpenAI's JSON ⇄ the hub.

use super::request::{decode_call, decode_thinking, encode_call, encode_thinking};
use super::types::{
    AnswerWire, ChatResponseWire, ChoiceWire, EmbeddingResponseWire, EmbeddingUsageWire,
    EmbeddingWire, UsageWire, VectorWire,
};
use crate::dialect::failure_for_status;
use crate::llm::{
    ChatResponse, Choice, Embedding, EmbeddingResponse, Extra, Failure, FailureKind, Part, Request,
    Response, Retry, Source, StopReason, Usage, Wire,
};
use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

const WIRE: Wire = Wire::OpenaiChat;

/// Reads an answer.
pub(super) fn decode(request: &Request, body: &[u8]) -> Result<Response, Failure> {
    let unreadable = |error: serde_json::Error| {
        Failure::bad_response(format!("the provider's answer could not be read: {error}"))
            .with_code("invalid_upstream_response")
    };
    match request {
        Request::Chat(_) => {
            let wire: ChatResponseWire = serde_json::from_slice(body).map_err(unreadable)?;
            Ok(Response::Chat(Box::new(decode_chat(wire))))
        }
        Request::Embedding(_) => {
            let wire: EmbeddingResponseWire = serde_json::from_slice(body).map_err(unreadable)?;
            Ok(Response::Embedding(decode_embedding(wire)))
        }
    }
}

/// Writes an answer for a client.
pub(super) fn encode(response: &Response) -> Bytes {
    let body = match response {
        Response::Chat(chat) => serde_json::to_vec(&encode_chat(chat)),
        Response::Embedding(embedding) => serde_json::to_vec(&encode_embedding(embedding)),
    };
    // Only a map with keys that are no strings could fail, and there is none.
    body.unwrap_or_default().into()
}

fn decode_chat(wire: ChatResponseWire) -> ChatResponse {
    let mut rest = wire.rest;
    rest.insert("object".to_owned(), wire.object.into());
    ChatResponse {
        id: wire.id,
        model: wire.model,
        created: wire.created,
        choices: wire.choices.into_iter().map(decode_choice).collect(),
        usage: wire.usage.map(Usage::from),
        extra: Extra::new(WIRE, rest),
    }
}

fn decode_choice(wire: ChoiceWire) -> Choice {
    let message = wire.message;
    let mut parts = Vec::new();
    decode_thinking(
        message.reasoning_details,
        message.reasoning.or(message.reasoning_content),
        &mut parts,
    );
    parts.extend(message.content.filter(|text| !text.is_empty()).map(Part::text));
    parts.extend(message.refusal.map(|text| Part::Refusal { text }));
    parts.extend(message.tool_calls.unwrap_or_default().into_iter().map(decode_call));
    Choice {
        index: wire.index,
        parts,
        stop: wire.finish_reason.as_deref().map(stop_reason),
        logprobs: wire.logprobs,
        extra: Extra::new(WIRE, message.rest),
    }
}

/// What a `finish_reason` means.
pub(super) fn stop_reason(word: &str) -> StopReason {
    match word {
        "stop" => StopReason::Stop,
        "length" => StopReason::Length,
        "tool_calls" | "function_call" => StopReason::ToolCalls,
        "content_filter" => StopReason::ContentFilter,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The `finish_reason` for a reason.
pub(super) fn finish_reason(reason: &StopReason) -> &str {
    match reason {
        StopReason::Stop | StopReason::StopSequence(_) => "stop",
        StopReason::Length => "length",
        StopReason::ToolCalls => "tool_calls",
        StopReason::ContentFilter => "content_filter",
        // The SDKs' type knows five words; an unknown end is an end.
        StopReason::Other(_) => "stop",
    }
}

fn encode_chat(chat: &ChatResponse) -> ChatResponseWire {
    let mut rest = Map::new();
    chat.extra.write(WIRE, &mut rest);
    let object = match rest.remove("object") {
        Some(Value::String(object)) => object,
        _ => "chat.completion".to_owned(),
    };
    ChatResponseWire {
        id: chat.id.clone(),
        object,
        created: chat.created,
        model: chat.model.clone(),
        choices: chat.choices.iter().map(encode_choice).collect(),
        usage: chat.usage.map(UsageWire::from),
        rest,
    }
}

fn encode_choice(choice: &Choice) -> ChoiceWire {
    let text = |pick: fn(&Part) -> Option<&str>| {
        let text: String = choice.parts.iter().filter_map(pick).collect();
        (!text.is_empty()).then_some(text)
    };
    let calls: Vec<_> = choice.parts.iter().filter_map(encode_call).collect();
    let details = encode_thinking(&choice.parts);
    let mut message = AnswerWire {
        role: "assistant".to_owned(),
        content: text(|part| match part {
            Part::Text { text, .. } => Some(text),
            _ => None,
        }),
        refusal: text(|part| match part {
            Part::Refusal { text } => Some(text),
            _ => None,
        }),
        reasoning: text(|part| match part {
            Part::Reasoning { text, .. } => Some(text),
            _ => None,
        }),
        tool_calls: (!calls.is_empty()).then_some(calls),
        reasoning_details: (!details.is_empty()).then_some(details),
        ..AnswerWire::default()
    };
    if message.content.is_none() && message.tool_calls.is_none() && message.refusal.is_none() {
        message.content = Some(String::new());
    }
    choice.extra.write(WIRE, &mut message.rest);
    ChoiceWire {
        index: choice.index,
        message,
        finish_reason: choice.stop.as_ref().map(|stop| finish_reason(stop).to_owned()),
        logprobs: choice.logprobs.clone(),
        rest: Map::new(),
    }
}

fn decode_embedding(wire: EmbeddingResponseWire) -> EmbeddingResponse {
    let mut data = wire.data;
    data.sort_by_key(|embedding| embedding.index);
    EmbeddingResponse {
        model: wire.model,
        data: (data.into_iter())
            .map(|embedding| match embedding.embedding {
                VectorWire::Floats(floats) => Embedding::Floats(floats),
                VectorWire::Base64(text) => Embedding::Base64(text),
            })
            .collect(),
        usage: wire.usage.map(|usage| Usage { input: usage.prompt_tokens, ..Usage::default() }),
        extra: Extra::new(WIRE, wire.rest),
    }
}

fn encode_embedding(response: &EmbeddingResponse) -> EmbeddingResponseWire {
    let mut rest = Map::new();
    response.extra.write(WIRE, &mut rest);
    let usage = response.usage.unwrap_or_default();
    EmbeddingResponseWire {
        object: "list".to_owned(),
        data: (response.data.iter().zip(0..))
            .map(|(embedding, index)| EmbeddingWire {
                object: "embedding".to_owned(),
                index,
                embedding: match embedding {
                    Embedding::Floats(floats) => VectorWire::Floats(floats.clone()),
                    Embedding::Base64(text) => VectorWire::Base64(text.clone()),
                },
            })
            .collect(),
        model: response.model.clone(),
        usage: Some(EmbeddingUsageWire { prompt_tokens: usage.input, total_tokens: usage.input }),
        rest,
    }
}

/// OpenAI's error object and what compatible servers make of it.
#[derive(Debug, Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    /// Mistral and vLLM send the members of the error without `error` around them.
    #[serde(flatten)]
    bare: ErrorObject,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorObject {
    #[serde(default)]
    message: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    param: Option<Value>,
}

/// Reads an error answer.
pub(super) fn decode_failure(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let object = error_object(body).unwrap_or_default();
    let message = object.message.filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| canned(status).to_owned());
    let mut failure = failure_for_status(status, headers, message);
    failure.error_type = object.kind;
    failure.code = object.code.as_ref().and_then(text_of);
    failure.param = object.param.as_ref().and_then(text_of);
    let quota = [failure.code.as_deref(), failure.error_type.as_deref()];
    if status == 429 && quota.contains(&Some("insufficient_quota")) {
        failure.kind = FailureKind::Quota;
    }
    if failure.retry == Retry::Never {
        failure.retry = Retry::OtherTarget;
    }
    failure
}

/// The failure that a frame of a stream reports, if it reports one.
pub(in crate::dialect) fn failure_in_stream(data: &[u8]) -> Option<Failure> {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, default)]
        error: Option<&'a RawValue>,
        #[serde(borrow, default)]
        choices: Option<&'a RawValue>,
    }
    let probe: Probe = serde_json::from_slice(data).ok()?;
    let error = probe.error.filter(|error| error.get() != "null")?;
    if probe.choices.is_some_and(|choices| choices.get().len() > 2) {
        return None;
    }
    let object: ErrorObject = serde_json::from_str(error.get()).unwrap_or_default();
    let code = object.code.as_ref().and_then(text_of);
    let status = code.as_deref().and_then(|code| code.parse().ok());
    let status = status.filter(|status| (400..600).contains(status));
    let status = status.unwrap_or(match object.kind.as_deref() {
        Some("rate_limit_error" | "rate_limit_exceeded" | "tokens" | "requests") => 429,
        Some("invalid_request_error") => 400,
        Some("overloaded_error" | "overloaded") => 503,
        _ => 500,
    });
    Some(decode_failure(status, &HeaderMap::new(), data))
}

fn error_object(body: &[u8]) -> Option<ErrorObject> {
    let body: ErrorBody = serde_json::from_slice(body).ok()?;
    if let Some(error) = body.error {
        return match serde_json::from_str::<ErrorObject>(error.get()) {
            Ok(object) => Some(object),
            Err(_) => Some(message_only(serde_json::from_str(error.get()).ok())),
        };
    }
    let detail = body.detail.map(|detail| {
        serde_json::from_str(detail.get()).unwrap_or_else(|_| detail.get().to_owned())
    });
    Some(ErrorObject { message: body.bare.message.or(detail), ..body.bare })
}

fn message_only(message: Option<String>) -> ErrorObject {
    ErrorObject { message, ..ErrorObject::default() }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What a status means where a provider sends no words of its own.
fn canned(status: u16) -> &'static str {
    match status {
        400 => "the provider refused the request (400) without saying why",
        401 => "the provider refused the key (401)",
        402 => "the provider wants to be paid first (402)",
        403 => "the provider forbids this (403)",
        404 => "the provider knows no such model or path (404); check the model and the base_url",
        413 => "the request is too large for the provider (413)",
        429 => "the provider's rate limit is reached (429)",
        503 | 529 => "the provider is overloaded",
        500..=599 => "the provider failed",
        _ => "the provider refused the request without saying why",
    }
}

/// Writes an error answer: OpenAI's `error` with all four fields, and Bifrost's fields around it.
pub(super) fn encode_failure(failure: &Failure) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Error<'a>,
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<&'a str>,
        is_bifrost_error: bool,
        status_code: u16,
        extra_fields: Map<String, Value>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        message: &'a str,
        #[serde(rename = "type")]
        kind: &'a str,
        param: Option<&'a str>,
        code: Option<&'a str>,
    }
    let own = failure.source != Source::Upstream;
    let body = Body {
        error: Error {
            message: &failure.message,
            kind: failure.error_type.as_deref().unwrap_or_else(|| error_type(failure.kind)),
            param: failure.param.as_deref(),
            code: failure.code.as_deref().or_else(|| default_code(failure.kind)),
        },
        kind: failure.code.as_deref().filter(|_| own),
        is_bifrost_error: is_gateway_error(failure),
        status_code: failure.status,
        extra_fields: Map::new(),
    };
    serde_json::to_vec(&body).unwrap_or_default().into()
}

fn is_gateway_error(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Internal | FailureKind::Timeout | FailureKind::BadResponse)
}

fn error_type(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::InvalidRequest
        | FailureKind::RequestTooLarge
        | FailureKind::UnsupportedOperation
        | FailureKind::Unpriced
        | FailureKind::NoKey => "invalid_request_error",
        FailureKind::Authentication => "authentication_error",
        FailureKind::Permission => "permission_error",
        FailureKind::NotFound => "not_found_error",
        FailureKind::RateLimit => "rate_limit_error",
        FailureKind::BudgetExceeded => "budget_exceeded",
        FailureKind::Quota => "insufficient_quota",
        FailureKind::Cancelled => "request_cancelled",
        _ => "server_error",
    }
}

/// A code for failures that have none of their own, so that programs can tell them apart.
fn default_code(kind: FailureKind) -> Option<&'static str> {
    match kind {
        FailureKind::RequestTooLarge => Some("request_too_large"),
        FailureKind::RateLimit => Some("rate_limit_exceeded"),
        FailureKind::Connect => Some("upstream_unreachable"),
        FailureKind::Timeout => Some("request_timed_out"),
        FailureKind::Truncated => Some("stream_truncated"),
        _ => None,
    }
}
