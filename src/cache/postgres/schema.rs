//! The table, made at the first connection.
//!
//! Everything is looked for before it is made: an account that may not make it can use what somebody
//! else has made, and PostgreSQL checks the right before it looks.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

/// Taken for the time of making, as `if not exists` is no help against another node doing the same
/// at the same moment.
const LOCK: i64 = 0x746f_6c6c_6361_6368;

/// The record holds the whole entry (`record.rs`); beside it stands what is searched for.
/// `dimensions` is 0 without a vector.
const TABLE: &str = "create table cache_entries (
  fingerprint bytea primary key,
  partition bytea not null,
  scope text not null,
  cache_key text not null,
  created_ms bigint not null,
  expires_ms bigint not null,
  size bigint not null,
  dimensions integer not null,
  record bytea not null
)";

/// No index of the vectors (HNSW, IVFFlat): such an index finds the nearest of all entries, and the
/// partition is filtered afterwards, so that a small partition beside large ones gets few or no
/// answers although it has them; before pgvector 0.8 nothing repairs that, and since then iterative
/// scans do, up to a bound. It would also need one size of vectors for the table. A partition is one
/// caller's questions in one context: the index below finds it, and comparing all of it is exact.
const INDEXES: [&str; 3] = [
    "create index if not exists cache_entries_partition
       on cache_entries (partition, dimensions)",
    "create index if not exists cache_entries_expires on cache_entries (expires_ms)",
    "create index if not exists cache_entries_created on cache_entries (created_ms)",
];

/// Makes what is missing. Says why there are no vectors when there are none: the extension `vector`
/// is not installed and cannot be, or the column cannot be made.
pub(super) async fn ensure(connection: &mut PgConnection) -> sqlx::Result<Result<(), String>> {
    let mut change = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *change).await?;
    if !is_there(&mut change, "select to_regclass('cache_entries') is not null").await? {
        change.execute(TABLE).await?;
        for index in INDEXES {
            change.execute(index).await?;
        }
    }
    let vectors = ensure_vectors(&mut change).await?;
    change.commit().await?;
    Ok(vectors)
}

async fn ensure_vectors(connection: &mut PgConnection) -> sqlx::Result<Result<(), String>> {
    let extension = "select to_regtype('vector') is not null";
    if !is_there(connection, extension).await?
        && let Err(error) = attempt(connection, "create extension if not exists vector").await
    {
        return Ok(Err(reason(error)?));
    }
    // No size: models have different ones, and can be changed.
    let column = "select exists (select 1 from pg_attribute where attname = 'embedding'
      and attrelid = to_regclass('cache_entries') and not attisdropped)";
    if !is_there(connection, column).await?
        && let Err(error) =
            attempt(connection, "alter table cache_entries add column embedding vector").await
    {
        return Ok(Err(reason(error)?));
    }
    Ok(Ok(()))
}

/// What the server says against it; any other error is an error.
fn reason(error: sqlx::Error) -> sqlx::Result<String> {
    match error {
        sqlx::Error::Database(error) => Ok(error.message().to_owned()),
        error => Err(error),
    }
}

/// Changes something that may be refused without the end of the transaction.
async fn attempt(connection: &mut PgConnection, change: &'static str) -> sqlx::Result<()> {
    let mut savepoint = connection.begin().await?;
    savepoint.execute(change).await?;
    savepoint.commit().await
}

async fn is_there(connection: &mut PgConnection, query: &'static str) -> sqlx::Result<bool> {
    sqlx::query_scalar(query).fetch_one(connection).await
}
