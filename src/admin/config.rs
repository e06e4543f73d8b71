//! `GET` and `PUT /api/config`: settings of the gateway as a whole.

use super::error::AdminResult;
use super::query::Body;
use crate::app::App;
use crate::config::entity::Configuration;
use crate::config::{Problem, apply_settings};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn get(State(app): State<Arc<App>>) -> Json<Value> {
    let mut shown = view(&app, &app.live.configuration());
    let in_use = app.live.snapshot().uses_cache;
    shown["is_cache_connected"] = json!(in_use && app.cache.store.state().await.is_connected);
    Json(shown)
}

/// Takes over the fields that are given and leaves the others as they are.
pub(super) async fn put(State(app): State<Arc<App>>, body: Body) -> AdminResult<Json<Value>> {
    let body = body.json()?;
    let change = |configuration: &mut Configuration| Ok(apply_settings(configuration, &body)?);
    let warnings = app.live.change(change).await?;
    let warnings: Vec<String> = warnings.iter().map(Problem::to_string).collect();
    let configuration = app.live.configuration();
    Ok(Json(json!({
        "status": "success",
        "message": "Configuration updated successfully",
        "client_config": view(&app, &configuration)["client_config"],
        "warnings": warnings,
    })))
}

fn view(app: &App, configuration: &Configuration) -> Value {
    let auth = configuration.auth.as_ref().map(|auth| {
        json!({
            "admin_username": auth.admin_username.to_text(),
            "admin_password": auth.admin_password.hidden(),
            "is_enabled": auth.is_enabled,
            "disable_auth_on_inference": auth.disable_auth_on_inference,
        })
    });
    json!({
        "client_config": *configuration.client,
        "framework_config": {"pricing_url": "", "pricing_sync_interval": 0},
        "auth_config": auth,
        "is_db_connected": true,
        "is_cache_connected": false,
        "is_logs_connected": app.request_log.store().is_some(),
    })
}
