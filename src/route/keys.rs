//! Which key of a provider serves a request.

use super::health::Rest;
use super::{ProviderState, draw};
use crate::config::Binding;
use crate::llm::FailureKind;
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
    /// Every key that could serve is resting.
    Resting {
        /// When the first is back, Unix milliseconds.
        until_ms: i64,
        /// What that one rests after.
        after: FailureKind,
    },
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
    let mut first_back: Option<Rest> = None;
    let mut awake: SmallVec<[&Arc<Key>; 8]> = SmallVec::new();
    for key in untried {
        match state.resting(key, now_ms) {
            Some(rest) if first_back.is_some_and(|first| first.until_ms <= rest.until_ms) => {}
            Some(rest) => first_back = Some(rest),
            None => awake.push(key),
        }
    }
    if let (true, Some(Rest { until_ms, after })) = (awake.is_empty(), first_back) {
        return Err(NoKey::Resting { until_ms, after });
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
