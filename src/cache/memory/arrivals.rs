//! Answers as they came, one behind the other, until somebody asks for them again.
//!
//! Most never are asked for, and what keeping one costs is mostly memory that the processor does not have
//! at hand. So an answer is copied once, behind the one before, into a large segment that is written in
//! order, whose next part the processor fetches ahead, and its place is one slot of a table. When room is
//! needed the oldest segment goes as a whole.
//! What is asked for again moves to the entries that stay as long as they are used.
//!
//! A segment is held until nothing in it is there any more: one answer with a long life keeps the room of those
//! around it that have expired, until the oldest segment goes. One that does not fit into the rest of a segment
//! leaves that rest empty.

mod record;

#[cfg(test)]
mod tests;

use crate::cache::{Arrival, Entry, Fingerprint};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use record::Record;
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes of a segment in a store that has room for many.
const SEGMENT: u64 = 256 << 10;
/// Bytes of a segment at least.
const LEAST: u64 = 4 << 10;
/// The part of the store's room that is theirs, however many other entries there are: an eighth.
const SHARE: u64 = 8;
/// A table grows by moving all of its slots while everybody waits: in many small ones that is microseconds.
const TABLES: usize = 64;

/// Answers as they came.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// The last is the one that is written to.
    segments: VecDeque<Segment>,
    /// The number of the first segment.
    first: u64,
    /// Places of segments before the first are of nothing that is there, and go when a table is full.
    tables: Vec<HashTable<Place>>,
    /// Bytes of the whole store.
    max_bytes: u64,
    held: u64,
    bytes: u64,
    count: u64,
}

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    segment: u64,
    offset: u32,
    /// Of its fingerprint, so that a table can grow without looking at the records.
    tag: u32,
}

#[derive(Debug)]
struct Segment {
    /// `None` when nothing in it is there any more.
    room: Option<Box<[u8]>>,
    /// How far it is written.
    end: usize,
    /// Records that are there.
    count: u64,
    /// Bytes of those.
    bytes: u64,
    /// No record that is there expires before (Unix milliseconds).
    soonest_ms: i64,
}

/// What an answer needs that does not fit: a segment of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full(pub(super) u64);

impl Arrivals {
    /// Of a store of that many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        Arrivals {
            segments: VecDeque::new(),
            first: 0,
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
            max_bytes,
            held: 0,
            bytes: 0,
            count: 0,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Bytes of what is there.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the store's room that are taken: also by what has gone from a segment, and for what is to
    /// come.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Bytes that are theirs, however many other entries there are.
    pub(super) fn share(&self) -> u64 {
        self.max_bytes / SHARE
    }

    /// Adds one, in the place of one of the same fingerprint.
    ///
    /// # Errors
    /// It does not fit in the last segment.
    pub(super) fn put(&mut self, arrival: &Arrival) -> Result<(), Full> {
        let most = record::most_bytes(arrival);
        let written = self.segments.back_mut().and_then(|last| last.write(arrival, most));
        let Some((offset, length)) = written else {
            // A few of them have room in the share.
            return Err(Full((self.share() / 4).clamp(LEAST, SEGMENT).max(most as u64)));
        };
        let segment = self.first + self.segments.len() as u64 - 1;
        let place = Place { segment, offset, tag: tag(&arrival.fingerprint) };
        self.bytes += length as u64;
        self.count += 1;
        let (segments, first) = (&self.segments, self.first);
        let same = |other: &Place| {
            other.tag == place.tag
                && record_at(segments, first, other)
                    .is_some_and(|record| record.fingerprint() == arrival.fingerprint)
        };
        let table = &mut self.tables[table_of(&arrival.fingerprint)];
        if table.len() == table.capacity() {
            table.retain(|place| place.segment >= first);
            // Or it would be full again after a few.
            let more = table.len() / 4 + 1;
            if table.capacity() - table.len() < more {
                table.reserve(more, |place| hash(place.tag));
            }
        }
        let replaced = match table.entry(hash(place.tag), same, |place| hash(place.tag)) {
            Slot::Vacant(slot) => {
                slot.insert(place);
                None
            }
            Slot::Occupied(mut slot) => Some(std::mem::replace(slot.get_mut(), place)),
        };
        if let Some(replaced) = replaced {
            self.count_out(&replaced);
            self.free_if_empty(replaced.segment);
        }
        Ok(())
    }

    /// Adds a segment of so many bytes.
    pub(super) fn grow(&mut self, bytes: u64) {
        self.held += cost(bytes);
        self.push(vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)].into());
    }

    /// Drops the oldest segment with what is in it. One of `wanted` bytes is the next that is written to,
    /// which saves the system from emptying and filling pages.
    pub(super) fn drop_oldest(&mut self, wanted: u64) -> Dropped {
        let Some(oldest) = self.segments.pop_front() else { return Dropped::Nothing };
        self.first += 1;
        self.count -= oldest.count;
        self.bytes -= oldest.bytes;
        self.trim();
        if self.count == 0 {
            self.tables.fill_with(HashTable::new);
        }
        match oldest.room {
            Some(room) if room.len() as u64 == wanted => {
                self.push(room);
                return Dropped::AndAdded;
            }
            Some(room) => self.held -= cost(room.len() as u64),
            None => {}
        }
        Dropped::Segment
    }

    fn push(&mut self, room: Box<[u8]>) {
        // What is left of the last one stays empty.
        let last = self.first + self.segments.len() as u64;
        self.segments.push_back(Segment {
            room: Some(room),
            end: 0,
            count: 0,
            bytes: 0,
            soonest_ms: i64::MAX,
        });
        if last > self.first {
            self.free_if_empty(last - 1);
        }
    }

    /// The entry of this fingerprint, expired or not.
    pub(super) fn get(&self, fingerprint: &Fingerprint) -> Option<Entry> {
        self.get_if(fingerprint, |_| true)
    }

    /// The same if it is wanted, by when it expires (Unix milliseconds).
    pub(super) fn get_if(
        &self,
        fingerprint: &Fingerprint,
        wanted: impl FnOnce(i64) -> bool,
    ) -> Option<Entry> {
        let (_, record) =
            self.find(fingerprint).filter(|(_, record)| wanted(record.expires_ms()))?;
        Some(record.arrival()?.to_entry())
    }

    /// Whether this one is there.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        let there = self.find(&entry.fingerprint).and_then(|(_, record)| record.arrival());
        there.is_some_and(|arrival| arrival.is(entry))
    }

    /// Removes the one of this fingerprint; whether there was one.
    pub(super) fn remove(&mut self, fingerprint: &Fingerprint) -> bool {
        let found = self.find(fingerprint).map(|(place, _)| place);
        found.is_some_and(|place| self.remove_at(&place))
    }

    /// The numbers of the segments, for walks through them.
    pub(super) fn segments(&self) -> Range<u64> {
        self.first..self.first + self.segments.len() as u64
    }

    /// The entries of a segment.
    pub(super) fn entries(&self, segment: u64) -> Vec<Entry> {
        let entry = |(_, record): (Place, Record)| Some(record.arrival()?.to_entry());
        self.records(segment).filter_map(entry).collect()
    }

    /// Removes what is wanted of a segment, and says how many.
    pub(super) fn remove_where(&mut self, segment: u64, wanted: impl Fn(&Arrival) -> bool) -> u64 {
        self.remove_in(segment, |record| record.arrival().is_none_or(|arrival| wanted(&arrival)))
    }

    /// Removes what has expired by `now_ms` (Unix milliseconds) of a segment, and says how many.
    pub(super) fn remove_expired(&mut self, segment: u64, now_ms: i64) -> u64 {
        let there = index(segment, self.first).and_then(|at| self.segments.get(at));
        if there.is_none_or(|segment| segment.soonest_ms > now_ms) {
            return 0;
        }
        let removed = self.remove_in(segment, |record| record.expires_ms() <= now_ms);
        let soonest = self.records(segment).map(|(_, record)| record.expires_ms()).min();
        // It may have gone.
        if let Some(segment) = index(segment, self.first).and_then(|at| self.segments.get_mut(at)) {
            segment.soonest_ms = soonest.unwrap_or(i64::MAX);
        }
        removed
    }

    fn remove_in(&mut self, segment: u64, wanted: impl Fn(&Record) -> bool) -> u64 {
        let records = self.records(segment).filter(|(_, record)| wanted(record));
        let places: Vec<Place> = records.map(|(place, _)| place).collect();
        places.iter().filter(|place| self.remove_at(place)).count() as u64
    }

    /// The records of a segment that are there.
    fn records(&self, segment: u64) -> impl Iterator<Item = (Place, Record<'_>)> {
        let mut offset = 0;
        let all = std::iter::from_fn(move || {
            let mut place = Place { segment, offset, tag: 0 };
            let record = record_at(&self.segments, self.first, &place)?;
            place.tag = tag(&record.fingerprint());
            offset += u32::try_from(record.length()).ok()?;
            Some((place, record))
        });
        all.filter(|(place, record)| {
            let table = &self.tables[table_of(&record.fingerprint())];
            table.find(hash(place.tag), |other| other == place).is_some()
        })
    }

    fn find(&self, fingerprint: &Fingerprint) -> Option<(Place, Record<'_>)> {
        let tag = tag(fingerprint);
        let mut found = None;
        self.tables[table_of(fingerprint)].find(hash(tag), |place| {
            if place.tag == tag {
                found = record_at(&self.segments, self.first, place)
                    .filter(|record| record.fingerprint() == *fingerprint)
                    .map(|record| (*place, record));
            }
            found.is_some()
        });
        found
    }

    fn remove_at(&mut self, place: &Place) -> bool {
        let removed = self.unlist(place);
        if removed {
            self.free_if_empty(place.segment);
        }
        removed
    }

    /// Takes a record out of its table and the counts.
    fn unlist(&mut self, place: &Place) -> bool {
        let Some(record) = record_at(&self.segments, self.first, place) else { return false };
        let table = &mut self.tables[table_of(&record.fingerprint())];
        let Ok(slot) = table.find_entry(hash(place.tag), |other| other == place) else {
            return false;
        };
        slot.remove();
        if table.capacity() > 64 && table.len() < table.capacity() / 4 {
            table.shrink_to_fit(|place| hash(place.tag));
        }
        self.count_out(place);
        true
    }

    fn count_out(&mut self, place: &Place) {
        let record = record_at(&self.segments, self.first, place);
        let bytes = record.map_or(0, |record| record.length() as u64);
        self.bytes -= bytes;
        self.count -= 1;
        let at = index(place.segment, self.first);
        if let Some(segment) = at.and_then(|at| self.segments.get_mut(at)) {
            segment.count -= 1;
            segment.bytes -= bytes;
        }
    }

    /// Gives back the room of a segment in which nothing is there any more.
    fn free_if_empty(&mut self, number: u64) {
        let is_last = number + 1 == self.first + self.segments.len() as u64;
        let segment = index(number, self.first).and_then(|at| self.segments.get_mut(at));
        let Some(segment) = segment.filter(|segment| segment.count == 0) else { return };
        if is_last {
            // It is written to again, from its beginning.
            segment.end = 0;
            segment.soonest_ms = i64::MAX;
            return;
        }
        self.held -= segment.room.take().map_or(0, |room| cost(room.len() as u64));
        self.trim();
    }

    fn trim(&mut self) {
        while self.segments.front().is_some_and(|segment| segment.room.is_none()) {
            self.segments.pop_front();
            self.first += 1;
        }
    }
}

/// Bytes that a segment takes with its part of the tables; estimated.
pub(super) fn cost(bytes: u64) -> u64 {
    bytes + bytes / 16
}

/// What was dropped to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// There is nothing.
    Nothing,
    /// The oldest segment.
    Segment,
    /// The oldest segment, which is the newest one now.
    AndAdded,
}

impl Segment {
    /// Writes an answer behind the last one. Its offset, and how many bytes it took.
    fn write(&mut self, arrival: &Arrival, most: usize) -> Option<(u32, usize)> {
        let room = self.room.as_mut()?.get_mut(self.end..)?;
        if room.len() < most {
            return None;
        }
        let offset = u32::try_from(self.end).ok()?;
        let length = record::write(arrival, room)?;
        self.end += length;
        self.count += 1;
        self.bytes += length as u64;
        self.soonest_ms = self.soonest_ms.min(arrival.expires_ms);
        self.fetch(length);
        Some((offset, length))
    }

    /// Has the processor fetch what the next answer will be written to, if that takes as many bytes as this one. It
    /// is in none of its caches, and unlocking the arrivals waits until all is written.
    #[cfg(target_arch = "x86_64")]
    fn fetch(&self, bytes: usize) {
        let next = self.room.as_deref().and_then(|room| room.get(self.end..));
        let next = next.unwrap_or_default().iter().take(bytes.min(AHEAD));
        next.step_by(LINE).for_each(safe_arch::prefetch_t1);
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fetch(&self, _bytes: usize) {}
}

/// Bytes that a processor fetches from memory together.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
/// Bytes that are fetched ahead at most.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 4 << 10;

fn record_at<'a>(segments: &'a VecDeque<Segment>, first: u64, place: &Place) -> Option<Record<'a>> {
    let segment = segments.get(index(place.segment, first)?)?;
    Record::first(segment.room.as_ref()?.get(place.offset as usize..segment.end)?)
}

fn index(segment: u64, first: u64) -> Option<usize> {
    usize::try_from(segment.checked_sub(first)?).ok()
}

/// Fingerprints are hashes already: any part of one is as good as another.
fn tag(fingerprint: &Fingerprint) -> u32 {
    let [a, b, c, d, ..] = fingerprint.0;
    u32::from_le_bytes([a, b, c, d])
}

fn table_of(fingerprint: &Fingerprint) -> usize {
    usize::from(fingerprint.0[4]) % TABLES
}

/// The table wants its bits at both ends.
fn hash(tag: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(tag)
}
