//! The control endpoints under `/_mock/`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::body::Scripted;
use crate::rule::Rule;
use crate::state::{Received, State};

/// Reads rules: one, or a list.
///
/// # Errors
///
/// When the text is no rule and no list of rules.
pub fn parse_rules(text: &[u8]) -> Result<Vec<Rule>, serde_json::Error> {
    let value: Value = serde_json::from_slice(text)?;
    if value.is_array() {
        serde_json::from_value(value)
    } else {
        serde_json::from_value(value).map(|rule| vec![rule])
    }
}

/// Answers a control request.
pub(crate) fn answer(
    state: &Arc<State>,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Response<Scripted> {
    match (method.as_str(), path) {
        ("GET", "health") => ok(&json!({"status": "ok"})),
        ("GET", "rules") => ok(&json!(state.rules())),
        ("POST", "rules") => match parse_rules(body) {
            Ok(rules) => {
                let added = rules.len();
                state.script(rules);
                ok(&json!({"added": added}))
            }
            Err(error) => json_response(400, &json!({"error": error.to_string()})),
        },
        ("DELETE", "rules") => {
            state.clear_rules();
            ok(&json!({}))
        }
        ("GET", "received") => {
            let all: Vec<Value> = state.received().iter().map(told).collect();
            ok(&json!(all))
        }
        ("DELETE", "received") => {
            state.clear_received();
            ok(&json!({}))
        }
        ("GET", "counts") => ok(&json!(state.counts())),
        ("DELETE", "counts") => {
            state.clear_counts();
            ok(&json!({}))
        }
        _ => json_response(404, &json!({"error": "no such control endpoint"})),
    }
}

fn ok(body: &Value) -> Response<Scripted> {
    json_response(200, body)
}

fn json_response(status: u16, body: &Value) -> Response<Scripted> {
    let mut response = Response::new(Scripted::whole(body.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A received request as JSON.
fn told(received: &Received) -> Value {
    let mut headers = Map::new();
    for (name, value) in &received.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match headers.get_mut(name.as_str()) {
            Some(Value::String(earlier)) => {
                earlier.push_str(", ");
                earlier.push_str(&value);
            }
            _ => {
                headers.insert(name.as_str().to_owned(), Value::String(value));
            }
        }
    }
    let mut told = json!({
        "provider": received.provider,
        "key": received.key,
        "model": received.model,
        "path": received.path,
        "query": received.query,
        "method": received.method.as_str(),
        "headers": headers,
        "at_ms": received.at_ms,
        "aborted": received.aborted,
        "http_version": format!("{:?}", received.http_version),
    });
    match std::str::from_utf8(&received.body) {
        Ok(text) => told["body"] = json!(text),
        Err(_) => told["body_base64"] = json!(STANDARD.encode(&received.body)),
    }
    told
}
