//! `GET /api/live`: server-sent events that say when to look again.

use super::view::LiveTick;
use crate::app::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// The shortest time between two ticks.
const PACE: Duration = Duration::from_millis(500);
/// How long a connection may be silent before a proxy might take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn get(State(app): State<Arc<App>>) -> Response {
    let feed = Feed {
        requests: app.request_log.pulse().subscribe(),
        configuration: app.live.subscribe(),
        last: None,
        app,
    };
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies of the nginx family would hold events back otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

struct Feed {
    app: Arc<App>,
    requests: watch::Receiver<u64>,
    configuration: watch::Receiver<u64>,
    /// When the last tick was sent; the first one is sent at once.
    last: Option<Instant>,
}

impl Feed {
    /// The next event or comment; `None` when the gateway shuts down.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.app.stop.clone();
        if let Some(last) = self.last {
            let changed = tokio::select! {
                () = stop.cancelled() => return None,
                changed = self.requests.changed() => changed.is_ok(),
                changed = self.configuration.changed() => changed.is_ok(),
                () = sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": keep-alive\n\n")),
            };
            // The senders live as long as the gateway.
            if !changed {
                return None;
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep_until(last + PACE) => {}
            }
        }
        self.last = Some(Instant::now());
        self.requests.mark_unchanged();
        self.configuration.mark_unchanged();
        let tick = LiveTick {
            requests: self.app.request_log.pulse().finished(),
            config_version: self.app.live.snapshot().version,
        };
        let data = serde_json::to_string(&tick).ok()?;
        Some(Bytes::from(format!("event: tick\ndata: {data}\n\n")))
    }
}
