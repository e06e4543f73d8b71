//! Pauses between tries.

use crate::provider::Network;
use rand::{Rng, RngExt};
use std::time::Duration;

/// The pause before retry number `retry` (from 1): doubles from the initial one up to the longest,
/// give or take a fifth, so that callers who failed together do not come back together.
pub(super) fn pause(network: &Network, retry: u32, rng: &mut impl Rng) -> Duration {
    let doubled = network.backoff_initial.saturating_mul(1 << retry.saturating_sub(1).min(16));
    let jitter = 0.8 + 0.4 * rng.random::<f64>();
    doubled.min(network.backoff_max).mul_f64(jitter).min(network.backoff_max)
}
