//! A client's connection, watched for heads that do not come to their end and for answers that are
//! not read.
//!
//! hyper has one time-out for the head of a request and for the pause before it. These are different
//! things: an idle connection is a load balancer's to keep, a head that stays half sent holds a place
//! for nothing. hyper also makes a timer for every request; here one lasts as long as the connection.
//! For writing hyper has none: while a client reads nothing, a stream is not polled, and so none of
//! its own time-outs can end it. (Over HTTP/2 that may happen to one stream alone: `api::unread`.)

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
/// A client that takes nothing of its answer for so long has gone or will not read on; nginx's
/// `send_timeout` is the same.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// What HTTP/2 begins with (RFC 9113, 3.4). No head of HTTP/1 does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long clients have.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To send a request's head once it has begun.
    pub head: Duration,
    /// Between two uses of a connection; up to twice as long is possible.
    pub idle: Duration,
    /// To take something of what is written.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { head: HEAD_TIMEOUT, idle: IDLE_TIMEOUT, write: WRITE_TIMEOUT }
    }
}

/// Requests of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Heads that were complete, ever.
    heads: AtomicUsize,
    /// Requests whose head is complete and whose answer has not begun.
    unanswered: AtomicUsize,
}

/// One of [`Requests`], until it is dropped.
#[derive(Debug)]
pub(super) struct InRequest(Requests);

impl Requests {
    pub(super) fn enter(&self) -> InRequest {
        self.0.heads.fetch_add(1, Ordering::Relaxed);
        self.0.unanswered.fetch_add(1, Ordering::Relaxed);
        InRequest(self.clone())
    }

    fn heads(&self) -> usize {
        self.0.heads.load(Ordering::Relaxed)
    }

    fn any(&self) -> bool {
        self.0.unanswered.load(Ordering::Relaxed) > 0
    }
}

impl Drop for InRequest {
    fn drop(&mut self) {
        self.0.0.unanswered.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose reads fail when a head takes too long or when nothing comes at all, and whose
/// writes fail when the client takes nothing.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    requests: Requests,
    patience: Patience,
    phase: Phase,
    head_timer: Option<Pin<Box<Sleep>>>,
    idle_timer: Pin<Box<Sleep>>,
    /// There while a write waits for the client.
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Whether anything was read or written since the idle timer was set.
    used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has been read yet.
    New,
    /// So many bytes were read, all of them HTTP/2's preface.
    Preface(usize),
    /// Something was read when so many heads had been complete; when there are more, it was one of
    /// them.
    Begun(usize),
    /// Everything that was read has been answered, or is being.
    Quiet,
    /// HTTP/2 looks after itself.
    Http2,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, requests: Requests, patience: Patience) -> Self {
        Watched {
            stream,
            requests,
            patience,
            phase: Phase::New,
            head_timer: None,
            idle_timer: Box::pin(tokio::time::sleep(patience.idle)),
            write_timer: None,
            used: false,
        }
    }

    fn has_read(&mut self, data: &[u8]) {
        self.used = true;
        let heads = self.requests.heads();
        match self.phase {
            Phase::Http2 => {}
            // What comes during a request is its body.
            _ if data.is_empty() || self.requests.any() => self.enter(Phase::Quiet),
            Phase::Begun(before) if before == heads => {}
            Phase::New => self.has_read_preface(0, data),
            Phase::Preface(length) => self.has_read_preface(length, data),
            Phase::Begun(_) | Phase::Quiet => self.enter(Phase::Begun(heads)),
        }
    }

    /// Goes on after `length` bytes of the preface. The time of the head runs on.
    fn has_read_preface(&mut self, length: usize, data: &[u8]) {
        let rest = PREFACE.get(length..).unwrap_or_default();
        if data.starts_with(rest) {
            self.enter(Phase::Http2);
        } else if rest.starts_with(data) {
            self.phase = Phase::Preface(length + data.len());
        } else {
            self.phase = Phase::Begun(self.requests.heads());
        }
    }

    /// What came during an answer has its time from the answer's end on.
    fn has_written(&mut self) {
        self.used = true;
        self.head_timer = None;
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.head_timer = None;
    }

    /// Fails a write that waits for too long.
    fn poll_written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.has_written();
            self.write_timer = None;
            return written;
        }
        let limit = self.patience.write;
        let new = || Box::pin(tokio::time::sleep(limit));
        ready!(self.write_timer.get_or_insert_with(new).as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready when the client has had its time.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.phase == Phase::Http2 || self.requests.any() {
            self.head_timer = None;
            return Poll::Pending;
        }
        if matches!(self.phase, Phase::Begun(before) if before != self.requests.heads()) {
            self.enter(Phase::Quiet);
        }
        if matches!(self.phase, Phase::Begun(_) | Phase::Preface(_)) {
            let limit = self.patience.head;
            let new = || Box::pin(tokio::time::sleep(limit));
            return self.head_timer.get_or_insert_with(new).as_mut().poll(context);
        }
        loop {
            ready!(self.idle_timer.as_mut().poll(context));
            if !std::mem::take(&mut self.used) {
                return Poll::Ready(());
            }
            self.idle_timer.as_mut().reset(Instant::now() + self.patience.idle);
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
        let written = Pin::new(&mut this.stream).poll_write(context, data);
        this.poll_written(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, data);
        this.poll_written(context, written)
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
        (client, Watched::new(server, requests.clone(), Patience::default()), requests)
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
        let last_use = Instant::now();
        assert_eq!(patience(&mut watched, 600).await, None);
        patience(&mut watched, 2000).await.unwrap();
        let lived = last_use.elapsed().as_secs();
        assert!((620..=1240).contains(&lived), "{lived} s");
    }

    #[tokio::test]
    async fn the_idle_time_counts_from_the_last_use() {
        let (_client, mut watched, _) = pair().await;
        tokio::time::pause();
        assert_eq!(patience(&mut watched, 300).await, None);
        let last_use = Instant::now();
        watched.write_all(b"x").await.unwrap();
        patience(&mut watched, 2000).await.unwrap();
        assert_eq!(last_use.elapsed().as_secs(), 320 + 620);
    }

    #[tokio::test]
    async fn what_comes_during_an_answer_has_its_time_after_it() {
        let (mut client, mut watched, requests) = pair().await;
        client.write_all(b"G").await.unwrap();
        assert_eq!(watched.read(&mut [0]).await.unwrap(), 1);
        drop(requests.enter());
        watched.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        client.write_all(b"G").await.unwrap();
        assert_eq!(watched.read(&mut [0]).await.unwrap(), 1);
        tokio::time::pause();
        for _ in 0..4 {
            assert_eq!(patience(&mut watched, 20).await, None);
            watched.write_all(b"data: {}\n\n").await.unwrap();
        }
        assert_eq!(patience(&mut watched, 1000).await, Some(30));
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_fails_the_write() {
        let (_client, mut watched, _) = pair().await;
        watched.patience.write = Duration::from_millis(300);
        let all = vec![0; 1 << 20];
        let started = Instant::now();
        let failure = loop {
            if let Err(failure) = watched.write_all(&all).await {
                break failure;
            }
        };
        assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= Duration::from_millis(300));
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_ends_and_http2_is_left_alone() {
        let (_client, mut watched, _) = pair().await;
        tokio::time::pause();
        assert_eq!(patience(&mut watched, 1000).await, Some(620));
        tokio::time::resume();
        let (mut client, mut watched, _) = pair().await;
        let mut rest = PREFACE;
        for length in [1, 2, 20, 1] {
            let (piece, after) = rest.split_at(length);
            rest = after;
            client.write_all(piece).await.unwrap();
            assert_eq!(watched.read(&mut [0; 24]).await.unwrap(), length);
            tokio::time::pause();
            assert_eq!(patience(&mut watched, 5).await, None);
            tokio::time::resume();
        }
        tokio::time::pause();
        assert_eq!(patience(&mut watched, 3000).await, None);
    }

    #[tokio::test]
    async fn a_preface_that_is_not_complete_is_a_half_sent_head() {
        for begun in [&b"P"[..], b"PRI", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"PRX", b"POST"] {
            let (mut client, mut watched, _) = pair().await;
            client.write_all(begun).await.unwrap();
            assert_eq!(watched.read(&mut [0; 24]).await.unwrap(), begun.len());
            tokio::time::pause();
            assert_eq!(patience(&mut watched, 1000).await, Some(30), "{begun:?}");
            tokio::time::resume();
        }
    }
}
