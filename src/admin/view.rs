//! What the dashboard reads: the shapes of `GET /api/overview` and of the events on `GET /api/live`.
//!
//! Only data, no behaviour: the TypeScript types of the dashboard are generated from this file
//! (`make types`), so a change here that the dashboard does not follow fails its type check.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ts_rs::TS;

/// Everything that the first page shows, in one answer.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Overview {
    /// The version of the gateway that answered.
    pub version: String,
    /// The window asked for.
    pub range: Range,
    /// Sums over the window.
    pub totals: Totals,
    /// Sums over the window of the same length just before.
    pub previous: Totals,
    /// Start of each bucket, Unix seconds; every series below has one value per bucket.
    #[ts(type = "number[]")]
    pub timestamps: Vec<i64>,
    /// Requests answered per bucket, by the provider that answered (or failed last); `none` are those
    /// that reached no provider. What the cache answered is in `cache` and not here.
    #[ts(type = "Record<string, number[]>")]
    pub requests_by_provider: BTreeMap<String, Vec<u64>>,
    /// Requests per bucket by outcome: `success`, `client_error`, `rate_limited`, `server_error`, `cancelled`.
    #[ts(type = "Record<string, number[]>")]
    pub requests_by_outcome: BTreeMap<String, Vec<u64>>,
    /// US dollars per bucket, by provider.
    pub cost_by_provider: BTreeMap<String, Vec<f64>>,
    /// Latency percentiles per bucket, by provider.
    pub latency_by_provider: BTreeMap<String, LatencySeries>,
    /// What the semantic cache did, per bucket.
    pub cache: CacheSeries,
    /// Whether any request can use the cache now.
    pub cache_in_use: bool,
    /// How often one provider took over from another in the window.
    pub failovers: Vec<Failover>,
    /// Every configured provider and its keys, as they are now.
    pub providers: Vec<ProviderHealth>,
    /// Every virtual key with its limits, as they are now; the ones nearest to a limit first.
    pub virtual_keys: Vec<VirtualKeyUsage>,
    /// The latest requests, newest first.
    pub recent: Vec<RecentRequest>,
    /// What an operator should know now; empty when all is well.
    pub warnings: Vec<Warning>,
}

/// A window of time and its resolution.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Range {
    /// Unix seconds, inclusive.
    #[ts(type = "number")]
    pub start: i64,
    /// Unix seconds, exclusive.
    #[ts(type = "number")]
    pub end: i64,
    /// Width of a bucket in seconds.
    #[ts(type = "number")]
    pub bucket_seconds: i64,
}

/// Sums over a window.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Totals {
    /// Client requests, refused ones included.
    #[ts(type = "number")]
    pub requests: u64,
    /// Client requests that ended in an error.
    #[ts(type = "number")]
    pub errors: u64,
    /// US dollars.
    pub cost: f64,
    /// Input tokens as the providers counted them.
    #[ts(type = "number")]
    pub input_tokens: u64,
    /// Output tokens as the providers counted them.
    #[ts(type = "number")]
    pub output_tokens: u64,
    /// Requests that another provider than the first one answered.
    #[ts(type = "number")]
    pub failovers: u64,
    /// Median time to the complete answer in milliseconds; null without traffic.
    pub latency_p50_ms: Option<f64>,
    /// 95th percentile of the time to the complete answer in milliseconds.
    pub latency_p95_ms: Option<f64>,
    /// Median time to the first content of a stream in milliseconds; null without streams.
    pub first_token_p50_ms: Option<f64>,
    /// What the semantic cache did.
    pub cache: CacheTotals,
}

/// What the semantic cache did in a window.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CacheTotals {
    /// Answers to the exact request.
    #[ts(type = "number")]
    pub direct: u64,
    /// Answers to a similar request.
    #[ts(type = "number")]
    pub semantic: u64,
    /// Requests that were looked for in vain.
    #[ts(type = "number")]
    pub misses: u64,
    /// The share of the requests that used the cache which it answered; null without any.
    pub hit_rate: Option<f64>,
    /// What the served answers had cost, in US dollars.
    pub saved_cost: f64,
    /// What they had taken longer, in milliseconds.
    pub saved_ms: f64,
}

/// What the semantic cache did, per bucket.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CacheSeries {
    /// Answers to the exact request.
    #[ts(type = "number[]")]
    pub direct: Vec<u64>,
    /// Answers to a similar request.
    #[ts(type = "number[]")]
    pub semantic: Vec<u64>,
    /// Requests that were looked for in vain.
    #[ts(type = "number[]")]
    pub misses: Vec<u64>,
    /// What the served answers had cost, in US dollars.
    pub saved_cost: Vec<f64>,
    /// What they had taken longer, in milliseconds.
    pub saved_ms: Vec<f64>,
}

/// Latency percentiles per bucket, in milliseconds; null where a bucket saw no request.
#[derive(Debug, Clone, Default, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct LatencySeries {
    /// Median.
    pub p50: Vec<Option<f64>>,
    /// 95th percentile.
    pub p95: Vec<Option<f64>>,
}

/// One cell of the failover table.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Failover {
    /// The provider that failed.
    pub from_provider: String,
    /// The provider that was tried next.
    pub to_provider: String,
    /// How often.
    #[ts(type = "number")]
    pub count: u64,
}

/// A provider as it is now.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProviderHealth {
    /// The provider's name.
    pub name: String,
    /// The worst state that still lets traffic through, or the reason why none does.
    pub state: HealthState,
    /// Requests in flight.
    #[ts(type = "number")]
    pub in_flight: u64,
    /// The provider's keys in configured order.
    pub keys: Vec<KeyHealth>,
}

/// The state of a provider or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// No traffic yet since the start.
    Unknown,
    /// Recent attempts succeed.
    Healthy,
    /// Some recent attempts fail.
    Degraded,
    /// Resting after a rate limit or repeated failures; `cooling_until` says until when.
    CoolingDown,
    /// Switched off by configuration.
    Disabled,
}

/// A provider key as it is now.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct KeyHealth {
    /// The key's id.
    pub id: String,
    /// The key's name.
    pub name: String,
    /// Its state.
    pub state: HealthState,
    /// Unix seconds at which a resting key is tried again.
    #[ts(type = "number | null")]
    pub cooling_until: Option<i64>,
    /// Configured weight as a share of the provider's enabled keys, 0 to 1.
    pub weight_share: f64,
    /// The share of the provider's attempts that this key really took, 0 to 1; null without traffic.
    pub traffic_share: Option<f64>,
    /// Attempts since the start.
    #[ts(type = "number")]
    pub attempts: u64,
    /// Failed attempts since the start.
    #[ts(type = "number")]
    pub failures: u64,
    /// The latest failure in plain words, while it is news.
    pub last_error: Option<String>,
}

/// A virtual key and what it has used.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VirtualKeyUsage {
    /// The key's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is accepted.
    pub is_active: bool,
    /// True when the id itself is accepted as the secret, so that it should be rotated.
    pub secret_is_id: bool,
    /// Budgets and rate limits, of the key itself and of each provider config.
    pub limits: Vec<LimitUsage>,
    /// Provider configs in stored order.
    pub providers: Vec<ProviderWeight>,
}

/// The weight of a provider in a virtual key.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProviderWeight {
    /// The provider's name.
    pub provider: String,
    /// The weight as configured; null keeps it out of the weighted draw.
    pub weight: Option<f64>,
}

/// One limit and how much of it is used.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct LimitUsage {
    /// `virtual_key`, or the provider whose config holds the limit.
    pub scope: String,
    /// What is limited.
    pub unit: LimitUnit,
    /// The limit in its unit: US dollars, tokens or requests.
    pub limit: f64,
    /// Used in the current window, in the same unit.
    pub used: f64,
    /// Held for requests in flight, in the same unit.
    pub held: f64,
    /// Length of the window as configured, such as `1M`.
    pub window: String,
    /// Unix seconds at which the window ends.
    #[ts(type = "number")]
    pub resets_at: i64,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// US dollars.
    Cost,
    /// Tokens, input and output together.
    Tokens,
    /// Requests.
    Requests,
}

/// A finished request, without its contents.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RecentRequest {
    /// The request id, as in the `x-request-id` header.
    pub id: String,
    /// Unix milliseconds at which it arrived.
    #[ts(type = "number")]
    pub timestamp_ms: i64,
    /// The operation, such as `chat_completion_stream`.
    pub operation: String,
    /// The virtual key's name, if one was used.
    pub virtual_key: Option<String>,
    /// The model that the client named.
    pub model_requested: String,
    /// The model that answered; null when none did.
    pub model: Option<String>,
    /// The HTTP status that the client saw.
    pub status: u16,
    /// Milliseconds to the complete answer.
    pub latency_ms: f64,
    /// Milliseconds to the first content of a stream.
    pub first_token_ms: Option<f64>,
    /// Input tokens.
    #[ts(type = "number")]
    pub input_tokens: u64,
    /// Output tokens.
    #[ts(type = "number")]
    pub output_tokens: u64,
    /// US dollars; null when the model has no price.
    pub cost: Option<f64>,
    /// `direct` or `semantic` when the cache answered; null when it did not.
    #[ts(type = "\"direct\" | \"semantic\" | null")]
    pub cache: Option<String>,
    /// Every attempt in order: where it went and how it ended.
    pub attempts: Vec<AttemptView>,
    /// The error in plain words, when there was one.
    pub error: Option<String>,
}

/// One attempt at one provider key.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct AttemptView {
    /// The provider.
    pub provider: String,
    /// The key's name; empty for a provider without keys.
    pub key: String,
    /// The model sent.
    pub model: String,
    /// How it ended: `ok`, or a short reason such as `429`, `timeout`, `connect`.
    pub outcome: String,
}

/// Something that an operator should know.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Warning {
    /// A stable code, such as `no_providers`.
    pub code: String,
    /// One sentence that says what is wrong and how to mend it.
    pub message: String,
}

/// An event on `GET /api/live`, named `tick`: something has changed since the last one.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct LiveTick {
    /// Requests finished since the start of the process.
    #[ts(type = "number")]
    pub requests: u64,
    /// Configuration version; moves with every change through `/api`.
    #[ts(type = "number")]
    pub config_version: u64,
}

/// How the semantic cache does; counters since the start of the process.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CacheStatus {
    /// False when the operator has switched it off for everybody.
    pub enabled: bool,
    /// Whether any request can use it: the plugin is configured, or a virtual key has it on.
    pub in_use: bool,
    /// Whether requests use it without asking for it and without a virtual key that has it on.
    pub for_every_request: bool,
    /// Virtual keys that have it on.
    #[ts(type = "number")]
    pub virtual_keys: u64,
    /// The plugin's settings with their defaults.
    #[ts(type = "Record<string, unknown>")]
    pub config: serde_json::Value,
    /// Where embeddings come from, such as `local/embedding-model@c382bca3`; null without any.
    pub embedding_model: Option<String>,
    /// Why there are none.
    pub embedding_problem: Option<String>,
    /// `memory`, `postgres` or `redis`.
    pub store: String,
    /// Whether the store answers.
    pub store_connected: bool,
    /// What is wrong with it.
    pub store_problem: Option<String>,
    /// Entries kept; null while the store does not answer.
    #[ts(type = "number | null")]
    pub entries: Option<u64>,
    /// Their size in bytes, estimated.
    #[ts(type = "number | null")]
    pub bytes: Option<u64>,
    /// Answers to the exact request.
    #[ts(type = "number")]
    pub exact_hits: u64,
    /// Answers to a similar request.
    #[ts(type = "number")]
    pub semantic_hits: u64,
    /// Requests that were looked for in vain.
    #[ts(type = "number")]
    pub misses: u64,
    /// Requests that went past the cache.
    #[ts(type = "number")]
    pub bypassed: u64,
    /// Exact hits that waited for an identical request in flight.
    #[ts(type = "number")]
    pub collapsed: u64,
    /// Hits that shadow mode did not serve.
    #[ts(type = "number")]
    pub would_be_hits: u64,
    /// Questions put to the judge.
    #[ts(type = "number")]
    pub judged: u64,
    /// Embeddings that could not be had.
    #[ts(type = "number")]
    pub embedding_failures: u64,
    /// What the served answers had cost, in US dollars.
    pub saved_cost: f64,
    /// What they had taken longer, in milliseconds.
    pub saved_ms: f64,
    /// Candidates that the guard rejected, by kind of difference.
    #[ts(type = "Record<string, number>")]
    pub rejected: std::collections::BTreeMap<String, u64>,
    /// Requests that went past the cache, by reason.
    #[ts(type = "Record<string, number>")]
    pub bypass_reasons: std::collections::BTreeMap<String, u64>,
    /// The threshold that shadow mode suggests; null without enough grades.
    pub suggested_threshold: Option<f64>,
}

/// What shadow mode has learned.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CacheReport {
    /// Would-be hits that were graded.
    #[ts(type = "number")]
    pub graded: u64,
    /// The lowest threshold at and above which at most one graded hit in a hundred is false; null
    /// without enough grades.
    pub suggested_threshold: Option<f64>,
    /// Thresholds in rising order.
    pub thresholds: Vec<CacheThreshold>,
}

/// What the grades say of one threshold.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CacheThreshold {
    /// Cosine similarity from which on a hit would have been served.
    pub threshold: f64,
    /// Hits that would have been served.
    #[ts(type = "number")]
    pub hits: u64,
    /// Those of them that were graded.
    #[ts(type = "number")]
    pub graded: u64,
    /// Those of the graded that were wrong.
    #[ts(type = "number")]
    pub false_hits: u64,
    /// Share of the graded that were wrong; null without grades.
    pub false_hit_rate: Option<f64>,
    /// Hits that would have been served without the guard.
    #[ts(type = "number")]
    pub hits_unguarded: u64,
    /// The graded ones of them that were wrong.
    #[ts(type = "number")]
    pub false_hits_unguarded: u64,
    /// Share of the graded ones of them that were wrong; null without grades.
    pub false_hit_rate_unguarded: Option<f64>,
}

/// A kept answer, without the answer.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CacheEntry {
    /// Its id, as in `cache_debug.cache_id`.
    pub id: String,
    /// Whose it is.
    pub scope: String,
    /// The caller's subdivision of the scope.
    pub cache_key: String,
    /// Who answered.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// The question; empty when only the exact request is answered.
    pub question: String,
    /// Size of the answer.
    #[ts(type = "number")]
    pub answer_bytes: u64,
    /// What it cost, in US dollars.
    pub cost: f64,
    /// Unix milliseconds.
    #[ts(type = "number")]
    pub created_ms: i64,
    /// Unix milliseconds.
    #[ts(type = "number")]
    pub expires_ms: i64,
}
