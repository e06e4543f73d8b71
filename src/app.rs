//! Every live object of the process, built once.

use crate::cache::Cache;
use crate::config::Live;
use crate::govern::Ledger;
use crate::route::{Decisions, Health, Offers};
use crate::store::Db;
use crate::telemetry::{Metrics, RequestLog};
use crate::upstream::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// What requests share.
#[derive(Debug)]
pub struct App {
    /// The configuration as it is now.
    pub live: Live,
    /// Budgets and rate limits.
    pub ledger: Arc<Ledger>,
    /// What recent attempts say about providers and keys.
    pub health: Arc<Health>,
    /// What providers list.
    pub offers: Offers,
    /// Places at providers.
    pub limits: Limits,
    /// What Prometheus scrapes.
    pub metrics: Arc<Metrics>,
    /// Finished requests.
    pub request_log: Arc<RequestLog>,
    /// Answers already known.
    pub cache: Cache,
    /// The latest routing decisions.
    pub decisions: Decisions,
    /// Where configuration and usage are kept.
    pub store: Db,
    /// When the process began.
    pub started: Instant,
    /// Whether only this machine can reach the gateway.
    pub listen_is_loopback: bool,
    /// Set when the process shall end; streams in flight may still go on.
    pub stop: CancellationToken,
    /// Whether new requests are to be sent elsewhere.
    pub draining: AtomicBool,
}

impl App {
    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        unix_ms(SystemTime::now())
    }

    /// Unix seconds.
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}
