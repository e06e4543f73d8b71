//! A request's head and body → a call.

use super::Route;
use super::request_body::read_body;
use crate::app::App;
use crate::config::Snapshot;
use crate::dialect::openai_chat::raw::RawRequest;
use crate::govern::identify;
use crate::llm::Failure;
use crate::pipeline::{Call, Purpose};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// How much of a client's `x-request-id` is kept, in bytes.
const LONGEST_ID: usize = 128;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// The id of a request: the client's own if it is sensible, else a UUIDv7.
pub(super) fn request_id(headers: &HeaderMap) -> Arc<str> {
    let own = headers.get(X_REQUEST_ID).or_else(|| headers.get(X_CLIENT_REQUEST_ID));
    let own = own.and_then(|value| value.to_str().ok()).map(str::trim);
    match own {
        Some(id) if !id.is_empty() && id.len() <= LONGEST_ID => id.into(),
        _ => (*Uuid::now_v7().as_hyphenated().encode_lower(&mut Uuid::encode_buffer())).into(),
    }
}

/// Reads the body and finds out who calls.
pub(super) async fn extract(
    app: &App,
    (clears, snapshot): (u64, Arc<Snapshot>),
    route: &Route,
    id: Arc<str>,
    parts: Parts,
    body: Incoming,
    arrived: Instant,
) -> Result<Arc<Call>, Failure> {
    snapshot.look_at_credentials(&parts.headers).await?;
    let caller = identify(&snapshot, &parts.headers)?;
    require_headers(&snapshot, &parts.headers)?;
    let limit = snapshot.client.max_request_body_size_mb as usize * 1024 * 1024;
    let body = read_body(&parts.headers, body, limit).await?;
    let request = RawRequest::parse(route.operation, body)?;
    Ok(Arc::new(Call {
        decision_id: decision_id(),
        id,
        operation: route.operation,
        request,
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        snapshot,
        clears,
        caller,
        purpose: Purpose::Client,
        arrived,
        timestamp_ms: app.now_ms(),
    }))
}

/// Short enough to read aloud, long enough not to repeat among those that are remembered.
pub(crate) fn decision_id() -> Arc<str> {
    let mut bits: u64 = rand::random();
    let digits: [u8; 12] = std::array::from_fn(|_| {
        let digit = b"0123456789abcdef"[(bits & 15) as usize];
        bits >>= 4;
        digit
    });
    std::str::from_utf8(&digits).unwrap_or_default().into()
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
