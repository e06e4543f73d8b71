//! The request log and its rollups: a SQLite file of their own, so that a busy log never holds up
//! the configuration.

mod block;
mod record;

pub use block::{BLOCK_ROWS, Block};
pub use record::{CacheKind, LogAttempt, LogCache, LogRecord, LogRow};

use super::Result;
use futures_util::TryStreamExt;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{FromRow, SqlitePool};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/logs");

/// Blocks that one statement of [`LogStore::prune`] deletes at most, so that writers wait briefly.
const PRUNE_BLOCKS: i64 = 100;

/// The database of the request log.
#[derive(Debug, Clone)]
pub struct LogStore {
    pool: SqlitePool,
    /// The number of the next request.
    next_seq: Arc<AtomicI64>,
}

/// Sums of one provider over one bucket. Always absolute: a later write replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, FromRow)]
pub struct RollupRecord {
    /// Width of the bucket in seconds.
    pub resolution: i64,
    /// Start of the bucket, Unix seconds.
    pub start: i64,
    /// The provider; empty for requests that reached none, or that the cache answered.
    pub provider: String,
    /// Requests answered well.
    pub success: i64,
    /// Requests refused for the client's fault.
    pub client_error: i64,
    /// Requests refused with 429.
    pub rate_limited: i64,
    /// Requests that ended in a 5xx.
    pub server_error: i64,
    /// Requests that the client gave up.
    pub cancelled: i64,
    /// Requests that another provider than the first one answered.
    pub failovers: i64,
    /// Nano-dollars.
    pub cost_nano: i64,
    /// Input tokens.
    pub input_tokens: i64,
    /// Output tokens.
    pub output_tokens: i64,
    /// Sum of the latencies in microseconds.
    pub latency_us: i64,
    /// Histogram of the latencies, in the text form of `telemetry`.
    pub latency: String,
    /// Histogram of the times to first content.
    pub first_token: String,
    /// Requests that the cache answered because it knew the exact request.
    pub cache_direct: i64,
    /// Requests that the cache answered because it knew a similar one.
    pub cache_semantic: i64,
    /// Requests that the cache was asked for in vain.
    pub cache_misses: i64,
    /// Nano-dollars that the cache's answers had cost.
    pub cache_saved_nano: i64,
    /// Microseconds that they had taken longer.
    pub cache_saved_us: i64,
}

/// How often one provider took over from another within one bucket.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FailoverRecord {
    /// Width of the bucket in seconds.
    pub resolution: i64,
    /// Start of the bucket, Unix seconds.
    pub start: i64,
    /// The provider that failed.
    pub from_provider: String,
    /// The provider that was tried next.
    pub to_provider: String,
    /// How often.
    pub count: i64,
}

impl LogStore {
    /// Opens the file, makes it if it is missing, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<LogStore> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        LogStore::prepare(pool).await
    }

    /// A store in memory, for tests.
    pub async fn in_memory() -> Result<LogStore> {
        // More than one connection would be more than one database; an idle one must not close.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect("sqlite::memory:")
            .await?;
        LogStore::prepare(pool).await
    }

    async fn prepare(pool: SqlitePool) -> Result<LogStore> {
        MIGRATIONS.run(&pool).await?;
        let store = LogStore { pool, next_seq: Arc::default() };
        store.next_seq.store(store.ends().await?.1, Ordering::Relaxed);
        Ok(store)
    }

    /// Writes blocks, each with the number of its first request, and replaces the given buckets,
    /// all or nothing. A block that was written before with fewer requests is replaced.
    pub async fn write(
        &self,
        blocks: &[(i64, Block)],
        rollups: &[RollupRecord],
        failovers: &[FailoverRecord],
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        for (seq, block) in blocks {
            let (from_ms, to_ms) = block.times();
            sqlx::query(
                "insert into request_blocks (seq, rows, from_ms, to_ms, ids, data) \
                 values ($1, $2, $3, $4, $5, $6) on conflict (seq) do update set \
                 rows = excluded.rows, from_ms = excluded.from_ms, to_ms = excluded.to_ms, \
                 ids = excluded.ids, data = excluded.data",
            )
            .bind(seq)
            .bind(block.rows() as i64)
            .bind(from_ms)
            .bind(to_ms)
            .bind(block.ids())
            .bind(block.data())
            .execute(&mut *transaction)
            .await?;
        }
        for record in rollups {
            upsert_rollup(&mut transaction, record).await?;
        }
        for record in failovers {
            sqlx::query(
                "insert into failovers (resolution, start, from_provider, to_provider, count) \
                 values ($1, $2, $3, $4, $5) \
                 on conflict (resolution, start, from_provider, to_provider) \
                 do update set count = excluded.count",
            )
            .bind(record.resolution)
            .bind(record.start)
            .bind(&record.from_provider)
            .bind(&record.to_provider)
            .bind(record.count)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        if let Some((seq, block)) = blocks.last() {
            self.next_seq.fetch_max(seq + block.rows() as i64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Requests in the order in which they finished, the latest first.
    pub async fn recent(&self, limit: i64, offset: i64) -> Result<Vec<LogRecord>> {
        let before = self.ends().await?.1.saturating_sub(offset);
        let mut blocks = sqlx::query_as::<_, (i64, i64, Vec<u8>)>(
            "select seq, rows, data from request_blocks where seq < $1 order by seq desc",
        )
        .bind(before)
        .fetch(&self.pool);
        let mut found = Vec::new();
        let wanted = usize::try_from(limit).unwrap_or(0);
        while found.len() < wanted
            && let Some((seq, rows, data)) = blocks.try_next().await?
        {
            let records = readable(seq, rows, &data);
            let within = usize::try_from(before.saturating_sub(seq)).unwrap_or(usize::MAX);
            found.extend(records.into_iter().take(within).rev().take(wanted - found.len()));
        }
        Ok(found)
    }

    /// The latest request of that id.
    pub async fn request(&self, id: &str) -> Result<Option<LogRecord>> {
        let mut candidates = Vec::new();
        {
            let mut blocks = sqlx::query_as::<_, (i64, Vec<u8>)>(
                "select seq, ids from request_blocks order by seq desc",
            )
            .fetch(&self.pool);
            while let Some((seq, ids)) = blocks.try_next().await? {
                if block::may_hold(&ids, id) {
                    candidates.push(seq);
                }
            }
        }
        for seq in candidates {
            let block: Option<(i64, Vec<u8>)> =
                sqlx::query_as("select rows, data from request_blocks where seq = $1")
                    .bind(seq)
                    .fetch_optional(&self.pool)
                    .await?;
            let Some((rows, data)) = block else { continue };
            let mut records = readable(seq, rows, &data).into_iter().rev();
            if let Some(record) = records.find(|record| record.id == id) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// How many requests are stored. Reads the two ends only, so it costs the same for any size.
    pub async fn count(&self) -> Result<i64> {
        let (first, end) = self.ends().await?;
        Ok(end - first)
    }

    /// How many blocks the requests are in.
    #[cfg(test)]
    pub(crate) async fn blocks(&self) -> Result<i64> {
        let (blocks,) =
            sqlx::query_as("select count(*) from request_blocks").fetch_one(&self.pool).await?;
        Ok(blocks)
    }

    /// The number that comes after those of all stored requests.
    pub fn next_seq(&self) -> i64 {
        self.next_seq.load(Ordering::Relaxed)
    }

    /// The number of the first request, and the one after the last.
    async fn ends(&self) -> Result<(i64, i64)> {
        let ends: (Option<i64>, Option<i64>) = sqlx::query_as(
            "select (select min(seq) from request_blocks), \
             (select seq + rows from request_blocks order by seq desc limit 1)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((ends.0.unwrap_or(0), ends.1.unwrap_or(0)))
    }

    /// The buckets of one resolution with `from <= start < to`, by start.
    pub async fn rollups(&self, resolution: i64, from: i64, to: i64) -> Result<Vec<RollupRecord>> {
        Ok(sqlx::query_as(
            "select * from rollups where resolution = $1 and start >= $2 and start < $3 \
             order by start, provider",
        )
        .bind(resolution)
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The failovers of one resolution with `from <= start < to`, by start.
    pub async fn failovers(
        &self,
        resolution: i64,
        from: i64,
        to: i64,
    ) -> Result<Vec<FailoverRecord>> {
        Ok(sqlx::query_as(
            "select * from failovers where resolution = $1 and start >= $2 and start < $3 \
             order by start",
        )
        .bind(resolution)
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The sums of every bucket of one resolution with `start < to`; histograms and names are left
    /// empty.
    pub async fn sums(&self, resolution: i64, to: i64) -> Result<RollupRecord> {
        Ok(sqlx::query_as(
            "select $1 as resolution, 0 as start, '' as provider, \
             coalesce(sum(success), 0) as success, coalesce(sum(client_error), 0) as client_error, \
             coalesce(sum(rate_limited), 0) as rate_limited, \
             coalesce(sum(server_error), 0) as server_error, \
             coalesce(sum(cancelled), 0) as cancelled, coalesce(sum(failovers), 0) as failovers, \
             coalesce(sum(cost_nano), 0) as cost_nano, \
             coalesce(sum(input_tokens), 0) as input_tokens, \
             coalesce(sum(output_tokens), 0) as output_tokens, \
             coalesce(sum(latency_us), 0) as latency_us, '' as latency, '' as first_token, \
             coalesce(sum(cache_direct), 0) as cache_direct, \
             coalesce(sum(cache_semantic), 0) as cache_semantic, \
             coalesce(sum(cache_misses), 0) as cache_misses, \
             coalesce(sum(cache_saved_nano), 0) as cache_saved_nano, \
             coalesce(sum(cache_saved_us), 0) as cache_saved_us \
             from rollups where resolution = $1 and start < $2",
        )
        .bind(resolution)
        .bind(to)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Deletes some of the blocks all of whose requests arrived before `requests_before_ms` and
    /// the buckets before `start`; true when there may be more.
    pub async fn prune(
        &self,
        requests_before_ms: i64,
        resolution: i64,
        start: i64,
    ) -> Result<bool> {
        let blocks = sqlx::query(
            "delete from request_blocks where seq in (select seq from request_blocks \
             where to_ms < $1 order by to_ms limit $2)",
        )
        .bind(requests_before_ms)
        .bind(PRUNE_BLOCKS)
        .execute(&self.pool)
        .await?;
        for statement in [
            "delete from rollups where resolution = $1 and start < $2",
            "delete from failovers where resolution = $1 and start < $2",
        ] {
            sqlx::query(statement).bind(resolution).bind(start).execute(&self.pool).await?;
        }
        if blocks.rows_affected() > 0 {
            // Gives the pages back to the file system, a few at a time like the blocks.
            sqlx::query("pragma incremental_vacuum(1000)").execute(&self.pool).await?;
        }
        Ok(blocks.rows_affected() >= PRUNE_BLOCKS as u64)
    }

    /// Closes the file once what is under way has ended.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The requests of a block. One that cannot be read is told of and left out: the log must show the
/// others.
fn readable(seq: i64, rows: i64, data: &[u8]) -> Vec<LogRecord> {
    let records = block::records(data, usize::try_from(rows).unwrap_or(0));
    records.unwrap_or_else(|| {
        tracing::warn!(seq, rows, "a block of the request log cannot be read");
        Vec::new()
    })
}

async fn upsert_rollup(
    connection: &mut sqlx::SqliteConnection,
    record: &RollupRecord,
) -> Result<()> {
    sqlx::query(
        "insert or replace into rollups (resolution, start, provider, success, client_error, \
         rate_limited, server_error, cancelled, failovers, cost_nano, input_tokens, \
         output_tokens, latency_us, latency, first_token, cache_direct, cache_semantic, \
         cache_misses, cache_saved_nano, cache_saved_us) values ($1, $2, $3, $4, $5, $6, $7, \
         $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
    )
    .bind(record.resolution)
    .bind(record.start)
    .bind(&record.provider)
    .bind(record.success)
    .bind(record.client_error)
    .bind(record.rate_limited)
    .bind(record.server_error)
    .bind(record.cancelled)
    .bind(record.failovers)
    .bind(record.cost_nano)
    .bind(record.input_tokens)
    .bind(record.output_tokens)
    .bind(record.latency_us)
    .bind(&record.latency)
    .bind(&record.first_token)
    .bind(record.cache_direct)
    .bind(record.cache_semantic)
    .bind(record.cache_misses)
    .bind(record.cache_saved_nano)
    .bind(record.cache_saved_us)
    .execute(connection)
    .await?;
    Ok(())
}
