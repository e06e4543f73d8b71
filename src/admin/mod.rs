//! The management API under `/api`: what Bifrost's clients, Terraform and the dashboard call.
//!
//! Handlers read the configuration and the live state, and change the configuration through
//! [`Live::change`](crate::config::Live::change) only, which checks, stores and publishes it as a
//! whole. `guard` stands before every route, so no handler asks who is calling.

mod cache;
mod config;
mod error;
mod guard;
mod keys;
mod limits;
mod live;
mod logs;
mod models;
mod overview;
mod plugins;
mod providers;
mod query;
#[cfg(test)]
mod tests;
mod usage;
mod version;
pub mod view;
mod virtual_keys;

use crate::app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, delete, get, post};
use error::AdminError;
pub(crate) use query::Body;
use std::sync::Arc;

/// Largest body that the management API reads.
const MOST_BYTES: usize = 10 << 20;

/// The management API together with `more`, routes that want the same guard.
pub fn router(app: Arc<App>, more: Router<Arc<App>>) -> Router<Arc<App>> {
    routes()
        .merge(more)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn_with_state(app, guard::guard))
}

#[rustfmt::skip]
fn routes() -> Router<Arc<App>> {
    const VIRTUAL_KEY: &str = "/api/governance/virtual-keys/{id}";
    const PROVIDER_KEY: &str = "/api/providers/{provider}/keys/{key_id}";
    Router::new()
        .route("/api/cache", get(cache::status))
        .route("/api/cache/report", get(cache::report).delete(cache::clear_report))
        .route("/api/cache/entries/{id}", get(cache::entry))
        .route("/api/cache/clear", delete(cache::clear_all))
        .route("/api/cache/clear/{id}", delete(cache::clear_one))
        .route("/api/cache/clear-by-key/{key}", delete(cache::clear_key))
        .route("/api/cache/clear-by-scope/{scope}", delete(cache::clear_scope))
        .route("/api/config", get(config::get).put(config::put))
        .route("/api/governance/budgets", get(limits::budgets))
        .route("/api/governance/rate-limits", get(limits::rate_limits))
        .route("/api/governance/virtual-keys", get(virtual_keys::list).post(virtual_keys::post))
        .route(VIRTUAL_KEY, get(virtual_keys::get).put(virtual_keys::put).delete(virtual_keys::delete))
        .route("/api/governance/virtual-keys/{id}/rotate", post(virtual_keys::rotate))
        .route("/api/keys", get(keys::all))
        .route("/api/live", get(live::get))
        .route("/api/logs", get(logs::list))
        .route("/api/logs/dropped", get(logs::dropped))
        .route("/api/logs/stats", get(logs::all_stats))
        .route("/api/logs/{id}", get(logs::get))
        .route("/api/models", get(models::list))
        .route("/api/overview", get(overview::get))
        .route("/api/plugins", get(plugins::list).post(plugins::post))
        .route("/api/plugins/{name}", get(plugins::get).put(plugins::put).delete(plugins::delete))
        .route("/api/providers", get(providers::list).post(providers::post))
        .route("/api/providers/{provider}", get(providers::get).put(providers::put).delete(providers::delete))
        .route("/api/providers/{provider}/keys", get(keys::list).post(keys::post))
        .route(PROVIDER_KEY, get(keys::get).put(keys::put).delete(keys::delete))
        .route(guard::IS_AUTH_ENABLED, get(guard::is_auth_enabled))
        .route("/api/version", get(version::get))
        .route("/api", any(unknown))
        .route("/api/{*rest}", any(unknown))
}

async fn unknown(method: Method, uri: Uri) -> AdminError {
    AdminError::not_found(format!("there is no {method} {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> AdminError {
    let message = format!("{} does not take {method}", uri.path());
    AdminError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// What the configuration in force warns of at `path` and below, with the rest of the path.
fn warnings_at(app: &App, path: &str) -> Vec<String> {
    let snapshot = app.live.snapshot();
    let below = snapshot.warnings.iter().filter_map(|warning| {
        let rest = warning.path.strip_prefix(path)?.strip_prefix('.')?;
        Some(format!("{rest}: {}", warning.message))
    });
    below.collect()
}
