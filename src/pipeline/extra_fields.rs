//! `extra_fields`: what the gateway says about an answer, inside of the answer (Bifrost's form).

use super::call::Call;
use super::record::Outcome;
use http::HeaderMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The object as JSON text. `headers` are the provider's that cross the gateway.
pub(super) fn extra_fields(call: &Call, outcome: &Outcome, headers: &HeaderMap) -> Vec<u8> {
    let cost = outcome.cost.and_then(|cost| RawValue::from_string(cost.to_string()).ok());
    let requested = call.request.model();
    let model = outcome.trail.model.as_deref().unwrap_or(requested);
    let fields = Fields {
        request_type: call.request_type(),
        provider: outcome.trail.provider.as_deref().unwrap_or_default(),
        model_requested: model,
        original_model_requested: (bare(requested) != model).then_some(requested),
        model_deployment: (bare(requested) != model).then_some(model),
        latency: outcome.latency.as_millis() as u64,
        chunk_index: outcome.chunk_index,
        cost: cost.as_deref(),
        usage_source: (outcome.estimated).then_some("estimated"),
        raw_request: outcome.raw_request.as_deref(),
        raw_response: outcome.raw_response.as_deref(),
        provider_response_headers: Headers(headers),
    };
    // Plain strings and numbers cannot fail to serialise; an empty object would still be valid JSON.
    serde_json::to_vec(&fields).unwrap_or_else(|_| b"{}".to_vec())
}

/// The name without the provider in front. A name with a slash of its own compares unequal to the
/// model that was sent, which only makes the answer say more.
fn bare(model: &str) -> &str {
    model.split_once('/').map_or(model, |(_, model)| model)
}

#[derive(Serialize)]
struct Fields<'a> {
    request_type: &'static str,
    provider: &'a str,
    model_requested: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_model_requested: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_deployment: Option<&'a str>,
    latency: u64,
    chunk_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_request: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_response: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    provider_response_headers: Headers<'a>,
}

struct Headers<'a>(&'a HeaderMap);

impl Headers<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0 {
            if let Ok(value) = value.to_str() {
                map.serialize_entry(name.as_str(), value)?;
            }
        }
        map.end()
    }
}
