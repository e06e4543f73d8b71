//! `/api/plugins`: what Bifrost has as plugins is built in here. One of them has settings.

use super::error::{AdminError, AdminResult};
use super::query::Body;
use crate::app::App;
use crate::config::ChangeError;
use crate::config::cache::CacheConfig;
use crate::config::entity::Configuration;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

const CACHE: &str = "semantic_cache";
/// Those that cannot be switched off.
const ALWAYS: &[&str] = &["telemetry", "logging", "governance"];

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let configuration = app.live.configuration();
    let names = ALWAYS.iter().chain(&[CACHE]);
    let plugins: Vec<Value> = names.map(|name| view(&configuration, name)).collect();
    Json(json!({"count": plugins.len(), "plugins": plugins}))
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> AdminResult<Json<Value>> {
    known(&name)?;
    Ok(Json(view(&app.live.configuration(), &name)))
}

/// `{name, enabled, config}`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    body: Body,
) -> AdminResult<(StatusCode, Json<Value>)> {
    let body = body.json()?;
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Err(AdminError::invalid("name", "missing"));
    };
    let name = name.to_owned();
    Ok((StatusCode::CREATED, write(&app, &name, &body).await?))
}

/// `{enabled, config}`. A config replaces the one that is there; without one, that stays.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Body,
) -> AdminResult<Json<Value>> {
    let body = body.json()?;
    write(&app, &name, &body).await
}

/// Back to what holds where nothing is said.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> AdminResult<Json<Value>> {
    changeable(&name)?;
    let change = |configuration: &mut Configuration| {
        configuration.cache = None;
        Ok(())
    };
    app.live.change(change).await?;
    Ok(Json(json!({"status": "success", "message": "Plugin deleted successfully"})))
}

async fn write(app: &App, name: &str, body: &Value) -> AdminResult<Json<Value>> {
    changeable(name)?;
    let enabled = match body.get("enabled") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(enabled)) => Some(*enabled),
        Some(_) => return Err(AdminError::invalid("enabled", "must be true or false")),
    };
    let given = body.get("config").filter(|config| !config.is_null());
    let change = |configuration: &mut Configuration| {
        let old = configuration.cache.as_deref();
        let enabled = enabled.unwrap_or(old.is_none_or(|old| old.enabled));
        let new = match given {
            Some(config) => CacheConfig::from_json(enabled, config).map_err(ChangeError::from)?,
            None => CacheConfig { enabled, ..old.cloned().unwrap_or_default() },
        };
        configuration.cache = Some(Arc::new(new));
        Ok(())
    };
    app.live.change(change).await?;
    let plugin = view(&app.live.configuration(), name);
    let message = "Plugin updated successfully";
    let warnings = super::warnings_at(app, super::cache::CONFIG_PATH);
    let mut answer = json!({"status": "success", "message": message, "plugin": plugin});
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    Ok(Json(answer))
}

fn known(name: &str) -> AdminResult<()> {
    if name == CACHE || ALWAYS.contains(&name) {
        return Ok(());
    }
    Err(AdminError::not_found(format!("there is no plugin `{name}`")))
}

fn changeable(name: &str) -> AdminResult<()> {
    known(name)?;
    if name == CACHE {
        return Ok(());
    }
    Err(AdminError::conflict(format!(
        "`{name}` is built in and always on; it has no settings here"
    )))
}

fn view(configuration: &Configuration, name: &str) -> Value {
    let cache = configuration.cache.as_deref().cloned();
    let (enabled, config) = match name {
        CACHE => {
            let config = cache.clone().unwrap_or_default();
            (cache.is_some() && config.enabled, super::cache::plugin_config(&config))
        }
        _ => (true, json!({})),
    };
    let state = if enabled { "active" } else { "disabled" };
    json!({
        "name": name,
        "actualName": name,
        "enabled": enabled,
        "config": config,
        "isCustom": false,
        "path": null,
        "placement": "builtin",
        "order": 0,
        "status": {"name": name, "status": state, "logs": [], "types": ["llm"]},
    })
}
