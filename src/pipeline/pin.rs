//! A provider key that the client names: `x-bf-api-key-id`, or `x-bf-api-key` with its name.

use super::call::Call;
use crate::llm::{Failure, FailureKind, Source};
use crate::provider::Key;
use crate::route::{NoKey, ProviderState, Rest, Target};
use http::HeaderName;
use std::sync::Arc;

/// The id wins over the name.
const HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-bf-api-key-id"), HeaderName::from_static("x-bf-api-key")];

/// The key that the client named for the first target; `Ok(None)` when it named none.
///
/// # Errors
/// The key is not one that may serve the request, or it rests, or it has been tried.
pub(super) fn pinned(
    call: &Call,
    target: &Target,
    tried: &[Arc<str>],
    health: &ProviderState,
    now_ms: i64,
) -> Result<Option<Arc<Key>>, Pinned> {
    let [by_id, by_name] = &HEADERS;
    let named = |header| call.headers.get(header).and_then(|value| value.to_str().ok());
    let (header, wanted) = match (named(by_id), named(by_name)) {
        (Some(id), _) => (by_id, id),
        (None, Some(name)) => (by_name, name),
        (None, None) => return Ok(None),
    };
    let binding = target.binding(call.caller.virtual_key.as_ref());
    let found = target.provider.keys.iter().find(|key| {
        let own = if header == by_id { &key.id } else { &key.name };
        **own == *wanted
            && key.serves(&target.model)
            && binding.is_none_or(|binding| binding.allows_key(key))
    });
    let Some(key) = found else {
        let message = format!(
            "{header}: '{wanted}' is no key of {} that may serve '{}' here",
            target.provider.name, target.model
        );
        let failure = Failure::new(Source::Gateway, FailureKind::NoKey, message);
        return Err(Pinned::Failed(Box::new(
            failure.with_code("no_key").with_param(header.as_str()),
        )));
    };
    if tried.contains(&key.id) {
        return Err(Pinned::NoKey(NoKey::AllTried));
    }
    match health.resting(key, now_ms) {
        Some(Rest { until_ms, after }) => Err(Pinned::NoKey(NoKey::Resting { until_ms, after })),
        None => Ok(Some(key.clone())),
    }
}

/// Why a named key cannot be used.
pub(super) enum Pinned {
    /// As for a key that was drawn.
    NoKey(NoKey),
    /// There is no such key for the request.
    Failed(Box<Failure>),
}
