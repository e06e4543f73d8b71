//! The cache in the life of a request: what is looked for before a provider is asked, and what is kept
//! of its answer.
//!
//! Similarity only finds candidates. What is served has passed the hard filters (they are the place of
//! an entry), the guard, and either the threshold or the judge.

mod keeping;

use super::cache_asks::{ask_judge, embed};
use super::cache_note::CacheNote;
use super::call::{Call, Purpose};
use super::translate::Decoded;
use crate::app::App;
use crate::cache::{
    Asking, Bypass, Embedder, Entry, Follower, Landing, Leader, Place, Policy, Role, Subject, guard,
};
use crate::config::cache::{CacheMode, HitCost};
use crate::llm::Operation;
use crate::route::Target;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Candidates that are looked at.
const CANDIDATES: usize = 5;
/// Candidates for which the judge is asked.
const JUDGED: usize = 2;
/// How long an answer is waited for that comes as a stream, which lands only when it is complete.
const FOLLOWS_A_STREAM: Duration = Duration::from_secs(10);
/// How long whoever wants a stream waits for an answer: they want its beginning.
const WANTS_A_STREAM: Duration = Duration::from_secs(3);
/// Shadow mode looks at candidates down to this similarity, to show what a lower threshold would do.
const SHADOW_FLOOR: f32 = 0.5;

/// Whether a request uses the cache.
// No box: one for each request would cost more than what is moved.
pub(super) enum Start {
    /// It has nothing to do with it.
    Off,
    /// It goes past it, and why.
    Past(&'static str),
    /// It does.
    On(Caching),
}

/// The cache's side of one request.
pub(super) struct Caching {
    policy: Policy,
    /// For the target that is asked.
    subject: Subject,
    leader: Option<Leader>,
    missed: bool,
    /// Whether an entry of this fingerprint was found that is not to be served for it.
    differs: bool,
    /// Whether shadow mode has found the very answer.
    is_known: bool,
    /// Where similar questions may be looked for.
    similar: Option<Box<Similar>>,
}

/// What belongs to the search for similar questions.
struct Similar {
    embedder: Embedder,
    /// What tells this embedder's vectors from others.
    embedding_model: String,
    /// Of the question, once it has been asked for.
    vector: Option<Arc<[f32]>>,
    note: CacheNote,
    /// What shadow mode would have served.
    would_be: Vec<Candidate>,
}

/// A kept answer that might do.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) entry: Arc<Entry>,
    pub(super) similarity: f32,
    /// Why the guard rejects it.
    pub(super) rejected: Option<&'static str>,
}

/// A kept answer that is served.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) entry: Arc<Entry>,
    pub(super) note: CacheNote,
}

impl Start {
    /// Finds out whether `call` uses the cache, when it is asked of `target` first.
    pub(super) fn of(app: &App, call: &Call, decoded: &Decoded, target: &Target) -> Start {
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
        let similar = policy.semantic.then(|| Similar::new(app, &policy));
        match subject_of(app, call, decoded, target, &policy, similar.as_deref()) {
            Ok(subject) => Start::On(Caching::new(policy, subject, similar)),
            Err(reason) => {
                app.cache.stats.bypass(reason);
                Start::Past(reason)
            }
        }
    }
}

/// What the call asks of this target, or why it goes past the cache.
fn subject_of(
    app: &App,
    call: &Call,
    decoded: &Decoded,
    target: &Target,
    policy: &Policy,
    similar: Option<&Similar>,
) -> Result<Subject, &'static str> {
    let asking = Asking {
        policy,
        digests: app.cache.store.digests(),
        provider: &target.provider.name,
        model: &target.model,
        embedding_model: similar.map_or("", |similar| &similar.embedding_model),
    };
    let outline = match call.operation {
        Operation::Chat => call.request.outline(),
        _ => None,
    };
    if let Some(outline) = outline
        && let Some(subject) = Subject::of_outline(outline, &asking).map_err(Bypass::as_str)?
    {
        return Ok(subject);
    }
    // What cannot be read whole may still pass as it is.
    let request = decoded.get(call).map_err(|_failure| "unreadable")?;
    Subject::of(request, &asking).map_err(Bypass::as_str)
}

impl Caching {
    fn new(policy: Policy, subject: Subject, similar: Option<Box<Similar>>) -> Self {
        let (leader, missed, differs, is_known) = (None, false, false, false);
        Caching { policy, subject, leader, missed, differs, is_known, similar }
    }

    /// The next target is asked. Whether that has a place in the cache, as the first had.
    pub(super) fn turn_to(
        &mut self,
        app: &App,
        call: &Call,
        decoded: &Decoded,
        target: &Target,
    ) -> bool {
        self.give_up();
        self.differs = false;
        self.is_known = false;
        if let Some(similar) = &mut self.similar {
            similar.would_be.clear();
        }
        let similar = self.similar.as_deref();
        match subject_of(app, call, decoded, target, &self.policy, similar) {
            Ok(subject) => {
                self.subject = subject;
                true
            }
            Err(_) => false,
        }
    }

    /// The same as [`Caching::look_up`] where there is nothing to wait for, which most requests for exact
    /// answers are; `None` where there is.
    pub(super) fn look_up_at_once(&mut self, app: &App, call: &Call) -> Option<Option<Hit>> {
        if self.policy.semantic || !self.policy.exact {
            return None;
        }
        let place = self.subject.place;
        let kept = app.cache.store.exact_at_once(&place.fingerprint, || app.now_ms())?;
        let hit = self.exact_hit(app, kept);
        if hit.is_none() && self.join(app, place, call.request.stream()).is_some() {
            return None;
        }
        Some(self.end(app, call, hit))
    }

    /// A kept answer. Waits for an identical request in flight, `patience` at most.
    pub(super) async fn look_up(
        &mut self,
        app: &Arc<App>,
        call: &Call,
        patience: Duration,
    ) -> Option<Hit> {
        let place = self.subject.place;
        let streams = call.request.stream();
        let found = match self.exact(app, place, streams, patience).await {
            Some(hit) => Some(hit),
            None => self.similar(app, call, place).await,
        };
        self.end(app, call, found)
    }

    fn end(&mut self, app: &App, call: &Call, found: Option<Hit>) -> Option<Hit> {
        let found = found.filter(|hit| self.serves(app, hit));
        match &found {
            Some(hit) => {
                // Whoever waits for this request looks for themselves.
                self.give_up();
                let (entry, note) = (&hit.entry, &hit.note);
                let semantic = note.similarity.is_some();
                let taken = u64::try_from(call.arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
                let saved_us = entry.latency_us.saturating_sub(taken);
                app.cache.stats.hit(semantic, note.collapsed, entry.cost, saved_us);
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
            // It says nothing of a threshold, and its entry, with its vector, is there already.
            self.is_known = true;
        }
        false
    }

    async fn exact(
        &mut self,
        app: &App,
        place: Place,
        streams: bool,
        patience: Duration,
    ) -> Option<Hit> {
        if !self.policy.exact {
            return None;
        }
        let (scope, key) = (&self.policy.scope, &self.policy.cache_key);
        let store = &app.cache.store;
        let kept = store.exact(&place.fingerprint, scope, key, app.now_ms()).await;
        if let Some(hit) = self.exact_hit(app, kept) {
            return Some(hit);
        }
        let landed = self.follow(app, place, streams, patience).await?;
        let mut hit = self.exact_hit(app, Some(landed))?;
        hit.note.collapsed = true;
        Some(hit)
    }

    /// The answer to an identical request in flight. When whoever has sent that goes away, one of those that wait
    /// sends it again, and the others wait for that one.
    async fn follow(
        &mut self,
        app: &App,
        place: Place,
        streams: bool,
        patience: Duration,
    ) -> Option<Arc<Entry>> {
        let begun = Instant::now();
        loop {
            let follower = self.join(app, place, streams)?;
            let patience = match (streams, follower.streams) {
                (true, _) => patience.min(WANTS_A_STREAM),
                (false, true) => patience.min(FOLLOWS_A_STREAM),
                (false, false) => patience,
            };
            let end = tokio::time::Instant::from_std(begun + patience);
            match tokio::time::timeout_at(end, follower.landed()).await {
                Ok(Landing::Landed(entry)) => return Some(entry),
                Ok(Landing::Left) => {}
                Ok(Landing::Lost) | Err(_) => return None,
            }
        }
    }

    fn exact_hit(&mut self, app: &App, entry: Option<Arc<Entry>>) -> Option<Hit> {
        let entry = entry?;
        self.differs = !is_own(&self.policy, &entry) || !self.is_same(&entry);
        if self.differs {
            return None;
        }
        let entry = app.cache.store.read(entry)?;
        Some(self.hit(entry, None, false))
    }

    /// Leads the flight of this request, or follows the one that there is.
    fn join(&mut self, app: &App, place: Place, streams: bool) -> Option<Follower> {
        if !self.policy.store || self.policy.mode == CacheMode::Shadow {
            return None;
        }
        match app.cache.flights.join(place.fingerprint, streams) {
            Role::Leader(leader) => {
                self.leader = Some(leader);
                None
            }
            Role::Follower(follower) => Some(follower),
        }
    }

    /// Whether an entry of the same fingerprint asks the same: it may differ in case.
    fn is_same(&self, entry: &Entry) -> bool {
        let (asked, stored) = (self.subject.question().text(), &*entry.question);
        asked == stored || !self.policy.config.guard || guard::compare(&asked, stored).is_ok()
    }

    async fn similar(&mut self, app: &Arc<App>, call: &Call, place: Place) -> Option<Hit> {
        let similar = self.similar.as_deref_mut()?;
        let (policy, question) = (&self.policy, &*self.subject.question().text());
        if question.is_empty() {
            return None;
        }
        let charges = policy.config.hit_cost == HitCost::Embedding;
        let vector = similar.vector(app, call, policy, question).await?;
        let (threshold, judge) = (policy.threshold, policy.config.judge_model.as_str());
        let mut floor = threshold;
        if !judge.is_empty() {
            floor = floor.min(policy.config.judge_threshold as f32);
        }
        if policy.mode == CacheMode::Shadow {
            floor = floor.min(SHADOW_FLOOR);
        }
        let now = app.now_ms();
        let store = &app.cache.store;
        let found = store.nearest(&place.partition, &vector, CANDIDATES, floor, now).await;
        let mut judged = 0;
        for (entry, similarity) in found {
            if !is_own(policy, &entry) {
                continue;
            }
            similar.note.best_similarity.get_or_insert(similarity);
            let rejected = similar.rejection(app, policy, question, &entry);
            if policy.mode == CacheMode::Shadow {
                similar.consider(&entry, similarity, rejected);
            }
            if rejected.is_some() {
                continue;
            }
            if similarity >= threshold {
                return Some(self.hit(entry, Some(similarity), false));
            }
            if judge.is_empty() || judged == JUDGED || policy.mode == CacheMode::Shadow {
                continue;
            }
            judged += 1;
            let questions = (question, &*entry.question);
            let verdict = ask_judge(app, call, judge, questions, charges).await;
            if verdict == Some(true) {
                return Some(self.hit(entry, Some(similarity), true));
            }
            similar.note.reason.get_or_insert("judge");
        }
        None
    }

    fn hit(&self, entry: Arc<Entry>, similarity: Option<f32>, judged: bool) -> Hit {
        debug_assert!(entry.unread.is_none());
        let mut note = self.note().cloned().unwrap_or_default();
        note.hit = true;
        note.similarity = similarity;
        note.judged = judged;
        note.cache_id = Some(entry.fingerprint.to_id());
        Hit { entry, note }
    }

    /// Nothing will be kept: whoever waits for it goes by themselves.
    pub(super) fn give_up(&mut self) {
        if let Some(leader) = self.leader.take() {
            leader.lose();
        }
    }

    /// What the client of a miss is told; `None` when it is nothing but that.
    pub(super) fn note(&self) -> Option<&CacheNote> {
        self.similar.as_ref().map(|similar| &similar.note)
    }
}

impl Similar {
    fn new(app: &App, policy: &Policy) -> Box<Self> {
        let embedder = app.cache.embedder(&policy.config);
        Box::new(Similar {
            embedding_model: embedder.model(),
            embedder,
            vector: None,
            note: CacheNote { threshold: Some(policy.threshold), ..CacheNote::default() },
            would_be: Vec::new(),
        })
    }

    fn rejection(
        &mut self,
        app: &App,
        policy: &Policy,
        question: &str,
        entry: &Entry,
    ) -> Option<&'static str> {
        if !policy.config.guard {
            return None;
        }
        let difference = guard::compare(question, &entry.question).err()?;
        let reason = difference.kind.as_str();
        app.cache.stats.reject(reason);
        self.note.reason.get_or_insert(reason);
        Some(reason)
    }

    /// Shadow mode grades the best candidate that the guard lets pass and the best that it does not.
    fn consider(&mut self, entry: &Arc<Entry>, similarity: f32, rejected: Option<&'static str>) {
        let known = |one: &Candidate| one.rejected.is_some() == rejected.is_some();
        if !self.would_be.iter().any(known) {
            self.would_be.push(Candidate { entry: entry.clone(), similarity, rejected });
        }
    }

    /// The question's vector, asked for once.
    async fn vector(
        &mut self,
        app: &Arc<App>,
        call: &Call,
        policy: &Policy,
        question: &str,
    ) -> Option<Arc<[f32]>> {
        let none = matches!(self.embedder, Embedder::None(_));
        if none || self.vector.is_some() || self.note.embedding_failed {
            return self.vector.clone();
        }
        let charges = policy.config.hit_cost == HitCost::Embedding;
        let embedded = embed(app, call, &self.embedder, question, charges).await;
        let wanted = policy.config.dimension;
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
}

/// The partition has said so already; an answer in the wrong hands is worth a second look.
fn is_own(policy: &Policy, entry: &Entry) -> bool {
    entry.scope == policy.scope && entry.cache_key == policy.cache_key
}
