//! config.json meets the store.
//!
//! Per entity: one that changed in the file since it was last read wins, one that did not stays as
//! the store has it, and what only the store knows is kept. So an edit in the dashboard survives a
//! restart, and an edit of the file takes effect with it.

use super::apply::{IdSource, virtual_key_config};
use super::apply_provider::provider_config;
use super::entity::{Configuration, KeyConfig, ProviderConfig, SecretRef, VirtualKeyConfig};
use super::env::Environment;
use super::file::{AuthEntry, Entry, File};
use super::input::{BudgetsInput, LimitsInput, ProviderInput, VirtualKeyInput};
use super::password;
use super::problem::{Problems, join};
use super::stored::hex;
use crate::provider::Secret;
use crate::store::FileHashRow;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// Applies what changed in `file` to `configuration`; `hashes` are those that the last call
/// returned. Returns the new ones, and what is wrong: what can be understood is applied all the same,
/// so that the next stage finds what else is wrong. `now` is in Unix milliseconds.
pub(super) fn apply(
    file: &File,
    configuration: &mut Configuration,
    hashes: &[FileHashRow],
    environment: &Environment,
    now: i64,
) -> (Vec<FileHashRow>, Problems) {
    let known = hashes.iter().map(|row| (row.entity.as_str(), row.hash.as_str())).collect();
    let ids = IdSource::new(configuration);
    let mut seed =
        Seed { configuration, known, changed: Vec::new(), problems: Problems::default(), ids };
    if let Some(client) = &file.client
        && seed.changed("client", &client.hash, true)
    {
        seed.configuration.client = Arc::new(client.value.clone());
    }
    if let Some(cache) = &file.cache
        && seed.changed("semantic_cache", &cache.hash, seed.configuration.cache.is_some())
    {
        seed.configuration.cache = Some(Arc::new(cache.value.clone()));
    }
    if let Some(auth) = &file.auth {
        seed.auth(auth);
    }
    for entry in &file.providers {
        seed.provider(entry);
    }
    for entry in &file.virtual_keys {
        seed.virtual_key(entry, environment, now);
    }
    (seed.changed, seed.problems)
}

/// Whether an earlier version wrote the row: it is a fast hash of a text that holds the admin password.
pub(super) fn is_guessable(row: &FileHashRow) -> bool {
    row.entity == AUTH && row.hash.len() == HEX
}

/// What overwrites a guessable row where the file says nothing more of it: the file wins when it does.
pub(super) fn forgotten() -> FileHashRow {
    FileHashRow { entity: AUTH.to_owned(), hash: String::new() }
}

/// What is written together with the first seal of something that was readable, and deleted when what
/// the store freed by that holds nothing any more.
pub(super) fn scrub_due() -> FileHashRow {
    FileHashRow { entity: "scrub".to_owned(), hash: "due".to_owned() }
}

/// What its row is called.
pub(super) const AUTH: &str = "auth_config";
/// Length of a SHA-256 in hexadecimal digits.
const HEX: usize = 64;

struct Seed<'a> {
    configuration: &'a mut Configuration,
    known: HashMap<&'a str, &'a str>,
    changed: Vec<FileHashRow>,
    problems: Problems,
    ids: IdSource,
}

impl Seed<'_> {
    /// Whether the file wins: the entity is not in the store, or its text is another than last time.
    fn changed(&mut self, entity: &str, hash: &[u8; 32], stored: bool) -> bool {
        let hash = hex(hash);
        let last = self.known.get(entity);
        if stored && last.is_some_and(|last| **last == hash) {
            return false;
        }
        if last.is_some() {
            let reason = if stored { "it changed" } else { "the store has it no more" };
            tracing::info!(entity, "taken from config.json anew: {reason}");
        }
        self.changed.push(FileHashRow { entity: entity.to_owned(), hash });
        true
    }

    /// Of the password the store has a slow hash, which stands after that of the rest.
    fn auth(&mut self, entry: &AuthEntry) {
        let rest = hex(&entry.hash);
        let text = entry.password.to_text();
        let last = self.known.get(AUTH).copied();
        let last_rest = last.and_then(|last| last.split_at_checked(HEX));
        let (same, current) = match last_rest {
            Some((last, "")) => (last == hex(&entry.former_hash), false),
            Some((last, slow)) => {
                let same = last == rest && password::verify(&Secret::new(slow), text.as_bytes());
                (same, same)
            }
            None => (false, false),
        };
        let stored = self.configuration.auth.is_some();
        if stored && current {
            return;
        }
        let hash = rest + &password::hash(&text);
        self.changed.push(FileHashRow { entity: AUTH.to_owned(), hash });
        if stored && same {
            return;
        }
        if last.is_some() {
            let reason = if stored { "it changed" } else { "the store has it no more" };
            tracing::info!(entity = AUTH, "taken from config.json anew: {reason}");
        }
        self.configuration.auth = Some(Arc::new(entry.value.clone()));
    }

    fn provider(&mut self, entry: &Entry<ProviderInput>) {
        let name = entry.value.name.clone().unwrap_or_default();
        let existing = self.configuration.providers.get(&name).cloned();
        if !self.changed(&format!("provider:{name}"), &entry.hash, existing.is_some()) {
            return;
        }
        // All settings are the file's; its keys find theirs in the store by id or name.
        let old_keys = existing.as_ref().map(|old| old.keys.clone()).unwrap_or_default();
        let base = ProviderConfig { keys: old_keys.clone(), ..ProviderConfig::new(&name) };
        let input = entry.value.clone();
        let mut provider = provider_config(Some(&base), input, &mut self.ids, &mut self.problems);
        for key in old_keys {
            let same = |other: &KeyConfig| other.id == key.id || other.name == key.name;
            if !provider.keys.iter().any(same) {
                tracing::info!(provider = name, key = key.name, "kept though not in config.json");
                provider.keys.push(key);
            }
        }
        if let Some(existing) = existing.filter(|existing| **existing != provider) {
            tracing::info!(provider = existing.name, "config.json replaces what the store has");
        }
        self.configuration.providers.insert(name, Arc::new(provider));
    }

    fn virtual_key(&mut self, entry: &Entry<VirtualKeyInput>, environment: &Environment, now: i64) {
        let mut input = entry.value.clone();
        let resolved = match &input.value {
            Some(reference @ SecretRef::Env(_)) => match environment.resolve(reference) {
                Ok(secret) => Some(SecretRef::Value(secret.expose().to_owned())),
                Err(message) => {
                    self.problems.add(join(&input.path, "value"), message);
                    None
                }
            },
            value => value.clone(),
        };
        // The variable's value belongs to the text: when it changes, so does the key's secret.
        let mut digest = Sha256::new();
        digest.update(entry.hash);
        digest.update(resolved.as_ref().map(SecretRef::to_text).unwrap_or_default());
        let hash: [u8; 32] = digest.finalize().into();
        input.value = resolved;
        let existing = self.existing_virtual_key(&input);
        let entity = input.id.clone().or(input.name.clone()).unwrap_or_default();
        if !self.changed(&format!("virtual_key:{entity}"), &hash, existing.is_some()) {
            return;
        }
        if existing.is_none() && input.value.is_none() {
            tracing::warn!(
                virtual_key = entity,
                "has no value in config.json: its id is its secret"
            );
        }
        complete(&mut input);
        let (ids, problems) = (&mut self.ids, &mut self.problems);
        let key = virtual_key_config(existing.as_deref(), input, ids, now, problems);
        if existing.is_some() {
            tracing::info!(virtual_key = key.id, "config.json replaces what the store has");
        }
        self.configuration.virtual_keys.insert(key.id.clone(), Arc::new(key));
    }

    fn existing_virtual_key(&self, input: &VirtualKeyInput) -> Option<Arc<VirtualKeyConfig>> {
        let keys = &self.configuration.virtual_keys;
        match &input.id {
            Some(id) => keys.get(id).cloned(),
            None => keys.values().find(|key| Some(&key.name) == input.name.as_ref()).cloned(),
        }
    }
}

/// Says what the file leaves out: the defaults, not what the store has.
fn complete(input: &mut VirtualKeyInput) {
    input.description.get_or_insert_default();
    input.is_active.get_or_insert(true);
    input.model_substitution.get_or_insert(true);
    input.team_id.get_or_insert(None);
    input.customer_id.get_or_insert(None);
    input.provider_configs.get_or_insert(None);
    input.semantic_cache.get_or_insert(None);
    complete_limits(&mut input.limits);
    for binding in input.provider_configs.iter_mut().flatten().flatten() {
        complete_limits(&mut binding.limits);
    }
}

fn complete_limits(limits: &mut LimitsInput) {
    let budgets = match std::mem::take(&mut limits.budgets) {
        BudgetsInput::Absent => Vec::new(),
        BudgetsInput::One(budget) => vec![budget],
        BudgetsInput::All(budgets) => budgets,
    };
    let budgets = budgets.into_iter().map(|mut budget| {
        budget.calendar_aligned.get_or_insert(false);
        budget.time_zone.get_or_insert(None);
        budget.unpriced_allowed.get_or_insert(false);
        budget.reserve.get_or_insert(true);
        budget
    });
    limits.budgets = BudgetsInput::All(budgets.collect());
    if let Some(limit) = limits.rate_limit.get_or_insert(None) {
        limit.request_max_limit.get_or_insert(None);
        limit.request_reset_duration.get_or_insert(None);
        limit.token_max_limit.get_or_insert(None);
        limit.token_reset_duration.get_or_insert(None);
    }
}
