//! Answers as they came, one behind the other, until somebody asks for them again.
//!
//! Most never are asked for, and what keeping one costs is mostly memory that the processor does not have
//! at hand. So an answer is copied once, behind the one before, into a large segment that is written in
//! order, whose next part the processor fetches ahead, and its place is one slot of a table (see
//! `places.rs`). When room is needed the oldest segment goes as a whole.
//! What is asked for again moves to the entries that stay as long as they are used.
//!
//! A segment is held until nothing in it is there any more: one answer with a long life keeps the room of those
//! around it that have expired, until the oldest segment goes. One that does not fit into the rest of a segment
//! leaves that rest empty. In a segment that was made for a very large one and has room left for others, those take
//! no more than the first 256 KiB: places tell no more.

mod places;
mod record;

#[cfg(test)]
mod tests;

use crate::cache::{Arrival, Entry, Fingerprint};
use places::{MOST_SEGMENTS, Place, Places, REACH, STEP};
use record::Record;
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes of a segment in a store that has room for many.
const SEGMENT: u64 = 256 << 10;
/// Bytes of a segment at least.
const LEAST: u64 = 4 << 10;
/// The part of the store's room that is theirs, however many other entries there are: an eighth.
const SHARE: u64 = 8;

/// Answers as they came.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// The last is the one that is written to.
    segments: VecDeque<Segment>,
    /// The number of the first segment.
    first: u64,
    /// Those of segments before the first are of nothing that is there.
    places: Places,
    /// Bytes of the whole store.
    max_bytes: u64,
    held: u64,
    bytes: u64,
    count: u64,
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
            places: Places::new(),
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

    /// Adds one, in the place of one of the same fingerprint, and seldom of [another](places).
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
        let segments = self.segments();
        let place = Place::new(segments.end - 1, offset);
        self.bytes += length as u64;
        self.count += 1;
        let same = |other: Place| {
            record_at(&self.segments, self.first, other)
                .is_some_and(|record| record.fingerprint() == arrival.fingerprint)
        };
        let replaced = self.places.put(&arrival.fingerprint, place, same, &segments);
        if let Some(replaced) = replaced {
            self.count_out(replaced);
            self.free_if_empty(replaced.after(self.first));
        }
        Ok(())
    }

    /// Adds a segment of so many bytes.
    pub(super) fn grow(&mut self, bytes: u64) {
        if self.segments.len() as u64 == MOST_SEGMENTS {
            self.drop_oldest(0);
        }
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
            self.places.clear();
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
        let last = self.segments().end;
        if last.is_multiple_of(MOST_SEGMENTS) {
            self.places.forget(&self.segments());
        }
        self.shrink_places(last);
        // What is left of the one before stays empty.
        self.segments.push_back(Segment {
            room: Some(room),
            end: 0,
            count: 0,
            bytes: 0,
            soonest_ms: i64::MAX,
        });
        if let Some(before) = self.segments.len().checked_sub(2) {
            self.free_if_empty(before);
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
        found.is_some_and(|place| self.remove_at(place))
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
        let removed = places.into_iter().filter(|place| self.remove_at(*place)).count() as u64;
        if removed > 0 {
            self.shrink_places(segment);
        }
        removed
    }

    /// One of the tables of places, another for every segment.
    fn shrink_places(&mut self, segment: u64) {
        self.places.shrink(segment, self.count, &self.segments());
    }

    /// The records of a segment that are there.
    fn records(&self, segment: u64) -> impl Iterator<Item = (Place, Record<'_>)> {
        let mut offset = 0_usize;
        let all = std::iter::from_fn(move || {
            let place = (offset < REACH).then(|| Place::new(segment, offset))?;
            let record = record_at(&self.segments, self.first, place)?;
            offset += record.length().next_multiple_of(STEP);
            Some((place, record))
        });
        all.filter(|(place, record)| {
            self.places.of(&record.fingerprint()).any(|other| other == *place)
        })
    }

    fn find(&self, fingerprint: &Fingerprint) -> Option<(Place, Record<'_>)> {
        self.places.of(fingerprint).find_map(|place| {
            let record = record_at(&self.segments, self.first, place)?;
            (record.fingerprint() == *fingerprint).then_some((place, record))
        })
    }

    fn remove_at(&mut self, place: Place) -> bool {
        let removed = self.unlist(place);
        if removed {
            self.free_if_empty(place.after(self.first));
            if self.count == 0 {
                self.places.clear();
            }
        }
        removed
    }

    /// Takes a record out of its table and the counts.
    fn unlist(&mut self, place: Place) -> bool {
        let Some(record) = record_at(&self.segments, self.first, place) else { return false };
        if !self.places.remove(&record.fingerprint(), place) {
            return false;
        }
        self.count_out(place);
        true
    }

    fn count_out(&mut self, place: Place) {
        let record = record_at(&self.segments, self.first, place);
        let bytes = record.map_or(0, |record| record.length() as u64);
        self.bytes -= bytes;
        self.count -= 1;
        if let Some(segment) = self.segments.get_mut(place.after(self.first)) {
            segment.count -= 1;
            segment.bytes -= bytes;
        }
    }

    /// Gives back the room of a segment in which nothing is there any more.
    fn free_if_empty(&mut self, at: usize) {
        let is_last = at + 1 == self.segments.len();
        let segment = self.segments.get_mut(at).filter(|segment| segment.count == 0);
        let Some(segment) = segment else { return };
        let length = segment.room.as_ref().map_or(0, |room| room.len() as u64);
        // A larger one has room that no place can tell.
        if is_last && length <= SEGMENT {
            // It is written to again, from its beginning.
            segment.end = 0;
            segment.soonest_ms = i64::MAX;
            return;
        }
        if segment.room.take().is_some() {
            self.held -= cost(length);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.segments.front().is_some_and(|segment| segment.room.is_none()) {
            self.segments.pop_front();
            self.first += 1;
        }
    }
}

/// Bytes that a segment takes with its part of the tables; estimated, for answers of some 700 bytes and more.
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
    fn write(&mut self, arrival: &Arrival, most: usize) -> Option<(usize, usize)> {
        let room = self.room.as_mut()?.get_mut(self.end..)?;
        if room.len() < most || self.end >= REACH {
            return None;
        }
        let offset = self.end;
        let length = record::write(arrival, room)?;
        self.end = (offset + length).next_multiple_of(STEP).min(self.room.as_ref()?.len());
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

fn record_at<'a>(segments: &'a VecDeque<Segment>, first: u64, place: Place) -> Option<Record<'a>> {
    let segment = segments.get(place.after(first))?;
    Record::first(segment.room.as_ref()?.get(place.offset as usize..segment.end)?)
}

fn index(segment: u64, first: u64) -> Option<usize> {
    usize::try_from(segment.checked_sub(first)?).ok()
}
