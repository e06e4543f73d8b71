//! `/api/cache`: how the semantic cache does, what shadow mode has learned, and clearing.

use super::error::{AdminError, AdminResult};
use super::view::{CacheEntry, CacheReport, CacheStatus, CacheThreshold};
use crate::app::App;
use crate::cache::breaker::StoreError;
use crate::cache::{Clear, Embedder, Fingerprint, Report};
use crate::config::cache::CacheConfig;
use crate::llm::Cost;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where warnings of the plugin's settings are found.
pub(super) const CONFIG_PATH: &str = "plugins.semantic_cache.config";

pub(super) async fn status(State(app): State<Arc<App>>) -> Json<CacheStatus> {
    let snapshot = app.live.snapshot();
    let config = &snapshot.cache;
    let counts = app.cache.stats.counts();
    let (embedding_model, embedding_problem) = match app.cache.embedder(config) {
        Embedder::None(problem) => (None, Some(app.cache.not_loaded(config).unwrap_or(problem))),
        embedder => {
            let mut warnings = super::warnings_at(&app, CONFIG_PATH).into_iter();
            (Some(embedder.model()), warnings.find(|warning| warning.starts_with("provider:")))
        }
    };
    let state = app.cache.store.state().await;
    let mut keys = snapshot.virtual_keys.iter().filter_map(|key| key.semantic_cache.as_ref());
    let (_, suggested_threshold) = app.cache.grades.report();
    let owned = |map: BTreeMap<&'static str, u64>| {
        map.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    };
    Json(CacheStatus {
        enabled: config.enabled,
        in_use: snapshot.uses_cache,
        for_every_request: config.enabled && !config.default_cache_key.is_empty(),
        virtual_keys: keys.by_ref().filter(|own| own.enabled).count() as u64,
        config: config.to_json(),
        embedding_model,
        embedding_problem,
        store: state.kind.to_owned(),
        store_connected: state.is_connected,
        store_problem: state.problem,
        entries: state.fill.map(|fill| fill.entries),
        bytes: state.fill.map(|fill| fill.bytes),
        exact_hits: counts.exact_hits,
        semantic_hits: counts.semantic_hits,
        misses: counts.misses,
        bypassed: counts.bypassed,
        collapsed: counts.collapsed,
        would_be_hits: counts.would_be_hits,
        judged: counts.judged,
        embedding_failures: counts.embedding_failures,
        saved_cost: Cost(counts.saved_cost).dollars(),
        saved_ms: counts.saved_us as f64 / 1000.0,
        rejected: owned(counts.rejected),
        bypass_reasons: owned(counts.bypass_reasons),
        suggested_threshold,
    })
}

pub(super) async fn report(State(app): State<Arc<App>>) -> Json<CacheReport> {
    let (thresholds, suggested_threshold) = app.cache.grades.report();
    let graded = thresholds.first().map_or(0, |row| row.graded);
    let thresholds = thresholds.iter().map(threshold).collect();
    Json(CacheReport { graded, suggested_threshold, thresholds })
}

fn threshold(row: &Report) -> CacheThreshold {
    CacheThreshold {
        threshold: row.threshold,
        hits: row.hits,
        graded: row.graded,
        false_hits: row.false_hits,
        false_hit_rate: row.false_hit_rate,
        hits_unguarded: row.hits_unguarded,
        false_hits_unguarded: row.false_hits_unguarded,
        false_hit_rate_unguarded: row.false_hit_rate_unguarded,
    }
}

pub(super) async fn clear_report(State(app): State<Arc<App>>) -> Json<Value> {
    app.cache.grades.clear();
    Json(json!({"message": "Grades cleared successfully"}))
}

/// One entry, without its answer: that is for whoever asks the question.
pub(super) async fn entry(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> AdminResult<Json<CacheEntry>> {
    let fingerprint = fingerprint(&id)?;
    let entry = app.cache.store.find(&fingerprint, app.now_ms()).await;
    let entry = entry.ok_or_else(|| AdminError::not_found(format!("there is no entry {id}")))?;
    Ok(Json(CacheEntry {
        id,
        scope: entry.scope.to_string(),
        cache_key: entry.cache_key.to_string(),
        provider: entry.provider.to_string(),
        model: entry.model.to_string(),
        question: entry.question.to_string(),
        answer_bytes: entry.answer.len() as u64,
        cost: Cost(entry.cost).dollars(),
        created_ms: entry.created_ms,
        expires_ms: entry.expires_ms,
    }))
}

pub(super) async fn clear_one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> AdminResult<Json<Value>> {
    clear(&app, Clear::One(fingerprint(&id)?)).await
}

pub(super) async fn clear_key(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
) -> AdminResult<Json<Value>> {
    clear(&app, Clear::CacheKey(key.as_str().into())).await
}

/// A scope is `virtual_key:<id>`, `team:<id>`, `customer:<id>` or `anonymous`.
pub(super) async fn clear_scope(
    State(app): State<Arc<App>>,
    Path(scope): Path<String>,
) -> AdminResult<Json<Value>> {
    clear(&app, Clear::Scope(scope.as_str().into())).await
}

pub(super) async fn clear_all(State(app): State<Arc<App>>) -> AdminResult<Json<Value>> {
    clear(&app, Clear::Everything).await
}

async fn clear(app: &App, what: Clear) -> AdminResult<Json<Value>> {
    let removed = app.cache.clear(what).await.map_err(|error| {
        let (status, code) = match error {
            StoreError::NotWritten(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not_written"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "store_away"),
        };
        AdminError::new(status, code, error.to_string())
    })?;
    Ok(Json(json!({"message": "Cache cleared successfully", "removed": removed})))
}

fn fingerprint(id: &str) -> AdminResult<Fingerprint> {
    Fingerprint::parse(id).ok_or_else(|| {
        AdminError::invalid("id", "must be the `cache_id` of an answer's `cache_debug`, a UUID")
    })
}

/// What `/api/plugins` says of the plugin.
pub(super) fn plugin_config(config: &CacheConfig) -> Value {
    config.to_json()
}
