//! Bifrost's `reasoning {effort, max_tokens}`, which OpenAI's format says as `reasoning_effort`.

use super::request::{Edits, RawRequest, quoted};
use crate::dialect::Quirks;
use crate::llm::Failure;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Debug, Default, Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow)]
    effort: Option<Cow<'a, str>>,
    max_tokens: Option<f64>,
    enabled: Option<bool>,
}

/// Refuses a field that is said twice, once flat and once nested.
///
/// # Errors
/// `InvalidRequest` that names the flat field.
pub(super) fn check(request: &RawRequest) -> Result<(), Failure> {
    let Some(nested) = nested(request) else { return Ok(()) };
    for (twice, name) in [
        (nested.effort.is_some() && has(request, "reasoning_effort"), "reasoning_effort"),
        (
            nested.max_tokens.is_some() && has(request, "reasoning_max_tokens"),
            "reasoning_max_tokens",
        ),
    ] {
        if twice {
            let message = format!("{name} and the same in reasoning cannot both be given");
            return Err(Failure::invalid(message).with_param(name));
        }
    }
    Ok(())
}

/// Puts `reasoning_effort` where `reasoning` or `reasoning_max_tokens` stands. An effort counts more
/// than a number of tokens; what is no object with these fields passes as it is.
pub(super) fn flatten(request: &RawRequest, quirks: &Quirks, edits: &mut Edits) {
    let flat_budget = request.text("reasoning_max_tokens").and_then(|text| text.parse().ok());
    let nested = nested(request);
    if nested.is_none() && flat_budget.is_none() {
        return;
    }
    let from = if nested.is_some() { "reasoning" } else { "reasoning_max_tokens" };
    if nested.is_some() && flat_budget.is_some() {
        edits.remove("reasoning_max_tokens");
    }
    let Reasoning { effort, max_tokens, enabled } = nested.unwrap_or_default();
    let effort = effort.map(Cow::into_owned).or_else(|| {
        let budget: f64 = max_tokens.or(flat_budget)?;
        Some(effort_of(budget, request.max_tokens()).to_owned())
    });
    match effort {
        Some(effort) if enabled != Some(false) && !has(request, "reasoning_effort") => {
            let effort = match effort.as_str() {
                "minimal" if !quirks.minimal_effort => "low",
                effort => effort,
            };
            if request.member("reasoning_effort").is_some() {
                edits.remove("reasoning_effort");
            }
            edits.make(from, "reasoning_effort", quoted(effort));
        }
        _ => edits.remove(from),
    }
}

/// Null says nothing.
fn has(request: &RawRequest, name: &str) -> bool {
    request.text(name).is_some_and(|text| text != "null")
}

fn nested(request: &RawRequest) -> Option<Reasoning<'_>> {
    let text = request.text("reasoning")?;
    serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))
}

/// The effort that so many tokens of thinking are, by their share of all output (contract 10.3).
fn effort_of(budget: f64, max_tokens: Option<u64>) -> &'static str {
    let Some(most) = max_tokens.filter(|most| *most > 0) else {
        return if budget > 0.0 { "medium" } else { "none" };
    };
    match budget / most as f64 {
        share if share <= 0.0 => "none",
        share if share <= 0.25 => "low",
        share if share <= 0.60 => "medium",
        _ => "high",
    }
}
