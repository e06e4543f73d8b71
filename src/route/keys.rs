//! Which key of a provider serves a request.

use super::{ProviderState, draw};
use crate::config::Binding;
use crate::provider::{Key, Provider};
use rand::Rng;
use smallvec::SmallVec;
use std::sync::Arc;

/// Why no key can serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoKey {
    /// The provider has no enabled key.
    None,
    /// No enabled key may serve the model.
    ModelNotServed,
    /// The virtual key may use none of the keys that may serve the model.
    NotAllowed,
    /// Every key that could serve has been tried in this request.
    AllTried,
    /// Every key that could serve is resting; the first is back at this time, Unix milliseconds.
    Resting(i64),
}

/// Draws a key for `model` by weight among those that are allowed, awake and not in `tried`. A
/// provider that works without keys and has none answers `Ok(None)`.
///
/// # Errors
/// Why there is none.
pub fn draw_key(
    provider: &Provider,
    model: &str,
    binding: Option<&Binding>,
    tried: &[Arc<str>],
    state: &ProviderState,
    now_ms: i64,
    rng: &mut impl Rng,
) -> Result<Option<Arc<Key>>, NoKey> {
    if provider.keys.is_empty() && provider.keyless {
        return if tried.is_empty() { Ok(None) } else { Err(NoKey::AllTried) };
    }
    let serving = serving(provider, model, binding)?;
    let untried: SmallVec<[&Arc<Key>; 8]> =
        serving.into_iter().filter(|key| !tried.contains(&key.id)).collect();
    if untried.is_empty() {
        return Err(NoKey::AllTried);
    }
    let mut back_at = i64::MAX;
    let mut awake: SmallVec<[&Arc<Key>; 8]> = SmallVec::new();
    for key in untried {
        match state.resting_until(&key.id, now_ms) {
            Some(until) => back_at = back_at.min(until),
            None => awake.push(key),
        }
    }
    if awake.is_empty() {
        return Err(NoKey::Resting(back_at));
    }
    let drawn = match draw(awake.iter().map(|key| key.weight), rng) {
        Some(index) => index,
        None => draw(awake.iter().map(|_| 1.0), rng).unwrap_or(0),
    };
    Ok(awake.get(drawn).map(|key| Arc::clone(key)))
}

/// The keys that may serve `model` for the caller, awake or not.
fn serving<'a>(
    provider: &'a Provider,
    model: &str,
    binding: Option<&Binding>,
) -> Result<SmallVec<[&'a Arc<Key>; 8]>, NoKey> {
    if !provider.keys.iter().any(|key| key.enabled) {
        return Err(NoKey::None);
    }
    let mut keys: SmallVec<[&Arc<Key>; 8]> =
        provider.keys.iter().filter(|key| key.serves(model)).collect();
    if keys.is_empty() {
        return Err(NoKey::ModelNotServed);
    }
    if let Some(binding) = binding {
        keys.retain(|key| binding.allows_key(key));
    }
    if keys.is_empty() { Err(NoKey::NotAllowed) } else { Ok(keys) }
}
