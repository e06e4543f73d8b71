//! The dashboard's files, out of the binary.
//!
//! They are built into `web-ui/dist` beforehand; without them there is a page that says how.
//! Files come compressed by the build (`.br`, `.gz` beside each), so nothing is compressed here.

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use rust_embed::RustEmbed;
use serde_json::json;
use std::borrow::Cow;
use std::fmt::Write;

#[derive(RustEmbed)]
#[folder = "web-ui/dist"]
#[allow_missing = true]
struct Assets;

/// Paths that belong to machines: an unknown one is a JSON 404 whatever the client accepts.
const API_PREFIXES: &[&str] = &[
    "v1",
    "v1beta",
    "api",
    "openai",
    "anthropic",
    "genai",
    "bedrock",
    "cohere",
    "litellm",
    "langchain",
    "pydanticai",
    "mcp",
    "ws",
    "health",
    "readyz",
    "metrics",
];

const SECURITY: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
];

/// Everything that no other route takes.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().fallback(serve)
}

async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let mut response = respond(&method, uri.path(), &headers);
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn respond(method: &Method, path: &str, headers: &HeaderMap) -> Response {
    let file = path.trim_start_matches('/');
    let first = file.split('/').next().unwrap_or_default();
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if !reads || API_PREFIXES.contains(&first) {
        return not_found(method, path);
    }
    if let Some(response) = asset(file, headers) {
        return response;
    }
    // The dashboard's own paths exist in the browser only. A missing script must stay a 404:
    // answered with a page it would fail in a way that nobody understands.
    let wants_page = file.is_empty() || (accepts_html(headers) && first != "assets");
    if !wants_page {
        return not_found(method, path);
    }
    asset("index.html", headers).unwrap_or_else(placeholder)
}

fn asset(file: &str, headers: &HeaderMap) -> Option<Response> {
    let hidden = file.ends_with(".br") || file.ends_with(".gz");
    if file.is_empty() || hidden {
        return None;
    }
    let variants = [("br", ".br"), ("gzip", ".gz")];
    let compressed = variants.into_iter().find_map(|(encoding, suffix)| {
        let wanted = accepts_encoding(headers, encoding);
        let found = wanted.then(|| Assets::get(&format!("{file}{suffix}"))).flatten()?;
        Some((Some(encoding), found))
    });
    let (encoding, found) = match compressed {
        Some(found) => found,
        None => (None, Assets::get(file)?),
    };
    let etag = etag(&found.metadata.sha256_hash());
    let unchanged = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.to_str().is_ok_and(|known| known.contains(&etag)));
    let body = match found.data {
        _ if unchanged => Body::empty(),
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(file)));
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    // Names under assets/ carry a hash of their content.
    let fixed = file.starts_with("assets/");
    let caching = if fixed { "public, max-age=31536000, immutable" } else { "no-cache" };
    out.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Some(encoding) = encoding {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(etag) = HeaderValue::try_from(etag) {
        out.insert(ETAG, etag);
    }
    Some(response)
}

fn etag(hash: &[u8; 32]) -> String {
    let mut text = String::from("\"");
    for byte in hash.iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn accepts_encoding(headers: &HeaderMap, encoding: &str) -> bool {
    let Some(accepted) = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    accepted.split(',').any(|choice| {
        let (name, weight) = choice.split_once(';').unwrap_or((choice, ""));
        let refused = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

fn media_type(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The same error body as everywhere else, so that clients with a wrong base URL can read it.
fn not_found(method: &Method, path: &str) -> Response {
    let message = format!(
        "there is no {method} {path}; inference is under /v1 (such as POST /v1/chat/completions) \
         and management under /api"
    );
    let body = json!({
        "is_bifrost_error": false,
        "status_code": 404,
        "error": {
            "message": message,
            "type": "not_found_error",
            "param": null,
            "code": "route_not_found",
        },
        "extra_fields": {},
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn placeholder() -> Response {
    let mut response = Response::new(Body::from(PLACEHOLDER));
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

const PLACEHOLDER: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Tollbridge</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem }
</style>
<h1>Tollbridge is running</h1>
<p>This binary was built without the dashboard. To have it, run <code>make ui</code> in the source
folder (needs Node.js) and build again.</p>
<p>Everything else works: inference is under <code>/v1</code>, management under
<code>/api</code>, metrics under <code>/metrics</code>.</p>
</html>
";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn machines_never_get_a_page() {
        let browser = headers(&[(ACCEPT, "text/html,*/*")]);
        for path in ["/v1/nothing", "/api/nothing", "/openai/x", "/assets/gone.js"] {
            let response = respond(&Method::GET, path, &browser);
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        }
        let script = respond(&Method::GET, "/virtual-keys", &HeaderMap::new());
        assert_eq!(script.status(), StatusCode::NOT_FOUND);
        assert_eq!(respond(&Method::POST, "/", &browser).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn people_get_the_page_on_every_path_of_the_dashboard() {
        let browser = headers(&[(ACCEPT, "text/html,*/*")]);
        for (path, headers) in
            [("/", &HeaderMap::new()), ("/virtual-keys", &browser), ("/index.html", &browser)]
        {
            let response = respond(&Method::GET, path, headers);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        }
    }

    #[test]
    fn encodings_as_accepted() {
        let accepts =
            |value, encoding| accepts_encoding(&headers(&[(ACCEPT_ENCODING, value)]), encoding);
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("GZIP;q=0.5", "gzip"));
        assert!(!accepts("br;q=0, gzip", "br"));
        assert!(!accepts_encoding(&HeaderMap::new(), "br"));
    }
}
