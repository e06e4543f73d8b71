//! The request log and its rollups: a SQLite file of their own, so that a busy log never holds up
//! the configuration.

use super::Result;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{FromRow, SqlitePool};
use std::path::Path;
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/logs");

/// Rows that one statement of [`LogStore::prune`] deletes at most, so that writers wait briefly.
const PRUNE_ROWS: i64 = 2000;

/// The database of the request log.
#[derive(Debug, Clone)]
pub struct LogStore {
    pool: SqlitePool,
}

/// A finished request as it is stored.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct LogRecord {
    /// The request id; clients may choose it, so it need not be unique.
    pub id: String,
    /// Unix milliseconds at which it arrived.
    pub timestamp_ms: i64,
    /// The operation, such as `chat_completion_stream`.
    pub operation: String,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The virtual key's id.
    pub virtual_key_id: Option<String>,
    /// The virtual key's name.
    pub virtual_key_name: Option<String>,
    /// The model that the client named.
    pub model_requested: String,
    /// The provider that answered, or failed last.
    pub provider: Option<String>,
    /// The model that was sent to it.
    pub model: Option<String>,
    /// The HTTP status that the client saw.
    pub status: i64,
    /// Microseconds to the end of the answer.
    pub latency_us: i64,
    /// Microseconds to the first content of a stream.
    pub first_token_us: Option<i64>,
    /// Input tokens, cached or not.
    pub input_tokens: i64,
    /// Input tokens read from the provider's cache.
    pub cached_read_tokens: i64,
    /// Input tokens written to the provider's cache.
    pub cached_write_tokens: i64,
    /// Output tokens, thinking included.
    pub output_tokens: i64,
    /// Output tokens that were thinking.
    pub reasoning_tokens: i64,
    /// Who counted the tokens.
    pub usage_source: String,
    /// Nano-dollars; `None` without a price.
    pub cost_nano: Option<i64>,
    /// Every attempt in order, as JSON.
    pub attempts: String,
    /// What went wrong, in plain words.
    pub error: Option<String>,
    /// What went wrong, as a closed set of words.
    pub error_kind: Option<String>,
}

/// Sums of one provider over one bucket. Always absolute: a later write replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, FromRow)]
pub struct RollupRecord {
    /// Width of the bucket in seconds.
    pub resolution: i64,
    /// Start of the bucket, Unix seconds.
    pub start: i64,
    /// The provider; empty for requests that reached none.
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
        MIGRATIONS.run(&pool).await?;
        Ok(LogStore { pool })
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
        MIGRATIONS.run(&pool).await?;
        Ok(LogStore { pool })
    }

    /// Writes requests and replaces the given buckets, all or nothing.
    pub async fn write(
        &self,
        requests: &[LogRecord],
        rollups: &[RollupRecord],
        failovers: &[FailoverRecord],
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        for record in requests {
            insert_request(&mut transaction, record).await?;
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
        Ok(())
    }

    /// The latest requests, newest first.
    pub async fn recent(&self, limit: i64, offset: i64) -> Result<Vec<LogRecord>> {
        Ok(sqlx::query_as(
            "select * from requests order by timestamp_ms desc, seq desc limit $1 offset $2",
        )
        .bind(limit)
        .bind(offset)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The latest request of that id.
    pub async fn request(&self, id: &str) -> Result<Option<LogRecord>> {
        Ok(sqlx::query_as("select * from requests where id = $1 order by seq desc limit 1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// How many requests are stored. Reads the two ends only, so it costs the same for any size.
    pub async fn count(&self) -> Result<i64> {
        let (first, last): (Option<i64>, Option<i64>) = sqlx::query_as(
            "select (select min(seq) from requests), (select max(seq) from requests)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(first.zip(last).map_or(0, |(first, last)| last - first + 1))
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
             coalesce(sum(latency_us), 0) as latency_us, '' as latency, '' as first_token \
             from rollups where resolution = $1 and start < $2",
        )
        .bind(resolution)
        .bind(to)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Deletes some of the requests that arrived before `requests_before_ms` and some of the
    /// buckets before `start`; true when there may be more.
    pub async fn prune(
        &self,
        requests_before_ms: i64,
        resolution: i64,
        start: i64,
    ) -> Result<bool> {
        let requests = sqlx::query(
            "delete from requests where seq in (select seq from requests \
             where timestamp_ms < $1 order by timestamp_ms limit $2)",
        )
        .bind(requests_before_ms)
        .bind(PRUNE_ROWS)
        .execute(&self.pool)
        .await?;
        for statement in [
            "delete from rollups where resolution = $1 and start < $2",
            "delete from failovers where resolution = $1 and start < $2",
        ] {
            sqlx::query(statement).bind(resolution).bind(start).execute(&self.pool).await?;
        }
        if requests.rows_affected() > 0 {
            // Gives the pages back to the file system, a few at a time like the rows.
            sqlx::query("pragma incremental_vacuum(1000)").execute(&self.pool).await?;
        }
        Ok(requests.rows_affected() >= PRUNE_ROWS as u64)
    }

    /// Closes the file once what is under way has ended.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn insert_request(connection: &mut sqlx::SqliteConnection, record: &LogRecord) -> Result<()> {
    sqlx::query(
        "insert into requests (id, timestamp_ms, operation, stream, virtual_key_id, \
         virtual_key_name, model_requested, provider, model, status, latency_us, first_token_us, \
         input_tokens, cached_read_tokens, cached_write_tokens, output_tokens, reasoning_tokens, \
         usage_source, cost_nano, attempts, error, error_kind) values ($1, $2, $3, $4, $5, $6, $7, \
         $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
    )
    .bind(&record.id)
    .bind(record.timestamp_ms)
    .bind(&record.operation)
    .bind(record.stream)
    .bind(&record.virtual_key_id)
    .bind(&record.virtual_key_name)
    .bind(&record.model_requested)
    .bind(&record.provider)
    .bind(&record.model)
    .bind(record.status)
    .bind(record.latency_us)
    .bind(record.first_token_us)
    .bind(record.input_tokens)
    .bind(record.cached_read_tokens)
    .bind(record.cached_write_tokens)
    .bind(record.output_tokens)
    .bind(record.reasoning_tokens)
    .bind(&record.usage_source)
    .bind(record.cost_nano)
    .bind(&record.attempts)
    .bind(&record.error)
    .bind(&record.error_kind)
    .execute(connection)
    .await?;
    Ok(())
}

async fn upsert_rollup(
    connection: &mut sqlx::SqliteConnection,
    record: &RollupRecord,
) -> Result<()> {
    sqlx::query(
        "insert or replace into rollups (resolution, start, provider, success, client_error, \
         rate_limited, server_error, cancelled, failovers, cost_nano, input_tokens, \
         output_tokens, latency_us, latency, first_token) values ($1, $2, $3, $4, $5, $6, $7, \
         $8, $9, $10, $11, $12, $13, $14, $15)",
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
    .execute(connection)
    .await?;
    Ok(())
}
