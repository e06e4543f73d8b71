//! Answers and failures: Anthropic's JSON → the hub.

use super::types::{BlockIn, ErrorBodyIn, ErrorIn, MessageIn, stop_reason};
use crate::dialect::failure_for_status;
use crate::llm::{ChatResponse, Choice, Extra, Failure, FailureKind, Part, Retry};
use http::HeaderMap;

/// Reads an answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let wire: MessageIn = serde_json::from_slice(body).map_err(|error| {
        Failure::bad_response(format!("the provider's answer could not be read: {error}"))
            .with_code("invalid_upstream_response")
    })?;
    let stop = wire.stop_reason.map(|word| stop_reason(&word, wire.stop_sequence));
    let parts = wire.content.into_iter().filter_map(part).collect();
    Ok(ChatResponse {
        id: wire.id,
        model: wire.model,
        created: 0,
        choices: vec![Choice { parts, stop, ..Choice::default() }],
        usage: Some(wire.usage.into()),
        extra: Extra::default(),
    })
}

fn part(block: BlockIn) -> Option<Part> {
    let extra = Extra::default();
    Some(match block.kind.as_str() {
        "text" => Part::text(block.text),
        "thinking" => {
            let signature = Some(block.signature).filter(|signature| !signature.is_empty());
            Part::Reasoning { text: block.thinking, signature, encrypted: None, extra }
        }
        "redacted_thinking" => {
            let encrypted = Some(block.data);
            Part::Reasoning { text: String::new(), signature: None, encrypted, extra }
        }
        "tool_use" => Part::ToolCall {
            id: block.id,
            name: block.name,
            arguments: block.input.map_or_else(|| "{}".to_owned(), |i| i.get().to_owned()),
            signature: None,
            extra,
        },
        _ => return None,
    })
}

/// Reads an error answer. <https://docs.anthropic.com/en/api/errors>
pub(super) fn decode_failure(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let error = serde_json::from_slice::<ErrorBodyIn>(body).ok().map(|body| body.error);
    failure(status, headers, error)
}

/// The failure that an `error` event reports, by its type, as it has no status of its own.
pub(super) fn failure_in_stream(error: ErrorIn) -> Failure {
    let status = match error.kind.as_str() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    failure(status, &HeaderMap::new(), Some(error))
}

fn failure(status: u16, headers: &HeaderMap, error: Option<ErrorIn>) -> Failure {
    let (kind, message) = error.map_or((None, None), |e| (Some(e.kind), Some(e.message)));
    let message = message.filter(|message| !message.is_empty()).unwrap_or_else(|| {
        format!("anthropic answered with status {status} and no message; check its base_url")
    });
    let mut failure = failure_for_status(status, headers, message);
    if kind.as_deref() == Some("overloaded_error") {
        failure.kind = FailureKind::Overloaded;
        failure.retry = Retry::SameKey;
    }
    if failure.message.contains("credit balance is too low") {
        failure.kind = FailureKind::Quota;
        failure.status = 402;
        failure.retry = Retry::OtherKey;
    }
    if failure.retry == Retry::Never {
        failure.retry = Retry::OtherTarget;
    }
    failure.error_type = kind.filter(|kind| !kind.is_empty());
    failure
}
