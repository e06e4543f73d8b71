//! Tests of the arrivals by themselves; `memory/tests.rs` compares them with a model.

use super::super::tests::{ANSWER, fingerprint, unread};
use super::*;

/// Bytes of a segment here.
const SMALL: u64 = 4096;

fn filled(numbers: Range<u64>) -> Arrivals {
    let mut arrivals = Arrivals::new(1 << 16);
    for number in numbers {
        put(&mut arrivals, &unread(number, ANSWER));
    }
    arrivals
}

fn put(arrivals: &mut Arrivals, arrival: &Arrival) {
    if let Err(Full(bytes)) = arrivals.put(arrival) {
        arrivals.grow(bytes);
        arrivals.put(arrival).unwrap();
    }
}

#[test]
fn what_arrived_is_found_as_it_came() {
    let mut arrivals = filled(0..500);
    assert!(arrivals.segments.len() > 10);
    for number in 0..500 {
        let entry = arrivals.get(&fingerprint(number)).unwrap();
        assert_eq!(entry, unread(number, ANSWER).to_entry());
        assert!(arrivals.holds(&entry));
        assert!(!arrivals.holds(&Entry { created_ms: 6, ..entry }));
    }
    assert_eq!(arrivals.get(&fingerprint(500)), None);
    let all: Vec<Entry> = arrivals.segments().flat_map(|number| arrivals.entries(number)).collect();
    assert!(all.iter().map(|entry| entry.fingerprint).eq((0..500).map(fingerprint)));
    // In the place of what was there.
    let (bytes, other) = (arrivals.bytes(), Arrival { scope: "b", ..unread(7, ANSWER) });
    put(&mut arrivals, &other);
    assert_eq!(arrivals.get(&fingerprint(7)), Some(other.to_entry()));
    assert_eq!((arrivals.len(), arrivals.bytes()), (500, bytes));
}

#[test]
fn a_large_one_has_a_segment_for_itself() {
    let mut arrivals = filled(0..1);
    // With all that a record may have, it fills its segment to an odd end.
    let text = "a".repeat((1 << 20) + 1);
    let mut large = unread(1, &text);
    large.unread.usage.cached_read = 1;
    put(&mut arrivals, &large);
    assert_eq!(arrivals.segments[1].end, arrivals.segments[1].room.as_ref().unwrap().len());
    put(&mut arrivals, &unread(2, ANSWER));
    assert_eq!(arrivals.get(&fingerprint(1)), Some(large.to_entry()));
    assert_eq!(arrivals.entries(1), [large.to_entry()]);
    let held = arrivals.held();
    assert!(arrivals.remove(&fingerprint(1)));
    assert!(held - arrivals.held() >= 1 << 20);
    assert_eq!(arrivals.len(), 2);
}

#[test]
fn a_segment_for_a_large_one_may_hold_others() {
    let mut arrivals = filled(0..0);
    // Somebody was quicker than the one for whom it was made.
    arrivals.grow(1 << 20);
    for number in 0..4_000 {
        put(&mut arrivals, &unread(number, ANSWER));
    }
    // Most of its room cannot be told.
    assert!(arrivals.segments[0].end < 2 * SEGMENT as usize);
    assert!(arrivals.segments[0].count > 500);
    assert!((0..4_000).all(|number| arrivals.get(&fingerprint(number)).is_some()));
    assert_eq!(arrivals.entries(0).len() as u64, arrivals.segments[0].count);
    // So it is not kept for more when it is empty, not even when it is the last.
    let text = "a".repeat(1 << 20);
    let held = arrivals.held();
    put(&mut arrivals, &unread(9_000, &text));
    assert!(arrivals.remove(&fingerprint(9_000)));
    assert_eq!(arrivals.held(), held);
    put(&mut arrivals, &unread(9_000, ANSWER));
    assert!(arrivals.get(&fingerprint(9_000)).is_some());
    assert_eq!(arrivals.held(), held + cost(SMALL));
}

#[test]
fn what_went_takes_no_room_and_is_not_found() {
    let mut arrivals = filled(0..200);
    let segments = arrivals.segments.len() as u64;
    assert!(arrivals.remove(&fingerprint(0)) && !arrivals.remove(&fingerprint(0)));
    let of_scope = |arrivals: &mut Arrivals, scope: &str| -> u64 {
        arrivals.segments().map(|at| arrivals.remove_where(at, |one| one.scope == scope)).sum()
    };
    assert_eq!(of_scope(&mut arrivals, "b"), 0);
    let last = arrivals.segments().last().unwrap();
    let left = arrivals.entries(last).len() as u64;
    for segment in arrivals.segments().take(segments as usize - 1) {
        arrivals.remove_where(segment, |_| true);
    }
    assert_eq!((arrivals.len(), arrivals.segments.len(), arrivals.held()), (left, 1, cost(SMALL)));
    assert_eq!(of_scope(&mut arrivals, "a"), left);
    assert_eq!((arrivals.len(), arrivals.bytes(), arrivals.places.slots()), (0, 0, 0));
    // The last one is written to again.
    put(&mut arrivals, &unread(1, ANSWER));
    assert_eq!((arrivals.len(), arrivals.held()), (1, cost(SMALL)));
    assert!(arrivals.get(&fingerprint(1)).is_some());
    assert!((0..200).all(|number| number == 1 || arrivals.get(&fingerprint(number)).is_none()));
}

#[test]
fn what_has_expired_goes_and_nothing_else() {
    let mut arrivals = Arrivals::new(1 << 16);
    for number in 0..300 {
        let expires_ms = 10 + (number % 3) as i64;
        put(&mut arrivals, &Arrival { expires_ms, ..unread(number, ANSWER) });
    }
    let expire = |arrivals: &mut Arrivals, now_ms| -> u64 {
        arrivals.segments().map(|segment| arrivals.remove_expired(segment, now_ms)).sum()
    };
    assert_eq!(expire(&mut arrivals, 9), 0);
    assert_eq!((expire(&mut arrivals, 10), expire(&mut arrivals, 10)), (100, 0));
    assert!(arrivals.get(&fingerprint(0)).is_none() && arrivals.get(&fingerprint(1)).is_some());
    assert_eq!((expire(&mut arrivals, 12), arrivals.len()), (200, 0));
}

#[test]
fn the_oldest_segment_goes_and_is_written_to_again() {
    let mut arrivals = filled(0..200);
    let (count, first) = (arrivals.segments.len(), arrivals.entries(0).len() as u64);
    let held = arrivals.held();
    assert_eq!(
        arrivals.drop_oldest(arrivals.segments[0].room.as_ref().unwrap().len() as u64),
        Dropped::AndAdded
    );
    assert_eq!(
        (arrivals.segments.len(), arrivals.held(), arrivals.len()),
        (count, held, 200 - first)
    );
    assert!(arrivals.get(&fingerprint(first - 1)).is_none());
    assert!(arrivals.get(&fingerprint(first)).is_some());
    arrivals.put(&unread(0, ANSWER)).unwrap();
    assert!(arrivals.get(&fingerprint(0)).is_some());
    // What is in the middle and empty is passed over.
    arrivals.remove_where(arrivals.first + 1, |_| true);
    assert_eq!(arrivals.drop_oldest(0), Dropped::Segment);
    assert_eq!(arrivals.segments.len(), count - 2);
    while arrivals.drop_oldest(0) == Dropped::Segment {}
    assert_eq!((arrivals.len(), arrivals.bytes(), arrivals.held()), (0, 0, 0));
    assert_eq!(arrivals.places.slots(), 0);
}

#[test]
fn fingerprints_that_are_nearly_the_same_are_two() {
    let mut arrivals = Arrivals::new(1 << 16);
    let near = |last: u8| {
        let mut bytes = [7; 16];
        bytes[15] = last;
        Fingerprint(bytes)
    };
    for last in 0..8 {
        put(
            &mut arrivals,
            &Arrival { fingerprint: near(last), cost: last.into(), ..unread(0, ANSWER) },
        );
    }
    assert!((0..8).all(|last| arrivals.get(&near(last)).unwrap().cost == i64::from(last)));
    assert!(arrivals.remove(&near(7)) && arrivals.get(&near(7)).is_none());
    assert_eq!(arrivals.len(), 7);
    // There is no room for more of them: the oldest go, and are not counted.
    for last in 10..250 {
        put(&mut arrivals, &Arrival { fingerprint: near(last), ..unread(0, ANSWER) });
    }
    let there = (0..250).filter(|last| arrivals.get(&near(*last)).is_some());
    assert!(there.eq(242..250));
    let all: usize = arrivals.segments().map(|segment| arrivals.entries(segment).len()).sum();
    assert_eq!((arrivals.len(), all), (8, 8));
    // As are their segments.
    assert!(arrivals.segments.len() < 4 && arrivals.held() < 4 * cost(SMALL));
    assert!(arrivals.places.slots() < 64 * 8 * 8, "{}", arrivals.places.slots());
}

#[test]
fn places_of_what_went_do_not_pile_up() {
    let mut arrivals = Arrivals::new(1 << 16);
    for number in 0..30_000 {
        let arrival = unread(number, ANSWER);
        if let Err(Full(bytes)) = arrivals.put(&arrival) {
            if arrivals.segments.len() < 8 || arrivals.drop_oldest(bytes) != Dropped::AndAdded {
                arrivals.grow(bytes);
            }
            arrivals.put(&arrival).unwrap();
        }
    }
    let there = 30_000 - arrivals.len()..30_000;
    assert!((50..500).contains(&arrivals.len()), "{}", arrivals.len());
    assert!(
        (0..30_000).all(|number| {
            arrivals.get(&fingerprint(number)).is_some() == there.contains(&number)
        })
    );
    assert!(arrivals.places.slots() <= 64 * 4 * 8, "{}", arrivals.places.slots());
    // Nor do tables stay that are too large for what is left.
    let mut arrivals = Arrivals::new(1 << 16);
    (0..20_000).for_each(|number| put(&mut arrivals, &unread(number, ANSWER)));
    let slots = arrivals.places.slots();
    let old = arrivals.segments().take(arrivals.segments.len() * 9 / 10);
    old.for_each(|segment| assert!(arrivals.remove_where(segment, |_| true) > 0));
    assert!(arrivals.places.slots() <= slots / 2, "{slots}");
    (arrivals.len()..20_000).for_each(|number| put(&mut arrivals, &unread(number, ANSWER)));
    while arrivals.len() > 500 {
        arrivals.drop_oldest(0);
    }
    (0..2_000).for_each(|number| {
        put(&mut arrivals, &unread(number, ANSWER));
        if arrivals.len() > 500 {
            arrivals.drop_oldest(0);
        }
    });
    assert!(arrivals.places.slots() <= 16 * 600, "{}", arrivals.places.slots());
    // They go with the last one.
    while arrivals.drop_oldest(0) == Dropped::Segment {}
    assert_eq!((arrivals.len(), arrivals.bytes(), arrivals.held()), (0, 0, 0));
    assert_eq!(arrivals.places.slots(), 0);
}

#[test]
fn numbers_of_segments_may_start_again() {
    // 4 * MOST_SEGMENTS is where those in places do.
    for first in
        [MOST_SEGMENTS - 3, MOST_SEGMENTS * 2, MOST_SEGMENTS * 4 - 3, MOST_SEGMENTS * 36 - 3]
    {
        let mut arrivals = Arrivals { first, ..Arrivals::new(1 << 16) };
        for number in 0..200 {
            put(&mut arrivals, &unread(number, ANSWER));
        }
        assert!(arrivals.segments.len() > 6);
        assert!((0..200).all(|number| arrivals.get(&fingerprint(number)).is_some()));
        let all = arrivals.segments().flat_map(|segment| arrivals.entries(segment));
        assert!(all.map(|entry| entry.fingerprint).eq((0..200).map(fingerprint)));
        let removed: u64 =
            arrivals.segments().map(|segment| arrivals.remove_where(segment, |_| true)).sum();
        assert_eq!((removed, arrivals.len(), arrivals.places.used()), (200, 0, 0));
    }
}

#[test]
fn places_of_what_went_are_forgotten_long_before_their_numbers_come_again() {
    let mut arrivals = Arrivals { first: MOST_SEGMENTS * 3 - 8, ..Arrivals::new(1 << 16) };
    let mut numbers = 0..;
    while arrivals.segments().end < MOST_SEGMENTS * 3 || arrivals.segments.is_empty() {
        put(&mut arrivals, &unread(numbers.next().unwrap(), ANSWER));
    }
    (0..5).for_each(|_| assert_eq!(arrivals.drop_oldest(0), Dropped::Segment));
    let there = arrivals.len() as usize;
    assert!(0 < there && there < arrivals.places.used());
    arrivals.grow(SMALL);
    assert_eq!(arrivals.places.used(), there);
}

#[test]
fn there_are_no_more_segments_than_can_be_told_apart() {
    let mut arrivals = filled(0..200);
    let first = arrivals.entries(0).len() as u64;
    arrivals.segments.resize_with(MOST_SEGMENTS as usize, || Segment {
        room: None,
        end: 0,
        count: 0,
        bytes: 0,
        soonest_ms: i64::MAX,
    });
    arrivals.grow(SMALL);
    assert!(arrivals.segments.len() as u64 <= MOST_SEGMENTS);
    assert!(arrivals.get(&fingerprint(first - 1)).is_none());
    assert!((first..200).all(|number| arrivals.get(&fingerprint(number)).is_some()));
}
