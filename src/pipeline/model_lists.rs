//! The providers' own lists of models, fetched beside the requests: at the start, when a provider
//! changes, and once in a while.

use crate::app::App;
use crate::config::Snapshot;
use crate::llm::{Failure, Operation};
use crate::provider::{Endpoint, Key, Provider, authorize, codec, decode_model_list, url_path};
use crate::route::Offers;
use crate::upstream::{self, Limit, Outgoing, UpstreamBody};
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
    /// Tells this question from those before; an answer to one of them comes too late.
    number: u64,
    again: Instant,
}

/// How a question ended.
struct Answered {
    provider: Arc<str>,
    number: u64,
    list: Result<BTreeSet<Box<str>>, Failure>,
}

type Questions = HashMap<Arc<str>, Asked>;

/// Keeps [`App::offers`] up to date until `stop`.
pub async fn follow_model_lists(app: Arc<App>, stop: CancellationToken) {
    let mut versions = app.live.subscribe();
    let mut asked = Questions::new();
    let mut number = 0;
    let mut running = JoinSet::new();
    loop {
        let snapshot = app.live.snapshot();
        app.offers.retain(|name| snapshot.provider(name).is_some());
        asked.retain(|name, _| snapshot.provider(name).is_some());
        let next = ask_who_is_due(&snapshot, &mut asked, &mut number, &mut running);
        drop(snapshot);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = versions.changed() => if changed.is_err() { return },
            Some(done) = running.join_next(), if !running.is_empty() => {
                if let Ok(answered) = done {
                    take_over(&app.offers, &mut asked, answered);
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

/// Takes over the answer to the last question to a provider, and no other: the settings, and with
/// them the models, may have changed since an earlier one.
fn take_over(offers: &Offers, asked: &mut Questions, answered: Answered) {
    let Answered { provider, number, list } = answered;
    let Some(asked) = asked.get_mut(&provider).filter(|asked| asked.number == number) else {
        return;
    };
    if let Err(failure) = &list {
        tracing::info!(provider = &*provider, "no list of models: {failure}");
        asked.again = Instant::now() + TRY_AGAIN;
    }
    offers.answered(&provider, asked.asked_as, list.ok());
}

/// Begins to ask those whose list is missing or old; returns when the next one is due. `number` is
/// the last question's.
fn ask_who_is_due(
    snapshot: &Snapshot,
    asked: &mut Questions,
    number: &mut u64,
    running: &mut JoinSet<Answered>,
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
        *number += 1;
        let (number, provider) = (*number, provider.clone());
        asked.insert(provider.name.clone(), Asked { asked_as, number, again: now + REFRESH });
        running.spawn(async move {
            let list = fetch(&provider, endpoint).await;
            Answered { provider: provider.name.clone(), number, list }
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
    let limit = Limit { within: PATIENCE, what: "no list of models" };
    let response = upstream::send(provider, Instant::now(), limit, build).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_question_counts() {
        let offers = Offers::default();
        let provider: Arc<str> = "vllm".into();
        let later = Instant::now() + REFRESH;
        let mut asked = Questions::new();
        asked.insert(provider.clone(), Asked { asked_as: 7, number: 2, again: later });
        let answered = |number, list| Answered { provider: provider.clone(), number, list };
        let list = |name: &str| Ok([Box::from(name)].into());
        take_over(&offers, &mut asked, answered(2, list("new")));
        take_over(&offers, &mut asked, answered(1, list("old")));
        assert!(offers.list("vllm", "new") && !offers.list("vllm", "old"));
        take_over(&offers, &mut asked, answered(1, Err(Failure::bad_response("too late"))));
        assert!(offers.was_asked("vllm", 7) && asked["vllm"].again == later);
        take_over(&offers, &mut asked, answered(2, Err(Failure::bad_response("down"))));
        assert!(offers.list("vllm", "new") && asked["vllm"].again < later);
        // A provider that is gone stays gone.
        asked.clear();
        offers.retain(|_| false);
        take_over(&offers, &mut asked, answered(2, list("new")));
        assert!(offers.models("vllm").is_empty());
    }
}
