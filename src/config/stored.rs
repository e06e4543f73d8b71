//! The configuration as rows of the store and back.

use super::cache::CacheConfig;
use super::entity::{
    AuthConfig, BudgetConfig, ClientConfig, Configuration, KeyConfig, NetworkConfig,
    ProviderBindingConfig, ProviderConfig, ProxyConfig, RateLimitConfig, SecretRef,
    VirtualKeyConfig,
};
use super::problem::{Problem, Problems};
use crate::provider::AccessList;
use crate::store::{
    AuthRow, BindingRow, BudgetRow, ClientRow, ConfigChange, ConfigRows, KeyRow, PluginRow,
    ProviderRow, ProviderRows, RateLimitRow, RetiredSecretRow, VirtualKeyRow, VirtualKeyRows,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Reads the configuration from its rows.
pub(super) fn from_rows(rows: ConfigRows) -> Result<Configuration, Problems> {
    let mut problems = Problems::default();
    let mut providers = BTreeMap::new();
    for row in rows.providers {
        match provider_from_rows(row, &rows.keys) {
            Ok(provider) => {
                providers.insert(provider.name.clone(), Arc::new(provider));
            }
            Err(problem) => problems.0.push(problem),
        }
    }
    let parts = VirtualKeyParts {
        bindings: group(&rows.bindings, |row| &row.virtual_key_id),
        budgets: group(&rows.budgets, |row| &row.virtual_key_id),
        rate_limits: group(&rows.rate_limits, |row| &row.virtual_key_id),
    };
    let mut virtual_keys = BTreeMap::new();
    for row in rows.virtual_keys {
        match parts.virtual_key(row) {
            Ok(key) => {
                virtual_keys.insert(key.id.clone(), Arc::new(key));
            }
            Err(problem) => problems.0.push(problem),
        }
    }
    let client = rows.client.as_ref().map(client_from_row).transpose().unwrap_or_else(|problem| {
        problems.0.push(problem);
        None
    });
    let mut plugins = rows.plugins.iter();
    let cache = plugins.find(|row| row.name == CACHE).map(cache_from_row).transpose();
    let cache = cache.unwrap_or_else(|problem| {
        problems.0.push(problem);
        None
    });
    let retired = rows.retired_secrets.iter();
    let retired = retired.filter_map(|row| Some((from_hex(&row.secret_hash)?, row.retired_at)));
    problems.check(Configuration {
        retired_secrets: Arc::new(retired.collect()),
        client: Arc::new(client.unwrap_or_default()),
        auth: rows.auth.as_ref().map(auth_from_row).map(Arc::new),
        providers,
        cache: cache.map(Arc::new),
        virtual_keys,
    })
}

/// What has to be written to turn `old` into `new`.
pub(super) fn difference(old: &Configuration, new: &Configuration) -> ConfigChange {
    let mut change = ConfigChange::default();
    if old.client != new.client {
        change.client = Some(client_row(&new.client));
    }
    if old.auth != new.auth {
        change.auth = Some(new.auth.as_deref().map(auth_row));
    }
    if old.cache != new.cache {
        change.put_plugins.extend(new.cache.as_deref().map(cache_row));
        if new.cache.is_none() {
            change.delete_plugins.push(CACHE.to_owned());
        }
    }
    for (name, provider) in &new.providers {
        if differs(old.providers.get(name), provider) {
            change.put_providers.push(provider_rows(provider));
        }
    }
    let gone = old.providers.keys().filter(|name| !new.providers.contains_key(*name));
    change.delete_providers = gone.cloned().collect();
    let mut meters_before = Vec::new();
    let mut meters_after = HashSet::new();
    for (id, key) in &new.virtual_keys {
        let old = old.virtual_keys.get(id);
        if differs(old, key) {
            change.put_virtual_keys.push(virtual_key_rows(key));
            meters_before.extend(old.into_iter().flat_map(|old| meter_ids(old)));
            meters_after.extend(meter_ids(key));
        }
    }
    for (id, key) in &old.virtual_keys {
        if !new.virtual_keys.contains_key(id) {
            change.delete_virtual_keys.push(id.clone());
            meters_before.extend(meter_ids(key));
        }
    }
    meters_before.retain(|id| !meters_after.contains(id));
    change.delete_meters = meters_before;
    if !Arc::ptr_eq(&old.retired_secrets, &new.retired_secrets) {
        let (old, new) = (&old.retired_secrets, &new.retired_secrets);
        let put = new.iter().filter(|(hash, at)| old.get(*hash) != Some(at));
        let row = |(hash, at): (&[u8; 32], &i64)| RetiredSecretRow {
            secret_hash: hex(hash),
            retired_at: *at,
        };
        change.put_retired_secrets = put.map(row).collect();
        let gone = old.keys().filter(|hash| !new.contains_key(*hash));
        change.delete_retired_secrets = gone.map(|hash| hex(hash)).collect();
    }
    change
}

/// Most entities of two configurations are the same allocation.
fn differs<T: PartialEq>(old: Option<&Arc<T>>, new: &Arc<T>) -> bool {
    old.is_none_or(|old| !Arc::ptr_eq(old, new) && **old != **new)
}

/// Whether there is nothing to write.
pub(super) fn is_empty(change: &ConfigChange) -> bool {
    change.client.is_none()
        && change.auth.is_none()
        && change.put_providers.is_empty()
        && change.delete_providers.is_empty()
        && change.put_virtual_keys.is_empty()
        && change.delete_virtual_keys.is_empty()
        && change.put_plugins.is_empty()
        && change.delete_plugins.is_empty()
        && change.file_hashes.is_empty()
        && change.put_retired_secrets.is_empty()
        && change.delete_retired_secrets.is_empty()
}

fn meter_ids(key: &VirtualKeyConfig) -> impl Iterator<Item = String> {
    let bindings = key.provider_configs.iter().flatten();
    let budgets = bindings.clone().flat_map(|binding| &binding.budgets).chain(&key.budgets);
    let limits = bindings.filter_map(|binding| binding.rate_limit.as_ref());
    let limits = limits
        .chain(&key.rate_limit)
        .flat_map(|limit| [format!("{}:requests", limit.id), format!("{}:tokens", limit.id)]);
    budgets.map(|budget| budget.id.clone()).chain(limits)
}

fn client_row(client: &ClientConfig) -> ClientRow {
    ClientRow {
        drop_excess_requests: client.drop_excess_requests,
        enable_logging: client.enable_logging,
        enforce_auth_on_inference: client.enforce_auth_on_inference,
        allow_direct_keys: client.allow_direct_keys,
        max_request_body_size_mb: client.max_request_body_size_mb.into(),
        log_retention_days: client.log_retention_days.into(),
        allowed_origins: to_json(&client.allowed_origins),
        allowed_headers: to_json(&client.allowed_headers),
        required_headers: to_json(&client.required_headers),
        header_filter_config: to_json(&client.header_filter_config),
        budget_wait_ms: client.budget_wait_ms.into(),
        shutdown_grace_seconds: client.shutdown_grace_seconds.into(),
    }
}

fn client_from_row(row: &ClientRow) -> Result<ClientConfig, Problem> {
    Ok(ClientConfig {
        drop_excess_requests: row.drop_excess_requests,
        enable_logging: row.enable_logging,
        enforce_auth_on_inference: row.enforce_auth_on_inference,
        allow_direct_keys: row.allow_direct_keys,
        max_request_body_size_mb: number("client", row.max_request_body_size_mb)?,
        log_retention_days: number("client", row.log_retention_days)?,
        allowed_origins: from_json("client", &row.allowed_origins)?,
        allowed_headers: from_json("client", &row.allowed_headers)?,
        required_headers: from_json("client", &row.required_headers)?,
        header_filter_config: from_json("client", &row.header_filter_config)?,
        budget_wait_ms: number("client", row.budget_wait_ms)?,
        shutdown_grace_seconds: number("client", row.shutdown_grace_seconds)?,
    })
}

/// What the plugin of the semantic cache is called.
const CACHE: &str = "semantic_cache";

fn cache_row(cache: &CacheConfig) -> PluginRow {
    PluginRow { name: CACHE.to_owned(), enabled: cache.enabled, config: to_json(cache) }
}

fn cache_from_row(row: &PluginRow) -> Result<CacheConfig, Problem> {
    let config = from_json("plugins.semantic_cache", &row.config)?;
    Ok(CacheConfig { enabled: row.enabled, ..config })
}

fn auth_row(auth: &AuthConfig) -> AuthRow {
    AuthRow {
        admin_username: auth.admin_username.to_text(),
        admin_password: auth.admin_password.to_text(),
        is_enabled: auth.is_enabled,
        disable_auth_on_inference: auth.disable_auth_on_inference,
    }
}

fn auth_from_row(row: &AuthRow) -> AuthConfig {
    AuthConfig {
        admin_username: SecretRef::parse(&row.admin_username),
        admin_password: SecretRef::parse(&row.admin_password),
        is_enabled: row.is_enabled,
        disable_auth_on_inference: row.disable_auth_on_inference,
    }
}

fn provider_rows(provider: &ProviderConfig) -> ProviderRows {
    let network = &provider.network;
    let headers: BTreeMap<_, _> =
        network.extra_headers.iter().map(|(name, value)| (name, value.to_text())).collect();
    let proxy = provider.proxy.as_ref();
    let proxy_text = |field: fn(&ProxyConfig) -> &SecretRef| {
        proxy.map(|proxy| field(proxy).to_text()).unwrap_or_default()
    };
    let row = ProviderRow {
        name: provider.name.clone(),
        concurrency: provider.concurrency.into(),
        buffer_size: provider.buffer_size.into(),
        base_url: network.base_url.clone(),
        extra_headers: to_json(&headers),
        default_request_timeout_in_seconds: network.default_request_timeout_in_seconds.into(),
        connect_timeout_in_seconds: network.connect_timeout_in_seconds.into(),
        header_timeout_in_seconds: network.header_timeout_in_seconds.map(i64::from),
        first_token_timeout_in_seconds: network.first_token_timeout_in_seconds.map(i64::from),
        stream_idle_timeout_in_seconds: network.stream_idle_timeout_in_seconds.into(),
        total_timeout_in_seconds: network.total_timeout_in_seconds.map(i64::from),
        stream_total_timeout_in_seconds: network.stream_total_timeout_in_seconds.map(i64::from),
        max_retries: network.max_retries.into(),
        retry_backoff_initial: network.retry_backoff_initial.into(),
        retry_backoff_max: network.retry_backoff_max.into(),
        insecure_skip_verify: network.insecure_skip_verify,
        ca_cert_pem: network.ca_cert_pem.clone(),
        max_conns_per_host: network.max_conns_per_host.into(),
        enforce_http2: network.enforce_http2,
        proxy_type: proxy.map(|proxy| proxy.kind.clone()),
        proxy_url: proxy_text(|proxy| &proxy.url),
        proxy_username: proxy_text(|proxy| &proxy.username),
        proxy_password: proxy_text(|proxy| &proxy.password),
        send_back_raw_request: provider.send_back_raw_request,
        send_back_raw_response: provider.send_back_raw_response,
        custom_provider_config: provider.custom.as_ref().map(to_json),
    };
    let keys = (0..).zip(&provider.keys).map(|(position, key)| KeyRow {
        id: key.id.clone(),
        provider: provider.name.clone(),
        position,
        name: key.name.clone(),
        value: key.value.to_text(),
        models: access_text(&key.models),
        blacklisted_models: to_json(&key.blacklisted_models),
        weight: key.weight,
        enabled: key.enabled,
    });
    ProviderRows { provider: row, keys: keys.collect() }
}

fn provider_from_rows(row: ProviderRow, keys: &[KeyRow]) -> Result<ProviderConfig, Problem> {
    let path = format!("providers.{}", row.name);
    let network = network_from_row(&path, &row)?;
    let proxy = row.proxy_type.map(|kind| ProxyConfig {
        kind,
        url: SecretRef::parse(&row.proxy_url),
        username: SecretRef::parse(&row.proxy_username),
        password: SecretRef::parse(&row.proxy_password),
    });
    let keys = keys.iter().filter(|key| key.provider == row.name).map(|key| {
        Ok(KeyConfig {
            id: key.id.clone(),
            name: key.name.clone(),
            value: SecretRef::parse(&key.value),
            models: access_from_text(&path, key.models.as_deref())?,
            blacklisted_models: from_json(&path, &key.blacklisted_models)?,
            weight: key.weight,
            enabled: key.enabled,
        })
    });
    let custom = row.custom_provider_config.as_deref();
    Ok(ProviderConfig {
        keys: keys.collect::<Result<_, Problem>>()?,
        network,
        concurrency: number(&path, row.concurrency)?,
        buffer_size: number(&path, row.buffer_size)?,
        proxy,
        send_back_raw_request: row.send_back_raw_request,
        send_back_raw_response: row.send_back_raw_response,
        custom: custom.map(|custom| from_json(&path, custom)).transpose()?,
        name: row.name,
    })
}

fn network_from_row(path: &str, row: &ProviderRow) -> Result<NetworkConfig, Problem> {
    let headers: BTreeMap<String, String> = from_json(path, &row.extra_headers)?;
    let headers = headers.into_iter().map(|(name, value)| (name, SecretRef::parse(&value)));
    let optional = |value: Option<i64>| value.map(|value| number(path, value)).transpose();
    Ok(NetworkConfig {
        base_url: row.base_url.clone(),
        extra_headers: headers.collect(),
        default_request_timeout_in_seconds: number(path, row.default_request_timeout_in_seconds)?,
        connect_timeout_in_seconds: number(path, row.connect_timeout_in_seconds)?,
        header_timeout_in_seconds: optional(row.header_timeout_in_seconds)?,
        first_token_timeout_in_seconds: optional(row.first_token_timeout_in_seconds)?,
        stream_idle_timeout_in_seconds: number(path, row.stream_idle_timeout_in_seconds)?,
        total_timeout_in_seconds: optional(row.total_timeout_in_seconds)?,
        stream_total_timeout_in_seconds: optional(row.stream_total_timeout_in_seconds)?,
        max_retries: number(path, row.max_retries)?,
        retry_backoff_initial: number(path, row.retry_backoff_initial)?,
        retry_backoff_max: number(path, row.retry_backoff_max)?,
        insecure_skip_verify: row.insecure_skip_verify,
        ca_cert_pem: row.ca_cert_pem.clone(),
        max_conns_per_host: number(path, row.max_conns_per_host)?,
        enforce_http2: row.enforce_http2,
    })
}

fn virtual_key_rows(key: &VirtualKeyConfig) -> VirtualKeyRows {
    let mut rows = VirtualKeyRows {
        virtual_key: VirtualKeyRow {
            id: key.id.clone(),
            name: key.name.clone(),
            description: key.description.clone(),
            secret_hash: hex(&key.secret_hash),
            secret_masked: key.secret_masked.clone(),
            secret_is_id: key.secret_is_id,
            is_active: key.is_active,
            team_id: key.team_id.clone(),
            customer_id: key.customer_id.clone(),
            model_substitution: key.model_substitution,
            restricts_providers: key.provider_configs.is_some(),
            semantic_cache: key.semantic_cache.as_ref().map(to_json),
            created_at: key.created_at,
            updated_at: key.updated_at,
        },
        bindings: Vec::new(),
        budgets: Vec::new(),
        rate_limits: Vec::new(),
    };
    add_limits(&mut rows, None, &key.budgets, key.rate_limit.as_ref());
    for (position, binding) in (0..).zip(key.provider_configs.iter().flatten()) {
        rows.bindings.push(BindingRow {
            id: binding.id,
            virtual_key_id: key.id.clone(),
            position,
            provider: binding.provider.clone(),
            weight: binding.weight,
            allowed_models: access_text(&binding.allowed_models),
            key_ids: access_text(&binding.key_ids),
            fallback_model: binding.fallback_model.clone(),
        });
        add_limits(&mut rows, Some(binding.id), &binding.budgets, binding.rate_limit.as_ref());
    }
    rows
}

fn add_limits(
    rows: &mut VirtualKeyRows,
    binding_id: Option<i64>,
    budgets: &[BudgetConfig],
    rate_limit: Option<&RateLimitConfig>,
) {
    let virtual_key_id = &rows.virtual_key.id;
    rows.budgets.extend((0..).zip(budgets).map(|(position, budget)| BudgetRow {
        id: budget.id.clone(),
        virtual_key_id: virtual_key_id.clone(),
        binding_id,
        position,
        max_limit: budget.max_limit,
        reset_duration: budget.reset_duration.clone(),
        calendar_aligned: budget.calendar_aligned,
        time_zone: budget.time_zone.clone(),
        unpriced_allowed: budget.unpriced_allowed,
        reserve: budget.reserve,
        created_at: budget.created_at,
        updated_at: budget.updated_at,
    }));
    rows.rate_limits.extend(rate_limit.map(|limit| RateLimitRow {
        id: limit.id.clone(),
        virtual_key_id: virtual_key_id.clone(),
        binding_id,
        request_max_limit: limit.request_max_limit,
        request_reset_duration: limit.request_reset_duration.clone(),
        token_max_limit: limit.token_max_limit,
        token_reset_duration: limit.token_reset_duration.clone(),
        created_at: limit.created_at,
        updated_at: limit.updated_at,
    }));
}

struct VirtualKeyParts<'a> {
    bindings: HashMap<&'a str, Vec<&'a BindingRow>>,
    budgets: HashMap<&'a str, Vec<&'a BudgetRow>>,
    rate_limits: HashMap<&'a str, Vec<&'a RateLimitRow>>,
}

/// Rows by the virtual key that they belong to: there may be a hundred thousand of them.
fn group<T>(rows: &[T], key: fn(&T) -> &String) -> HashMap<&str, Vec<&T>> {
    let mut groups: HashMap<&str, Vec<&T>> = HashMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row);
    }
    groups
}

impl VirtualKeyParts<'_> {
    fn virtual_key(&self, row: VirtualKeyRow) -> Result<VirtualKeyConfig, Problem> {
        let path = format!("governance.virtual_keys.{}", row.id);
        let secret_hash = from_hex(&row.secret_hash)
            .ok_or_else(|| Problem::new(&path, "the stored hash is damaged"))?;
        let bindings = self.bindings.get(row.id.as_str()).into_iter().flatten();
        let bindings = bindings.map(|binding| {
            Ok(ProviderBindingConfig {
                id: binding.id,
                provider: binding.provider.clone(),
                weight: binding.weight,
                allowed_models: access_from_text(&path, binding.allowed_models.as_deref())?,
                key_ids: access_from_text(&path, binding.key_ids.as_deref())?,
                fallback_model: binding.fallback_model.clone(),
                budgets: self.budgets(&row.id, Some(binding.id)),
                rate_limit: self.rate_limit(&row.id, Some(binding.id)),
            })
        });
        let bindings = bindings.collect::<Result<Vec<_>, Problem>>()?;
        Ok(VirtualKeyConfig {
            budgets: self.budgets(&row.id, None),
            rate_limit: self.rate_limit(&row.id, None),
            provider_configs: row.restricts_providers.then_some(bindings),
            id: row.id,
            name: row.name,
            description: row.description,
            secret_hash,
            secret_masked: row.secret_masked,
            secret_is_id: row.secret_is_id,
            is_active: row.is_active,
            team_id: row.team_id,
            customer_id: row.customer_id,
            model_substitution: row.model_substitution,
            semantic_cache: match &row.semantic_cache {
                Some(text) => Some(from_json(&path, text)?),
                None => None,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    fn budgets(&self, virtual_key_id: &str, binding_id: Option<i64>) -> Vec<BudgetConfig> {
        let rows = self.budgets.get(virtual_key_id).into_iter().flatten();
        let rows = rows.filter(|row| row.binding_id == binding_id);
        let budgets = rows.map(|row| BudgetConfig {
            id: row.id.clone(),
            max_limit: row.max_limit,
            reset_duration: row.reset_duration.clone(),
            calendar_aligned: row.calendar_aligned,
            time_zone: row.time_zone.clone(),
            unpriced_allowed: row.unpriced_allowed,
            reserve: row.reserve,
            created_at: row.created_at,
            updated_at: row.updated_at,
        });
        budgets.collect()
    }

    fn rate_limit(&self, virtual_key_id: &str, binding_id: Option<i64>) -> Option<RateLimitConfig> {
        let mut rows = self.rate_limits.get(virtual_key_id)?.iter();
        let row = rows.find(|row| row.binding_id == binding_id)?;
        Some(RateLimitConfig {
            id: row.id.clone(),
            request_max_limit: row.request_max_limit,
            request_reset_duration: row.request_reset_duration.clone(),
            token_max_limit: row.token_max_limit,
            token_reset_duration: row.token_reset_duration.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn access_text(list: &AccessList) -> Option<String> {
    match list {
        AccessList::Unrestricted => None,
        AccessList::Only(list) => Some(to_json(list)),
    }
}

fn access_from_text(path: &str, text: Option<&str>) -> Result<AccessList, Problem> {
    match text {
        None => Ok(AccessList::Unrestricted),
        Some(text) => Ok(AccessList::Only(from_json(path, text)?)),
    }
}

fn number(path: &str, value: i64) -> Result<u32, Problem> {
    u32::try_from(value)
        .map_err(|_| Problem::new(path, format!("stored number {value} is damaged")))
}

/// Lists and maps of strings can always be written.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::new(path, format!("stored JSON: {error}")))
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
