//! Who is calling: the virtual key in the request's headers.

use crate::config::{Snapshot, VirtualKey, secret_hash};
use crate::llm::{Failure, FailureKind, Source};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use std::sync::Arc;

/// The caller of a request.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The virtual key, if the request carries a known one.
    pub virtual_key: Option<Arc<VirtualKey>>,
    /// A provider key that the client brought itself (`client.allow_direct_keys`).
    pub direct_key: Option<String>,
}

/// The headers in which a virtual key may stand, in the order in which they are looked at.
///
/// Bifrost's own, then those of the OpenAI, Anthropic, Azure and Google SDKs.
static KEY_HEADERS: [KeyHeader; 5] = [
    KeyHeader {
        name: HeaderName::from_static("x-bf-vk"),
        bearer: false,
        always_a_virtual_key: true,
    },
    KeyHeader { name: AUTHORIZATION, bearer: true, always_a_virtual_key: false },
    KeyHeader {
        name: HeaderName::from_static("x-api-key"),
        bearer: false,
        always_a_virtual_key: false,
    },
    KeyHeader {
        name: HeaderName::from_static("api-key"),
        bearer: false,
        always_a_virtual_key: false,
    },
    KeyHeader {
        name: HeaderName::from_static("x-goog-api-key"),
        bearer: false,
        always_a_virtual_key: false,
    },
];

/// A header in which a virtual key may stand.
#[derive(Debug)]
struct KeyHeader {
    name: HeaderName,
    /// Whether the key follows the word `Bearer`.
    bearer: bool,
    /// Whether a value in it can be nothing but a virtual key.
    always_a_virtual_key: bool,
}

/// Finds the caller.
///
/// A token that is no known virtual key is ignored, as SDKs insist on sending some key: unless it looks
/// like one (`sk-bf-…`), was one until it was deleted or rotated, or virtual keys are enforced.
///
/// Where inference asks for the credentials of the management API too, they fill `Authorization`, and
/// virtual keys go by the other headers. Finding out about credentials may be slow, so that is done
/// before, by [`Snapshot::look_at_credentials`].
///
/// # Errors
/// 401 for missing credentials, 401 for an unknown or missing key (403 when it stands in `x-bf-vk`, as in Bifrost), 403 for an
/// inactive one.
pub fn identify(snapshot: &Snapshot, headers: &HeaderMap) -> Result<Caller, Failure> {
    let admin = snapshot.admin.as_ref().filter(|admin| admin.on_inference);
    if admin.is_some_and(|admin| !admin.knows(headers)) {
        return Err(unauthorized());
    }
    let mut direct_key = None;
    for header in &KEY_HEADERS {
        // The password is no provider's key.
        if admin.is_some() && header.name == AUTHORIZATION {
            continue;
        }
        let Some(token) = token(headers, header) else { continue };
        let hash = secret_hash(token);
        if let Some(key) = snapshot.virtual_key(&hash) {
            return match key.is_active {
                true => Ok(Caller { virtual_key: Some(key.clone()), direct_key: None }),
                false => Err(inactive(key)),
            };
        }
        let meant_as_one = looks_like_virtual_key(token) || snapshot.is_no_secret(&hash);
        if header.always_a_virtual_key || meant_as_one {
            return Err(unknown(header));
        }
        direct_key.get_or_insert(token);
    }
    if snapshot.client.enforce_auth_on_inference {
        return Err(required());
    }
    let direct_key = direct_key.filter(|_| snapshot.client.allow_direct_keys).map(str::to_owned);
    Ok(Caller { virtual_key: None, direct_key })
}

fn token<'a>(headers: &'a HeaderMap, header: &KeyHeader) -> Option<&'a str> {
    let value = headers.get(&header.name)?.to_str().ok()?.trim();
    if !header.bearer {
        return Some(value).filter(|value| !value.is_empty());
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn looks_like_virtual_key(token: &str) -> bool {
    token.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sk-bf-"))
}

fn unknown(header: &KeyHeader) -> Failure {
    let message = format!(
        "Virtual key not found: no virtual key has the secret sent in `{}` (any more). Check it, or \
         create one with POST /api/governance/virtual-keys",
        header.name
    );
    let failure = Failure::new(Source::Client, FailureKind::Authentication, message)
        .with_code("virtual_key_not_found");
    if header.always_a_virtual_key { failure.with_status(403) } else { failure }
}

fn inactive(key: &VirtualKey) -> Failure {
    let message = format!("Virtual key '{}' is inactive", key.name);
    Failure::new(Source::Client, FailureKind::Permission, message).with_code("virtual_key_blocked")
}

fn unauthorized() -> Failure {
    let message = "Inference asks for the credentials of the management API here \
                   (governance.auth_config.disable_auth_on_inference is false): send them as \
                   `Authorization: Basic …`, and a virtual key as `x-bf-vk` or `x-api-key`";
    Failure::new(Source::Client, FailureKind::Authentication, message).with_code("unauthorized")
}

fn required() -> Failure {
    let message = "A virtual key is required: send it as `Authorization: Bearer …`, `x-api-key` or \
                   `x-bf-vk`";
    Failure::new(Source::Client, FailureKind::Authentication, message)
        .with_code("virtual_key_required")
}
