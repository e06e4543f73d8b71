//! The configuration as plain data: what a file, the store and the management API agree on.
//!
//! Every entity here is complete (ids given, defaults filled in) but unresolved: secrets may still
//! be references to the environment. [`build`](super::build) turns the whole into a `Snapshot`.

use super::cache::{CacheConfig, VirtualKeyCache};
use crate::provider::{AccessList, mask};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is configured. Cheap to clone: entities are shared.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// Settings of the gateway as a whole.
    pub client: Arc<ClientConfig>,
    /// Who may use the management API; `None` is everybody who reaches it.
    pub auth: Option<Arc<AuthConfig>>,
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<ProviderConfig>>,
    /// Virtual keys by id.
    pub virtual_keys: BTreeMap<String, Arc<VirtualKeyConfig>>,
    /// The semantic cache; `None` where nothing is said of it.
    pub cache: Option<Arc<CacheConfig>>,
    /// Hashes of secrets that were a virtual key's and are no more, each with when it ceased to be
    /// one in Unix milliseconds.
    pub retired_secrets: Arc<BTreeMap<[u8; 32], i64>>,
}

/// A value that may be a secret and may stand in the environment.
///
/// Written as a plain string, as `env.NAME`, or as Bifrost's `{value, env_var, from_env}`.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum SecretRef {
    /// Nothing.
    #[default]
    None,
    /// The value itself.
    Value(String),
    /// The name of an environment variable.
    Env(String),
}

impl SecretRef {
    /// Reads `env.NAME` as a reference, nothing as none and anything else as the value.
    pub fn parse(text: &str) -> SecretRef {
        match text.strip_prefix("env.") {
            Some(name) if !name.is_empty() => SecretRef::Env(name.to_owned()),
            _ if text.is_empty() => SecretRef::None,
            _ => SecretRef::Value(text.to_owned()),
        }
    }

    /// The text that [`SecretRef::parse`] reads back. The secret itself: only for the store.
    pub fn to_text(&self) -> String {
        match self {
            SecretRef::None => String::new(),
            SecretRef::Value(value) => value.clone(),
            SecretRef::Env(name) => format!("env.{name}"),
        }
    }

    /// What is shown of a value of which nothing may be.
    pub const MASK: &'static str = "****";

    /// The value as it may be shown where not even its length may: a reference as `env.NAME`.
    pub fn hidden(&self) -> String {
        match self {
            SecretRef::Value(_) => Self::MASK.to_owned(),
            other => other.to_text(),
        }
    }

    /// The value as it may be shown: a reference as `env.NAME`, a value masked.
    pub fn masked(&self) -> String {
        match self {
            SecretRef::None => String::new(),
            SecretRef::Value(value) => mask(value),
            SecretRef::Env(name) => format!("env.{name}"),
        }
    }
}

impl std::fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretRef::None => f.write_str("none"),
            SecretRef::Value(_) => f.write_str("****"),
            SecretRef::Env(name) => write!(f, "env.{name}"),
        }
    }
}

/// A provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderConfig {
    /// Its name.
    pub name: String,
    /// Its keys in order.
    pub keys: Vec<KeyConfig>,
    /// How to talk to it.
    pub network: NetworkConfig,
    /// Requests in flight at most.
    pub concurrency: u32,
    /// Requests that may wait for a place at most.
    pub buffer_size: u32,
    /// The way out; `None` is direct.
    pub proxy: Option<ProxyConfig>,
    /// Answers carry the request as it was sent.
    pub send_back_raw_request: bool,
    /// Answers carry the provider's answer as it came.
    pub send_back_raw_response: bool,
    /// Set for a custom provider.
    pub custom: Option<CustomProviderConfig>,
}

impl ProviderConfig {
    /// Requests in flight at most, unless the operator says otherwise.
    pub const CONCURRENCY: u32 = 1000;
    /// Requests that may wait for a place at most, unless the operator says otherwise.
    pub const BUFFER_SIZE: u32 = 5000;

    /// A provider with the defaults and no keys.
    pub fn new(name: &str) -> Self {
        ProviderConfig {
            name: name.to_owned(),
            keys: Vec::new(),
            network: NetworkConfig::default(),
            concurrency: Self::CONCURRENCY,
            buffer_size: Self::BUFFER_SIZE,
            proxy: None,
            send_back_raw_request: false,
            send_back_raw_response: false,
            custom: None,
        }
    }
}

/// A provider key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyConfig {
    /// Stable id, a UUID unless the operator chose one.
    pub id: String,
    /// Name, unique across providers.
    pub name: String,
    /// The secret.
    pub value: SecretRef,
    /// Models that it may serve.
    pub models: AccessList,
    /// Models that it may not serve.
    pub blacklisted_models: Vec<String>,
    /// Its share; absent is 1.
    pub weight: f64,
    /// Whether it is used.
    pub enabled: bool,
}

/// How to talk to a provider. Durations as Bifrost has them: seconds and milliseconds by name.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfig {
    /// Replaces the row's base URL; empty keeps it.
    pub base_url: String,
    /// Headers sent with every request.
    pub extra_headers: BTreeMap<String, SecretRef>,
    /// What the other time-outs derive from where they are not set. Seconds, default 30.
    pub default_request_timeout_in_seconds: u32,
    /// To make the connection. Seconds, default 10. Ours.
    pub connect_timeout_in_seconds: u32,
    /// From the beginning of an attempt to the headers of the answer. Seconds; default is the request
    /// time-out, for streams the first-token time-out: some providers send headers with the first
    /// token only. Ours.
    pub header_timeout_in_seconds: Option<u32>,
    /// From the beginning of an attempt to the first content of a stream. Seconds; default is twice
    /// the request time-out, so that 60 unless set: models that think are silent for long. Ours.
    pub first_token_timeout_in_seconds: Option<u32>,
    /// Between two pieces of content of a stream. Seconds, default 60.
    pub stream_idle_timeout_in_seconds: u32,
    /// For the whole of an unstreamed attempt. Seconds; default is the request time-out. Ours.
    pub total_timeout_in_seconds: Option<u32>,
    /// For the whole of a streamed attempt. Seconds; default is none. Ours.
    pub stream_total_timeout_in_seconds: Option<u32>,
    /// Tries after the first. Default 0.
    pub max_retries: u32,
    /// First pause in milliseconds, default 500.
    pub retry_backoff_initial: u32,
    /// Longest pause in milliseconds, default 5000.
    pub retry_backoff_max: u32,
    /// TLS certificates go unchecked.
    pub insecure_skip_verify: bool,
    /// A certificate authority to trust besides the public ones, PEM.
    pub ca_cert_pem: String,
    /// Connections per host, default 5000.
    pub max_conns_per_host: u32,
    /// Speak HTTP/2 only; otherwise HTTP/1.1 is spoken.
    pub enforce_http2: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        NetworkConfig {
            base_url: String::new(),
            extra_headers: BTreeMap::new(),
            default_request_timeout_in_seconds: 30,
            connect_timeout_in_seconds: 10,
            header_timeout_in_seconds: None,
            first_token_timeout_in_seconds: None,
            stream_idle_timeout_in_seconds: 60,
            total_timeout_in_seconds: None,
            stream_total_timeout_in_seconds: None,
            max_retries: 0,
            retry_backoff_initial: 500,
            retry_backoff_max: 5000,
            insecure_skip_verify: false,
            ca_cert_pem: String::new(),
            max_conns_per_host: 5000,
            enforce_http2: false,
        }
    }
}

/// A proxy on the way to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// `http`, `socks5` or `environment`.
    pub kind: String,
    /// Its URL; empty for `environment`.
    pub url: SecretRef,
    /// User name.
    pub username: SecretRef,
    /// Password.
    pub password: SecretRef,
}

/// What makes a provider a custom one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomProviderConfig {
    /// Whether requests go without a key.
    #[serde(default)]
    pub is_key_less: bool,
    /// The provider whose wire format it speaks: `openai`, `anthropic` or `gemini`.
    pub base_provider_type: String,
    /// Operations by Bifrost's names; absent is all, present is those set true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_requests: Option<BTreeMap<String, bool>>,
    /// Paths or absolute URLs by operation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_path_overrides: BTreeMap<String, String>,
}

/// A virtual key.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualKeyConfig {
    /// Stable id: a UUID, or what the operator chose by `PUT`.
    pub id: String,
    /// Name, unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// SHA-256 of the secret; the secret itself is not kept.
    pub secret_hash: [u8; 32],
    /// The secret as it may be shown.
    pub secret_masked: String,
    /// Whether the id is the secret (a key made by `PUT` without a value).
    pub secret_is_id: bool,
    /// Whether it is accepted.
    pub is_active: bool,
    /// Team that it belongs to.
    pub team_id: Option<String>,
    /// Customer that it belongs to.
    pub customer_id: Option<String>,
    /// Whether weights split over different models and fallbacks get an equivalent (architecture,
    /// decisions 7 and 8); `model_substitution: "auto"` in JSON.
    pub model_substitution: bool,
    /// Providers in order; `None` is every provider.
    pub provider_configs: Option<Vec<ProviderBindingConfig>>,
    /// Budgets of the key as a whole.
    pub budgets: Vec<BudgetConfig>,
    /// Rate limit of the key as a whole.
    pub rate_limit: Option<RateLimitConfig>,
    /// What it says of the semantic cache. Ours.
    pub semantic_cache: Option<VirtualKeyCache>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

/// A provider in a virtual key.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderBindingConfig {
    /// Stable number, unique in the store.
    pub id: i64,
    /// The provider's canonical name.
    pub provider: String,
    /// Its share; `None` keeps it out of the draw but not out of the fallbacks. Absent in JSON is 1.
    pub weight: Option<f64>,
    /// Models that may be asked of it.
    pub allowed_models: AccessList,
    /// Ids (or names) of the provider keys that may be used.
    pub key_ids: AccessList,
    /// The model that it answers with as a fallback when it does not serve the requested one. Ours.
    pub fallback_model: Option<String>,
    /// Budgets of this provider within the key.
    pub budgets: Vec<BudgetConfig>,
    /// Rate limit of this provider within the key.
    pub rate_limit: Option<RateLimitConfig>,
}

/// A budget.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetConfig {
    /// Stable id, also the id of its meter.
    pub id: String,
    /// The limit in nano-dollars.
    pub max_limit: i64,
    /// Length of the window, such as `1M`.
    pub reset_duration: String,
    /// Whether windows begin with the calendar's day, week, month, quarter or year.
    pub calendar_aligned: bool,
    /// IANA time zone of the calendar; UTC when absent. Ours.
    pub time_zone: Option<String>,
    /// Whether a model without a price is refused (`deny`, default) or let through at no cost
    /// (`allow`). Ours.
    pub unpriced_allowed: bool,
    /// Whether cost is reserved before the call; false is Bifrost's "admit while used < limit". Ours.
    pub reserve: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

/// A rate limit: a request limit, a token limit or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Stable id; the meters are `<id>:requests` and `<id>:tokens`.
    pub id: String,
    /// Requests per window.
    pub request_max_limit: Option<i64>,
    /// Length of the request window.
    pub request_reset_duration: Option<String>,
    /// Tokens per window.
    pub token_max_limit: Option<i64>,
    /// Length of the token window.
    pub token_reset_duration: Option<String>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

/// Settings of the gateway as a whole; Bifrost's names and defaults (contract section 9.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientConfig {
    /// Refuse at once when a provider's queue is full.
    pub drop_excess_requests: bool,
    /// Keep a row per request.
    pub enable_logging: bool,
    /// Refuse inference without a virtual key.
    pub enforce_auth_on_inference: bool,
    /// Use a Bearer token that is no virtual key as the provider's key.
    pub allow_direct_keys: bool,
    /// Largest request body in MiB.
    pub max_request_body_size_mb: u32,
    /// Days that request rows are kept.
    pub log_retention_days: u32,
    /// Origins that may call from a browser besides localhost.
    pub allowed_origins: Vec<String>,
    /// Request headers that a browser may send besides the usual ones.
    pub allowed_headers: Vec<String>,
    /// Headers that every inference request must carry.
    pub required_headers: Vec<String>,
    /// Which headers of a client reach a provider besides those of the API itself.
    pub header_filter_config: HeaderFilterConfig,
    /// Milliseconds that a request waits for holds on a budget to be released. Default 2000. Ours.
    pub budget_wait_ms: u32,
    /// Seconds that streams in flight may go on after SIGTERM. Default 30. Ours.
    pub shutdown_grace_seconds: u32,
}

/// Which headers of a client reach a provider. Names are compared without case; one that ends in `*`
/// stands for all that begin so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderFilterConfig {
    /// Passed under their own names; where it is not empty, `x-bf-eh-<name>` passes only if `<name>`
    /// is listed.
    pub allowlist: Vec<String>,
    /// Never passed, however they are sent.
    pub denylist: Vec<String>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            drop_excess_requests: false,
            enable_logging: true,
            enforce_auth_on_inference: false,
            allow_direct_keys: false,
            max_request_body_size_mb: 100,
            log_retention_days: 365,
            allowed_origins: vec!["*".to_owned()],
            allowed_headers: Vec::new(),
            required_headers: Vec::new(),
            header_filter_config: HeaderFilterConfig::default(),
            budget_wait_ms: 2000,
            shutdown_grace_seconds: 30,
        }
    }
}

/// Who may use the management API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// User name.
    pub admin_username: SecretRef,
    /// Password.
    pub admin_password: SecretRef,
    /// Whether it is asked for.
    pub is_enabled: bool,
    /// Whether inference goes without it. Default true here: clients carry virtual keys.
    pub disable_auth_on_inference: bool,
}
