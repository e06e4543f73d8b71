//! Which headers cross the gateway.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of a client that never reach a provider: those of the connection, credentials of the
/// gateway, and those that a proxy must not repeat.
const NEVER_UPSTREAM: &[&str] = &[
    "host",
    "content-length",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "accept-encoding",
    "content-encoding",
    "content-type",
    "origin",
    "referer",
    "forwarded",
    "via",
    "x-request-id",
    "x-real-ip",
];

/// Beginnings of header names that never reach a provider.
const NEVER_UPSTREAM_PREFIXES: &[&str] = &["x-bf-", "x-forwarded-", "sec-", "cf-", "x-tollbridge-"];

/// Headers of an answer that belong to the connection or to the gateway itself.
const NEVER_DOWNSTREAM: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-encoding",
    "content-type",
    "date",
    "server",
    "set-cookie",
    "strict-transport-security",
    "alt-svc",
    "cache-control",
];

const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// Copies the client's headers for a provider that speaks the client's own wire format.
pub fn copy_client_headers(client: &HeaderMap, upstream: &mut HeaderMap) {
    for (name, value) in client {
        if goes_upstream(name) {
            upstream.append(name.clone(), value.clone());
        }
    }
}

/// Copies the headers that the client names explicitly for the provider: `x-bf-eh-<name>`.
pub fn forward_extra_headers(client: &HeaderMap, upstream: &mut HeaderMap) {
    for (name, value) in client {
        let Some(wanted) = name.as_str().strip_prefix("x-bf-eh-") else { continue };
        if let Ok(wanted) = HeaderName::try_from(wanted)
            && (goes_upstream(&wanted) || wanted == header::AUTHORIZATION)
        {
            upstream.insert(wanted, value.clone());
        }
    }
}

/// Copies what a provider's answer says besides its body: rate limits, processing time, ids. The
/// provider's request id becomes `x-upstream-request-id`, as `x-request-id` is the gateway's own.
pub fn answer_headers(upstream: &HeaderMap, downstream: &mut HeaderMap) {
    for (name, value) in upstream {
        let text = name.as_str();
        if NEVER_DOWNSTREAM.contains(&text) || text.starts_with("access-control-") {
            continue;
        }
        if text == "x-request-id" || text == "request-id" {
            downstream.insert(X_UPSTREAM_REQUEST_ID, value.clone());
        } else {
            downstream.append(name.clone(), value.clone());
        }
    }
}

/// The content type of every request.
pub fn json() -> HeaderValue {
    HeaderValue::from_static("application/json")
}

fn goes_upstream(name: &HeaderName) -> bool {
    let name = name.as_str();
    !NEVER_UPSTREAM.contains(&name)
        && !NEVER_UPSTREAM_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
