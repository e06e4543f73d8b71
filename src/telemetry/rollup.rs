//! Sums per provider over minutes and hours, so that a chart never reads single requests.
//!
//! Memory holds the latest buckets whole and the store a copy of them; a window is read from
//! memory as far back as memory goes and from the store before that, so nothing counts twice.

use super::histogram::Histogram;
use super::row::{CacheRow, Outcome, RequestRow};
use crate::llm::Cost;
use crate::store::log::{CacheKind, FailoverRecord, RollupRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The fine resolution in seconds.
pub const MINUTE: i64 = 60;
/// The coarse resolution in seconds.
pub const HOUR: i64 = 3600;

/// Sums over some requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sums {
    /// Requests by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 5],
    /// Requests that another provider than the first one answered.
    pub failovers: u64,
    /// What they cost.
    pub cost: Cost,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Sum of the latencies in microseconds.
    pub latency_us: u64,
    /// Times to the complete answer.
    pub latency: Histogram,
    /// Times to the first content of streams.
    pub first_token: Histogram,
    /// What the semantic cache did.
    pub cache: CacheSums,
}

/// What the semantic cache did for some requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheSums {
    /// Requests that it answered because it knew the exact request.
    pub direct: u64,
    /// Requests that it answered because it knew a similar one.
    pub semantic: u64,
    /// Requests that it was asked for in vain.
    pub misses: u64,
    /// What its answers had cost.
    pub saved_cost: Cost,
    /// Microseconds that they had taken longer.
    pub saved_us: u64,
}

impl CacheSums {
    /// Requests that the cache answered.
    pub fn hits(&self) -> u64 {
        self.direct + self.semantic
    }

    /// Requests that used the cache.
    pub fn lookups(&self) -> u64 {
        self.hits() + self.misses
    }

    /// The share of them that it answered; `None` without any.
    pub fn hit_rate(&self) -> Option<f64> {
        (self.lookups() > 0).then(|| self.hits() as f64 / self.lookups() as f64)
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: &CacheSums) {
        self.direct += other.direct;
        self.semantic += other.semantic;
        self.misses += other.misses;
        self.saved_cost += other.saved_cost;
        self.saved_us += other.saved_us;
    }

    fn add(&mut self, row: &CacheRow) {
        let count = match row.kind {
            CacheKind::Direct => &mut self.direct,
            CacheKind::Semantic => &mut self.semantic,
            CacheKind::Miss => &mut self.misses,
        };
        *count += 1;
        self.saved_cost += row.saved_cost;
        self.saved_us += row.saved_us;
    }
}

/// One provider over one bucket; the empty name stands for requests that reached none, those that the
/// cache answered among them.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketSums {
    /// Start of the bucket, Unix seconds.
    pub start: i64,
    /// The provider.
    pub provider: Arc<str>,
    /// The sums.
    pub sums: Sums,
}

/// How often one provider took over from another within one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverSums {
    /// Start of the bucket, Unix seconds.
    pub start: i64,
    /// The provider that failed.
    pub from_provider: Arc<str>,
    /// The provider that was tried next.
    pub to_provider: Arc<str>,
    /// How often.
    pub count: u64,
}

/// Everything that is known of a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WindowSums {
    /// Sums by bucket and provider, in no order.
    pub buckets: Vec<BucketSums>,
    /// Failovers by bucket, in no order.
    pub failovers: Vec<FailoverSums>,
}

impl Sums {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Requests that ended in an error; those given up by the client are none.
    pub fn errors(&self) -> u64 {
        let [_, client, limited, server, _] = self.outcomes;
        client + limited + server
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: &Sums) {
        for (mine, theirs) in self.outcomes.iter_mut().zip(other.outcomes) {
            *mine += theirs;
        }
        self.failovers += other.failovers;
        self.cost += other.cost;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.latency_us += other.latency_us;
        self.latency.merge(&other.latency);
        self.first_token.merge(&other.first_token);
        self.cache.merge(&other.cache);
    }

    /// What the store keeps, read back.
    pub fn from_record(record: &RollupRecord) -> Sums {
        Sums {
            outcomes: [
                count(record.success),
                count(record.client_error),
                count(record.rate_limited),
                count(record.server_error),
                count(record.cancelled),
            ],
            failovers: count(record.failovers),
            cost: Cost(record.cost_nano),
            input_tokens: count(record.input_tokens),
            output_tokens: count(record.output_tokens),
            latency_us: count(record.latency_us),
            latency: Histogram::from_text(&record.latency),
            first_token: Histogram::from_text(&record.first_token),
            cache: CacheSums {
                direct: count(record.cache_direct),
                semantic: count(record.cache_semantic),
                misses: count(record.cache_misses),
                saved_cost: Cost(record.cache_saved_nano),
                saved_us: count(record.cache_saved_us),
            },
        }
    }

    fn add(&mut self, row: &RequestRow, outcome: Outcome) {
        self.outcomes[outcome as usize] += 1;
        self.failovers += u64::from(row.failed_over());
        self.cost += row.cost.unwrap_or_default();
        self.input_tokens += row.usage.input;
        self.output_tokens += row.usage.output;
        self.latency_us += row.latency_us;
        if let Some(cache) = &row.cache {
            self.cache.add(cache);
        }
        // Refusals take microseconds; among the latencies of answers they would hide slowness.
        if outcome == Outcome::Success {
            self.latency.record(row.latency_us);
            if let Some(first_token) = row.first_token_us {
                self.first_token.record(first_token);
            }
        }
    }

    fn to_record(&self, resolution: i64, start: i64, provider: &str) -> RollupRecord {
        let [success, client_error, rate_limited, server_error, cancelled] =
            self.outcomes.map(signed);
        RollupRecord {
            resolution,
            start,
            provider: provider.to_owned(),
            success,
            client_error,
            rate_limited,
            server_error,
            cancelled,
            failovers: signed(self.failovers),
            cost_nano: self.cost.0,
            input_tokens: signed(self.input_tokens),
            output_tokens: signed(self.output_tokens),
            latency_us: signed(self.latency_us),
            latency: self.latency.to_text(),
            first_token: self.first_token.to_text(),
            cache_direct: signed(self.cache.direct),
            cache_semantic: signed(self.cache.semantic),
            cache_misses: signed(self.cache.misses),
            cache_saved_nano: self.cache.saved_cost.0,
            cache_saved_us: signed(self.cache.saved_us),
        }
    }
}

type BucketKey = (i64, Arc<str>);
type FailoverKey = (i64, Arc<str>, Arc<str>);

/// The latest buckets of one resolution.
#[derive(Debug)]
pub(super) struct Level {
    resolution: i64,
    /// Buckets that begin before this are in the store only.
    from: i64,
    buckets: BTreeMap<BucketKey, Sums>,
    failovers: BTreeMap<FailoverKey, u64>,
    changed: Changed,
}

/// Buckets that the store does not have as they are.
#[derive(Debug, Default)]
pub(super) struct Changed {
    buckets: BTreeSet<BucketKey>,
    failovers: BTreeSet<FailoverKey>,
}

impl Level {
    /// A level whose memory begins with the bucket that holds `from`.
    pub(super) fn new(resolution: i64, from: i64) -> Self {
        Level {
            resolution,
            from: bucket(from, resolution),
            buckets: BTreeMap::new(),
            failovers: BTreeMap::new(),
            changed: Changed::default(),
        }
    }

    /// Takes over what an earlier process stored, so that its last buckets go on.
    pub(super) fn restore(&mut self, buckets: &[RollupRecord], failovers: &[FailoverRecord]) {
        for record in buckets {
            let key = (record.start, Arc::from(record.provider.as_str()));
            self.buckets.entry(key).or_default().merge(&Sums::from_record(record));
        }
        for record in failovers {
            let providers = (record.from_provider.as_str(), record.to_provider.as_str());
            let key = (record.start, Arc::from(providers.0), Arc::from(providers.1));
            *self.failovers.entry(key).or_default() += count(record.count);
        }
    }

    /// Counts requests in the buckets of their arrival.
    pub(super) fn add(&mut self, rows: &[RequestRow]) {
        // Neighbours mostly share their bucket, so it is looked for once.
        let start = |row: &RequestRow| {
            // A stream may outlive what memory holds; its request is then counted a little late.
            bucket(row.timestamp_ms.div_euclid(1000), self.resolution).max(self.from)
        };
        let together = |a: &RequestRow, b: &RequestRow| {
            start(a) == start(b) && a.counts_for() == b.counts_for()
        };
        for run in rows.chunk_by(together) {
            let Some(first) = run.first() else { continue };
            let key = (start(first), first.counts_for().cloned().unwrap_or_default());
            let sums = self.buckets.entry(key.clone()).or_default();
            run.iter().for_each(|row| sums.add(row, row.outcome()));
            self.changed.buckets.insert(key);
        }
        for row in rows.iter().filter(|row| row.attempts.len() > 1) {
            let start = start(row);
            for pair in row.attempts.windows(2) {
                let [before, after] = pair else { continue };
                if before.provider != after.provider {
                    let key = (start, before.provider.clone(), after.provider.clone());
                    *self.failovers.entry(key.clone()).or_default() += 1;
                    self.changed.failovers.insert(key);
                }
            }
        }
    }

    /// Hands out what the store does not have yet, and takes it for stored.
    pub(super) fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// Takes back what could not be stored.
    pub(super) fn put_back(&mut self, changed: Changed) {
        self.changed.buckets.extend(changed.buckets);
        self.changed.failovers.extend(changed.failovers);
    }

    /// The records of changed buckets.
    pub(super) fn records(&self, changed: &Changed) -> (Vec<RollupRecord>, Vec<FailoverRecord>) {
        let buckets = changed.buckets.iter().filter_map(|key| {
            let sums = self.buckets.get(key)?;
            Some(sums.to_record(self.resolution, key.0, &key.1))
        });
        let failovers = changed.failovers.iter().filter_map(|key| {
            Some(FailoverRecord {
                resolution: self.resolution,
                start: key.0,
                from_provider: key.1.to_string(),
                to_provider: key.2.to_string(),
                count: signed(*self.failovers.get(key)?),
            })
        });
        (buckets.collect(), failovers.collect())
    }

    /// Forgets buckets that begin before `from`, except from the first one on that the store does
    /// not have yet when there is a store.
    pub(super) fn forget(&mut self, from: i64, stored: bool) {
        let unstored = self.changed.buckets.first().map(|key| key.0).filter(|_| stored);
        let from = bucket(from, self.resolution).min(unstored.unwrap_or(i64::MAX));
        if from <= self.from {
            return;
        }
        self.from = from;
        self.buckets = self.buckets.split_off(&(from, Arc::from("")));
        self.failovers = self.failovers.split_off(&(from, Arc::from(""), Arc::from("")));
        self.changed.buckets = self.changed.buckets.split_off(&(from, Arc::from("")));
        let first = (from, Arc::from(""), Arc::from(""));
        self.changed.failovers = self.changed.failovers.split_off(&first);
    }

    /// What memory has of the window, and the start before which only the store knows.
    pub(super) fn read(&self, from: i64, to: i64) -> (WindowSums, i64) {
        let within = |start: i64| from <= start && start < to;
        let buckets = self.buckets.iter().filter(|((start, _), _)| within(*start));
        let buckets = buckets.map(|((start, provider), sums)| BucketSums {
            start: *start,
            provider: provider.clone(),
            sums: sums.clone(),
        });
        let failovers = self.failovers.iter().filter(|((start, ..), _)| within(*start));
        let failovers = failovers.map(|((start, from, to), count)| FailoverSums {
            start: *start,
            from_provider: from.clone(),
            to_provider: to.clone(),
            count: *count,
        });
        let window = WindowSums { buckets: buckets.collect(), failovers: failovers.collect() };
        (window, self.from)
    }
}

impl WindowSums {
    /// Adds what the store has.
    pub(super) fn extend(&mut self, buckets: &[RollupRecord], failovers: &[FailoverRecord]) {
        self.buckets.extend(buckets.iter().map(|record| BucketSums {
            start: record.start,
            provider: Arc::from(record.provider.as_str()),
            sums: Sums::from_record(record),
        }));
        self.failovers.extend(failovers.iter().map(|record| FailoverSums {
            start: record.start,
            from_provider: Arc::from(record.from_provider.as_str()),
            to_provider: Arc::from(record.to_provider.as_str()),
            count: count(record.count),
        }));
    }
}

/// The start of the bucket that holds `seconds`.
pub(super) fn bucket(seconds: i64, resolution: i64) -> i64 {
    seconds - seconds.rem_euclid(resolution)
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::row::AttemptRow;
    use crate::telemetry::row::fixture::{attempt, row};

    fn window(level: &Level) -> WindowSums {
        level.read(0, i64::MAX).0
    }

    #[test]
    fn a_request_counts_once_with_the_provider_that_answered() {
        let mut level = Level::new(MINUTE, 0);
        let mut request = row(61_000, 200);
        request.provider = Some("anthropic".into());
        request.attempts = [attempt("openai", Some("rate_limit")), attempt("anthropic", None)]
            .into_iter()
            .collect::<smallvec::SmallVec<[AttemptRow; 2]>>();
        level.add(&[request]);
        let window = window(&level);
        let [bucket] = &window.buckets[..] else { panic!("{window:?}") };
        assert_eq!((bucket.start, &*bucket.provider), (60, "anthropic"));
        assert_eq!(bucket.sums.outcomes, [1, 0, 0, 0, 0]);
        assert_eq!((bucket.sums.failovers, bucket.sums.cost), (1, Cost(412_000)));
        let [failover] = &window.failovers[..] else { panic!("{window:?}") };
        let names = (&*failover.from_provider, &*failover.to_provider, failover.count);
        assert_eq!(names, ("openai", "anthropic", 1));
    }

    #[test]
    fn outcomes_by_status_and_error() {
        let mut level = Level::new(MINUTE, 0);
        for status in [200, 400, 402, 429, 499, 502] {
            level.add(&[row(0, status)]);
        }
        let mut broken_off = row(0, 200);
        broken_off.error_kind = Some("truncated");
        level.add(&[broken_off]);
        assert_eq!(window(&level).buckets[0].sums.outcomes, [1, 2, 1, 2, 1]);
    }

    #[test]
    fn hits_count_under_no_provider_and_misses_under_the_one_that_answered() {
        let mut level = Level::new(MINUTE, 0);
        let with = |kind, provider: Option<&str>| {
            let (saved_cost, saved_us) = (Cost(345_000), 1_000_000);
            let cache = match kind {
                CacheKind::Miss => CacheRow::MISS,
                kind => CacheRow { kind, saved_cost, saved_us },
            };
            let provider = provider.map(Arc::from);
            RequestRow { cache: Some(cache), provider, ..row(0, 200) }
        };
        let failed_before = with(CacheKind::Semantic, Some("openai"));
        let rows = [
            with(CacheKind::Miss, Some("openai")),
            failed_before,
            with(CacheKind::Direct, None),
            row(0, 200),
        ];
        level.add(&rows);
        let read = window(&level);
        let [hits, misses] = &read.buckets[..] else { panic!("{read:?}") };
        assert_eq!((&*hits.provider, &*misses.provider), ("", "openai"));
        let cache = hits.sums.cache;
        assert_eq!((cache.direct, cache.semantic, cache.misses), (1, 1, 0));
        assert_eq!((cache.saved_cost, cache.saved_us), (Cost(690_000), 2_000_000));
        assert_eq!((misses.sums.cache.lookups(), misses.sums.requests()), (1, 2));

        let changed = level.take_changed();
        let mut restored = Level::new(MINUTE, 0);
        restored.restore(&level.records(&changed).0, &[]);
        assert_eq!(window(&restored), read);
    }

    #[test]
    fn what_is_stored_can_be_forgotten_and_nothing_else() {
        let mut level = Level::new(MINUTE, 0);
        level.add(&[row(0, 200)]);
        level.forget(3600, true);
        assert_eq!(window(&level).buckets.len(), 1, "not stored yet");
        let changed = level.take_changed();
        let (records, _) = level.records(&changed);
        level.put_back(changed);
        level.forget(3600, true);
        assert_eq!(window(&level).buckets.len(), 1, "could not be stored");
        level.take_changed();
        level.forget(3600, true);
        assert_eq!(level.read(0, i64::MAX), (WindowSums::default(), 3600));
        level.add(&[row(0, 200)]);
        assert_eq!(window(&level).buckets[0].start, 3600, "too late for its own bucket");

        let mut restored = Level::new(MINUTE, 0);
        restored.restore(&records, &[]);
        assert_eq!(window(&restored).buckets[0].sums.requests(), 1);
    }
}
