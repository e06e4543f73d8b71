//! `/api/providers/{provider}/keys` and `/api/keys`: the keys of providers.

use super::error::{AdminError, AdminResult};
use super::providers::{find, insert};
use super::query::Body;
use crate::app::App;
use crate::config::entity::{Configuration, KeyConfig, ProviderConfig};
use crate::config::json::key_to_json;
use crate::config::{ChangeError, IdSource, KeyInput, apply_key};
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;
use tracing::info;

/// `GET /api/keys`: the keys of every provider.
pub(super) async fn all(State(app): State<Arc<App>>) -> Json<Value> {
    let configuration = app.live.configuration();
    let providers = configuration.providers.values();
    let keys = providers.flat_map(|provider| {
        provider.keys.iter().map(|key| {
            let mut shown = key_to_json(key);
            shown["key_id"] = json!(key.id);
            shown["provider"] = json!(provider.name);
            shown
        })
    });
    Json(Value::Array(keys.collect()))
}

/// `GET`: the keys of one provider.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(provider): Path<String>,
) -> AdminResult<Json<Value>> {
    let provider = find(&app.live.configuration(), &provider)?;
    let keys: Vec<Value> = provider.keys.iter().map(key_to_json).collect();
    Ok(Json(json!({"total": keys.len(), "keys": keys})))
}

/// `GET /{key_id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path((provider, id)): Path<(String, String)>,
) -> AdminResult<Json<Value>> {
    let provider = find(&app.live.configuration(), &provider)?;
    Ok(Json(key_to_json(&provider.keys[position(&provider, &id)?])))
}

/// `POST`: a new key. The same body may be sent again.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Path(provider): Path<String>,
    body: Body,
) -> AdminResult<Json<Value>> {
    let input = KeyInput::from_json(&body.json()?)?;
    let input = own_url_refused(input)?;
    let change = |configuration: &mut Configuration| {
        let mut ids = IdSource::new(configuration);
        let mut provider = ProviderConfig::clone(&*find(configuration, &provider)?);
        let same = |key: &&KeyConfig| {
            Some(&key.name) == input.name.as_ref() || Some(&key.id) == input.id.as_ref()
        };
        let existing = provider.keys.iter().find(same).cloned();
        let key = apply_key(existing.as_ref(), input, &mut ids)?;
        match existing {
            Some(existing) if existing == key => return Ok(key),
            Some(existing) => {
                return Err(ChangeError::Conflict(format!(
                    "key `{}` exists and differs from this; change it with PUT \
                     /api/providers/{}/keys/{}",
                    existing.name, provider.name, existing.id
                )));
            }
            None => provider.keys.push(key.clone()),
        }
        insert(configuration, provider);
        Ok(key)
    };
    let key = app.live.change(change).await?;
    info!(key = key.name, "provider key added");
    Ok(Json(key_to_json(&key)))
}

/// `PUT /{key_id}`: changes what is given.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path((provider, id)): Path<(String, String)>,
    body: Body,
) -> AdminResult<Json<Value>> {
    let input = KeyInput::from_json(&body.json()?)?;
    let input = own_url_refused(input)?;
    let change = |configuration: &mut Configuration| {
        let mut ids = IdSource::new(configuration);
        let mut provider = ProviderConfig::clone(&*find(configuration, &provider)?);
        let at = position(&provider, &id)?;
        let key = apply_key(Some(&provider.keys[at]), input, &mut ids)?;
        provider.keys[at] = key.clone();
        insert(configuration, provider);
        Ok(key)
    };
    let key = app.live.change(change).await?;
    info!(key = key.name, "provider key changed");
    Ok(Json(key_to_json(&key)))
}

/// `DELETE /{key_id}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((provider, id)): Path<(String, String)>,
) -> AdminResult<Json<Value>> {
    let change = |configuration: &mut Configuration| {
        let mut provider = ProviderConfig::clone(&*find(configuration, &provider)?);
        let at = position(&provider, &id)?;
        let gone = provider.keys.remove(at);
        insert(configuration, provider);
        Ok(gone)
    };
    let gone = app.live.change(change).await?;
    info!(key = gone.name, "provider key deleted");
    Ok(Json(json!({"message": "Key deleted successfully", "id": gone.id, "name": gone.name})))
}

/// Where the key of that id, or else of that name, stands.
fn position(provider: &ProviderConfig, id: &str) -> Result<usize, ChangeError> {
    let at = |same: &dyn Fn(&KeyConfig) -> bool| provider.keys.iter().position(same);
    let found = at(&|key| key.id == id).or_else(|| at(&|key| key.name == id));
    found.ok_or_else(|| {
        ChangeError::NotFound(format!("provider `{}` has no key `{id}`", provider.name))
    })
}

/// The URL of a keyless server belongs to its provider, which these routes do not change.
fn own_url_refused(input: KeyInput) -> AdminResult<KeyInput> {
    match input.url {
        None => Ok(input),
        Some(_) => Err(AdminError::invalid(
            "",
            "a key has no URL of its own; set network_config.base_url with PUT \
             /api/providers/{provider}",
        )),
    }
}
