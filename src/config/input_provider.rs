//! Reading providers and their keys; see [`input`](super::input).

use super::entity::{CustomProviderConfig, ProviderConfig, SecretRef};
use super::input::{KeyInput, NetworkInput, ProviderInput, ProxyInput, reading};
use super::problem::Problems;
use super::read::{Object, secret};
use serde_json::Value;
use std::collections::BTreeMap;

impl ProviderInput {
    /// Reads the body of a request.
    pub fn from_json(body: &Value) -> Result<Self, Problems> {
        reading(|log| ProviderInput::read(Object::new(body, "", log)))
    }

    pub(super) fn read(object: Object<'_>) -> Self {
        let name = object.text("provider").flatten().or(object.text("name").flatten());
        let keys = object.objects("keys").flatten();
        let mut input = ProviderInput {
            name,
            keys: keys.map(|keys| keys.into_iter().map(KeyInput::read).collect()),
            network: object.object("network_config").map(NetworkInput::read),
            proxy: match object.value("proxy_config") {
                Some(Value::Null) => Some(None),
                _ => object.object("proxy_config").map(ProxyInput::read),
            },
            send_back_raw_request: object.boolean("send_back_raw_request"),
            send_back_raw_response: object.boolean("send_back_raw_response"),
            custom: object.object("custom_provider_config").map(custom),
            path: object.path.clone(),
            ..ProviderInput::default()
        };
        if let Some(sizes) = object.object("concurrency_and_buffer_size") {
            let or = |count: Option<u32>, default| Some(count.unwrap_or(default));
            input.concurrency = or(sizes.count("concurrency"), ProviderConfig::CONCURRENCY);
            input.buffer_size = or(sizes.count("buffer_size"), ProviderConfig::BUFFER_SIZE);
            sizes.finish();
        }
        object.unsupported(&["openai_config", "pricing_overrides"]);
        object.ignore(&["store_raw_request_response", "provider_status", "status", "config_hash"]);
        object.ignore(&["description", "created_at", "updated_at"]);
        object.finish();
        input
    }
}

impl KeyInput {
    /// Reads the body of a request.
    pub fn from_json(body: &Value) -> Result<Self, Problems> {
        reading(|log| KeyInput::read(Object::new(body, "", log)))
    }

    pub(super) fn read(object: Object<'_>) -> Self {
        let url = ["ollama_key_config", "sgl_key_config", "vllm_key_config"].into_iter();
        let url = url.filter_map(|name| {
            let config = object.object(name)?;
            let url = config.secret("url").flatten().map(|url| url.to_text());
            config.unsupported(&["model_name"]);
            config.finish();
            url.filter(|url| !url.is_empty())
        });
        let input = KeyInput {
            url: url.last(),
            // Bifrost numbers its keys; only a text is an id.
            id: object.text("id").flatten().or(object.text("key_id").flatten()),
            name: object.text("name").flatten(),
            value: object.secret("value").flatten(),
            models: object.access_list("models").flatten(),
            blacklisted_models: object.strings("blacklisted_models").flatten(),
            weight: object.number("weight").flatten(),
            enabled: object.boolean("enabled"),
            path: object.path.clone(),
        };
        if input.weight.is_some_and(|weight| !weight.is_finite() || weight < 0.0) {
            object.log.problem(object.path_of("weight"), "a weight is a number from 0 up");
        }
        object.unsupported(&["azure_key_config", "vertex_key_config", "bedrock_key_config"]);
        object.unsupported(&["huggingface_key_config", "replicate_key_config", "aliases"]);
        object.ignore(&["use_for_batch_api", "config_hash", "status", "description", "provider"]);
        object.ignore(&["provider_id", "created_at", "updated_at"]);
        object.finish();
        input
    }
}

impl NetworkInput {
    fn read(object: Object<'_>) -> Self {
        // Bifrost's schema file says `…_ms`, its server does not.
        let backoff = |name, schema_name| {
            let value = object.count(name).or(object.count(schema_name));
            if value.is_some_and(|value| !(100..=1_000_000).contains(&value)) {
                object.log.problem(object.path_of(name), "must be 100 to 1000000 milliseconds");
            }
            value
        };
        let seconds = |name| {
            let value = object.count(name);
            if value == Some(0) {
                object.log.problem(object.path_of(name), "must be at least 1 second");
            }
            value
        };
        // Null goes back to the default.
        let or_default = |name| match object.value(name) {
            Some(Value::Null) => Some(None),
            _ => seconds(name).map(Some),
        };
        let input = NetworkInput {
            base_url: object.secret("base_url").flatten().map(|url| url.to_text()),
            extra_headers: object.object("extra_headers").map(|headers| extra_headers(&headers)),
            default_request_timeout_in_seconds: seconds("default_request_timeout_in_seconds"),
            connect_timeout_in_seconds: seconds("connect_timeout_in_seconds"),
            header_timeout_in_seconds: or_default("header_timeout_in_seconds"),
            first_token_timeout_in_seconds: or_default("first_token_timeout_in_seconds"),
            stream_idle_timeout_in_seconds: seconds("stream_idle_timeout_in_seconds"),
            total_timeout_in_seconds: or_default("total_timeout_in_seconds"),
            stream_total_timeout_in_seconds: or_default("stream_total_timeout_in_seconds"),
            max_retries: object.count("max_retries"),
            retry_backoff_initial: backoff("retry_backoff_initial", "retry_backoff_initial_ms"),
            retry_backoff_max: backoff("retry_backoff_max", "retry_backoff_max_ms"),
            insecure_skip_verify: object.boolean("insecure_skip_verify"),
            ca_cert_pem: object.secret("ca_cert_pem").flatten().map(|pem| pem.to_text()),
            max_conns_per_host: object.count("max_conns_per_host"),
            enforce_http2: object.boolean("enforce_http2"),
            path: object.path.clone(),
        };
        if input.max_conns_per_host.is_some_and(|most| most == 0 || most > 10_000) {
            object.log.problem(object.path_of("max_conns_per_host"), "must be 1 to 10000");
        }
        object.unsupported(&["beta_header_overrides"]);
        object.finish();
        input
    }
}

fn extra_headers(headers: &Object<'_>) -> BTreeMap<String, SecretRef> {
    let entries = headers.entries().filter_map(|(name, value)| {
        let read = secret(value);
        if read.is_none() {
            headers.log.problem(headers.path_of(name), "must be a string");
        }
        Some((name.clone(), read?))
    });
    entries.collect()
}

impl ProxyInput {
    /// `None` is no proxy.
    fn read(object: Object<'_>) -> Option<Self> {
        let input = ProxyInput {
            kind: object.text("type").flatten(),
            url: object.secret("url").flatten(),
            username: object.secret("username").flatten(),
            password: object.secret("password").flatten(),
            path: object.path.clone(),
        };
        object.unsupported(&["ca_cert_pem"]);
        object.finish();
        match input.kind.as_deref() {
            Some("none" | "") => None,
            _ => Some(input),
        }
    }
}

fn custom(object: Object<'_>) -> CustomProviderConfig {
    let base_provider_type = object.text("base_provider_type").flatten().unwrap_or_default();
    if base_provider_type.is_empty() {
        object.log.problem(object.path_of("base_provider_type"), "missing");
    }
    let allowed_requests = object.object("allowed_requests").map(|allowed| {
        let entries = allowed.entries().filter_map(|(name, value)| {
            let on = value.as_bool();
            if on.is_none() {
                allowed.log.problem(allowed.path_of(name), "must be true or false");
            }
            Some((name.clone(), on?))
        });
        entries.collect()
    });
    let overrides = object.object("request_path_overrides").map(|overrides| {
        let entries = overrides.entries().filter_map(|(name, value)| {
            let path = value.as_str();
            if path.is_none() {
                overrides.log.problem(overrides.path_of(name), "must be a path or URL");
            }
            Some((name.clone(), path?.to_owned()))
        });
        entries.collect()
    });
    let custom = CustomProviderConfig {
        is_key_less: object.boolean("is_key_less").unwrap_or(false),
        base_provider_type: crate::provider::catalog::canonical_name(&base_provider_type)
            .to_owned(),
        allowed_requests,
        request_path_overrides: overrides.unwrap_or_default(),
    };
    object.finish();
    custom
}
