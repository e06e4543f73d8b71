//! The hard filter against a model: what a store holds after steps of all kinds.

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put { number: u64, partition: u8, scope: u8, key: u8, life: i64, vector: Option<u64> },
    Arrive { number: u64, scope: u8, key: u8, life: i64, bytes: usize },
    Read { number: u64, is_for_others: bool },
    Clear(Clear),
    Wait(i64),
    Expire,
    Search { partition: u8, near: u64, floor: f32, limit: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let name = |start: char| (0..3_u8).prop_map(move |number| format!("{start}{number}").into());
    prop_oneof![
        6 => (0..24_u64, 0..3_u8, 0..3_u8, 0..3_u8, 1..60_i64, proptest::option::weighted(0.8, 0..12_u64))
            .prop_map(|(number, partition, scope, key, life, vector)| {
                Step::Put { number, partition, scope, key, life, vector }
            }),
        6 => (0..24_u64, 0..3_u8, 0..3_u8, 1..60_i64, 0..2_000_usize).prop_map(
            |(number, scope, key, life, bytes)| Step::Arrive { number, scope, key, life, bytes }
        ),
        3 => (0..24_u64, any::<bool>())
            .prop_map(|(number, is_for_others)| Step::Read { number, is_for_others }),
        1 => (0..24_u64).prop_map(|number| Step::Clear(Clear::One(fingerprint(number)))),
        1 => name('s').prop_map(|scope| Step::Clear(Clear::Scope(scope))),
        1 => name('k').prop_map(|key| Step::Clear(Clear::CacheKey(key))),
        1 => (0..20_i64).prop_map(Step::Wait),
        1 => Just(Step::Expire),
        5 => (0..3_u8, 0..12_u64, -1.0..1.0_f32, 1..30_usize).prop_map(
            |(partition, near, floor, limit)| Step::Search { partition, near, floor, limit }
        ),
    ]
}

/// What a store should hold, without eviction.
#[derive(Default)]
struct Model {
    alive: HashMap<Fingerprint, (Entry, Option<Vec<f32>>)>,
    now_ms: i64,
}

impl Model {
    fn arrive(&mut self, entry: Entry, is_known: bool) {
        let known = self.alive.get(&entry.fingerprint).filter(|_| is_known);
        let is_good = known
            .is_some_and(|(known, _)| known.unread.is_none() && known.expires_ms > self.now_ms);
        if !is_good {
            self.alive.insert(entry.fingerprint, (entry, None));
        }
    }

    fn cleared(&mut self, what: &Clear) -> u64 {
        let before = self.alive.len();
        self.alive.retain(|fingerprint, (entry, _)| match what {
            Clear::One(one) => fingerprint != one,
            Clear::Scope(scope) => entry.scope != *scope,
            Clear::CacheKey(key) => entry.cache_key != *key,
            Clear::Everything => false,
        });
        (before - self.alive.len()) as u64
    }

    /// Fingerprints and cosines of the partition, best first.
    fn nearest(&self, number: u8, vector: &[f32], floor: f32) -> Vec<(Fingerprint, f32)> {
        let mut found: Vec<_> = self
            .alive
            .values()
            .filter(|(e, _)| e.partition == partition(number) && e.expires_ms > self.now_ms)
            .filter_map(|(e, other)| Some((e.fingerprint, plain_dot(other.as_ref()?, vector))))
            .filter(|(_, cosine)| *cosine >= floor)
            .collect();
        found.sort_by(|left, right| right.1.total_cmp(&left.1));
        found
    }
}

/// Somebody asks for an answer for the first time, and finds out whether it is for others.
fn read(store: &MemoryStore, model: &mut Model, number: u64, is_for_others: bool) {
    let found = store.exact(&fingerprint(number), model.now_ms);
    let Some(found) = found.filter(|found| found.unread.is_some()) else { return };
    let read = Arc::new(Entry { unread: None, ..Entry::clone(&found) });
    store.settle(&found, is_for_others.then_some(&read));
    model.alive.remove(&read.fingerprint);
    if is_for_others {
        model.alive.insert(read.fingerprint, (Entry::clone(&read), None));
    }
}

/// Runs the steps on both. With `complete` the store must find all that the model has.
fn agree(store: &MemoryStore, steps: &[Step], complete: bool) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Put { number, partition, scope, key, life, vector } => {
                let mut entry =
                    entry(*number, *partition, &format!("s{scope}"), model.now_ms + life);
                entry.cache_key = format!("k{key}").into();
                let vector = vector.map(|seed| Dice::new(seed).vector(12));
                store.put(entry.clone().into(), vector.as_deref().map(Into::into));
                model.alive.insert(entry.fingerprint, (entry, vector));
            }
            Step::Arrive { number, scope, key, life, bytes } => {
                let (scope, key) = (format!("s{scope}"), format!("k{key}"));
                let text = "a".repeat(*bytes);
                let arrival = Arrival {
                    scope: &scope,
                    cache_key: &key,
                    created_ms: model.now_ms,
                    expires_ms: model.now_ms + life,
                    ..unread(*number, &text)
                };
                // What is evicted does not stand in its way.
                let known = complete || store.exact(&arrival.fingerprint, model.now_ms).is_some();
                store.put_unread(&arrival);
                model.arrive(arrival.to_entry(), known);
            }
            Step::Read { number, is_for_others } => {
                read(store, &mut model, *number, *is_for_others)
            }
            Step::Clear(what) => {
                let (was, should) = (store.clear(what), model.cleared(what));
                let right = was == should || !complete && was < should;
                prop_assert!(right, "removed {was} of {should}");
            }
            Step::Wait(ms) => model.now_ms += ms,
            Step::Expire => {
                store.remove_expired(model.now_ms);
                let now_ms = model.now_ms;
                model.alive.retain(|_, (entry, _)| entry.expires_ms > now_ms);
            }
            Step::Search { partition, near, floor, limit } => {
                let vector = Dice::new(*near).vector(12);
                let found = store.nearest(
                    &self::partition(*partition),
                    &vector,
                    *limit,
                    *floor,
                    model.now_ms,
                );
                let expected = model.nearest(*partition, &vector, *floor - 1e-5);
                check_found(&found, &expected, *limit)?;
                if complete {
                    let sure = model.nearest(*partition, &vector, *floor + 1e-5);
                    prop_assert!(found.len() >= sure.len().min(*limit));
                }
            }
        }
        check_exact(store, &model, complete)?;
        prop_assert!(store.fill().bytes <= taken(store) && taken(store) <= store.max_bytes);
    }
    Ok(())
}

fn check_found(
    found: &[(Arc<Entry>, f32)],
    expected: &[(Fingerprint, f32)],
    limit: usize,
) -> Result<(), TestCaseError> {
    prop_assert!(found.len() <= limit);
    prop_assert!(found.is_sorted_by(|left, right| left.1 >= right.1));
    for (place, (entry, cosine)) in found.iter().enumerate() {
        let known = expected.iter().find(|(fingerprint, _)| *fingerprint == entry.fingerprint);
        let Some((_, plain)) = known else {
            return Err(TestCaseError::fail(format!("not to be found: {entry:?}")));
        };
        prop_assert!((plain - cosine).abs() < 1e-4);
        let again = found[..place].iter().any(|(other, _)| other.fingerprint == entry.fingerprint);
        prop_assert!(!again);
    }
    Ok(())
}

fn check_exact(store: &MemoryStore, model: &Model, complete: bool) -> Result<(), TestCaseError> {
    for number in 0..24 {
        let found = store.exact(&fingerprint(number), model.now_ms);
        let known = model.alive.get(&fingerprint(number));
        let expected =
            known.map(|(entry, _)| entry).filter(|entry| entry.expires_ms > model.now_ms);
        prop_assert!(found.as_deref() == expected || !complete && found.is_none());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hard_filter_holds_and_nothing_is_missing(steps in prop::collection::vec(step(), 1..120)) {
        agree(&MemoryStore::new(ROOM), &steps, true)?;
    }

    #[test]
    fn the_hard_filter_holds_in_the_sketched_search(steps in prop::collection::vec(step(), 1..120)) {
        agree(&MemoryStore::with_flat_rows(ROOM, 2), &steps, false)?;
    }

    #[test]
    fn the_hard_filter_holds_under_eviction(
        steps in prop::collection::vec(step(), 1..120),
        flat_rows in 0..4_usize,
        places in prop_oneof![1..8_u64, 30..90_u64],
    ) {
        let cap = kept::size(&entry(0, 0, "s0", 0), Some(12)) * places + 100;
        let store = MemoryStore::with_flat_rows(cap, flat_rows);
        agree(&store, &steps, false)?;
    }
}
