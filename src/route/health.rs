//! What recent attempts say about providers and keys. Survives changes of the configuration.

use crate::llm::FailureKind;
use crate::provider::Key;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The health of every provider and key that has been tried.
#[derive(Debug, Default)]
pub struct Health {
    providers: RwLock<HashMap<Arc<str>, Arc<ProviderState>, foldhash::fast::RandomState>>,
}

/// The health of one provider.
#[derive(Debug, Default)]
pub struct ProviderState {
    in_flight: AtomicU64,
    /// The latest end of any key's rest, Unix milliseconds: mostly past, and then no key is asked.
    any_resting_until: AtomicI64,
    keys: RwLock<HashMap<Arc<str>, Arc<KeyHealth>, foldhash::fast::RandomState>>,
}

#[derive(Debug, Default)]
struct KeyHealth {
    /// The latest end of any of `rests`, Unix milliseconds.
    resting_until: AtomicI64,
    attempts: AtomicU64,
    failures: AtomicU64,
    recent: Mutex<Recent>,
    /// The rests of the key's latest secrets: one whose secret has been exchanged since has no
    /// reason to rest, and a late failure of the old secret does not wake the new one.
    rests: Mutex<SmallVec<[(u64, Rest); 1]>>,
}

/// A key's rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Unix milliseconds.
    pub until_ms: i64,
    /// What it rests after.
    pub after: FailureKind,
}

/// The share of failures in recent attempts, each new one weighing a twentieth.
#[derive(Debug, Default)]
struct Recent {
    failures: f32,
    last_error: Option<String>,
    /// Successes since the last error; it stops being news after a while.
    successes_since: u32,
}

/// What is known of a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyState {
    /// Unix milliseconds until which it rests.
    pub cooling_until_ms: Option<i64>,
    /// Attempts since the start.
    pub attempts: u64,
    /// Failed attempts since the start.
    pub failures: u64,
    /// The share of failures in recent attempts, 0 to 1.
    pub recent_failures: f32,
    /// The latest failure, while it is news.
    pub last_error: Option<String>,
}

/// After so many successes the last error is no news any more.
const NEWS: u32 = 50;
/// Secrets of one key whose rests are remembered.
const MOST_SECRETS: usize = 4;
/// The name under which attempts of a provider without keys are counted.
const NO_KEY: &str = "";
/// The mark under which they rest.
const NO_SECRET: u64 = 0;

impl Health {
    /// What is known of a key at `now_ms`; `None` is that of a provider without keys.
    pub fn key_state(&self, provider: &str, key: Option<&Key>, now_ms: i64) -> KeyState {
        let (id, secret) = key.map_or((NO_KEY, NO_SECRET), |key| (&*key.id, mark_of(key)));
        let Some(key) = self.find(provider).and_then(|provider| provider.find(id)) else {
            return KeyState::default();
        };
        let rest = key.rest(secret, now_ms);
        let recent = key.recent.lock().unwrap_or_else(PoisonError::into_inner);
        KeyState {
            cooling_until_ms: rest.map(|rest| rest.until_ms),
            attempts: key.attempts.load(Ordering::Relaxed),
            failures: key.failures.load(Ordering::Relaxed),
            recent_failures: recent.failures,
            last_error: recent.last_error.clone(),
        }
    }

    /// Requests in flight at a provider.
    pub fn in_flight(&self, provider: &str) -> u64 {
        self.find(provider).map_or(0, |provider| provider.in_flight.load(Ordering::Relaxed))
    }

    fn find(&self, name: &str) -> Option<Arc<ProviderState>> {
        self.providers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The state of a provider.
    pub fn provider(&self, name: &Arc<str>) -> Arc<ProviderState> {
        if let Some(provider) = self.find(name) {
            return provider;
        }
        let mut providers = self.providers.write().unwrap_or_else(PoisonError::into_inner);
        providers.entry(name.clone()).or_default().clone()
    }
}

/// A request in flight at a provider; see [`ProviderState::enter`].
#[derive(Debug)]
pub struct InFlight(Arc<ProviderState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ProviderState {
    /// Counts a request in flight until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// A key's rest, if it rests at `now_ms`.
    pub fn resting(&self, key: &Key, now_ms: i64) -> Option<Rest> {
        if self.any_resting_until.load(Ordering::Relaxed) <= now_ms {
            return None;
        }
        let state = self.find(&key.id)?;
        if state.resting_until.load(Ordering::Relaxed) <= now_ms {
            return None;
        }
        state.rest(mark_of(key), now_ms)
    }

    /// Lets a key rest until `until_ms` after a failure. A rest of the same secret never gets
    /// shorter.
    pub fn rest(&self, key: Option<&Key>, until_ms: i64, after: FailureKind) {
        let state = self.key(key.map(|key| &key.id));
        let secret = key.map_or(NO_SECRET, mark_of);
        let rest = Rest { until_ms, after };
        {
            let mut rests = state.rests.lock().unwrap_or_else(PoisonError::into_inner);
            match rests.iter_mut().find(|(of, _)| *of == secret) {
                Some((_, known)) if known.until_ms >= until_ms => {}
                Some((_, known)) => *known = rest,
                None => {
                    if rests.len() == MOST_SECRETS {
                        rests.remove(0);
                    }
                    rests.push((secret, rest));
                }
            }
        }
        state.resting_until.fetch_max(until_ms, Ordering::Relaxed);
        self.any_resting_until.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Counts an attempt that got its answer.
    pub fn succeeded(&self, key: Option<&Arc<str>>) {
        let key = self.key(key);
        key.attempts.fetch_add(1, Ordering::Relaxed);
        let mut recent = key.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.failures *= 0.95;
        recent.successes_since = recent.successes_since.saturating_add(1);
        if recent.successes_since == NEWS {
            recent.last_error = None;
        }
    }

    /// Counts an attempt that failed by the provider's fault.
    pub fn failed(&self, key: Option<&Arc<str>>, error: String) {
        let key = self.key(key);
        key.attempts.fetch_add(1, Ordering::Relaxed);
        key.failures.fetch_add(1, Ordering::Relaxed);
        let mut recent = key.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.failures = recent.failures * 0.95 + 0.05;
        recent.successes_since = 0;
        recent.last_error = Some(error);
    }

    fn find(&self, id: &str) -> Option<Arc<KeyHealth>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn key(&self, id: Option<&Arc<str>>) -> Arc<KeyHealth> {
        if let Some(key) = self.find(id.map_or(NO_KEY, |id| id)) {
            return key;
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.entry(id.cloned().unwrap_or_else(|| NO_KEY.into())).or_default().clone()
    }
}

impl KeyHealth {
    /// The rest of one of the key's secrets.
    fn rest(&self, secret: u64, now_ms: i64) -> Option<Rest> {
        let rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = rests.iter().find(|(of, _)| *of == secret)?.1;
        (rest.until_ms > now_ms).then_some(rest)
    }
}

/// Tells one secret of a key from the next.
fn mark_of(key: &Key) -> u64 {
    foldhash::fast::FixedState::default().hash_one(key.value.expose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{AccessList, Secret};

    #[test]
    fn a_rest_never_gets_shorter() {
        let health = Health::default();
        let provider = health.provider(&"openai".into());
        let (one, another) = (key("one", "sk-1"), key("another", "sk-2"));
        provider.rest(Some(&one), 60_000, FailureKind::RateLimit);
        provider.rest(Some(&one), 1_000, FailureKind::RateLimit);
        let rest = Rest { until_ms: 60_000, after: FailureKind::RateLimit };
        assert_eq!(provider.resting(&one, 59_999), Some(rest));
        assert_eq!(provider.resting(&one, 60_000), None);
        assert_eq!(provider.resting(&another, 59_999), None);
    }

    #[test]
    fn a_key_with_a_new_secret_does_not_rest_for_the_old_one() {
        let health = Health::default();
        let provider = health.provider(&"openai".into());
        let (old, new) = (key("one", "sk-old"), key("one", "sk-new"));
        provider.rest(Some(&old), 60_000, FailureKind::Authentication);
        assert_eq!(provider.resting(&new, 1), None);
        let shown = |key| health.key_state("openai", key, 1).cooling_until_ms;
        assert_eq!((shown(Some(&old)), shown(Some(&new))), (Some(60_000), None));
        provider.rest(Some(&new), 2_000, FailureKind::RateLimit);
        let rest = Rest { until_ms: 2_000, after: FailureKind::RateLimit };
        assert_eq!(provider.resting(&new, 1), Some(rest));
        // What was on its way with the old secret comes back late.
        provider.rest(Some(&old), 90_000, FailureKind::Authentication);
        assert_eq!(provider.resting(&new, 1), Some(rest));
        assert_eq!(provider.resting(&new, 2_000), None);
        assert_eq!((shown(Some(&old)), shown(Some(&new))), (Some(90_000), Some(2_000)));
        // A provider without keys.
        assert_eq!(shown(None), None);
        provider.rest(None, 3_000, FailureKind::Overloaded);
        assert_eq!(shown(None), Some(3_000));
    }

    fn key(id: &str, secret: &str) -> Key {
        Key {
            id: id.into(),
            name: id.into(),
            value: Secret::new(secret),
            models: AccessList::Unrestricted,
            blacklisted_models: Vec::new(),
            weight: 1.0,
            enabled: true,
        }
    }
}
