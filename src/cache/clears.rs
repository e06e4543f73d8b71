//! What was removed on request, so that an answer that was asked for before is not kept after it.

use super::entry::{Clear, Fingerprint};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Removals that are remembered. What has been under way for more of them than that is not kept.
const REMEMBERED: usize = 64;

/// The last removals of this process.
#[derive(Debug, Default)]
pub struct Clears {
    count: AtomicU64,
    last: Mutex<VecDeque<Clear>>,
}

impl Clears {
    /// How many there have been.
    pub fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    /// Notes one. To be called before anything is removed: whoever keeps an answer asks
    /// [`Clears::concern`] once more afterwards, and takes it back if need be.
    pub(super) fn note(&self, what: Clear) {
        let mut last = self.last.lock();
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back(what);
        self.count.fetch_add(1, SeqCst);
    }

    /// Whether an entry is of what was removed since there had been `since` removals.
    pub fn concern(
        &self,
        since: u64,
        fingerprint: &Fingerprint,
        scope: &str,
        cache_key: &str,
    ) -> bool {
        if self.count() == since {
            return false;
        }
        let last = self.last.lock();
        let missed = usize::try_from(self.count().saturating_sub(since)).unwrap_or(usize::MAX);
        let concerns = |what: &Clear| match what {
            Clear::One(other) => other == fingerprint,
            Clear::Scope(other) => **other == *scope,
            Clear::CacheKey(other) => **other == *cache_key,
            Clear::Everything => true,
        };
        missed > last.len() || last.iter().rev().take(missed).any(concerns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Fingerprint = Fingerprint([1; 16]);
    const OTHER: Fingerprint = Fingerprint([2; 16]);

    #[test]
    fn a_removal_concerns_what_it_removes_and_was_asked_for_before() {
        for (what, concerned) in [
            (Clear::One(ONE), [true, false, false]),
            (Clear::Scope("a".into()), [true, true, false]),
            (Clear::CacheKey("k".into()), [true, false, true]),
            (Clear::Everything, [true, true, true]),
        ] {
            let clears = Clears::default();
            clears.note(Clear::Scope("before".into()));
            let since = clears.count();
            let all = [(ONE, "a", "k"), (OTHER, "a", ""), (OTHER, "b", "k")];
            let concern = || all.map(|(name, scope, key)| clears.concern(since, &name, scope, key));
            assert_eq!(concern(), [false; 3]);
            clears.note(what.clone());
            clears.note(Clear::Scope("after".into()));
            assert_eq!(concern(), concerned, "{what:?}");
            assert!(!clears.concern(clears.count(), &ONE, "a", "k"), "{what:?}");
        }
    }

    #[test]
    fn what_is_not_remembered_may_have_concerned_anything() {
        let clears = Clears::default();
        for _ in 0..REMEMBERED {
            clears.note(Clear::Scope("a".into()));
        }
        assert!(!clears.concern(0, &ONE, "b", ""));
        clears.note(Clear::Scope("a".into()));
        assert!(clears.concern(0, &ONE, "b", ""));
        assert!(!clears.concern(1, &ONE, "b", ""));
    }
}
