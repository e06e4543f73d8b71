//! What can go wrong with the database.

use std::fmt;

/// An error of the store.
#[derive(Debug)]
pub enum Error {
    /// A row with the same id or unique value is there already.
    Conflict(String),
    /// The schema was written by a newer version of the gateway.
    NewerSchema(String),
    /// Anything else: the disk, the connection, a row that cannot be read.
    Database(String),
}

/// A result of the store.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Conflict(message) => write!(f, "conflict in the database: {message}"),
            Error::NewerSchema(message) => {
                write!(f, "the database was written by a newer version of the gateway: {message}")
            }
            Error::Database(message) => write!(f, "database: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) if database.is_unique_violation() => {
                Error::Conflict(database.message().to_owned())
            }
            _ => Error::Database(error.to_string()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
                Error::NewerSchema(error.to_string())
            }
            _ => Error::Database(error.to_string()),
        }
    }
}
