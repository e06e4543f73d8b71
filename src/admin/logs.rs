//! `GET /api/logs` and `GET /api/logs/{id}`: finished requests without their contents.

use super::error::{AdminError, AdminResult};
use super::query::{Page, Parameters};
use crate::app::App;
use crate::llm::Cost;
use crate::store::log::{LogAttempt, LogCache, LogRecord};
use crate::telemetry::Sums;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    parameters: Parameters,
) -> AdminResult<Json<Value>> {
    let page = parameters.page(50, 1000)?;
    let (logs, total) = records(&app, page).await.map_err(AdminError::store)?;
    let sums = app.request_log.all_time().await.map_err(AdminError::store)?;
    Ok(Json(json!({
        "logs": logs,
        "pagination": {
            "limit": page.limit,
            "offset": page.offset,
            "sort_by": "timestamp",
            "order": "desc",
            "total_count": total,
        },
        "stats": stats(&sums),
        "has_logs": total > 0,
    })))
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> AdminResult<Json<Value>> {
    let recent = app.request_log.recent();
    if let Some(record) = recent.iter().find(|record| record.id == id) {
        return Ok(Json(view(record)));
    }
    let stored = match app.request_log.store() {
        Some(store) => store.request(&id).await.map_err(AdminError::store)?,
        None => None,
    };
    match stored {
        Some(record) => Ok(Json(view(&record))),
        None => Err(AdminError::not_found(format!("there is no request `{id}` in the log"))),
    }
}

/// `GET /api/logs/dropped`.
pub(super) async fn dropped(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({"dropped_requests": app.request_log.dropped()}))
}

/// `GET /api/logs/stats`.
pub(super) async fn all_stats(State(app): State<Arc<App>>) -> AdminResult<Json<Value>> {
    let sums = app.request_log.all_time().await.map_err(AdminError::store)?;
    Ok(Json(stats(&sums)))
}

/// A page of the log, newest first, and how many requests the log has.
async fn records(app: &App, page: Page) -> crate::store::Result<(Vec<Value>, usize)> {
    let Some(store) = app.request_log.store() else {
        let recent = app.request_log.recent();
        let total = recent.len();
        return Ok((page.cut(recent).iter().map(|record| view(record)).collect(), total));
    };
    let whole = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let records = store.recent(whole(page.limit), whole(page.offset)).await?;
    let total = usize::try_from(store.count().await?).unwrap_or(0);
    Ok((records.iter().map(view).collect(), total))
}

fn stats(sums: &Sums) -> Value {
    let requests = sums.requests();
    let per_request = |amount: f64| if requests == 0 { 0.0 } else { amount / requests as f64 };
    let [success, ..] = sums.outcomes;
    json!({
        "total_requests": requests,
        "success_rate": per_request(success as f64 * 100.0),
        "average_latency": per_request(sums.latency_us as f64 / 1000.0),
        "total_tokens": sums.input_tokens + sums.output_tokens,
        "total_cost": sums.cost.dollars(),
        "cache": super::overview::cache_totals(&sums.cache),
    })
}

/// Bifrost's shape of a log row, and ours beside it where Bifrost has none.
fn view(record: &LogRecord) -> Value {
    let row = &record.row;
    let last = row.attempts.last();
    let fallback_index = last.map_or(0, |attempt| attempt.fallback_index);
    let at_last_target = row.attempts.iter().filter(|a| a.fallback_index == fallback_index).count();
    let failed = row.error.is_some() || row.error_kind.is_some() || row.status >= 400;
    let error_details = failed.then(|| {
        json!({
            "status_code": row.status,
            "error": {"type": row.error_kind, "message": row.error},
        })
    });
    let timestamp = timestamp(row.timestamp_ms);
    json!({
        "id": record.id,
        "timestamp": timestamp,
        "created_at": timestamp,
        "object": row.operation,
        "stream": row.stream,
        "status": if failed { "error" } else { "success" },
        "status_code": row.status,
        "provider": row.provider,
        "model": row.model.as_ref().unwrap_or(&row.model_requested),
        "model_requested": row.model_requested,
        "number_of_retries": at_last_target.saturating_sub(1),
        "fallback_index": fallback_index,
        "selected_key_id": last.map(|attempt| &attempt.key_id),
        "selected_key_name": last.map(|attempt| &attempt.key),
        "virtual_key_id": row.virtual_key.as_ref().map(|(id, _name)| id),
        "virtual_key_name": row.virtual_key.as_ref().map(|(_id, name)| name),
        "latency": row.latency_us as f64 / 1000.0,
        "first_token_ms": row.first_token_us.map(|time| time as f64 / 1000.0),
        "cost": row.cost_nano.map(|nano| Cost(nano).dollars()),
        "token_usage": {
            "prompt_tokens": row.input_tokens,
            "completion_tokens": row.output_tokens,
            "total_tokens": row.input_tokens + row.output_tokens,
            "prompt_tokens_details": {
                "cached_read_tokens": row.cached_read_tokens,
                "cached_write_tokens": row.cached_write_tokens,
            },
            "completion_tokens_details": {"reasoning_tokens": row.reasoning_tokens},
        },
        "usage_source": row.usage_source,
        "cache_debug": record.cache.as_ref().map(cache_debug),
        "attempts": row.attempts.iter().map(attempt).collect::<Vec<Value>>(),
        "error_details": error_details,
    })
}

/// Bifrost's `cache_hit` and `hit_type`, and what the hit saved.
fn cache_debug(cache: &LogCache) -> Value {
    if !cache.kind.is_hit() {
        return json!({"cache_hit": false});
    }
    json!({
        "cache_hit": true,
        "hit_type": cache.kind.as_str(),
        "saved_cost": Cost(cache.saved_nano).dollars(),
        "saved_ms": cache.saved_us as f64 / 1000.0,
    })
}

fn attempt(attempt: &LogAttempt<String>) -> Value {
    let mut view = json!({
        "provider": attempt.provider,
        "key_id": attempt.key_id,
        "key": attempt.key,
        "model": attempt.model,
        "fallback_index": attempt.fallback_index,
        "latency_ms": attempt.latency_us as f64 / 1000.0,
        "status": attempt.status,
    });
    if let Some(failure) = &attempt.failure {
        view["failure"] = json!(failure);
    }
    view
}

/// RFC 3339, in UTC.
pub(super) fn timestamp(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}
