//! `GET` and `PUT /api/config`: settings of the gateway as a whole.

use super::error::{AdminError, AdminResult};
use super::query::Body;
use crate::app::App;
use crate::config::entity::{AuthConfig, ClientConfig, Configuration, SecretRef};
use crate::config::{ChangeError, Problem, Problems};
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) async fn get(State(app): State<Arc<App>>) -> Json<Value> {
    Json(view(&app, &app.live.configuration()))
}

/// Takes over the fields that are given and leaves the others as they are.
pub(super) async fn put(State(app): State<Arc<App>>, body: Body) -> AdminResult<Json<Value>> {
    let Value::Object(body) = body.json()? else {
        return Err(AdminError::invalid("", "the body must be a JSON object"));
    };
    let warnings = app.live.change(|configuration| apply(configuration, &body)).await?;
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
            "admin_password": auth.admin_password.masked(),
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

/// Changes the configuration; returns what was not understood.
fn apply(
    configuration: &mut Configuration,
    body: &Map<String, Value>,
) -> Result<Vec<String>, ChangeError> {
    let mut warnings = Vec::new();
    for (name, value) in body {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("client_config", Value::Object(fields)) => {
                let client = client_with(&configuration.client, fields, &mut warnings)?;
                configuration.client = Arc::new(client);
            }
            ("auth_config", Value::Object(fields)) => {
                let auth = auth_with(configuration.auth.as_deref(), fields)?;
                configuration.auth = Some(Arc::new(auth));
            }
            ("client_config" | "auth_config", _) => {
                return Err(invalid(name, "must be an object"));
            }
            _ => warnings.push(format!("{name}: not known here, has no effect")),
        }
    }
    Ok(warnings)
}

fn client_with(
    client: &ClientConfig,
    fields: &Map<String, Value>,
    warnings: &mut Vec<String>,
) -> Result<ClientConfig, ChangeError> {
    let mut problems = Problems::default();
    let mut result = client.clone();
    for (name, value) in fields {
        let path = format!("client_config.{name}");
        let Ok(Value::Object(mut all)) = serde_json::to_value(&result) else { continue };
        if !all.contains_key(name) {
            warnings.push(format!("{path}: not known here, has no effect"));
            continue;
        }
        all.insert(name.clone(), value.clone());
        // One field at a time, so that an error can say which one it is about.
        match serde_json::from_value(Value::Object(all)) {
            Ok(changed) => result = changed,
            Err(cause) => problems.add(path, cause.to_string()),
        }
    }
    Ok(problems.check(result)?)
}

fn auth_with(
    auth: Option<&AuthConfig>,
    fields: &Map<String, Value>,
) -> Result<AuthConfig, ChangeError> {
    let mut auth = auth.cloned().unwrap_or(AuthConfig {
        admin_username: SecretRef::None,
        admin_password: SecretRef::None,
        is_enabled: false,
        disable_auth_on_inference: true,
    });
    for (name, value) in fields {
        let path = format!("auth_config.{name}");
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("admin_username", value) => replace_secret(&mut auth.admin_username, &path, value)?,
            ("admin_password", value) => replace_secret(&mut auth.admin_password, &path, value)?,
            ("is_enabled", Value::Bool(value)) => auth.is_enabled = *value,
            ("disable_auth_on_inference", Value::Bool(value)) => {
                auth.disable_auth_on_inference = *value;
            }
            ("is_enabled" | "disable_auth_on_inference", _) => {
                return Err(invalid(&path, "must be true or false"));
            }
            // A mistyped name here would leave the gateway open.
            _ => {
                return Err(invalid(
                    &path,
                    "not known; there are admin_username, admin_password, \
                is_enabled and disable_auth_on_inference",
                ));
            }
        }
    }
    Ok(auth)
}

/// Takes over a secret, except one that is the mask of the present one.
fn replace_secret(secret: &mut SecretRef, path: &str, value: &Value) -> Result<(), ChangeError> {
    let text = match value {
        Value::String(text) => text,
        _ => return Err(invalid(path, "must be a string: the value itself or env.NAME")),
    };
    if *text != secret.masked() {
        *secret = SecretRef::parse(text);
    }
    Ok(())
}

fn invalid(path: &str, message: &str) -> ChangeError {
    ChangeError::Invalid(Problem::new(path, message).into())
}
