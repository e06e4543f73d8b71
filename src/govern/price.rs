//! Usage × price → cost, rounded once.

use crate::config::pricing::Prices;
use crate::llm::{Cost, Usage};

/// Femto-dollars (10⁻¹⁵) per nano-dollar (10⁻⁹).
const FEMTO_PER_NANO: i128 = 1_000_000;

/// More tokens than this are priced as this many, so that no sum overflows.
const MOST_TOKENS: u64 = 1 << 56;

/// What `usage` costs. The sum is exact in femto-dollars and rounded half up once.
///
/// Cached input has its own price where the vendor gives one and the price of input otherwise; a
/// long prompt moves the whole request to the tier that it reaches, as vendors bill it.
pub fn cost_of(usage: &Usage, prices: &Prices) -> Cost {
    let tier = prices.tier(usage.input);
    let input = tier.map_or(prices.input, |tier| tier.input);
    let output = tier.map_or(prices.output, |tier| tier.output);
    let read = tier.and_then(|tier| tier.cached_read).or(prices.cached_read).unwrap_or(input);
    let write = tier.and_then(|tier| tier.cached_write).or(prices.cached_write).unwrap_or(input);
    let write_1h = prices.cached_write_1h.unwrap_or(write);

    let cached_write_1h = usage.cached_write_1h.min(usage.cached_write);
    let cached_write = usage.cached_write - cached_write_1h;
    let audio_in = usage.input_audio.min(usage.input);
    let uncached = usage.input.saturating_sub(usage.cached_read);
    let plain_in = uncached.saturating_sub(usage.cached_write).saturating_sub(audio_in);
    let audio_out = usage.output_audio.min(usage.output);
    let reasoning = usage.reasoning.min(usage.output - audio_out);
    let plain_out = usage.output - audio_out - reasoning;

    // A count near the largest number is a lie, but one that must not bring a request down.
    let times = |tokens: u64, price: u64| i128::from(tokens.min(MOST_TOKENS)) * i128::from(price);
    let femto = times(plain_in, input)
        + times(usage.cached_read, read)
        + times(cached_write, write)
        + times(cached_write_1h, write_1h)
        + times(audio_in, prices.input_audio.unwrap_or(input))
        + times(plain_out, output)
        + times(reasoning, prices.reasoning.unwrap_or(output))
        + times(audio_out, prices.output_audio.unwrap_or(output));
    let nano = (femto + FEMTO_PER_NANO / 2) / FEMTO_PER_NANO;
    Cost(i64::try_from(nano).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_counts_cost_the_most_there_is() {
        let usage = Usage {
            input: u64::MAX,
            cached_read: u64::MAX,
            cached_write: u64::MAX,
            cached_write_1h: u64::MAX,
            output: u64::MAX,
            reasoning: u64::MAX,
            input_audio: u64::MAX,
            output_audio: u64::MAX,
            ..Usage::default()
        };
        assert_eq!(usage.total(), u64::MAX);
        let prices = Prices {
            input: 1_000_000_000,
            output: 1_000_000_000,
            cached_read: None,
            cached_write: None,
            cached_write_1h: None,
            input_audio: None,
            output_audio: None,
            reasoning: None,
            tiers: Box::default(),
        };
        assert_eq!(cost_of(&usage, &prices), Cost(i64::MAX));
        let dear = Prices { input: u64::MAX, output: u64::MAX, ..prices };
        assert_eq!(cost_of(&usage, &dear), Cost(i64::MAX));
    }
}
