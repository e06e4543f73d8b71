//! Open connections to one address of a provider.
//!
//! A connection is lent to one request at a time (HTTP/1) or shared by all (HTTP/2). It comes back
//! when the body of the answer has been read to its end; an answer that is dropped before closes
//! it. A request that a dying connection has not begun to send goes to the next one. One that was
//! sent on a connection used before, which the other side then closed at once and without a word, is
//! [`Lost::Stale`]: most likely both happened at the same time. One that was closed later may have
//! been worked on, and is not sent again here.
//!
//! HTTP/2 is spoken where the operator says so only: providers admit about a hundred streams on a
//! connection, and requests beyond these would wait where nobody sees it, while HTTP/1.1 opens as
//! many connections as there are requests.

use super::client::RequestBody;
use crate::provider::Network;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{fmt, io};
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};

/// Unused connections are closed after one to two of these, before most load balancers do (60 s
/// and more).
const TIDY: Duration = Duration::from_secs(28);

/// A connection that was closed already says so within a round trip, even around the world.
const STALE: Duration = Duration::from_secs(1);

/// Makes connections.
pub(super) type Connector = HttpsConnector<HttpConnector>;

/// Why a connection failed.
pub(super) type Broken = Box<dyn Error + Send + Sync>;

/// Why an answer did not come.
#[derive(Debug)]
pub(super) enum Lost {
    /// A connection that had been used before was closed at once, before any of the answer came.
    Stale,
    /// Anything else.
    Broken(Broken),
}

/// No connection was made within so long.
#[derive(Debug)]
pub(super) struct NoConnection(Duration);

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {} s", self.0.as_secs_f64())
    }
}

impl Error for NoConnection {}

/// One address and its open connections.
#[derive(Debug)]
pub(super) struct Origin {
    /// Scheme and authority.
    address: Uri,
    host: HeaderValue,
    http2_only: bool,
    most_idle: usize,
    connect_timeout: Duration,
    // Std mutexes, never held across an await; an origin belongs to one thread.
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Option<http2::SendRequest<RequestBody>>>,
    /// Moves with every [`TIDY`].
    tick: AtomicU32,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<RequestBody>,
    since: u32,
}

/// A connection on loan.
#[derive(Debug)]
pub(super) struct Loan {
    sender: http1::SendRequest<RequestBody>,
    origin: Arc<Origin>,
}

/// A new connection of either kind.
enum Sender {
    One(http1::SendRequest<RequestBody>),
    Shared(http2::SendRequest<RequestBody>),
}

impl Origin {
    /// An address without connections yet. `None` when `url` has no host that a header can carry.
    pub(super) fn new(url: &Uri, network: &Network) -> Option<Arc<Origin>> {
        let (scheme, authority) = (url.scheme()?.clone(), url.authority()?);
        let default_port = if scheme.as_str() == "https" { 443 } else { 80 };
        let host = match authority.port_u16().filter(|port| *port != default_port) {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        };
        let address =
            Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query("/");
        let origin = Arc::new(Origin {
            address: address.build().ok()?,
            host: HeaderValue::try_from(host).ok()?,
            http2_only: network.http2_only,
            most_idle: network.max_connections,
            connect_timeout: network.connect_timeout,
            idle: Mutex::default(),
            shared: Mutex::default(),
            tick: AtomicU32::new(0),
        });
        tokio::spawn(tidy(Arc::downgrade(&origin)));
        Some(origin)
    }

    /// Sends a request whose URI is `path`, or `absolute` over HTTP/2, and waits for the headers of
    /// the answer. The loan is to be given back with the end of the body. `fresh` takes a new
    /// connection in any case.
    ///
    /// # Errors
    /// When no connection can be made, or when it breaks.
    pub(super) async fn send(
        self: &Arc<Self>,
        connector: &Connector,
        mut request: Request<RequestBody>,
        (path, absolute): (&Uri, &Uri),
        fresh: bool,
    ) -> Result<(Response<Incoming>, Option<Loan>), Lost> {
        loop {
            let (sender, is_new) = match self.open().filter(|_| !fresh) {
                Some(sender) => (sender, false),
                // Boxed: it is rare, and its state is larger than all the rest of a request's.
                None => {
                    let connected = Box::pin(self.connect(connector)).await;
                    (connected.map_err(Lost::Broken)?, true)
                }
            };
            let sent = Instant::now();
            let (error, unsent) = match sender {
                Sender::One(mut sender) => {
                    *request.uri_mut() = path.clone();
                    request.headers_mut().insert(HOST, self.host.clone());
                    match sender.try_send_request(request).await {
                        Ok(answer) => {
                            return Ok((answer, Some(Loan { sender, origin: self.clone() })));
                        }
                        Err(mut failed) => {
                            let unsent = failed.take_message();
                            (failed.into_error(), unsent)
                        }
                    }
                }
                Sender::Shared(mut sender) => {
                    *request.uri_mut() = absolute.clone();
                    request.headers_mut().remove(HOST);
                    match sender.try_send_request(request).await {
                        Ok(answer) => return Ok((answer, None)),
                        Err(mut failed) => {
                            *lock(&self.shared) = None;
                            let unsent = failed.take_message();
                            (failed.into_error(), unsent)
                        }
                    }
                }
            };
            match unsent {
                Some(unsent) if !is_new => request = unsent,
                None if !is_new && sent.elapsed() < STALE && closed_without_a_word(&error) => {
                    return Err(Lost::Stale);
                }
                _ => return Err(Lost::Broken(error.into())),
            }
        }
    }

    fn open(&self) -> Option<Sender> {
        {
            let mut shared = lock(&self.shared);
            if shared.as_ref().is_some_and(http2::SendRequest::is_closed) {
                *shared = None;
            }
            if let Some(sender) = &*shared {
                return Some(Sender::Shared(sender.clone()));
            }
        }
        let mut idle = lock(&self.idle);
        // The one that was used last is the least likely to have been closed by the other side.
        while let Some(Idle { sender, .. }) = idle.pop() {
            if !sender.is_closed() {
                return Some(Sender::One(sender));
            }
        }
        None
    }

    async fn connect(&self, connector: &Connector) -> Result<Sender, Broken> {
        let started = Instant::now();
        let connected = timeout(self.connect_timeout, self.handshake(connector)).await;
        match connected {
            Ok(Ok(sender)) => Ok(sender),
            // The connector has the same limit for each address, so that either may be first.
            Ok(Err(error)) if started.elapsed() < self.connect_timeout => Err(error),
            _ => Err(NoConnection(self.connect_timeout).into()),
        }
    }

    async fn handshake(&self, connector: &Connector) -> Result<Sender, Broken> {
        let mut connector = connector.clone();
        let stream = connector.ready().await?.call(self.address.clone()).await?;
        if !self.http2_only {
            let (sender, connection) = http1::handshake(stream).await?;
            // How a connection ends is told to the request on it.
            tokio::spawn(async move { drop(connection.await) });
            return Ok(Sender::One(sender));
        }
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(TIDY);
        let (sender, connection) = builder.handshake(stream).await?;
        tokio::spawn(async move { drop(connection.await) });
        let mut shared = lock(&self.shared);
        // Requests that began together made a connection each; the first one serves all.
        match &*shared {
            Some(first) if !first.is_closed() => Ok(Sender::Shared(first.clone())),
            _ => {
                *shared = Some(sender.clone());
                Ok(Sender::Shared(sender))
            }
        }
    }
}

impl Loan {
    /// Gives the connection back.
    pub(super) fn give_back(self) {
        let Loan { sender, origin } = self;
        let mut idle = lock(&origin.idle);
        if idle.len() < origin.most_idle && !sender.is_closed() {
            idle.push(Idle { sender, since: origin.tick.load(Ordering::Relaxed) });
        }
    }
}

/// Whether the other side closed the connection before it sent anything.
fn closed_without_a_word(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let closed = cause.is_some_and(|cause| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        matches!(cause.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
    });
    closed || error.is_incomplete_message() || error.is_canceled()
}

/// Closes what has not been used for a while, as long as there is an origin.
async fn tidy(origin: Weak<Origin>) {
    loop {
        tokio::time::sleep(TIDY).await;
        let Some(origin) = origin.upgrade() else { return };
        let now = origin.tick.fetch_add(1, Ordering::Relaxed) + 1;
        lock(&origin.idle).retain(|idle| now - idle.since < 2 && !idle.sender.is_closed());
    }
}

/// What is behind these locks is whole after every operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
