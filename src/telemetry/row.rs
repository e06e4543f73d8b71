//! One finished request, as the log, the rollups and the dashboard see it. No contents.

use crate::llm::{Cost, Usage, UsageSource};
use smallvec::SmallVec;
use std::sync::Arc;

/// The facts of one client request.
#[derive(Debug, Clone)]
pub struct RequestRow {
    /// The request id, as in the `x-request-id` header.
    pub id: String,
    /// Unix milliseconds at which it arrived.
    pub timestamp_ms: i64,
    /// Bifrost's name of the operation, such as `chat_completion_stream`.
    pub operation: &'static str,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The virtual key, if one was used: id and name.
    pub virtual_key: Option<(Arc<str>, Arc<str>)>,
    /// The model that the client named.
    pub model_requested: String,
    /// The provider that answered, or failed last; `None` when none was tried.
    pub provider: Option<Arc<str>>,
    /// The model that was sent to it.
    pub model: Option<String>,
    /// The HTTP status that the client saw; 499 when it went away.
    pub status: u16,
    /// Microseconds from arrival to the end of the answer.
    pub latency_us: u64,
    /// Microseconds from arrival to the first content of a stream.
    pub first_token_us: Option<u64>,
    /// Tokens.
    pub usage: Usage,
    /// Who counted them.
    pub usage_source: UsageSource,
    /// What it cost; `None` when the model has no price.
    pub cost: Option<Cost>,
    /// Every attempt in order.
    pub attempts: SmallVec<[AttemptRow; 2]>,
    /// What went wrong, in plain words.
    pub error: Option<String>,
    /// What went wrong, as `FailureKind::as_str`.
    pub error_kind: Option<&'static str>,
}

/// One attempt at one provider key.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// The provider.
    pub provider: Arc<str>,
    /// The key's id and name; empty for a provider without keys.
    pub key: (Arc<str>, Arc<str>),
    /// The model sent.
    pub model: Arc<str>,
    /// Index of the target in the plan; above 0 it is a fallback.
    pub fallback_index: u32,
    /// Microseconds that the attempt took, to its failure or to the answer's headers.
    pub latency_us: u64,
    /// The provider's status; 0 when there was none.
    pub status: u16,
    /// `None` when it answered, else `FailureKind::as_str`.
    pub failure: Option<&'static str>,
}
