//! Replies and failures → HTTP in the caller's wire format.

use super::body::ReplyBytes;
use crate::dialect::ClientDialect;
use crate::dialect::openai_chat::OpenaiChat;
use crate::llm::{Failure, FailureKind};
use crate::pipeline::{Call, Refused, Reply, ReplyBody, Trail};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::time::Duration;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const X_PROVIDER: HeaderName = HeaderName::from_static("x-tollbridge-provider");
const X_MODEL: HeaderName = HeaderName::from_static("x-tollbridge-model");
const X_KEY: HeaderName = HeaderName::from_static("x-tollbridge-key");
const X_ATTEMPTS: HeaderName = HeaderName::from_static("x-tollbridge-attempts");
const X_DECISION_ID: HeaderName = HeaderName::from_static("x-tollbridge-decision-id");

/// An answer.
pub(super) fn reply_response(call: &Call, reply: Reply) -> Response<ReplyBytes> {
    let mut headers = reply.headers;
    let body = match reply.body {
        ReplyBody::Full(bytes) => {
            headers.insert(http::header::CONTENT_TYPE, JSON);
            ReplyBytes::Full(Some(bytes))
        }
        ReplyBody::Stream(stream) => {
            stream_headers(&mut headers);
            ReplyBytes::Stream(stream)
        }
        ReplyBody::Replay(bytes) => {
            stream_headers(&mut headers);
            ReplyBytes::Full(Some(bytes))
        }
    };
    if let Some(status) = reply.cache_status {
        headers.insert(CACHE_STATUS, status);
    }
    trail_headers(&reply.trail, &mut headers);
    call_headers(call, &mut headers);
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(http::header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(http::header::CACHE_CONTROL, NO_CACHE);
    // Proxies in front of the gateway must not hold events back.
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// A call that could not be served.
pub(super) fn refused_response(call: &Call, refused: &Refused) -> Response<ReplyBytes> {
    let mut response = failure_response(&refused.failure, &call.id);
    trail_headers(&refused.trail, response.headers_mut());
    call_headers(call, response.headers_mut());
    response
}

/// A failure in OpenAI's error shape.
pub fn failure_response(failure: &Failure, request_id: &str) -> Response<ReplyBytes> {
    let body: Bytes = OpenaiChat.encode_failure(failure);
    let mut response = Response::new(ReplyBytes::Full(Some(body)));
    let status = StatusCode::from_u16(failure.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(provider) = &failure.headers {
        headers.clone_from(provider);
    }
    headers.insert(http::header::CONTENT_TYPE, JSON);
    insert(headers, X_REQUEST_ID, request_id);
    if let Some(wait) = failure.retry_after {
        retry_after(wait, headers);
    }
    if failure.kind == FailureKind::BudgetExceeded {
        // The SDKs would try again by themselves; a budget does not come back that soon.
        insert(headers, X_SHOULD_RETRY, "false");
    }
    response
}

/// `retry-after` in whole seconds, rounded up, and the exact wait in milliseconds.
fn retry_after(wait: Duration, headers: &mut HeaderMap) {
    let milliseconds = wait.as_millis();
    insert(headers, RETRY_AFTER_MS, &milliseconds.to_string());
    insert(headers, http::header::RETRY_AFTER, &milliseconds.div_ceil(1000).to_string());
}

fn trail_headers(trail: &Trail, headers: &mut HeaderMap) {
    let Some(provider) = &trail.provider else { return };
    insert(headers, X_PROVIDER, provider);
    if let Some(model) = &trail.model {
        insert(headers, X_MODEL, model);
    }
    if let Some(key) = trail.key.as_deref().filter(|key| !key.is_empty()) {
        insert(headers, X_KEY, key);
    }
    insert(headers, X_ATTEMPTS, itoa::Buffer::new().format(trail.attempts));
}

fn call_headers(call: &Call, headers: &mut HeaderMap) {
    insert(headers, X_DECISION_ID, &call.decision_id);
    insert(headers, X_REQUEST_ID, &call.id);
}

/// A value that no header can carry is left out.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
