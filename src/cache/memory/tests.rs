//! Tests of the store: the search against plain arithmetic, threads, arrivals; `model.rs` compares it with
//! a model.

mod model;

use super::*;
use crate::cache::{Form, Question, Unread};
use crate::llm::{Usage, Wire};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

const ROOM: u64 = 1 << 40;

/// Numbers without a pattern.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 ^ (self.0 >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
    }

    /// Nearly normal, around 0.
    fn normal(&mut self) -> f32 {
        (0..8).map(|_| (self.roll() % 65_536) as f32 / 65_536.0 - 0.5).sum()
    }

    pub(super) fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        unit((0..dimensions).map(|_| self.normal()).collect())
    }

    /// A vector around another; their cosine is some 1/sqrt(1 + spread²).
    fn around(&mut self, centre: &[f32], spread: f32) -> Vec<f32> {
        let noise = self.vector(centre.len());
        unit(centre.iter().zip(noise).map(|(centre, noise)| centre + spread * noise).collect())
    }
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.into_iter().map(|number| number / length).collect()
}

fn plain_dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

pub(super) fn fingerprint(number: u64) -> Fingerprint {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Fingerprint(spread.to_le_bytes())
}

fn partition(number: u8) -> Partition {
    Partition([number; 16])
}

pub(super) fn entry(number: u64, partition_number: u8, scope: &str, expires_ms: i64) -> Entry {
    Entry {
        fingerprint: fingerprint(number),
        partition: partition(partition_number),
        scope: scope.into(),
        cache_key: "".into(),
        question: format!("question {number}").into(),
        provider: "openai".into(),
        model: "gpt-4o-mini".into(),
        wire: Wire::Anthropic,
        answer: Bytes::from(vec![7; 100]),
        unread: None,
        cost: -3,
        latency_us: 1_200_000,
        tokens: (10, 20),
        created_ms: 5,
        expires_ms,
    }
}

fn put(store: &MemoryStore, entry: Entry, vector: &[f32]) {
    store.put(entry.into(), Some(vector.into()));
}

#[test]
fn an_exact_entry_is_found_until_it_expires() {
    let store = MemoryStore::new(ROOM);
    store.put(entry(1, 0, "a", 100).into(), None);
    assert_eq!(*store.exact(&fingerprint(1), 99).unwrap(), entry(1, 0, "a", 100));
    assert_eq!(store.exact(&fingerprint(1), 100), None);
    assert!(store.get(&fingerprint(1)).is_some());
    assert_eq!(store.exact(&fingerprint(2), 99), None);
    assert_eq!(store.remove_expired(99), 0);
    assert_eq!(store.remove_expired(100), 1);
    assert_eq!(store.get(&fingerprint(1)), None);
    assert_eq!(store.fill(), Fill::default());
}

/// An answer as it came: kept if it is one.
pub(super) fn unread(number: u64, answer: &str) -> Arrival<'_> {
    let (form, usage) = (Form::Chat, Usage::default());
    Arrival {
        fingerprint: fingerprint(number),
        partition: partition(0),
        scope: "a",
        cache_key: "",
        question: Question::Text("When are you open?"),
        provider: "openai",
        model: "gpt-4o-mini",
        wire: Wire::OpenaiChat,
        answer: answer.as_bytes(),
        unread: Unread { form, keeps_tools: false, usage },
        cost: 2,
        latency_us: 3,
        created_ms: 5,
        expires_ms: 100,
    }
}

pub(super) const ANSWER: &str =
    r#"{"choices":[{"message":{"content":"At nine."},"finish_reason":"stop"}]}"#;
pub(super) const REFUSAL: &str =
    r#"{"choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}"#;

#[test]
fn what_was_kept_unread_is_read_once_and_stays_if_it_is_for_others() {
    let store = MemoryStore::new(ROOM);
    store.put_unread(&unread(1, ANSWER));
    store.put_unread(&unread(2, REFUSAL));
    let first = store.exact(&fingerprint(1), 0).unwrap();
    let read = first.read().unwrap();
    store.settle(&first, Some(&read));
    // A second reader that has found the same before changes nothing.
    store.settle(&first, first.read().as_ref());
    assert!(Arc::ptr_eq(&store.exact(&fingerprint(1), 0).unwrap(), &read));
    assert_eq!((read.unread, &*read.answer), (None, ANSWER.as_bytes()));
    let refusal = store.exact(&fingerprint(2), 0).unwrap();
    assert_eq!(refusal.read(), None);
    store.settle(&refusal, None);
    assert_eq!(store.exact(&fingerprint(2), 0), None);
    assert_eq!(store.fill().entries, 1);
}

#[test]
fn what_was_removed_or_replaced_while_it_was_read_does_not_come_back() {
    let store = MemoryStore::new(ROOM);
    store.put_unread(&unread(1, ANSWER));
    let found = store.exact(&fingerprint(1), 0).unwrap();
    store.clear(&Clear::Everything);
    store.settle(&found, found.read().as_ref());
    assert_eq!(store.exact(&fingerprint(1), 0), None);
    // Nor does a clear miss what was read while it was collecting what there is.
    store.put_unread(&unread(1, ANSWER));
    let found = store.exact(&fingerprint(1), 0).unwrap();
    std::thread::scope(|scope| {
        let mut reading = store.writer.lock();
        store.arrivals.lock().remove(&fingerprint(1));
        // Of one: that of many waits for the writer after the first shard in any case.
        let clear = scope.spawn(|| store.clear(&Clear::One(fingerprint(1))));
        // Nobody waits for the thread to come that far; if it does not, this is about nothing.
        std::thread::sleep(std::time::Duration::from_millis(20));
        store.link(&mut reading, found.read().unwrap(), None, true);
        drop(reading);
        assert_eq!(clear.join().unwrap(), 1);
    });
    assert_eq!(store.exact(&fingerprint(1), 0), None);
    // What is known to be good stays where something unread comes after it, until it has expired.
    let good = Arc::new(Entry { expires_ms: 7, ..entry(1, 0, "a", 0) });
    store.put(good.clone(), None);
    let at = |created_ms| Arrival { created_ms, ..unread(1, REFUSAL) };
    store.put_unread(&at(6));
    assert!(Arc::ptr_eq(&store.exact(&fingerprint(1), 6).unwrap(), &good));
    store.put_unread(&at(7));
    assert_eq!((store.exact(&fingerprint(1), 7).unwrap().read(), store.fill().entries), (None, 1));
    let newer = Arc::new(Entry { created_ms: 6, ..entry(1, 0, "a", 100) });
    store.put(newer.clone(), None);
    store.settle(&found, found.read().as_ref());
    store.settle(&found, None);
    assert!(Arc::ptr_eq(&store.exact(&fingerprint(1), 0).unwrap(), &newer));
}

#[test]
fn arrivals_take_the_room_of_arrivals_and_what_is_used_stays() {
    let room = 1 << 20;
    let store = MemoryStore::new(room);
    let used: Vec<u64> = (0..500).collect();
    for number in &used {
        store.put(entry(*number, 0, "a", 100).into(), None);
    }
    let before = store.fill().entries;
    for number in 1_000..10_000 {
        store.put_unread(&unread(number, ANSWER));
        assert!(store.exact(&fingerprint(number), 0).is_some());
        assert!(store.fill().bytes <= room);
    }
    assert!(used.iter().all(|number| store.get(&fingerprint(*number)).is_some()));
    assert!(store.fill().entries > before + 1_000);
    assert_eq!(store.get(&fingerprint(1_000)), None);
    // The others may have seven eighths of it.
    for number in 10_000..20_000 {
        store.put(entry(number, 0, "a", 100).into(), None);
    }
    let held = store.arrivals.lock().held();
    assert!(held > 0 && held <= room / 8 + room / 100, "{held}");
    assert!(store.get(&fingerprint(9_999)).is_some());
    // What is larger than the store changes nothing.
    let (fill, large) = (store.fill(), "a".repeat(room as usize));
    store.put_unread(&unread(20_000, &large));
    assert_eq!((store.fill(), store.get(&fingerprint(20_000))), (fill, None));
    // One that nearly fills it does get in.
    store.put_unread(&unread(20_000, &large[..room as usize / 2]));
    assert!(store.get(&fingerprint(20_000)).is_some() && store.fill().bytes <= room);
}

#[test]
fn a_vector_of_another_length_is_never_compared() {
    for flat_rows in [0, 100] {
        let store = MemoryStore::with_flat_rows(ROOM, flat_rows);
        let vector = Dice::new(1).vector(16);
        put(&store, entry(1, 0, "a", 100), &vector);
        put(&store, entry(2, 0, "a", 100), &vector[..8]);
        put(&store, entry(3, 0, "a", 100), &[]);
        assert!(store.exact(&fingerprint(2), 0).is_some());
        assert!(store.exact(&fingerprint(3), 0).is_some());
        for wrong in [&vector[..8], &vector[..15], &[]] {
            assert_eq!(store.nearest(&partition(0), wrong, 9, -1.0, 0), []);
        }
        assert_eq!(store.nearest(&partition(0), &vector, 9, -1.0, 0).len(), 1);
        assert_eq!(store.nearest(&partition(0), &[f32::NAN; 16], 9, -1.0, 0), []);
        assert_eq!(store.nearest(&partition(0), &vector, 0, -1.0, 0), []);
    }
}

#[test]
fn the_new_entry_replaces_the_old_one_in_both_searches() {
    let store = MemoryStore::new(ROOM);
    let (old, new) = (Dice::new(1).vector(16), Dice::new(2).vector(16));
    put(&store, entry(1, 0, "a", 100), &old);
    let before = store.fill();
    put(&store, entry(1, 0, "b", 100), &new);
    assert_eq!(store.fill(), before);
    assert_eq!(store.nearest(&partition(0), &old, 9, 0.99, 0), []);
    assert_eq!(&*store.nearest(&partition(0), &new, 9, 0.99, 0)[0].0.scope, "b");
    store.put(entry(1, 0, "c", 100).into(), None);
    assert_eq!(store.nearest(&partition(0), &new, 9, 0.99, 0), []);
    assert_eq!(&*store.exact(&fingerprint(1), 0).unwrap().scope, "c");
}

#[test]
fn what_was_used_stays_and_the_cap_holds() {
    let size = kept::size(&entry(0, 0, "a", 100), Some(16));
    let store = MemoryStore::new(size * 20 + size / 2);
    let mut dice = Dice::new(3);
    for number in 0..1000 {
        put(&store, entry(number, 0, "a", 100), &dice.vector(16));
        assert!(store.exact(&fingerprint(0), 0).is_some(), "evicted although used: {number}");
        assert!(store.get(&fingerprint(number)).is_some(), "evicted at once: {number}");
        let recent = fingerprint(number.saturating_sub(10));
        assert!(store.get(&recent).is_some(), "evicted before older ones: {number}");
        assert!(store.fill().bytes <= size * 21);
    }
    assert!(store.fill().entries >= 19);
    assert_eq!(store.partitions.get(&partition(0)).unwrap().len() as u64, store.fill().entries);
    // Too large for the store, and no longer what it was.
    let large = Entry { answer: vec![0; 1 << 20].into(), ..entry(0, 0, "a", 100) };
    store.put(large.into(), None);
    assert_eq!(store.get(&fingerprint(0)), None);
    assert!(store.fill().entries >= 19);
}

#[test]
fn eviction_ends_when_everything_was_used() {
    let size = kept::size(&entry(0, 0, "a", 100), None);
    let store = MemoryStore::new(size * 600);
    for number in 0..1200 {
        store.put(entry(number, 0, "a", 100).into(), None);
        store.each(|entry, _| assert!(store.exact(&entry.fingerprint, 0).is_some()));
    }
    // The later questions are longer.
    assert!((590..=600).contains(&store.fill().entries));
}

#[test]
fn blocks_stay_dense_and_rows_keep_their_vectors() {
    // Eight rows in a block, so that rows move between blocks.
    let store = MemoryStore::with_flat_rows(ROOM, 1 << 20);
    let mut dice = Dice::new(4);
    let vectors: Vec<Vec<f32>> = (0..30).map(|_| dice.vector(1 << 15)).collect();
    let mut alive = Vec::new();
    for (number, vector) in vectors.iter().enumerate() {
        put(&store, entry(number as u64, 0, "a", 100), vector);
        alive.push(number);
        if number % 3 == 2 {
            let gone = alive.swap_remove(dice.roll() as usize % alive.len());
            assert_eq!(store.clear(&Clear::One(fingerprint(gone as u64))), 1);
        }
        for &number in alive.iter().filter(|_| number % 6 == 5) {
            let found = store.nearest(&partition(0), &vectors[number], 1, 0.9, 0);
            assert_eq!(found[0].0.fingerprint, fingerprint(number as u64));
        }
    }
    let mut seen = 0;
    store.each(|entry, vector| {
        let number = (0..30).find(|number| fingerprint(*number) == entry.fingerprint).unwrap();
        assert_eq!(vector.unwrap(), vectors[number as usize]);
        seen += 1;
    });
    assert_eq!((seen, alive.len()), (20, 20));
    assert_eq!(store.clear(&Clear::Everything), 20);
    assert!(store.partitions.get(&partition(0)).is_none());
}

/// Questions in groups of rewordings, as a cache has them.
fn clustered(count: usize, groups: usize, spread: f32) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut dice = Dice::new(5);
    let centres: Vec<_> = (0..groups).map(|_| dice.vector(384)).collect();
    let vectors = (0..count).map(|at| dice.around(&centres[at % groups], spread)).collect();
    let queries = (0..40).map(|at| dice.around(&centres[at * 7 % groups], spread)).collect();
    (vectors, queries)
}

/// How many of the exact results a sketched search finds, and how many there are.
fn recall(vectors: &[Vec<f32>], queries: &[Vec<f32>], floor: f32) -> (usize, usize) {
    let store = MemoryStore::with_flat_rows(ROOM, 0);
    for (number, vector) in vectors.iter().enumerate() {
        put(&store, entry(number as u64, 0, "a", 100), vector);
    }
    let (mut found, mut all) = (0, 0);
    for query in queries {
        let mut exact: Vec<(f32, Fingerprint)> = (0..)
            .zip(vectors)
            .map(|(number, vector)| (plain_dot(vector, query), fingerprint(number)))
            .filter(|(cosine, _)| *cosine >= floor)
            .collect();
        exact.sort_by(|left, right| right.0.total_cmp(&left.0));
        exact.truncate(8);
        let sketched = store.nearest(&partition(0), query, 8, floor, 0);
        assert!(sketched.is_sorted_by(|left, right| left.1 >= right.1));
        assert!(sketched.len() <= 8 && sketched.iter().all(|(_, cosine)| *cosine >= floor));
        let same = |wanted: &Fingerprint| sketched.iter().any(|(e, _)| e.fingerprint == *wanted);
        found += exact.iter().filter(|(_, wanted)| same(wanted)).count();
        all += exact.len();
    }
    (found, all)
}

#[test]
fn the_sketched_search_finds_what_the_exact_one_does() {
    let (vectors, queries) = clustered(3000, 60, 0.5);
    for floor in [0.7, 0.8] {
        let (found, all) = recall(&vectors, &queries, floor);
        assert!(all > 100, "{all}");
        assert!(found * 1000 >= all * 999, "{found} of {all} at {floor}");
    }
}

#[test]
fn the_nearest_sketches_are_compared_where_too_many_are_near() {
    // All of the vectors are similar enough, and a third of them is not compared.
    let (vectors, queries) = clustered(6000, 1, 0.4);
    let (found, all) = recall(&vectors, &queries, 0.6);
    assert_eq!(all, 40 * 8);
    assert!(found * 100 >= all * 80 && found < all, "{found} of {all}");
}

/// Bytes of the store's room that are not free.
fn taken(store: &MemoryStore) -> u64 {
    let clock = store.writer.lock();
    let arrivals = store.arrivals.lock();
    clock.bytes + arrivals.held()
}

#[test]
fn threads_meet_without_harm() {
    let size = kept::size(&entry(0, 0, "a", 100), Some(32));
    let store = MemoryStore::with_flat_rows(size * 300, 50);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|seed| {
                scope.spawn({
                    let store = &store;
                    move || write_at_random(store, seed)
                })
            })
            .collect();
        for seed in 10..12 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let mut dice = Dice::new(seed);
                while !done.load(Ordering::Relaxed) {
                    let number = (dice.roll() % 3) as u8;
                    let found = store.nearest(&partition(number), &dice.vector(32), 5, -1.0, 50);
                    assert!(found.iter().all(|(entry, _)| entry.partition == partition(number)));
                    assert!(found.iter().all(|(entry, _)| entry.expires_ms > 50));
                    let _any = store.exact(&fingerprint(dice.roll() % 500), 50);
                }
            });
        }
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let (mut entries, mut rows, mut without) = (0, 0, 0);
    store.each(|entry, vector| {
        entries += 1;
        rows += u64::from(vector.is_some());
        // They alone come without one.
        without += u64::from(entry.created_ms == ARRIVED);
    });
    let in_rows = (0..3).filter_map(|number| store.partitions.get(&partition(number)));
    assert_eq!(in_rows.map(|rows| rows.len() as u64).sum::<u64>(), rows);
    assert_eq!((store.fill().entries, rows + without), (entries, entries));
    assert!(rows > 0 && without > 0, "{rows} with a vector, {without} without");
    assert!(taken(&store) <= size * 300, "{} of {}", taken(&store), size * 300);
    assert_eq!(store.clear(&Clear::Everything), entries);
    assert_eq!(store.fill(), Fill::default());
}

/// When what is unread was created there.
const ARRIVED: i64 = 6;

fn write_at_random(store: &MemoryStore, seed: u64) {
    let mut dice = Dice::new(seed);
    for step in 0..4000 {
        let number = dice.roll() % 500;
        let expires_ms = if dice.roll().is_multiple_of(4) { 50 } else { 100 };
        match dice.roll() % 200 {
            // It takes all that is unread, and some is to be there at the end.
            0 if step < 3000 => store.clear(&Clear::Scope("a".into())),
            1 => store.remove_expired(50),
            2..20 => store.clear(&Clear::One(fingerprint(number))),
            20..80 => {
                store.put_unread(&Arrival {
                    created_ms: ARRIVED,
                    expires_ms,
                    ..unread(number, ANSWER)
                });
                0
            }
            80..110 => {
                let found = store.exact(&fingerprint(number), 50);
                if let Some(found) = found.filter(|found| found.unread.is_some()) {
                    let is_for_others = dice.roll().is_multiple_of(2);
                    store.settle(&found, found.read().filter(|_| is_for_others).as_ref());
                }
                0
            }
            _ => {
                // A fingerprint may change its partition here, which is harder than in life.
                let scope = ["a", "b"][(dice.roll() % 2) as usize];
                let entry = entry(number, (dice.roll() % 3) as u8, scope, expires_ms);
                put(store, entry, &dice.vector(32));
                0
            }
        };
    }
}
