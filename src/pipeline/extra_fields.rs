//! `extra_fields`: what the gateway says about an answer, inside of the answer (Bifrost's form).

use super::call::Call;
use super::record::Outcome;
use crate::llm::Cost;
use http::HeaderMap;

/// The object as JSON text. `headers` are the provider's that cross the gateway.
pub(super) fn extra_fields(call: &Call, outcome: &Outcome, headers: &HeaderMap) -> Vec<u8> {
    let requested = &**call.request.model();
    let model = outcome.trail.model.as_deref().unwrap_or(requested);
    let mut object = Object(Vec::with_capacity(512));
    object.text("request_type", call.request_type());
    object.text("provider", outcome.trail.provider.as_deref().unwrap_or_default());
    object.text("model_requested", model);
    if bare(requested) != model {
        object.text("original_model_requested", requested);
        object.text("model_deployment", model);
    }
    object.number("latency", u64::try_from(outcome.latency.as_millis()).unwrap_or(u64::MAX));
    object.number("chunk_index", outcome.chunk_index);
    if let Some(cost) = outcome.cost {
        object.cost("cost", cost);
    }
    if outcome.estimated {
        object.text("usage_source", "estimated");
    }
    if let Some(debug) = &outcome.cache_debug {
        object.raw("cache_debug", debug.as_bytes());
    }
    if let Some(request) = &outcome.raw_request {
        object.raw("raw_request", request.get().as_bytes());
    }
    if let Some(response) = &outcome.raw_response {
        object.raw("raw_response", response.get().as_bytes());
    }
    if !headers.is_empty() {
        let mut nested = Object(Vec::with_capacity(256));
        for (name, value) in headers {
            if let Ok(value) = value.to_str() {
                nested.text(name.as_str(), value);
            }
        }
        object.raw("provider_response_headers", &nested.end());
    }
    object.end()
}

/// A JSON object in the making. Written by hand because it is made for every answer; names and
/// most values need no escapes.
struct Object(Vec<u8>);

impl Object {
    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.quoted(name);
        self.0.push(b':');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.0.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Dollars, exact to the nano-dollar, which a float is not.
    fn cost(&mut self, name: &str, cost: Cost) {
        self.name(name);
        if cost.0 < 0 {
            self.0.push(b'-');
        }
        let nano = cost.0.unsigned_abs();
        let mut digits = itoa::Buffer::new();
        self.0.extend_from_slice(digits.format(nano / 1_000_000_000).as_bytes());
        self.0.push(b'.');
        // The leading one keeps the zeros.
        let fraction = digits.format(1_000_000_000 + nano % 1_000_000_000).as_bytes();
        self.0.extend_from_slice(fraction.get(1..).unwrap_or_default());
    }

    /// A member whose value is JSON already.
    fn raw(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(value);
    }

    fn quoted(&mut self, text: &str) {
        let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        } else {
            // Text and memory: nothing that could fail.
            let _written = serde_json::to_writer(&mut self.0, text);
        }
    }

    fn end(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        self.0
    }
}

/// The name without the provider in front. A name with a slash of its own compares unequal to the
/// model that was sent, which only makes the answer say more.
fn bare(model: &str) -> &str {
    model.split_once('/').map_or(model, |(_, model)| model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_reads_as_json() {
        let hostile = "a \"quoted\" \\ back\u{1}slash \n ünicode";
        let mut object = Object(Vec::new());
        object.text("text", hostile);
        object.text(hostile, "plain");
        object.number("number", u64::MAX);
        object.cost("cost", Cost(1_000_000_042));
        object.cost("nothing", Cost(0));
        object.cost("back", Cost(-5));
        object.raw("raw", b"[1]");
        let text = object.end();
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read["text"], hostile);
        assert_eq!(read[hostile], "plain");
        assert_eq!(read["number"], u64::MAX);
        assert_eq!(read["raw"], serde_json::json!([1]));
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(r#""cost":1.000000042,"nothing":0.000000000,"back":-0.000000005,"#));
        assert_eq!(Object(Vec::new()).end(), b"{}");
    }
}
