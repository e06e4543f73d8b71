//! An entry as the store holds it, and the clock that chooses which one goes.

use super::rows::Rows;
use super::sketch::Sketch;
use crate::cache::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The place of what has none.
pub(super) const NOWHERE: usize = usize::MAX;
/// Bytes that an entry takes besides itself: in the maps, the clock, a block, and its share of a
/// partition. Measured.
const OVERHEAD: usize = 320;
/// Second chances that one eviction gives at most. Keeps it short when everything was used.
const CHANCES: usize = 128;

/// An entry and where it stands. The places are changed by the one writer only.
#[derive(Debug)]
pub(super) struct Kept {
    /// The answer.
    pub(super) entry: Arc<Entry>,
    /// Where its vector is, if it has one.
    pub(super) rows: Option<Arc<Rows>>,
    /// Bytes that it takes with everything that belongs to it; estimated.
    pub(super) bytes: u64,
    /// Whether it has been written down. Changed by the one writer only.
    written: AtomicBool,
    used: AtomicBool,
    row: AtomicUsize,
    place: AtomicUsize,
}

impl Kept {
    /// Nowhere yet.
    pub(super) fn new(entry: Arc<Entry>, rows: Option<Arc<Rows>>, written: bool) -> Self {
        let dimensions = rows.as_ref().map(|rows| rows.dimensions());
        Kept {
            bytes: size(&entry, dimensions),
            entry,
            rows,
            written: AtomicBool::new(written),
            used: AtomicBool::new(false),
            row: AtomicUsize::new(NOWHERE),
            place: AtomicUsize::new(NOWHERE),
        }
    }

    /// Notes that it was used, which saves it from the next eviction.
    pub(super) fn touch(&self) {
        // Reading alone leaves the line in the other processors' caches.
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
    }

    /// Whether it has been written down.
    pub(super) fn is_written(&self) -> bool {
        self.written.load(Relaxed)
    }

    /// The row of its vector.
    pub(super) fn row(&self) -> usize {
        self.row.load(Relaxed)
    }

    /// Under the lock of its rows.
    pub(super) fn set_row(&self, row: usize) {
        self.row.store(row, Relaxed);
    }
}

/// Bytes that an entry with a vector of this length takes in the store; estimated.
pub(super) fn size(entry: &Entry, dimensions: Option<usize>) -> u64 {
    let vector = dimensions.map_or(0, |dimensions| dimensions * 4 + Sketch::BYTES);
    (entry.size() + OVERHEAD + vector) as u64
}

/// All entries in a ring with a hand: what was used since the hand last passed gets a second
/// chance, the next that was not goes. Approximates "least recently used" without moving anything
/// when an entry is used.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ring: Vec<Arc<Kept>>,
    hand: usize,
    /// Of all in the ring.
    pub(super) bytes: u64,
}

impl Clock {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Adds one.
    pub(super) fn insert(&mut self, kept: Arc<Kept>) {
        kept.place.store(self.ring.len(), Relaxed);
        self.bytes += kept.bytes;
        self.ring.push(kept);
    }

    /// Whether it is (still) there.
    pub(super) fn holds(&self, kept: &Kept) -> bool {
        self.ring.get(kept.place.load(Relaxed)).is_some_and(|other| std::ptr::eq(&**other, kept))
    }

    /// Notes that one is being written down. Whether it has to be: it is there, and has not been.
    pub(super) fn write_down(&self, kept: &Kept) -> bool {
        self.holds(kept) && !kept.written.swap(true, Relaxed)
    }

    /// Takes one out; the last takes its place.
    pub(super) fn remove(&mut self, kept: &Kept) {
        if !self.holds(kept) {
            return;
        }
        let place = kept.place.swap(NOWHERE, Relaxed);
        self.ring.swap_remove(place);
        self.bytes -= kept.bytes;
        if let Some(moved) = self.ring.get(place) {
            moved.place.store(place, Relaxed);
        }
    }

    /// Which one to evict: never `but`, unless it is alone.
    pub(super) fn victim(&mut self, but: Option<&Arc<Kept>>) -> Option<Arc<Kept>> {
        for chance in 0.. {
            if self.hand >= self.ring.len() {
                self.hand = 0;
            }
            let kept = self.ring.get(self.hand)?;
            let alone = self.ring.len() == 1;
            let spared = kept.used.swap(false, Relaxed) && chance < CHANCES;
            // Also past the victim: the last, mostly the newest, takes its place.
            self.hand += 1;
            if alone || !spared && !but.is_some_and(|but| Arc::ptr_eq(kept, but)) {
                return Some(kept.clone());
            }
        }
        None
    }
}
