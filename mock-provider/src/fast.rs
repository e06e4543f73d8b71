//! The benchmark mode: answers made once, sent with as little work as can be.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::fast_answers::{Answers, Canned};

/// How long accepting rests after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How the benchmark mode paces itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct FastOptions {
    /// Before each response.
    pub delay: Duration,
    /// Between two events of a stream; without it they leave in one burst.
    pub gap: Duration,
}

/// Serves pre-rendered answers on a listener, for as long as it is polled. Connections
/// are tasks of the runtime it runs on.
pub async fn serve_fast(listener: TcpListener, options: FastOptions) {
    let answers = Arc::new(Answers::new());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&answers), options));
            }
            // Out of descriptors, most likely: some are given back soon.
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, answers: Arc<Answers>, options: FastOptions) {
    // A connection that cannot be set so is merely slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answers = Arc::clone(&answers);
        async move { answer(request, &answers, options).await }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // Clients may leave at any time.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    answers: &Answers,
    options: FastOptions,
) -> Result<Response<FastBody>, Infallible> {
    let (head, mut body) = request.into_parts();
    let mut asks = Asks::default();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            asks.read(data);
        }
    }
    if !options.delay.is_zero() {
        sleep(options.delay).await;
    }
    let streamed = asks.stream;
    let canned = answers.find(head.uri.path(), head.method == Method::GET, streamed);
    let mut response = Response::new(FastBody::new(canned, options.gap));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(canned.content_type));
    headers.insert(
        HeaderName::from_static("x-request-id"),
        HeaderValue::from_static("req_fast000000000000000000"),
    );
    Ok(response)
}

/// What a request's body asks for, found without reading it as JSON.
#[derive(Default)]
struct Asks {
    stream: bool,
    /// The end of the bytes before, where the word may have begun.
    tail: Vec<u8>,
}

impl Asks {
    fn read(&mut self, data: &[u8]) {
        if self.stream {
            return;
        }
        if !self.tail.is_empty() {
            let mut seam = std::mem::take(&mut self.tail);
            seam.extend_from_slice(&data[..data.len().min(32)]);
            self.stream = asks_stream(&seam);
        }
        self.stream = self.stream || asks_stream(data);
        self.tail.extend_from_slice(&data[data.len().saturating_sub(32)..]);
    }
}

/// Whether `"stream": true` is in the bytes.
fn asks_stream(data: &[u8]) -> bool {
    const WORD: &[u8] = b"\"stream\"";
    let mut rest = data;
    while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
        rest = &rest[at..];
        let Some(after) = rest.strip_prefix(WORD) else {
            rest = &rest[1..];
            continue;
        };
        let value = after.trim_ascii_start().strip_prefix(b":").unwrap_or_default();
        if value.trim_ascii_start().starts_with(b"true") {
            return true;
        }
        rest = after;
    }
    false
}

/// A pre-rendered body: whole, in one burst, or event by event.
struct FastBody {
    left: VecDeque<Bytes>,
    length: Option<u64>,
    gap: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl FastBody {
    fn new(canned: &Canned, gap: Duration) -> Self {
        let left = if gap.is_zero() || !canned.streamed {
            VecDeque::from([canned.whole.clone()])
        } else {
            canned.events.iter().cloned().collect()
        };
        let length = (!canned.streamed).then_some(canned.whole.len() as u64);
        Self { left, length, gap, sleep: None }
    }
}

impl Body for FastBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(sleep) = &mut self.sleep {
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        let Some(bytes) = self.left.pop_front() else { return Poll::Ready(None) };
        if !self.left.is_empty() && !self.gap.is_zero() {
            self.sleep = Some(Box::pin(sleep_until(Instant::now() + self.gap)));
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asks, asks_stream};

    #[test]
    fn streams_are_seen_across_pieces() {
        assert!(asks_stream(br#"{"model":"m","stream": true}"#));
        assert!(!asks_stream(br#"{"stream":false,"stream_options":{"x":true}}"#));
        let mut asks = Asks::default();
        asks.read(br#"{"model":"m","str"#);
        asks.read(br#"eam" : true}"#);
        assert!(asks.stream);
    }
}
