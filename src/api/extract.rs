//! A request's head and body → a call.

use super::Route;
use crate::app::App;
use crate::config::Snapshot;
use crate::dialect::openai_chat::raw::RawRequest;
use crate::govern::identify;
use crate::llm::{Failure, FailureKind, Source};
use crate::pipeline::Call;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// How much of a client's `x-request-id` is kept, in bytes.
const LONGEST_ID: usize = 128;

/// The id of a request: the client's own if it is sensible, else a UUIDv7.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let own = ["x-request-id", "x-client-request-id"].iter().find_map(|name| headers.get(*name));
    let own = own.and_then(|value| value.to_str().ok()).map(str::trim);
    match own {
        Some(id) if !id.is_empty() && id.len() <= LONGEST_ID => id.to_owned(),
        _ => Uuid::now_v7().to_string(),
    }
}

/// Reads the body and finds out who calls.
pub(super) async fn extract(
    app: &App,
    snapshot: Arc<Snapshot>,
    route: &Route,
    id: String,
    parts: Parts,
    body: Incoming,
    arrived: Instant,
) -> Result<Call, Failure> {
    let caller = identify(&snapshot, &parts.headers)?;
    require_headers(&snapshot, &parts.headers)?;
    let limit = snapshot.client.max_request_body_size_mb as usize * 1024 * 1024;
    let body = read_body(&parts.headers, body, limit).await?;
    let request = RawRequest::parse(route.operation, body)?;
    Ok(Call {
        decision_id: decision_id(),
        id,
        operation: route.operation,
        request,
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        snapshot,
        caller,
        arrived,
        timestamp_ms: app.now_ms(),
    })
}

/// Short enough to read aloud, long enough not to repeat among those that are remembered.
pub(crate) fn decision_id() -> Arc<str> {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    format!("{:012x}", high >> 16).into()
}

fn require_headers(snapshot: &Snapshot, headers: &HeaderMap) -> Result<(), Failure> {
    let required = &snapshot.client.required_headers;
    if required.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> = (required.iter().map(String::as_str))
        .filter(|name| !headers.contains_key(name.to_ascii_lowercase()))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("missing required headers: {}", missing.join(", "));
    Err(Failure::invalid(message).with_code("missing_required_headers"))
}

async fn read_body(
    headers: &HeaderMap,
    mut body: Incoming,
    limit: usize,
) -> Result<Bytes, Failure> {
    let announced = headers.get("content-length").and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    if let Some(encoding) = headers.get("content-encoding")
        && encoding != "identity"
    {
        let message = "request bodies must not be compressed: remove the content-encoding header";
        return Err(Failure::invalid(message).with_status(415).with_code("unsupported_encoding"));
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| gone())?;
        let Ok(data) = frame.into_data() else { continue };
        let Some(bytes) = &first else {
            first = Some(data);
            continue;
        };
        if rest.is_empty() {
            rest.reserve(announced.unwrap_or(bytes.len() + data.len()).min(limit));
            rest.extend_from_slice(bytes);
        }
        rest.extend_from_slice(&data);
        if rest.len() > limit {
            return Err(too_large(limit));
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}

fn too_large(limit: usize) -> Failure {
    let message = format!(
        "the request body is larger than {} MiB (client.max_request_body_size_mb)",
        limit / (1024 * 1024)
    );
    Failure::new(Source::Client, FailureKind::RequestTooLarge, message)
}

fn gone() -> Failure {
    let message = "the client went away before its request was complete";
    Failure::new(Source::Client, FailureKind::Cancelled, message)
}
