//! What a body of the management API or an entry of config.json says, before it meets what is
//! there already.
//!
//! `None` is a field that is absent. Where null has a meaning of its own, the field is an option in
//! an option. Both generations of Bifrost's spellings are read.

use super::cache::VirtualKeyCache;
use super::entity::{CustomProviderConfig, SecretRef};
use super::problem::Problems;
use super::read::{Field, Log, Object};
use serde_json::Value;
use std::collections::BTreeMap;

/// A virtual key as given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VirtualKeyInput {
    /// The JSON path of the object, for problems; empty is the body itself.
    pub path: String,
    /// The id: from the path of a `PUT`, or in config.json.
    pub id: Option<String>,
    /// Name, unique.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// The secret.
    pub value: Option<SecretRef>,
    /// Whether it is accepted.
    pub is_active: Option<bool>,
    /// Team that it belongs to; null detaches.
    pub team_id: Option<Option<String>>,
    /// Customer that it belongs to; null detaches.
    pub customer_id: Option<Option<String>>,
    /// `model_substitution: "auto"` or `"off"`.
    pub model_substitution: Option<bool>,
    /// The whole list of providers; null and `["*"]` are every provider.
    pub provider_configs: Option<Option<Vec<BindingInput>>>,
    /// The semantic cache; null takes away what is said of it.
    pub semantic_cache: Option<Option<VirtualKeyCache>>,
    /// Limits of the key as a whole.
    pub limits: LimitsInput,
}

/// A provider in a virtual key as given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BindingInput {
    /// The JSON path of the object.
    pub path: String,
    /// The number under which the store knows it.
    pub id: Option<i64>,
    /// The provider's canonical name.
    pub provider: String,
    /// Its share; null keeps it out of the draw.
    pub weight: Option<Option<f64>>,
    /// Models that may be asked of it.
    pub allowed_models: Option<Vec<String>>,
    /// Ids or names of the provider keys that may be used.
    pub key_ids: Option<Vec<String>>,
    /// The model that it answers with as a fallback; null is none.
    pub fallback_model: Option<String>,
    /// Limits of this provider within the key.
    pub limits: LimitsInput,
}

/// The limits of one level as given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LimitsInput {
    /// Budgets.
    pub budgets: BudgetsInput,
    /// Rate limit; `Some(None)` (`{}` in JSON) removes it.
    pub rate_limit: Option<Option<RateLimitInput>>,
    /// config.json only: the id of one of `governance.budgets`.
    pub budget_id: Option<String>,
    /// config.json only: the id of one of `governance.rate_limits`.
    pub rate_limit_id: Option<String>,
}

/// Budgets as given.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum BudgetsInput {
    /// Not given: what is there stays.
    #[default]
    Absent,
    /// `budget: {…}`: changes the one that is there or adds it.
    One(BudgetInput),
    /// `budgets: […]`, or `budget: {}` as the empty list: replaces what is there.
    All(Vec<BudgetInput>),
}

/// A budget as given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BudgetInput {
    /// The JSON path of the object.
    pub path: String,
    /// Stable id.
    pub id: Option<String>,
    /// Nano-dollars.
    pub max_limit: Option<i64>,
    /// Length of the window.
    pub reset_duration: Option<String>,
    /// Whether windows begin with the calendar.
    pub calendar_aligned: Option<bool>,
    /// IANA time zone; null is UTC.
    pub time_zone: Option<Option<String>>,
    /// `unpriced: "allow"` or `"deny"`.
    pub unpriced_allowed: Option<bool>,
    /// Whether cost is reserved before the call.
    pub reserve: Option<bool>,
}

/// A rate limit as given; null takes a half away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateLimitInput {
    /// The JSON path of the object.
    pub path: String,
    /// Stable id.
    pub id: Option<String>,
    /// Requests per window.
    pub request_max_limit: Option<Option<i64>>,
    /// Length of the request window.
    pub request_reset_duration: Option<Option<String>>,
    /// Tokens per window.
    pub token_max_limit: Option<Option<i64>>,
    /// Length of the token window.
    pub token_reset_duration: Option<Option<String>>,
}

/// A provider as given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderInput {
    /// The JSON path of the object.
    pub path: String,
    /// Its name: `provider` or `name` in the body.
    pub name: Option<String>,
    /// All of its keys; absent keeps them.
    pub keys: Option<Vec<KeyInput>>,
    /// How to talk to it.
    pub network: Option<NetworkInput>,
    /// Requests in flight at most.
    pub concurrency: Option<u32>,
    /// Requests that may wait at most.
    pub buffer_size: Option<u32>,
    /// The way out; `Some(None)` (null, or type `none`) is direct.
    pub proxy: Option<Option<ProxyInput>>,
    /// Answers carry the request as it was sent.
    pub send_back_raw_request: Option<bool>,
    /// Answers carry the provider's answer as it came.
    pub send_back_raw_response: Option<bool>,
    /// What makes it a custom provider.
    pub custom: Option<CustomProviderConfig>,
}

/// A provider key as given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyInput {
    /// The JSON path of the object.
    pub path: String,
    /// Stable id.
    pub id: Option<String>,
    /// Name, unique across providers.
    pub name: Option<String>,
    /// The secret.
    pub value: Option<SecretRef>,
    /// Models that it may serve.
    pub models: Option<Vec<String>>,
    /// Models that it may not serve.
    pub blacklisted_models: Option<Vec<String>>,
    /// Its share.
    pub weight: Option<f64>,
    /// Whether it is used.
    pub enabled: Option<bool>,
    /// `ollama_key_config.url` and its siblings, which stand for the provider's base URL.
    pub url: Option<String>,
}

/// How to talk to a provider, as given. See [`NetworkConfig`](super::entity::NetworkConfig).
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of NetworkConfig, each optional")]
pub struct NetworkInput {
    pub path: String,
    pub base_url: Option<String>,
    pub extra_headers: Option<BTreeMap<String, SecretRef>>,
    pub default_request_timeout_in_seconds: Option<u32>,
    pub connect_timeout_in_seconds: Option<u32>,
    pub header_timeout_in_seconds: Option<Option<u32>>,
    pub first_token_timeout_in_seconds: Option<Option<u32>>,
    pub stream_idle_timeout_in_seconds: Option<u32>,
    pub total_timeout_in_seconds: Option<Option<u32>>,
    pub stream_total_timeout_in_seconds: Option<Option<u32>>,
    pub max_retries: Option<u32>,
    pub retry_backoff_initial: Option<u32>,
    pub retry_backoff_max: Option<u32>,
    pub insecure_skip_verify: Option<bool>,
    pub ca_cert_pem: Option<String>,
    pub max_conns_per_host: Option<u32>,
    pub enforce_http2: Option<bool>,
}

/// A proxy as given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyInput {
    /// The JSON path of the object.
    pub path: String,
    /// `http`, `socks5` or `environment`.
    pub kind: Option<String>,
    /// Its URL.
    pub url: Option<SecretRef>,
    /// User name.
    pub username: Option<SecretRef>,
    /// Password.
    pub password: Option<SecretRef>,
}

impl VirtualKeyInput {
    /// Reads the body of a request.
    pub fn from_json(body: &Value) -> Result<Self, Problems> {
        reading(|log| VirtualKeyInput::read(Object::new(body, "", log)))
    }

    pub(super) fn read(object: Object<'_>) -> Self {
        let input = VirtualKeyInput {
            id: object.text("id").flatten(),
            name: object.text("name").flatten(),
            description: object.text("description").map(Option::unwrap_or_default),
            value: object.secret("value").flatten().filter(|value| *value != SecretRef::None),
            is_active: object.boolean("is_active"),
            team_id: object.text("team_id"),
            customer_id: object.text("customer_id"),
            model_substitution: choice(&object, "model_substitution", ["auto", "off"]),
            provider_configs: match object.value("provider_configs") {
                Some(list) if is_everything(list) => Some(None),
                _ => object.objects("provider_configs").map(|list| {
                    list.map(|list| list.into_iter().map(BindingInput::read).collect())
                }),
            },
            semantic_cache: VirtualKeyCache::read(&object),
            limits: LimitsInput::read(&object),
            path: object.path.clone(),
        };
        object.unsupported(&["mcp_configs"]);
        // What the API answers and clients send back.
        object.ignore(&["team", "customer", "config_hash", "created_at", "updated_at"]);
        object.ignore(&["secret_is_id", "managed_by"]);
        object.finish();
        input
    }
}

impl BindingInput {
    pub(super) fn read(object: Object<'_>) -> Self {
        let provider = object.text("provider").flatten().unwrap_or_default();
        let mistyped = object.value("provider").is_some_and(|value| !value.is_string());
        if provider.is_empty() && !mistyped {
            object.log.problem(object.path_of("provider"), "missing");
        }
        let input = BindingInput {
            id: object.integer("id").flatten(),
            provider: crate::provider::catalog::canonical_name(&provider).to_owned(),
            weight: object.number("weight"),
            allowed_models: object.access_list("allowed_models").flatten(),
            key_ids: key_ids(&object),
            fallback_model: object.text("fallback_model").flatten(),
            limits: LimitsInput::read(&object),
            path: object.path.clone(),
        };
        if input.weight.flatten().is_some_and(|weight| !weight.is_finite() || weight < 0.0) {
            object.log.problem(object.path_of("weight"), "a weight is a number from 0 up");
        }
        object.ignore(&["virtual_key_id", "created_at", "updated_at", "config_hash"]);
        object.finish();
        input
    }
}

impl LimitsInput {
    fn read(object: &Object<'_>) -> Self {
        LimitsInput {
            budgets: BudgetsInput::read(object),
            rate_limit: object.object("rate_limit").map(RateLimitInput::read),
            budget_id: object.text("budget_id").flatten(),
            rate_limit_id: object.text("rate_limit_id").flatten(),
        }
    }
}

impl BudgetsInput {
    fn read(object: &Object<'_>) -> Self {
        let one = object.object("budget");
        let removes = one.as_ref().is_some_and(Object::is_empty);
        let one = one.map(BudgetInput::read);
        let all = object.objects("budgets").flatten();
        let all: Option<Vec<_>> = all.map(|list| list.into_iter().map(BudgetInput::read).collect());
        let is_echo = |one: &BudgetInput, all: &[BudgetInput]| {
            all.iter().any(|other| BudgetInput { path: one.path.clone(), ..other.clone() } == *one)
        };
        match (one, all) {
            (None, None) => BudgetsInput::Absent,
            (Some(_), None) if removes => BudgetsInput::All(Vec::new()),
            (Some(one), None) => BudgetsInput::One(one),
            (None, Some(all)) => BudgetsInput::All(all),
            // The API answers with both spellings, so both may come back when they agree.
            (Some(one), Some(all)) if is_echo(&one, &all) || (removes && all.is_empty()) => {
                BudgetsInput::All(all)
            }
            (Some(_), Some(all)) => {
                let message = "`budget` and `budgets` differ; give one of them";
                object.log.problem(object.path_of("budget"), message);
                BudgetsInput::All(all)
            }
        }
    }
}

impl BudgetInput {
    pub(super) fn read(object: Object<'_>) -> Self {
        let max_limit = object.number("max_limit").flatten().map(nano_dollars);
        if max_limit.is_some_and(|limit| limit <= 0) {
            object.log.problem(object.path_of("max_limit"), "must be above 0 dollars");
        }
        let input = BudgetInput {
            id: object.text("id").flatten(),
            max_limit,
            reset_duration: object.text("reset_duration").flatten(),
            calendar_aligned: object.boolean("calendar_aligned"),
            time_zone: object.text("time_zone"),
            unpriced_allowed: choice(&object, "unpriced", ["allow", "deny"]),
            reserve: object.boolean("reserve"),
            path: object.path.clone(),
        };
        object.ignore(&["last_reset", "current_usage", "config_hash", "created_at", "updated_at"]);
        object.finish();
        input
    }
}

impl RateLimitInput {
    /// `None` when no limit and no duration is given, which removes the limit.
    pub(super) fn read(object: Object<'_>) -> Option<Self> {
        let input = RateLimitInput {
            id: object.text("id").flatten(),
            request_max_limit: limit(&object, "request_max_limit"),
            request_reset_duration: object.text("request_reset_duration"),
            token_max_limit: limit(&object, "token_max_limit"),
            token_reset_duration: object.text("token_reset_duration"),
            path: object.path.clone(),
        };
        object.ignore(&["request_current_usage", "request_last_reset", "config_hash"]);
        object.ignore(&["token_current_usage", "token_last_reset", "created_at", "updated_at"]);
        let limits = [&input.request_max_limit, &input.token_max_limit];
        let durations = [&input.request_reset_duration, &input.token_reset_duration];
        let empty = limits.iter().all(|limit| limit.flatten().is_none())
            && durations.iter().all(|duration| duration.as_ref().is_none_or(Option::is_none));
        object.finish();
        (!empty).then_some(input)
    }
}

/// Calls `read` and turns what it logged into the answer.
pub(super) fn reading<T>(read: impl FnOnce(&Log) -> T) -> Result<T, Problems> {
    let log = Log::default();
    let value = read(&log);
    Problems(log.into_parts().0).check(value)
}

/// A word of two: whether it is the first.
pub(super) fn choice(
    object: &Object<'_>,
    name: &'static str,
    words: [&'static str; 2],
) -> Option<bool> {
    let [first, second] = words;
    let word = object.text(name).flatten()?;
    if word != first && word != second {
        let message = format!("must be `{first}` or `{second}`, not `{word}`");
        object.log.problem(object.path_of(name), message);
        return None;
    }
    Some(word == first)
}

/// `["*"]`.
fn is_everything(list: &Value) -> bool {
    list.as_array().is_some_and(|list| matches!(list.as_slice(), [entry] if entry == "*"))
}

fn limit(object: &Object<'_>, name: &'static str) -> Field<i64> {
    let limit = object.integer(name)?;
    if limit.is_some_and(|limit| limit <= 0) {
        object.log.problem(object.path_of(name), "must be above 0");
    }
    Some(limit)
}

/// `key_ids`, or `keys` and `allowed_keys` of config.json, or `keys` as the v1.4 API answers them.
fn key_ids(object: &Object<'_>) -> Option<Vec<String>> {
    let key_ids = object.access_list("key_ids").flatten();
    let allowed = object.access_list("allowed_keys").flatten();
    let keys = object.value("keys").filter(|keys| !keys.is_null()).and_then(|keys| {
        let id = |key: &Value| {
            let text = key.as_str().or_else(|| {
                ["key_id", "id", "name"].iter().find_map(|name| key.get(name)?.as_str())
            });
            text.map(str::to_owned)
        };
        let read: Option<Vec<_>> = keys.as_array()?.iter().map(id).collect();
        if read.is_none() {
            object.log.problem(object.path_of("keys"), "must be a list of key ids or names");
        }
        read
    });
    if let Some(keys) = &keys {
        object.check_access_list("keys", keys);
    }
    key_ids.or(keys).or(allowed)
}

/// Dollars to nano-dollars. Dollars have far fewer digits than `f64` holds, so rounding is exact.
pub(super) fn nano_dollars(dollars: f64) -> i64 {
    (dollars * 1e9).round() as i64
}
