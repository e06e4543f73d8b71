//! Bodies of providers' answers.

use super::client::timed_out;
use super::pool::Loan;
use crate::llm::{Failure, FailureKind, Source};
use crate::provider::Provider;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// The body of a provider's answer, however it came.
#[derive(Debug)]
pub struct UpstreamBody(Inner);

#[derive(Debug)]
enum Inner {
    /// With the connection that it comes on, if that is to be given back.
    Direct(Incoming, Option<Loan>),
    Proxied(reqwest::Body),
}

/// The largest unstreamed answer that is accepted, in bytes.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

impl UpstreamBody {
    pub(super) fn direct(body: Incoming, loan: Option<Loan>) -> Self {
        let mut loan = loan;
        if body.is_end_stream() {
            give_back(&mut loan);
        }
        UpstreamBody(Inner::Direct(body, loan))
    }

    pub(super) fn proxied(body: reqwest::Body) -> Self {
        UpstreamBody(Inner::Proxied(body))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        match &mut self.get_mut().0 {
            Inner::Direct(body, loan) => {
                let frame = Pin::new(&mut *body).poll_frame(context);
                if matches!(frame, Poll::Ready(None)) || body.is_end_stream() {
                    give_back(loan);
                }
                frame.map_err(|error| error.to_string())
            }
            Inner::Proxied(body) => {
                Pin::new(body).poll_frame(context).map_err(|error| error.to_string())
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Direct(body, _) => body.is_end_stream(),
            Inner::Proxied(body) => body.is_end_stream(),
        }
    }
}

fn give_back(loan: &mut Option<Loan>) {
    if let Some(loan) = loan.take() {
        loan.give_back();
    }
}

/// Reads a whole body. A body that came in one piece is not copied.
///
/// # Errors
/// `Timeout` when `limit` has passed since `started`; `Connect` when the connection breaks; `BadResponse` when it is larger
/// than 256 MiB.
pub async fn read_all(
    provider: &Provider,
    mut body: UpstreamBody,
    started: Instant,
    limit: Duration,
) -> Result<Bytes, Failure> {
    let read = async {
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| cut(provider, &error))?;
            let Ok(data) = frame.into_data() else { continue };
            match &first {
                // Mostly everything has come with the first piece.
                None if body.is_end_stream() => return Ok(data),
                None => first = Some(data),
                Some(bytes) => {
                    if rest.is_empty() {
                        rest.reserve(bytes.len() + data.len());
                        rest.extend_from_slice(bytes);
                    }
                    rest.extend_from_slice(&data);
                }
            }
            if rest.len() > LARGEST_ANSWER {
                return Err(Failure::bad_response("the provider's answer is larger than 256 MiB"));
            }
        }
        if rest.is_empty() { Ok(first.unwrap_or_default()) } else { Ok(rest.freeze()) }
    };
    match tokio::time::timeout_at(started + limit, read).await {
        Ok(bytes) => bytes,
        Err(_) => Err(timed_out(provider, "no complete answer", limit)),
    }
}

/// The provider cut the connection inside of an answer.
fn cut(provider: &Provider, error: &str) -> Failure {
    let message =
        format!("{} cut the connection before its answer was complete: {error}", provider.name);
    Failure::new(Source::Upstream, FailureKind::Connect, message)
}
