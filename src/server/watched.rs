//! A client's connection, watched for heads that do not come to their end.
//!
//! hyper has one time-out for the head of a request and for the pause before it. These are different
//! things: an idle connection is a load balancer's to keep, a head that stays half sent holds a place
//! for nothing. hyper also makes a timer for every request; here one lasts as long as the connection.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// A client has this long to send a request's head once it has begun.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection may be idle for one to two of these. Longer than the load balancers' own idle time-outs (AWS and
/// nginx 60 s, Azure 240 s, Google 600 s), as one that is closed here while a balancer sends on it is a
/// 502 to somebody.
const IDLE_TIMEOUT: Duration = Duration::from_secs(620);

/// Requests of one connection whose head is complete and whose answer has not begun.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<AtomicUsize>);

/// One of [`Requests`], until it is dropped.
#[derive(Debug)]
pub(super) struct InRequest(Requests);

impl Requests {
    pub(super) fn enter(&self) -> InRequest {
        self.0.fetch_add(1, Ordering::Relaxed);
        InRequest(self.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for InRequest {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose reads fail when a head takes too long, or when nothing comes at all.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    requests: Requests,
    phase: Phase,
    head_timer: Option<Pin<Box<Sleep>>>,
    idle_timer: Pin<Box<Sleep>>,
    /// Whether anything was read or written since the idle timer was set.
    used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has been read yet.
    New,
    /// Something was read that is no part of a request yet.
    Begun,
    /// Everything that was read has been answered, or is being.
    Quiet,
    /// HTTP/2 looks after itself.
    Http2,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, requests: Requests) -> Self {
        Watched {
            stream,
            requests,
            phase: Phase::New,
            head_timer: None,
            idle_timer: Box::pin(tokio::time::sleep(IDLE_TIMEOUT)),
            used: false,
        }
    }

    fn has_read(&mut self, data: &[u8]) {
        self.used = true;
        match self.phase {
            Phase::Http2 => {}
            Phase::New if data.starts_with(b"PRI") => self.quiet(Phase::Http2),
            // What comes during a request is its body.
            _ if data.is_empty() || self.requests.any() => self.quiet(Phase::Quiet),
            Phase::Begun => {}
            Phase::New | Phase::Quiet => self.quiet(Phase::Begun),
        }
    }

    fn has_written(&mut self) {
        self.used = true;
        if self.phase == Phase::Begun {
            self.quiet(Phase::Quiet);
        }
    }

    fn quiet(&mut self, phase: Phase) {
        self.phase = phase;
        self.head_timer = None;
    }

    /// Ready when the client has had its time.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.phase == Phase::Http2 || self.requests.any() {
            self.head_timer = None;
            return Poll::Pending;
        }
        if self.phase == Phase::Begun {
            let new = || Box::pin(tokio::time::sleep(HEAD_TIMEOUT));
            return self.head_timer.get_or_insert_with(new).as_mut().poll(context);
        }
        loop {
            ready!(self.idle_timer.as_mut().poll(context));
            if !std::mem::take(&mut self.used) {
                return Poll::Ready(());
            }
            self.idle_timer.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                this.has_read(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(this.poll_patience(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.has_written();
        Pin::new(&mut this.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.has_written();
        Pin::new(&mut this.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    async fn pair() -> (TcpStream, Watched, Requests) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let requests = Requests::default();
        (client, Watched::new(server, requests.clone()), requests)
    }

    /// How many seconds a read lasts until it fails, up to `most`; `None` when it still waits then.
    async fn patience(watched: &mut Watched, most: u64) -> Option<u64> {
        let started = Instant::now();
        let mut byte = [0];
        let read = timeout(Duration::from_secs(most), watched.read(&mut byte)).await.ok()?;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        Some(started.elapsed().as_secs())
    }

    #[tokio::test]
    async fn a_half_sent_head_has_less_time_than_an_idle_connection() {
        let (mut client, mut watched, requests) = pair().await;
        client.write_all(b"G").await.unwrap();
        assert_eq!(watched.read(&mut [0]).await.unwrap(), 1);
        tokio::time::pause();
        assert_eq!(patience(&mut watched, 1000).await, Some(30));
        // While the request is served, and when it has been answered, nobody is in a hurry.
        let serving = requests.enter();
        assert_eq!(patience(&mut watched, 1000).await, None);
        drop(serving);
        watched.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        assert_eq!(patience(&mut watched, 600).await, None);
        let idle = patience(&mut watched, 2000).await.unwrap();
        assert!((0..=1240).contains(&idle), "{idle} s after 600");
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_ends_and_http2_is_left_alone() {
        let (_client, mut watched, _) = pair().await;
        tokio::time::pause();
        assert_eq!(patience(&mut watched, 1000).await, Some(620));
        tokio::time::resume();
        let (mut client, mut watched, _) = pair().await;
        client.write_all(b"PRI").await.unwrap();
        assert_eq!(watched.read(&mut [0; 3]).await.unwrap(), 3);
        tokio::time::pause();
        assert_eq!(patience(&mut watched, 1000).await, None);
    }
}
