//! The body of an answer, whatever it comes from.

use super::unread::Watched;
use crate::pipeline::StreamReply;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The body of an answer.
#[derive(Debug)]
pub enum ReplyBytes {
    /// Complete.
    Full(Option<Bytes>),
    /// A stream of the data plane.
    Stream(Box<StreamReply>),
    /// The same over HTTP/2.
    Watched(Watched),
    /// Whatever the management API or the dashboard answers.
    Other(axum::body::Body),
}

impl ReplyBytes {
    /// The body over HTTP/2, where a client has so long to take something of a stream.
    pub(super) fn watched(self, patience: Duration) -> Self {
        match self {
            ReplyBytes::Stream(stream) => ReplyBytes::Watched(Watched::new(stream, patience)),
            other => other,
        }
    }
}

impl Body for ReplyBytes {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            ReplyBytes::Full(bytes) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            ReplyBytes::Stream(stream) => {
                Pin::new(stream.as_mut()).poll_frame(context).map_err(|never| match never {})
            }
            ReplyBytes::Watched(stream) => Pin::new(stream).poll_frame(context),
            ReplyBytes::Other(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBytes::Full(bytes) => bytes.is_none(),
            ReplyBytes::Stream(_) | ReplyBytes::Watched(_) => false,
            ReplyBytes::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBytes::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            ReplyBytes::Stream(_) | ReplyBytes::Watched(_) => SizeHint::default(),
            ReplyBytes::Other(body) => body.size_hint(),
        }
    }
}
