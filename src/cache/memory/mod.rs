//! The store in this process's memory: exact entries by fingerprint, similar ones by vector.
//!
//! Answers that nobody has read yet are with the arrivals (see `arrivals.rs`). The others are entries of
//! their own, and go when they were not used for the longest time, roughly.
//!
//! The hard filters are structural: each [`Partition`] has its vectors for itself, and a search
//! never touches another's. What has expired is not returned, whether it is removed yet or not.
//!
//! # Locks
//!
//! | lock | held for | by |
//! |---|---|---|
//! | a shard of a map | a look-up or an insertion; a walk through 1/64 of the entries | all |
//! | the rows of a partition | a few blocks of a search (up to some 0.2 ms), one change | searches, the writer |
//! | the journal's records | one record | the writer, the journal's thread |
//! | the arrivals | a look-up with a copy of what is found, one put, a walk through one segment | all |
//! | the writer's turn | one put with its evictions; [`AT_ONCE`] removals | puts, clears, evictions, first uses |
//!
//! They are taken from the bottom up, and only the writer holds two. An exact look-up waits for nothing but
//! its shard and the arrivals, unless it is the first to find its entry, which is then read and written down.
//! A big clear lets others have their turn after every few entries. Nothing is built in the background,
//! since the search needs no graph (see `rows.rs`).

mod arrivals;
mod kept;
mod persist;
mod rows;
mod shards;
mod simd;
mod sketch;

#[cfg(test)]
mod tests;

pub use persist::Journal;

use super::arrival::Arrival;
use super::entry::{Clear, Entry, Fill, Fingerprint, Partition};
use arrivals::{Arrivals, Dropped, Full};
use kept::{Clock, Kept};
use parking_lot::{Mutex, MutexGuard};
use persist::Feed;
use rows::{Rows, Wanted};
use shards::{Shards, Spread};
use sketch::Sketch;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// Entries of a partition up to which a search compares every vector, and so finds exactly the
/// nearest. `benches/cache.rs`, with this bound and with others, 384 dimensions: 7 µs for these either
/// way, and for 4,000 entries 22 µs by their sketches where comparing every vector takes 220.
const FLAT_ROWS: usize = 256;
/// Entries that a big removal takes out in one turn.
const AT_ONCE: usize = 64;

/// Answers in memory, up to a number of bytes. Shared by all request threads.
#[derive(Debug)]
pub struct MemoryStore {
    arrivals: Mutex<Arrivals>,
    exact: Shards<Fingerprint, Arc<Kept>>,
    partitions: Shards<Partition, Arc<Rows>>,
    writer: Mutex<Clock>,
    feed: OnceLock<Feed>,
    max_bytes: u64,
    flat_rows: usize,
}

impl MemoryStore {
    /// An empty store. `max_bytes` counts entries, vectors and what belongs to them, estimated. Beyond it
    /// those go that nobody has asked for, the oldest first; and when they take less than an eighth, those
    /// that were not used for the longest time, roughly.
    pub fn new(max_bytes: u64) -> Self {
        Self::with_flat_rows(max_bytes, FLAT_ROWS)
    }

    /// With another bound of the exact search.
    fn with_flat_rows(max_bytes: u64, flat_rows: usize) -> Self {
        MemoryStore {
            arrivals: Mutex::new(Arrivals::new(max_bytes)),
            exact: Shards::new(),
            partitions: Shards::new(),
            writer: Mutex::default(),
            feed: OnceLock::new(),
            max_bytes,
            flat_rows,
        }
    }

    /// The entry of exactly this request, unless it has expired by `now_ms` (Unix milliseconds).
    pub fn exact(&self, fingerprint: &Fingerprint, now_ms: i64) -> Option<Arc<Entry>> {
        self.exact_by(fingerprint, || now_ms)
    }

    /// The same with a clock, which is only looked at where there is an entry.
    pub fn exact_by(
        &self,
        fingerprint: &Fingerprint,
        now_ms: impl Fn() -> i64,
    ) -> Option<Arc<Entry>> {
        let is_alive = |expires_ms| expires_ms > now_ms();
        let arrived = self.arrivals.lock().get_if(fingerprint, is_alive);
        if let Some(entry) = arrived {
            return Some(Arc::new(entry));
        }
        let kept = self.exact.get(fingerprint)?;
        if !is_alive(kept.entry.expires_ms) {
            return None;
        }
        self.used(&kept);
        Some(kept.entry.clone())
    }

    /// What is known of an unread entry that was found here, now that it has been read: the read one
    /// takes its place, and one that is not for others goes. Nothing changes if it has gone meanwhile.
    pub fn settle(&self, unread: &Entry, read: Option<&Arc<Entry>>) {
        let mut clock = self.writer.lock();
        if !self.arrivals.lock().holds(unread) {
            return;
        }
        // Another one with a vector may have come from somebody who did not wait for it.
        let known = self.exact.get(&unread.fingerprint);
        let is_known = known.is_some_and(|known| known.entry.expires_ms > unread.created_ms);
        let read = read.filter(|_| !is_known);
        // Before it goes there, so that nobody finds nothing in between. The journal does not know it.
        let gone = read.map(|read| self.link(&mut clock, read.clone(), None, false));
        self.arrivals.lock().remove(&unread.fingerprint);
        drop(clock);
        // What is freed is freed without the lock.
        drop(gone);
        if let Some(kept) = self.exact.get(&unread.fingerprint).filter(|_| read.is_some()) {
            self.used(&kept);
        }
    }

    /// The entry of this id for showing it: expired or not, and without counting as used.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        let arrived = self.arrivals.lock().get(fingerprint).map(Arc::new);
        arrived.or_else(|| self.exact.get(fingerprint).map(|kept| kept.entry.clone()))
    }

    /// Up to `limit` entries of the partition with a cosine of at least `floor`, best first. Vectors
    /// are normalised; one of another length than the partition's finds nothing. All that is
    /// returned counts as used.
    ///
    /// Takes up to a millisecond of processor time among 100,000 entries.
    pub fn nearest(
        &self,
        partition: &Partition,
        vector: &[f32],
        limit: usize,
        floor: f32,
        now_ms: i64,
    ) -> Vec<(Arc<Entry>, f32)> {
        let Some(rows) = self.partitions.get(partition) else { return Vec::new() };
        let wanted = Wanted { vector, limit, floor, now_ms, flat_rows: self.flat_rows };
        let found = rows.nearest(&wanted);
        found.iter().for_each(|(kept, _)| self.used(kept));
        found.into_iter().map(|(kept, cosine)| (kept.entry.clone(), cosine)).collect()
    }

    /// What has been of use is worth being written down.
    fn used(&self, kept: &Arc<Kept>) {
        kept.touch();
        if kept.is_written() {
            return;
        }
        self.feed(|feed| {
            // Under the writer's lock, so that the journal does not have it behind its removal.
            let clock = self.writer.lock();
            if clock.write_down(kept) {
                // What has a vector has been written.
                feed.put(&kept.entry, None);
            }
        });
    }

    /// Keeps an answer as it came, in the place of one of the same fingerprint: but not of one that has been
    /// read, and so is known to be for others, while that has not expired. One for which there is no room
    /// is not kept.
    pub fn put_unread(&self, arrival: &Arrival) {
        if let Some(known) = self.exact.get(&arrival.fingerprint) {
            if known.entry.expires_ms > arrival.created_ms {
                return;
            }
            self.remove_all(&[known]);
        }
        let put = self.arrivals.lock().put(arrival);
        if let Err(Full(bytes)) = put {
            let mut clock = self.writer.lock();
            let gone = self.put_in_segment(&mut clock, arrival, bytes);
            drop(clock);
            // What is freed is freed without the lock.
            drop(gone);
        }
    }

    /// Adds a segment to the arrivals with an answer in it, in the place of the oldest segment or of what was
    /// not used. Does nothing if it is larger than the store. Returns what was evicted.
    fn put_in_segment(&self, clock: &mut Clock, arrival: &Arrival, bytes: u64) -> Vec<Arc<Kept>> {
        let mut gone = Vec::new();
        if arrivals::cost(bytes) > self.max_bytes {
            return gone;
        }
        loop {
            let mut arrivals = self.arrivals.lock();
            // Somebody else may have added one.
            if arrivals.put(arrival).is_ok() {
                return gone;
            }
            let held = arrivals.held() + arrivals::cost(bytes);
            let fits = clock.bytes + held <= self.max_bytes;
            let dropped = match held > arrivals.share() && !fits {
                true => arrivals.drop_oldest(bytes),
                false => Dropped::Nothing,
            };
            if fits {
                arrivals.grow(bytes);
            }
            drop(arrivals);
            if !fits && dropped == Dropped::Nothing {
                match self.evict(clock, None) {
                    Some(victim) => gone.push(victim),
                    None => return gone,
                }
            }
        }
    }

    /// Adds an entry that has been read, in the place of one of the same fingerprint. Without a vector, or
    /// with one of another length than the partition's, it answers the exact request only. One that is
    /// larger than the store is not kept.
    pub fn put(&self, entry: Arc<Entry>, vector: Option<Arc<[f32]>>) {
        self.put_as(entry, vector, false);
    }

    /// The same, for what the journal has already or not.
    fn put_as(&self, entry: Arc<Entry>, vector: Option<Arc<[f32]>>, written: bool) {
        let vector = vector.filter(|vector| !vector.is_empty());
        let sketched = vector.as_deref().map(|vector| (vector, Sketch::of(vector)));
        debug_assert!(entry.unread.is_none());
        let fingerprint = entry.fingerprint;
        let mut clock = self.writer.lock();
        if kept::size(&entry, vector.as_ref().map(|vector| vector.len())) > self.max_bytes {
            self.arrivals.lock().remove(&fingerprint);
            let replaced = self.exact.remove(&fingerprint);
            if let Some(replaced) = &replaced {
                self.unlink(&mut clock, replaced);
            }
            self.feed(|feed| feed.remove(&fingerprint));
            return;
        }
        let gone = self.link(&mut clock, entry, sketched, written);
        self.arrivals.lock().remove(&fingerprint);
        drop(clock);
        // What is freed is freed without the lock.
        drop(gone);
    }

    /// Removes entries and says how many. All that were there at the call are gone at its return;
    /// takes up to a second for 100,000, in which others are not held up.
    pub fn clear(&self, what: &Clear) -> u64 {
        let arrived = match what {
            Clear::One(fingerprint) => u64::from(self.arrivals.lock().remove(fingerprint)),
            Clear::Scope(scope) => self.remove_arrived(|arrival| arrival.scope == &**scope),
            Clear::CacheKey(key) => self.remove_arrived(|arrival| arrival.cache_key == &**key),
            Clear::Everything => self.remove_arrived(|_| true),
        };
        // What has been read meanwhile is in its place now.
        drop(self.writer.lock());
        let removed = match what {
            Clear::One(fingerprint) => {
                self.exact.get(fingerprint).map_or(0, |kept| self.remove_all(&[kept]))
            }
            Clear::Scope(scope) => self.remove_where(|entry| entry.scope == *scope),
            Clear::CacheKey(key) => self.remove_where(|entry| entry.cache_key == *key),
            Clear::Everything => self.remove_where(|_| true),
        };
        // Afterwards, so that the journal has nothing behind it that was removed here. What was put
        // meanwhile and stays may be missing after a restart.
        self.feed(|feed| feed.clear(what));
        arrived + removed
    }

    /// Removes what has expired by `now_ms` (Unix milliseconds) and says how many. Looks at every
    /// entry, which takes some 10 ms for 100,000; for a background task every few seconds.
    pub fn remove_expired(&self, now_ms: i64) -> u64 {
        let arrived: u64 = self
            .arrived()
            .map(|segment| self.arrivals.lock().remove_expired(segment, now_ms))
            .sum();
        arrived + self.remove_where(|entry| entry.expires_ms <= now_ms)
    }

    /// How full it is, with what has expired and is not removed yet. The room that segments have for what
    /// is to come, or that has gone in them, is not counted here.
    pub fn fill(&self) -> Fill {
        let clock = self.writer.lock();
        let arrivals = self.arrivals.lock();
        Fill { entries: clock.len() as u64 + arrivals.len(), bytes: clock.bytes + arrivals.bytes() }
    }

    /// Bytes of what has been read; estimated.
    fn read_bytes(&self) -> u64 {
        self.writer.lock().bytes
    }

    /// Shows every entry and its vector, in no order. What comes or goes meanwhile may be shown or
    /// not. Locks are not held while `show` runs.
    pub fn each(&self, mut show: impl FnMut(&Arc<Entry>, Option<&[f32]>)) {
        for segment in self.arrived() {
            let entries = self.arrivals.lock().entries(segment);
            entries.into_iter().for_each(|entry| show(&Arc::new(entry), None));
        }
        self.exact.each(
            |_| true,
            |all| all.iter().for_each(|kept| show(&kept.entry, vector_of(kept).as_deref())),
        );
    }

    /// The same of what has been read, for a snapshot. Every entry counts as written down from then on: when
    /// one goes, that has to be written too.
    fn each_to_write(&self, mut show: impl FnMut(&Entry, Option<&[f32]>)) {
        self.exact.each(
            |_| true,
            |all| {
                for kept in &all {
                    let new = !kept.is_written() && self.writer.lock().write_down(kept);
                    // One that is not, and was not, has gone meanwhile.
                    if new || kept.is_written() {
                        show(&kept.entry, vector_of(kept).as_deref());
                    }
                }
            },
        );
    }

    /// Shows what has not been written down, read, and leaves out what is not for others. What had been read
    /// before counts as written down from then on. Of the arrivals the newest are shown for which there is
    /// room in a store that has read them: the older ones would take that of what has been of use.
    fn each_unwritten(&self, mut show: impl FnMut(&Entry)) {
        self.exact.each(
            |kept| !kept.is_written(),
            |all| {
                for kept in &all {
                    if self.writer.lock().write_down(kept) {
                        show(&kept.entry);
                    }
                }
            },
        );
        let mut room = self.max_bytes.saturating_sub(self.read_bytes());
        for segment in self.arrived().rev() {
            let entries = self.arrivals.lock().entries(segment);
            for entry in entries.into_iter().rev().filter_map(|entry| Arc::new(entry).read()) {
                let Some(left) = room.checked_sub(kept::size(&entry, None)) else { return };
                room = left;
                show(&entry);
            }
        }
    }

    /// The segments of the arrivals, each to be locked in turn.
    fn arrived(&self) -> std::ops::Range<u64> {
        self.arrivals.lock().segments()
    }

    fn remove_arrived(&self, wanted: impl Fn(&Arrival) -> bool) -> u64 {
        self.arrived().map(|segment| self.arrivals.lock().remove_where(segment, &wanted)).sum()
    }

    fn remove_where(&self, wanted: impl Fn(&Entry) -> bool) -> u64 {
        let mut removed = 0;
        self.exact.each(|kept| wanted(&kept.entry), |all| removed += self.remove_all(&all));
        removed
    }

    fn remove_all(&self, all: &[Arc<Kept>]) -> u64 {
        let mut removed = 0;
        let mut clock = self.writer.lock();
        for some in all.chunks(AT_ONCE) {
            for kept in some {
                if clock.holds(kept) {
                    removed += 1;
                    self.exact.remove(&kept.entry.fingerprint);
                    self.unlink(&mut clock, kept);
                }
            }
            MutexGuard::bump(&mut clock);
        }
        removed
    }

    /// Puts an entry in its places and evicts until it fits. Returns what was replaced and evicted.
    fn link(
        &self,
        clock: &mut Clock,
        entry: Arc<Entry>,
        sketched: Option<(&[f32], Sketch)>,
        written: bool,
    ) -> SmallVec<[Arc<Kept>; 2]> {
        let mut gone = SmallVec::new();
        let row = sketched.and_then(|(vector, sketch)| {
            let rows = self.rows(&entry.partition, vector.len())?;
            Some((rows, vector, sketch))
        });
        // A vector has taken a thousand times as long as writing it down does. An answer without one
        // may wait until it is of use.
        let write = !written && row.is_some();
        let rows = row.as_ref().map(|(rows, ..)| rows.clone());
        let kept = Arc::new(Kept::new(entry, rows, written || write));
        // Replaced in one step, so that nobody finds nothing in between.
        if let Some(replaced) = self.exact.insert(kept.entry.fingerprint, kept.clone()) {
            self.unlink(clock, &replaced);
            self.forget(&replaced);
            gone.push(replaced);
        }
        clock.insert(kept.clone());
        if let Some((rows, vector, sketch)) = row {
            rows.push(&kept, vector, sketch);
            // Now that a snapshot would show it with its vector.
            if write {
                self.feed(|feed| feed.put(&kept.entry, Some(vector)));
            }
            if rows.len() == 1 {
                // What was replaced may have been the last of its partition.
                self.partitions.insert(kept.entry.partition, rows);
            }
        }
        loop {
            let mut arrivals = self.arrivals.lock();
            if clock.bytes + arrivals.held() <= self.max_bytes {
                return gone;
            }
            if arrivals.held() > arrivals.share() && arrivals.drop_oldest(0) == Dropped::Segment {
                continue;
            }
            drop(arrivals);
            match self.evict(clock, Some(&kept)) {
                Some(victim) => gone.push(victim),
                None => return gone,
            }
        }
    }

    /// Evicts one that was not used, but not `but` unless it is alone.
    fn evict(&self, clock: &mut Clock, but: Option<&Arc<Kept>>) -> Option<Arc<Kept>> {
        let victim = clock.victim(but)?;
        self.exact.remove(&victim.entry.fingerprint);
        self.unlink(clock, &victim);
        self.forget(&victim);
        Some(victim)
    }

    /// Has the journal forget one that went, if it knows it.
    fn forget(&self, kept: &Kept) {
        if kept.is_written() {
            self.feed(|feed| feed.remove(&kept.entry.fingerprint));
        }
    }

    /// Takes an entry out of the clock and its rows.
    fn unlink(&self, clock: &mut Clock, kept: &Kept) {
        clock.remove(kept);
        let Some(rows) = &kept.rows else { return };
        rows.remove(kept);
        if rows.len() == 0 {
            self.partitions.remove(&kept.entry.partition);
        }
    }

    /// The rows of a partition, if they are of this length.
    fn rows(&self, partition: &Partition, dimensions: usize) -> Option<Arc<Rows>> {
        if let Some(rows) = self.partitions.get(partition) {
            return (rows.dimensions() == dimensions).then_some(rows);
        }
        let rows = Arc::new(Rows::new(dimensions));
        self.partitions.insert(*partition, rows.clone());
        Some(rows)
    }

    fn feed(&self, tell: impl FnOnce(&Feed)) {
        if let Some(feed) = self.feed.get() {
            tell(feed);
        }
    }
}

fn vector_of(kept: &Kept) -> Option<Vec<f32>> {
    kept.rows.as_ref()?.vector(kept)
}

impl Spread for Fingerprint {
    fn byte(&self) -> u8 {
        self.0[0]
    }
}

impl Spread for Partition {
    fn byte(&self) -> u8 {
        self.0[0]
    }
}
