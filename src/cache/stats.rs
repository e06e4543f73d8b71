//! What the cache has done since the start of the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Live counters.
#[derive(Debug, Default)]
pub struct Stats {
    exact_hits: AtomicU64,
    semantic_hits: AtomicU64,
    misses: AtomicU64,
    bypassed: AtomicU64,
    collapsed: AtomicU64,
    would_be_hits: AtomicU64,
    judged: AtomicU64,
    embedding_failures: AtomicU64,
    saved_cost: AtomicI64,
    saved_us: AtomicU64,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    bypass_reasons: Mutex<BTreeMap<&'static str, u64>>,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Answers to the exact request.
    pub exact_hits: u64,
    /// Answers to a similar one.
    pub semantic_hits: u64,
    /// Requests that were looked for in vain.
    pub misses: u64,
    /// Requests that were not looked for.
    pub bypassed: u64,
    /// Those of `exact_hits` that waited for an identical request in flight.
    pub collapsed: u64,
    /// Hits that shadow mode did not serve.
    pub would_be_hits: u64,
    /// Questions put to the judge.
    pub judged: u64,
    /// Embeddings that could not be had.
    pub embedding_failures: u64,
    /// What the answers had cost, in nano-dollars.
    pub saved_cost: i64,
    /// What the answers had taken longer, in microseconds.
    pub saved_us: u64,
    /// Candidates that the guard rejected, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Requests that were not looked for, by reason.
    pub bypass_reasons: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// An answer was served that had cost and taken so much, and now took `us`.
    pub fn hit(&self, semantic: bool, collapsed: bool, saved_cost: i64, saved_us: u64) {
        add(if semantic { &self.semantic_hits } else { &self.exact_hits });
        if collapsed {
            add(&self.collapsed);
        }
        self.saved_cost.fetch_add(saved_cost, Ordering::Relaxed);
        self.saved_us.fetch_add(saved_us, Ordering::Relaxed);
    }

    /// Nothing was found.
    pub fn miss(&self) {
        add(&self.misses);
    }

    /// Nothing was looked for.
    pub fn bypass(&self, reason: &'static str) {
        add(&self.bypassed);
        count(&self.bypass_reasons, reason);
    }

    /// The guard rejected a candidate.
    pub fn reject(&self, reason: &'static str) {
        count(&self.rejected, reason);
    }

    /// Shadow mode would have served.
    pub fn would_be_hit(&self) {
        add(&self.would_be_hits);
    }

    /// The judge was asked.
    pub fn judge(&self) {
        add(&self.judged);
    }

    /// An embedding could not be had.
    pub fn embedding_failure(&self) {
        add(&self.embedding_failures);
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let all = |map: &Mutex<BTreeMap<_, _>>| {
            map.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        Counts {
            exact_hits: of(&self.exact_hits),
            semantic_hits: of(&self.semantic_hits),
            misses: of(&self.misses),
            bypassed: of(&self.bypassed),
            collapsed: of(&self.collapsed),
            would_be_hits: of(&self.would_be_hits),
            judged: of(&self.judged),
            embedding_failures: of(&self.embedding_failures),
            saved_cost: self.saved_cost.load(Ordering::Relaxed),
            saved_us: of(&self.saved_us),
            rejected: all(&self.rejected),
            bypass_reasons: all(&self.bypass_reasons),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn count(map: &Mutex<BTreeMap<&'static str, u64>>, reason: &'static str) {
    *map.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
}
