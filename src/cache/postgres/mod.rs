//! The cache in PostgreSQL: exact entries, and with the extension `vector` (pgvector) similar ones,
//! shared by every node that names the same database.
//!
//! Answers "not there" when the database is away, slow or refuses: see `breaker.rs`.

mod lanes;
mod schema;

use super::breaker::{Breaker, Keeper, Link, StoreError, StoreState};
use super::entry::{Clear, Entry, Fill, Fingerprint, Partition};
use super::record;
use crate::provider::Secret;
use bytes::Bytes;
use lanes::{Lanes, Slow};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use tracing::{info, warn};

/// How long clearing and removing may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);
/// More numbers than this pgvector does not take.
const MAX_DIMENSIONS: usize = 16_000;
/// Taken by the node that removes entries: two at a time would each remove what is too much.
const REMOVAL_LOCK: i64 = 0x746f_6c6c_7265_6d76;

/// How PostgreSQL is reached and used.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`. The
    /// parameters are libpq's, and those that the driver does not know are ignored.
    pub url: Secret,
    /// Connections of this node at most.
    pub connections: usize,
    /// How long making a connection may take. Requests do not wait for it.
    pub dial_timeout: Duration,
    /// How long a request waits for an answer.
    pub read_timeout: Duration,
    /// How long writing an entry may take.
    pub write_timeout: Duration,
    /// The oldest entries beyond this many are removed.
    pub max_entries: u64,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        PostgresSettings {
            url: Secret::default(),
            connections: 8,
            dial_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_millis(100),
            write_timeout: Duration::from_secs(1),
            max_entries: 100_000,
        }
    }
}

impl PostgresSettings {
    /// Whether the URL can be used; else [`StoreError::Settings`], which does not quote it.
    pub fn check(&self) -> Result<(), StoreError> {
        self.options().map(drop)
    }

    fn options(&self) -> Result<PgConnectOptions, StoreError> {
        let url = self.url.expose();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let problem = "the URL of PostgreSQL must begin with postgres://".to_owned();
            return Err(StoreError::Settings(problem));
        }
        let options = PgConnectOptions::from_str(&known_parameters(url)).map_err(|error| {
            StoreError::Settings(format!("the URL of PostgreSQL cannot be used: {error}"))
        })?;
        // Numbers go over the wire as such, and PgBouncer does not take this parameter.
        let options = options.extra_float_digits(None);
        Ok(match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("tollbridge"),
        })
    }
}

/// The URL without parameters that the driver does not know: it would write them to the log with
/// their values, and `sslpassword` is one of them.
fn known_parameters(url: &str) -> String {
    const KNOWN: [&str; 18] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
    ];
    let Some((base, parameters)) = url.split_once('?') else { return url.to_owned() };
    let known = parameters.split('&').filter(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        KNOWN.contains(&name) || name.starts_with("options[")
    });
    format!("{base}?{}", known.collect::<Vec<_>>().join("&"))
}

/// See the module.
#[derive(Debug)]
pub struct PostgresStore {
    inner: Arc<Inner>,
    read_timeout: Duration,
    write_timeout: Duration,
    max_entries: u64,
    _keeper: Keeper,
}

#[derive(Debug)]
struct Inner {
    lanes: Arc<Lanes>,
    read_timeout: Duration,
    vectors: AtomicBool,
    /// That there are no vectors was said.
    told: AtomicBool,
}

impl PostgresStore {
    /// A store that connects in the background and goes on trying; it fails for settings only. Must
    /// be called inside of a Tokio runtime that lives as long as the store: its connections live
    /// there, whichever runtime asks.
    pub fn open(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let lanes = Lanes::new(settings.options()?, settings.connections, settings.dial_timeout);
        let inner = Arc::new(Inner {
            lanes: Arc::new(lanes),
            read_timeout: settings.read_timeout,
            vectors: AtomicBool::new(false),
            told: AtomicBool::new(false),
        });
        Ok(PostgresStore {
            _keeper: Keeper::start(Arc::clone(&inner)),
            inner,
            read_timeout: settings.read_timeout,
            write_timeout: settings.write_timeout,
            max_entries: settings.max_entries,
        })
    }

    /// The entry of this very request. `None` too when the store is away or has not answered within
    /// the read time-out.
    pub async fn exact(&self, fingerprint: &Fingerprint, now_ms: i64) -> Option<Arc<Entry>> {
        let asked = *fingerprint;
        let query = "select record from cache_entries where fingerprint = $1 and expires_ms > $2";
        let record = self.inner.lanes.ask(self.read_timeout, Slow::IsAway, move |connection| {
            let query = sqlx::query_scalar(query).bind(asked.0).bind(now_ms);
            Box::pin(query.fetch_optional(connection))
        });
        let record: Vec<u8> = record.await.ok()??;
        record::decode(&Bytes::from(record))
            .filter(|entry| entry.fingerprint == asked && entry.expires_ms > now_ms)
            .map(Arc::new)
    }

    /// The entries of the partition whose vectors are nearest by cosine similarity: the nearest
    /// first, at most `limit`, none below `floor`. Empty too when the store is away, slow or has no
    /// vectors.
    pub async fn nearest(
        &self,
        partition: &Partition,
        vector: &[f32],
        limit: usize,
        floor: f32,
        now_ms: i64,
    ) -> Vec<(Arc<Entry>, f32)> {
        if !self.inner.vectors.load(Ordering::Relaxed) || !is_comparable(vector) {
            return Vec::new();
        }
        let (partition, vector) = (*partition, vector.to_vec());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.inner.lanes.ask(self.read_timeout, Slow::IsAway, move |connection| {
            let query = sqlx::query(NEAREST)
                .bind(partition.0)
                .bind(dimensions(Some(&vector)))
                .bind(now_ms)
                .bind(vector)
                .bind(limit)
                .bind(f64::from(floor));
            Box::pin(query.fetch_all(connection))
        });
        let Ok(rows) = rows.await else { return Vec::new() };
        let entries = rows.iter().filter_map(|row| {
            let record: Vec<u8> = row.try_get(0).ok()?;
            let similarity: f32 = row.try_get(1).ok()?;
            record::decode(&Bytes::from(record))
                .filter(|entry| entry.partition == partition && entry.expires_ms > now_ms)
                .filter(|_| similarity >= floor)
                .map(|entry| (Arc::new(entry), similarity))
        });
        entries.collect()
    }

    /// Keeps an entry, unless a newer one of the same request is there. Nothing happens when the
    /// store is away or refuses it.
    pub async fn put(&self, entry: &Entry, vector: Option<&[f32]>) {
        let row = PutRow::new(entry, vector.filter(|vector| is_comparable(vector)));
        let with_vectors = self.inner.vectors.load(Ordering::Relaxed);
        let put = self.inner.lanes.ask(self.write_timeout, Slow::IsAway, move |connection| {
            Box::pin(row.put(connection, with_vectors))
        });
        // Failures are for the breaker to report.
        drop(put.await);
    }

    /// Removes entries for all nodes. Returns how many, expired ones included.
    pub async fn clear(&self, what: &Clear) -> Result<u64, StoreError> {
        let what = what.clone();
        let cleared = self.inner.lanes.ask(ADMIN_TIMEOUT, Slow::IsBusy, move |connection| {
            Box::pin(async move {
                let query = match &what {
                    Clear::One(fingerprint) => {
                        sqlx::query("delete from cache_entries where fingerprint = $1")
                            .bind(fingerprint.0)
                    }
                    Clear::Scope(scope) => {
                        sqlx::query("delete from cache_entries where scope = $1").bind(&**scope)
                    }
                    Clear::CacheKey(cache_key) => {
                        sqlx::query("delete from cache_entries where cache_key = $1")
                            .bind(&**cache_key)
                    }
                    Clear::Everything => sqlx::query("delete from cache_entries"),
                };
                query.execute(connection).await
            })
        });
        Ok(cleared.await?.rows_affected())
    }

    /// Removes the expired entries, and the oldest beyond the cap. Returns how many; 0 too when
    /// another node is doing it.
    pub async fn remove_expired(&self, now_ms: i64) -> u64 {
        let cap = i64::try_from(self.max_entries).unwrap_or(i64::MAX);
        let removed = self.inner.lanes.ask(ADMIN_TIMEOUT, Slow::IsBusy, move |connection| {
            Box::pin(remove(connection, now_ms, cap))
        });
        removed.await.unwrap_or(0)
    }

    /// How full the store is, expired entries included; `None` when it does not say.
    pub async fn fill(&self) -> Option<Fill> {
        let query = "select count(*), coalesce(sum(size), 0)::bigint from cache_entries";
        let row = self.inner.lanes.ask(self.write_timeout, Slow::IsBusy, move |connection| {
            Box::pin(sqlx::query_as::<_, (i64, i64)>(query).fetch_one(connection))
        });
        let (entries, bytes) = row.await.ok()?;
        Some(Fill { entries: entries.try_into().ok()?, bytes: bytes.try_into().ok()? })
    }

    /// Whether it can be reached.
    pub fn state(&self) -> StoreState {
        self.inner.lanes.breaker.state()
    }

    /// Whether it keeps vectors; not before it is connected, nor without the extension `vector`.
    pub fn has_vectors(&self) -> bool {
        self.inner.vectors.load(Ordering::Relaxed)
    }
}

/// The outer query leaves out what is too far before it is sent. The floor is no filter of the inner
/// one: filters are applied in any order, and vectors of different sizes cannot be compared.
///
/// `+ 0` keeps the planner from the index of `expires_ms`: once it plans without looking at the
/// parameters it takes that one for the best, and reads every entry that has not expired.
const NEAREST: &str = "select record, similarity::real from (
  select record, 1 - (embedding <=> $4::real[]::vector) as similarity
  from cache_entries
  where partition = $1 and dimensions = $2 and expires_ms + 0 > $3
  order by embedding <=> $4::real[]::vector
  limit $5
) as near where similarity >= $6 order by similarity desc";

/// Two statements, as the column of the vectors is not there without the extension.
const PUT: &str = "insert into cache_entries (fingerprint, partition, scope, cache_key,
  created_ms, expires_ms, size, record, dimensions)
  values ($1, $2, $3, $4, $5, $6, $7, $8, 0)
  on conflict (fingerprint) do update set partition = excluded.partition, scope = excluded.scope,
  cache_key = excluded.cache_key, created_ms = excluded.created_ms,
  expires_ms = excluded.expires_ms, size = excluded.size, record = excluded.record,
  dimensions = excluded.dimensions
  where cache_entries.created_ms <= excluded.created_ms";
const PUT_WITH_VECTOR: &str = "insert into cache_entries (fingerprint, partition, scope, cache_key,
  created_ms, expires_ms, size, record, dimensions, embedding)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::real[]::vector)
  on conflict (fingerprint) do update set partition = excluded.partition, scope = excluded.scope,
  cache_key = excluded.cache_key, created_ms = excluded.created_ms,
  expires_ms = excluded.expires_ms, size = excluded.size, record = excluded.record,
  dimensions = excluded.dimensions, embedding = excluded.embedding
  where cache_entries.created_ms <= excluded.created_ms";

/// An entry as its row.
struct PutRow {
    fingerprint: [u8; 16],
    partition: [u8; 16],
    scope: Arc<str>,
    cache_key: Arc<str>,
    times_ms: (i64, i64),
    size: i64,
    record: Vec<u8>,
    vector: Option<Vec<f32>>,
}

impl PutRow {
    fn new(entry: &Entry, vector: Option<&[f32]>) -> Self {
        let size = entry.size() + vector.map_or(0, size_of_val);
        PutRow {
            fingerprint: entry.fingerprint.0,
            partition: entry.partition.0,
            scope: Arc::clone(&entry.scope),
            cache_key: Arc::clone(&entry.cache_key),
            times_ms: (entry.created_ms, entry.expires_ms),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            record: record::encode(entry),
            vector: vector.map(<[f32]>::to_vec),
        }
    }

    async fn put(self, connection: &mut PgConnection, with_vectors: bool) -> sqlx::Result<()> {
        let query = sqlx::query(if with_vectors { PUT_WITH_VECTOR } else { PUT })
            .bind(self.fingerprint)
            .bind(self.partition)
            .bind(&*self.scope)
            .bind(&*self.cache_key)
            .bind(self.times_ms.0)
            .bind(self.times_ms.1)
            .bind(self.size)
            .bind(self.record);
        let query = if with_vectors {
            query.bind(dimensions(self.vector.as_deref())).bind(self.vector)
        } else {
            query
        };
        query.execute(connection).await.map(drop)
    }
}

async fn remove(connection: &mut PgConnection, now_ms: i64, cap: i64) -> sqlx::Result<u64> {
    let mut change = connection.begin().await?;
    let mine: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)")
        .bind(REMOVAL_LOCK)
        .fetch_one(&mut *change)
        .await?;
    if !mine {
        return Ok(0);
    }
    let expired = sqlx::query("delete from cache_entries where expires_ms <= $1")
        .bind(now_ms)
        .execute(&mut *change)
        .await?;
    let beyond = "delete from cache_entries where fingerprint in (
      select fingerprint from cache_entries order by created_ms
      limit greatest((select count(*) from cache_entries) - $1, 0))";
    let beyond = sqlx::query(beyond).bind(cap).execute(&mut *change).await?;
    change.commit().await?;
    Ok(expired.rows_affected() + beyond.rows_affected())
}

impl Inner {
    /// The table, and whether it keeps vectors.
    async fn prepare(&self, connection: &mut PgConnection) -> Result<(), String> {
        let vectors = schema::ensure(connection).await.map_err(|error| error.to_string())?;
        let had_vectors = self.vectors.swap(vectors.is_ok(), Ordering::Relaxed);
        match vectors {
            Ok(()) if !had_vectors => info!("the shared cache keeps vectors in PostgreSQL"),
            Err(reason) if !self.told.swap(true, Ordering::Relaxed) => warn!(
                reason,
                "PostgreSQL has no vectors: the extension `vector` (pgvector) is not installed and \
                 this account cannot install it. Exact entries are shared, similar ones are not. \
                 Let an administrator run `create extension vector` in this database"
            ),
            _ => {}
        }
        Ok(())
    }
}

impl Link for Inner {
    fn breaker(&self) -> &Breaker {
        &self.lanes.breaker
    }

    fn disconnect(&self) {
        self.lanes.clear();
    }

    async fn connect(&self) -> Result<(), String> {
        let mut connection = self.lanes.dial().await.map_err(|error| error.reason)?;
        // Making an index of a large table that somebody else has made takes its time.
        timeout(ADMIN_TIMEOUT, self.prepare(&mut connection))
            .await
            .map_err(|_| "the table could not be made in time".to_owned())??;
        let read = sqlx::query("select 1 from cache_entries limit 1").execute(&mut connection);
        match timeout(self.read_timeout, read).await {
            Ok(result) => result.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err(StoreError::TimedOut(self.read_timeout).to_string()),
        }
    }

    async fn care(&self) {
        let read = "select 1 from cache_entries limit 1";
        let read = self.lanes.ask(self.read_timeout, Slow::IsAway, move |connection| {
            Box::pin(sqlx::query(read).execute(connection))
        });
        // The extension may have been installed since.
        if read.await.is_ok()
            && !self.vectors.load(Ordering::Relaxed)
            && let Ok(mut connection) = self.lanes.dial().await
        {
            drop(timeout(ADMIN_TIMEOUT, self.prepare(&mut connection)).await);
        }
    }
}

/// Whether pgvector takes it, and it has a direction.
fn is_comparable(vector: &[f32]) -> bool {
    (1..=MAX_DIMENSIONS).contains(&vector.len())
        && vector.iter().all(|number| number.is_finite())
        && vector.iter().any(|&number| number != 0.0)
}

fn dimensions(vector: Option<&[f32]>) -> i32 {
    vector.map_or(0, |vector| i32::try_from(vector.len()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> PostgresSettings {
        PostgresSettings { url: Secret::new(url), ..PostgresSettings::default() }
    }

    #[test]
    fn settings_are_checked_without_showing_the_password() {
        assert_eq!(settings("postgres://u:s3cret@db:5432/cache?sslmode=require").check(), Ok(()));
        for url in [
            "u:s3cret@db/cache",
            "postgres://u:s3cret@db:notaport/cache",
            "postgres://u:s3cret@db/cache?sslmode=perhaps",
            "",
        ] {
            let error = settings(url).check().unwrap_err().to_string();
            assert!(error.contains("the URL of PostgreSQL"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(!format!("{:?}", settings("postgres://u:s3cret@db/cache")).contains("s3cret"));
    }

    #[test]
    fn unknown_parameters_are_left_out() {
        let of = |url| known_parameters(url);
        assert_eq!(of("postgres://u@h/d"), "postgres://u@h/d");
        assert_eq!(
            of("postgres://u@h/d?sslmode=require&sslpassword=s3cret&options[a]=b&user=v"),
            "postgres://u@h/d?sslmode=require&options[a]=b&user=v"
        );
    }

    #[test]
    fn only_vectors_that_can_be_compared_are_kept() {
        assert!(is_comparable(&[0.5]) && is_comparable(&vec![0.5; MAX_DIMENSIONS]));
        let long = vec![0.5; MAX_DIMENSIONS + 1];
        for vector in [&[][..], &[f32::NAN], &[0.5, f32::INFINITY], &[0.0, -0.0], &long] {
            assert!(!is_comparable(vector));
        }
    }
}
