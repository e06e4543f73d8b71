//! A map that many threads read while one writes.

use hashbrown::HashMap;
use parking_lot::RwLock;
use std::hash::Hash;

/// A map grows by moving all of its items, while nobody may read it: in many small maps that is
/// microseconds.
const SHARDS: usize = 64;

type Shard<K, V> = RwLock<HashMap<K, V, foldhash::fast::RandomState>>;

/// A map by keys of evenly spread bytes.
#[derive(Debug)]
pub(super) struct Shards<K, V>([Shard<K, V>; SHARDS]);

/// A key that knows its shard.
pub(super) trait Spread {
    /// Any byte of it.
    fn byte(&self) -> u8;
}

impl<K: Spread + Eq + Hash, V: Clone> Shards<K, V> {
    /// Without items.
    pub(super) fn new() -> Self {
        Shards(std::array::from_fn(|_| RwLock::default()))
    }

    /// A copy of what the key has.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.shard(key).read().get(key).cloned()
    }

    /// What the key had.
    pub(super) fn insert(&self, key: K, value: V) -> Option<V> {
        self.shard(&key).write().insert(key, value)
    }

    /// What the key had.
    pub(super) fn remove(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key).write();
        let value = shard.remove(key);
        if shard.capacity() > 64 && shard.len() < shard.capacity() / 4 {
            shard.shrink_to_fit();
        }
        value
    }

    /// Copies of the wanted values, each shard's in turn and after its lock is released, so that
    /// `take` may write.
    pub(super) fn each(&self, wanted: impl Fn(&V) -> bool, mut take: impl FnMut(Vec<V>)) {
        for shard in &self.0 {
            let values: Vec<V> =
                shard.read().values().filter(|value| wanted(value)).cloned().collect();
            take(values);
        }
    }

    fn shard(&self, key: &K) -> &Shard<K, V> {
        &self.0[usize::from(key.byte()) % SHARDS]
    }
}
