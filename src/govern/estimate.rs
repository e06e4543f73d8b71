//! What a request will probably use, learned from what earlier ones used.
//!
//! A reservation of the worst case (`max_tokens`) would fill a budget with holds while real spend
//! is near nothing; one of the mean would let a burst overshoot. So the estimate is the 95th
//! percentile of the last answers for the same virtual key and model, capped by the request's own
//! bound, and that bound itself until there is history.

use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError, RwLock};

/// What a request will probably use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Nano-dollars.
    pub cost: i64,
    /// Input and output tokens.
    pub tokens: i64,
}

/// How many answers are remembered per virtual key and model.
const REMEMBERED: usize = 32;
/// How many pairs of virtual key and model are remembered before all are forgotten.
const MOST_SERIES: usize = 20_000;
/// Without history: bytes of JSON per input token. English has about 4; less is the safe side.
const BYTES_PER_TOKEN: f64 = 3.0;
/// Without history, bound or catalogue entry: output tokens.
const DEFAULT_OUTPUT: u64 = 4096;

/// What was learned from answers.
#[derive(Debug, Default)]
pub struct Learned {
    series: RwLock<HashMap<u64, Mutex<Series>, foldhash::fast::RandomState>>,
    hasher: foldhash::fast::FixedState,
}

/// The last answers for one virtual key and model.
#[derive(Debug, Default)]
struct Series {
    outputs: VecDeque<u32>,
    /// 95th percentile of `outputs`.
    output: u64,
    /// Input tokens per byte of the request, the largest of the remembered ones decaying slowly.
    tokens_per_byte: f64,
}

impl Learned {
    /// Names the pair of virtual key and model.
    pub fn series(&self, virtual_key: &str, provider: &str, model: &str) -> u64 {
        self.hasher.hash_one((virtual_key, provider, model))
    }

    /// Estimated input and output tokens of a request of `bytes` bytes, whose output is bounded by
    /// `max_tokens` if the client said so and by `model_max` if the catalogue knows it.
    pub fn tokens(
        &self,
        series: u64,
        bytes: usize,
        max_tokens: Option<u64>,
        model_max: Option<u64>,
    ) -> (u64, u64) {
        let bound = max_tokens.or(model_max).unwrap_or(DEFAULT_OUTPUT);
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let Some(series) = all.get(&series) else {
            return ((bytes as f64 / BYTES_PER_TOKEN) as u64 + 1, bound);
        };
        let series = series.lock().unwrap_or_else(PoisonError::into_inner);
        let input = (bytes as f64 * series.tokens_per_byte).ceil() as u64;
        (input.max(1), series.output.min(bound))
    }

    /// Remembers what an answer used.
    pub fn remember(&self, series: u64, bytes: usize, input: u64, output: u64) {
        {
            let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(series) = all.get(&series) {
                let mut series = series.lock().unwrap_or_else(PoisonError::into_inner);
                return series.add(bytes, input, output);
            }
        }
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_SERIES {
            all.clear();
        }
        let series = all.entry(series).or_default();
        series.get_mut().unwrap_or_else(PoisonError::into_inner).add(bytes, input, output);
    }
}

impl Series {
    fn add(&mut self, bytes: usize, input: u64, output: u64) {
        if self.outputs.len() == REMEMBERED {
            self.outputs.pop_front();
        }
        self.outputs.push_back(u32::try_from(output).unwrap_or(u32::MAX));
        // Of 32 values the second largest is the 95th percentile; of fewer than 20, the largest.
        let (mut largest, mut second) = (0, 0);
        for &value in &self.outputs {
            if value >= largest {
                (largest, second) = (value, largest);
            } else {
                second = second.max(value);
            }
        }
        self.output = u64::from(if self.outputs.len() < 20 { largest } else { second });
        let ratio = input as f64 / bytes.max(1) as f64;
        self.tokens_per_byte = ratio.max(self.tokens_per_byte * 0.98);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_counts_until_there_is_history() {
        let learned = Learned::default();
        let series = learned.series("vk", "openai", "gpt-4o");
        assert_eq!(learned.tokens(series, 300, Some(32_000), Some(16_384)), (101, 32_000));
        for _ in 0..32 {
            learned.remember(series, 300, 60, 100);
        }
        learned.remember(series, 300, 60, 5000);
        assert_eq!(learned.tokens(series, 300, Some(32_000), None), (60, 100));
        assert_eq!(learned.tokens(series, 300, Some(50), None).1, 50);
    }
}
