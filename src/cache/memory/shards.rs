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
pub(super) struct Shards<K, V> {
    shards: [Shard<K, V>; SHARDS],
    /// Items for which each has room from the beginning.
    least: usize,
}

/// A key that knows its shard.
pub(super) trait Spread {
    /// Any byte of it.
    fn byte(&self) -> u8;
}

impl<K: Spread + Eq + Hash, V: Clone> Shards<K, V> {
    /// Without items, and with room for so many. Growing to it would cost more than to fill it does; what
    /// is not used of it takes addresses, but no memory.
    pub(super) fn with_capacity(items: usize) -> Self {
        let least = items / SHARDS;
        let shard = || {
            let map =
                HashMap::with_capacity_and_hasher(least, foldhash::fast::RandomState::default());
            RwLock::new(map)
        };
        Shards { shards: std::array::from_fn(|_| shard()), least }
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
        if shard.capacity() > 64.max(4 * self.least) && shard.len() < shard.capacity() / 4 {
            shard.shrink_to(self.least);
        }
        value
    }

    /// Copies of the wanted values, each shard's in turn and after its lock is released, so that
    /// `take` may write.
    pub(super) fn each(&self, wanted: impl Fn(&V) -> bool, mut take: impl FnMut(Vec<V>)) {
        for shard in &self.shards {
            let values: Vec<V> =
                shard.read().values().filter(|value| wanted(value)).cloned().collect();
            take(values);
        }
    }

    fn shard(&self, key: &K) -> &Shard<K, V> {
        &self.shards[usize::from(key.byte()) % SHARDS]
    }
}
