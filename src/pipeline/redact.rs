//! Providers quote the key that they refuse. It is the operator's: neither the client nor the
//! dashboard may read it.

use crate::llm::Failure;
use crate::provider::{Key, Provider};
use crate::telemetry::redacted;

/// Shorter values are no secrets, and would tear messages apart.
const SHORTEST: usize = 6;

/// The failure without the secrets that are sent to `provider`, and without anything that looks like
/// a key. The rest of the provider's message stays.
pub(super) fn redact(mut failure: Failure, provider: &Provider, key: Option<&Key>) -> Failure {
    let keys = provider.keys.iter().map(|key| &**key).chain(key).map(|key| key.value.expose());
    let headers = provider.network.extra_headers.iter();
    let headers = headers.filter_map(|(_, value)| value.to_str().ok());
    let mut message = std::mem::take(&mut failure.message);
    for secret in keys.chain(headers).filter(|secret| secret.len() >= SHORTEST) {
        if message.contains(secret) {
            message = message.replace(secret, "****");
        }
    }
    failure.message = redacted(&message);
    failure
}
