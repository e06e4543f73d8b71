//! How a request proves who pays.

use super::{Auth, Secret};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The version of Anthropic's API that translated requests are written for: the newer one
/// (2026-10-21) refuses sampling parameters, which OpenAI's clients send.
const ANTHROPIC_VERSION: &str = "2023-06-01";

const ANTHROPIC_VERSION_HEADER: HeaderName = HeaderName::from_static("anthropic-version");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The beginning of a key that is sent as it is in `authorization`, where the API has another header
/// for keys: Anthropic's tokens (`ANTHROPIC_AUTH_TOKEN`).
pub(crate) const BEARER: &str = "Bearer ";

/// Adds the headers that carry `key` to `headers`; without a key only what the API always wants.
///
/// A key with characters that no header can carry is left out, so that the provider refuses the
/// request by its own words.
pub fn authorize(auth: Auth, key: Option<&Secret>, headers: &mut HeaderMap) {
    if auth == Auth::Anthropic {
        headers.insert(ANTHROPIC_VERSION_HEADER, HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    let Some(key) = key.filter(|key| !key.is_empty()) else { return };
    let (name, value) = match auth {
        Auth::Bearer => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", key.expose()))),
        Auth::Anthropic if key.expose().starts_with(BEARER) => {
            (AUTHORIZATION, HeaderValue::try_from(key.expose()))
        }
        Auth::Anthropic => (X_API_KEY, HeaderValue::try_from(key.expose())),
        Auth::Google => (X_GOOG_API_KEY, HeaderValue::try_from(key.expose())),
    };
    if let Ok(mut value) = value {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_anthropic_is_a_bearer_and_a_key_is_not() {
        let sent = |key: &str| {
            let mut headers = HeaderMap::new();
            authorize(Auth::Anthropic, Some(&Secret::new(key)), &mut headers);
            (headers.get(AUTHORIZATION).cloned(), headers.get(X_API_KEY).cloned())
        };
        let value = |text| Some(HeaderValue::from_static(text));
        assert_eq!(sent("sk-ant-1"), (None, value("sk-ant-1")));
        assert_eq!(sent("Bearer token"), (value("Bearer token"), None));
    }
}
