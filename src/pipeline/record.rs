//! The books of one request, closed exactly once.

use super::Trail;
use super::call::Call;
use crate::app::App;
use crate::cache::Entry;
use crate::config::pricing::ModelFacts;
use crate::govern::{Ticket, cost_of};
use crate::llm::{Cost, Failure, FailureKind, Operation, Source, Usage, UsageSource};
use crate::telemetry::{AttemptRow, CacheKind, CacheRow, RequestRow};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Collects the facts of one request. It ends in [`answered`](Self::answered),
/// [`broken`](Self::broken) or [`fail`](Self::fail); dropped before, the client has gone away, and
/// that is written down.
#[derive(Debug)]
pub struct Recorder {
    app: Arc<App>,
    call: Arc<Call>,
    attempts: SmallVec<[AttemptRow; 2]>,
    serving: Option<Serving>,
    first_token: Option<Duration>,
    /// Set while a stream runs: what it has used so far.
    progress: Option<Progress>,
    /// Set while a provider is being asked: since when.
    asking: Option<Instant>,
    /// What the cache did; `None` until it has been asked.
    cache: Option<CacheRow>,
    open: bool,
}

/// The target that answers.
#[derive(Debug)]
struct Serving {
    ticket: Ticket,
    /// Names what is learned of it.
    series: u64,
    facts: Option<Arc<ModelFacts>>,
    /// Whether the provider itself says what an answer costs.
    reports_cost: bool,
}

/// What an answer, or as much of it as there is, has used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// What the provider has counted so far.
    pub(super) usage: Option<Usage>,
    /// The gateway's own count of output tokens.
    pub(super) output_estimate: u64,
}

/// Whether all of an answer has come. What a provider counts before its end is a placeholder in
/// some formats: Anthropic begins every stream with one output token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Part,
}

/// What the answer says about itself.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) trail: Trail,
    pub(super) cost: Option<Cost>,
    pub(super) usage: Usage,
    pub(super) estimated: bool,
    pub(super) latency: Duration,
    pub(super) chunk_index: u64,
    /// What the cache did, as JSON text.
    pub(super) cache_debug: Option<String>,
    pub(super) raw_request: Option<Box<RawValue>>,
    pub(super) raw_response: Option<Box<RawValue>>,
}

impl Recorder {
    /// Opens the books of `call`.
    pub fn open(app: &Arc<App>, call: &Arc<Call>) -> Self {
        Recorder {
            app: app.clone(),
            call: call.clone(),
            attempts: SmallVec::new(),
            serving: None,
            first_token: None,
            progress: None,
            asking: None,
            cache: None,
            open: true,
        }
    }

    /// What this request shares with others.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// The same, to keep.
    pub(super) fn shared_app(&self) -> Arc<App> {
        self.app.clone()
    }

    /// Where the request has been so far.
    pub fn trail(&self) -> Trail {
        let Some(last) = self.last_sent() else { return Trail::default() };
        Trail {
            provider: Some(last.provider.clone()),
            model: Some(last.model.clone()),
            key: Some(last.key.1.clone()),
            attempts: self.attempts.iter().filter(|attempt| attempt.was_sent()).count(),
        }
    }

    fn last_sent(&self) -> Option<&AttemptRow> {
        self.attempts.iter().rev().find(|attempt| attempt.was_sent())
    }

    /// Attempts so far, the skipped ones among them.
    pub(super) fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// A provider is about to be asked. Until [`told`](Self::told) of the end, `attempt` says that
    /// the client has gone, which is what it comes to then.
    pub(super) fn ask(&mut self, attempt: AttemptRow, now: Instant) {
        self.attempts.push(attempt);
        self.asking = Some(now);
    }

    /// The provider that is being asked has answered or failed.
    pub(super) fn told(&mut self, status: u16, failure: Option<&'static str>) {
        self.end_attempt();
        if let Some(attempt) = self.attempts.last_mut() {
            (attempt.status, attempt.failure) = (status, failure);
        }
    }

    /// A kept answer was looked for in vain.
    pub(super) fn missed(&mut self) {
        self.cache = Some(CacheRow::MISS);
    }

    /// A target that was passed over without asking it.
    pub(super) fn skip(&mut self, attempt: AttemptRow) {
        self.attempts.push(attempt);
    }

    fn end_attempt(&mut self) {
        if let (Some(since), Some(attempt)) = (self.asking.take(), self.attempts.last_mut()) {
            attempt.latency_us = micros_since(since);
        }
    }

    /// From now on the last attempt's target answers, and `ticket` pays.
    pub(super) fn serve(
        &mut self,
        ticket: Ticket,
        series: u64,
        facts: Option<Arc<ModelFacts>>,
        reports_cost: bool,
    ) {
        self.serving = Some(Serving { ticket, series, facts, reports_cost });
    }

    /// A stream has begun to say something.
    pub(super) fn first_token(&mut self) {
        self.first_token.get_or_insert_with(|| self.call.arrived.elapsed());
    }

    /// What a stream has used so far, in case it ends without saying so.
    pub(super) fn progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// The answer is complete.
    pub(super) fn answered(mut self, progress: Progress) -> Outcome {
        self.progress = Some(progress);
        self.close(200, Extent::Whole, None)
    }

    /// A kept answer is served. The request counts; tokens and money have been used by whoever asked
    /// first.
    pub(super) fn kept(mut self, entry: &Entry, semantic: bool) -> Outcome {
        self.open = false;
        if let Some(serving) = self.serving.take() {
            serving.ticket.settle(Cost::ZERO, 0);
        }
        let latency = self.call.arrived.elapsed();
        self.cache = Some(CacheRow {
            kind: if semantic { CacheKind::Semantic } else { CacheKind::Direct },
            saved_cost: Cost(entry.cost),
            saved_us: entry.latency_us.saturating_sub(micros(latency)),
        });
        if self.call.request.stream() {
            self.first_token();
        }
        self.write(200, Usage::default(), false, Some(Cost::ZERO), latency, None);
        Outcome { cost: Some(Cost::ZERO), latency, ..Outcome::default() }
    }

    /// The answer broke off after the client had seen a part of it.
    pub(super) fn broken(mut self, failure: &Failure) {
        self.close(200, Extent::Part, Some(failure));
    }

    /// No target answered.
    pub fn fail(mut self, failure: &Failure) {
        // The ticket of a target that did not answer is gone already, and so is its reservation.
        self.serving = None;
        self.close(failure.status, Extent::Part, Some(failure));
    }

    fn close(&mut self, status: u16, extent: Extent, failure: Option<&Failure>) -> Outcome {
        self.open = false;
        let serving = self.serving.take();
        let (usage, estimated) = match &serving {
            Some(serving) => self.used(serving, extent),
            None => Default::default(),
        };
        let usage = usage.bounded();
        let cost = serving.as_ref().and_then(|serving| {
            let told = usage.cost.filter(|_| serving.reports_cost);
            told.or_else(|| Some(cost_of(&usage, serving.facts.as_ref()?.prices.as_ref()?)))
        });
        let trail = self.trail();
        if let Some(serving) = serving {
            let bytes = self.call.request.body().len();
            let learned = &self.app.ledger.learned;
            if !estimated && extent == Extent::Whole {
                let output = usage.output / self.call.request.choices();
                learned.remember(serving.series, bytes, usage.input, output);
            }
            serving.ticket.settle(cost.unwrap_or_default(), usage.total());
        }
        let latency = self.call.arrived.elapsed();
        self.write(status, usage, estimated, cost, latency, failure);
        Outcome { trail, cost, usage, estimated, latency, ..Outcome::default() }
    }

    /// What was used, and whether that is the gateway's estimate: the learned input and the output
    /// that was seen, where the provider has not counted them. A whole answer's count is the
    /// provider's word, even if it is nothing.
    fn used(&self, serving: &Serving, extent: Extent) -> (Usage, bool) {
        let progress = self.progress.unwrap_or_default();
        let seen = progress.output_estimate;
        match progress.usage {
            Some(usage) if extent == Extent::Whole || usage.output >= seen => (usage, false),
            Some(usage) => (Usage { output: seen, ..usage }, true),
            None => {
                let bytes = self.call.request.body().len();
                let (input, _) = self.app.ledger.learned.tokens(serving.series, bytes, None, None);
                (Usage { input, output: seen, ..Usage::default() }, true)
            }
        }
    }

    fn write(
        &mut self,
        status: u16,
        usage: Usage,
        estimated: bool,
        cost: Option<Cost>,
        latency: Duration,
        failure: Option<&Failure>,
    ) {
        // A kept answer is nobody's traffic, least of all that of a target that failed before.
        let is_kept = self.cache.is_some_and(|cache| cache.kind != CacheKind::Miss);
        let last = self.last_sent().filter(|_| !is_kept);
        let virtual_key = self.call.caller.virtual_key.as_ref();
        let row = RequestRow {
            id: self.call.id.clone(),
            timestamp_ms: self.call.timestamp_ms,
            operation: self.call.request_type(),
            stream: self.call.request.stream(),
            virtual_key: virtual_key.map(|key| (key.id.clone(), key.name.clone())),
            model_requested: self.call.request.model().clone(),
            provider: last.map(|attempt| attempt.provider.clone()),
            model: last.map(|attempt| attempt.model.clone()),
            status,
            latency_us: micros(latency),
            first_token_us: self.first_token.map(micros),
            usage,
            usage_source: if estimated { UsageSource::Estimated } else { UsageSource::Provider },
            cost,
            cache: self.cache.take(),
            attempts: std::mem::take(&mut self.attempts),
            error: failure.map(|failure| failure.message.clone()),
            error_kind: failure.map(|failure| failure.kind.as_str()),
        };
        self.app.metrics.record(&row);
        if self.call.snapshot.client.enable_logging {
            self.app.request_log.push(row);
        }
    }
}

/// Counts a request that did not become a call: its key is unknown, or its body cannot be read.
pub fn turned_away(app: &App, id: &Arc<str>, operation: Operation, failure: &Failure) {
    let row = RequestRow {
        id: id.clone(),
        timestamp_ms: app.now_ms(),
        operation: operation.as_str(false),
        stream: false,
        virtual_key: None,
        model_requested: Arc::default(),
        provider: None,
        model: None,
        status: failure.status,
        latency_us: 0,
        first_token_us: None,
        usage: Usage::default(),
        usage_source: UsageSource::Provider,
        cost: None,
        cache: None,
        attempts: SmallVec::new(),
        error: None,
        error_kind: Some(failure.kind.as_str()),
    };
    app.request_log.count(&row);
}

impl Drop for Recorder {
    /// The client has gone away. What a stream had used is charged; an answer that never began
    /// gives its reservation back.
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let gone = match self.app.stop.is_cancelled() {
            true => Failure::new(
                Source::Gateway,
                FailureKind::Overloaded,
                "the gateway was shut down before the answer was complete",
            ),
            false => Failure::new(
                Source::Client,
                FailureKind::Cancelled,
                "the client went away before the answer was complete",
            )
            .with_status(499),
        };
        self.end_attempt();
        if self.progress.is_none() {
            self.serving = None;
        }
        self.close(gone.status, Extent::Part, Some(&gone));
    }
}

fn micros_since(start: Instant) -> u64 {
    micros(start.elapsed())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
