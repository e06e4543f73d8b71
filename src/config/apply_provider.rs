//! How what is given meets what is there: creating and updating providers and their keys.

use super::apply::{IdSource, is_mask, set};
use super::entity::{KeyConfig, NetworkConfig, ProviderConfig, ProxyConfig, SecretRef};
use super::input::{KeyInput, NetworkInput, ProviderInput, ProxyInput};
use super::problem::{Problem, Problems, join};
use crate::provider::AccessList;
use crate::provider::catalog::canonical_name;

/// Creates a provider, or changes `existing`.
///
/// An object in it that is given (`network_config`, `proxy_config`, …) is the whole of it: what it
/// leaves out has its default. One that is absent stays. Without `keys` the keys stay; with them they
/// are the whole list, each matched by id or else by name. A secret in its masked form stays.
pub fn apply_provider(
    existing: Option<&ProviderConfig>,
    input: ProviderInput,
    ids: &mut IdSource,
) -> Result<ProviderConfig, Vec<Problem>> {
    let mut problems = Problems::default();
    let provider = provider_config(existing, input, ids, &mut problems);
    problems.check(provider).map_err(|problems| problems.0)
}

/// Like [`apply_provider`]: where something is wrong, what can be understood of it, for finding
/// whatever else is wrong.
pub(super) fn provider_config(
    existing: Option<&ProviderConfig>,
    input: ProviderInput,
    ids: &mut IdSource,
    problems: &mut Problems,
) -> ProviderConfig {
    let path = input.path;
    let name = input.name.unwrap_or_default();
    let mut provider = match existing {
        Some(existing) => existing.clone(),
        None => ProviderConfig::new(canonical_name(&name)),
    };
    if provider.name.is_empty() {
        problems.add(join(&path, "provider"), "missing");
    }
    if provider.name.contains('/') {
        problems.add(join(&path, "provider"), "must not contain `/`, which ends it in model names");
    }
    if let Some(network) = input.network {
        provider.network = network_config(&provider.network, network, problems);
    }
    if let Some(keys) = input.keys {
        let old = std::mem::take(&mut provider.keys);
        for key in keys {
            set_url(&mut provider.network, &key, problems);
            let matched = matching(&old, &key);
            let matched = matched.filter(|old| provider.keys.iter().all(|key| key.id != old.id));
            provider.keys.push(key_config(matched, key, ids, problems));
        }
    }
    set(&mut provider.concurrency, input.concurrency);
    set(&mut provider.buffer_size, input.buffer_size);
    if provider.concurrency == 0 || provider.concurrency > provider.buffer_size {
        let message = "concurrency must be above 0 and at most buffer_size";
        problems.add(join(&path, "concurrency_and_buffer_size"), message);
    }
    if let Some(proxy) = input.proxy {
        let old = provider.proxy.take();
        provider.proxy = proxy.map(|proxy| proxy_config(old.as_ref(), proxy, problems));
    }
    set(&mut provider.send_back_raw_request, input.send_back_raw_request);
    set(&mut provider.send_back_raw_response, input.send_back_raw_response);
    set(&mut provider.custom, input.custom.map(Some));
    provider
}

/// Creates a provider key, or changes `existing`.
pub fn apply_key(
    existing: Option<&KeyConfig>,
    input: KeyInput,
    ids: &mut IdSource,
) -> Result<KeyConfig, Vec<Problem>> {
    let mut problems = Problems::default();
    let key = key_config(existing, input, ids, &mut problems);
    problems.check(key).map_err(|problems| problems.0)
}

fn matching<'a>(old: &'a [KeyConfig], input: &KeyInput) -> Option<&'a KeyConfig> {
    let by_id = input.id.as_ref().and_then(|id| old.iter().find(|key| key.id == *id));
    by_id.or_else(|| old.iter().find(|key| Some(&key.name) == input.name.as_ref()))
}

fn key_config(
    old: Option<&KeyConfig>,
    input: KeyInput,
    ids: &mut IdSource,
    problems: &mut Problems,
) -> KeyConfig {
    let name = input.name.filter(|name| !name.is_empty()).or(old.map(|old| old.name.clone()));
    if name.is_none() {
        problems.add(join(&input.path, "name"), "missing");
    }
    let value = input.value.map(|value| {
        let path = join(&input.path, "value");
        secret(old.map(|old| &old.value), value, &path, problems)
    });
    let models = input.models.map(|models| AccessList::from_list(Some(models)));
    let id = old.map(|old| old.id.clone()).or(input.id.filter(|id| !id.is_empty()));
    KeyConfig {
        id: id.unwrap_or_else(|| ids.uuid()),
        name: name.unwrap_or_default(),
        value: value.or_else(|| old.map(|old| old.value.clone())).unwrap_or_default(),
        models: models.or_else(|| old.map(|old| old.models.clone())).unwrap_or_default(),
        blacklisted_models: input
            .blacklisted_models
            .or_else(|| old.map(|old| old.blacklisted_models.clone()))
            .unwrap_or_default(),
        weight: input.weight.or(old.map(|old| old.weight)).unwrap_or(1.0),
        enabled: input.enabled.or(old.map(|old| old.enabled)).unwrap_or(true),
    }
}

/// The secret that is meant. Clients send back the masked form that they were shown: it stands for
/// the secret that is there, and is refused where it stands for none.
fn secret(
    old: Option<&SecretRef>,
    new: SecretRef,
    path: &str,
    problems: &mut Problems,
) -> SecretRef {
    let SecretRef::Value(value) = &new else { return new };
    if let Some(old) = old.filter(|old| old.masked() == *value) {
        return old.clone();
    }
    if is_mask(value) {
        problems.add(path, "is the masked form of a secret; leave it out to keep the secret");
    }
    new
}

/// `ollama_key_config.url` and its siblings are the provider's base URL: one provider, one URL.
fn set_url(network: &mut NetworkConfig, key: &KeyInput, problems: &mut Problems) {
    let Some(url) = &key.url else { return };
    if network.base_url.is_empty() {
        network.base_url.clone_from(url);
    } else if network.base_url != *url {
        let message = format!(
            "the provider's URL is `{}`; a URL of its own per key is not supported yet",
            network.base_url
        );
        problems.add(key.path.clone(), message);
    }
}

/// The settings as given, with the defaults for what is left out.
fn network_config(
    old: &NetworkConfig,
    input: NetworkInput,
    problems: &mut Problems,
) -> NetworkConfig {
    let mut network = NetworkConfig::default();
    if let Some(headers) = input.extra_headers {
        let path = join(&input.path, "extra_headers");
        let headers = headers.into_iter().map(|(name, value)| {
            let old = old.extra_headers.get(&name);
            let value = secret(old, value, &join(&path, &name), problems);
            (name, value)
        });
        network.extra_headers = headers.collect();
    }
    set(&mut network.base_url, input.base_url);
    set(&mut network.default_request_timeout_in_seconds, input.default_request_timeout_in_seconds);
    set(&mut network.connect_timeout_in_seconds, input.connect_timeout_in_seconds);
    set(&mut network.header_timeout_in_seconds, input.header_timeout_in_seconds);
    set(&mut network.first_token_timeout_in_seconds, input.first_token_timeout_in_seconds);
    set(&mut network.stream_idle_timeout_in_seconds, input.stream_idle_timeout_in_seconds);
    set(&mut network.total_timeout_in_seconds, input.total_timeout_in_seconds);
    set(&mut network.stream_total_timeout_in_seconds, input.stream_total_timeout_in_seconds);
    set(&mut network.max_retries, input.max_retries);
    set(&mut network.retry_backoff_initial, input.retry_backoff_initial);
    set(&mut network.retry_backoff_max, input.retry_backoff_max);
    set(&mut network.insecure_skip_verify, input.insecure_skip_verify);
    set(&mut network.ca_cert_pem, input.ca_cert_pem);
    set(&mut network.max_conns_per_host, input.max_conns_per_host);
    set(&mut network.enforce_http2, input.enforce_http2);
    if network.retry_backoff_initial > network.retry_backoff_max {
        let message = "must be at most retry_backoff_max";
        problems.add(join(&input.path, "retry_backoff_initial"), message);
    }
    network
}

fn proxy_config(
    old: Option<&ProxyConfig>,
    input: ProxyInput,
    problems: &mut Problems,
) -> ProxyConfig {
    let kind = input.kind.unwrap_or_default();
    if !matches!(kind.as_str(), "http" | "socks5" | "environment") {
        let message = "must be `none`, `http`, `socks5` or `environment`";
        problems.add(join(&input.path, "type"), message);
    }
    let mut meant = |name, value: Option<SecretRef>, old: Option<&SecretRef>| match value {
        Some(value) => secret(old, value, &join(&input.path, name), problems),
        None => SecretRef::None,
    };
    let url = meant("url", input.url, old.map(|old| &old.url));
    let username = meant("username", input.username, old.map(|old| &old.username));
    // Forms do not repeat a password; but it goes to nobody else than whom it was given for.
    let same = old.filter(|old| old.url == url && old.username == username);
    let password = match input.password {
        None => same.map(|old| old.password.clone()).unwrap_or_default(),
        Some(SecretRef::Value(value)) if same.is_none() && is_mask(&value) => {
            let message = "is the masked form of a password that was given for another URL or user; \
                           give the password itself, or leave it out if there is none";
            problems.add(join(&input.path, "password"), message);
            SecretRef::None
        }
        given => meant("password", given, same.map(|old| &old.password)),
    };
    ProxyConfig { kind, url, username, password }
}

#[cfg(test)]
mod tests;
