//! Which headers cross the gateway.

use crate::config::HeaderFilter;
use crate::llm::{Failure, FailureKind, Source};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::sync::LazyLock;

/// Headers that never reach a provider, even where a client or the operator names them: those of the
/// connection, credentials of the gateway, and those that a proxy must not repeat.
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
    "forwarded",
    "via",
    "x-request-id",
    "x-real-ip",
];

/// Beginnings of header names that never reach a provider.
const NEVER_UPSTREAM_PREFIXES: &[&str] = &["x-bf-", "x-forwarded-", "sec-", "cf-", "x-tollbridge-"];

const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// Names every gateway that a request has passed.
const HOP: HeaderName = HeaderName::from_static("x-tollbridge-hop");

/// This process in [`HOP`].
static INSTANCE: LazyLock<HeaderValue> = LazyLock::new(|| {
    let id = format!("{:016x}", rand::random::<u64>());
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("tollbridge"))
});

/// Copies what of the client's headers a provider is to see: trace context and what the operator
/// lists, and for one that speaks the client's own wire format (`same_format`) the headers of that
/// API. Anything else may be a secret of somebody else's and stays here.
pub fn copy_client_headers(
    client: &HeaderMap,
    same_format: bool,
    filter: &HeaderFilter,
    upstream: &mut HeaderMap,
) {
    for (name, value) in client {
        let own = is_trace(name) || (same_format && belongs_to_api(name));
        let passes = match own {
            true => !filter.denies(name),
            false => filter.allows(name) && may_go_upstream(name),
        };
        if passes {
            upstream.append(name.clone(), value.clone());
        }
    }
}

/// Copies the headers that the client names explicitly for the provider: `x-bf-eh-<name>`.
pub fn forward_extra_headers(client: &HeaderMap, filter: &HeaderFilter, upstream: &mut HeaderMap) {
    for (name, value) in client {
        let Some(wanted) = name.as_str().strip_prefix("x-bf-eh-") else { continue };
        if let Ok(wanted) = HeaderName::try_from(wanted)
            && (may_go_upstream(&wanted) || wanted == header::AUTHORIZATION)
            && filter.allows_named(&wanted)
        {
            upstream.insert(wanted, value.clone());
        }
    }
}

/// Marks a request as one that has passed this process, so that it is known if it comes back.
pub fn mark_hop(client: &HeaderMap, upstream: &mut HeaderMap) {
    for value in client.get_all(HOP) {
        upstream.append(HOP, value.clone());
    }
    upstream.append(HOP, INSTANCE.clone());
}

/// Refuses a request that this process has sent itself: some base URL leads back here.
///
/// # Errors
/// 508 `loop_detected`.
pub fn refuse_loop(client: &HeaderMap) -> Result<(), Failure> {
    if client.get_all(HOP).iter().all(|value| value != *INSTANCE) {
        return Ok(());
    }
    let message = "the request has come back to the gateway that sent it: the base_url of a \
                   provider leads to this gateway";
    Err(Failure::new(Source::Client, FailureKind::InvalidRequest, message)
        .with_status(508)
        .with_code("loop_detected"))
}

/// Copies what a provider's answer says besides its body: rate limits, processing time, ids. The
/// provider's request id becomes `x-upstream-request-id`, as `x-request-id` is the gateway's own.
pub fn answer_headers(upstream: &HeaderMap, downstream: &mut HeaderMap) {
    for (name, value) in upstream {
        let text = name.as_str();
        if belongs_to_connection(text) {
            continue;
        }
        if text == "x-request-id" || text == "request-id" {
            downstream.insert(X_UPSTREAM_REQUEST_ID, value.clone());
        } else {
            downstream.append(name.clone(), value.clone());
        }
    }
}

/// Headers of an answer that belong to the connection or to the gateway itself.
fn belongs_to_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "content-encoding"
            | "content-type"
            | "date"
            | "server"
            | "set-cookie"
            | "location"
            | "www-authenticate"
            | "strict-transport-security"
            | "alt-svc"
            | "cache-control"
    ) || name.starts_with("access-control-")
}

/// The content type of every request.
pub fn json() -> HeaderValue {
    HeaderValue::from_static("application/json")
}

/// Headers that belong to OpenAI's API as its SDKs use it.
fn belongs_to_api(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "accept" | "user-agent" | "idempotency-key" | "x-client-request-id")
        || name.starts_with("openai-")
        || name.starts_with("x-stainless-")
}

/// W3C trace context, but for `baggage`, which may say anything.
fn is_trace(name: &HeaderName) -> bool {
    matches!(name.as_str(), "traceparent" | "tracestate")
}

fn may_go_upstream(name: &HeaderName) -> bool {
    let name = name.as_str();
    !NEVER_UPSTREAM.contains(&name)
        && !NEVER_UPSTREAM_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
