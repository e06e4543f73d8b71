//! `GET /api/logs` and `GET /api/logs/{id}`: finished requests without their contents.

use super::error::{AdminError, AdminResult};
use super::query::{Page, Parameters};
use crate::app::App;
use crate::llm::Cost;
use crate::store::log::LogRecord;
use crate::telemetry::{AttemptRecord, Sums};
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
    })
}

/// Bifrost's shape of a log row, and ours beside it where Bifrost has none.
fn view(record: &LogRecord) -> Value {
    let attempts: Vec<AttemptRecord> = serde_json::from_str(&record.attempts).unwrap_or_default();
    let last = attempts.last();
    let fallback_index = last.map_or(0, |attempt| attempt.fallback_index);
    let at_last_target =
        attempts.iter().filter(|attempt| attempt.fallback_index == fallback_index).count();
    let failed = record.error.is_some() || record.error_kind.is_some() || record.status >= 400;
    let error_details = failed.then(|| {
        json!({
            "status_code": record.status,
            "error": {"type": record.error_kind, "message": record.error},
        })
    });
    let timestamp = timestamp(record.timestamp_ms);
    json!({
        "id": record.id,
        "timestamp": timestamp,
        "created_at": timestamp,
        "object": record.operation,
        "stream": record.stream,
        "status": if failed { "error" } else { "success" },
        "status_code": record.status,
        "provider": record.provider,
        "model": record.model.as_ref().unwrap_or(&record.model_requested),
        "model_requested": record.model_requested,
        "number_of_retries": at_last_target.saturating_sub(1),
        "fallback_index": fallback_index,
        "selected_key_id": last.map(|attempt| &attempt.key_id),
        "selected_key_name": last.map(|attempt| &attempt.key),
        "virtual_key_id": record.virtual_key_id,
        "virtual_key_name": record.virtual_key_name,
        "latency": record.latency_us as f64 / 1000.0,
        "first_token_ms": record.first_token_us.map(|time| time as f64 / 1000.0),
        "cost": record.cost_nano.map(|nano| Cost(nano).dollars()),
        "token_usage": {
            "prompt_tokens": record.input_tokens,
            "completion_tokens": record.output_tokens,
            "total_tokens": record.input_tokens + record.output_tokens,
            "prompt_tokens_details": {
                "cached_read_tokens": record.cached_read_tokens,
                "cached_write_tokens": record.cached_write_tokens,
            },
            "completion_tokens_details": {"reasoning_tokens": record.reasoning_tokens},
        },
        "usage_source": record.usage_source,
        "attempts": attempts,
        "error_details": error_details,
    })
}

/// RFC 3339, in UTC.
pub(super) fn timestamp(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}
