//! What is kept of an answer.

use super::{Caching, Similar};
use crate::app::App;
use crate::cache::{Arrival, Entry, Form, LARGEST, Policy, Unread};
use crate::dialect::Dialect;
use crate::llm::{Cost, Operation};
use crate::pipeline::call::Call;
use crate::pipeline::record::Outcome;
use crate::pipeline::shadow::{Grading, text_of};
use crate::pipeline::translate::{CLIENT, decoded_answer};
use std::sync::Arc;

impl Caching {
    /// Keeps a complete answer in the client's format. Whether it is one for others is found out now or
    /// when it is first asked for.
    pub(in crate::pipeline) fn keep(
        &mut self,
        app: &Arc<App>,
        call: &Arc<Call>,
        body: &[u8],
        outcome: &Outcome,
    ) {
        let form = match call.operation {
            Operation::Chat => Form::Chat,
            Operation::Embedding => Form::Embedding,
            Operation::ListModels => return,
        };
        self.keep_as(form, app, call, body, outcome);
    }

    /// The same for an answer in any form.
    pub(in crate::pipeline) fn keep_as(
        &mut self,
        form: Form,
        app: &Arc<App>,
        call: &Arc<Call>,
        answer: &[u8],
        outcome: &Outcome,
    ) {
        if answer.len() <= LARGEST && self.wants_answer() {
            self.keep_wanted(form, app, call, answer, outcome);
        }
        // Whoever has waited for it in vain goes by themselves.
        self.give_up();
    }

    fn keep_wanted(
        &mut self,
        form: Form,
        app: &Arc<App>,
        call: &Arc<Call>,
        answer: &[u8],
        outcome: &Outcome,
    ) {
        let place = self.subject.place;
        let latency_ms = i64::try_from(outcome.latency.as_millis()).unwrap_or(i64::MAX);
        let now = call.timestamp_ms.saturating_add(latency_ms);
        let unread =
            Unread { form, keeps_tools: self.policy.config.cache_tools, usage: outcome.usage };
        let arrival = Arrival {
            fingerprint: place.fingerprint,
            partition: place.partition,
            scope: &self.policy.scope,
            cache_key: &self.policy.cache_key,
            question: self.subject.question(),
            provider: outcome.trail.provider.as_deref().unwrap_or_default(),
            model: outcome.trail.model.as_deref().unwrap_or_default(),
            wire: CLIENT.wire(),
            answer,
            unread,
            cost: outcome.cost.unwrap_or(Cost::ZERO).0,
            latency_us: u64::try_from(outcome.latency.as_micros()).unwrap_or(u64::MAX),
            created_ms: now,
            expires_ms: now.saturating_add(self.policy.ttl_ms),
        };
        if self.may_wait(app, form) {
            if self.was_cleared(app, call) {
                return;
            }
            app.cache.store.put_unread(&arrival, || !self.was_cleared(app, call));
            if let Some(leader) = self.leader.take() {
                leader.land(|| Arc::new(arrival.to_entry()));
            }
            return;
        }
        let Some(entry) = Arc::new(arrival.to_entry()).read() else { return };
        self.grade(app, call, &entry);
        if !self.stores() || self.was_cleared(app, call) {
            return;
        }
        let vector = self.similar.as_mut().and_then(|similar| similar.vector.take());
        let (its, app, since) = (entry.clone(), app.clone(), call.clears);
        app.clone().cache.store.put(entry.clone(), vector, move || {
            !app.cache.clears.concern(since, &its.fingerprint, &its.scope, &its.cache_key)
        });
        if let Some(leader) = self.leader.take() {
            leader.land(|| entry);
        }
    }

    /// Whether what is to be kept was removed since it was asked for: its answer may be the one that was not to be
    /// given any more.
    fn was_cleared(&self, app: &App, call: &Call) -> bool {
        let Policy { scope, cache_key, .. } = &self.policy;
        app.cache.clears.concern(call.clears, &self.subject.place.fingerprint, scope, cache_key)
    }

    /// Whether the answer is of use: to be kept, or to grade others by.
    pub(in crate::pipeline) fn wants_answer(&self) -> bool {
        let grades = self.similar.as_ref().is_some_and(|similar| !similar.would_be.is_empty());
        self.stores() || grades
    }

    fn stores(&self) -> bool {
        self.policy.store && !self.is_known
    }

    /// Whether an answer may be kept as it came. It is read at once where other nodes or questions like
    /// this one may find it, for shadow mode, and where it takes the place of another answer.
    fn may_wait(&self, app: &App, form: Form) -> bool {
        let is_alone = |similar: &Similar| similar.vector.is_none() && similar.would_be.is_empty();
        form != Form::Embedding
            && self.similar.as_deref().is_none_or(is_alone)
            && !self.differs
            && app.cache.store.keeps_unread()
    }

    /// Finds out, beside the requests, whether what shadow mode would have served was right.
    fn grade(&mut self, app: &Arc<App>, call: &Arc<Call>, entry: &Entry) {
        let Some(similar) = self.similar.as_mut().filter(|similar| !similar.would_be.is_empty())
        else {
            return;
        };
        let Some(answer) = decoded_answer(call.operation, entry.wire, &entry.answer) else {
            return;
        };
        let grading = Grading {
            app: app.clone(),
            call: call.clone(),
            judge: self.policy.config.judge_model.clone(),
            embedder: similar.embedder.clone(),
            question: self.subject.question().text().into(),
            answer: text_of(&answer),
        };
        let would_be = std::mem::take(&mut similar.would_be);
        tokio::spawn(async move {
            for candidate in would_be {
                grading.grade(candidate).await;
            }
        });
    }
}
