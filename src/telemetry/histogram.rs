//! A histogram of durations that can be merged and stored: log-linear, at most 3.2 % off.

/// Parts that each power of two is cut into. Sixteen make a bucket 1/16 of its value wide, so its
/// middle is at most 1/32 away from anything in it.
const PARTS: u64 = 16;
/// Everything from 2⁴⁰ µs (twelve days) on is one bucket.
const LONGEST: u64 = 1 << 40;

/// Counts of microseconds. Empty buckets take no room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket and count, by bucket.
    counts: Vec<(u16, u64)>,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, microseconds: u64) {
        self.add(bucket_of(microseconds), 1);
    }

    /// Counts everything that `other` has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for &(bucket, count) in &other.counts {
            self.add(bucket, count);
        }
    }

    /// The duration in microseconds that the given share (0 to 1) of all durations does not
    /// exceed; `None` when nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let total: u64 = self.counts.iter().map(|&(_, count)| count).sum();
        let rank = (share.clamp(0.0, 1.0) * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for &(bucket, count) in &self.counts {
            seen += count;
            if seen >= rank {
                return Some(middle_of(bucket));
            }
        }
        None
    }

    /// Like [`quantile`](Self::quantile), in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        self.quantile(share).map(|microseconds| microseconds / 1000.0)
    }

    /// `bucket:count` pairs with spaces between, the form in which it is stored.
    pub fn to_text(&self) -> String {
        let pairs: Vec<String> =
            self.counts.iter().map(|(bucket, count)| format!("{bucket}:{count}")).collect();
        pairs.join(" ")
    }

    /// Reads what [`to_text`](Self::to_text) wrote; what cannot be read is left out.
    pub fn from_text(text: &str) -> Histogram {
        let mut histogram = Histogram::default();
        for pair in text.split_ascii_whitespace() {
            let parsed = pair
                .split_once(':')
                .and_then(|(bucket, count)| Some((bucket.parse().ok()?, count.parse().ok()?)));
            if let Some((bucket, count)) = parsed {
                histogram.add(bucket, count);
            }
        }
        histogram
    }

    fn add(&mut self, bucket: u16, count: u64) {
        match self.counts.binary_search_by_key(&bucket, |&(bucket, _)| bucket) {
            Ok(at) => self.counts[at].1 += count,
            Err(at) => self.counts.insert(at, (bucket, count)),
        }
    }
}

fn bucket_of(microseconds: u64) -> u16 {
    let value = microseconds.min(LONGEST);
    if value < PARTS {
        return value as u16;
    }
    let power = u64::from(value.ilog2());
    let part = (value >> (power - 4)) & (PARTS - 1);
    ((power - 3) * PARTS + part) as u16
}

fn middle_of(bucket: u16) -> f64 {
    let bucket = u64::from(bucket);
    if bucket < 2 * PARTS {
        return bucket as f64;
    }
    let power = bucket / PARTS + 3;
    let width = 2_f64.powi(power as i32 - 4);
    (PARTS + bucket % PARTS) as f64 * width + width / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_kept_within_four_percent() {
        let mut value = 1_u64;
        while value < LONGEST {
            let mut histogram = Histogram::default();
            histogram.record(value);
            let read = histogram.quantile(0.5).unwrap();
            let error = (read - value as f64).abs() / value as f64;
            assert!(error <= 0.04, "{value} was read as {read}");
            value += value / 7 + 1;
        }
    }

    #[test]
    fn quantiles_of_a_thousand() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.record(value * 1000));
        let near = |share, expected: f64| {
            let read = histogram.quantile_ms(share).unwrap();
            assert!((read - expected).abs() / expected < 0.04, "{share}: {read}");
        };
        near(0.5, 500.0);
        near(0.95, 950.0);
        near(1.0, 1000.0);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn merging_is_counting_together_and_text_keeps_all() {
        let (mut left, mut right, mut both) = Default::default();
        for value in [3, 90, 70_000, 70_001, u64::MAX] {
            Histogram::record(&mut left, value);
            Histogram::record(&mut both, value);
        }
        for value in [90, 1_000_000] {
            Histogram::record(&mut right, value);
            Histogram::record(&mut both, value);
        }
        left.merge(&right);
        assert_eq!(left, both);
        assert_eq!(Histogram::from_text(&both.to_text()), both);
        assert_eq!(Histogram::from_text("nonsense 1:x"), Histogram::default());
    }
}
