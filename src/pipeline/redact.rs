//! Providers quote the key that they refuse. It is the operator's: neither the client nor the
//! dashboard may read it.

use crate::llm::Failure;
use crate::provider::{Key, Provider};
use crate::telemetry::redacted;
use smallvec::SmallVec;

/// Shorter values are no secrets, and would tear messages apart.
const SHORTEST: usize = 6;

/// The failure without the secrets that are sent to `provider`, and without anything that looks like
/// a key. The rest of the provider's message stays.
pub(super) fn redact(failure: Failure, provider: &Provider, key: Option<&Key>) -> Failure {
    let keys = provider.keys.iter().map(|key| &**key).chain(key).map(|key| key.value.expose());
    let headers = provider.network.extra_headers.iter();
    let headers = headers.filter_map(|(_, value)| value.to_str().ok());
    // A bearer is quoted without the word before it.
    let secrets = keys.chain(headers).map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
    let secrets: SmallVec<[&str; 8]> = secrets.filter(|secret| secret.len() >= SHORTEST).collect();
    without(&secrets, failure)
}

fn without(secrets: &[&str], mut failure: Failure) -> Failure {
    let texts = [&mut failure.error_type, &mut failure.code, &mut failure.param];
    let texts = texts.into_iter().filter_map(Option::as_mut);
    for text in texts.chain([&mut failure.message]) {
        for secret in secrets {
            if text.contains(secret) {
                *text = text.replace(secret, "****");
            }
        }
    }
    failure.message = redacted(&failure.message);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{FailureKind, Source};

    #[test]
    fn a_quoted_key_is_nowhere_in_the_failure() {
        let message = "odd-token is wrong, odd-token";
        let failure = Failure::new(Source::Upstream, FailureKind::Authentication, message)
            .with_code("bad:odd-token");
        let failure = without(&["odd-token"], failure);
        assert_eq!(failure.message, "**** is wrong, ****");
        assert_eq!(failure.code.as_deref(), Some("bad:****"));
    }
}
