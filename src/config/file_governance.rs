//! `governance` in config.json: virtual keys, with the limits that they name by id.

use super::file::{AuthEntry, Entry, hash};
use super::input::{BudgetInput, BudgetsInput, LimitsInput, RateLimitInput, VirtualKeyInput};
use super::read::{Log, Object, is_blank};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// `governance`, read.
#[derive(Debug, Default)]
pub(super) struct Governance {
    pub(super) auth: Option<AuthEntry>,
    pub(super) virtual_keys: Vec<Entry<VirtualKeyInput>>,
}

impl Governance {
    pub(super) fn read(object: Object<'_>) -> Self {
        let auth = AuthEntry::read(&object);
        let mut limits = NamedLimits::read(&object);
        let mut virtual_keys = Vec::new();
        let values = object.value("virtual_keys").and_then(Value::as_array);
        let keys = object.objects("virtual_keys").flatten().unwrap_or_default();
        for (key, value) in keys.into_iter().zip(values.into_iter().flatten()) {
            let log = key.log;
            let mut input = VirtualKeyInput::read(key);
            if input.id.is_none() && input.name.is_none() {
                log.problem(&input.path, "needs an `id` or a `name`");
            }
            let mut parts = vec![Some(value)];
            limits.resolve(&mut input.limits, &input.path, log, &mut parts);
            for binding in input.provider_configs.iter_mut().flatten().flatten() {
                limits.resolve(&mut binding.limits, &binding.path, log, &mut parts);
            }
            virtual_keys.push(Entry { value: input, hash: hash(&parts) });
        }
        limits.warn_unused(object.log);
        refuse_unsupported(&object);
        object.finish_leniently();
        Governance { auth, virtual_keys }
    }
}

/// Limits that would not be enforced are a problem, not a warning: a key must never be less limited
/// than its file says.
fn refuse_unsupported(object: &Object<'_>) {
    for name in ["teams", "customers", "providers"] {
        for entry in object.objects(name).flatten().unwrap_or_default() {
            let limited = ["budget_id", "rate_limit_id", "budget", "rate_limit", "budgets"];
            let limited = limited
                .iter()
                .any(|limit| entry.value(limit).is_some_and(|value| !is_blank(value)));
            match limited {
                true => {
                    let message = format!("limits of {name} are not supported yet");
                    object.log.problem(entry.path, message);
                }
                false => {
                    object.log.warn(entry.path, format!("{name} are not supported yet; ignored"))
                }
            }
        }
    }
    for name in ["model_configs", "routing_rules"] {
        if object.value(name).is_some_and(|value| !is_blank(value)) {
            object.log.problem(object.path_of(name), format!("`{name}` are not supported yet"));
        }
    }
}

/// `governance.budgets` and `governance.rate_limits` by id, with their text.
#[derive(Default)]
struct NamedLimits<'a> {
    budgets: HashMap<String, (BudgetInput, &'a Value)>,
    rate_limits: HashMap<String, (RateLimitInput, &'a Value)>,
    used: HashSet<String>,
}

impl<'a> NamedLimits<'a> {
    fn read(object: &Object<'a>) -> Self {
        let mut limits = NamedLimits::default();
        let values = object.value("budgets").and_then(Value::as_array);
        let budgets = object.objects("budgets").flatten().unwrap_or_default();
        for (budget, value) in budgets.into_iter().zip(values.into_iter().flatten()) {
            let input = BudgetInput::read(budget);
            match &input.id {
                Some(id) => {
                    limits.budgets.insert(id.clone(), (input, value));
                }
                None => object.log.problem(format!("{}.id", input.path), "missing"),
            }
        }
        let values = object.value("rate_limits").and_then(Value::as_array);
        let rate_limits = object.objects("rate_limits").flatten().unwrap_or_default();
        for (rate_limit, value) in rate_limits.into_iter().zip(values.into_iter().flatten()) {
            let path = rate_limit.path.clone();
            let Some(input) = RateLimitInput::read(rate_limit) else {
                object.log.problem(path, "has no limit");
                continue;
            };
            match &input.id {
                Some(id) => {
                    limits.rate_limits.insert(id.clone(), (input, value));
                }
                None => object.log.problem(format!("{path}.id"), "missing"),
            }
        }
        limits
    }

    /// Puts the named limits in the place of their names.
    fn resolve(
        &mut self,
        limits: &mut LimitsInput,
        path: &str,
        log: &Log,
        parts: &mut Vec<Option<&'a Value>>,
    ) {
        if let Some(id) = &limits.budget_id {
            match self.budgets.get(id) {
                _ if limits.budgets != BudgetsInput::Absent => {
                    let message = "a budget is given by id and in full; give one of them";
                    log.problem(format!("{path}.budget_id"), message);
                }
                Some((budget, value)) => {
                    limits.budgets = BudgetsInput::All(vec![budget.clone()]);
                    parts.push(Some(value));
                    self.used.insert(budget.path.clone());
                }
                None => {
                    let message = format!("no budget in governance.budgets has the id `{id}`");
                    log.problem(format!("{path}.budget_id"), message);
                }
            }
        }
        if let Some(id) = &limits.rate_limit_id {
            match self.rate_limits.get(id) {
                _ if limits.rate_limit.is_some() => {
                    let message = "a rate limit is given by id and in full; give one of them";
                    log.problem(format!("{path}.rate_limit_id"), message);
                }
                Some((limit, value)) => {
                    limits.rate_limit = Some(Some(limit.clone()));
                    parts.push(Some(value));
                    self.used.insert(limit.path.clone());
                }
                None => {
                    let message =
                        format!("no rate limit in governance.rate_limits has the id `{id}`");
                    log.problem(format!("{path}.rate_limit_id"), message);
                }
            }
        }
    }

    fn warn_unused(&self, log: &Log) {
        let budgets = self.budgets.values().map(|(budget, _)| &budget.path);
        let paths = budgets.chain(self.rate_limits.values().map(|(limit, _)| &limit.path));
        let mut unused: Vec<_> = paths.filter(|path| !self.used.contains(*path)).collect();
        unused.sort();
        for path in unused {
            log.warn(path.as_str(), "limits nothing: no virtual key names it");
        }
    }
}
