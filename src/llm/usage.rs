//! Token counts and money.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// What a provider counted. All counts are tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input, cached or not.
    pub input: u64,
    /// The part of `input` that was read from the provider's prompt cache.
    pub cached_read: u64,
    /// The part of `input` that was written to the provider's prompt cache.
    pub cached_write: u64,
    /// The part of `cached_write` that is kept for an hour, which some vendors price apart.
    pub cached_write_1h: u64,
    /// All output, thinking included.
    pub output: u64,
    /// The part of `output` that was thinking.
    pub reasoning: u64,
    /// The part of `input` that was sound.
    pub input_audio: u64,
    /// The part of `output` that was sound.
    pub output_audio: u64,
    /// What the provider says that it costs.
    pub cost: Option<Cost>,
}

/// See [`Usage::bounded`]: a trillion.
pub(super) const MOST_TOKENS: u64 = 1 << 40;

impl Usage {
    /// Input and output together.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// The same, with counts beyond a trillion taken for a trillion: no answer has so many, and
    /// sums of them must not overflow.
    #[must_use]
    pub fn bounded(self) -> Usage {
        Usage {
            input: self.input.min(MOST_TOKENS),
            cached_read: self.cached_read.min(MOST_TOKENS),
            cached_write: self.cached_write.min(MOST_TOKENS),
            cached_write_1h: self.cached_write_1h.min(MOST_TOKENS),
            output: self.output.min(MOST_TOKENS),
            reasoning: self.reasoning.min(MOST_TOKENS),
            input_audio: self.input_audio.min(MOST_TOKENS),
            output_audio: self.output_audio.min(MOST_TOKENS),
            cost: self.cost.filter(|cost| *cost >= Cost::ZERO),
        }
    }

    /// The larger of both in every count: vendors repeat cumulative counts along a stream.
    #[must_use]
    pub fn max(self, other: Usage) -> Usage {
        Usage {
            input: self.input.max(other.input),
            cached_read: self.cached_read.max(other.cached_read),
            cached_write: self.cached_write.max(other.cached_write),
            cached_write_1h: self.cached_write_1h.max(other.cached_write_1h),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
            input_audio: self.input_audio.max(other.input_audio),
            output_audio: self.output_audio.max(other.output_audio),
            cost: self.cost.max(other.cost),
        }
    }
}

/// Where a usage comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider said so.
    Provider,
    /// The gateway guessed, because the answer ended before the provider said.
    Estimated,
}

impl UsageSource {
    /// The word used in logs and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            UsageSource::Provider => "provider",
            UsageSource::Estimated => "estimated",
        }
    }
}

/// Money in nano-dollars (10⁻⁹ US dollars), so that sums are exact. Reaches ±9.2 billion dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Cost(pub i64);

impl Cost {
    /// Nothing.
    pub const ZERO: Cost = Cost(0);

    /// Dollars, rounded once to the nearest nano-dollar; `None` if not a number or out of reach.
    pub fn from_dollars(dollars: f64) -> Option<Cost> {
        let nano = (dollars * 1e9).round();
        (nano.is_finite() && nano.abs() < 9.2e18).then_some(Cost(nano as i64))
    }

    /// Dollars for showing; never added up.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        *self = *self + other;
    }
}

impl Sub for Cost {
    type Output = Cost;
    fn sub(self, other: Cost) -> Cost {
        Cost(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Cost {
    /// Dollars with all nine digits and no rounding: `0.000412000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nano = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_round_once_and_print_exactly() {
        assert_eq!(Cost::from_dollars(0.000_412), Some(Cost(412_000)));
        assert_eq!(Cost::from_dollars(f64::NAN), None);
        assert_eq!(Cost(-1_500_000_001).to_string(), "-1.500000001");
    }
}
