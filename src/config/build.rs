//! From the configuration to a [`Snapshot`]: references resolved, everything checked and indexed.

use super::admin::Admin;
use super::apply::secret_hash;
use super::build_provider::provider;
use super::cache::{CacheConfig, CacheScope, LOCAL};
use super::entity::{
    AuthConfig, BudgetConfig, Configuration, ProviderBindingConfig, RateLimitConfig,
    VirtualKeyConfig,
};
use super::env::Environment;
use super::header_filter::HeaderFilter;
use super::pricing::Catalog;
use super::problem::{Problem, Problems};
use super::snapshot::{Binding, MeterSpec, Snapshot, Unit, VirtualKey};
use super::window::Window;
use crate::provider::catalog::canonical_name;
use crate::provider::{AccessList, Provider, Secret};
use hashbrown::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

/// Checks the whole configuration and indexes it. Every problem is reported, not only the first.
///
/// A key whose environment variable is not set does not stop the gateway: it is disabled, and
/// [`Snapshot::warnings`] says so.
pub fn build(
    configuration: &Configuration,
    catalog: &Arc<Catalog>,
    environment: &Environment,
    version: u64,
) -> Result<Snapshot, Problems> {
    let mut findings = Findings::default();
    let admin =
        configuration.auth.as_deref().and_then(|auth| admin(auth, environment, &mut findings));
    let filter = &configuration.client.header_filter_config;
    let header_filter = HeaderFilter::new(filter, &mut findings.problems);
    let providers = providers(configuration, environment, &mut findings);
    let virtual_keys = virtual_keys(configuration, &mut findings);
    let provider_by_name =
        providers.iter().enumerate().map(|(at, provider)| (provider.name.clone(), at)).collect();
    let hashes = configuration.virtual_keys.values().map(|key| key.secret_hash);
    let virtual_key_by_hash: HashMap<_, _, _> = hashes.zip(virtual_keys.iter().cloned()).collect();
    // An id looks like a secret, and is one only where nobody gave another.
    let ids = configuration.virtual_keys.values().filter(|key| !key.secret_is_id);
    let ids = ids.map(|key| secret_hash(&key.id));
    let mut no_secrets: hashbrown::HashSet<_, _> =
        configuration.retired_secrets.keys().copied().collect();
    no_secrets.extend(ids);
    // Without the plugin only virtual keys can switch it on, and then its defaults hold.
    let cache = configuration.cache.clone().unwrap_or_default();
    warn_of_cache(&cache, configuration, &mut findings);
    let switched_on =
        |key: &Arc<VirtualKey>| key.semantic_cache.as_ref().is_some_and(|it| it.enabled);
    let named = configuration.cache.is_some();
    let uses_cache = cache.enabled && (named || virtual_keys.iter().any(switched_on));
    findings.problems.check(Snapshot {
        version,
        cache,
        uses_cache,
        no_secrets,
        client: configuration.client.clone(),
        header_filter,
        admin,
        providers,
        provider_by_name,
        virtual_key_by_hash,
        virtual_keys,
        catalog: catalog.clone(),
        warnings: findings.warnings,
    })
}

/// Without its provider the semantic layer finds nothing, and nobody would know why.
fn warn_of_cache(cache: &CacheConfig, configuration: &Configuration, findings: &mut Findings) {
    let judge = cache.judge_model.split('/').next().unwrap_or_default();
    for (field, provider) in [("provider", cache.provider.as_str()), ("judge_model", judge)] {
        let there = provider.is_empty()
            || (provider == LOCAL && field == "provider")
            || configuration.providers.contains_key(canonical_name(provider));
        if cache.enabled && !there {
            let message = format!("the provider `{provider}` is not configured");
            findings.warn(format!("plugins.semantic_cache.config.{field}"), message);
        }
    }
}

/// What was found while building.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What makes the configuration unusable.
    pub(super) problems: Problems,
    /// What does not.
    pub(super) warnings: Vec<Problem>,
}

impl Findings {
    pub(super) fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Problem::new(path, message));
    }
}

fn admin(auth: &AuthConfig, environment: &Environment, findings: &mut Findings) -> Option<Admin> {
    if !auth.is_enabled {
        return None;
    }
    // An unset password must not open the management API, so it is never a warning only.
    let mut resolve = |name: &str, secret| {
        let secret =
            environment.resolve(secret).and_then(|secret: Secret| match secret.is_empty() {
                true => Err("missing, though authentication is enabled".to_owned()),
                false => Ok(secret),
            });
        secret.map_err(|message| {
            findings.problems.add(format!("governance.auth_config.{name}"), message);
        })
    };
    let username = resolve("admin_username", &auth.admin_username);
    let password = resolve("admin_password", &auth.admin_password);
    let on_inference = !auth.disable_auth_on_inference;
    let known = Arc::default();
    Some(Admin { username: username.ok()?, password: password.ok()?, on_inference, known })
}

fn providers(
    configuration: &Configuration,
    environment: &Environment,
    findings: &mut Findings,
) -> Vec<Arc<Provider>> {
    let mut providers = Vec::with_capacity(configuration.providers.len());
    let mut key_names = HashSet::new();
    let mut key_ids = HashSet::new();
    for (name, config) in &configuration.providers {
        for (at, key) in config.keys.iter().enumerate() {
            let path = format!("providers.{name}.keys[{at}]");
            if !key_names.insert(&key.name) {
                let message = format!("the name `{}` is taken by another key", key.name);
                findings.problems.add(format!("{path}.name"), message);
            }
            if !key_ids.insert(&key.id) {
                let message = format!("the id `{}` is taken by another key", key.id);
                findings.problems.add(format!("{path}.id"), message);
            }
        }
        providers.extend(provider(config, environment, findings).map(Arc::new));
    }
    providers
}

fn virtual_keys(configuration: &Configuration, findings: &mut Findings) -> Vec<Arc<VirtualKey>> {
    let mut names = HashSet::new();
    let mut hashes = HashSet::new();
    let mut meter_ids = HashSet::new();
    let mut virtual_keys = Vec::with_capacity(configuration.virtual_keys.len());
    for config in configuration.virtual_keys.values() {
        let path = format!("governance.virtual_keys[{}]", config.id);
        if !names.insert(&config.name) {
            let message = format!("the name `{}` is taken by another virtual key", config.name);
            findings.problems.add(format!("{path}.name"), message);
        }
        if !hashes.insert(config.secret_hash) {
            findings
                .problems
                .add(format!("{path}.value"), "another virtual key has the same value");
        }
        for id in limit_ids(config) {
            if !meter_ids.insert(id) {
                let message = format!("the id `{id}` is taken by another limit");
                findings.problems.add(path.clone(), message);
            }
        }
        virtual_keys.push(Arc::new(virtual_key(config, configuration, &path, findings)));
    }
    virtual_keys
}

fn limit_ids(config: &VirtualKeyConfig) -> impl Iterator<Item = &str> {
    let bindings = config.provider_configs.iter().flatten();
    let of_bindings = bindings.flat_map(|binding| {
        let budgets = binding.budgets.iter().map(|budget| budget.id.as_str());
        budgets.chain(binding.rate_limit.iter().map(|limit| limit.id.as_str()))
    });
    let budgets = config.budgets.iter().map(|budget| budget.id.as_str());
    budgets.chain(config.rate_limit.iter().map(|limit| limit.id.as_str())).chain(of_bindings)
}

fn virtual_key(
    config: &VirtualKeyConfig,
    configuration: &Configuration,
    path: &str,
    findings: &mut Findings,
) -> VirtualKey {
    let limits = Limits { path, scope: "virtual_key", findings };
    let own = limits.meters(&config.budgets, config.rate_limit.as_ref());
    let bindings = config.provider_configs.as_ref().map(|bindings| {
        let mut named = HashSet::new();
        let mut built = Vec::with_capacity(bindings.len());
        for (at, binding) in bindings.iter().enumerate() {
            let path = format!("{path}.provider_configs[{at}]");
            if !named.insert(&binding.provider) {
                let message = format!("`{}` is listed twice", binding.provider);
                findings.problems.add(format!("{path}.provider"), message);
            }
            if !configuration.providers.contains_key(&binding.provider) {
                let message = format!("the provider `{}` is not configured", binding.provider);
                findings.warn(format!("{path}.provider"), message);
            }
            let limits = Limits { path: &path, scope: &binding.provider, findings };
            let meters = limits.meters(&binding.budgets, binding.rate_limit.as_ref());
            built.push(self::binding(binding, sorted(own.iter().cloned().chain(meters).collect())));
        }
        built
    });
    VirtualKey {
        id: config.id.as_str().into(),
        name: config.name.as_str().into(),
        is_active: config.is_active,
        secret_is_id: config.secret_is_id,
        model_substitution: config.model_substitution,
        split_across_models: config.model_substitution && splits_across_models(bindings.as_deref()),
        bindings,
        meters: sorted(own),
        team_id: config.team_id.as_deref().map(Arc::from),
        customer_id: config.customer_id.as_deref().map(Arc::from),
        semantic_cache: config.semantic_cache.clone(),
        cache_scope: cache_scope(config, configuration),
    }
}

/// Who shares the cache's entries with this key.
fn cache_scope(key: &VirtualKeyConfig, configuration: &Configuration) -> Arc<str> {
    let general = || configuration.cache.as_ref().map_or_else(Default::default, |it| it.scope);
    let own = key.semantic_cache.as_ref().and_then(|own| own.scope);
    let shared = match own.unwrap_or_else(general) {
        CacheScope::VirtualKey => None,
        CacheScope::Team => key.team_id.as_ref().map(|id| format!("team:{id}")),
        CacheScope::Customer => key.customer_id.as_ref().map(|id| format!("customer:{id}")),
    };
    shared.map_or_else(|| own_scope(&key.id), Arc::from)
}

/// The scope of the cache's entries that a virtual key shares with nobody.
pub fn own_scope(id: &str) -> Arc<str> {
    format!("virtual_key:{id}").into()
}

fn binding(config: &ProviderBindingConfig, meters: Arc<[MeterSpec]>) -> Binding {
    Binding {
        provider: config.provider.as_str().into(),
        weight: config.weight,
        allowed_models: config.allowed_models.clone(),
        key_ids: config.key_ids.clone(),
        fallback_model: config.fallback_model.clone(),
        meters,
    }
}

/// Weights between bindings that share no model could never act on one requested model, so they
/// are a split across models (architecture, decision 7).
fn splits_across_models(bindings: Option<&[Binding]>) -> bool {
    let Some(bindings) = bindings.filter(|bindings| bindings.len() > 1) else { return false };
    let mut seen = HashSet::new();
    bindings.iter().all(|binding| match &binding.allowed_models {
        AccessList::Unrestricted => false,
        AccessList::Only(models) => {
            // A model listed twice by one binding is shared with nobody.
            let own: HashSet<_> = models.iter().collect();
            !own.is_empty() && own.into_iter().all(|model| seen.insert(model))
        }
    })
}

fn sorted(mut meters: Vec<MeterSpec>) -> Arc<[MeterSpec]> {
    meters.sort_by(|a, b| a.id.cmp(&b.id));
    meters.into()
}

/// Turns the limits of one level into meters.
struct Limits<'a> {
    path: &'a str,
    scope: &'a str,
    findings: &'a mut Findings,
}

impl Limits<'_> {
    fn meters(self, budgets: &[BudgetConfig], rate: Option<&RateLimitConfig>) -> Vec<MeterSpec> {
        let scope: Arc<str> = self.scope.into();
        let mut meters = Vec::new();
        for (at, budget) in budgets.iter().enumerate() {
            let zone = budget.time_zone.as_deref();
            match Window::parse(&budget.reset_duration, budget.calendar_aligned, zone) {
                Ok(window) => meters.push(MeterSpec {
                    id: budget.id.as_str().into(),
                    unit: Unit::Cost,
                    limit: budget.max_limit,
                    window,
                    scope: scope.clone(),
                    unpriced_allowed: budget.unpriced_allowed,
                    reserve: budget.reserve,
                }),
                Err(message) => {
                    let path = format!("{}.budgets[{at}].reset_duration", self.path);
                    self.findings.problems.add(path, message);
                }
            }
        }
        let Some(rate) = rate else { return meters };
        let halves = [
            ("request", Unit::Requests, rate.request_max_limit, &rate.request_reset_duration),
            ("token", Unit::Tokens, rate.token_max_limit, &rate.token_reset_duration),
        ];
        for (name, unit, limit, duration) in halves {
            let Some(limit) = limit else { continue };
            let window = duration.as_deref().ok_or_else(|| "missing".to_owned());
            match window.and_then(|duration| Window::parse(duration, false, None)) {
                Ok(window) => meters.push(MeterSpec {
                    id: format!("{}:{name}s", rate.id).into(),
                    unit,
                    limit,
                    window,
                    scope: scope.clone(),
                    unpriced_allowed: false,
                    reserve: true,
                }),
                Err(message) => {
                    let path = format!("{}.rate_limit.{name}_reset_duration", self.path);
                    self.findings.problems.add(path, message);
                }
            }
        }
        meters
    }
}

#[cfg(test)]
mod tests;
