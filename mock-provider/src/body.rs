//! A response body that is sent step by step and may break off.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::state::Ticket;

/// How long what was sent has to leave before the connection is dropped.
const BEFORE_CUT: Duration = Duration::from_millis(10);

/// One step of a body.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Send this.
    Data(Bytes),
    /// Wait.
    Wait(Duration),
    /// Let what was sent leave before more is.
    Flush,
    /// Drop the connection; the head told this length, if it told one.
    Cut(usize),
}

/// The connection is dropped because the script says so.
#[derive(Debug)]
pub(crate) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("dropped as scripted")
    }
}

impl std::error::Error for Dropped {}

/// The body of a scripted response.
pub(crate) struct Scripted {
    steps: VecDeque<Step>,
    sized: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    cutting: bool,
    ticket: Option<Ticket>,
}

impl Scripted {
    /// A body of these steps; the ticket learns how sending it ends.
    pub(crate) fn new(steps: VecDeque<Step>, sized: bool, ticket: Option<Ticket>) -> Self {
        let mut body = Self { steps, sized, sleep: None, cutting: false, ticket };
        if body.steps.is_empty() {
            body.complete();
        }
        body
    }

    /// A body sent at once.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::new(VecDeque::from([Step::Data(bytes.into())]), true, None)
    }

    fn complete(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.complete();
        }
    }

    fn wait(&mut self, time: Duration) {
        self.sleep = Some(Box::pin(sleep_until(Instant::now() + time)));
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        let this = &mut *self;
        loop {
            if let Some(sleep) = &mut this.sleep {
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.sleep = None;
            }
            match this.steps.pop_front() {
                None => {
                    this.complete();
                    return Poll::Ready(None);
                }
                Some(Step::Data(bytes)) => {
                    // A sized body is not asked again after its last byte.
                    if this.sized && this.steps.iter().all(|step| matches!(step, Step::Flush)) {
                        this.complete();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Wait(time)) => this.wait(time),
                Some(Step::Flush) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Cut(length)) if !this.cutting => {
                    this.cutting = true;
                    this.steps.push_front(Step::Cut(length));
                    this.wait(BEFORE_CUT);
                }
                Some(Step::Cut(_)) => {
                    if let Some(ticket) = this.ticket.take() {
                        ticket.cut();
                    }
                    return Poll::Ready(Some(Err(Dropped)));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        if !self.sized {
            return SizeHint::default();
        }
        let length = self.steps.iter().map(|step| match step {
            Step::Data(bytes) => bytes.len(),
            _ => 0,
        });
        let length: usize = length.sum();
        let told = self.steps.iter().find_map(|step| match step {
            Step::Cut(whole) => Some(*whole),
            _ => None,
        });
        SizeHint::with_exact(told.unwrap_or(length) as u64)
    }
}
