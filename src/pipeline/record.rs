//! The books of one request, closed exactly once.

use super::Trail;
use super::call::Call;
use crate::app::App;
use crate::config::Unit;
use crate::config::pricing::ModelFacts;
use crate::govern::{Ticket, cost_of};
use crate::llm::{Cost, Failure, FailureKind, Usage, UsageSource};
use crate::telemetry::{AttemptRow, RequestRow};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

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

/// What a running stream has used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// What the provider has counted so far.
    pub(super) usage: Option<Usage>,
    /// The gateway's own count of output tokens.
    pub(super) output_estimate: u64,
}

/// What the answer says about itself.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) trail: Trail,
    pub(super) cost: Option<Cost>,
    pub(super) estimated: bool,
    pub(super) latency: Duration,
    pub(super) chunk_index: u64,
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
            open: true,
        }
    }

    /// Where the request has been so far.
    pub fn trail(&self) -> Trail {
        let Some(last) = self.attempts.last() else { return Trail::default() };
        Trail {
            provider: Some(last.provider.clone()),
            model: Some(last.model.clone()),
            key: Some(last.key.1.clone()),
            attempts: self.attempts.len(),
        }
    }

    /// Adds an attempt.
    pub(super) fn attempt(&mut self, attempt: AttemptRow) {
        self.attempts.push(attempt);
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

    /// The answer is complete. `usage` is what the provider counted, if it did.
    pub(super) fn answered(mut self, usage: Option<Usage>) -> Outcome {
        self.close(200, usage, None)
    }

    /// The answer broke off after the client had seen a part of it.
    pub(super) fn broken(mut self, failure: &Failure) {
        let usage = self.progress.and_then(|progress| progress.usage);
        self.close(200, usage, Some(failure));
    }

    /// No target answered.
    pub fn fail(mut self, failure: &Failure) {
        // The ticket of a target that did not answer is gone already, and so is its reservation.
        self.serving = None;
        self.close(failure.status, None, Some(failure));
    }

    fn close(&mut self, status: u16, usage: Option<Usage>, failure: Option<&Failure>) -> Outcome {
        self.open = false;
        let serving = self.serving.take();
        let estimated = serving.is_some() && usage.is_none();
        let usage = match (&serving, usage) {
            (_, Some(usage)) => usage.bounded(),
            (Some(serving), None) => self.estimate(serving),
            (None, None) => Usage::default(),
        };
        let cost = serving.as_ref().and_then(|serving| {
            let told = usage.cost.filter(|_| serving.reports_cost);
            told.or_else(|| Some(cost_of(&usage, serving.facts.as_ref()?.prices.as_ref()?)))
        });
        let trail = self.trail();
        if let Some(serving) = serving {
            let bytes = self.call.request.body().len();
            let learned = &self.app.ledger.learned;
            if !estimated {
                let output = usage.output / self.call.request.choices();
                learned.remember(serving.series, bytes, usage.input, output);
            }
            serving.ticket.settle(cost.unwrap_or_default(), usage.total());
        }
        let latency = self.call.arrived.elapsed();
        self.write(status, usage, estimated, cost, latency, failure);
        Outcome { trail, cost, estimated, latency, ..Outcome::default() }
    }

    /// What an answer without a count has probably used: the learned input and the output seen.
    fn estimate(&self, serving: &Serving) -> Usage {
        let bytes = self.call.request.body().len();
        let (input, _) = self.app.ledger.learned.tokens(serving.series, bytes, None, None);
        let output = self.progress.map_or(0, |progress| progress.output_estimate);
        Usage { input, output, ..Usage::default() }
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
        let last = self.attempts.last();
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

impl Drop for Recorder {
    /// The client has gone away. What a stream had used is charged; an answer that never began
    /// gives its reservation back.
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let gone = Failure::new(
            crate::llm::Source::Client,
            FailureKind::Cancelled,
            "the client went away before the answer was complete",
        );
        if self.progress.is_none() {
            self.serving = None;
        }
        let usage = self.progress.and_then(|progress| progress.usage);
        self.close(499, usage, Some(&gone));
    }
}

/// Whether a request through these meters needs a price.
pub(super) fn needs_price(meters: &[crate::config::MeterSpec]) -> bool {
    meters.iter().any(|meter| meter.unit == Unit::Cost && !meter.unpriced_allowed)
}

/// Microseconds since `start`.
pub(super) fn micros_since(start: tokio::time::Instant) -> u64 {
    micros(start.elapsed())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
