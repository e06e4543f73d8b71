//! Live meters: reserve, settle, refund.
//!
//! `admit` locks the meters of a path in the order of their ids, checks all, reserves on all, and
//! hands out a [`Ticket`]. Settling replaces the reservation by what was really used; dropping an
//! unsettled ticket gives it back. Nothing is awaited under a lock.

use super::{Estimate, Learned};
use crate::config::{MeterSpec, Unit};
use crate::llm::Cost;
use crate::store::{MeterDelta, MeterRow};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Every live meter by id. Survives changes of the configuration.
#[derive(Debug, Default)]
pub struct Ledger {
    meters: RwLock<HashMap<Arc<str>, Arc<Meter>, foldhash::fast::RandomState>>,
    /// Woken whenever a hold is released.
    released: Notify,
    /// What requests use, learned from answers.
    pub learned: Learned,
}

/// What a meter shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterUsage {
    /// Unix seconds at which the window began.
    pub window_start: i64,
    /// Used in this window, in the meter's unit.
    pub used: i64,
    /// Held for requests in flight.
    pub held: i64,
}

/// Why a request was not admitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The meter that is closed.
    pub meter: MeterSpec,
    /// What it showed.
    pub usage: MeterUsage,
    /// Unix seconds at which its window ends.
    pub resets_at: i64,
}

impl Refusal {
    /// Whether only holds, not real use, fill the meter, so that waiting may help.
    pub fn by_holds(&self) -> bool {
        self.usage.used < self.meter.limit && self.usage.held > 0
    }
}

/// A reservation. Settle it, or drop it to give everything back.
#[derive(Debug)]
pub struct Ticket {
    ledger: Arc<Ledger>,
    holds: SmallVec<[Hold; 6]>,
}

#[derive(Debug)]
struct Hold {
    meter: Arc<Meter>,
    unit: Unit,
    amount: i64,
}

#[derive(Debug)]
struct Meter {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    window_start: i64,
    used: i64,
    held: i64,
    unflushed: i64,
}

impl Ledger {
    /// A ledger that goes on from what was flushed before.
    pub fn load(rows: Vec<MeterRow>) -> Arc<Self> {
        let ledger = Ledger::default();
        {
            let mut meters = ledger.meters.write().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                let state =
                    State { window_start: row.window_start, used: row.used, held: 0, unflushed: 0 };
                meters.insert(row.id.into(), Arc::new(Meter { state: Mutex::new(state) }));
            }
        }
        Arc::new(ledger)
    }

    /// Reserves `estimate` on every meter of `path`, or nothing on any. `path` is sorted by id;
    /// `now` is in Unix seconds.
    ///
    /// # Errors
    /// The first closed meter. Nothing has been taken then.
    pub fn admit(
        self: &Arc<Self>,
        path: &[MeterSpec],
        estimate: Estimate,
        now: i64,
    ) -> Result<Ticket, Refusal> {
        if path.is_empty() {
            return Ok(Ticket { ledger: self.clone(), holds: SmallVec::new() });
        }
        let meters = self.meters_of(path, now);
        let mut states: SmallVec<[MutexGuard<State>; 6]> = SmallVec::new();
        for (spec, meter) in path.iter().zip(&meters) {
            let mut state = meter.lock();
            state.roll(spec, now);
            if !state.admits(spec, estimate) {
                let usage = state.usage();
                let resets_at = spec.window.end(usage.window_start);
                return Err(Refusal { meter: spec.clone(), usage, resets_at });
            }
            states.push(state);
        }
        let mut holds = SmallVec::new();
        for ((spec, mut state), meter) in path.iter().zip(states).zip(&meters) {
            let amount = if spec.reserve { estimate.of(spec.unit) } else { 0 };
            state.held += amount;
            holds.push(Hold { meter: meter.clone(), unit: spec.unit, amount });
        }
        Ok(Ticket { ledger: self.clone(), holds })
    }

    /// As [`admit`](Self::admit), but waits up to `patience` while only holds stand in the way.
    /// `estimate` and `now` are asked again on every try: settled requests teach the one and move
    /// the other.
    ///
    /// # Errors
    /// The first closed meter of the last try.
    pub async fn admit_or_wait(
        self: &Arc<Self>,
        path: &[MeterSpec],
        patience: Duration,
        estimate: impl Fn() -> Estimate,
        now: impl Fn() -> i64,
    ) -> Result<Ticket, Refusal> {
        match self.admit(path, estimate(), now()) {
            Ok(ticket) => return Ok(ticket),
            Err(refusal) if patience.is_zero() || !refusal.by_holds() => return Err(refusal),
            Err(_) => {}
        }
        let deadline = Instant::now() + patience;
        loop {
            let released = self.released.notified();
            let refusal = match self.admit(path, estimate(), now()) {
                Ok(ticket) => return Ok(ticket),
                Err(refusal) => refusal,
            };
            if !refusal.by_holds() || tokio::time::timeout_at(deadline, released).await.is_err() {
                return Err(refusal);
            }
        }
    }

    /// What a meter shows at `now` (Unix seconds).
    pub fn usage(&self, spec: &MeterSpec, now: i64) -> MeterUsage {
        let meter = self.meter(spec, now);
        let mut state = meter.lock();
        state.roll(spec, now);
        state.usage()
    }

    /// Takes what has been added since the last call, for the store.
    pub fn take_deltas(&self) -> Vec<MeterDelta> {
        let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
        let mut deltas = Vec::new();
        for (id, meter) in meters.iter() {
            let mut state = meter.lock();
            let amount = std::mem::take(&mut state.unflushed);
            if amount != 0 {
                let window_start = state.window_start;
                deltas.push(MeterDelta { id: id.to_string(), window_start, amount });
            }
        }
        deltas
    }

    /// Puts deltas back that could not be stored; those of a closed window are gone with it.
    pub fn return_deltas(&self, deltas: Vec<MeterDelta>) {
        let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
        for delta in deltas {
            if let Some(meter) = meters.get(delta.id.as_str()) {
                let mut state = meter.lock();
                if state.window_start == delta.window_start {
                    state.unflushed += delta.amount;
                }
            }
        }
    }

    /// Forgets every meter whose id `keep` does not know.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        meters.retain(|id, meter| keep(id) || meter.lock().held != 0);
    }

    fn meters_of(&self, path: &[MeterSpec], now: i64) -> SmallVec<[Arc<Meter>; 6]> {
        {
            let all = self.meters.read().unwrap_or_else(PoisonError::into_inner);
            let known: Option<_> = path.iter().map(|spec| all.get(&spec.id).cloned()).collect();
            if let Some(meters) = known {
                return meters;
            }
        }
        path.iter().map(|spec| self.meter(spec, now)).collect()
    }

    fn meter(&self, spec: &MeterSpec, now: i64) -> Arc<Meter> {
        {
            let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(meter) = meters.get(&spec.id) {
                return meter.clone();
            }
        }
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        let window_start = spec.window.start(now, now);
        let state = State { window_start, used: 0, held: 0, unflushed: 0 };
        let new = || Arc::new(Meter { state: Mutex::new(state) });
        meters.entry(spec.id.clone()).or_insert_with(new).clone()
    }
}

impl Ticket {
    /// Replaces the reservation by what was really used and counts the request.
    pub fn settle(mut self, cost: Cost, tokens: u64) {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        if self.holds.is_empty() {
            return;
        }
        for hold in self.holds.drain(..) {
            let actual = match hold.unit {
                Unit::Cost => cost.0,
                Unit::Tokens => tokens,
                Unit::Requests => 1,
            };
            let mut state = hold.meter.lock();
            state.held -= hold.amount;
            state.used = state.used.saturating_add(actual);
            state.unflushed = state.unflushed.saturating_add(actual);
        }
        self.ledger.released.notify_waiters();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.holds.is_empty() {
            return;
        }
        for hold in self.holds.drain(..) {
            hold.meter.lock().held -= hold.amount;
        }
        self.ledger.released.notify_waiters();
    }
}

impl Meter {
    /// A poisoned lock holds plain numbers that are still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a new window when the old one is over. Holds go on: their requests settle in it.
    fn roll(&mut self, spec: &MeterSpec, now: i64) {
        let start = spec.window.start(self.window_start, now);
        if start > self.window_start {
            (self.window_start, self.used, self.unflushed) = (start, 0, 0);
        }
    }

    /// Whether `estimate` fits. A single request is let through while nothing else is held, so
    /// that an estimate that is larger than what is left cannot starve the caller; so a limit is
    /// overshot by one request at most.
    fn admits(&self, spec: &MeterSpec, estimate: Estimate) -> bool {
        if self.used >= spec.limit {
            return false;
        }
        let wanted = self.used.saturating_add(self.held).saturating_add(estimate.of(spec.unit));
        !spec.reserve || wanted <= spec.limit || self.held == 0
    }

    fn usage(&self) -> MeterUsage {
        MeterUsage { window_start: self.window_start, used: self.used, held: self.held }
    }
}

impl Estimate {
    fn of(self, unit: Unit) -> i64 {
        match unit {
            Unit::Cost => self.cost,
            Unit::Tokens => self.tokens,
            Unit::Requests => 1,
        }
    }
}

#[cfg(test)]
mod tests;
