//! Secrets that were a virtual key's and are no more.
//!
//! SDKs insist on sending some key, so a token that means nothing is ignored. One that meant a virtual
//! key until lately must not be: whoever sends it would go on without any limit.

use super::apply::secret_hash;
use super::entity::{Configuration, VirtualKeyConfig};
use std::cmp::Reverse;
use std::sync::Arc;

/// How many are remembered, the latest ones.
const MOST: usize = 10_000;

/// Notes in `new` the secrets that it has no more since `old`. `now` is in Unix milliseconds.
pub(super) fn retire_secrets(old: &Configuration, new: &mut Configuration, now: i64) {
    let mut retired = (*new.retired_secrets).clone();
    for (id, key) in &old.virtual_keys {
        match new.virtual_keys.get(id) {
            Some(same) if same.secret_hash == key.secret_hash => {}
            Some(_) => {
                retired.insert(key.secret_hash, now);
            }
            None => {
                retired.insert(key.secret_hash, now);
                retired.insert(secret_hash(id), now);
            }
        }
    }
    let is_used = |key: &Arc<VirtualKeyConfig>| {
        let old = old.virtual_keys.get(&key.id);
        old.is_none_or(|old| old.secret_hash != key.secret_hash)
    };
    for key in new.virtual_keys.values().filter(|key| is_used(key)) {
        retired.remove(&key.secret_hash);
    }
    if retired.len() > MOST {
        let mut latest: Vec<_> = retired.into_iter().collect();
        latest.sort_unstable_by_key(|(_, at)| Reverse(*at));
        latest.truncate(MOST);
        retired = latest.into_iter().collect();
    }
    if retired != *new.retired_secrets {
        new.retired_secrets = Arc::new(retired);
    }
}
