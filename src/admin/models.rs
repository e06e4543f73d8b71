//! `GET /api/models`: the models that the configured providers offer.

use super::error::AdminResult;
use super::query::Parameters;
use crate::app::App;
use crate::config::Snapshot;
use crate::provider::{AccessList, Key, Provider};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    parameters: Parameters,
) -> AdminResult<Json<Value>> {
    let limit = parameters.number("limit", 1)?.unwrap_or(5);
    let wanted = Wanted {
        query: parameters.get("query").map(str::to_lowercase),
        provider: parameters.get("provider"),
        keys: parameters.get("keys").map(|keys| keys.split(',').map(str::trim).collect()),
        unfiltered: parameters.flag("unfiltered"),
    };
    let models = wanted.models(&app, &app.live.snapshot());
    let total = models.len();
    let models: Vec<Value> = models.into_iter().take(limit).collect();
    Ok(Json(json!({"models": models, "total": total})))
}

struct Wanted<'a> {
    /// Lower case; matches anywhere in a name.
    query: Option<String>,
    provider: Option<&'a str>,
    /// Ids or names of the keys of which one must serve the model.
    keys: Option<Vec<&'a str>>,
    /// Whether models that no key may serve are listed too.
    unfiltered: bool,
}

impl Wanted<'_> {
    fn models(&self, app: &App, snapshot: &Snapshot) -> Vec<Value> {
        let name = self.provider.map(crate::provider::catalog::canonical_name);
        let providers = snapshot.providers.iter();
        providers
            .filter(|provider| name.is_none_or(|name| name == &*provider.name))
            .flat_map(|provider| self.models_of(app, snapshot, provider))
            .collect()
    }

    fn models_of(&self, app: &App, snapshot: &Snapshot, provider: &Provider) -> Vec<Value> {
        let row = provider.spec.name;
        let known = snapshot.catalog.models_of(row).filter(|facts| !facts.retired);
        let mut names: BTreeSet<&str> = known.map(|facts| &*facts.name).collect();
        let listed = app.offers.models(&provider.name);
        names.extend(listed.iter().map(|name| &**name));
        // What the operator lists exists, whether the catalogue knows it or not.
        for key in &provider.keys {
            if let AccessList::Only(models) = &key.models {
                names.extend(models.iter().map(String::as_str));
            }
        }
        let matching = names.into_iter().filter(|name| match &self.query {
            Some(query) => name.to_lowercase().contains(query),
            None => true,
        });
        matching.filter_map(|name| self.model(provider, name)).collect()
    }

    fn model(&self, provider: &Provider, name: &str) -> Option<Value> {
        let model = json!({"name": name, "provider": &*provider.name});
        if self.unfiltered {
            return Some(model);
        }
        let chosen = |key: &Key| match &self.keys {
            Some(keys) => keys.iter().any(|entry| *entry == &*key.id || *entry == &*key.name),
            None => true,
        };
        let keys = provider.keys.iter().filter(|key| chosen(key) && key.serves(name));
        let keys: Vec<&str> = keys.map(|key| &*key.id).collect();
        let open = provider.keyless && provider.keys.is_empty() && self.keys.is_none();
        let mut model = (open || !keys.is_empty()).then_some(model)?;
        model["accessible_by_keys"] = json!(keys);
        Some(model)
    }
}
