//! The loop over targets, keys and retries.

use super::backoff::pause;
use super::cache_note::{CacheNote, MISS};
use super::cached::{Caching, Hit, Start};
use super::call::{Call, Purpose};
use super::extra_fields::extra_fields;
use super::pin::{Pinned, pinned};
use super::plan::make_plan;
use super::price::{facts_of, require_price};
use super::record::{Progress, Recorder};
use super::redact::redact;
use super::refusal::{no_key, refused};
use super::replay::replayed;
use super::stream::{StreamReply, Upstream};
use super::translate::{Decoded, Passage, request_body, response_body, with_extra_fields};
use super::{Reply, ReplyBody};
use crate::app::App;
use crate::config::pricing::ModelFacts;
use crate::config::{MeterSpec, Unit};
use crate::govern::{Estimate, Ticket, cost_of};
use crate::llm::{Failure, FailureKind, Retry, Source, Usage, Wire};
use crate::provider::{AccessList, Key, Secret, authorize, codec, url_path};
use crate::route::{InFlight, LeftOut, NoKey, ProviderState, Target, draw_key};
use crate::telemetry::AttemptRow;
use crate::upstream::{self, Limit, Outgoing, Permit, answer_headers, read_all};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, header};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// An answer that has been found, before the books are closed.
pub(super) struct Answer {
    target: Target,
    done: Done,
    /// Kept to the end of a stream; a full answer has been read already, a kept one needs none.
    places: Option<(Permit, InFlight)>,
    cache: Start,
}

/// What one attempt brought.
struct Done {
    headers: HeaderMap,
    raw_request: Option<Box<RawValue>>,
    content: Content,
}

enum Content {
    Full {
        body: Bytes,
        used: Progress,
        raw_response: Option<Box<RawValue>>,
    },
    Stream(Box<Upstream>),
    /// Nobody was asked.
    Kept(Box<Hit>),
}

/// How long a key rests after a rate limit that does not say how long.
const REST: Duration = Duration::from_secs(1);
/// How long one key of several rests after its provider refused it (401, 402).
const REST_REFUSED: Duration = Duration::from_secs(30);
/// How long the rest of an answer to a streamed request may take that is no stream, such as an error.
const NO_STREAM: Duration = Duration::from_secs(10);

/// Tries the targets in order until one answers.
///
/// # Errors
/// The first target's failure when all have failed; at once when nothing else can be tried.
pub(super) async fn run(
    app: &Arc<App>,
    call: &Call,
    recorder: &mut Recorder,
) -> Result<Answer, Failure> {
    let plan = make_plan(app, call)?;
    let decoded = Decoded::default();
    let mut cache = match plan.targets.first() {
        Some(target) => Start::of(app, call, &decoded, target),
        None => Start::Off,
    };
    let mut first: Option<Failure> = None;
    let last = plan.targets.len().saturating_sub(1);
    for (index, target) in plan.targets.into_iter().enumerate() {
        let attempt = Attempt { app, call, target: &target, index, is_last: index == last };
        let attempts = recorder.attempts();
        let failure = match attempt.run(&decoded, &mut cache, recorder).await {
            Ok((done, places)) => return Ok(Answer { target, done, places, cache }),
            Err(failure) => failure,
        };
        if let Start::On(caching) = &mut cache {
            caching.give_up();
        }
        let stop = failure.retry == Retry::Never;
        if !stop && recorder.attempts() == attempts {
            attempt.skipped(&failure, recorder);
        }
        // The first failure is what the client asked about; a shorter wait elsewhere still helps.
        let wait = failure.retry_after;
        let first = first.get_or_insert(failure);
        if first.status == 429 && wait.is_some() {
            first.retry_after = first.retry_after.min(wait).or(wait);
        }
        if stop {
            break;
        }
    }
    Err(first.unwrap_or_else(|| Failure::new(Source::Gateway, FailureKind::Internal, "empty plan")))
}

/// One target with its keys and retries.
struct Attempt<'a> {
    app: &'a Arc<App>,
    call: &'a Call,
    target: &'a Target,
    index: usize,
    is_last: bool,
}

impl Attempt<'_> {
    async fn run(
        &self,
        decoded: &Decoded,
        cache: &mut Start,
        recorder: &mut Recorder,
    ) -> Result<(Done, Option<(Permit, InFlight)>), Failure> {
        let (ticket, series, facts) = self.admit().await?;
        if let Start::On(caching) = cache {
            if self.index > 0 && !caching.turn_to(self.app, self.call, decoded, self.target) {
                *cache = Start::Off;
            } else if let Some(hit) = self.kept(caching).await {
                recorder.serve(ticket, series, facts, false);
                return Ok((Done::kept(hit), None));
            }
            recorder.missed();
        }
        let body = request_body(self.call, self.target, decoded)?;
        let provider = &self.target.provider;
        let at_once = self.call.snapshot.client.drop_excess_requests;
        let patience = self.headers_within().within;
        let permit = self.app.limits.enter(provider, at_once, patience).await?;
        let health = self.app.health.provider(&provider.name);
        let in_flight = health.enter();
        let mut tried: SmallVec<[Arc<str>; 4]> = SmallVec::new();
        let mut retries = 0;
        let mut key = self.key(&tried, &health)?;
        loop {
            let started = Instant::now();
            let gone = Some(FailureKind::Cancelled.as_str());
            recorder.ask(self.row(key.as_ref(), 499, gone), started);
            let result = self.once(key.as_ref(), body.clone(), decoded, started).await;
            let result = result.map_err(|failure| redact(failure, provider, key.as_deref()));
            self.note(key.as_ref(), result.as_ref().err(), &health, recorder);
            let failure = match result {
                Ok(done) => {
                    let reports_cost = provider.spec.quirks.reports_cost;
                    recorder.serve(ticket, series, facts, reports_cost);
                    return Ok((done, Some((permit, in_flight))));
                }
                Err(failure) => failure,
            };
            key = match failure.retry {
                Retry::OtherKey => {
                    tried.extend(key.as_ref().map(|key| key.id.clone()));
                    match self.key(&tried, &health) {
                        Ok(key) => key,
                        Err(_) if self.may_wait(&failure, retries) => {
                            retries += 1;
                            self.rest(&failure, retries).await;
                            tried.clear();
                            self.key(&tried, &health)?
                        }
                        Err(_) => return Err(failure),
                    }
                }
                Retry::SameKey if retries < provider.network.max_retries => {
                    retries += 1;
                    self.rest(&failure, retries).await;
                    key
                }
                _ => return Err(failure),
            };
        }
    }

    /// An answer that is known already. Boxed: most requests need not wait for the cache.
    async fn kept(&self, caching: &mut Caching) -> Option<Hit> {
        if let Some(found) = caching.look_up_at_once(self.app, self.call) {
            return found;
        }
        let patience = self.target.provider.network.total_timeout;
        Box::pin(caching.look_up(self.app, self.call, patience)).await
    }

    /// Reserves what the request will probably use.
    async fn admit(&self) -> Result<(Ticket, u64, Option<Arc<ModelFacts>>), Failure> {
        let virtual_key = self.call.caller.virtual_key.as_ref();
        let model = &*self.target.model;
        let name = &*self.target.provider.name;
        let key_id = virtual_key.map_or("", |key| &*key.id);
        let series = self.app.ledger.learned.series(key_id, name, model);
        let meters: &[MeterSpec] = match (virtual_key, self.target.binding(virtual_key)) {
            (_, Some(binding)) => &binding.meters,
            (Some(key), None) => &key.meters,
            (None, None) => &[],
        };
        let facts = facts_of(&self.call.snapshot, self.target);
        let prices = facts.and_then(|facts| facts.prices.as_ref());
        let own: SmallVec<[MeterSpec; 0]>;
        let meters = match self.call.purpose {
            Purpose::Client => {
                require_price(self.target, facts, meters)?;
                meters
            }
            // The caller has made one request and used no tokens of these: it pays, no more.
            Purpose::Cache => {
                own = meters.iter().filter(|meter| meter.unit == Unit::Cost).cloned().collect();
                &own[..]
            }
        };
        let request = &self.call.request;
        let estimate = || {
            let bytes = request.body().len();
            let model_max = facts.and_then(|facts| facts.max_output_tokens);
            // What is learned and what bounds is one answer's.
            let choices = request.choices();
            let bound = match self.call.operation {
                crate::llm::Operation::Chat => request.max_tokens(),
                _ => Some(0),
            };
            let (input, output) = self.app.ledger.learned.tokens(series, bytes, bound, model_max);
            let output = output.saturating_mul(choices);
            let usage = Usage { input, output, ..Usage::default() };
            let cost = prices.map_or(0, |prices| cost_of(&usage, prices).0);
            Estimate { cost, tokens: i64::try_from(usage.total()).unwrap_or(i64::MAX) }
        };
        let patience = match self.call.purpose {
            Purpose::Client => self.call.snapshot.client.budget_wait_ms,
            // The request that asks for it holds a part of the same budget and waits for this.
            Purpose::Cache => 0,
        };
        let patience = Duration::from_millis(patience.into());
        let ticket = self.app.ledger.admit_or_wait(meters, patience, estimate, || self.app.now());
        match ticket.await {
            Ok(ticket) => Ok((ticket, series, facts.cloned())),
            Err(refusal) => Err(refused(&refusal, self.app.now())),
        }
    }

    fn key(&self, tried: &[Arc<str>], health: &ProviderState) -> Result<Option<Arc<Key>>, Failure> {
        let target = self.target;
        if let Some(key) = &self.call.caller.direct_key {
            return match tried.is_empty() {
                true => Ok(Some(Arc::new(direct_key(key)))),
                false => Err(no_key(target, &NoKey::AllTried, 0)),
            };
        }
        let now_ms = self.app.now_ms();
        if self.index == 0 {
            match pinned(self.call, target, tried, health, now_ms) {
                Ok(None) => {}
                Ok(key) => return Ok(key),
                Err(Pinned::NoKey(reason)) => return Err(no_key(target, &reason, now_ms)),
                Err(Pinned::Failed(failure)) => return Err(*failure),
            }
        }
        let binding = target.binding(self.call.caller.virtual_key.as_ref());
        draw_key(&target.provider, &target.model, binding, tried, health, now_ms, &mut rand::rng())
            .map_err(|reason| no_key(target, &reason, now_ms))
    }

    /// Sends the request once and reads the answer: all of it, or a stream to its first content.
    async fn once(
        &self,
        key: Option<&Arc<Key>>,
        body: Bytes,
        decoded: &Decoded,
        started: Instant,
    ) -> Result<Done, Failure> {
        let provider = &self.target.provider;
        let build = || self.outgoing(key, body.clone());
        let response = upstream::send(provider, started, self.headers_within(), build).await?;
        let (parts, upstream_body) = response.into_parts();
        let (since, limit) = match self.call.request.stream() {
            true => (Instant::now(), NO_STREAM),
            false => (started, provider.network.total_timeout),
        };
        let wire = self.target.endpoint.wire;
        if !parts.status.is_success() {
            let body = read_all(provider, upstream_body, since, limit).await.unwrap_or_default();
            return Err(self.failure(parts.status.as_u16(), &parts.headers, body));
        }
        // With room for the gateway's own.
        let mut headers = HeaderMap::with_capacity(parts.headers.len() + 8);
        answer_headers(&parts.headers, &mut headers);
        let raw_request = provider.send_back_raw_request.then(|| raw_value(&body)).flatten();
        let wants_raw = provider.send_back_raw_response || self.call.wants_raw_response();
        if self.call.request.stream() && is_event_stream(&parts.headers) {
            let passage = Passage::new(self.call, wire, wants_raw);
            let deadline = provider.network.stream_total_timeout.map(|limit| started + limit);
            let out = BytesMut::new();
            let mut upstream = Box::new(Upstream { body: upstream_body, passage, out, deadline });
            upstream.commit(provider, started).await?;
            let content = Content::Stream(upstream);
            return Ok(Done { headers, raw_request, content });
        }
        let bytes = read_all(provider, upstream_body, since, limit).await?;
        if self.call.request.stream() {
            return Err(not_a_stream(self.target));
        }
        let raw_response = wants_raw.then(|| raw_value(&bytes)).flatten();
        let (body, used) = response_body(self.call, wire, decoded, bytes)?;
        let content = Content::Full { body, used, raw_response };
        Ok(Done { headers, raw_request, content })
    }

    fn headers_within(&self) -> Limit {
        Limit::of_headers(&self.target.provider.network, self.call.request.stream())
    }

    fn outgoing(&self, key: Option<&Arc<Key>>, body: Bytes) -> Outgoing {
        let provider = &self.target.provider;
        let endpoint = self.target.endpoint;
        let stream = self.call.request.stream();
        let mut url = url_path(provider, endpoint, &self.target.model, stream);
        let mut headers = HeaderMap::with_capacity(self.call.headers.len() + 4);
        let client = &self.call.headers;
        let filter = &self.call.snapshot.header_filter;
        let same_format = endpoint.wire == Wire::OpenaiChat;
        upstream::copy_client_headers(client, same_format, filter, &mut headers);
        if same_format && let Some(query) = &self.call.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(query);
        }
        for (name, value) in &provider.network.extra_headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        upstream::forward_extra_headers(client, filter, &mut headers);
        upstream::mark_hop(client, &mut headers);
        headers.insert(header::CONTENT_TYPE, upstream::json());
        authorize(provider.spec.auth, key.map(|key| &key.value), &mut headers);
        Outgoing { method: Method::POST, url, headers, body }
    }

    fn failure(&self, status: u16, headers: &HeaderMap, body: Bytes) -> Failure {
        let mut failure = codec(self.target.endpoint.wire).decode_failure(status, headers, &body);
        if failure.retry == Retry::Never {
            // Another provider may well serve what this one refuses.
            failure.retry = Retry::OtherTarget;
        }
        failure.body = Some(body);
        let mut crossing = HeaderMap::new();
        answer_headers(headers, &mut crossing);
        failure.headers = Some(Box::new(crossing));
        failure
    }

    /// Writes an attempt down and lets a key rest that needs it.
    fn note(
        &self,
        key: Option<&Arc<Key>>,
        failure: Option<&Failure>,
        health: &ProviderState,
        recorder: &mut Recorder,
    ) {
        let id = key.map(|key| &key.id);
        match failure {
            Some(failure) if failure.source == Source::Upstream && is_their_fault(failure.kind) => {
                health.failed(id, failure.to_string());
                if let Some(rest) = self.rest_of(failure) {
                    let rest = i64::try_from(rest.as_millis()).unwrap_or(i64::MAX);
                    let until_ms = self.app.now_ms().saturating_add(rest);
                    health.rest(key.map(|key| &**key), until_ms, failure.kind);
                }
            }
            _ => health.succeeded(id),
        }
        recorder.told(
            failure.map_or(200, |failure| failure.status),
            failure.map(|failure| failure.kind.as_str()),
        );
    }

    /// Writes down that the target was passed over, and why.
    fn skipped(&self, failure: &Failure, recorder: &mut Recorder) {
        recorder.skip(self.row(None, 0, Some(failure.kind.as_str())));
        self.app.decisions.leave_out(
            &self.call.decision_id,
            LeftOut {
                provider: self.target.provider.name.clone(),
                model: Some(self.target.model.to_string()),
                reason: failure.message.clone(),
            },
        );
    }

    fn row(
        &self,
        key: Option<&Arc<Key>>,
        status: u16,
        failure: Option<&'static str>,
    ) -> AttemptRow {
        AttemptRow {
            provider: self.target.provider.name.clone(),
            key: key.map_or_else(Default::default, |key| (key.id.clone(), key.name.clone())),
            model: self.target.model.clone(),
            fallback_index: u32::try_from(self.index).unwrap_or(u32::MAX),
            latency_us: 0,
            status,
            failure,
        }
    }

    fn rest_of(&self, failure: &Failure) -> Option<Duration> {
        let several = self.target.provider.keys.iter().filter(|key| key.enabled).count() > 1;
        match failure.kind {
            FailureKind::RateLimit => Some(failure.retry_after.unwrap_or(REST)),
            FailureKind::Overloaded => failure.retry_after,
            // A 403 is often about the model alone: the key may serve others.
            FailureKind::Authentication | FailureKind::Quota if several => {
                Some(failure.retry_after.unwrap_or(REST_REFUSED))
            }
            _ => None,
        }
    }

    /// Whether waiting for the keys is worth it: only where nobody else could answer, while
    /// retries are left, and not longer than the longest pause.
    fn may_wait(&self, failure: &Failure, retries: u32) -> bool {
        let network = &self.target.provider.network;
        let wait = failure.retry_after.unwrap_or(REST);
        failure.kind == FailureKind::RateLimit
            && self.is_last
            && retries < network.max_retries
            && wait <= network.backoff_max
    }

    async fn rest(&self, failure: &Failure, retry: u32) {
        let pause = pause(&self.target.provider.network, retry, &mut rand::rng());
        // A few milliseconds more, so that the key is awake when it is asked for.
        let asked = match failure.kind {
            FailureKind::RateLimit => failure.retry_after.unwrap_or(REST),
            _ => failure
                .retry_after
                .unwrap_or_default()
                .min(self.target.provider.network.backoff_max),
        };
        tokio::time::sleep(pause.max(asked + Duration::from_millis(5))).await;
    }
}

impl Done {
    fn kept(hit: Hit) -> Self {
        let content = Content::Kept(Box::new(hit));
        Done { headers: HeaderMap::new(), raw_request: None, content }
    }
}

impl Answer {
    /// Closes the books of a full answer, or hands them to the stream.
    pub(super) fn finish(self, call: &Arc<Call>, recorder: Recorder) -> Reply {
        let mut trail = recorder.trail();
        let Done { headers, raw_request, content } = self.done;
        let app = recorder.shared_app();
        let (caching, mut cache_status) = match self.cache {
            Start::Off => (None, None),
            Start::Past(reason) => (None, CacheNote::past(reason)),
            Start::On(caching) => {
                let status = caching.note().map_or(Some(MISS), |note| note.status(None, 0));
                (Some(caching), status)
            }
        };
        let body = match content {
            Content::Full { body, used, raw_response } => {
                let mut outcome = recorder.answered(used);
                outcome.raw_request = raw_request;
                outcome.raw_response = raw_response;
                outcome.cache_debug = caching.as_ref().and_then(|it| it.note()?.debug(None));
                let extra_fields = extra_fields(call, &outcome, &headers);
                if let Some(mut caching) = caching {
                    caching.keep(&app, call, &body, &outcome);
                }
                ReplyBody::Full(with_extra_fields(body, &extra_fields))
            }
            Content::Stream(upstream) => {
                let mut stream = StreamReply::new(
                    *upstream,
                    call.clone(),
                    self.target.provider.clone(),
                    headers.clone(),
                    raw_request,
                    recorder,
                );
                if let Some(caching) = caching {
                    stream.keep(caching);
                }
                stream.places = self.places;
                ReplyBody::Stream(Box::new(stream))
            }
            Content::Kept(hit) => {
                trail.provider = Some(hit.entry.provider.clone());
                trail.model = Some(hit.entry.model.clone());
                cache_status = hit.note.status(Some(&hit.entry), app.now_ms());
                let asked = (&*self.target.provider.name, &*self.target.model);
                let mut outcome = recorder.kept(&hit.entry, hit.note.is_semantic());
                outcome.trail = trail.clone();
                outcome.cache_debug = hit.note.debug(Some(asked));
                let extra_fields = extra_fields(call, &outcome, &headers);
                replayed(call, &hit.entry, &extra_fields)
            }
        };
        Reply { trail, headers, body, cache_status }
    }
}

/// A key that the client brought itself.
fn direct_key(value: &str) -> Key {
    Key {
        id: "header-provided".into(),
        name: "header-provided".into(),
        value: Secret::new(value),
        models: AccessList::Unrestricted,
        blacklisted_models: Vec::new(),
        weight: 1.0,
        enabled: true,
    }
}

fn is_their_fault(kind: FailureKind) -> bool {
    !matches!(
        kind,
        FailureKind::InvalidRequest
            | FailureKind::RequestTooLarge
            | FailureKind::NotFound
            | FailureKind::UnsupportedOperation
    )
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.trim_start().starts_with("text/event-stream"))
}

fn raw_value(bytes: &Bytes) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(bytes).ok()?;
    RawValue::from_string(text.to_owned()).ok()
}

fn not_a_stream(target: &Target) -> Failure {
    let message =
        format!("{} answered a streaming request with something else", target.provider.name);
    Failure::bad_response(message).with_code("invalid_upstream_response")
}
