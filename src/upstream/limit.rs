//! How many requests a provider gets at once, and how many may wait.

use crate::llm::{Failure, FailureKind, Source};
use crate::provider::Provider;
use hashbrown::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The gates of all providers. A semaphore each, no queue with workers.
#[derive(Debug, Default)]
pub struct Limits {
    gates: RwLock<HashMap<Arc<str>, Arc<Gate>, foldhash::fast::RandomState>>,
}

#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    concurrency: usize,
    waiting: AtomicUsize,
}

/// A place at a provider, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _place: OwnedSemaphorePermit,
}

impl Limits {
    /// Takes a place at `provider`, waiting for one unless `at_once`, for `patience` at most: whoever
    /// waits holds a part of its budget.
    ///
    /// # Errors
    /// `QueueFull` when as many requests wait as the provider's buffer holds, or when `at_once` and
    /// no place is free, or when none came in time.
    pub async fn enter(
        &self,
        provider: &Provider,
        at_once: bool,
        patience: Duration,
    ) -> Result<Permit, Failure> {
        let gate = self.gate(provider);
        if let Ok(place) = gate.places.clone().try_acquire_owned() {
            return Ok(Permit { _place: place });
        }
        if at_once || gate.waiting.fetch_add(1, Ordering::Relaxed) >= provider.buffer_size {
            if !at_once {
                gate.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            return Err(full(provider));
        }
        let _waiting = Waiting(&gate.waiting);
        match timeout(patience, gate.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(Permit { _place: place }),
            Ok(Err(_closed)) => Err(full(provider)),
            Err(_) => Err(waited(provider, patience)),
        }
    }

    fn gate(&self, provider: &Provider) -> Arc<Gate> {
        let fits = |gate: &&Arc<Gate>| gate.concurrency == provider.concurrency;
        {
            let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(gate) = gates.get(&provider.name).filter(fits) {
                return gate.clone();
            }
        }
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&provider.name).filter(fits) {
            return gate.clone();
        }
        // Requests that hold a place of the old gate go on; for a moment both count.
        let gate = Arc::new(Gate {
            places: Arc::new(Semaphore::new(provider.concurrency.min(Semaphore::MAX_PERMITS))),
            concurrency: provider.concurrency,
            waiting: AtomicUsize::new(0),
        });
        gates.insert(provider.name.clone(), gate.clone());
        gate
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn full(provider: &Provider) -> Failure {
    queue_full(format!("request dropped: queue is full for {}", provider.name))
}

fn waited(provider: &Provider, limit: Duration) -> Failure {
    queue_full(format!(
        "request dropped: none of the {} places at {} came free within {} s \
         (concurrency_and_buffer_size.concurrency)",
        provider.concurrency,
        provider.name,
        limit.as_secs_f64()
    ))
}

fn queue_full(message: String) -> Failure {
    Failure::new(Source::Gateway, FailureKind::QueueFull, message).with_code("queue_full")
}
