//! The beat of the live feed: how many requests have finished, and a wake-up for who waits.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// Counts finished requests and tells subscribers once a change can be read.
///
/// Counting and telling are apart because counting happens on the request path, where waking
/// dashboards would cost more than the rest of the log.
#[derive(Debug)]
pub struct Pulse {
    finished: AtomicU64,
    beat: watch::Sender<u64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { finished: AtomicU64::new(0), beat: watch::Sender::new(0) }
    }
}

impl Pulse {
    /// Counts one finished request.
    pub fn count(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests finished since the start of the process.
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Wakes subscribers if something has finished since the last beat.
    pub fn beat(&self) {
        let finished = self.finished();
        self.beat.send_if_modified(|last| std::mem::replace(last, finished) != finished);
    }

    /// A receiver that wakes with every beat.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.beat.subscribe()
    }
}
