//! `/api/providers`: who answers requests, and with which keys.

use super::error::{AdminError, AdminResult};
use super::query::Body;
use super::warnings_at;
use crate::app::App;
use crate::config::entity::{Configuration, KeyConfig, ProviderConfig};
use crate::config::json::provider_to_json;
use crate::config::{ChangeError, Environment, IdSource, ProviderInput, apply_provider};
use crate::provider::catalog::canonical_name;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;
use tracing::info;

/// `GET`: every provider, by name.
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let configuration = app.live.configuration();
    let providers: Vec<Value> =
        configuration.providers.values().map(|provider| provider_to_json(provider)).collect();
    Json(json!({"total": providers.len(), "providers": providers}))
}

/// `GET /{provider}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> AdminResult<Json<Value>> {
    Ok(Json(provider_to_json(&*find(&app.live.configuration(), &name)?)))
}

/// `POST`: a new provider. The same body may be sent again; another one for the same provider is
/// refused, unless all that is known of it was found in the environment.
pub(super) async fn post(State(app): State<Arc<App>>, body: Body) -> AdminResult<Json<Value>> {
    let input = ProviderInput::from_json(&body.json()?)?;
    let change = |configuration: &mut Configuration| {
        let name = canonical_name(input.name.as_deref().unwrap_or_default()).to_owned();
        let mut ids = IdSource::new(configuration);
        let existing = configuration.providers.get(&name).cloned();
        let chosen =
            existing.filter(|existing| !is_from_environment(existing, app.live.environment()));
        let provider = apply_provider(chosen.as_deref(), input, &mut ids)?;
        match chosen {
            None => Ok(insert(configuration, provider)),
            Some(existing) if *existing == provider => Ok(existing),
            Some(_) => Err(ChangeError::Conflict(format!(
                "provider `{name}` exists and differs from this; change it with PUT \
                 /api/providers/{name}"
            ))),
        }
    };
    let provider = app.live.change(change).await?;
    info!(provider = provider.name, "provider added");
    Ok(written(&app, &provider))
}

/// `PUT /{provider}`: changes what is given, or adds the provider.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Body,
) -> AdminResult<Json<Value>> {
    let name = canonical_name(&name).to_owned();
    let mut input = ProviderInput::from_json(&body.json()?)?;
    if input.name.as_deref().is_some_and(|given| canonical_name(given) != name) {
        let message = format!("differs from `{name}` in the URL; leave it out");
        return Err(AdminError::invalid("provider", message));
    }
    input.name = Some(name.clone());
    let change = |configuration: &mut Configuration| {
        let mut ids = IdSource::new(configuration);
        let existing = configuration.providers.get(&name).cloned();
        let provider = apply_provider(existing.as_deref(), input, &mut ids)?;
        Ok(insert(configuration, provider))
    };
    let provider = app.live.change(change).await?;
    info!(provider = provider.name, "provider changed");
    Ok(written(&app, &provider))
}

/// `DELETE /{provider}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> AdminResult<Json<Value>> {
    let change = |configuration: &mut Configuration| {
        let gone = find(configuration, &name)?;
        configuration.providers.remove(&gone.name);
        Ok(gone)
    };
    let gone = app.live.change(change).await?;
    info!(provider = gone.name, "provider deleted");
    Ok(Json(json!({"name": gone.name})))
}

/// The provider of that name.
pub(super) fn find(
    configuration: &Configuration,
    name: &str,
) -> Result<Arc<ProviderConfig>, ChangeError> {
    let found = configuration.providers.get(canonical_name(name)).cloned();
    found.ok_or_else(|| {
        ChangeError::NotFound(format!(
            "there is no provider `{name}`; add it with POST /api/providers"
        ))
    })
}

/// The answer to a write, with what an operator should know about the provider.
fn written(app: &App, provider: &ProviderConfig) -> Json<Value> {
    let mut answer = provider_to_json(provider);
    let warnings = warnings_at(app, &format!("providers.{}", provider.name));
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    Json(answer)
}

/// Puts a new or changed provider in its place.
pub(super) fn insert(
    configuration: &mut Configuration,
    provider: ProviderConfig,
) -> Arc<ProviderConfig> {
    let provider = Arc::new(provider);
    configuration.providers.insert(provider.name.clone(), provider.clone());
    provider
}

/// Whether the provider is exactly what would be found in the environment: then nobody has chosen
/// it, and the first one who does is not in conflict with anybody.
fn is_from_environment(provider: &ProviderConfig, environment: &Environment) -> bool {
    let without_ids = |provider: &ProviderConfig| {
        let keys = provider.keys.iter();
        let keys = keys.map(|key| KeyConfig { id: String::new(), ..key.clone() }).collect();
        ProviderConfig { keys, ..provider.clone() }
    };
    let provider = without_ids(provider);
    environment.providers().iter().any(|found| without_ids(found) == provider)
}
