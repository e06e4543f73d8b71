//! A streamed answer on its way to the client.
//!
//! One chain without tasks or channels: the client's connection polls this body, and this body polls
//! the provider's. Backpressure is the poll; a client that goes away drops the whole chain.

use super::cached::Caching;
use super::call::Call;
use super::extra_fields::extra_fields;
use super::keeper::Keeper;
use super::record::Recorder;
use super::redact::redact;
use super::translate::Passage;
use crate::llm::{Failure, FailureKind, Source};
use crate::provider::Provider;
use crate::route::InFlight;
use crate::upstream::{Permit, UpstreamBody, timed_out};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use serde_json::value::RawValue;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// A comment goes to the client after so long without a byte, so that nothing between takes the
/// connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long the provider's end of the connection is awaited after its last event, so that the
/// connection can be used again.
const LINGER: Duration = Duration::from_millis(500);

/// The provider's side of a stream.
pub(super) struct Upstream {
    pub(super) body: UpstreamBody,
    pub(super) passage: Passage,
    /// What has been translated but not yet sent.
    pub(super) out: BytesMut,
    /// When the stream must be complete.
    pub(super) deadline: Option<Instant>,
}

/// A stream after its first content; the body of an HTTP answer.
pub struct StreamReply {
    source: Upstream,
    call: Arc<Call>,
    provider: Arc<Provider>,
    headers: HeaderMap,
    raw_request: Option<Box<RawValue>>,
    /// Gone when the books are closed.
    recorder: Option<Recorder>,
    state: State,
    timer: Pin<Box<Sleep>>,
    /// Comes when the process is about to end.
    last_call: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When the provider last said something that means something.
    last_content: Instant,
    /// When the client last got a byte.
    last_sent: Instant,
    pieces: u64,
    /// Kept to the end.
    pub(super) places: Option<(Permit, InFlight)>,
    /// Collects the stream, where it is to be kept.
    keeper: Option<Box<Keeper>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Everything has been said; only the provider's end of connection is missing.
    Lingering,
    Done,
}

impl Upstream {
    /// Reads until the first content or the end, for the provider's first-token time-out since
    /// `started` at most.
    ///
    /// # Errors
    /// Whatever went wrong before the client had seen anything: it may be tried elsewhere.
    pub(super) async fn commit(
        &mut self,
        provider: &Provider,
        started: Instant,
    ) -> Result<(), Failure> {
        let first_token = started + provider.network.first_token_timeout;
        let until = self.deadline.map_or(first_token, |deadline| deadline.min(first_token));
        let read = async {
            while !self.passage.committed() && !self.passage.is_complete() {
                self.read().await?;
            }
            Ok(())
        };
        match tokio::time::timeout_at(until, read).await {
            Ok(result) => result,
            Err(_) if until < first_token => Err(not_complete(provider)),
            Err(_) => Err(timed_out(provider, "no content", provider.network.first_token_timeout)),
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        std::future::poll_fn(|context| self.poll_read(context)).await.map(|_more| ())
    }

    /// One read of the provider. `Ok(false)` when its connection has ended and nothing is missing.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return Poll::Pending;
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.passage.push(&data, &mut self.out).map(|()| true),
                Err(_trailers) => Ok(true),
            },
            None => self.passage.close(&mut self.out).map(|()| false),
            Some(Err(error)) => match self.passage.close(&mut self.out) {
                Ok(()) => Ok(false),
                Err(mut failure) => {
                    failure.message = format!("{} ({error})", failure.message);
                    Err(failure)
                }
            },
        })
    }
}

impl StreamReply {
    /// Takes over a committed stream.
    pub(super) fn new(
        source: Upstream,
        call: Arc<Call>,
        provider: Arc<Provider>,
        headers: HeaderMap,
        raw_request: Option<Box<RawValue>>,
        mut recorder: Recorder,
    ) -> Self {
        recorder.first_token();
        // From here on the client has seen something: what was used is charged even if it leaves.
        recorder.progress(source.passage.progress());
        let now = Instant::now();
        let stop = recorder.app().stop.clone();
        let tick = now + KEEP_ALIVE.min(provider.network.idle_timeout);
        let tick = source.deadline.map_or(tick, |deadline| deadline.min(tick));
        StreamReply {
            timer: Box::pin(tokio::time::sleep_until(tick)),
            last_call: Box::pin(stop.cancelled_owned()),
            pieces: source.passage.pieces(),
            source,
            call,
            provider,
            headers,
            raw_request,
            recorder: Some(recorder),
            state: State::Running,
            last_content: now,
            last_sent: now,
            places: None,
            keeper: None,
        }
    }

    /// Has the stream kept when it is complete. Nothing of it has been sent yet.
    pub(super) fn keep(&mut self, caching: Caching) {
        self.keeper = Some(Box::new(Keeper::new(caching, self.source.passage.is_sound())));
    }

    /// Moves on by one step. `Pending` when there is nothing to do but wait.
    fn step(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.source.passage.is_complete() && self.state == State::Running {
            self.complete();
            return Poll::Ready(());
        }
        if self.is_overdue() {
            let failure = not_complete(&self.provider);
            self.fail(failure);
            return Poll::Ready(());
        }
        match self.source.poll_read(context) {
            Poll::Ready(Ok(more)) => {
                self.note_progress();
                if self.source.passage.is_complete() && self.state == State::Running {
                    self.complete();
                }
                if !more {
                    self.state = State::Done;
                }
                Poll::Ready(())
            }
            Poll::Ready(Err(failure)) => {
                self.fail(failure);
                Poll::Ready(())
            }
            Poll::Pending => self.wait(context),
        }
    }

    /// The provider says nothing: is it too long already, or time for a sign of life? Or is the
    /// process about to end?
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.last_call.as_mut().poll(context).is_ready() {
            self.interrupt();
            return Poll::Ready(());
        }
        if self.timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if self.state == State::Lingering {
            self.state = State::Done;
            return Poll::Ready(());
        }
        let idle = self.provider.network.idle_timeout;
        if self.last_content.elapsed() >= idle {
            let failure = timed_out(&self.provider, "the stream went silent: no content", idle);
            self.fail(failure);
            return Poll::Ready(());
        }
        if self.last_sent.elapsed() >= KEEP_ALIVE {
            self.source.out.extend_from_slice(b": keep-alive\n\n");
        }
        let next = (self.last_sent + KEEP_ALIVE).min(self.last_content + idle);
        let next = self.source.deadline.map_or(next, |deadline| deadline.min(next));
        let next = next.max(Instant::now() + Duration::from_millis(10));
        self.timer.as_mut().reset(next);
        Poll::Ready(())
    }

    fn is_overdue(&self) -> bool {
        self.state == State::Running
            && self.source.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn note_progress(&mut self) {
        let pieces = self.source.passage.pieces();
        if pieces != self.pieces {
            self.pieces = pieces;
            self.last_content = Instant::now();
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.progress(self.source.passage.progress());
        }
    }

    fn complete(&mut self) {
        self.state = State::Lingering;
        self.timer.as_mut().reset(Instant::now() + LINGER);
        let Some(recorder) = self.recorder.take() else { return };
        let app = recorder.shared_app();
        let mut outcome = recorder.answered(self.source.passage.progress());
        outcome.chunk_index = self.pieces;
        outcome.raw_request = self.raw_request.take();
        outcome.raw_response =
            self.source.passage.raw_events().and_then(|text| {
                RawValue::from_string(serde_json::Value::from(text).to_string()).ok()
            });
        let keeper = self.keeper.take();
        outcome.cache_debug = keeper.as_ref().and_then(|keeper| keeper.note()?.debug(None));
        let extra_fields = extra_fields(&self.call, &outcome, &self.headers);
        self.source.passage.finish(&extra_fields, &mut self.source.out);
        if let Some(mut keeper) = keeper {
            keeper.push(&self.source.out, self.source.passage.texts());
            keeper.keep(&app, &self.call, &outcome);
        }
    }

    fn fail(&mut self, failure: Failure) {
        if self.state == State::Running {
            let failure = redact(failure, &self.provider, None);
            self.source.passage.fail(&failure, &mut self.source.out);
            if let Some(recorder) = self.recorder.take() {
                recorder.broken(&failure);
            }
            if let Some(keeper) = self.keeper.take() {
                keeper.give_up();
            }
        }
        self.state = State::Done;
    }

    /// Ends the stream because the gateway is about to end; the client is told so.
    fn interrupt(&mut self) {
        let message = "the gateway is shutting down";
        self.fail(Failure::new(Source::Gateway, FailureKind::Overloaded, message));
    }
}

/// A stream that went on for longer than it may.
fn not_complete(provider: &Provider) -> Failure {
    let limit = provider.network.stream_total_timeout.unwrap_or_default();
    timed_out(provider, "no complete stream", limit)
}

impl Body for StreamReply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            if !this.source.out.is_empty() {
                this.last_sent = Instant::now();
                let bytes = this.source.out.split().freeze();
                let passage = &mut this.source.passage;
                let keeper = this.keeper.as_mut();
                if !keeper.is_some_and(|keeper| keeper.push(&bytes, passage.texts())) {
                    passage.forget_texts();
                }
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.state == State::Done {
                return Poll::Ready(None);
            }
            if this.step(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl std::fmt::Debug for StreamReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamReply").field("state", &self.state).finish_non_exhaustive()
    }
}
