//! Connections: accepted, served, and ended in order.

use super::listen::Listeners;
use super::watched::{Patience, Requests, Watched};
use crate::api;
use crate::app::App;
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::any::Any;
use std::convert::Infallible;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A client that speaks HTTP/2 is asked after this time whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// A pause after accepting failed, as it does when the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The threads that serve, and what they are told.
#[derive(Debug)]
pub(super) struct Connections {
    tracker: TaskTracker,
    /// No new connections; those there are finish what they do.
    closing: CancellationToken,
    /// Whatever is left is dropped.
    ending: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl Connections {
    /// Starts a thread with its own event loop for each set of listeners.
    pub(super) fn serve(
        listeners: Listeners,
        app: &Arc<App>,
        router: &Router,
        patience: Patience,
    ) -> Result<Self, String> {
        let mut connections = Connections {
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
            ending: CancellationToken::new(),
            threads: Vec::new(),
        };
        for (number, listeners) in listeners.per_thread.into_iter().enumerate() {
            let door = Door {
                app: app.clone(),
                router: router.clone(),
                patience,
                tracker: connections.tracker.clone(),
                closing: connections.closing.clone(),
            };
            let ending = connections.ending.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let thread = std::thread::Builder::new().name(format!("serve-{number}"));
            let serve = move || {
                runtime.block_on(async move {
                    for listener in listeners {
                        tokio::spawn(door.clone().accept(listener));
                    }
                    ending.cancelled().await;
                });
                // What is still running is dropped; a name being looked up is not waited for.
                runtime.shutdown_background();
            };
            let thread = thread.spawn(serve).map_err(|error| error.to_string())?;
            connections.threads.push(thread);
        }
        Ok(connections)
    }

    /// No new connections; idle ones are closed, busy ones finish.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.tracker.close();
    }

    /// Waits until every connection is done; false when `limit` has passed before.
    pub(super) async fn wait(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }

    /// Drops what is left and waits until it is gone: what it had used is in the books then.
    pub(super) async fn end(self) {
        self.ending.cancel();
        let join = || {
            for thread in self.threads {
                let name = thread.thread().name().unwrap_or_default().to_owned();
                if let Err(panic) = thread.join() {
                    tracing::error!(thread = name, "a serving thread panicked: {}", words(&*panic));
                }
            }
        };
        if tokio::task::spawn_blocking(join).await.is_err() {
            tracing::error!("a serving thread did not end in order");
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("it said nothing")
}

/// What a thread needs to serve.
#[derive(Clone)]
struct Door {
    app: Arc<App>,
    router: Router,
    patience: Patience,
    tracker: TaskTracker,
    closing: CancellationToken,
}

impl Door {
    async fn accept(self, listener: StdListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "a listener is lost"),
        };
        loop {
            match self.closing.run_until_cancelled(listener.accept()).await {
                None => return,
                Some(Ok((stream, _peer))) => {
                    self.tracker.spawn(self.clone().connection(stream));
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        // Without it a stream's events wait for the client's delayed acknowledgements, 40 ms each.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let (app, router, write) = (self.app, self.router, self.patience.write);
        let requests = Requests::default();
        let stream = Watched::new(stream, requests.clone(), self.patience);
        let service = service_fn(move |request: Request<Incoming>| {
            let (app, router, serving) = (app.clone(), router.clone(), requests.enter());
            async move {
                let answer = api::serve(app, router, write, request).await;
                drop(serving);
                Ok::<_, Infallible>(answer)
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // `Watched` has these time-outs; hyper would make a timer for each request.
        builder.http1().header_read_timeout(None);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(PING));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            // How a connection ends is the client's affair; what mattered has been recorded.
            _ended = connection.as_mut() => return,
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ended = connection.await;
    }
}
