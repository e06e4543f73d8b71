//! The exact entries of the cache in Redis or Valkey, shared by every node that names the same
//! server and namespace.
//!
//! A key is `tollbridge:cache:<namespace>:<scope>:<cache key>:<fingerprint>`, the middle two as
//! hashes, and expires by itself. Clearing looks through the keys (`scan`): an index of them would
//! have to be kept free of what has expired, and a server that evicts could lose it, after which an
//! entry would outlive its clearing.
//!
//! Answers "not there" when the server is away, slow or refuses: see `breaker.rs`.

mod settings;

pub use settings::RedisSettings;

use super::breaker::{Breaker, Keeper, Link, Pass, StoreError, StoreState};
use super::entry::{Clear, Entry, Fill, Fingerprint};
use super::record;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, RedisResult};
use redis::{ServerErrorKind, cmd, pipe};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long clearing may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Keys that are looked at in one step: the server does nothing else meanwhile.
const PAGE: usize = 1000;
/// How long a counted fill is shown: counting looks through all keys.
const FILL_AGE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct RedisStore {
    inner: Arc<Inner>,
    /// What every key begins with.
    prefix: String,
    write_timeout: Duration,
    counted: Mutex<Option<(Instant, Option<Fill>)>>,
    _keeper: Keeper,
}

struct Inner {
    client: Client,
    dial_timeout: Duration,
    read_timeout: Duration,
    breaker: Breaker,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// A store that connects in the background and goes on trying; it fails for settings only. Must
    /// be called inside of a Tokio runtime that lives as long as the store: its connection lives
    /// there, whichever runtime asks.
    pub fn open(settings: &RedisSettings) -> Result<Self, StoreError> {
        let inner = Arc::new(Inner {
            client: settings.client()?,
            dial_timeout: settings.dial_timeout,
            read_timeout: settings.read_timeout,
            breaker: Breaker::new("Redis"),
            connection: Mutex::default(),
        });
        Ok(RedisStore {
            _keeper: Keeper::start(Arc::clone(&inner)),
            inner,
            prefix: format!("tollbridge:cache:{}:", settings.namespace),
            write_timeout: settings.write_timeout,
            counted: Mutex::default(),
        })
    }

    /// The entry of this very request, which is of this scope and cache key. `None` too when the
    /// store is away or has not answered within the read time-out.
    pub async fn exact(
        &self,
        fingerprint: &Fingerprint,
        scope: &str,
        cache_key: &str,
        now_ms: i64,
    ) -> Option<Arc<Entry>> {
        let get = cmd("GET").arg(self.key(fingerprint, scope, cache_key)).to_owned();
        let limit = self.inner.read_timeout;
        let record: Option<Vec<u8>> = self.inner.ask(&get, limit, Slow::IsAway).await.ok()?;
        let entry = record::decode(&Bytes::from(record?))?;
        let asked = entry.fingerprint == *fingerprint && &*entry.scope == scope;
        (asked && entry.expires_ms > now_ms).then(|| Arc::new(entry))
    }

    /// Keeps an entry until it expires. Nothing happens when the store is away or refuses it.
    pub async fn put(&self, entry: &Entry) {
        let mut set = cmd("SET");
        set.arg(self.key(&entry.fingerprint, &entry.scope, &entry.cache_key));
        set.arg(record::encode(entry)).arg("PXAT").arg(entry.expires_ms);
        // Failures are for the breaker to report.
        drop(self.inner.ask::<()>(&set, self.write_timeout, Slow::IsAway).await);
    }

    /// Removes entries for all nodes. Returns how many.
    pub async fn clear(&self, what: &Clear) -> Result<u64, StoreError> {
        let pattern = self.pattern(what);
        let deadline = Instant::now() + ADMIN_TIMEOUT;
        let (mut cursor, mut cleared) = (0, 0);
        loop {
            let (next, keys) = self.page(cursor, &pattern, deadline).await?;
            if !keys.is_empty() {
                let unlink = cmd("UNLINK").arg(keys).to_owned();
                let limit = deadline.saturating_duration_since(Instant::now());
                cleared += self.inner.ask::<u64>(&unlink, limit, Slow::IsBusy).await?;
            }
            if next == 0 {
                return Ok(cleared);
            }
            cursor = next;
        }
    }

    /// How full the store is, as counted within the last half minute; `None` when it is away or
    /// holds so many keys that counting takes longer than the write time-out.
    pub async fn fill(&self) -> Option<Fill> {
        if let Some((at, fill)) = *self.counted()
            && at.elapsed() < FILL_AGE
        {
            return fill;
        }
        let fill = match self.count().await {
            Ok(fill) => Some(fill),
            Err(StoreError::Away) => return None,
            Err(_) => None,
        };
        *self.counted() = Some((Instant::now(), fill));
        fill
    }

    /// Whether it can be reached.
    pub fn state(&self) -> StoreState {
        self.inner.breaker.state()
    }

    async fn count(&self) -> Result<Fill, StoreError> {
        let pattern = self.pattern(&Clear::Everything);
        let deadline = Instant::now() + self.write_timeout;
        let (mut cursor, mut fill) = (0, Fill::default());
        loop {
            let (next, keys) = self.page(cursor, &pattern, deadline).await?;
            fill.entries += keys.len() as u64;
            fill.bytes += self.sizes(&keys, deadline).await?;
            if next == 0 {
                return Ok(fill);
            }
            cursor = next;
        }
    }

    async fn sizes(&self, keys: &[String], deadline: Instant) -> Result<u64, StoreError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let mut lengths = pipe();
        for key in keys {
            lengths.cmd("STRLEN").arg(key);
        }
        let (pass, mut connection) = self.inner.connection()?;
        let limit = deadline.saturating_duration_since(Instant::now());
        let asked = timeout(limit, lengths.query_async::<Vec<u64>>(&mut connection));
        let lengths = self.inner.judge(asked.await.ok(), pass, limit, Slow::IsBusy)?;
        let keys: usize = keys.iter().map(String::len).sum();
        Ok(lengths.iter().sum::<u64>() + keys as u64)
    }

    async fn page(
        &self,
        cursor: u64,
        pattern: &str,
        deadline: Instant,
    ) -> Result<(u64, Vec<String>), StoreError> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
        let limit = deadline.saturating_duration_since(Instant::now());
        self.inner.ask(&scan, limit, Slow::IsBusy).await
    }

    fn key(&self, fingerprint: &Fingerprint, scope: &str, cache_key: &str) -> String {
        let (scope, cache_key) = (short_hash(scope), short_hash(cache_key));
        format!("{}{scope}:{cache_key}:{}", self.prefix, hex(&fingerprint.0))
    }

    /// What the keys to be cleared look like.
    fn pattern(&self, what: &Clear) -> String {
        // As long as what they stand for, so that no key of another namespace is matched whose name
        // begins with this one.
        let (any_hash, any_fingerprint) = ("?".repeat(16), "?".repeat(32));
        let (mut scope, mut cache_key) = (any_hash.clone(), any_hash);
        let mut fingerprint = any_fingerprint;
        match what {
            Clear::One(one) => fingerprint = hex(&one.0),
            Clear::Scope(one) => scope = short_hash(one),
            Clear::CacheKey(one) => cache_key = short_hash(one),
            Clear::Everything => {}
        }
        format!("{}{scope}:{cache_key}:{fingerprint}", literal(&self.prefix))
    }

    fn counted(&self) -> MutexGuard<'_, Option<(Instant, Option<Fill>)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a time-out means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    /// The server is away.
    IsAway,
    /// It had much to do.
    IsBusy,
}

impl Inner {
    /// Asks within `limit`. At once [`StoreError::Away`] while the server is away.
    async fn ask<T: FromRedisValue>(
        &self,
        command: &redis::Cmd,
        limit: Duration,
        slow: Slow,
    ) -> Result<T, StoreError> {
        let (pass, mut connection) = self.connection()?;
        let answer = timeout(limit, command.query_async::<T>(&mut connection)).await.ok();
        self.judge(answer, pass, limit, slow)
    }

    fn connection(&self) -> Result<(Pass, MultiplexedConnection), StoreError> {
        let pass = self.breaker.pass().ok_or(StoreError::Away)?;
        let connection = self.lock().clone().ok_or(StoreError::Away)?;
        Ok((pass, connection))
    }

    /// Tells an error that says that the server is away from one that says what it does not want.
    fn judge<T>(
        &self,
        answer: Option<RedisResult<T>>,
        pass: Pass,
        limit: Duration,
        slow: Slow,
    ) -> Result<T, StoreError> {
        match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => {
                let reason = error.to_string();
                if is_refusal(&error) {
                    self.breaker.refused(&reason);
                } else {
                    self.breaker.trip(pass, &reason);
                }
                Err(StoreError::Failed(reason))
            }
            None => {
                let error = StoreError::TimedOut(limit);
                if slow == Slow::IsAway {
                    self.breaker.trip(pass, &error.to_string());
                }
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for Inner {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn disconnect(&self) {
        *self.lock() = None;
    }

    async fn connect(&self) -> Result<(), String> {
        // The times are kept here, as they differ between reading and writing.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.dial_timeout))
            .set_response_timeout(None);
        let dial = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = timeout(self.dial_timeout, dial)
            .await
            .map_err(|_| format!("no connection within {} ms", self.dial_timeout.as_millis()))?
            .map_err(|error| error.to_string())?;
        let ping = cmd("PING");
        match timeout(self.read_timeout, ping.exec_async(&mut connection)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(StoreError::TimedOut(self.read_timeout).to_string()),
        }
        *self.lock() = Some(connection);
        Ok(())
    }

    async fn care(&self) {
        drop(self.ask::<()>(&cmd("PING"), self.read_timeout, Slow::IsAway).await);
    }
}

/// Whether the server is there and says no to this command, such as when its memory is full.
fn is_refusal(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(
                kind,
                ServerErrorKind::ReadOnly
                    | ServerErrorKind::NoPerm
                    | ServerErrorKind::ResponseError
            )
        }
        // Full memory, no disk for its snapshots, a key of another kind.
        ErrorKind::Extension => {
            matches!(error.code(), Some("OOM" | "MISCONF" | "WRONGTYPE" | "NOREPLICAS"))
        }
        _ => false,
    }
}

/// 16 digits: two texts that share them are cleared together, and nothing else depends on them.
fn short_hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A pattern that matches this text only.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_no_pattern() {
        assert_eq!(literal("team-[a]*?\\:"), r"team\-\[a\]\*\?\\:");
        assert_eq!(short_hash(""), "e3b0c44298fc1c14");
        assert_eq!(hex(&[0, 15, 255]), "000fff");
    }
}
