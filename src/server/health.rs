//! Whether the gateway is well, what it counts, and how it decides.

use crate::admin::Body;
use crate::api;
use crate::app::App;
use crate::pipeline;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `GET /health`: 200 while the stores answer, 503 when they do not.
pub(super) async fn health(State(app): State<Arc<App>>) -> Response {
    match app.store.ping().await {
        Ok(()) => Json(json!({"status": "ok", "components": {"db_pings": "ok"}})).into_response(),
        Err(error) => {
            let body = json!({"status": "degraded", "components": {"db_pings": error.to_string()}});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

/// `GET /livez`: the process answers.
pub(super) async fn live() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: 503 from the moment in which the process is told to stop.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_draining() {
        let body = json!({"status": "draining"});
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    Json(json!({"status": "ok"})).into_response()
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let dropped = app.request_log.dropped();
    let counted = app.metrics.log_dropped.get();
    app.metrics.log_dropped.inc_by(dropped.saturating_sub(counted));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response()
}

/// `POST /api/route/explain`: what would happen to a request, without calling anyone.
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match pipeline::explain(&app, &headers, body.bytes()) {
        Ok(explained) => Json(explained).into_response(),
        Err(failure) => api::failure_response(&failure, "").map(axum::body::Body::new),
    }
}

/// `GET /api/route/decisions/{id}`: one of the latest decisions, by `x-tollbridge-decision-id`.
pub(super) async fn decision(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    match app.decisions.find(&id) {
        Some(decision) => Json(pipeline::decision_json(&decision)).into_response(),
        None => {
            let message = format!("Decision '{id}' is not among the latest ones");
            let body = json!({"error": {"message": message, "type": "not_found_error", "code": null, "param": null}});
            (StatusCode::NOT_FOUND, Json(body)).into_response()
        }
    }
}

/// Asks a running gateway, as a container's health check does.
pub async fn check(host: &str, port: u16) -> ExitCode {
    let host = if host == "0.0.0.0" || host == "::" { "localhost" } else { host };
    match tokio::time::timeout(Duration::from_secs(5), ask(host, port)).await {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn ask(host: &str, port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((host, port)).await?;
    let request = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
