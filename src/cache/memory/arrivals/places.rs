//! Where the arrivals are, by their fingerprints.
//!
//! Most of a large table is in memory that the processor does not have at hand. Here all that a fingerprint may have
//! stands in one of the lines that it fetches as a whole: looking for an answer in vain and adding it later waits for
//! one of them. A line that is full of what is there loses its oldest place, which happens to about one answer in a
//! thousand at most, and mostly to far fewer.

use crate::cache::Fingerprint;
use std::ops::Range;

/// A table grows by moving all that is in it while everybody waits: of many it is a small part, some 50 µs where there
/// are 30,000 answers.
const TABLES: usize = 64;
/// In 64 bytes.
const PLACES_PER_LINE: usize = 8;
/// Places per line from which a table grows when a line is full. So each takes 32 to 73 bytes of one that has grown.
const CROWDED: usize = 2;
/// Slots for each answer above which the tables are too large.
const SPARSE: u64 = 2 * PLACES_PER_LINE as u64;
/// Bytes between two offsets.
pub(super) const STEP: usize = 16;
/// Bits of an offset in a packed place, in steps and one more, so that none is 0.
const OFFSET_BITS: u32 = 14;
/// Offsets are below that many bytes.
pub(super) const REACH: usize = ((1 << OFFSET_BITS) - 1) * STEP;
/// Bits of a segment's number.
const SEGMENT_BITS: u32 = 24;
/// Segments that there may be from the first to the last, and after which [`Places::forget`] is due. So no place of
/// one that is gone can be taken for one of another whose number ends alike: those that are remembered then are at most
/// so many behind the end, and twice as many when it is due again.
pub(super) const MOST_SEGMENTS: u64 = 1 << (SEGMENT_BITS - 2);
const _: () = assert!(3 * MOST_SEGMENTS < 1 << SEGMENT_BITS);

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The lower bits of its segment's number.
    segment: u32,
    /// In its segment (bytes), a multiple of [`STEP`].
    pub(super) offset: u32,
}

impl Place {
    /// In the segment of this number.
    pub(super) fn new(segment: u64, offset: usize) -> Self {
        debug_assert!(offset < REACH && offset.is_multiple_of(STEP));
        Place { segment: lower(segment), offset: offset as u32 }
    }

    /// Index of its segment when the first has this number; behind the last one's if its segment is gone.
    pub(super) fn after(self, first: u64) -> usize {
        lower(u64::from(self.segment).wrapping_sub(first)) as usize
    }

    fn pack(self, tag: u32) -> u64 {
        let offset = u64::from(self.offset) / STEP as u64 + 1;
        (u64::from(tag) << SEGMENT_BITS | u64::from(self.segment)) << OFFSET_BITS | offset
    }

    /// Whether its segment is one of these.
    fn is_in(self, segments: &Range<u64>) -> bool {
        (self.after(segments.start) as u64) < segments.end - segments.start
    }
}

fn unpacked(packed: u64) -> Option<Place> {
    let steps = (packed & ((1 << OFFSET_BITS) - 1)).checked_sub(1)?;
    Some(Place { segment: lower(packed >> OFFSET_BITS), offset: steps as u32 * STEP as u32 })
}

fn lower(segment: u64) -> u32 {
    (segment & ((1 << SEGMENT_BITS) - 1)) as u32
}

/// Fingerprints are hashes already: any part of one is as good as another.
fn tag(fingerprint: &Fingerprint) -> u32 {
    let [a, b, c, d, ..] = fingerprint.0;
    u32::from_le_bytes([a, b, c, d]) >> (SEGMENT_BITS + OFFSET_BITS - u32::BITS)
}

fn tag_of(packed: u64) -> u32 {
    (packed >> (SEGMENT_BITS + OFFSET_BITS)) as u32
}

fn table_of(fingerprint: &Fingerprint) -> usize {
    usize::from(fingerprint.0[4]) % TABLES
}

/// The places of all answers.
#[derive(Debug)]
pub(super) struct Places([Table; TABLES]);

impl Places {
    /// Without any.
    pub(super) fn new() -> Self {
        Places(std::array::from_fn(|_| Table::default()))
    }

    /// The places of this fingerprint, and of others that have the same tag.
    pub(super) fn of(&self, fingerprint: &Fingerprint) -> impl Iterator<Item = Place> + use<'_> {
        let tag = tag(fingerprint);
        let line = self.0[table_of(fingerprint)].line(tag);
        let packed = line.into_iter().flat_map(|line| &line.0);
        packed.filter(move |packed| tag_of(**packed) == tag).filter_map(|packed| unpacked(*packed))
    }

    /// Adds a place to those in `segments`. Returns the one that went for it: that which `is` of the same fingerprint,
    /// or one for which there is no room.
    pub(super) fn put(
        &mut self,
        fingerprint: &Fingerprint,
        place: Place,
        is: impl Fn(Place) -> bool,
        segments: &Range<u64>,
    ) -> Option<Place> {
        let tag = tag(fingerprint);
        let packed = place.pack(tag);
        let table = &mut self.0[table_of(fingerprint)];
        loop {
            if let Some(slot) = table.slot(tag, &is, segments) {
                let before = std::mem::replace(slot, packed);
                table.used += usize::from(before == 0);
                return unpacked(before).filter(|place| place.is_in(segments));
            }
            if table.is_crowded(segments) {
                table.resize((table.lines.len() * 2).max(1));
            } else if let Some(oldest) = table.oldest(tag, segments.start) {
                return unpacked(std::mem::replace(oldest, packed));
            }
        }
    }

    /// Removes a place; whether it was there.
    pub(super) fn remove(&mut self, fingerprint: &Fingerprint, place: Place) -> bool {
        let tag = tag(fingerprint);
        let packed = place.pack(tag);
        let table = &mut self.0[table_of(fingerprint)];
        let mut line = table.line_mut(tag).into_iter().flat_map(|line| &mut line.0);
        let Some(slot) = line.find(|it| **it == packed) else { return false };
        *slot = 0;
        table.used -= 1;
        true
    }

    /// Forgets the places that are not in `segments`.
    pub(super) fn forget(&mut self, segments: &Range<u64>) {
        self.0.iter_mut().for_each(|table| table.forget(segments));
    }

    /// Makes one of the tables smaller, if they are too large for so many answers; another one for the next `number`.
    pub(super) fn shrink(&mut self, number: u64, answers: u64, segments: &Range<u64>) {
        if self.slots() > answers * SPARSE {
            self.0[(number % TABLES as u64) as usize].shrink(segments);
        }
    }

    /// For how many there is room.
    pub(super) fn slots(&self) -> u64 {
        self.0.iter().map(|table| (table.lines.len() * PLACES_PER_LINE) as u64).sum()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Places::new();
    }

    /// How many there are, also of what is gone.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.0.iter().map(|table| table.used).sum()
    }
}

/// Places in lines of which the processor fetches one as a whole.
#[derive(Debug, Default)]
struct Table {
    /// None, or a power of two.
    lines: Vec<Line>,
    /// Slots that are not empty; what is there of it may be gone.
    used: usize,
}

/// Packed places: tag, segment, offset. 0 is none.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; PLACES_PER_LINE]);

impl Table {
    fn line(&self, tag: u32) -> Option<&Line> {
        self.lines.get(tag as usize & self.lines.len().wrapping_sub(1))
    }

    fn line_mut(&mut self, tag: u32) -> Option<&mut Line> {
        let at = tag as usize & self.lines.len().wrapping_sub(1);
        self.lines.get_mut(at)
    }

    /// Where a place with this tag belongs: where that is which `is` the same, where none is, or where one is of what
    /// is gone.
    fn slot(
        &mut self,
        tag: u32,
        is: impl Fn(Place) -> bool,
        segments: &Range<u64>,
    ) -> Option<&mut u64> {
        let line = &mut self.line_mut(tag)?.0;
        let at = |wanted: &dyn Fn(u64) -> bool| line.iter().position(|packed| wanted(*packed));
        let is_gone = |place: Place| !place.is_in(segments);
        let at = at(&|packed| tag_of(packed) == tag && unpacked(packed).is_some_and(&is))
            .or_else(|| at(&|packed| packed == 0))
            .or_else(|| at(&|packed| unpacked(packed).is_some_and(is_gone)))?;
        line.get_mut(at)
    }

    /// The oldest of this tag's line.
    fn oldest(&mut self, tag: u32, first: u64) -> Option<&mut u64> {
        let age = |packed: u64| unpacked(packed).map(|place| (place.after(first), place.offset));
        self.line_mut(tag)?.0.iter_mut().min_by_key(|packed| age(**packed))
    }

    /// Whether more lines are needed. Forgets what is gone, but not before that can be a quarter of a place per line:
    /// or a table that is nearly crowded would be walked through again and again.
    fn is_crowded(&mut self, segments: &Range<u64>) -> bool {
        let crowd = self.lines.len() * CROWDED;
        if self.used < crowd {
            return false;
        }
        self.forget(segments);
        self.used >= crowd - self.lines.len() / 4
    }

    fn shrink(&mut self, segments: &Range<u64>) {
        self.forget(segments);
        while self.used < self.lines.len() / 2 && self.resize(self.lines.len() / 2) {}
    }

    fn forget(&mut self, segments: &Range<u64>) {
        for packed in self.lines.iter_mut().flat_map(|line| &mut line.0) {
            if unpacked(*packed).is_some_and(|place| !place.is_in(segments)) {
                *packed = 0;
                self.used -= 1;
            }
        }
    }

    /// Moves all places to so many lines, if they fit, and says whether they do: in twice as many all of them.
    fn resize(&mut self, lines: usize) -> bool {
        let mut resized = Table { lines: vec![Line::default(); lines], used: self.used };
        for packed in self.lines.iter().flat_map(|line| line.0).filter(|packed| *packed != 0) {
            let mut line =
                resized.line_mut(tag_of(packed)).into_iter().flat_map(|line| &mut line.0);
            let Some(slot) = line.find(|it| **it == 0) else { return false };
            *slot = packed;
        }
        *self = resized;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::memory::tests::Dice;
    use proptest::prelude::*;

    /// Of this table and tag.
    fn fingerprint(table: u8, tag: u32) -> Fingerprint {
        let [a, b, c, d] = (tag << (SEGMENT_BITS + OFFSET_BITS - u32::BITS)).to_le_bytes();
        let mut bytes = [0; 16];
        bytes[..5].copy_from_slice(&[a, b, c, d, table]);
        Fingerprint(bytes)
    }

    proptest! {
        #[test]
        fn a_place_is_what_was_packed(tag in 0..1_u32 << 26, segment: u64, steps in 0..REACH / STEP) {
            let place = Place::new(segment, steps * STEP);
            let packed = place.pack(tag);
            prop_assert_eq!((tag_of(packed), unpacked(packed)), (tag, Some(place)));
            prop_assert_eq!(super::tag(&fingerprint(3, tag)), tag);
            prop_assert_eq!(table_of(&fingerprint(67, tag)), 3);
            prop_assert_eq!(place.after(segment), 0);
            let segment = segment / 2;
            let place = Place::new(segment, 0);
            prop_assert!(place.is_in(&(segment..segment + 1)) && !place.is_in(&(segment + 1..segment + 9)));
            prop_assert!(!place.is_in(&(segment..segment)) && !place.is_in(&(segment.saturating_sub(1)..segment)));
        }

        /// Against a list, as long as no line is full.
        #[test]
        fn places_are_there_until_they_are_replaced_removed_or_gone(
            steps in prop::collection::vec((0..4_u8, 0..40_u32, 0..6_u64, 0..3_usize), 1..200),
            start in prop_oneof![Just(0), Just((1_u64 << SEGMENT_BITS) - 9)],
        ) {
            let mut places = Places::new();
            let mut segments = start..start + 6;
            let mut model: Vec<(u32, Place)> = Vec::new();
            for (step, tag, segment, offset) in steps {
                let of_tag = fingerprint(7, tag);
                let place = Place::new(segments.start + segment, offset * STEP);
                let known = model.iter().position(|(other, _)| *other == tag);
                match step {
                    0 | 1 if model.iter().all(|(other, it)| *other == tag || *it != place) => {
                        let known = known.map(|at| model.remove(at).1);
                        let is = |it| Some(it) == known;
                        prop_assert_eq!(places.put(&of_tag, place, is, &segments), known);
                        model.push((tag, place));
                    }
                    2 => {
                        let known = known.map(|at| model.remove(at).1);
                        prop_assert_eq!(places.remove(&of_tag, known.unwrap_or(place)), known.is_some());
                    }
                    3 => {
                        segments = segments.start + 1..segments.end + 1;
                        model.retain(|(_, place)| place.is_in(&segments));
                        if tag == 0 {
                            places.forget(&segments);
                            prop_assert_eq!(places.used(), model.len());
                        }
                    }
                    _ => {}
                }
                for tag in 0..40 {
                    let there: Vec<Place> =
                        places.of(&fingerprint(7, tag)).filter(|it| it.is_in(&segments)).collect();
                    let expected = model.iter().filter(|(other, _)| *other == tag);
                    prop_assert!(expected.map(|(_, place)| *place).eq(there), "{}", tag);
                }
                prop_assert_eq!(places.of(&fingerprint(8, tag)).count(), 0);
            }
        }
    }

    #[test]
    fn a_table_grows_while_it_is_crowded_and_shrinks_with_what_is_in_it() {
        let (mut places, segments) = (Places::new(), 0..1);
        let place = |number: u32| Place::new(0, number as usize * STEP);
        let spread = |number: u32| fingerprint(1, number.wrapping_mul(0x9e37_79b9) >> 6);
        let numbers = 0..4_000;
        let lost = numbers
            .clone()
            .filter_map(|number| places.put(&spread(number), place(number), |_| false, &segments));
        let lost: Vec<Place> = lost.collect();
        assert!(lost.len() < 8, "{}", lost.len());
        let there =
            |places: &Places, number: u32| places.of(&spread(number)).any(|it| it == place(number));
        assert!(
            numbers.clone().all(|number| there(&places, number) != lost.contains(&place(number)))
        );
        assert_eq!(places.used(), 4_000 - lost.len());
        assert!((4_000 * 2..=4_000 * 8).contains(&places.slots()), "{}", places.slots());
        for number in numbers {
            assert!(places.remove(&spread(number), place(number)) || lost.contains(&place(number)));
            assert!(!there(&places, number));
            places.shrink(number.into(), places.used() as u64, &segments);
        }
        assert_eq!(places.used(), 0);
        (0..9 * TABLES as u64).for_each(|number| places.shrink(number, 0, &segments));
        assert_eq!(places.slots(), PLACES_PER_LINE as u64);
    }

    #[test]
    fn few_are_lost_and_the_tables_stay_small_while_the_oldest_go() {
        let mut dice = Dice::new(7);
        let mut any = || {
            let [a, b, c, d, e, ..] = dice.roll().to_le_bytes();
            fingerprint(e, u32::from_le_bytes([a, b, c, d]) >> 6)
        };
        const SEGMENT: u64 = 200;
        // From tables that have just grown to such as will soon.
        for alive in [50_u64, 60, 70, 80, 90, 100] {
            let mut places = Places::new();
            let mut lost = 0;
            for segment in 0..5 * alive {
                let segments = (segment + 1).saturating_sub(alive)..segment + 1;
                for step in 0..SEGMENT as usize {
                    let place = Place::new(segment, step * STEP);
                    lost += u64::from(places.put(&any(), place, |_| false, &segments).is_some());
                }
            }
            let put = 5 * alive * SEGMENT;
            assert!(lost * 1000 <= put, "{alive}: {lost} of {put}");
            let per_answer = places.slots() * 8 / (alive * SEGMENT);
            assert!((20..80).contains(&per_answer), "{alive}: {per_answer}");
        }
    }

    #[test]
    fn a_full_line_loses_its_oldest() {
        let (mut places, segments) = (Places::new(), 5..9);
        let mut put = |tag, place| places.put(&fingerprint(0, tag), place, |_| false, &segments);
        let place = |segment, steps: usize| Place::new(segment, steps * STEP);
        // Other tags of the same line, however many lines there are.
        let tag = |number: u32| number << 20;
        for number in 0..8 {
            let segment = if number == 3 { 6 } else { 7 };
            assert_eq!(put(tag(number), place(segment, number as usize)), None);
        }
        assert_eq!(put(tag(8), place(8, 0)), Some(place(6, 3)));
        assert_eq!(put(tag(9), place(8, 1)), Some(place(7, 0)));
        // Those of what is gone make room first, and nobody misses them.
        let later = 8..10;
        assert_eq!(places.put(&fingerprint(0, tag(10)), place(9, 0), |_| false, &later), None);
        assert_eq!(places.of(&fingerprint(0, tag(8))).collect::<Vec<_>>(), [place(8, 0)]);
        assert_eq!((places.used(), places.slots()), (8, PLACES_PER_LINE as u64 * 8));
    }

    #[test]
    fn what_is_gone_makes_no_crowd() {
        let mut places = Places::new();
        for number in 0..40 {
            places.put(&fingerprint(0, number), Place::new(0, 0), |_| false, &(0..1));
        }
        let room = places.slots();
        let lost = (0..9).filter_map(|number| {
            let place = Place::new(1, number as usize * STEP);
            places.put(&fingerprint(0, number << 20), place, |_| false, &(1..2))
        });
        assert_eq!(lost.collect::<Vec<_>>(), [Place::new(1, 0)]);
        assert_eq!((places.used(), places.slots()), (8, room));
    }

    #[test]
    fn a_table_that_is_nearly_crowded_is_not_walked_through_again_and_again() {
        let (mut places, segments) = (Places::new(), 0..1);
        let place = |number: u32| Place::new(0, number as usize * STEP);
        // Fifteen in eight lines, and eight of them in the first.
        let tags = (0..8).map(|number| number << 20).chain(1..9).filter(|tag| *tag != 8);
        for (number, tag) in (0..).zip(tags) {
            assert_eq!(places.put(&fingerprint(0, tag), place(number), |_| false, &segments), None);
        }
        places.0[0].resize(8);
        // Not of the line, so that it can be told whether it was looked at.
        let gone = Place::new(1, 0);
        places.0[0].lines[7].0[7] = gone.pack(7);
        let lost = places.put(&fingerprint(0, 8 << 20), place(20), |_| false, &segments);
        assert_eq!((lost, places.slots()), (Some(place(0)), 8 * PLACES_PER_LINE as u64));
        assert_eq!(unpacked(places.0[0].lines[7].0[7]), Some(gone));
    }

    #[test]
    fn a_table_does_not_shrink_until_what_is_left_fits() {
        let (mut places, segments) = (Places::new(), 0..1);
        let place = |number: u32| Place::new(0, number as usize * STEP);
        let mut put =
            |tag| places.put(&fingerprint(0, tag), place(tag >> 14), |_| false, &segments);
        // Two lines of 32 that would be one of 16.
        let stay = (0..12).map(|number| number << 20 | if number < 6 { 0 } else { 16 });
        let go = (1..800).filter(|tag| tag % 16 != 0);
        for tag in go.clone().chain(stay.clone()) {
            assert_eq!(put(tag), None);
        }
        for tag in go {
            places.remove(&fingerprint(0, tag), place(tag >> 14));
        }
        let slots = places.slots();
        (0..9 * TABLES as u64).for_each(|number| places.shrink(number, 0, &segments));
        assert!(places.slots() < slots);
        assert_eq!((places.used(), places.slots()), (12, 32 * PLACES_PER_LINE as u64));
        assert!(stay.clone().all(|tag| places.of(&fingerprint(0, tag)).count() == 1));
    }
}
