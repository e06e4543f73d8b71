//! Every metric: one field, its help text, its labels.
//!
//! Names and labels are Bifrost's, so that its dashboards keep working, plus the two that the
//! article queries (`bifrost_requests_total`, `bifrost_failover_total`). Handles of a series are
//! resolved once and then shared, so that counting costs no label strings.

use super::row::{AttemptRow, CacheRow, RequestRow};
use crate::llm::{Cost, FailureKind};
use hashbrown::HashMap;
use prometheus::core::{AtomicF64, AtomicU64, GenericCounter, GenericCounterVec};
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, Opts, Registry, TextEncoder,
};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Labels of every series about an attempt, in this order.
const BASE_LABELS: [&str; 16] = [
    "provider",
    "model",
    "method",
    "virtual_key_id",
    "virtual_key_name",
    "routing_engine_used",
    "routing_rule_id",
    "routing_rule_name",
    "selected_key_id",
    "selected_key_name",
    "number_of_retries",
    "fallback_index",
    "team_id",
    "team_name",
    "customer_id",
    "customer_name",
];

const LATENCY_BUCKETS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0];

/// Series per metric at most; what comes after is counted under the model `other`.
const MOST_SERIES: usize = 5_000;

type Counters = GenericCounterVec<AtomicU64>;
type Dollars = GenericCounterVec<AtomicF64>;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    series: RwLock<HashMap<u64, Arc<Series>, foldhash::fast::RandomState>>,
    statuses: RwLock<HashMap<(&'static str, u16), Arc<HttpSeries>, foldhash::fast::RandomState>>,
    hasher: foldhash::fast::FixedState,
    upstream_requests: Counters,
    success_requests: Counters,
    error_requests: Counters,
    requests: Counters,
    input_tokens: Counters,
    output_tokens: Counters,
    cost: Dollars,
    upstream_latency: HistogramVec,
    first_token_latency: HistogramVec,
    failover: Counters,
    cache_hits: Counters,
    unpriced: Counters,
    http_requests: Counters,
    http_duration: HistogramVec,
    /// Rows of the request log that were dropped because its queue was full.
    pub log_dropped: IntCounter,
}

/// The handles of one combination of base labels.
#[derive(Debug)]
struct Series {
    upstream_requests: GenericCounter<AtomicU64>,
    success_requests: GenericCounter<AtomicU64>,
    requests: GenericCounter<AtomicU64>,
    input_tokens: GenericCounter<AtomicU64>,
    output_tokens: GenericCounter<AtomicU64>,
    /// Nano-dollars, so that the sum is exact; `cost` is set from it when it is read.
    cost_nano: AtomicI64,
    cost: GenericCounter<AtomicF64>,
    latency_success: Histogram,
    latency_failure: Histogram,
    first_token: Histogram,
    labels: [String; 16],
}

#[derive(Debug)]
struct HttpSeries {
    requests: GenericCounter<AtomicU64>,
    duration: Histogram,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two metrics share a name, which is a defect.
    #[expect(clippy::too_many_lines, reason = "a table: one entry per metric")]
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let base = &BASE_LABELS[..];
        let with = |more: &[&'static str]| -> Vec<&'static str> {
            base.iter().copied().chain(more.iter().copied()).collect()
        };
        let counter =
            |name: &str, help: &str, labels: &[&str]| -> Result<Counters, prometheus::Error> {
                let counter = Counters::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(counter.clone()))?;
                Ok(counter)
            };
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
            let histogram = HistogramVec::new(options, labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let cost = Dollars::new(Opts::new("bifrost_cost_total", "Cost in US dollars"), base)?;
        registry.register(Box::new(cost.clone()))?;
        let log_dropped = IntCounter::new(
            "tollbridge_request_log_dropped_total",
            "Request rows dropped because the log's queue was full",
        )?;
        registry.register(Box::new(log_dropped.clone()))?;
        let status_code = with(&["status_code"]);
        let is_success = with(&["is_success"]);
        let cache_type = with(&["cache_type"]);
        let http = &["path", "method", "status"][..];
        Ok(Arc::new(Metrics {
            series: RwLock::default(),
            statuses: RwLock::default(),
            hasher: foldhash::fast::FixedState::default(),
            upstream_requests: counter(
                "bifrost_upstream_requests_total",
                "Requests sent to providers, each attempt at a target counted once",
                base,
            )?,
            success_requests: counter(
                "bifrost_success_requests_total",
                "Requests that providers answered",
                base,
            )?,
            error_requests: counter(
                "bifrost_error_requests_total",
                "Requests that providers failed, by status",
                &status_code,
            )?,
            requests: counter(
                "bifrost_requests_total",
                "Requests sent to providers; the article's name of bifrost_upstream_requests_total",
                base,
            )?,
            input_tokens: counter("bifrost_input_tokens_total", "Input tokens", base)?,
            output_tokens: counter("bifrost_output_tokens_total", "Output tokens", base)?,
            upstream_latency: histogram(
                "bifrost_upstream_latency_seconds",
                "Seconds from sending a request to its complete answer",
                &is_success,
            )?,
            first_token_latency: histogram(
                "bifrost_stream_first_token_latency_seconds",
                "Seconds from the client's request to the first content of a stream",
                base,
            )?,
            failover: counter(
                "bifrost_failover_total",
                "Times that another provider was tried after one failed",
                &["from_provider", "to_provider"],
            )?,
            cache_hits: counter(
                "bifrost_cache_hits_total",
                "Requests answered by the cache: direct (the exact request) or semantic",
                &cache_type,
            )?,
            unpriced: counter(
                "tollbridge_unpriced_requests_total",
                "Answered requests whose model has no price",
                &["provider"],
            )?,
            http_requests: counter("http_requests_total", "HTTP requests answered", http)?,
            http_duration: histogram(
                "http_request_duration_seconds",
                "Seconds from an HTTP request to the end of its answer",
                http,
            )?,
            cost,
            log_dropped,
            registry,
        }))
    }

    /// Counts a finished client request and its attempts.
    pub fn record(&self, row: &RequestRow) {
        if let Some(cache) = row.cache.as_ref().filter(|cache| cache.kind.is_hit()) {
            self.record_cache_hit(row, cache);
        }
        let mut retries = 0;
        for (at, attempt) in row.attempts.iter().enumerate() {
            let next = row.attempts.get(at + 1);
            let same_target = next.is_some_and(|n| n.fallback_index == attempt.fallback_index);
            if let Some(next) = next
                && next.provider != attempt.provider
            {
                let labels = [&*attempt.provider, &*next.provider];
                self.failover.with_label_values(&labels).inc();
            }
            if same_target {
                retries += 1;
                continue;
            }
            if !attempt.was_sent() {
                continue;
            }
            self.record_target(row, attempt, retries);
            retries = 0;
        }
    }

    /// Nobody was asked, so there is no provider and no key to name. The model is the client's word and
    /// no label.
    fn record_cache_hit(&self, row: &RequestRow, cache: &CacheRow) {
        let (key_id, key_name) = match &row.virtual_key {
            Some((id, name)) => (&**id, &**name),
            None => ("", ""),
        };
        let mut labels = [""; 17];
        labels[2] = row.operation;
        labels[3] = key_id;
        labels[4] = key_name;
        labels[16] = cache.kind.as_str();
        self.cache_hits.with_label_values(&labels).inc();
    }

    fn record_target(&self, row: &RequestRow, attempt: &AttemptRow, retries: u32) {
        let series = self.series(row, attempt, retries);
        series.upstream_requests.inc();
        series.requests.inc();
        if attempt.failure == Some(FailureKind::Cancelled.as_str()) {
            // Neither the provider's success nor its error.
            return;
        }
        if attempt.failure.is_some() {
            let status = attempt.status.to_string();
            let mut labels: Vec<&str> = series.labels.iter().map(String::as_str).collect();
            labels.push(&status);
            self.error_requests.with_label_values(&labels).inc();
            series.latency_failure.observe(seconds(attempt.latency_us));
            return;
        }
        series.success_requests.inc();
        let sent_after = row.latency_us.saturating_sub(before(row, attempt));
        series.latency_success.observe(seconds(sent_after));
        series.input_tokens.inc_by(row.usage.input);
        series.output_tokens.inc_by(row.usage.output);
        if let Some(first) = row.first_token_us {
            series.first_token.observe(seconds(first));
        }
        match row.cost {
            Some(cost) => {
                series.cost_nano.fetch_add(cost.0, Ordering::Relaxed);
            }
            None => self.unpriced.with_label_values(&[&*attempt.provider]).inc(),
        }
    }

    /// Counts an HTTP answer. `path` is one of the routes, never what a client made up.
    pub fn record_http(&self, path: &'static str, method: &str, status: u16, took: Duration) {
        let found = {
            let all = self.statuses.read().unwrap_or_else(PoisonError::into_inner);
            all.get(&(path, status)).cloned()
        };
        let series = found.unwrap_or_else(|| {
            let status_text = status.to_string();
            let labels = [path, method, status_text.as_str()];
            let series = Arc::new(HttpSeries {
                requests: self.http_requests.with_label_values(&labels),
                duration: self.http_duration.with_label_values(&labels),
            });
            let mut all = self.statuses.write().unwrap_or_else(PoisonError::into_inner);
            all.entry((path, status)).or_insert(series).clone()
        });
        series.requests.inc();
        series.duration.observe(took.as_secs_f64());
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // One reader at a time, so that nobody sees a counter between its reset and its value.
        let all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        for series in all.values() {
            let nano = series.cost_nano.load(Ordering::Relaxed);
            series.cost.reset();
            series.cost.inc_by(Cost(nano).dollars());
        }
        // Writing to memory cannot fail, and a partial text would be better than none.
        let _written = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn series(&self, row: &RequestRow, attempt: &AttemptRow, retries: u32) -> Arc<Series> {
        let key = self.key(row, attempt, retries, &attempt.model);
        let (known, full) = {
            let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
            (all.get(&key).cloned(), all.len() >= MOST_SERIES)
        };
        if let Some(series) = known {
            return series;
        }
        // A model name that a client made up must not become a label: only one that a provider has
        // answered for does.
        let made_up = attempt.failure.is_some() || full;
        let model = if made_up { "other" } else { &*attempt.model };
        let key = self.key(row, attempt, retries, model);
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(self.new_series(row, attempt, retries, model));
        all.entry(key).or_insert_with(new).clone()
    }

    fn key(&self, row: &RequestRow, attempt: &AttemptRow, retries: u32, model: &str) -> u64 {
        let mut state = self.hasher.build_hasher();
        (&*attempt.provider, model, row.operation, &*attempt.key.0).hash(&mut state);
        row.virtual_key.as_ref().map(|key| &*key.0).hash(&mut state);
        (retries, attempt.fallback_index).hash(&mut state);
        state.finish()
    }

    fn new_series(
        &self,
        row: &RequestRow,
        attempt: &AttemptRow,
        retries: u32,
        model: &str,
    ) -> Series {
        let (key_id, key_name) = match &row.virtual_key {
            Some((id, name)) => (&**id, &**name),
            None => ("", ""),
        };
        let (retries, fallback) = (retries.to_string(), attempt.fallback_index.to_string());
        let engine = if key_id.is_empty() { "" } else { "governance" };
        let labels = [
            &*attempt.provider,
            model,
            row.operation,
            key_id,
            key_name,
            engine,
            "",
            "",
            &*attempt.key.0,
            &*attempt.key.1,
            &retries,
            &fallback,
            "",
            "",
            "",
            "",
        ];
        let with =
            |last: &'static str| -> Vec<&str> { labels.iter().copied().chain([last]).collect() };
        Series {
            upstream_requests: self.upstream_requests.with_label_values(&labels),
            success_requests: self.success_requests.with_label_values(&labels),
            requests: self.requests.with_label_values(&labels),
            input_tokens: self.input_tokens.with_label_values(&labels),
            output_tokens: self.output_tokens.with_label_values(&labels),
            cost_nano: AtomicI64::new(0),
            cost: self.cost.with_label_values(&labels),
            latency_success: self.upstream_latency.with_label_values(&with("true")),
            latency_failure: self.upstream_latency.with_label_values(&with("false")),
            first_token: self.first_token_latency.with_label_values(&labels),
            labels: labels.map(str::to_owned),
        }
    }
}

/// Microseconds that went into the attempts before `attempt`.
fn before(row: &RequestRow, attempt: &AttemptRow) -> u64 {
    let earlier = row.attempts.iter().take_while(|other| !std::ptr::eq(*other, attempt));
    earlier.map(|other| other.latency_us).sum()
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::CacheKind;
    use crate::telemetry::row::fixture::row;
    use prometheus::core::Collector;

    #[test]
    fn hits_of_the_cache_are_counted_and_misses_are_not() {
        let metrics = Metrics::new().unwrap();
        for kind in [CacheKind::Miss, CacheKind::Direct, CacheKind::Direct, CacheKind::Semantic] {
            let cache = Some(CacheRow { kind, ..CacheRow::MISS });
            metrics.record(&RequestRow { cache, ..row(0, 200) });
        }
        metrics.record(&row(0, 200));
        let series = metrics.cache_hits.collect();
        let counts = series.iter().flat_map(|family| family.get_metric());
        let mut counts: Vec<f64> = counts.map(|one| one.get_counter().get_value()).collect();
        counts.sort_by(f64::total_cmp);
        assert_eq!(counts, [1.0, 2.0]);
    }
}
