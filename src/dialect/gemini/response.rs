//! Answers and failures: Google's JSON → the hub.

use super::types::{
    CandidateIn, GenerateResponse, LogprobsIn, PartIn, TokenIn, arguments, call_id, stop_reason,
    unreadable,
};
use crate::dialect::failure_for_status;
use crate::dialect::status::LONGEST_WAIT;
use crate::llm::{
    ChatResponse, Choice, Extra, Failure, FailureKind, Part, Retry, Source, StopReason,
};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Reads an answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let wire: GenerateResponse =
        serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let blocked = wire.prompt_feedback.and_then(|feedback| feedback.block_reason);
    if wire.candidates.is_empty() && blocked.is_none() && wire.usage_metadata.is_none() {
        let message = "the provider's answer has no candidates";
        return Err(Failure::bad_response(message).with_code("invalid_upstream_response"));
    }
    let id = wire.response_id;
    let mut calls = 0;
    let mut choices: Vec<Choice> =
        wire.candidates.into_iter().map(|candidate| choice(candidate, &id, &mut calls)).collect();
    if choices.is_empty() {
        let stop = if blocked.is_some() { StopReason::ContentFilter } else { StopReason::Stop };
        choices.push(Choice { stop: Some(stop), ..Choice::default() });
    }
    Ok(ChatResponse {
        id,
        model: wire.model_version,
        created: 0,
        choices,
        usage: wire.usage_metadata.map(Into::into),
        extra: Extra::default(),
    })
}

fn choice(wire: CandidateIn, id: &str, calls: &mut u32) -> Choice {
    let mut parts: Vec<Part> = Vec::new();
    for piece in wire.content.parts {
        add(&mut parts, piece, id, calls);
    }
    let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let stop = wire.finish_reason.as_deref().map(|word| stop_reason(word, has_calls));
    let logprobs = wire.logprobs_result.as_ref().map(logprobs);
    Choice { index: wire.index, parts, stop, logprobs, ..Choice::default() }
}

/// Log probabilities in the form that the hub has them: OpenAI's.
fn logprobs(wire: &LogprobsIn) -> Value {
    let token = |token: &TokenIn| json!({"token": token.token, "logprob": token.log_probability, "bytes": token.token.as_bytes()});
    let tops = wire.top_candidates.iter().map(|top| top.candidates.as_slice());
    let tops = tops.chain(std::iter::repeat(&[][..]));
    let content: Vec<Value> = (wire.chosen_candidates.iter().zip(tops))
        .map(|(chosen, top)| {
            let mut chosen = token(chosen);
            chosen["top_logprobs"] = top.iter().map(token).collect();
            chosen
        })
        .collect();
    json!({"content": content, "refusal": null})
}

/// Adds a piece; text that goes on is one part, as it is when streamed.
fn add(parts: &mut Vec<Part>, piece: PartIn, id: &str, calls: &mut u32) {
    if let Some(call) = piece.function_call {
        parts.push(Part::ToolCall {
            id: call_id(call.id, id, *calls),
            name: call.name,
            arguments: arguments(call.args),
            signature: piece.thought_signature,
            extra: Extra::default(),
        });
        *calls += 1;
        return;
    }
    let text = piece.text.unwrap_or_default();
    if piece.thought == Some(true) {
        match parts.last_mut() {
            Some(Part::Reasoning { text: before, signature, .. }) => {
                before.push_str(&text);
                if let Some(more) = piece.thought_signature {
                    signature.get_or_insert_default().push_str(&more);
                }
            }
            _ => parts.push(Part::Reasoning {
                text,
                signature: piece.thought_signature,
                encrypted: None,
                extra: Extra::default(),
            }),
        }
    } else if !text.is_empty() {
        match parts.last_mut() {
            Some(Part::Text { text: before, .. }) => before.push_str(&text),
            _ => parts.push(Part::text(text)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ErrorBody {
    One {
        error: ErrorIn,
    },
    /// A stream without `alt=sse` reports errors inside of its array.
    Many(Vec<ErrorItem>),
}

#[derive(Debug, Deserialize)]
struct ErrorItem {
    error: ErrorIn,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorIn {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<DetailIn>,
}

#[derive(Debug, Default, Deserialize)]
struct DetailIn {
    #[serde(default, rename = "retryDelay")]
    retry_delay: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// Reads an error answer. <https://ai.google.dev/gemini-api/docs/troubleshooting>
pub(super) fn decode_failure(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    failure(status, headers, read_error(body))
}

/// The failure that a frame of a stream reports, if it reports one.
pub(super) fn failure_in_stream(data: &[u8]) -> Option<Failure> {
    let error = read_error(data)?;
    let status = if (400..600).contains(&error.code) { error.code } else { 500 };
    Some(failure(status, &HeaderMap::new(), Some(error)))
}

fn read_error(body: &[u8]) -> Option<ErrorIn> {
    match serde_json::from_slice(body).ok()? {
        ErrorBody::One { error } => Some(error),
        ErrorBody::Many(items) => items.into_iter().next().map(|item| item.error),
    }
}

fn failure(status: u16, headers: &HeaderMap, error: Option<ErrorIn>) -> Failure {
    let error = error.unwrap_or_default();
    let message = if error.message.is_empty() {
        format!("gemini answered with status {status} and no message; check its base_url")
    } else {
        error.message
    };
    let bad_key = error.details.iter().any(|d| d.reason.as_deref() == Some("API_KEY_INVALID"))
        || message.contains("API key not valid");
    let mut failure = failure_for_status(status, headers, message);
    let kind = match error.status.as_str() {
        _ if bad_key => Some(FailureKind::Authentication),
        "RESOURCE_EXHAUSTED" => Some(FailureKind::RateLimit),
        "UNAUTHENTICATED" => Some(FailureKind::Authentication),
        "PERMISSION_DENIED" => Some(FailureKind::Permission),
        "NOT_FOUND" => Some(FailureKind::NotFound),
        "UNAVAILABLE" => Some(FailureKind::Overloaded),
        "DEADLINE_EXCEEDED" => Some(FailureKind::Timeout),
        "INTERNAL" => Some(FailureKind::ServerError),
        _ => None,
    };
    if let Some(kind) = kind {
        failure.kind = kind;
        failure.retry = match kind {
            // The provider's own time-out: it is there to be asked again.
            FailureKind::Timeout => Retry::SameKey,
            kind => Failure::new(Source::Upstream, kind, "").retry,
        };
    }
    if bad_key {
        failure.status = 401;
    }
    if failure.retry == Retry::Never {
        failure.retry = Retry::OtherTarget;
    }
    let delay = error.details.iter().find_map(|detail| detail.retry_delay.as_deref());
    failure.retry_after = failure.retry_after.or_else(|| delay.and_then(seconds));
    failure.error_type = Some(error.status).filter(|status| !status.is_empty());
    failure
}

/// A duration as Google writes it: `12s`, `0.5s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_WAIT))
}
