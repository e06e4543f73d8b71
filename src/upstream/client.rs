//! Pooled connections to providers.
//!
//! Pools live per thread, because every thread runs its own event loop and a connection belongs to
//! the loop that opened it; they are keyed by how to connect, so that a change of the configuration
//! that does not touch the connection keeps them.

use super::body::UpstreamBody;
use super::pool::{Connector, Lost, NoConnection, Origin};
use super::tls::tls_config;
use crate::llm::{Failure, FailureKind, Source};
use crate::provider::{Network, Provider, Proxy};
use bytes::Bytes;
use hashbrown::HashMap;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use std::cell::RefCell;
use std::error::Error;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A request that is ready to go.
#[derive(Debug)]
pub struct Outgoing {
    /// `POST`, or `GET` for lists.
    pub method: Method,
    /// Absolute.
    pub url: String,
    /// Everything but `host` and `content-length`.
    pub headers: HeaderMap,
    /// The body; empty for `GET`.
    pub body: Bytes,
}

/// Unused connections of a proxied provider are closed after this time, before most load balancers
/// do (60 s and more).
const IDLE_CONNECTION: Duration = Duration::from_secs(55);
/// URLs whose parts are remembered; models in paths make many of them.
const MOST_DESTINATIONS: usize = 1000;

/// The body of a request to a provider.
pub(super) type RequestBody = Full<Bytes>;

#[derive(Clone)]
enum Pool {
    Direct(Arc<Direct>),
    Proxied(reqwest::Client),
}

/// Connections without a proxy between, for one way of connecting.
struct Direct {
    connector: Connector,
    network: Network,
    places: Mutex<Places>,
}

/// Where URLs lead.
#[derive(Default)]
struct Places {
    /// By scheme and authority.
    origins: HashMap<String, Arc<Origin>>,
    /// By URL.
    destinations: HashMap<String, Arc<Destination>, foldhash::fast::RandomState>,
}

/// A URL in the parts that a request needs.
struct Destination {
    origin: Arc<Origin>,
    path: Uri,
    absolute: Uri,
}

thread_local! {
    static POOLS: RefCell<HashMap<u64, Pool>> = RefCell::default();
}

/// A time-out and what does not come within it.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// From the beginning of the attempt.
    pub within: Duration,
    /// In words, such as `no answer`.
    pub what: &'static str,
}

impl Limit {
    /// The first of the provider's time-outs that may pass before an answer's headers have come.
    pub fn of_headers(network: &Network, stream: bool) -> Self {
        let limit = |what, within| Limit { within, what };
        let (headers, others) = match stream {
            false => (
                network.header_timeout,
                [Some(limit("no complete answer", network.total_timeout)), None],
            ),
            true => {
                let first_token = limit("no content", network.first_token_timeout);
                let total = network.stream_total_timeout;
                let total = total.map(|total| limit("no complete stream", total));
                (network.stream_header_timeout, [Some(first_token), total])
            }
        };
        let headers = limit("no answer", headers);
        let sooner = |first: Limit, other: Limit| match other.within < first.within {
            true => other,
            false => first,
        };
        others.into_iter().flatten().fold(headers, sooner)
    }
}

/// Sends the request that `build` makes and waits for the headers of the answer, for `limit` since
/// `started` at most. `build` is called again when the request has to be sent again, because a
/// connection that had been used before was closed before any of the answer came.
///
/// # Errors
/// `Connect` when no connection could be made or it broke, `Timeout` when the headers do not come in
/// time.
pub async fn send(
    provider: &Provider,
    started: Instant,
    limit: Limit,
    build: impl Fn() -> Outgoing,
) -> Result<Response<UpstreamBody>, Failure> {
    let pool = pool(&provider.network)?;
    let answer = async {
        match pool {
            Pool::Direct(client) => send_direct(&client, provider, &build).await,
            // Boxed: a request without a proxy must not carry the state of one with.
            Pool::Proxied(client) => Box::pin(send_proxied(&client, provider, build())).await,
        }
    };
    match tokio::time::timeout_at(started + limit.within, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(timed_out(provider, limit.what, limit.within)),
    }
}

/// A time-out of `provider`, in words.
pub fn timed_out(provider: &Provider, what: &str, after: Duration) -> Failure {
    let message = format!("{} timed out: {what} within {} s", provider.name, after.as_secs_f64());
    Failure::new(Source::Upstream, FailureKind::Timeout, message).with_code("request_timed_out")
}

async fn send_direct(
    direct: &Direct,
    provider: &Provider,
    build: &impl Fn() -> Outgoing,
) -> Result<Response<UpstreamBody>, Failure> {
    let mut fresh = false;
    loop {
        let outgoing = build();
        let destination = direct.destination(provider, &outgoing.url)?;
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.headers_mut() = outgoing.headers;
        let Destination { origin, path, absolute } = &*destination;
        match origin.send(&direct.connector, request, (path, absolute), fresh).await {
            Ok((answer, loan)) => return Ok(answer.map(|body| UpstreamBody::direct(body, loan))),
            // A new connection is never stale, so that this happens once.
            Err(Lost::Stale) => fresh = true,
            Err(Lost::Broken(error)) => return Err(broken(provider, &*error)),
        }
    }
}

impl Direct {
    fn destination(&self, provider: &Provider, url: &str) -> Result<Arc<Destination>, Failure> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(destination) = places.destinations.get(url) {
            return Ok(destination.clone());
        }
        let absolute = Uri::try_from(url).map_err(|error| bad_url(provider, &error))?;
        let no_host = || bad_url(provider, &"it names no host");
        let (Some(scheme), Some(authority)) = (absolute.scheme_str(), absolute.authority()) else {
            return Err(no_host());
        };
        let address = format!("{scheme}://{authority}");
        let origin = match places.origins.get(&address) {
            Some(origin) => origin.clone(),
            None => {
                let origin = Origin::new(&absolute, &self.network).ok_or_else(no_host)?;
                places.origins.insert(address, origin.clone());
                origin
            }
        };
        let path = absolute.path_and_query().map_or("/", |path| path.as_str());
        let path = Uri::try_from(path).map_err(|error| bad_url(provider, &error))?;
        let destination = Arc::new(Destination { origin, path, absolute });
        if places.destinations.len() >= MOST_DESTINATIONS {
            places.destinations.clear();
        }
        places.destinations.insert(url.to_owned(), destination.clone());
        Ok(destination)
    }
}

async fn send_proxied(
    client: &reqwest::Client,
    provider: &Provider,
    outgoing: Outgoing,
) -> Result<Response<UpstreamBody>, Failure> {
    let request = client.request(outgoing.method, &outgoing.url).headers(outgoing.headers);
    let answer = request.body(outgoing.body).send().await;
    let answer = answer.map_err(|error| broken(provider, &error.without_url()))?;
    Ok(Response::from(answer).map(UpstreamBody::proxied))
}

fn pool(network: &Network) -> Result<Pool, Failure> {
    let key = pool_key(network);
    if let Some(pool) = POOLS.with_borrow(|pools| pools.get(&key).cloned()) {
        return Ok(pool);
    }
    let pool = match &network.proxy {
        None => Pool::Direct(Arc::new(direct(network)?)),
        Some(proxy) => Pool::Proxied(proxied(network, proxy)?),
    };
    POOLS.with_borrow_mut(|pools| pools.insert(key, pool.clone()));
    Ok(pool)
}

/// What decides how a connection is made.
fn pool_key(network: &Network) -> u64 {
    let proxy = match &network.proxy {
        None => ("", ""),
        Some(Proxy::Environment) => ("environment", ""),
        Some(Proxy::Url(url)) => ("url", url.expose()),
    };
    foldhash::fast::FixedState::default().hash_one((
        network.connect_timeout,
        network.max_connections,
        network.insecure_skip_verify,
        &network.ca_certificate,
        network.http2_only,
        proxy,
    ))
}

fn direct(network: &Network) -> Result<Direct, Failure> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(Duration::from_secs(60)));
    connector.set_connect_timeout(Some(network.connect_timeout));
    let builder =
        HttpsConnectorBuilder::new().with_tls_config(tls_config(network)?).https_or_http();
    let connector = match network.http2_only {
        true => builder.enable_http2().wrap_connector(connector),
        false => builder.enable_http1().wrap_connector(connector),
    };
    Ok(Direct { connector, network: network.clone(), places: Mutex::default() })
}

fn proxied(network: &Network, proxy: &Proxy) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(network.connect_timeout)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(network.max_connections)
        .tcp_nodelay(true)
        // A redirect would carry the provider's key to wherever it points.
        .redirect(reqwest::redirect::Policy::none())
        .danger_accept_invalid_certs(network.insecure_skip_verify);
    builder = match network.http2_only {
        true => builder.http2_prior_knowledge(),
        false => builder.http1_only(),
    };
    if let Some(pem) = &network.ca_certificate {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes());
        builder = builder.add_root_certificate(certificate.map_err(|e| misconfigured(&e))?);
    }
    if let Proxy::Url(url) = proxy {
        let proxy = reqwest::Proxy::all(url.expose()).map_err(|error| misconfigured(&error))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| misconfigured(&error))
}

pub(super) fn misconfigured(error: &dyn Error) -> Failure {
    let message = format!("the provider's network settings cannot be used: {error}");
    Failure::new(Source::Gateway, FailureKind::Internal, message)
}

fn bad_url(provider: &Provider, error: &dyn std::fmt::Display) -> Failure {
    let message = format!("{}: its base_url makes no valid URL: {error}", provider.name);
    Failure::new(Source::Gateway, FailureKind::Internal, message)
}

/// A connection that could not be made or broke, with the innermost cause, which names the reason.
fn broken(provider: &Provider, error: &(dyn Error + 'static)) -> Failure {
    let no_connection = error.is::<NoConnection>();
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let message = format!("{} could not be reached: {cause}", provider.name);
    let failure = Failure::new(Source::Upstream, FailureKind::Connect, message);
    match no_connection {
        true => failure.with_status(504).with_code("request_timed_out"),
        false => failure,
    }
}
