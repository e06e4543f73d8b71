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
    let large = "a".repeat(1 << 20);
    put(&mut arrivals, &unread(1, &large));
    put(&mut arrivals, &unread(2, ANSWER));
    assert_eq!(arrivals.get(&fingerprint(1)), Some(unread(1, &large).to_entry()));
    let held = arrivals.held();
    assert!(arrivals.remove(&fingerprint(1)));
    assert!(held - arrivals.held() >= 1 << 20);
    assert_eq!(arrivals.len(), 2);
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
    assert_eq!((arrivals.len(), arrivals.bytes()), (0, 0));
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
    assert!(arrivals.tables.iter().all(HashTable::is_empty));
}

#[test]
fn fingerprints_that_are_nearly_the_same_are_two() {
    let mut arrivals = Arrivals::new(1 << 16);
    let near = |last: u8| {
        let mut bytes = [7; 16];
        bytes[15] = last;
        Fingerprint(bytes)
    };
    for last in 0..50 {
        put(
            &mut arrivals,
            &Arrival { fingerprint: near(last), cost: last.into(), ..unread(0, ANSWER) },
        );
    }
    assert!((0..50).all(|last| arrivals.get(&near(last)).unwrap().cost == i64::from(last)));
    assert!(arrivals.remove(&near(7)) && arrivals.get(&near(7)).is_none());
    assert_eq!(arrivals.len(), 49);
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
    let places: usize = arrivals.tables.iter().map(HashTable::capacity).sum();
    assert!(places < 64 * 28, "{places}");
    // They go with the last one.
    while arrivals.drop_oldest(0) == Dropped::Segment {}
    assert_eq!((arrivals.len(), arrivals.bytes(), arrivals.held()), (0, 0, 0));
    assert!(arrivals.tables.iter().all(HashTable::is_empty));
}
