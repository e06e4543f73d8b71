//! From the sums of minutes or hours to what the charts draw. Pure.

use crate::admin::view::{
    CacheSeries, CacheTotals, Failover, LatencySeries, Overview, Range, Totals,
};
use crate::telemetry::{CacheSums, HOUR, Histogram, MINUTE, Outcome, Sums, WindowSums};
use std::collections::{BTreeMap, HashMap};

/// The name under which requests that reached no provider are shown.
const NO_PROVIDER: &str = "none";
/// Widths that a bucket may have. The narrowest that gives no more than [`MOST_BUCKETS`] is taken.
const WIDTHS: &[i64] = &[60, 120, 300, 600, 900, 3600, 7200, 14_400, 28_800, 86_400, 604_800];
const MOST_BUCKETS: i64 = 180;

impl Range {
    /// The window of `seconds` that ends with the bucket of `now`.
    pub(super) fn ending(now: i64, seconds: i64) -> Range {
        let widths = || WIDTHS.iter().copied();
        let fits = widths().find(|width| buckets(seconds, *width) <= MOST_BUCKETS);
        let width = fits.or(widths().last()).unwrap_or(HOUR);
        let end = (now - now.rem_euclid(width)) + width;
        Range { start: end - buckets(seconds, width) * width, end, bucket_seconds: width }
    }

    /// The resolution of the sums that the window is made of.
    pub(super) fn resolution(&self) -> i64 {
        if self.bucket_seconds < HOUR { MINUTE } else { HOUR }
    }

    /// The start of the window of the same length just before.
    pub(super) fn previous_start(&self) -> i64 {
        self.start - (self.end - self.start)
    }

    fn timestamps(&self) -> Vec<i64> {
        let buckets = (self.end - self.start) / self.bucket_seconds;
        (0..buckets).map(|at| self.start + at * self.bucket_seconds).collect()
    }

    fn index(&self, start: i64) -> Option<usize> {
        let within = self.start <= start && start < self.end;
        within.then(|| ((start - self.start) / self.bucket_seconds) as usize)
    }
}

fn buckets(seconds: i64, width: i64) -> i64 {
    (seconds + width - 1) / width
}

/// An overview of `window`, which reaches from [`Range::previous_start`] to the end of `range`;
/// what is not made of sums is left empty.
pub(super) fn overview(range: Range, window: &WindowSums) -> Overview {
    let timestamps = range.timestamps();
    let mut series = Series::new(timestamps.len());
    let mut cache = vec![CacheSums::default(); timestamps.len()];
    let (mut totals, mut previous) = (Sums::default(), Sums::default());
    for bucket in &window.buckets {
        match range.index(bucket.start) {
            Some(at) => {
                totals.merge(&bucket.sums);
                series.add(at, shown(&bucket.provider), &bucket.sums);
                cache[at].merge(&bucket.sums.cache);
            }
            None => previous.merge(&bucket.sums),
        }
    }
    Overview {
        version: String::new(),
        totals: view(&totals),
        previous: view(&previous),
        failovers: failovers(&range, window),
        range,
        timestamps,
        requests_by_provider: series.requests_by_provider,
        requests_by_outcome: series.requests_by_outcome,
        cost_by_provider: series.cost_by_provider,
        latency_by_provider: percentiles(&series.latency_by_provider),
        cache: cache_series(&cache),
        cache_in_use: false,
        providers: Vec::new(),
        virtual_keys: Vec::new(),
        recent: Vec::new(),
        warnings: Vec::new(),
    }
}

#[derive(Default)]
struct Series {
    length: usize,
    requests_by_provider: BTreeMap<String, Vec<u64>>,
    requests_by_outcome: BTreeMap<String, Vec<u64>>,
    cost_by_provider: BTreeMap<String, Vec<f64>>,
    latency_by_provider: BTreeMap<String, Vec<Histogram>>,
}

impl Series {
    fn new(length: usize) -> Self {
        // Every outcome has its series, so that a chart's colours never shift.
        let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str().to_owned(), vec![0; length]));
        Series { length, requests_by_outcome: outcomes.into(), ..Series::default() }
    }

    fn add(&mut self, at: usize, provider: &str, sums: &Sums) {
        for (outcome, count) in Outcome::ALL.iter().zip(sums.outcomes) {
            if let Some(series) = self.requests_by_outcome.get_mut(outcome.as_str()) {
                series[at] += count;
            }
        }
        // What the cache answered is no provider's traffic, and did not fail to reach one either.
        let asked = sums.requests() - sums.cache.hits();
        if asked == 0 {
            return;
        }
        let length = self.length;
        let name = || provider.to_owned();
        let requests = self.requests_by_provider.entry(name()).or_insert_with(|| vec![0; length]);
        requests[at] += asked;
        if provider == NO_PROVIDER {
            return;
        }
        let cost = self.cost_by_provider.entry(name()).or_insert_with(|| vec![0.0; length]);
        cost[at] += sums.cost.dollars();
        let empty = || vec![Histogram::default(); length];
        self.latency_by_provider.entry(name()).or_insert_with(empty)[at].merge(&sums.latency);
    }
}

fn percentiles(by_provider: &BTreeMap<String, Vec<Histogram>>) -> BTreeMap<String, LatencySeries> {
    let series = |histograms: &[Histogram]| LatencySeries {
        p50: histograms.iter().map(|histogram| histogram.quantile_ms(0.5)).collect(),
        p95: histograms.iter().map(|histogram| histogram.quantile_ms(0.95)).collect(),
    };
    by_provider.iter().map(|(provider, buckets)| (provider.clone(), series(buckets))).collect()
}

fn view(sums: &Sums) -> Totals {
    Totals {
        requests: sums.requests(),
        errors: sums.errors(),
        cost: sums.cost.dollars(),
        input_tokens: sums.input_tokens,
        output_tokens: sums.output_tokens,
        failovers: sums.failovers,
        latency_p50_ms: sums.latency.quantile_ms(0.5),
        latency_p95_ms: sums.latency.quantile_ms(0.95),
        first_token_p50_ms: sums.first_token.quantile_ms(0.5),
        cache: cache_totals(&sums.cache),
    }
}

pub(in crate::admin) fn cache_totals(sums: &CacheSums) -> CacheTotals {
    CacheTotals {
        direct: sums.direct,
        semantic: sums.semantic,
        misses: sums.misses,
        hit_rate: sums.hit_rate(),
        saved_cost: sums.saved_cost.dollars(),
        saved_ms: sums.saved_us as f64 / 1000.0,
    }
}

fn cache_series(buckets: &[CacheSums]) -> CacheSeries {
    CacheSeries {
        direct: buckets.iter().map(|sums| sums.direct).collect(),
        semantic: buckets.iter().map(|sums| sums.semantic).collect(),
        misses: buckets.iter().map(|sums| sums.misses).collect(),
        saved_cost: buckets.iter().map(|sums| sums.saved_cost.dollars()).collect(),
        saved_ms: buckets.iter().map(|sums| sums.saved_us as f64 / 1000.0).collect(),
    }
}

fn failovers(range: &Range, window: &WindowSums) -> Vec<Failover> {
    let mut cells: HashMap<(&str, &str), u64> = HashMap::new();
    let within = window.failovers.iter().filter(|cell| range.index(cell.start).is_some());
    for cell in within {
        *cells.entry((&cell.from_provider, &cell.to_provider)).or_default() += cell.count;
    }
    let mut failovers: Vec<Failover> = cells
        .into_iter()
        .map(|((from, to), count)| Failover {
            from_provider: from.to_owned(),
            to_provider: to.to_owned(),
            count,
        })
        .collect();
    failovers
        .sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.from_provider.cmp(&b.from_provider)));
    failovers
}

fn shown(provider: &str) -> &str {
    if provider.is_empty() { NO_PROVIDER } else { provider }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Cost;
    use crate::telemetry::{BucketSums, FailoverSums};

    fn bucket(start: i64, provider: &str, successes: u64) -> BucketSums {
        let mut sums = Sums { outcomes: [successes, 1, 0, 0, 0], ..Sums::default() };
        sums.cost = Cost(250_000_000);
        sums.latency.record(800_000);
        BucketSums { start, provider: provider.into(), sums }
    }

    #[test]
    fn ranges_have_few_buckets_and_end_with_the_current_one() {
        let day = 24 * 3600;
        for (seconds, width) in [
            (900, 60),
            (3600, 60),
            (6 * 3600, 120),
            (day, 600),
            (7 * day, 3600),
            (30 * day, 14_400),
        ] {
            let range = Range::ending(1_000_000_007, seconds);
            assert_eq!(range.bucket_seconds, width, "{seconds}");
            assert!(range.end > 1_000_000_007 && range.end - width <= 1_000_000_007);
            assert_eq!(range.end - range.start, seconds);
            assert_eq!(range.end % width, 0);
        }
    }

    #[test]
    fn windows_fall_into_now_and_before() {
        let range = Range { start: 600, end: 1200, bucket_seconds: 300 };
        let failover = |start, count| FailoverSums {
            start,
            from_provider: "openai".into(),
            to_provider: "anthropic".into(),
            count,
        };
        let window = WindowSums {
            buckets: vec![
                bucket(540, "openai", 5),
                bucket(600, "openai", 2),
                bucket(660, "openai", 3),
                bucket(900, "", 0),
            ],
            failovers: vec![failover(540, 9), failover(660, 1), failover(900, 2)],
        };
        let overview = overview(range, &window);
        assert_eq!(overview.timestamps, [600, 900]);
        assert_eq!(overview.requests_by_provider["openai"], [7, 0]);
        assert_eq!(overview.requests_by_provider["none"], [0, 1]);
        assert_eq!(overview.requests_by_outcome["success"], [5, 0]);
        assert_eq!(overview.requests_by_outcome["client_error"], [2, 1]);
        assert_eq!(overview.cost_by_provider["openai"], [0.5, 0.0]);
        let latency = &overview.latency_by_provider["openai"];
        assert!(latency.p50[0].is_some_and(|ms| (ms - 800.0).abs() < 32.0));
        assert_eq!(latency.p50[1], None);
        assert_eq!((overview.totals.requests, overview.totals.errors), (8, 3));
        assert_eq!(overview.previous.requests, 6);
        assert_eq!(overview.failovers[0].count, 3);
    }

    #[test]
    fn hits_are_no_traffic_of_a_provider() {
        let range = Range { start: 600, end: 1200, bucket_seconds: 300 };
        let mut hits = bucket(600, "", 3);
        hits.sums.cache = CacheSums { direct: 2, semantic: 1, misses: 0, ..CacheSums::default() };
        hits.sums.cache.saved_cost = Cost(1_500_000_000);
        hits.sums.cache.saved_us = 2_500_000;
        let mut misses = bucket(900, "openai", 1);
        misses.sums.cache.misses = 1;
        let buckets = vec![hits, misses];
        let overview = overview(range, &WindowSums { buckets, ..WindowSums::default() });
        assert_eq!(overview.requests_by_provider["none"], [1, 0], "the one that failed");
        assert_eq!(overview.requests_by_provider["openai"], [0, 2]);
        assert_eq!(overview.requests_by_outcome["success"], [3, 1]);
        assert_eq!(
            (&overview.cache.direct[..], &overview.cache.misses[..]),
            (&[2, 0][..], &[0, 1][..])
        );
        let totals = overview.totals.cache;
        assert_eq!((totals.direct, totals.semantic, totals.misses), (2, 1, 1));
        assert_eq!((totals.hit_rate, totals.saved_cost), (Some(0.75), 1.5));
        assert_eq!((totals.saved_ms, overview.previous.cache.hit_rate), (2500.0, None));
    }
}
