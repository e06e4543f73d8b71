//! A stream over HTTP/2, watched for a client that stops reading it.
//!
//! Over HTTP/1.1 the writes of the connection fail then. Over HTTP/2 a client can close the window of
//! one stream and read the others: nothing is written for that one, its body is not polled, and only
//! something beside it can end it.

use crate::pipeline::StreamReply;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

/// A stream that is dropped, with its place at the provider, when its client takes nothing of it for too
/// long. What the client has not read by then ends in an error.
#[derive(Debug)]
pub struct Watched {
    held: Arc<Mutex<Held>>,
    _watch: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Held {
    /// Gone when the client has had its time.
    stream: Option<Box<StreamReply>>,
    /// Since when it is for the client to take something; `None` while it is for the provider to say
    /// something.
    since: Option<Instant>,
}

impl Watched {
    /// Watches from now on.
    pub(super) fn new(stream: Box<StreamReply>, patience: Duration) -> Self {
        let held = Held { stream: Some(stream), since: Some(Instant::now()) };
        let held = Arc::new(Mutex::new(held));
        // The task holds nothing: dropping the body drops the stream at once.
        let watch = tokio::spawn(watch(Arc::downgrade(&held), patience));
        Watched { held, _watch: AbortOnDropHandle::new(watch) }
    }
}

async fn watch(held: Weak<Mutex<Held>>, patience: Duration) {
    let mut until = Instant::now() + patience;
    loop {
        sleep_until(until).await;
        let Some(held) = held.upgrade() else { return };
        let now = Instant::now();
        let unread = {
            let mut held = lock(&held);
            until = held.since.unwrap_or(now) + patience;
            if until > now { None } else { Some(held.stream.take()) }
        };
        // Dropped here and not under the lock.
        if unread.is_some() {
            return;
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut held = lock(&self.held);
        let Some(stream) = held.stream.as_deref_mut() else {
            let error = io::Error::from(io::ErrorKind::TimedOut);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        };
        let polled = Pin::new(stream).poll_frame(context);
        held.since = polled.is_ready().then(Instant::now);
        polled.map_err(|never| match never {})
    }
}
