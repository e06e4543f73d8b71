//! What keeps a store that is away from being asked.
//!
//! A shared store is an extra: without it requests are misses, and a request never waits for one
//! that does not answer. The first failure opens the breaker, and from then on nobody asks the
//! store; one background task ([`keep`]) tries to reach it again, after a second, then at pauses
//! that double up to half a minute.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

/// The first pause before the store is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A store that was there for less than this is not taken for well: the pauses go on doubling, so
/// that one that comes and goes is neither asked nor reported each second.
const STEADY: Duration = Duration::from_secs(60);
/// How often a connected store is looked after.
const CARE: Duration = Duration::from_secs(30);
/// How often it is reported that the store refuses what it is given.
const REPORT: Duration = Duration::from_secs(60);

/// Why a store did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// It is away: it was not asked.
    Away,
    /// It has not answered within this time.
    TimedOut(Duration),
    /// It answered with an error.
    Failed(String),
    /// Entries were removed from memory, but its journal may still have them, and why.
    NotWritten(String),
    /// The settings cannot be used. Says what is wrong without the credentials.
    Settings(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Away => write!(f, "the shared cache store is away"),
            StoreError::TimedOut(limit) => {
                write!(f, "the shared cache store has not answered within {} ms", limit.as_millis())
            }
            StoreError::Failed(reason) => write!(f, "the shared cache store failed: {reason}"),
            StoreError::NotWritten(reason) => write!(
                f,
                "the entries are removed, but cache.journal in the app dir may still have them, and bring them \
                 back at a restart: it cannot be written ({reason}); mend that and clear again"
            ),
            StoreError::Settings(problem) => write!(f, "{problem}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// How a store is, for the dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// It has not been reached yet, and no try has failed.
    Connecting,
    /// It answers, since so long.
    Connected(Duration),
    /// It does not answer: since so long, and for this reason.
    Away(Duration, Arc<str>),
}

/// The right to ask a store once, from [`Breaker::pass`]. Names the connection that it is for, so
/// that a failure that is noticed late does not count against the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass(u64);

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker {
    /// What the store is called in the log.
    name: &'static str,
    /// The [`Pass`] of now; 0 while the store is away.
    pass: AtomicU64,
    inner: Mutex<Inner>,
    tripped: Notify,
}

#[derive(Debug)]
struct Inner {
    passes: u64,
    pause: Duration,
    /// When it was reached, or when it went away.
    since: Instant,
    /// Why it is away; `None` before the first try.
    reason: Option<Arc<str>>,
    /// When something that the store refused was reported.
    reported: Option<Instant>,
}

impl Breaker {
    /// The breaker of a store that has not been reached yet.
    pub(super) fn new(name: &'static str) -> Self {
        let inner = Inner {
            passes: 0,
            pause: Duration::ZERO,
            since: Instant::now(),
            reason: None,
            reported: None,
        };
        let (pass, tripped) = (AtomicU64::new(0), Notify::new());
        Breaker { name, pass, inner: Mutex::new(inner), tripped }
    }

    /// Leave to ask the store; `None` while it is away.
    pub(super) fn pass(&self) -> Option<Pass> {
        Some(Pass(self.pass.load(Ordering::Acquire))).filter(|pass| pass.0 != 0)
    }

    /// The store has failed: it is away from now on. Without effect when that is known already.
    pub(super) fn trip(&self, pass: Pass, reason: &str) {
        let mut inner = self.lock();
        if self.pass.load(Ordering::Acquire) != pass.0 {
            return;
        }
        self.pass.store(0, Ordering::Release);
        let steady = inner.since.elapsed() >= STEADY;
        inner.pause = if steady { FIRST_PAUSE } else { longer(inner.pause) };
        inner.since = Instant::now();
        inner.reason = Some(reason.into());
        drop(inner);
        warn!(store = self.name, reason, "the shared cache is away: requests go on without it");
        self.tripped.notify_one();
    }

    /// The store was reached.
    pub(super) fn restore(&self) {
        let mut inner = self.lock();
        inner.passes += 1;
        let known_away = inner.reason.take().is_some();
        let away_ms = inner.since.elapsed().as_millis();
        inner.since = Instant::now();
        self.pass.store(inner.passes, Ordering::Release);
        drop(inner);
        if known_away {
            info!(store = self.name, away_ms, "the shared cache is back");
        } else {
            info!(store = self.name, "the shared cache is connected");
        }
    }

    /// A try to reach the store has failed.
    pub(super) fn still_away(&self, reason: &str) {
        let mut inner = self.lock();
        inner.pause = longer(inner.pause);
        let known_away = inner.reason.replace(reason.into()).is_some();
        drop(inner);
        if !known_away {
            warn!(store = self.name, reason, "the shared cache is away: requests go on without it");
        }
    }

    /// The store is there but refuses something, such as an entry while its disk is full. Reported
    /// now and then only.
    pub(super) fn refused(&self, reason: &str) {
        let mut inner = self.lock();
        if inner.reported.is_some_and(|at| at.elapsed() < REPORT) {
            return;
        }
        inner.reported = Some(Instant::now());
        drop(inner);
        warn!(store = self.name, reason, "the shared cache refuses an operation");
    }

    /// How the store is.
    pub(super) fn state(&self) -> StoreState {
        let inner = self.lock();
        match &inner.reason {
            Some(reason) => StoreState::Away(inner.since.elapsed(), Arc::clone(reason)),
            None if inner.passes == 0 => StoreState::Connecting,
            None => StoreState::Connected(inner.since.elapsed()),
        }
    }

    fn pause(&self) -> Duration {
        self.lock().pause
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
}

/// A store as [`keep`] sees it.
pub(super) trait Link: Send + Sync + 'static {
    /// Its breaker.
    fn breaker(&self) -> &Breaker;
    /// Forgets every connection.
    fn disconnect(&self);
    /// Connects and asks the store something that a request would ask; else says why not. Bounded
    /// in time.
    fn connect(&self) -> impl Future<Output = Result<(), String>> + Send;
    /// Asks the store something, so that its going away is noticed without requests.
    fn care(&self) -> impl Future<Output = ()> + Send;
}

/// The background task of a store; ends with it.
#[derive(Debug)]
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    /// Starts keeping the store connected.
    pub(super) fn start<L: Link>(link: Arc<L>) -> Self {
        Keeper(tokio::spawn(keep(link)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects the store, and again each time when it has gone away. Never ends.
async fn keep<L: Link>(link: Arc<L>) {
    let breaker = link.breaker();
    loop {
        if breaker.pass().is_some() {
            tokio::select! {
                () = breaker.tripped.notified() => {}
                () = sleep(CARE) => link.care().await,
            }
            continue;
        }
        link.disconnect();
        sleep(breaker.pause()).await;
        match link.connect().await {
            Ok(()) => breaker.restore(),
            Err(reason) => breaker.still_away(&reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    #[derive(Debug)]
    struct Fake {
        breaker: Breaker,
        there: AtomicBool,
        tries: AtomicUsize,
    }

    impl Link for Fake {
        fn breaker(&self) -> &Breaker {
            &self.breaker
        }
        fn disconnect(&self) {}
        async fn connect(&self) -> Result<(), String> {
            self.tries.fetch_add(1, Ordering::SeqCst);
            self.there.load(Ordering::SeqCst).then_some(()).ok_or_else(|| "refused".to_owned())
        }
        async fn care(&self) {}
    }

    fn fake(there: bool) -> (Arc<Fake>, Keeper) {
        let (breaker, there) = (Breaker::new("fake"), AtomicBool::new(there));
        let fake = Arc::new(Fake { breaker, there, tries: AtomicUsize::new(0) });
        (Arc::clone(&fake), Keeper::start(fake))
    }

    async fn tries_within(fake: &Fake, seconds: u64) -> usize {
        let before = fake.tries.load(Ordering::SeqCst);
        sleep(Duration::from_secs(seconds)).await;
        fake.tries.load(Ordering::SeqCst) - before
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_is_tried_at_doubling_pauses() {
        let (fake, _keeper) = fake(false);
        assert_eq!(fake.breaker.state(), StoreState::Connecting);
        sleep(Duration::from_millis(1)).await;
        assert!(
            matches!(fake.breaker.state(), StoreState::Away(_, reason) if &*reason == "refused")
        );
        // At 0, 1, 3, 7, 15, 31 s, then each 30 s.
        assert_eq!(tries_within(&fake, 32).await, 5);
        assert_eq!(tries_within(&fake, 300).await, 10);
        assert_eq!(fake.breaker.pass(), None);
        fake.there.store(true, Ordering::SeqCst);
        sleep(LONGEST_PAUSE).await;
        assert!(fake.breaker.pass().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_pause_after_good_times_is_short() {
        let (fake, _keeper) = fake(true);
        sleep(STEADY + CARE).await;
        let pass = fake.breaker.pass().unwrap();
        fake.breaker.trip(pass, "broken pipe");
        assert_eq!(fake.breaker.pass(), None);
        sleep(FIRST_PAUSE - Duration::from_millis(10)).await;
        assert_eq!(fake.breaker.pass(), None);
        sleep(Duration::from_millis(20)).await;
        // Again, before it is steady: twice the pause.
        fake.breaker.trip(fake.breaker.pass().unwrap(), "broken pipe");
        sleep(FIRST_PAUSE * 2 - Duration::from_millis(10)).await;
        assert_eq!(fake.breaker.pass(), None);
        sleep(Duration::from_millis(20)).await;
        assert!(fake.breaker.pass().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_failure_of_an_old_connection_changes_nothing() {
        let (fake, _keeper) = fake(true);
        sleep(Duration::from_millis(1)).await;
        let old = fake.breaker.pass().unwrap();
        fake.breaker.trip(old, "time-out");
        sleep(FIRST_PAUSE * 2).await;
        let new = fake.breaker.pass().unwrap();
        assert_ne!(old, new);
        fake.breaker.trip(old, "time-out");
        assert_eq!(fake.breaker.pass(), Some(new));
        assert!(matches!(fake.breaker.state(), StoreState::Connected(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_keeper_ends_with_its_store() {
        let (fake, keeper) = fake(false);
        sleep(Duration::from_millis(1)).await;
        drop(keeper);
        assert_eq!(tries_within(&fake, 60).await, 0);
    }
}
