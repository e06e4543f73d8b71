//! Who may use the management API: the password if there is one, and never a foreign web page.

use super::error::{AdminError, AdminResult};
use crate::app::App;
use crate::config::{Admin, Snapshot, Verdict};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Open to everybody: how else would the dashboard know whether to ask for a password.
pub(super) const IS_AUTH_ENABLED: &str = "/api/session/is-auth-enabled";

/// Headers of every answer of the API. It never answers with a page, so a browser that shows an
/// answer as one may load and run nothing.
const SECURITY: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (CACHE_CONTROL, "no-store"),
];

/// The longest refusal of the framework, in bytes.
const MOST_WORDS: usize = 4096;

/// Lets a call through or answers it with 401, 403 or 503.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let verdict = {
        let snapshot = app.live.snapshot();
        let call = Call::of(&request);
        check(&snapshot, app.listen_is_loopback, &call).await
    };
    let mut response = match verdict {
        Ok(()) => in_json(next.run(request).await).await,
        Err(error) => error.into_response(),
    };
    for (name, value) in SECURITY {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// `GET /api/session/is-auth-enabled`.
pub(super) async fn is_auth_enabled(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> AdminResult<Json<Value>> {
    let snapshot = app.live.snapshot();
    let valid = match &snapshot.admin {
        Some(admin) => is_right(admin, &headers).await?,
        None => false,
    };
    Ok(Json(json!({"is_auth_enabled": snapshot.admin.is_some(), "has_valid_token": valid})))
}

async fn is_right(admin: &Admin, headers: &HeaderMap) -> AdminResult<bool> {
    match admin.judge(headers).await {
        Verdict::Right => Ok(true),
        Verdict::Wrong => Ok(false),
        Verdict::NotLookedAt => Err(AdminError::credentials_not_checked()),
    }
}

/// The framework's own refusals (an unreadable path, a body that is too large) come as text.
async fn in_json(response: Response) -> Response {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(CONTENT_TYPE);
    if !failed || content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/")) {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), MOST_WORDS).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let message = if text.is_empty() { status.to_string() } else { text.into_owned() };
    AdminError::new(status, "refused", message).into_response()
}

struct Call<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

impl<'a> Call<'a> {
    fn of(request: &'a Request) -> Self {
        Call { method: request.method(), uri: request.uri(), headers: request.headers() }
    }

    /// Host and port as the client wrote them.
    fn host(&self) -> Option<&str> {
        let authority = self.uri.authority().map(axum::http::uri::Authority::as_str);
        authority.or_else(|| text(self.headers, &HOST))
    }

    fn reads(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

async fn check(
    snapshot: &Snapshot,
    listen_is_loopback: bool,
    call: &Call<'_>,
) -> Result<(), AdminError> {
    // Browsers send cached passwords along with what a foreign page asks them to send.
    if !call.reads()
        && let Some(origin) = text(call.headers, &ORIGIN)
        && !is_own_origin(origin, call.host(), &snapshot.client.allowed_origins)
    {
        return Err(AdminError::forbidden(format!(
            "a web page of `{origin}` may not change this gateway; add the origin to \
             client.allowed_origins if it should"
        )));
    }
    if let Some(admin) = &snapshot.admin {
        let open = call.uri.path() == IS_AUTH_ENABLED;
        let passes = open || is_right(admin, call.headers).await?;
        return if passes { Ok(()) } else { Err(AdminError::unauthorized()) };
    }
    // A foreign page can give its own name our address and then read us as its own site.
    match call.host() {
        Some(host) if listen_is_loopback && !is_this_machine(host_name(host)) => {
            Err(AdminError::forbidden(format!(
                "this gateway listens on this machine only and is asked for as `{host}`; use \
                 localhost, or set governance.auth_config to manage it under other names"
            )))
        }
        _ => Ok(()),
    }
}

fn is_own_origin(origin: &str, host: Option<&str>, allowed: &[String]) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let without_port = |authority: &str| {
        authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase()
    };
    let same = host.is_some_and(|host| without_port(host) == without_port(authority));
    // `*`, the default, lets every page read what it may read anyway; it is no leave to write.
    let listed = allowed
        .iter()
        .any(|entry| entry != "*" && entry.trim_end_matches('/').eq_ignore_ascii_case(origin));
    same || listed || is_this_machine(host_name(authority))
}

/// The host of `host:port`.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_this_machine(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".localhost")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let allowed = ["*".to_owned(), "https://ops.example.com".to_owned()];
        let own = |origin, host| is_own_origin(origin, Some(host), &allowed);
        assert!(own("http://gateway:8080", "gateway:8080"));
        assert!(own("https://gateway.example.com", "gateway.example.com:443"));
        assert!(own("http://localhost:5173", "127.0.0.1:8080"));
        assert!(own("https://ops.example.com", "gateway:8080"));
        assert!(!own("https://evil.example", "gateway:8080"));
        assert!(!own("http://gateway:9090", "gateway:8080"));
        assert!(!own("null", "gateway:8080"));
        assert!(!own("http://localhost.evil.example", "localhost:8080"));
    }

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "[::1]", "LOCALHOST"] {
            assert!(is_this_machine(host_name(host)), "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1"]
        {
            assert!(!is_this_machine(host_name(host)), "{host}");
        }
    }

    #[test]
    fn who_was_not_looked_at_is_asked_to_come_again() {
        let response = AdminError::credentials_not_checked().into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[axum::http::header::RETRY_AFTER], "1");
        assert!(!response.headers().contains_key(axum::http::header::WWW_AUTHENTICATE));
    }
}
