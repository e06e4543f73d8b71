//! What recent attempts say about providers and keys. Survives changes of the configuration.

use hashbrown::HashMap;
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
    /// Unix milliseconds; 0 when awake.
    resting_until: AtomicI64,
    attempts: AtomicU64,
    failures: AtomicU64,
    recent: Mutex<Recent>,
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
/// The name under which attempts of a provider without keys are counted.
const NO_KEY: &str = "";

impl Health {
    /// What is known of a key at `now_ms`. For a provider without keys, `key_id` is empty.
    pub fn key_state(&self, provider: &str, key_id: &str, now_ms: i64) -> KeyState {
        let Some(key) = self.find(provider).and_then(|provider| provider.find(key_id)) else {
            return KeyState::default();
        };
        let recent = key.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let until = key.resting_until.load(Ordering::Relaxed);
        KeyState {
            cooling_until_ms: (until > now_ms).then_some(until),
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

    /// Until when a key rests, if it does at `now_ms`.
    pub fn resting_until(&self, key: &str, now_ms: i64) -> Option<i64> {
        if self.any_resting_until.load(Ordering::Relaxed) <= now_ms {
            return None;
        }
        let until = self.find(key)?.resting_until.load(Ordering::Relaxed);
        (until > now_ms).then_some(until)
    }

    /// Lets a key rest until `until_ms`. A rest never gets shorter.
    pub fn rest(&self, key: Option<&Arc<str>>, until_ms: i64) {
        self.key(key).resting_until.fetch_max(until_ms, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_never_gets_shorter() {
        let health = Health::default();
        let (provider, key): (Arc<str>, Arc<str>) = ("openai".into(), "k".into());
        let provider = health.provider(&provider);
        provider.rest(Some(&key), 60_000);
        provider.rest(Some(&key), 1_000);
        assert_eq!(provider.resting_until("k", 59_999), Some(60_000));
        assert_eq!(provider.resting_until("k", 60_000), None);
        assert_eq!(provider.resting_until("another", 59_999), None);
    }
}
