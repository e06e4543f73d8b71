//! Paths of a provider's API.

use super::{Endpoint, Provider};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The URL for `model` at `endpoint`: the operator's override, absolute or below the base URL, or
/// the row's path.
pub fn url_path(provider: &Provider, endpoint: &Endpoint, model: &str, stream: bool) -> String {
    let path = match provider.path_overrides.get(&endpoint.operation) {
        Some(path) if path.starts_with("http://") || path.starts_with("https://") => {
            return path.replace("{model}", &encode(model));
        }
        Some(path) => path.as_str(),
        None if stream => endpoint.stream_path,
        None => endpoint.path,
    };
    let path =
        if path.contains('{') { path.replace("{model}", &encode(model)) } else { path.into() };
    let base = provider.base_url.as_str();
    // A base URL that already ends in the version is what OpenAI's SDKs are given; it is meant so.
    let path = match base.ends_with("/v1") {
        true => path.strip_prefix("/v1").unwrap_or(&path),
        false => &path,
    };
    format!("{base}{path}")
}

/// What must not stand in one segment of a path. `:` may: tuned models of Google carry it.
const SEGMENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'/').add(b'<').add(b'>').add(b'?');

fn encode(model: &str) -> String {
    utf8_percent_encode(model, SEGMENT).to_string()
}
