//! How what is given meets what is there: creating and updating virtual keys.
//!
//! An update changes what it names. Limits keep their ids, and with them their usage, wherever it
//! can be told which limit is meant.

use super::entity::{
    BudgetConfig, Configuration, ProviderBindingConfig, RateLimitConfig, SecretRef,
    VirtualKeyConfig,
};
use super::input::{
    BindingInput, BudgetInput, BudgetsInput, LimitsInput, RateLimitInput, VirtualKeyInput,
};
use super::problem::{Problem, Problems, join};
use super::window::Window;
use crate::provider::{AccessList, mask};
use sha2::{Digest, Sha256};

/// Gives out ids that nothing has yet.
#[derive(Debug)]
pub struct IdSource {
    next_binding: i64,
}

impl IdSource {
    /// Ids that are new to `configuration`.
    pub fn new(configuration: &Configuration) -> Self {
        let keys = configuration.virtual_keys.values();
        let bindings = keys.flat_map(|key| key.provider_configs.iter().flatten());
        let last = bindings.map(|binding| binding.id).max().unwrap_or(0);
        IdSource { next_binding: last.saturating_add(1) }
    }

    /// A random id.
    pub fn uuid(&mut self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// A secret for a virtual key.
    pub fn secret(&mut self) -> String {
        format!("sk-bf-{}", uuid::Uuid::new_v4())
    }

    fn binding(&mut self) -> i64 {
        let id = self.next_binding;
        self.next_binding += 1;
        id
    }
}

impl VirtualKeyInput {
    /// Gives the key a new secret, unless a value is given already, and returns what it is: to be
    /// shown once, since only its hash is kept.
    pub fn generate_value(&mut self, ids: &mut IdSource) -> String {
        match &self.value {
            Some(SecretRef::Value(value)) => value.clone(),
            _ => {
                let secret = ids.secret();
                self.value = Some(SecretRef::Value(secret.clone()));
                secret
            }
        }
    }
}

/// The hash under which a virtual key's secret is known.
pub fn secret_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Creates a virtual key, or changes `existing`. `now` is in Unix milliseconds.
///
/// A new key without a value has its id as its secret; callers that do not want that call
/// [`VirtualKeyInput::generate_value`] first. The value of an existing key stays unless a new one is
/// given; its masked form counts as not given.
pub fn apply_virtual_key(
    existing: Option<&VirtualKeyConfig>,
    input: VirtualKeyInput,
    ids: &mut IdSource,
    now: i64,
) -> Result<VirtualKeyConfig, Vec<Problem>> {
    let mut problems = Problems::default();
    let key = virtual_key_config(existing, input, ids, now, &mut problems);
    problems.check(key).map_err(|problems| problems.0)
}

/// Like [`apply_virtual_key`]: where something is wrong, what can be understood of it, for finding
/// whatever else is wrong.
pub(super) fn virtual_key_config(
    existing: Option<&VirtualKeyConfig>,
    input: VirtualKeyInput,
    ids: &mut IdSource,
    now: i64,
    problems: &mut Problems,
) -> VirtualKeyConfig {
    let path = input.path.clone();
    let mut key = match existing {
        Some(existing) => VirtualKeyConfig { updated_at: now, ..existing.clone() },
        None => new_virtual_key(&input, ids, now),
    };
    set_value(&mut key, existing.is_none(), input.value, &join(&path, "value"), problems);
    match input.name {
        Some(name) if name.trim().is_empty() => problems.add(join(&path, "name"), "is empty"),
        Some(name) => key.name = name,
        None if existing.is_none() && key.name.is_empty() => {
            problems.add(join(&path, "name"), "missing");
        }
        None => {}
    }
    set(&mut key.description, input.description);
    set(&mut key.is_active, input.is_active);
    set(&mut key.model_substitution, input.model_substitution);
    if matches!((&input.team_id, &input.customer_id), (Some(Some(_)), Some(Some(_)))) {
        let message = "a virtual key belongs to a team or to a customer, not to both";
        problems.add(join(&path, "team_id"), message);
    }
    // Whoever moves a key to a team takes it from its customer, and the other way round.
    if matches!(input.team_id, Some(Some(_))) && input.customer_id.is_none() {
        key.customer_id = None;
    }
    if matches!(input.customer_id, Some(Some(_))) && input.team_id.is_none() {
        key.team_id = None;
    }
    set(&mut key.team_id, input.team_id);
    set(&mut key.customer_id, input.customer_id);
    set(&mut key.semantic_cache, input.semantic_cache);
    if let Some(list) = input.provider_configs {
        let old = key.provider_configs.take().unwrap_or_default();
        key.provider_configs = list.map(|list| bindings(&old, list, ids, now, problems));
    }
    let limits = Level { path: &path, ids, now, problems };
    limits.apply(&mut key.budgets, &mut key.rate_limit, input.limits);
    key
}

fn new_virtual_key(input: &VirtualKeyInput, ids: &mut IdSource, now: i64) -> VirtualKeyConfig {
    let id = input.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| ids.uuid());
    VirtualKeyConfig {
        // A key made by `PUT …/vk-prod` without a name is called by its id.
        name: input.id.clone().unwrap_or_default(),
        description: String::new(),
        secret_hash: secret_hash(&id),
        secret_masked: mask(&id),
        secret_is_id: true,
        id,
        is_active: true,
        team_id: None,
        customer_id: None,
        model_substitution: true,
        provider_configs: None,
        budgets: Vec::new(),
        rate_limit: None,
        semantic_cache: None,
        created_at: now,
        updated_at: now,
    }
}

fn set_value(
    key: &mut VirtualKeyConfig,
    is_new: bool,
    value: Option<SecretRef>,
    path: &str,
    problems: &mut Problems,
) {
    let value = match value {
        None | Some(SecretRef::None) => return,
        Some(SecretRef::Value(value)) => value,
        Some(SecretRef::Env(name)) => {
            let message = format!("`env.{name}` can be used in config.json only");
            return problems.add(path, message);
        }
    };
    if !is_new && value == key.secret_masked {
        return;
    }
    if is_mask(&value) {
        return problems
            .add(path, "is the masked form of a secret; leave it out to keep the secret");
    }
    key.secret_hash = secret_hash(&value);
    key.secret_masked = mask(&value);
    key.secret_is_id = value == key.id;
}

/// Whether a text looks like what [`mask`] makes of a secret.
pub(super) fn is_mask(value: &str) -> bool {
    value.contains(&"*".repeat(8)) || (!value.is_empty() && value.bytes().all(|byte| byte == b'*'))
}

pub(super) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// The new list of providers. An entry is one that was there when its id says so, or else its
/// provider: so a body that is sent again and again keeps usage.
fn bindings(
    old: &[ProviderBindingConfig],
    list: Vec<BindingInput>,
    ids: &mut IdSource,
    now: i64,
    problems: &mut Problems,
) -> Vec<ProviderBindingConfig> {
    let mut taken = Vec::new();
    let mut new = Vec::with_capacity(list.len());
    for input in list {
        let by_id = input.id.and_then(|id| old.iter().find(|binding| binding.id == id));
        let by_name = || old.iter().find(|binding| binding.provider == input.provider);
        let matched = by_id.or_else(by_name).filter(|binding| !taken.contains(&binding.id));
        taken.extend(matched.map(|binding| binding.id));
        let mut binding = ProviderBindingConfig {
            id: matched.map_or_else(|| ids.binding(), |binding| binding.id),
            provider: input.provider,
            weight: input.weight.unwrap_or(Some(1.0)),
            allowed_models: AccessList::from_list(input.allowed_models),
            key_ids: AccessList::from_list(input.key_ids),
            fallback_model: input.fallback_model.filter(|model| !model.is_empty()),
            budgets: matched.map(|binding| binding.budgets.clone()).unwrap_or_default(),
            rate_limit: matched.and_then(|binding| binding.rate_limit.clone()),
        };
        let level = Level { path: &input.path, ids, now, problems };
        level.apply(&mut binding.budgets, &mut binding.rate_limit, input.limits);
        new.push(binding);
    }
    new
}

/// The limits of a virtual key or of one of its providers.
struct Level<'a> {
    path: &'a str,
    ids: &'a mut IdSource,
    /// Unix milliseconds.
    now: i64,
    problems: &'a mut Problems,
}

impl Level<'_> {
    fn apply(
        mut self,
        budgets: &mut Vec<BudgetConfig>,
        rate_limit: &mut Option<RateLimitConfig>,
        input: LimitsInput,
    ) {
        // Ids are shown beside the limits. Alone they would promise a limit that nobody sets.
        let known = |id: &String| budgets.iter().any(|budget| budget.id == *id);
        let budget_given = input.budgets != BudgetsInput::Absent;
        if !budget_given && input.budget_id.as_ref().is_some_and(|id| !known(id)) {
            let message = "sets no budget; give the `budget` itself";
            self.problems.add(join(self.path, "budget_id"), message);
        }
        let known = |id: &String| rate_limit.as_ref().is_some_and(|limit| limit.id == *id);
        let limit_given = input.rate_limit.is_some();
        if !limit_given && input.rate_limit_id.as_ref().is_some_and(|id| !known(id)) {
            let message = "sets no rate limit; give the `rate_limit` itself";
            self.problems.add(join(self.path, "rate_limit_id"), message);
        }
        match input.budgets {
            BudgetsInput::Absent => {}
            BudgetsInput::One(one) => self.one_budget(budgets, one),
            BudgetsInput::All(all) => {
                let old = std::mem::take(budgets);
                let mut taken = Vec::new();
                for input in all {
                    let matched = matching(&old, &input).filter(|old| !taken.contains(&&old.id));
                    taken.extend(matched.map(|old| &old.id));
                    budgets.extend(self.budget(matched, input));
                }
            }
        }
        match input.rate_limit {
            None => {}
            Some(None) => *rate_limit = None,
            Some(Some(input)) => *rate_limit = self.rate_limit(rate_limit.take(), input),
        }
    }

    fn one_budget(&mut self, budgets: &mut Vec<BudgetConfig>, input: BudgetInput) {
        let at = match (budgets.len(), &input.id) {
            (0, _) => {
                budgets.extend(self.budget(None, input));
                return;
            }
            (1, None) => 0,
            (_, Some(id)) if budgets.iter().any(|budget| budget.id == *id) => {
                budgets.iter().position(|budget| budget.id == *id).unwrap_or(0)
            }
            (1, Some(_)) => 0,
            _ => {
                let message = "several budgets are set; give all of them as `budgets`";
                self.problems.add(input.path, message);
                return;
            }
        };
        if let Some(slot) = budgets.get_mut(at) {
            let old = slot.clone();
            if let Some(new) = self.budget(Some(&old), input) {
                *slot = new;
            }
        }
    }

    fn budget(&mut self, old: Option<&BudgetConfig>, input: BudgetInput) -> Option<BudgetConfig> {
        let path = input.path;
        let max_limit = input.max_limit.or(old.map(|old| old.max_limit));
        let reset_duration =
            input.reset_duration.or_else(|| old.map(|old| old.reset_duration.clone()));
        if max_limit.is_none() {
            self.problems.add(join(&path, "max_limit"), "missing");
        }
        if reset_duration.is_none() {
            self.problems.add(join(&path, "reset_duration"), "missing");
        }
        let id = old.map(|old| old.id.clone()).or(input.id.filter(|id| !id.is_empty()));
        let mut budget = BudgetConfig {
            id: id.unwrap_or_else(|| self.ids.uuid()),
            max_limit: max_limit?,
            reset_duration: reset_duration?,
            calendar_aligned: input
                .calendar_aligned
                .unwrap_or(old.is_some_and(|old| old.calendar_aligned)),
            time_zone: input.time_zone.unwrap_or_else(|| old?.time_zone.clone()),
            unpriced_allowed: input
                .unpriced_allowed
                .unwrap_or(old.is_some_and(|old| old.unpriced_allowed)),
            reserve: input.reserve.unwrap_or(old.is_none_or(|old| old.reserve)),
            created_at: old.map_or(self.now, |old| old.created_at),
            updated_at: old.map_or(self.now, |old| old.updated_at),
        };
        if old.is_some_and(|old| *old != budget) {
            budget.updated_at = self.now;
        }
        if budget.max_limit <= 0 {
            self.problems.add(join(&path, "max_limit"), "must be above 0 dollars");
        }
        let zone = budget.time_zone.as_deref();
        let window = Window::parse(&budget.reset_duration, budget.calendar_aligned, zone);
        if let Err(message) = window {
            self.problems.add(join(&path, "reset_duration"), message);
            return None;
        }
        Some(budget)
    }

    fn rate_limit(
        &mut self,
        old: Option<RateLimitConfig>,
        input: RateLimitInput,
    ) -> Option<RateLimitConfig> {
        let path = input.path;
        let mut limit = old.clone().unwrap_or_else(|| RateLimitConfig {
            id: input.id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.ids.uuid()),
            request_max_limit: None,
            request_reset_duration: None,
            token_max_limit: None,
            token_reset_duration: None,
            created_at: self.now,
            updated_at: self.now,
        });
        set(&mut limit.request_max_limit, input.request_max_limit);
        set(&mut limit.request_reset_duration, input.request_reset_duration);
        set(&mut limit.token_max_limit, input.token_max_limit);
        set(&mut limit.token_reset_duration, input.token_reset_duration);
        if old.is_some_and(|old| old != limit) {
            limit.updated_at = self.now;
        }
        let halves = [
            ("request", limit.request_max_limit, &limit.request_reset_duration),
            ("token", limit.token_max_limit, &limit.token_reset_duration),
        ];
        let mut is_clear = true;
        for (name, max_limit, duration) in halves {
            let window = match (max_limit, duration.as_deref()) {
                (Some(_), None) => Err("missing: a limit needs its duration".to_owned()),
                (_, Some(text)) => Window::parse(text, false, None).map(|_| ()),
                (None, None) => Ok(()),
            };
            if let Err(message) = window {
                is_clear = false;
                self.problems.add(join(&path, &format!("{name}_reset_duration")), message);
            }
        }
        let limits = limit.request_max_limit.is_some() || limit.token_max_limit.is_some();
        if !limits {
            // A body that names durations and no limit would look limited and not be.
            self.problems.add(path, "has a duration but no limit; `{}` removes the rate limit");
        }
        is_clear.then_some(limit)
    }
}

/// The budget that is meant: by id, or else the one with the same window.
fn matching<'a>(old: &'a [BudgetConfig], input: &BudgetInput) -> Option<&'a BudgetConfig> {
    let by_id = input.id.as_ref().and_then(|id| old.iter().find(|old| old.id == *id));
    by_id.or_else(|| {
        old.iter().find(|old| Some(&old.reset_duration) == input.reset_duration.as_ref())
    })
}

#[cfg(test)]
mod tests;
