//! The server: connections, requests, and the handle that keeps it running.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::body::{Dropped, Scripted};
use crate::call::Call;
use crate::control;
use crate::respond::{Plan, respond};
use crate::rule::{Reply, Rule};
use crate::state::{Count, Received, State};

/// How many requests are remembered unless told otherwise.
pub const DEFAULT_KEEP_RECEIVED: usize = 10_000;

/// How long accepting rests after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How many requests it remembers; 0 is none.
    pub keep_received: usize,
    /// Milliseconds before each response's head, unless the rule says.
    pub delay_ms: Option<u64>,
    /// Milliseconds between two deltas, unless the rule says.
    pub gap_ms: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keep_received: DEFAULT_KEEP_RECEIVED,
            delay_ms: None,
            gap_ms: None,
        }
    }
}

/// A running mock provider; dropping it stops the server and its connections.
#[derive(Debug)]
pub struct MockProvider {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl MockProvider {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When no port can be listened on.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts on an address.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start_on(listen: SocketAddr) -> io::Result<Self> {
        Self::start_with(Options { listen, ..Options::default() }).await
    }

    /// Starts as told.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start_with(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let defaults = Reply {
            delay_headers_ms: options.delay_ms,
            delay_between_ms: options.gap_ms,
            ..Reply::default()
        };
        let state = State::new(options.keep_received, defaults);
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, task })
    }

    /// The address listened on.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The server's URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A provider's base URL: the label, and for `gemini` its `/v1beta`.
    pub fn url_for(&self, label: &str) -> String {
        let tail = if label == "gemini" { "/v1beta" } else { "" };
        format!("{}/{label}{tail}", self.url())
    }

    /// Adds a rule after those there are.
    pub fn script(&self, rule: Rule) {
        self.state.script([rule]);
    }

    /// Forgets the rules, the requests and the counts.
    pub fn clear(&self) {
        self.state.clear_rules();
        self.state.clear_received();
        self.state.clear_counts();
    }

    /// Forgets the rules only.
    pub fn clear_rules(&self) {
        self.state.clear_rules();
    }

    /// The rules, with the times they have left.
    pub fn rules(&self) -> Vec<Rule> {
        self.state.rules()
    }

    /// The requests that came in, in order.
    pub fn received(&self) -> Vec<Received> {
        self.state.received()
    }

    /// The requests for lists of models, which are in neither [`received`](Self::received) nor
    /// [`counts`](Self::counts).
    pub fn listed(&self) -> Vec<Received> {
        self.state.listed()
    }

    /// How much each credential was used.
    pub fn counts(&self) -> Vec<Count> {
        self.state.counts()
    }
}

impl Drop for MockProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("State")
    }
}

/// Accepts connections until it is dropped, and they with it.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
                // Out of descriptors, most likely: some are given back soon.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    // A connection that cannot be set so is merely slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| handle(request, Arc::clone(&state)));
    let builder = auto::Builder::new(TokioExecutor::new());
    // A dropped connection is part of the play.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Scripted>, Dropped> {
    let (head, body) = request.into_parts();
    let raw = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    if let Some(path) = head.uri.path().strip_prefix("/_mock/") {
        return Ok(control::answer(&state, &head.method, path, &raw));
    }
    let call = Call::new(head.method, &head.uri, head.headers, raw);
    let (reply, mut ticket) = state.enter(&call, head.version);
    if reply.never_answer {
        let never: Infallible = std::future::pending().await;
        match never {}
    }
    let plan = respond(&call, &reply);
    if !plan.wait.is_zero() {
        tokio::time::sleep(plan.wait).await;
    }
    if reply.close_before_headers {
        ticket.cut();
        return Err(Dropped);
    }
    ticket.tells((plan.status < 400).then_some(plan.tokens));
    let headers = header_map(&plan);
    let mut response = Response::new(Scripted::new(plan.steps, plan.sized, Some(ticket)));
    *response.status_mut() =
        StatusCode::from_u16(plan.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    Ok(response)
}

/// The headers that are well formed.
fn header_map(plan: &Plan) -> HeaderMap {
    plan.headers
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        })
        .collect()
}
