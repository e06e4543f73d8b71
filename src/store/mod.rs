//! SQL and nothing else: rows in, rows out. Knows no rule of the gateway.
//!
//! The SQL is written so that Postgres would take it too: `$1` parameters, no SQLite function, the
//! types that `migrations/config` lists.

mod change;
mod error;
pub mod log;
mod meter;
mod row;

pub use change::{ConfigChange, ProviderRows, VirtualKeyRows};
pub use error::{Error, Result};
pub use meter::{MeterDelta, MeterRow};
pub use row::{
    AuthRow, BindingRow, BudgetRow, ClientRow, ConfigRows, FileHashRow, KeyRow, PluginRow,
    ProviderRow, RateLimitRow, RetiredSecretRow, VirtualKeyRow,
};

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;

/// The database of the configuration and the counters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    /// SQLite has one writer at a time; one connection makes them queue here, where waiting is
    /// fair, instead of in SQLite's busy handler.
    writer: SqlitePool,
    reader: SqlitePool,
}

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/config");

impl Db {
    /// Opens the SQLite database at `path`, made if it is not there, and brings its schema up to
    /// date. A schema of a newer version is refused.
    pub async fn open(path: impl AsRef<Path>) -> Result<Db> {
        create_private(path.as_ref())
            .map_err(|error| Error::Database(format!("{}: {error}", path.as_ref().display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            // What is deleted may be a secret that stands encrypted elsewhere now.
            .pragma("secure_delete", "on")
            .foreign_keys(true);
        let writer =
            SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await?;
        let reader = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options);
        Ok(Db { writer, reader })
    }

    /// A database that is gone with the process.
    pub async fn memory() -> Result<Db> {
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        // The database lives in its one connection, so that connection must never be closed.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        MIGRATIONS.run(&pool).await?;
        Ok(Db { writer: pool.clone(), reader: pool })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.reader).await?;
        Ok(())
    }

    /// Leaves nothing in the files of what was deleted or overwritten, which SQLite else keeps until it
    /// needs the room. Takes as long as writing the whole database anew.
    ///
    /// # Errors
    /// The disk is full, or another process is reading.
    pub async fn scrub(&self) -> Result<()> {
        sqlx::query("vacuum").execute(&self.writer).await?;
        let sql = "pragma wal_checkpoint(truncate)";
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as(sql).fetch_one(&self.writer).await?;
        match busy {
            0 => Ok(()),
            _ => Err(Error::Database("another process is reading it".to_owned())),
        }
    }

    /// Closes every connection, which also folds SQLite's write-ahead log into the database.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

const READERS: u32 = 4;

/// Makes the file, if it is not there, readable to its owner only: it holds provider keys. SQLite
/// gives the files beside it the same permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_schema_of_a_newer_version_is_refused() {
        let path = std::env::temp_dir().join(format!("store-{}.db", uuid::Uuid::new_v4()));
        let db = Db::open(&path).await.unwrap();
        db.ping().await.unwrap();
        sqlx::query(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9999, 'later', true, 'x', 0)",
        )
        .execute(&db.writer)
        .await
        .unwrap();
        db.close().await;
        assert!(matches!(Db::open(&path).await, Err(Error::NewerSchema(_))));
        std::fs::remove_file(path).unwrap();
    }
}
