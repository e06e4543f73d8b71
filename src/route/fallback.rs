//! What answers when the first choice does not.

use crate::config::{Binding, Snapshot, VirtualKey};
use crate::provider::{AccessList, Provider};
use std::sync::Arc;

/// The model with which `binding` can stand in for `requested` although it does not serve it: the
/// binding's own `fallback_model`, its first listed model when weights split across models, or the
/// catalogue's equivalent at that vendor (architecture, decisions 7 and 8).
///
/// # Errors
/// Why it cannot.
pub(super) fn stand_in(
    snapshot: &Snapshot,
    virtual_key: &VirtualKey,
    binding: &Binding,
    provider: &Provider,
    requested: &str,
) -> Result<Arc<str>, String> {
    if let Some(model) = &binding.fallback_model {
        return match binding.allowed_models.allows(model) {
            true => Ok(model.as_str().into()),
            false => Err(format!("its fallback_model '{model}' is not in its allowed_models")),
        };
    }
    if !virtual_key.model_substitution {
        return Err(format!("does not serve '{requested}' and model_substitution is off"));
    }
    match &binding.allowed_models {
        AccessList::Only(list) if virtual_key.split_across_models => match list.first() {
            Some(model) => Ok(model.as_str().into()),
            None => Err("its allowed_models is empty".to_owned()),
        },
        AccessList::Only(_) => Err(format!("'{requested}' is not in its allowed_models")),
        AccessList::Unrestricted => equivalent(snapshot, provider, requested),
    }
}

/// The vendor's default of the requested model's tier.
fn equivalent(
    snapshot: &Snapshot,
    provider: &Provider,
    requested: &str,
) -> Result<Arc<str>, String> {
    let catalog = &snapshot.catalog;
    let tier = catalog.providers_of(requested).find_map(|vendor| catalog.tier(vendor, requested));
    let Some(tier) = tier else {
        return Err(format!(
            "does not serve '{requested}', and the catalogue knows no tier for it"
        ));
    };
    match catalog.equivalent(provider.spec.name, tier) {
        Some(model) => Ok(model.into()),
        None => Err(format!("does not serve '{requested}' and has no equivalent in the catalogue")),
    }
}

/// Whether `provider` serves `model` as far as anybody can tell beforehand: a key or the catalogue
/// names it.
pub(super) fn serves(snapshot: &Snapshot, provider: &Provider, model: &str) -> bool {
    let named_by_key = provider.keys.iter().any(|key| match &key.models {
        AccessList::Only(list) => key.enabled && list.iter().any(|entry| entry == model),
        AccessList::Unrestricted => false,
    });
    // A custom provider carries another provider's row, whose catalogue says nothing about it.
    let catalogued = *provider.name == *provider.spec.name;
    // The catalogue is lenient with prefixes, to find prices; to route, `nobody/gpt-4o` is no model.
    let knows = |model: &str| {
        let facts = snapshot.catalog.model(provider.spec.name, model);
        facts.is_some_and(|facts| !model.contains('/') || *facts.name == *model)
    };
    let prefix = provider.spec.quirks.prefix_of(model);
    named_by_key
        || (catalogued && knows(model))
        || (catalogued && !prefix.is_empty() && knows(&format!("{prefix}{model}")))
}

/// Whether the catalogue could know what `provider` serves. It knows nothing of custom and
/// self-hosted ones, so these may serve any name.
pub(super) fn unknown_offer(snapshot: &Snapshot, provider: &Provider) -> bool {
    *provider.name != *provider.spec.name
        || snapshot.catalog.models_of(provider.spec.name).next().is_none()
}
