//! The shared stores of the cache on real servers: PostgreSQL with pgvector at
//! `TOLLBRIDGE_TEST_POSTGRES_URL` and Redis at `TOLLBRIDGE_TEST_REDIS_ADDR`, both of which
//! `tests/run/with_stores.py` starts. Without them these tests say that they were left out.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod postgres;
mod proxy;
mod redis;

use bytes::Bytes;
use std::cell::RefCell;
use std::io::Write as _;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};
use tollbridge::cache::breaker::StoreState;
use tollbridge::cache::{Entry, Fingerprint, Partition};
use tollbridge::llm::Wire;

/// The time of these tests, in Unix milliseconds: what is put at it has not expired on the server.
const NOW: i64 = 4_000_000_000_000;

/// The value of a variable that names a server; says it when it is not set.
fn server(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        // Not `eprintln!`, of which nothing is seen when a test passes.
        let skipped = format!("\n*** SKIPPED: {variable} is not set, nothing was tested ***\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    }
    value
}

/// An entry of the request `id`, put at [`NOW`] for a minute.
fn entry(id: u16, scope: &str, cache_key: &str) -> Entry {
    let mut fingerprint = [7; 16];
    fingerprint[..2].copy_from_slice(&id.to_be_bytes());
    Entry {
        fingerprint: Fingerprint(fingerprint),
        partition: Partition([1; 16]),
        scope: scope.into(),
        cache_key: cache_key.into(),
        question: format!("question {id} \0 of {scope}").into(),
        provider: "openai".into(),
        model: "gpt-4o".into(),
        wire: Wire::Anthropic,
        answer: Bytes::from(format!("{{\"answer\":{id}}}").repeat(300)),
        unread: None,
        cost: 12_345,
        latency_us: 678,
        tokens: (9, 10),
        created_ms: NOW,
        expires_ms: NOW + 60_000,
    }
}

/// Waits until the store is connected.
async fn connected(state: impl Fn() -> StoreState) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !matches!(state(), StoreState::Connected(_)) {
        assert!(Instant::now() < deadline, "not connected: {:?}", state());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How long something took, and what came out.
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let start = Instant::now();
    let value = work.await;
    (start.elapsed(), value)
}

thread_local! {
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Ends the capture of a thread's log.
struct LogGuard;

impl Drop for LogGuard {
    fn drop(&mut self) {
        LOG.set(None);
    }
}

/// The log of this thread's tasks, from now until the guard is dropped. There is one subscriber for all
/// threads: with one for each, an event whose first one is just being registered would be lost.
fn captured_log() -> (LogGuard, Log) {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(|| LOG.with_borrow(|log| log.clone().unwrap_or_default()))
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    let log = Log::default();
    LOG.set(Some(log.clone()));
    (LogGuard, log)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
