//! Connections to PostgreSQL, and asking over one within a time.
//!
//! Not the driver's pool: its connections are made on the requester's time and its broken ones are
//! found one request at a time. Here a query runs in a task of the store's own, so that a request
//! that has waited long enough leaves while the task cleans up behind it, the wait for making a
//! connection is not mistaken for a slow store, and one failure drops all connections.

use super::super::breaker::{Breaker, Pass, StoreError};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// How much later the requester gives up than the query, so that the store is known to be away when
/// its first slow request is answered.
const GRACE: Duration = Duration::from_millis(10);
/// A connection that has not been used for this long is not used again: firewalls forget it.
const IDLE: Duration = Duration::from_secs(90);

/// A query that runs on a connection.
pub(super) type Query<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// What a time-out of a query means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    /// The store is away.
    IsAway,
    /// It had much to do.
    IsBusy,
}

pub(super) struct Lanes {
    options: PgConnectOptions,
    dial_timeout: Duration,
    /// The runtime that the sockets live on; requests come from others too.
    runtime: Handle,
    lanes: Semaphore,
    idle: Mutex<Vec<Idle>>,
    pub(super) breaker: Breaker,
}

struct Idle {
    connection: PgConnection,
    pass: Pass,
    since: Instant,
}

impl fmt::Debug for Lanes {
    /// Without the options: theirs shows the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

impl Lanes {
    /// For at most `count` connections at a time, none of which is made yet.
    pub(super) fn new(options: PgConnectOptions, count: usize, dial_timeout: Duration) -> Self {
        let options = options.disable_statement_logging();
        Lanes {
            options,
            dial_timeout,
            runtime: Handle::current(),
            lanes: Semaphore::new(count.max(1)),
            idle: Mutex::default(),
            breaker: Breaker::new("PostgreSQL"),
        }
    }

    /// A new connection.
    pub(super) async fn dial(&self) -> Result<PgConnection, DialError> {
        let Ok(connection) = timeout(self.dial_timeout, self.options.connect()).await else {
            let reason = format!("no connection within {} ms", self.dial_timeout.as_millis());
            return Err(DialError { reason, full: false });
        };
        Ok(connection?)
    }

    /// Forgets every connection.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Asks within `limit`, counted from now. At once [`StoreError::Away`] while the store is away.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        slow: Slow,
        query: impl for<'c> FnOnce(&'c mut PgConnection) -> Query<'c, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pass = self.breaker.pass().ok_or(StoreError::Away)?;
        let deadline = Instant::now() + limit;
        let (answer, answered) = oneshot::channel();
        let lanes = Arc::clone(self);
        self.runtime.spawn(async move {
            // Whoever waited for half of the time for a free connection would judge the store by
            // what is left: that request is a miss, and the store is not asked.
            let latest = deadline - limit / 2;
            let Ok(Ok(_lane)) = timeout_at(latest, lanes.lanes.acquire()).await else { return };
            let mut connection = match lanes.take(pass).await {
                Ok(connection) => connection,
                Err(error) => return drop(answer.send(Err(error))),
            };
            if answer.is_closed() || Instant::now() > latest {
                return lanes.give(connection, pass);
            }
            let result = match timeout_at(deadline, query(&mut connection)).await {
                Ok(result) => lanes.judge(result, pass),
                Err(_) if slow == Slow::IsBusy => Err(StoreError::TimedOut(limit)),
                Err(_) => {
                    lanes.breaker.trip(pass, &StoreError::TimedOut(limit).to_string());
                    Err(StoreError::TimedOut(limit))
                }
            };
            // After a time-out the answer of this query would be taken for that of the next one.
            if !matches!(result, Err(StoreError::TimedOut(_))) {
                lanes.give(connection, pass);
            }
            drop(answer.send(result));
        });
        match timeout_at(deadline + GRACE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(StoreError::TimedOut(limit)),
        }
    }

    /// A connection that was used before, else a new one.
    async fn take(&self, pass: Pass) -> Result<PgConnection, StoreError> {
        if let Some(connection) = self.last_idle(pass) {
            return Ok(connection);
        }
        self.dial().await.map_err(|DialError { reason, full }| {
            if full {
                self.breaker.refused(&reason);
            } else {
                self.breaker.trip(pass, &reason);
            }
            StoreError::Failed(reason)
        })
    }

    fn last_idle(&self, pass: Pass) -> Option<PgConnection> {
        let mut idle = self.lock();
        idle.retain(|idle| idle.pass == pass && idle.since.elapsed() < IDLE);
        idle.pop().map(|idle| idle.connection)
    }

    fn give(&self, connection: PgConnection, pass: Pass) {
        if self.breaker.pass() == Some(pass) {
            self.lock().push(Idle { connection, pass, since: Instant::now() });
        }
    }

    /// Tells an error that says that the store is away from one that says what it does not want.
    fn judge<T>(&self, result: sqlx::Result<T>, pass: Pass) -> Result<T, StoreError> {
        result.map_err(|error| {
            let reason = error.to_string();
            match error.as_database_error().and_then(|error| error.code()) {
                Some(code) if is_refusal(&code) => self.breaker.refused(&reason),
                _ => self.breaker.trip(pass, &reason),
            }
            StoreError::Failed(reason)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct DialError {
    pub(super) reason: String,
    /// The server is there and has no place for one more.
    full: bool,
}

impl From<sqlx::Error> for DialError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        DialError { full: code.is_some_and(|code| code == "53300"), reason: error.to_string() }
    }
}

/// Whether an SQLSTATE speaks of the entry, of a full disk, of a lock or of a right that is missing
/// for this statement: what can be read can still be read.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_refusal(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "22" | "23" | "25" | "40" | "53" | "54" | "55") || code == "42501"
}

#[cfg(test)]
mod tests {
    use super::is_refusal;

    #[test]
    fn what_a_server_refuses_is_not_its_going_away() {
        // Data, a read-only replica, a full disk, a right.
        for code in ["22021", "22P05", "25006", "53100", "42501"] {
            assert!(is_refusal(code), "{code}");
        }
        // A connection lost, shutting down, a table that is gone, no code at all.
        for code in ["08006", "57P01", "42P01", ""] {
            assert!(!is_refusal(code), "{code}");
        }
    }
}
