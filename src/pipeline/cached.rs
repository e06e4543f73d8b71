//! The cache in the life of a request: what is looked for before a provider is asked, and what is kept
//! of its answer.
//!
//! Similarity only finds candidates. What is served has passed the hard filters (they are the place of
//! an entry), the guard, and either the threshold or the judge.

use super::cache_note::CacheNote;
use super::call::{Call, Purpose};
use super::inner;
use super::record::Outcome;
use super::translate::{CLIENT, Decoded};
use crate::app::App;
use crate::cache::{
    Bypass, Embedder, Entry, Grade, LARGEST, Leader, Place, Policy, Role, Subject, guard, may_keep,
    question_for_judge, verdict_of,
};
use crate::config::cache::{CacheMode, HitCost};
use crate::dialect::sse::FrameReader;
use crate::dialect::{ClientDialect, Dialect};
use crate::llm::{Accumulator, Cost, Part, Request, Response};
use crate::route::Target;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Candidates that are looked at.
const CANDIDATES: usize = 5;
/// Candidates for which the judge is asked.
const JUDGED: usize = 2;
/// How long a stream waits for an identical one, which lands only when it is complete.
const FOLLOWS_A_STREAM: Duration = Duration::from_secs(10);
/// How long an embedding or the judge may take; after that it is a miss.
const PATIENCE: Duration = Duration::from_secs(3);
/// Shadow mode looks at candidates down to this similarity, to show what a lower threshold would do.
const SHADOW_FLOOR: f32 = 0.5;
/// Cosine similarity from which on two answers count as saying the same, where no judge is there.
const SAME_ANSWER: f32 = 0.85;

/// Whether a request uses the cache.
pub(super) enum Start {
    /// It has nothing to do with it.
    Off,
    /// It goes past it, and why.
    Past(&'static str),
    /// It does.
    On(Box<Caching>),
}

/// The cache's side of one request.
pub(super) struct Caching {
    policy: Policy,
    subject: Subject,
    embedder: Embedder,
    /// What tells this embedder's vectors from others.
    embedding_model: String,
    /// Of the question, once it has been asked for.
    vector: Option<Arc<[f32]>>,
    place: Option<Place>,
    leader: Option<Leader>,
    note: CacheNote,
    missed: bool,
    /// What shadow mode would have served.
    would_be: Vec<Candidate>,
}

/// A kept answer that might do.
#[derive(Debug, Clone)]
struct Candidate {
    entry: Arc<Entry>,
    similarity: f32,
    /// Why the guard rejects it.
    rejected: Option<&'static str>,
}

/// A kept answer that is served.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) entry: Arc<Entry>,
    pub(super) note: CacheNote,
}

impl Start {
    /// Finds out whether `call` uses the cache.
    pub(super) fn of(app: &App, call: &Call, decoded: &Decoded) -> Start {
        if call.purpose != Purpose::Client || !call.snapshot.uses_cache {
            return Start::Off;
        }
        let caller = &call.caller;
        let policy = Policy::of(
            &call.snapshot,
            caller.virtual_key.as_deref(),
            caller.direct_key.as_deref(),
            &call.headers,
        );
        let Some(policy) = policy else { return Start::Off };
        // What cannot be read whole may still pass as it is.
        let Ok(request) = decoded.get(call) else { return Start::past(app, "unreadable") };
        match Subject::of(request, &policy.config) {
            Ok(subject) => Start::On(Box::new(Caching::new(app, policy, subject))),
            Err(bypass) => Start::past(app, Bypass::as_str(bypass)),
        }
    }

    fn past(app: &App, reason: &'static str) -> Start {
        app.cache.stats.bypass(reason);
        Start::Past(reason)
    }
}

impl Caching {
    fn new(app: &App, policy: Policy, subject: Subject) -> Self {
        let embedder = match policy.semantic {
            true => app.cache.embedder(&policy.config),
            false => Embedder::None(String::new()),
        };
        Caching {
            embedding_model: embedder.model(),
            policy,
            subject,
            embedder,
            vector: None,
            place: None,
            leader: None,
            note: CacheNote::default(),
            missed: false,
            would_be: Vec::new(),
        }
    }

    /// A kept answer for `target`. Waits for an identical request in flight, `patience` at most.
    pub(super) async fn look_up(
        &mut self,
        app: &Arc<App>,
        call: &Call,
        target: &Target,
        patience: Duration,
    ) -> Option<Hit> {
        let (provider, model) = (&target.provider.name, &target.model);
        let place = self.subject.place(&self.policy, provider, model, &self.embedding_model);
        self.place = Some(place);
        self.leader = None;
        self.would_be.clear();
        let patience = match call.request.stream() {
            true => patience.min(FOLLOWS_A_STREAM),
            false => patience,
        };
        let found = match self.exact(app, place, patience).await {
            Some(hit) => Some(hit),
            None => self.similar(app, call, place).await,
        };
        let found = found.filter(|hit| self.serves(app, hit));
        match &found {
            Some(hit) => {
                // Whoever waits for this request looks for themselves.
                self.leader = None;
                let (entry, note) = (&hit.entry, &hit.note);
                let semantic = note.similarity.is_some();
                app.cache.stats.hit(semantic, note.collapsed, entry.cost, entry.latency_us);
            }
            None if !self.missed => {
                self.missed = true;
                app.cache.stats.miss();
            }
            None => {}
        }
        found
    }

    /// Whether hits are served at all; shadow mode only writes them down.
    fn serves(&mut self, app: &App, hit: &Hit) -> bool {
        if self.policy.mode != CacheMode::Shadow {
            return true;
        }
        app.cache.stats.would_be_hit();
        if hit.note.similarity.is_none() {
            let entry = hit.entry.clone();
            self.would_be.push(Candidate { entry, similarity: 1.0, rejected: None });
        }
        false
    }

    async fn exact(&mut self, app: &App, place: Place, patience: Duration) -> Option<Hit> {
        if !self.policy.exact {
            return None;
        }
        let (scope, key) = (&self.policy.scope, &self.policy.cache_key);
        let store = &app.cache.store;
        let kept = store.exact(&place.fingerprint, scope, key, app.now_ms()).await;
        if let Some(entry) = kept.filter(|entry| self.is_own(entry) && self.is_same(entry)) {
            return Some(self.hit(entry, None, false));
        }
        if !self.policy.store || self.policy.mode == CacheMode::Shadow {
            return None;
        }
        match app.cache.flights.join(place.fingerprint) {
            Role::Leader(leader) => {
                self.leader = Some(leader);
                None
            }
            Role::Follower(follower) => {
                let landed = tokio::time::timeout(patience, follower.landed()).await.ok().flatten();
                let entry = landed.filter(|entry| self.is_own(entry) && self.is_same(entry))?;
                let mut hit = self.hit(entry, None, false);
                hit.note.collapsed = true;
                Some(hit)
            }
        }
    }

    /// The partition has said so already; an answer in the wrong hands is worth a second look.
    fn is_own(&self, entry: &Entry) -> bool {
        entry.scope == self.policy.scope && entry.cache_key == self.policy.cache_key
    }

    /// Whether an entry of the same fingerprint asks the same: it may differ in case.
    fn is_same(&self, entry: &Entry) -> bool {
        let (asked, stored) = (&*self.subject.question, &*entry.question);
        asked == stored || !self.policy.config.guard || guard::compare(asked, stored).is_ok()
    }

    async fn similar(&mut self, app: &Arc<App>, call: &Call, place: Place) -> Option<Hit> {
        if !self.policy.semantic || self.subject.question.is_empty() {
            return None;
        }
        let vector = self.vector(app, call).await?;
        let config = self.policy.config.clone();
        let (threshold, judge) = (self.policy.threshold, config.judge_model.as_str());
        let mut floor = threshold;
        if !judge.is_empty() {
            floor = floor.min(config.judge_threshold as f32);
        }
        if self.policy.mode == CacheMode::Shadow {
            floor = floor.min(SHADOW_FLOOR);
        }
        let now = app.now_ms();
        let store = &app.cache.store;
        let found = store.nearest(&place.partition, &vector, CANDIDATES, floor, now).await;
        let mut judged = 0;
        for (entry, similarity) in found {
            if !self.is_own(&entry) {
                continue;
            }
            self.note.best_similarity.get_or_insert(similarity);
            let rejected = self.rejection(app, &entry);
            self.consider(&entry, similarity, rejected);
            if rejected.is_some() {
                continue;
            }
            if similarity >= threshold {
                return Some(self.hit(entry, Some(similarity), false));
            }
            if judge.is_empty() || judged == JUDGED || self.policy.mode == CacheMode::Shadow {
                continue;
            }
            judged += 1;
            if ask_judge(app, call, judge, &self.subject.question, &entry.question).await
                == Some(true)
            {
                return Some(self.hit(entry, Some(similarity), true));
            }
            self.note.reason.get_or_insert("judge");
        }
        None
    }

    fn rejection(&mut self, app: &App, entry: &Entry) -> Option<&'static str> {
        if !self.policy.config.guard {
            return None;
        }
        let difference = guard::compare(&self.subject.question, &entry.question).err()?;
        let reason = difference.kind.as_str();
        app.cache.stats.reject(reason);
        self.note.reason.get_or_insert(reason);
        Some(reason)
    }

    /// Shadow mode grades the best candidate that the guard lets pass and the best that it does not.
    fn consider(&mut self, entry: &Arc<Entry>, similarity: f32, rejected: Option<&'static str>) {
        let known = |one: &Candidate| one.rejected.is_some() == rejected.is_some();
        if self.policy.mode == CacheMode::Shadow && !self.would_be.iter().any(known) {
            self.would_be.push(Candidate { entry: entry.clone(), similarity, rejected });
        }
    }

    /// The question's vector, asked for once.
    async fn vector(&mut self, app: &Arc<App>, call: &Call) -> Option<Arc<[f32]>> {
        let none = matches!(self.embedder, Embedder::None(_));
        if none || self.vector.is_some() || self.note.embedding_failed {
            return self.vector.clone();
        }
        let question = self.subject.question.clone();
        let embedded = embed(app, call, &self.embedder, &question, self.charges()).await;
        let wanted = self.policy.config.dimension;
        let fits = |vector: &[f32]| wanted.is_none_or(|wanted| wanted as usize == vector.len());
        match embedded.filter(|(vector, _)| fits(vector)) {
            Some((vector, tokens)) => {
                self.note.embedded_by = Some(self.embedding_model.clone());
                self.note.embedding_tokens = tokens;
                self.vector = Some(vector);
            }
            None => self.note.embedding_failed = true,
        }
        self.vector.clone()
    }

    fn charges(&self) -> bool {
        self.policy.config.hit_cost == HitCost::Embedding
    }

    fn hit(&self, entry: Arc<Entry>, similarity: Option<f32>, judged: bool) -> Hit {
        let mut note = self.note.clone();
        note.hit = true;
        note.similarity = similarity;
        note.judged = judged;
        note.threshold = Some(self.policy.threshold);
        note.cache_id = Some(entry.fingerprint.to_id());
        Hit { entry, note }
    }

    /// What the client of a miss is told.
    pub(super) fn note(&self) -> CacheNote {
        CacheNote { stored: false, threshold: Some(self.policy.threshold), ..self.note.clone() }
    }

    /// Keeps an answer in the client's format, if it is one for others too.
    pub(super) fn keep(
        mut self: Box<Self>,
        app: &Arc<App>,
        call: &Arc<Call>,
        request: &Request,
        body: Bytes,
        outcome: &Outcome,
    ) {
        let Some(place) = self.place.filter(|_| body.len() <= LARGEST) else { return };
        let Ok(response) = CLIENT.decode_response(request, &body) else { return };
        if !may_keep(&response, &self.policy.config) {
            return;
        }
        self.grade(app, call, &response);
        if !self.policy.store {
            return;
        }
        let now = app.now_ms();
        let entry = Arc::new(Entry {
            fingerprint: place.fingerprint,
            partition: place.partition,
            scope: self.policy.scope.clone(),
            cache_key: self.policy.cache_key.clone(),
            question: self.subject.question.clone(),
            provider: outcome.trail.provider.clone().unwrap_or_default(),
            model: outcome.trail.model.clone().unwrap_or_default(),
            wire: CLIENT.wire(),
            answer: body,
            cost: outcome.cost.unwrap_or(Cost::ZERO).0,
            latency_us: u64::try_from(outcome.latency.as_micros()).unwrap_or(u64::MAX),
            tokens: (outcome.usage.input, outcome.usage.output),
            created_ms: now,
            expires_ms: now.saturating_add(self.policy.ttl_ms),
        });
        app.cache.store.put(entry.clone(), self.vector.take());
        if let Some(leader) = self.leader.take() {
            leader.land(entry);
        }
    }

    /// Finds out, beside the requests, whether what shadow mode would have served was right.
    fn grade(&mut self, app: &Arc<App>, call: &Arc<Call>, answer: &Response) {
        if self.would_be.is_empty() {
            return;
        }
        let grading = Grading {
            app: app.clone(),
            call: call.clone(),
            judge: self.policy.config.judge_model.clone(),
            embedder: self.embedder.clone(),
            question: self.subject.question.clone(),
            answer: text_of(answer),
        };
        let would_be = std::mem::take(&mut self.would_be);
        tokio::spawn(async move {
            for candidate in would_be {
                grading.grade(candidate).await;
            }
        });
    }
}

/// What is needed to grade would-be hits against the real answer.
struct Grading {
    app: Arc<App>,
    call: Arc<Call>,
    judge: String,
    embedder: Embedder,
    question: Arc<str>,
    answer: String,
}

impl Grading {
    async fn grade(&self, candidate: Candidate) {
        let (right, by) = self.right(&candidate.entry).await;
        self.app.cache.grades.add(Grade {
            timestamp_ms: self.app.now_ms(),
            similarity: candidate.similarity,
            rejected: candidate.rejected.unwrap_or_default().to_owned(),
            right,
            by: by.to_owned(),
        });
    }

    /// Equal answers need no judge. Without one, answers are compared as questions are.
    async fn right(&self, entry: &Entry) -> (Option<bool>, &'static str) {
        let Some(kept) = decode(entry).map(|response| text_of(&response)) else {
            return (None, "");
        };
        let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        if words(&kept) == words(&self.answer) {
            return (Some(true), "answer");
        }
        let (app, call) = (&self.app, &self.call);
        if !self.judge.is_empty() {
            return (
                ask_judge(app, call, &self.judge, &self.question, &entry.question).await,
                "judge",
            );
        }
        let first = embed(app, call, &self.embedder, &kept, false).await;
        let second = embed(app, call, &self.embedder, &self.answer, false).await;
        let right = first.zip(second).map(|((first, _), (second, _))| {
            let cosine: f32 = first.iter().zip(second.iter()).map(|(a, b)| a * b).sum();
            cosine >= SAME_ANSWER && guard::compare(&self.answer, &kept).is_ok()
        });
        (right, "answer")
    }
}

/// What an answer says, without what was thought.
fn text_of(response: &Response) -> String {
    let Response::Chat(chat) = response else { return String::new() };
    let parts = chat.choices.iter().flat_map(|choice| &choice.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn decode(entry: &Entry) -> Option<Response> {
    let request = Request::Chat(Box::default());
    crate::provider::codec(entry.wire).decode_response(&request, &entry.answer).ok()
}

/// The vector of `text` and the tokens that it took; `None` when it cannot be had in time.
async fn embed(
    app: &Arc<App>,
    call: &Call,
    embedder: &Embedder,
    text: &str,
    charged: bool,
) -> Option<(Arc<[f32]>, u64)> {
    let embedding = async {
        match embedder {
            Embedder::None(_) => None,
            Embedder::Local(model) => match model.embed(text).await {
                Ok(vector) => Some((vector.into(), 0)),
                Err(error) => {
                    tracing::debug!("semantic cache: {error}");
                    None
                }
            },
            Embedder::Provider { provider, model } => {
                inner::embed(app, call, provider, model, text, charged).await
            }
        }
    };
    let embedded = tokio::time::timeout(PATIENCE, embedding).await.ok().flatten();
    if embedded.is_none() && !matches!(embedder, Embedder::None(_)) {
        app.cache.stats.embedding_failure();
    }
    embedded
}

/// Whether one answer serves both questions; `None` when the judge does not say.
async fn ask_judge(
    app: &Arc<App>,
    call: &Call,
    judge: &str,
    asked: &str,
    stored: &str,
) -> Option<bool> {
    let question = question_for_judge(judge, asked, stored)?;
    app.cache.stats.judge();
    let answer = tokio::time::timeout(PATIENCE, inner::chat(app, call, &question)).await.ok()??;
    Some(verdict_of(&text_of(&Response::Chat(Box::new(answer)))))
}

/// Collects a stream, as the client gets it, to be kept when it is complete.
pub(super) struct Keeper {
    caching: Box<Caching>,
    request: Arc<Request>,
    frames: Vec<Bytes>,
    size: usize,
}

impl Keeper {
    pub(super) fn new(caching: Box<Caching>, request: Arc<Request>) -> Self {
        Keeper { caching, request, frames: Vec::new(), size: 0 }
    }

    /// What a client of the stream is told of the cache.
    pub(super) fn note(&self) -> CacheNote {
        self.caching.note()
    }

    /// The client gets these bytes.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.size += bytes.len();
        // Beyond that nothing is kept, so nothing needs to be remembered either.
        if self.size <= 4 * LARGEST {
            self.frames.push(bytes);
        } else {
            self.frames.clear();
        }
    }

    /// The stream is complete.
    pub(super) fn keep(self, app: &Arc<App>, call: &Arc<Call>, outcome: &Outcome) {
        if self.size > 4 * LARGEST {
            return;
        }
        let Some(response) = self.response(outcome) else { return };
        let body = CLIENT.encode_response(&response);
        self.caching.keep(app, call, &self.request, body, outcome);
    }

    /// The stream as one answer.
    fn response(&self, outcome: &Outcome) -> Option<Response> {
        let mut reader = FrameReader::default();
        let mut decoder = CLIENT.stream_decoder();
        let mut accumulator = Accumulator::default();
        let mut events = Vec::new();
        for bytes in &self.frames {
            reader.push(bytes);
            while let Some(frame) = reader.next_frame().ok()? {
                decoder.decode(&frame, &mut events).ok()?;
            }
            events.drain(..).for_each(|event| accumulator.push(&event));
        }
        decoder.finish(&mut events);
        events.drain(..).for_each(|event| accumulator.push(&event));
        let mut chat = accumulator.finish().ok()?;
        // The client may not have asked for usage; whoever gets the answer next may.
        chat.usage = Some(outcome.usage);
        Some(Response::Chat(Box::new(chat)))
    }
}
