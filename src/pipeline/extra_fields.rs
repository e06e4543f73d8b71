//! `extra_fields`: what the gateway says about an answer, inside of the answer (Bifrost's form).

use super::call::Call;
use super::record::Outcome;
use http::HeaderMap;
use std::fmt::Display;
use std::io::Write;

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
    object.raw("latency", outcome.latency.as_millis());
    object.raw("chunk_index", outcome.chunk_index);
    if let Some(cost) = outcome.cost {
        // Exact to the nano-dollar, which a float is not.
        object.raw("cost", cost);
    }
    if outcome.estimated {
        object.text("usage_source", "estimated");
    }
    if let Some(request) = &outcome.raw_request {
        object.raw("raw_request", request);
    }
    if let Some(response) = &outcome.raw_response {
        object.raw("raw_response", response);
    }
    if !headers.is_empty() {
        let mut nested = Object(Vec::new());
        for (name, value) in headers {
            if let Ok(value) = value.to_str() {
                nested.text(name.as_str(), value);
            }
        }
        object.raw("provider_response_headers", String::from_utf8_lossy(&nested.end()));
    }
    object.end()
}

/// A JSON object in the making.
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

    /// A member whose value is JSON as it prints.
    fn raw(&mut self, name: &str, value: impl Display) {
        self.name(name);
        // Writing to memory cannot fail.
        let _written = write!(self.0, "{value}");
    }

    fn quoted(&mut self, text: &str) {
        // Text and memory: nothing that could fail.
        let _written = serde_json::to_writer(&mut self.0, text);
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
