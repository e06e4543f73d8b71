//! One client request on its way.

use crate::config::Snapshot;
use crate::dialect::openai_chat::raw::RawRequest;
use crate::govern::Caller;
use crate::llm::Operation;
use http::{HeaderMap, HeaderName};
use std::sync::Arc;
use std::time::Instant;

const SEND_BACK_RAW_RESPONSE: HeaderName = HeaderName::from_static("x-bf-send-back-raw-response");

/// Who wants the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A client.
    Client,
    /// The cache: an embedding, or the judge's word. Never looked for in the cache itself.
    Cache,
}

/// A client request with everything that is known about it before it is served.
#[derive(Debug)]
pub struct Call {
    /// The request id: the client's `x-request-id` or a UUIDv7.
    pub id: Arc<str>,
    /// Names the routing decision.
    pub decision_id: Arc<str>,
    /// What is asked for.
    pub operation: Operation,
    /// The body as it came, with what routing needs read from it.
    pub request: RawRequest,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The client's query string, for providers that speak the client's format.
    pub query: Option<String>,
    /// The configuration that this call sees to its end.
    pub snapshot: Arc<Snapshot>,
    /// How much had been removed from the cache when that was looked up.
    pub clears: u64,
    /// Who is calling.
    pub caller: Caller,
    /// Who wants the answer.
    pub purpose: Purpose,
    /// When it arrived, for durations.
    pub arrived: Instant,
    /// When it arrived, Unix milliseconds.
    pub timestamp_ms: i64,
}

impl Call {
    /// Bifrost's name of the operation.
    pub fn request_type(&self) -> &'static str {
        self.operation.as_str(self.request.stream())
    }

    /// Whether the client asked to see the provider's answer as it came.
    pub fn wants_raw_response(&self) -> bool {
        self.headers.get(SEND_BACK_RAW_RESPONSE).is_some_and(|value| value == "true")
    }
}
