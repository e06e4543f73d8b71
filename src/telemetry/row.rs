//! One finished request, as the log, the rollups and the dashboard see it. No contents.

use super::record::CacheKind;
use crate::llm::{Cost, Usage, UsageSource};
use smallvec::SmallVec;
use std::sync::Arc;

/// The facts of one client request.
#[derive(Debug, Clone)]
pub struct RequestRow {
    /// The request id, as in the `x-request-id` header.
    pub id: Arc<str>,
    /// Unix milliseconds at which it arrived.
    pub timestamp_ms: i64,
    /// Bifrost's name of the operation, such as `chat_completion_stream`.
    pub operation: &'static str,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The virtual key, if one was used: id and name.
    pub virtual_key: Option<(Arc<str>, Arc<str>)>,
    /// The model that the client named.
    pub model_requested: Arc<str>,
    /// The provider that answered, or failed last; `None` when none was tried.
    pub provider: Option<Arc<str>>,
    /// The model that was sent to it.
    pub model: Option<Arc<str>>,
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
    /// What the semantic cache did; `None` when the request did not use it.
    pub cache: Option<CacheRow>,
    /// Every attempt in order.
    pub attempts: SmallVec<[AttemptRow; 2]>,
    /// What went wrong, in plain words.
    pub error: Option<String>,
    /// What went wrong, as `FailureKind::as_str`.
    pub error_kind: Option<&'static str>,
}

/// What the semantic cache did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheRow {
    /// What came of it.
    pub kind: CacheKind,
    /// What the served answer had cost.
    pub saved_cost: Cost,
    /// Microseconds that it had taken longer.
    pub saved_us: u64,
}

impl CacheRow {
    /// A kept answer was looked for in vain.
    pub const MISS: CacheRow =
        CacheRow { kind: CacheKind::Miss, saved_cost: Cost::ZERO, saved_us: 0 };
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
    /// The provider's status, or the one that its failure stands for (502 unreachable, 504 timed
    /// out, 499 given up by the client); 0 when it was passed over without asking it.
    pub status: u16,
    /// `None` when it answered, else `FailureKind::as_str`.
    pub failure: Option<&'static str>,
}

/// How a request ended, as the dashboard counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Success,
    /// Refused for the client's fault.
    ClientError,
    /// Refused with 429, by the gateway or by every provider tried.
    RateLimited,
    /// Failed on the provider's or the gateway's side, or broke off after it had begun.
    ServerError,
    /// Given up by the client.
    Cancelled,
}

impl Outcome {
    /// Every outcome, in the order in which sums are kept.
    pub const ALL: [Outcome; 5] = [
        Outcome::Success,
        Outcome::ClientError,
        Outcome::RateLimited,
        Outcome::ServerError,
        Outcome::Cancelled,
    ];

    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::ClientError => "client_error",
            Outcome::RateLimited => "rate_limited",
            Outcome::ServerError => "server_error",
            Outcome::Cancelled => "cancelled",
        }
    }
}

impl AttemptRow {
    /// Whether the provider was asked at all. One whose keys rest, or whose limit is used up, is
    /// passed over.
    pub fn was_sent(&self) -> bool {
        self.status != 0
    }
}

impl RequestRow {
    /// How the request ended. A stream that broke off has status 200 and an error.
    pub fn outcome(&self) -> Outcome {
        match (self.status, self.error_kind) {
            (499, _) | (_, Some("cancelled")) => Outcome::Cancelled,
            (429, _) => Outcome::RateLimited,
            (400..=498, _) => Outcome::ClientError,
            (500.., _) | (_, Some(_)) => Outcome::ServerError,
            _ => Outcome::Success,
        }
    }

    /// Whether the cache answered. Then no provider did, though some may have failed before.
    pub fn is_cache_hit(&self) -> bool {
        self.cache.is_some_and(|cache| cache.kind.is_hit())
    }

    /// The provider whose traffic it is: nobody's when the cache answered.
    pub fn counts_for(&self) -> Option<&Arc<str>> {
        if self.is_cache_hit() { None } else { self.provider.as_ref() }
    }

    /// Whether another provider than the first one tried answered.
    pub fn failed_over(&self) -> bool {
        let (first, last) = (self.attempts.first(), self.attempts.last());
        first
            .zip(last)
            .is_some_and(|(first, last)| first.provider != last.provider && last.failure.is_none())
    }

    /// Bytes that the row keeps in memory, roughly.
    pub fn size(&self) -> usize {
        let texts = self.id.len() + self.model_requested.len();
        let error = self.error.as_ref().map_or(0, String::len);
        let attempts = if self.attempts.spilled() { self.attempts.len() } else { 0 };
        size_of::<RequestRow>() + texts + error + attempts * size_of::<AttemptRow>()
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Rows for tests.
    use super::*;

    /// A request that openai answered with `status`.
    pub(crate) fn row(timestamp_ms: i64, status: u16) -> RequestRow {
        RequestRow {
            id: format!("request-{timestamp_ms}").into(),
            timestamp_ms,
            operation: "chat_completion",
            stream: false,
            virtual_key: Some(("vk-1".into(), "prod".into())),
            model_requested: "gpt-4o-mini".into(),
            provider: Some("openai".into()),
            model: Some("gpt-4o-mini".into()),
            status,
            latency_us: 1_250_000,
            first_token_us: None,
            usage: Usage { input: 10, output: 20, ..Usage::default() },
            usage_source: UsageSource::Provider,
            cost: Some(Cost(412_000)),
            cache: None,
            attempts: [attempt("openai", None)].into_iter().collect(),
            error: None,
            error_kind: None,
        }
    }

    /// One attempt.
    pub(crate) fn attempt(provider: &str, failure: Option<&'static str>) -> AttemptRow {
        AttemptRow {
            provider: provider.into(),
            key: ("key-1".into(), "main".into()),
            model: "gpt-4o-mini".into(),
            fallback_index: 0,
            latency_us: 1_200_000,
            status: if failure.is_some() { 429 } else { 200 },
            failure,
        }
    }
}
