//! The part of [`build`](super::build) that makes one provider.

use super::build::Findings;
use super::entity::{
    CustomProviderConfig, KeyConfig, NetworkConfig, ProviderConfig, ProxyConfig, SecretRef,
};
use super::env::{Environment, own_address};
use super::operations;
use crate::llm::Operation;
use crate::provider::catalog::find;
use crate::provider::{BEARER, Key, Network, Provider, ProviderSpec, Proxy, Secret};
use http::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The provider as the request path reads it; `None` when a problem was found that leaves no
/// meaning to it.
pub(super) fn provider(
    config: &ProviderConfig,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Provider> {
    let path = format!("providers.{}", config.name);
    let spec = spec(config, &path, findings)?;
    let keyless = config.custom.as_ref().map_or(spec.keyless, |custom| custom.is_key_less);
    let mut builder = Builder { path: &path, environment, findings };
    let keys = config.keys.iter().enumerate().map(|(at, key)| builder.key(key, at, keyless));
    let keys = keys.collect();
    if config.concurrency == 0 || config.buffer_size < config.concurrency {
        let message = "concurrency must be above 0 and at most buffer_size";
        findings.problems.add(format!("{path}.concurrency_and_buffer_size"), message);
    }
    let mut builder = Builder { path: &path, environment, findings };
    let base_url = builder.base_url(config, spec);
    let network = builder.network(&config.network, config.proxy.as_ref());
    let custom = config.custom.as_ref();
    let (allowed_operations, path_overrides) =
        custom.map(|custom| builder.operations(custom)).unwrap_or_default();
    Some(Provider {
        name: config.name.as_str().into(),
        spec,
        base_url: base_url?,
        keys,
        keyless,
        network: network?,
        concurrency: config.concurrency as usize,
        buffer_size: config.buffer_size as usize,
        allowed_operations,
        path_overrides,
        send_back_raw_request: config.send_back_raw_request,
        send_back_raw_response: config.send_back_raw_response,
    })
}

/// The row that the provider is, or is built on.
fn spec(
    config: &ProviderConfig,
    path: &str,
    findings: &mut Findings,
) -> Option<&'static ProviderSpec> {
    let built_in = find(&config.name);
    let Some(custom) = &config.custom else {
        if built_in.is_none() {
            findings.problems.add(path, unknown_provider(&config.name));
        }
        return built_in;
    };
    let path = format!("{path}.custom_provider_config");
    if built_in.is_some() {
        let message =
            format!("`{}` is built in; a custom provider needs another name", config.name);
        findings.problems.add(path, message);
        return None;
    }
    let base = find(&custom.base_provider_type);
    if base.is_none() {
        let message = unknown_provider(&custom.base_provider_type);
        findings.problems.add(format!("{path}.base_provider_type"), message);
    }
    base
}

fn unknown_provider(name: &str) -> String {
    const PLANNED: &[&str] =
        &["azure", "bedrock", "cohere", "elevenlabs", "replicate", "runway", "vertex"];
    if PLANNED.contains(&name) {
        return format!("the provider `{name}` is not supported yet");
    }
    format!(
        "no provider `{name}` is known; a custom one needs a `custom_provider_config` with a \
         `base_provider_type`"
    )
}

/// A token that Anthropic's own tools read from this variable is no API key and is sent as a bearer.
fn as_bearer(reference: &SecretRef, value: Secret) -> Secret {
    match reference {
        SecretRef::Env(name) if name.starts_with("ANTHROPIC_AUTH_TOKEN") && !value.is_empty() => {
            Secret::new(format!("{BEARER}{}", value.expose()))
        }
        _ => value,
    }
}

/// A URL of Google's API with the version at its end.
fn with_version(url: String) -> String {
    match url.rsplit('/').next() {
        Some("v1" | "v1alpha" | "v1beta") => url,
        _ => format!("{url}/v1beta"),
    }
}

struct Builder<'a> {
    path: &'a str,
    environment: &'a Environment,
    findings: &'a mut Findings,
}

impl Builder<'_> {
    fn key(&mut self, config: &KeyConfig, at: usize, keyless: bool) -> Arc<Key> {
        let path = format!("{}.keys[{at}].value", self.path);
        let mut enabled = config.enabled;
        let value = self.environment.resolve(&config.value).unwrap_or_else(|message| {
            self.findings.warn(&path, format!("{message}; the key `{}` is not used", config.name));
            enabled = false;
            Secret::default()
        });
        let value = as_bearer(&config.value, value);
        if enabled && value.is_empty() && !keyless {
            self.findings.problems.add(&path, format!("the key `{}` has no value", config.name));
        }
        if !config.weight.is_finite() || config.weight < 0.0 {
            let path = format!("{}.keys[{at}].weight", self.path);
            self.findings.problems.add(path, "a weight is a number from 0 up");
        }
        Arc::new(Key {
            id: config.id.as_str().into(),
            name: config.name.as_str().into(),
            value,
            models: config.models.clone(),
            blacklisted_models: config.blacklisted_models.clone(),
            weight: config.weight,
            enabled,
        })
    }

    fn base_url(&mut self, config: &ProviderConfig, spec: &ProviderSpec) -> Option<String> {
        let path = format!("{}.network_config.base_url", self.path);
        let configured = SecretRef::parse(&config.network.base_url);
        let url = match self.environment.resolve(&configured) {
            Ok(url) => url.expose().trim_end_matches('/').to_owned(),
            Err(message) => return self.without_base_url(config, spec, &configured, &message),
        };
        if matches!(configured, SecretRef::Env(_)) && self.environment.is_own_address(&url) {
            return self.without_base_url(config, spec, &configured, &own_address(&url));
        }
        if url.is_empty() {
            if spec.base_url.is_empty() || config.custom.is_some() {
                let message = format!("`{}` needs the URL of its API", config.name);
                self.findings.problems.add(path, message);
                return None;
            }
            return Some(spec.base_url.to_owned());
        }
        // Google's own tools have this variable without the version.
        let url = match &configured {
            SecretRef::Env(name) if name == "GOOGLE_GEMINI_BASE_URL" => with_version(url),
            _ => url,
        };
        // OLLAMA_HOST is commonly a bare host and port.
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        let valid = url.parse::<http::Uri>().is_ok_and(|uri| {
            uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"))
        });
        if !valid {
            self.findings.problems.add(path, format!("`{url}` is no http or https URL"));
            return None;
        }
        Some(url)
    }

    /// A base URL whose variable is of no use stops nothing. Where the variable is the row's own, it is
    /// as if it had never been found; where the operator chose it, keys and prompts must not go to
    /// another host instead.
    fn without_base_url(
        &mut self,
        config: &ProviderConfig,
        spec: &ProviderSpec,
        configured: &SecretRef,
        why: &str,
    ) -> Option<String> {
        let path = format!("{}.network_config.base_url", self.path);
        let detected = match configured {
            SecretRef::Env(name) => spec.base_url_variable == Some(name.as_str()),
            _ => false,
        };
        if detected && !spec.base_url.is_empty() && config.custom.is_none() {
            self.findings.warn(path, format!("{why}; {} is used", spec.base_url));
            return Some(spec.base_url.to_owned());
        }
        self.findings.warn(path, format!("{why}; the provider `{}` is left out", config.name));
        None
    }

    fn network(&mut self, config: &NetworkConfig, proxy: Option<&ProxyConfig>) -> Option<Network> {
        let extra_headers = self.extra_headers(&config.extra_headers);
        let proxy = match proxy {
            Some(proxy) => Some(self.proxy(proxy)?),
            None => None,
        };
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        let request = seconds(config.default_request_timeout_in_seconds);
        let header = config.header_timeout_in_seconds.map(seconds);
        let first_token = config.first_token_timeout_in_seconds.map_or(request * 2, seconds);
        let total = config.total_timeout_in_seconds.map_or(request, seconds);
        Some(Network {
            connect_timeout: seconds(config.connect_timeout_in_seconds),
            header_timeout: header.unwrap_or(total),
            stream_header_timeout: header.unwrap_or(first_token),
            first_token_timeout: first_token,
            idle_timeout: seconds(config.stream_idle_timeout_in_seconds),
            total_timeout: total,
            stream_total_timeout: config.stream_total_timeout_in_seconds.map(seconds),
            max_retries: config.max_retries,
            backoff_initial: Duration::from_millis(u64::from(config.retry_backoff_initial)),
            backoff_max: Duration::from_millis(u64::from(config.retry_backoff_max)),
            extra_headers,
            max_connections: config.max_conns_per_host as usize,
            insecure_skip_verify: config.insecure_skip_verify,
            ca_certificate: Some(config.ca_cert_pem.clone()).filter(|pem| !pem.is_empty()),
            http2_only: config.enforce_http2,
            proxy,
        })
    }

    fn extra_headers(
        &mut self,
        config: &BTreeMap<String, SecretRef>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::with_capacity(config.len());
        for (name, value) in config {
            let path = format!("{}.network_config.extra_headers.{name}", self.path);
            let value = match self.environment.resolve(value) {
                Ok(value) => value,
                Err(message) => {
                    self.findings.warn(path, format!("{message}; the header is not sent"));
                    continue;
                }
            };
            let name = HeaderName::try_from(name.as_str());
            match (name, HeaderValue::try_from(value.expose())) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.push((name, value));
                }
                _ => self.findings.problems.add(path, "not a valid HTTP header"),
            }
        }
        headers
    }

    fn proxy(&mut self, config: &ProxyConfig) -> Option<Proxy> {
        if config.kind == "environment" {
            return Some(Proxy::Environment);
        }
        let path = format!("{}.proxy_config", self.path);
        let fields =
            [("url", &config.url), ("username", &config.username), ("password", &config.password)];
        let mut resolved = [Secret::default(), Secret::default(), Secret::default()];
        for (slot, (name, secret)) in resolved.iter_mut().zip(fields) {
            match self.environment.resolve(secret) {
                Ok(secret) => *slot = secret,
                Err(message) => {
                    self.findings.problems.add(format!("{path}.{name}"), message);
                    return None;
                }
            }
        }
        let [url, username, password] = resolved;
        let (scheme, host) = url.expose().split_once("://").unwrap_or((&config.kind, url.expose()));
        let fits = match config.kind.as_str() {
            "http" => matches!(scheme, "http" | "https"),
            "socks5" => matches!(scheme, "socks5" | "socks5h"),
            other => {
                let message =
                    format!("`{other}` is not one of `none`, `http`, `socks5`, `environment`");
                self.findings.problems.add(format!("{path}.type"), message);
                return None;
            }
        };
        if host.is_empty() || !fits {
            let message = format!("not the URL of a proxy of type `{}`", config.kind);
            self.findings.problems.add(format!("{path}.url"), message);
            return None;
        }
        if username.is_empty() || host.contains('@') {
            return Some(Proxy::Url(Secret::new(format!("{scheme}://{host}"))));
        }
        let encode =
            |secret: &Secret| utf8_percent_encode(secret.expose(), NON_ALPHANUMERIC).to_string();
        let (username, password) = (encode(&username), encode(&password));
        Some(Proxy::Url(Secret::new(format!("{scheme}://{username}:{password}@{host}"))))
    }

    fn operations(
        &mut self,
        custom: &CustomProviderConfig,
    ) -> (Option<Vec<Operation>>, BTreeMap<Operation, String>) {
        let path = format!("{}.custom_provider_config", self.path);
        let allowed = custom.allowed_requests.as_ref().map(|allowed| {
            let mut operations = Vec::new();
            for (name, &on) in allowed {
                match operations::find(name) {
                    Some(operation) if on => operations.extend(operation),
                    Some(_) => {}
                    None => {
                        let path = format!("{path}.allowed_requests.{name}");
                        self.findings.problems.add(path, "no such operation");
                    }
                }
            }
            operations.sort_unstable();
            operations.dedup();
            operations
        });
        let mut overrides = BTreeMap::new();
        for (name, target) in &custom.request_path_overrides {
            match operations::find(name) {
                Some(Some(operation)) => {
                    overrides.insert(operation, target.clone());
                }
                Some(None) => {}
                None => {
                    let path = format!("{path}.request_path_overrides.{name}");
                    self.findings.problems.add(path, "no such operation");
                }
            }
        }
        (allowed, overrides)
    }
}
