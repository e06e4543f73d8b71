//! What would happen to a request, and what happened to one: without calling anyone.

use super::plan::{binding_closed, limit_name};
use super::price::{facts_of, require_price};
use crate::app::App;
use crate::config::{Binding, Snapshot};
use crate::dialect::openai_chat::raw::RawRequest;
use crate::govern::{Caller, identify};
use crate::llm::{Failure, Operation};
use crate::route::{Ask, Decision, LeftOut, NoKey, Target, draw_key, plan};
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::sync::Arc;

/// The candidates for a request in the order in which they would be tried, and why each other one
/// is left out. Where weights decide, this is one draw; `share` says what the others' chances are.
///
/// # Errors
/// As the request itself would fail before it is routed.
pub fn explain(app: &Arc<App>, headers: &HeaderMap, body: Bytes) -> Result<Value, Failure> {
    let snapshot = app.live.snapshot();
    let caller = identify(&snapshot, headers)?;
    let operation = operation_of(&body);
    let request = RawRequest::parse(operation, body)?;
    let now = app.now();
    let virtual_key = caller.virtual_key.as_ref();
    let ask = Ask {
        operation,
        model: request.model(),
        fallbacks: request.fallbacks(),
        virtual_key,
        offers: &app.offers,
    };
    let closed = |binding: &Binding| binding_closed(app, binding, now);
    let planned = plan(&snapshot, ask, closed, &mut rand::rng());
    let own_limit = virtual_key.and_then(|key| {
        let mut of_key = key.meters.iter();
        of_key.find(|meter| app.ledger.usage(meter, now).used >= meter.limit)
    });
    let closed_for_all =
        own_limit.map(|meter| format!("the virtual key's {} is used up", limit_name(meter.unit)));
    let (candidates, left_out, refusal) = match planned {
        Ok(plan) => (plan.targets, plan.left_out, None),
        Err((failure, left_out)) => (Default::default(), left_out, Some(failure)),
    };
    let mut left_out: Vec<Value> = left_out.iter().map(left_out_json).collect();
    let mut shown = Vec::new();
    for target in &candidates {
        let binding = target.binding(virtual_key);
        let open = match closed_for_all.clone().or_else(|| unpriced(&snapshot, &caller, target)) {
            Some(reason) => Err(reason),
            None => usable_keys(app, target, binding),
        };
        match open {
            Ok(keys) => shown.push(candidate_json(app, target, binding, &keys)),
            Err(reason) => left_out.push(json!({
                "provider": &*target.provider.name,
                "model": &*target.model,
                "reason": reason,
            })),
        }
    }
    Ok(json!({
        "model_requested": request.model(),
        "virtual_key": virtual_key.map(|key| json!({"id": &*key.id, "name": &*key.name})),
        "candidates": shown,
        "left_out": left_out,
        "refused_by_limit": own_limit.map(|meter| &*meter.id),
        "error": refusal.map(|failure| json!({
            "status": failure.status,
            "code": failure.code,
            "message": failure.message,
        })),
    }))
}

/// What a body asks for: there is no path here that would say it.
fn operation_of(body: &[u8]) -> Operation {
    #[derive(Deserialize)]
    struct Top {
        input: Option<IgnoredAny>,
        messages: Option<IgnoredAny>,
    }
    match serde_json::from_slice(body) {
        Ok(Top { input: Some(_), messages: None }) => Operation::Embedding,
        _ => Operation::Chat,
    }
}

/// Why a target is refused whose cost could not be counted.
fn unpriced(snapshot: &Snapshot, caller: &Caller, target: &Target) -> Option<String> {
    let key = caller.virtual_key.as_ref()?;
    let meters = target.binding(Some(key)).map_or(&key.meters, |binding| &binding.meters);
    let refused = require_price(target, facts_of(snapshot, target), meters).err()?;
    Some(refused.message)
}

/// A remembered decision as JSON.
pub fn decision_json(decision: &Decision) -> Value {
    let targets = decision.targets.iter().map(|(provider, model, reason)| {
        json!({"provider": &**provider, "model": &**model, "reason": reason})
    });
    json!({
        "id": &*decision.id,
        "request_id": decision.request_id,
        "model_requested": decision.model_requested,
        "candidates": targets.collect::<Vec<_>>(),
        "left_out": decision.left_out.iter().map(left_out_json).collect::<Vec<_>>(),
    })
}

fn left_out_json(left: &LeftOut) -> Value {
    json!({"provider": &*left.provider, "model": left.model, "reason": left.reason})
}

fn candidate_json(
    app: &Arc<App>,
    target: &Target,
    binding: Option<&Binding>,
    keys: &[(Arc<str>, f64)],
) -> Value {
    let keys = keys.iter().map(|(name, share)| json!({"name": &**name, "share": share}));
    json!({
        "provider": &*target.provider.name,
        "model": &*target.model,
        "weight": binding.and_then(|binding| binding.weight),
        "reason": target.reason,
        "keys": keys.collect::<Vec<_>>(),
        "keys_left_out": keys_left_out(app, target, binding),
    })
}

/// The other keys of the target's provider, each with why it would not be drawn.
fn keys_left_out(app: &Arc<App>, target: &Target, binding: Option<&Binding>) -> Vec<Value> {
    let now_ms = app.now_ms();
    let health = app.health.provider(&target.provider.name);
    let left_out = target.provider.keys.iter().filter_map(|key| {
        let reason = if !key.enabled {
            "is not enabled".to_owned()
        } else if !key.serves(&target.model) {
            "may not serve the model".to_owned()
        } else if binding.is_some_and(|binding| !binding.allows_key(key)) {
            "the virtual key may not use it".to_owned()
        } else {
            let rest = health.resting(key, now_ms)?;
            let wait = rest.until_ms.saturating_sub(now_ms).max(0);
            format!("is resting for another {wait} ms after {}", rest.after.phrase())
        };
        Some(json!({"name": &*key.name, "reason": reason}))
    });
    left_out.collect()
}

/// The keys that would be drawn from and their shares, or why there is none.
fn usable_keys(
    app: &Arc<App>,
    target: &Target,
    binding: Option<&Binding>,
) -> Result<Vec<(Arc<str>, f64)>, String> {
    let now_ms = app.now_ms();
    let provider = &target.provider;
    let health = app.health.provider(&provider.name);
    let drawn = draw_key(provider, &target.model, binding, &[], &health, now_ms, &mut rand::rng());
    match drawn {
        Ok(None) => return Ok(Vec::new()),
        Ok(Some(_)) => {}
        Err(reason) => return Err(why(&reason, now_ms)),
    }
    let usable = provider.keys.iter().filter(|key| {
        key.serves(&target.model)
            && binding.is_none_or(|binding| binding.allows_key(key))
            && health.resting(key, now_ms).is_none()
    });
    let usable: Vec<_> = usable.collect();
    let total: f64 = usable.iter().map(|key| key.weight).sum();
    let even = 1.0 / usable.len().max(1) as f64;
    let share = |weight: f64| if total > 0.0 { weight / total } else { even };
    Ok(usable.iter().map(|key| (key.name.clone(), share(key.weight))).collect())
}

/// Why no key can serve, in words.
pub(super) fn why(reason: &NoKey, now_ms: i64) -> String {
    match reason {
        NoKey::None => "has no enabled key".to_owned(),
        NoKey::ModelNotServed => "no key may serve the model".to_owned(),
        NoKey::NotAllowed => "the virtual key may use none of the keys".to_owned(),
        NoKey::AllTried => "every key has been tried".to_owned(),
        NoKey::Resting { until_ms, after } => {
            let wait = until_ms.saturating_sub(now_ms).max(0);
            format!("every key is resting for another {wait} ms after {}", after.phrase())
        }
    }
}
