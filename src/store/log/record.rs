//! A finished request as it is stored.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A finished request as it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// The request id; clients may choose it, so it need not be unique.
    pub id: String,
    /// Everything else.
    pub row: LogRow<String>,
    /// What the semantic cache did; `None` when the request did not use it, or is of a time before it.
    pub cache: Option<LogCache>,
}

/// What the semantic cache did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCache {
    /// What came of it.
    pub kind: CacheKind,
    /// Nano-dollars that the served answer had cost.
    pub saved_nano: i64,
    /// Microseconds that it had taken longer.
    pub saved_us: u64,
}

/// What came of looking for a kept answer. Stored as its place in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheKind {
    /// The answer to the exact request was served.
    Direct,
    /// The answer to a similar request was served.
    Semantic,
    /// Nothing was served.
    Miss,
}

impl CacheKind {
    /// The word used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheKind::Direct => "direct",
            CacheKind::Semantic => "semantic",
            CacheKind::Miss => "miss",
        }
    }

    /// Whether a kept answer was served.
    pub fn is_hit(self) -> bool {
        self != CacheKind::Miss
    }
}

/// A finished request without its id. `T` is its text: borrowed on the way in, a number in the
/// block's dictionary while it is stored, owned on the way out.
///
/// Stored as it stands here: a new field makes a new version of the block's format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRow<T> {
    /// Unix milliseconds at which it arrived.
    pub timestamp_ms: i64,
    /// The operation, such as `chat_completion_stream`.
    pub operation: T,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The virtual key's id and name.
    pub virtual_key: Option<(T, T)>,
    /// The model that the client named.
    pub model_requested: T,
    /// The provider that answered, or failed last.
    pub provider: Option<T>,
    /// The model that was sent to it.
    pub model: Option<T>,
    /// The HTTP status that the client saw.
    pub status: u16,
    /// Microseconds to the end of the answer.
    pub latency_us: u64,
    /// Microseconds to the first content of a stream.
    pub first_token_us: Option<u64>,
    /// Input tokens, cached or not.
    pub input_tokens: u64,
    /// Input tokens read from the provider's cache.
    pub cached_read_tokens: u64,
    /// Input tokens written to the provider's cache.
    pub cached_write_tokens: u64,
    /// Output tokens, thinking included.
    pub output_tokens: u64,
    /// Output tokens that were thinking.
    pub reasoning_tokens: u64,
    /// Who counted the tokens.
    pub usage_source: T,
    /// Nano-dollars; `None` without a price.
    pub cost_nano: Option<i64>,
    /// Every attempt in order.
    pub attempts: SmallVec<[LogAttempt<T>; 2]>,
    /// What went wrong, in plain words.
    pub error: Option<T>,
    /// What went wrong, as a closed set of words.
    pub error_kind: Option<T>,
}

/// One attempt at one provider key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogAttempt<T> {
    /// The provider.
    pub provider: T,
    /// The key's id; empty for a provider without keys.
    pub key_id: T,
    /// The key's name; empty for a provider without keys.
    pub key: T,
    /// The model sent.
    pub model: T,
    /// Index of the target in the plan; above 0 it is a fallback.
    pub fallback_index: u32,
    /// Microseconds that the attempt took.
    pub latency_us: u64,
    /// The provider's status; 0 when there was none.
    pub status: u16,
    /// `None` when it answered, else what went wrong.
    pub failure: Option<T>,
}

impl<T> LogRow<T> {
    /// The same row with every text put through `text`.
    pub fn map<'a, U>(&'a self, mut text: impl FnMut(&'a T) -> U) -> LogRow<U> {
        LogRow {
            timestamp_ms: self.timestamp_ms,
            operation: text(&self.operation),
            stream: self.stream,
            virtual_key: self.virtual_key.as_ref().map(|(id, name)| (text(id), text(name))),
            model_requested: text(&self.model_requested),
            provider: self.provider.as_ref().map(&mut text),
            model: self.model.as_ref().map(&mut text),
            status: self.status,
            latency_us: self.latency_us,
            first_token_us: self.first_token_us,
            input_tokens: self.input_tokens,
            cached_read_tokens: self.cached_read_tokens,
            cached_write_tokens: self.cached_write_tokens,
            output_tokens: self.output_tokens,
            reasoning_tokens: self.reasoning_tokens,
            usage_source: text(&self.usage_source),
            cost_nano: self.cost_nano,
            attempts: self.attempts.iter().map(|attempt| attempt.map(&mut text)).collect(),
            error: self.error.as_ref().map(&mut text),
            error_kind: self.error_kind.as_ref().map(&mut text),
        }
    }
}

impl<T> LogAttempt<T> {
    fn map<'a, U>(&'a self, text: &mut impl FnMut(&'a T) -> U) -> LogAttempt<U> {
        LogAttempt {
            provider: text(&self.provider),
            key_id: text(&self.key_id),
            key: text(&self.key),
            model: text(&self.model),
            fallback_index: self.fallback_index,
            latency_us: self.latency_us,
            status: self.status,
            failure: self.failure.as_ref().map(text),
        }
    }
}
