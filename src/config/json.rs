//! Entities as the management API shows them: Bifrost's shapes, secrets masked.

use super::cache::VirtualKeyCache;
use super::entity::{
    BudgetConfig, KeyConfig, NetworkConfig, ProviderBindingConfig, ProviderConfig, RateLimitConfig,
    SecretRef, VirtualKeyConfig,
};
use super::stored::hex;
use crate::provider::AccessList;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What was used of a limit in its current window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeterUsage {
    /// Used, in the meter's unit.
    pub used: i64,
    /// Start of the window, Unix seconds.
    pub window_start: i64,
}

/// Tells what was used, by meter id.
pub type UsageOf<'a> = &'a dyn Fn(&str) -> Option<MeterUsage>;

/// The entity with the hash of its configuration, which its usage and dates are no part of.
fn with_hash(mut shown: Value, configured: &Value) -> Value {
    let digest = Sha256::digest(configured.to_string().as_bytes());
    shown["config_hash"] = json!(hex(&digest));
    shown
}

/// A provider with its keys.
pub fn provider_to_json(provider: &ProviderConfig) -> Value {
    let keys: Vec<Value> = provider.keys.iter().map(key_to_json).collect();
    let proxy = provider.proxy.as_ref().map(|proxy| {
        json!({
            "type": proxy.kind,
            "url": proxy_url(&proxy.url),
            "username": secret_to_json(&proxy.username),
            "password": secret_to_json(&proxy.password),
        })
    });
    let custom = provider.custom.as_ref().map(|custom| {
        let mut shown = json!({
            "is_key_less": custom.is_key_less,
            "base_provider_type": custom.base_provider_type,
        });
        if let Some(allowed) = &custom.allowed_requests {
            shown["allowed_requests"] = json!(allowed);
        }
        if !custom.request_path_overrides.is_empty() {
            shown["request_path_overrides"] = json!(custom.request_path_overrides);
        }
        shown
    });
    let mut shown = json!({
        "name": provider.name,
        "keys": keys,
        "network_config": network_to_json(&provider.network),
        "concurrency_and_buffer_size": {
            "concurrency": provider.concurrency,
            "buffer_size": provider.buffer_size,
        },
        "send_back_raw_request": provider.send_back_raw_request,
        "send_back_raw_response": provider.send_back_raw_response,
        "store_raw_request_response": false,
        "provider_status": "active",
    });
    if let Some(proxy) = proxy {
        shown["proxy_config"] = proxy;
    }
    if let Some(custom) = custom {
        shown["custom_provider_config"] = custom;
    }
    let configured = shown.clone();
    with_hash(shown, &configured)
}

/// A provider key.
pub fn key_to_json(key: &KeyConfig) -> Value {
    let shown = json!({
        "id": key.id,
        "name": key.name,
        "value": secret_to_json(&key.value),
        "models": key.models.to_list(),
        "blacklisted_models": key.blacklisted_models,
        "weight": key.weight,
        "enabled": key.enabled,
        "use_for_batch_api": false,
    });
    let configured = shown.clone();
    with_hash(shown, &configured)
}

/// A secret in Bifrost's object form, masked.
pub fn secret_to_json(secret: &SecretRef) -> Value {
    let (value, variable) = match secret {
        SecretRef::Env(_) => (String::new(), secret.masked()),
        _ => (secret.masked(), String::new()),
    };
    json!({"value": value, "env_var": variable, "from_env": !variable.is_empty()})
}

/// A URL may carry a password, and then it is one.
fn proxy_url(url: &SecretRef) -> Value {
    match url {
        SecretRef::Value(text) if !text.contains('@') => json!(text),
        _ => json!(url.masked()),
    }
}

fn network_to_json(network: &NetworkConfig) -> Value {
    let headers = network.extra_headers.iter();
    let headers: Map<String, Value> =
        headers.map(|(name, value)| (name.clone(), json!(value.masked()))).collect();
    let mut shown = json!({
        "base_url": network.base_url,
        "extra_headers": headers,
        "default_request_timeout_in_seconds": network.default_request_timeout_in_seconds,
        "connect_timeout_in_seconds": network.connect_timeout_in_seconds,
        "stream_idle_timeout_in_seconds": network.stream_idle_timeout_in_seconds,
        "max_retries": network.max_retries,
        "retry_backoff_initial": network.retry_backoff_initial,
        "retry_backoff_max": network.retry_backoff_max,
        "insecure_skip_verify": network.insecure_skip_verify,
        "ca_cert_pem": network.ca_cert_pem,
        "max_conns_per_host": network.max_conns_per_host,
        "enforce_http2": network.enforce_http2,
    });
    for (name, seconds) in [
        ("header_timeout_in_seconds", network.header_timeout_in_seconds),
        ("first_token_timeout_in_seconds", network.first_token_timeout_in_seconds),
        ("total_timeout_in_seconds", network.total_timeout_in_seconds),
        ("stream_total_timeout_in_seconds", network.stream_total_timeout_in_seconds),
    ] {
        if let Some(seconds) = seconds {
            shown[name] = json!(seconds);
        }
    }
    shown
}

/// A virtual key with its limits and their usage. `secret` is the secret itself, where the caller
/// may see it: in the answer that made it.
pub fn virtual_key_to_json(
    key: &VirtualKeyConfig,
    usage: UsageOf<'_>,
    secret: Option<&str>,
) -> Value {
    let undated = VirtualKeyConfig { created_at: 0, updated_at: 0, ..key.clone() };
    let configured = virtual_key_parts(&undated, &|_| None, None);
    with_hash(virtual_key_parts(key, usage, secret), &configured)
}

fn virtual_key_parts(key: &VirtualKeyConfig, usage: UsageOf<'_>, secret: Option<&str>) -> Value {
    let bindings: Vec<Value> = match &key.provider_configs {
        None => vec![json!("*")],
        Some(bindings) => {
            bindings.iter().map(|binding| binding_to_json(binding, &key.id, usage)).collect()
        }
    };
    let mut shown = json!({
        "id": key.id,
        "name": key.name,
        "description": key.description,
        "value": secret.unwrap_or(&key.secret_masked),
        "secret_is_id": key.secret_is_id,
        "is_active": key.is_active,
        "provider_configs": bindings,
        "mcp_configs": [],
        "team_id": key.team_id,
        "customer_id": key.customer_id,
        // Teams and customers of their own are not there yet, only their ids.
        "team": null,
        "customer": null,
        "model_substitution": if key.model_substitution { "auto" } else { "off" },
        "semantic_cache": key.semantic_cache.as_ref().map(VirtualKeyCache::to_json),
        "created_at": time(key.created_at),
        "updated_at": time(key.updated_at),
    });
    add_limits(&mut shown, &key.budgets, key.rate_limit.as_ref(), usage);
    shown
}

fn binding_to_json(
    binding: &ProviderBindingConfig,
    virtual_key_id: &str,
    usage: UsageOf<'_>,
) -> Value {
    let keys: Vec<Value> = match &binding.key_ids {
        AccessList::Unrestricted => vec![json!("*")],
        AccessList::Only(ids) => ids.iter().map(|id| json!({"key_id": id})).collect(),
    };
    let mut shown = json!({
        "id": binding.id,
        "virtual_key_id": virtual_key_id,
        "provider": binding.provider,
        "weight": binding.weight,
        "allowed_models": binding.allowed_models.to_list(),
        "key_ids": binding.key_ids.to_list(),
        "keys": keys,
        "fallback_model": binding.fallback_model,
    });
    add_limits(&mut shown, &binding.budgets, binding.rate_limit.as_ref(), usage);
    shown
}

/// Both generations' spellings: `budget` is the first of `budgets`.
fn add_limits(
    shown: &mut Value,
    budgets: &[BudgetConfig],
    rate_limit: Option<&RateLimitConfig>,
    usage: UsageOf<'_>,
) {
    let all: Vec<Value> = budgets.iter().map(|budget| budget_to_json(budget, usage)).collect();
    shown["budget_id"] = json!(budgets.first().map(|budget| &budget.id));
    shown["budget"] = json!(all.first());
    shown["budgets"] = json!(all);
    shown["rate_limit_id"] = json!(rate_limit.map(|limit| &limit.id));
    shown["rate_limit"] = json!(rate_limit.map(|limit| rate_limit_to_json(limit, usage)));
}

/// A budget with its usage, in dollars.
pub fn budget_to_json(budget: &BudgetConfig, usage: UsageOf<'_>) -> Value {
    let used = usage(&budget.id);
    let mut shown = json!({
        "id": budget.id,
        "max_limit": dollars(budget.max_limit),
        "reset_duration": budget.reset_duration,
        "calendar_aligned": budget.calendar_aligned,
        "current_usage": dollars(used.unwrap_or_default().used),
        "last_reset": used.and_then(|used| time(used.window_start.saturating_mul(1000))),
        "unpriced": if budget.unpriced_allowed { "allow" } else { "deny" },
        "reserve": budget.reserve,
        "created_at": time(budget.created_at),
        "updated_at": time(budget.updated_at),
    });
    if let Some(zone) = &budget.time_zone {
        shown["time_zone"] = json!(zone);
    }
    shown
}

/// A rate limit with its usage.
pub fn rate_limit_to_json(limit: &RateLimitConfig, usage: UsageOf<'_>) -> Value {
    let mut shown = json!({
        "id": limit.id,
        "created_at": time(limit.created_at),
        "updated_at": time(limit.updated_at),
    });
    let halves = [
        ("request", limit.request_max_limit, &limit.request_reset_duration),
        ("token", limit.token_max_limit, &limit.token_reset_duration),
    ];
    for (name, max_limit, duration) in halves {
        let used = usage(&format!("{}:{name}s", limit.id));
        if let Some(max_limit) = max_limit {
            shown[format!("{name}_max_limit")] = json!(max_limit);
            shown[format!("{name}_reset_duration")] = json!(duration);
        }
        shown[format!("{name}_current_usage")] = json!(used.unwrap_or_default().used);
        let start = used.and_then(|used| time(used.window_start.saturating_mul(1000)));
        shown[format!("{name}_last_reset")] = json!(start);
    }
    shown
}

/// Nano-dollars as dollars.
pub fn dollars(nano_dollars: i64) -> f64 {
    nano_dollars as f64 / 1e9
}

/// Unix milliseconds as RFC 3339.
fn time(milliseconds: i64) -> Option<String> {
    Timestamp::from_millisecond(milliseconds).ok().map(|at| at.to_string())
}
