//! The door: data-plane requests are served here, everything else falls through to the router of
//! the management API and the dashboard.

use super::body::ReplyBytes;
use super::extract::{extract, request_id};
use super::reply::{failure_response, refused_response, reply_response};
use super::{Route, route};
use crate::app::App;
use crate::llm::{Failure, FailureKind, Source};
use crate::pipeline;
use axum::Router;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt;

/// Bytes of state that a request on its way takes at most.
const LARGEST_FUTURE: usize = 6 * 1024;

/// Answers one request. Over HTTP/2 the client has `patience` to take something of a stream.
pub async fn serve(
    app: Arc<App>,
    router: Router,
    patience: Duration,
    request: Request<Incoming>,
) -> Response<ReplyBytes> {
    let data_plane = match *request.method() {
        Method::POST => route(request.uri().path()),
        _ => None,
    };
    match data_plane {
        Some(route) => infer(&app, route, patience, request).await,
        // Boxed: what hyper makes room for on every request is that of the larger arm.
        None => Box::pin(fall_through(router, request)).await,
    }
}

async fn infer(
    app: &Arc<App>,
    route: &'static Route,
    patience: Duration,
    request: Request<Incoming>,
) -> Response<ReplyBytes> {
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    let version = parts.version;
    // Before the configuration: the answers of a virtual key that is deleted go after the key.
    let clears = app.cache.clears.count();
    let snapshot = app.live.snapshot();
    let id = request_id(&parts.headers);
    let origin = allowed_origin(&snapshot.client.allowed_origins, &parts.headers);
    let seen = (clears, snapshot);
    let mut response = match extract(app, seen, route, id.clone(), parts, body, arrived).await {
        Ok(call) => {
            // Boxed: the future of a whole request is large, and most of it is not used at once.
            let serving = pipeline::serve(app, call.clone());
            // It is moved once per request; something rare in it that is not boxed shows here.
            debug_assert!(size_of_val(&serving) <= LARGEST_FUTURE, "{}", size_of_val(&serving));
            match Box::pin(serving).await {
                Ok(reply) if version == Version::HTTP_2 => {
                    reply_response(&call, reply).map(|body| body.watched(patience))
                }
                Ok(reply) => reply_response(&call, reply),
                Err(refused) => refused_response(&call, &refused),
            }
        }
        Err(failure) => {
            pipeline::turned_away(app, &id, route.operation, &failure);
            failure_response(&failure, &id)
        }
    };
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    let status = response.status().as_u16();
    app.metrics.record_http(route.path, "POST", status, arrived.elapsed());
    response
}

async fn fall_through(router: Router, request: Request<Incoming>) -> Response<ReplyBytes> {
    match router.oneshot(request).await {
        Ok(response) => response.map(ReplyBytes::Other),
        Err(never) => match never {},
    }
}

/// The origin of a browser's request, if it may read the answer.
fn allowed_origin(allowed: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    is_allowed_origin(allowed, text).then(|| origin.clone())
}

/// Localhost always, then what `client.allowed_origins` lists: exact, `*`, or `*.example.com`.
pub(crate) fn is_allowed_origin(allowed: &[String], origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    local
        || allowed.iter().any(|entry| {
            entry == "*"
                || entry == origin
                || entry.strip_prefix('*').is_some_and(|end| name.ends_with(end))
        })
}

/// What a known path answers to a method that it does not take.
pub async fn wrong_method(
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> axum::response::Response {
    let failure = Failure::invalid(format!("{} does not take {method}", uri.path()))
        .with_status(405)
        .with_code("method_not_allowed");
    failure_response(&failure, &request_id(&headers)).map(axum::body::Body::new)
}

/// What everything below the inference API answers that no route takes: 405 for a known path asked
/// by another method, else 404.
pub async fn no_route(method: Method, uri: Uri, headers: HeaderMap) -> axum::response::Response {
    let path = uri.path();
    let failure = match route(path) {
        Some(_) => Failure::invalid(format!("{path} takes POST, not {method}"))
            .with_status(405)
            .with_code("method_not_allowed"),
        None => {
            let message = format!("Route not found: {method} {path}");
            Failure::new(Source::Client, FailureKind::NotFound, message)
                .with_code("route_not_found")
        }
    };
    failure_response(&failure, &request_id(&headers)).map(axum::body::Body::new)
}
