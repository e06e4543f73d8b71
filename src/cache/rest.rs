//! Who does not answer in time is not asked for a while, so that only few requests wait in vain.

use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds that nothing is asked after a time-out.
const LENGTH: i64 = 10_000;

/// A pause. Cheap to look at; two that begin one at the same time begin the same.
#[derive(Debug, Default)]
pub struct Rest(AtomicI64);

impl Rest {
    /// Whether nothing is to be asked at `now_ms` (Unix milliseconds).
    pub fn is_on(&self, now_ms: i64) -> bool {
        now_ms < self.0.load(Ordering::Relaxed)
    }

    /// Somebody has waited in vain until `now_ms`.
    pub fn begin(&self, now_ms: i64) {
        self.0.store(now_ms.saturating_add(LENGTH), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_ends_by_itself() {
        let rest = Rest::default();
        assert!(!rest.is_on(0));
        rest.begin(5);
        assert!(rest.is_on(10_004));
        assert!(!rest.is_on(10_005));
    }
}
