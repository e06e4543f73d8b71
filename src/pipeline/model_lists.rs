//! The providers' own lists of models, fetched beside the requests: at the start, when a provider
//! changes, and once in a while.

use crate::app::App;
use crate::config::Snapshot;
use crate::llm::{Failure, Operation};
use crate::provider::{Endpoint, Key, Provider, authorize, codec, decode_model_list, url_path};
use crate::upstream::{self, Outgoing, UpstreamBody};
use bytes::Bytes;
use hashbrown::HashMap;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// A list is fetched again after this time.
const REFRESH: Duration = Duration::from_secs(3600);
/// After a failure it is this.
const TRY_AGAIN: Duration = Duration::from_secs(300);
/// A provider has this long to answer (as in Bifrost).
const PATIENCE: Duration = Duration::from_secs(15);
/// How long whoever asks for models waits for lists that have not come yet.
const FIRST_LIST: Duration = Duration::from_secs(2);
/// Providers that are asked at the same time at most.
const AT_ONCE: usize = 8;
/// Keys that are tried at most, until one is accepted.
const MOST_KEYS: usize = 3;
/// The largest list that is read, in bytes.
const LARGEST_LIST: usize = 16 * 1024 * 1024;
/// Names that are kept of one provider at most, and how long one may be, in bytes.
const MOST_NAMES: usize = 20_000;
const LONGEST_NAME: usize = 256;

/// What is known of a provider between two lists.
struct Asked {
    asked_as: u64,
    again: Instant,
}

/// Keeps [`App::offers`] up to date until `stop`.
pub async fn follow_model_lists(app: Arc<App>, stop: CancellationToken) {
    let mut versions = app.live.subscribe();
    let mut asked = HashMap::new();
    let mut running = JoinSet::new();
    loop {
        let snapshot = app.live.snapshot();
        app.offers.retain(|name| snapshot.provider(name).is_some());
        asked.retain(|name: &Arc<str>, _| snapshot.provider(name).is_some());
        let next = ask_who_is_due(&app, &snapshot, &mut asked, &mut running);
        drop(snapshot);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = versions.changed() => if changed.is_err() { return },
            Some(done) = running.join_next(), if !running.is_empty() => {
                if let Ok(Some(failed)) = done && let Some(asked) = asked.get_mut(&failed) {
                    asked.again = Instant::now() + TRY_AGAIN;
                }
            }
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// Waits a short while for the providers that have not been asked yet.
pub async fn first_model_lists(app: &App, snapshot: &Snapshot) {
    let mut changes = app.offers.subscribe();
    let asked = |provider: &Arc<Provider>| {
        endpoint(provider).is_none() || app.offers.was_asked(&provider.name, settings(provider))
    };
    let all =
        async { while !snapshot.providers.iter().all(asked) && changes.changed().await.is_ok() {} };
    // Whatever has come by then is what there is.
    let _in_time = timeout(FIRST_LIST, all).await;
}

/// Begins to ask those whose list is missing or old; returns when the next one is due. A task answers
/// with the provider's name when it failed.
fn ask_who_is_due(
    app: &Arc<App>,
    snapshot: &Snapshot,
    asked: &mut HashMap<Arc<str>, Asked>,
    running: &mut JoinSet<Option<Arc<str>>>,
) -> Instant {
    let now = Instant::now();
    let mut next = now + REFRESH;
    for provider in &snapshot.providers {
        let Some(endpoint) = endpoint(provider) else { continue };
        let asked_as = settings(provider);
        let last = asked.get(&provider.name).filter(|asked| asked.asked_as == asked_as);
        match last {
            Some(asked) if asked.again > now => {
                next = next.min(asked.again);
                continue;
            }
            // The end of one that runs comes back here.
            _ if running.len() >= AT_ONCE => continue,
            _ => {}
        }
        asked.insert(provider.name.clone(), Asked { asked_as, again: now + REFRESH });
        let (app, provider) = (app.clone(), provider.clone());
        running.spawn(async move {
            let list = fetch(&provider, endpoint).await;
            if let Err(failure) = &list {
                tracing::info!(provider = &*provider.name, "no list of models: {failure}");
            }
            let failed = list.is_err().then(|| provider.name.clone());
            app.offers.answered(&provider.name, asked_as, list.ok());
            failed
        });
    }
    next
}

/// Where `provider` lists its models, if it does, may be asked to, and could be asked now.
fn endpoint(provider: &Provider) -> Option<&'static Endpoint> {
    let operation = Operation::ListModels;
    let allowed = provider.allowed_operations.as_ref();
    let allowed = allowed.is_none_or(|operations| operations.contains(&operation));
    let open = provider.keyless || provider.keys.iter().any(|key| key.enabled);
    provider.spec.endpoint(operation).filter(|_| allowed && open)
}

/// Names what the answer depends on.
fn settings(provider: &Provider) -> u64 {
    let keys: Vec<_> = (provider.keys.iter().filter(|key| key.enabled))
        .map(|key| (&*key.id, key.value.expose()))
        .collect();
    let network = &provider.network;
    let headers: Vec<_> = (network.extra_headers.iter())
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let path = provider.path_overrides.get(&Operation::ListModels);
    foldhash::fast::FixedState::default().hash_one((
        &provider.base_url,
        path,
        keys,
        headers,
        network.insecure_skip_verify,
        &network.ca_certificate,
    ))
}

async fn fetch(
    provider: &Provider,
    endpoint: &'static Endpoint,
) -> Result<BTreeSet<Box<str>>, Failure> {
    let keys = provider.keys.iter().filter(|key| key.enabled).take(MOST_KEYS);
    let mut keys: Vec<Option<&Arc<Key>>> = keys.map(Some).collect();
    if keys.is_empty() {
        keys.push(None);
    }
    let mut last = Failure::bad_response("it lists nothing");
    for key in keys {
        match timeout(PATIENCE, fetch_with(provider, endpoint, key)).await {
            Ok(Ok(names)) => return Ok(names),
            Ok(Err(failure)) => last = failure,
            Err(_) => return Err(upstream::timed_out(provider, "no list of models", PATIENCE)),
        }
    }
    Err(last)
}

async fn fetch_with(
    provider: &Provider,
    endpoint: &'static Endpoint,
    key: Option<&Arc<Key>>,
) -> Result<BTreeSet<Box<str>>, Failure> {
    let build = || {
        let mut headers: HeaderMap = provider.network.extra_headers.iter().cloned().collect();
        upstream::mark_hop(&HeaderMap::new(), &mut headers);
        authorize(provider.spec.auth, key.map(|key| &key.value), &mut headers);
        let url = url_path(provider, endpoint, "", false);
        Outgoing { method: Method::GET, url, headers, body: Bytes::new() }
    };
    let response = upstream::send(provider, Instant::now(), PATIENCE, build).await?;
    let (parts, body) = response.into_parts();
    let body = read(body).await?;
    if !parts.status.is_success() {
        let status = parts.status.as_u16();
        return Err(codec(endpoint.wire).decode_failure(status, &parts.headers, &body));
    }
    let names = decode_model_list(endpoint.wire, &body).into_iter();
    let names = names.filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME);
    let names: BTreeSet<Box<str>> = names.take(MOST_NAMES).map(Into::into).collect();
    match names.is_empty() {
        true => Err(Failure::bad_response("it lists nothing")),
        false => Ok(names),
    }
}

async fn read(body: UpstreamBody) -> Result<Bytes, Failure> {
    let read = Limited::new(body, LARGEST_LIST).collect().await;
    read.map(|body| body.to_bytes()).map_err(|error| Failure::bad_response(error.to_string()))
}
