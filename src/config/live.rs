//! The configuration in force, and the only way to change it.

use super::build::build;
use super::entity::Configuration;
use super::env::Environment;
use super::file::File;
use super::pricing::Catalog;
use super::problem::Problems;
use super::snapshot::Snapshot;
use super::{seed, stored};
use crate::store::{self, Db};
use arc_swap::{ArcSwap, Guard};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// The configuration in force. Readers take a snapshot without waiting; a change is built whole,
/// written whole and only then published.
#[derive(Debug)]
pub struct Live {
    current: ArcSwap<Snapshot>,
    /// What `current` was built from.
    source: ArcSwap<Configuration>,
    /// Held while changing, so that there is one writer at a time.
    writer: Mutex<()>,
    versions: watch::Sender<u64>,
    catalog: Arc<Catalog>,
    environment: Environment,
    store: Db,
}

/// Why a change was refused. Nothing has changed then, neither in memory nor in the store.
#[derive(Debug)]
pub enum ChangeError {
    /// The changed configuration would be wrong.
    Invalid(Problems),
    /// What was to be changed is not there.
    NotFound(String),
    /// What was to be added is there already.
    Conflict(String),
    /// The store could not write it.
    Store(store::Error),
}

impl Live {
    /// Reads the store, applies what changed in `file` since it was last read, and publishes the
    /// result. Where nothing names a provider, those in the environment are used.
    pub async fn open(
        file: Option<File>,
        environment: Environment,
        store: Db,
    ) -> Result<Live, Problems> {
        let failed =
            |error: store::Error| Problems::from(super::Problem::new("", error.to_string()));
        let rows = store.load_config().await.map_err(failed)?;
        let version = rows.version;
        let old = stored::from_rows(rows)?;
        let hashes = store.load_file_hashes().await.map_err(failed)?;
        let mut new = old.clone();
        let mut warnings = Vec::new();
        let mut file_hashes = Vec::new();
        if let Some(file) = file {
            file_hashes = seed::apply(&file, &mut new, &hashes, &environment)?;
            warnings = file.warnings;
        }
        if new.providers.is_empty() {
            for provider in environment.providers() {
                tracing::info!(provider = provider.name, "provider found in the environment");
                new.providers.insert(provider.name.clone(), Arc::new(provider));
            }
        }
        let mut change = stored::difference(&old, &new);
        change.file_hashes = file_hashes;
        let catalog = Catalog::builtin();
        let built = build(&new, &catalog, &environment, count(version))?;
        let version = match stored::is_empty(&change) {
            true => version,
            false => store.write_config(&change).await.map_err(failed)?,
        };
        warnings.extend(built.warnings.iter().cloned());
        for warning in &warnings {
            tracing::warn!(path = warning.path, "{}", warning.message);
        }
        let version = count(version);
        Ok(Live {
            current: ArcSwap::from_pointee(Snapshot { version, warnings, ..built }),
            source: ArcSwap::from_pointee(new),
            writer: Mutex::new(()),
            versions: watch::Sender::new(version),
            catalog,
            environment,
            store,
        })
    }

    /// The snapshot in force, to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The snapshot in force, to look at: cheaper than [`Live::snapshot`], not to be kept.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// What the snapshot in force was built from.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.source.load_full()
    }

    /// Where `env.NAME` references are looked up.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The versions of the snapshots to come.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }

    /// Changes the configuration: a copy is changed, checked as a whole, written in one
    /// transaction and published. If any of this fails, nothing has changed.
    pub async fn change<T>(
        &self,
        mutate: impl FnOnce(&mut Configuration) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        let _one_writer = self.writer.lock().await;
        let old = self.configuration();
        let mut new = Configuration::clone(&old);
        let value = mutate(&mut new)?;
        let change = stored::difference(&old, &new);
        if stored::is_empty(&change) {
            return Ok(value);
        }
        let built = build(&new, &self.catalog, &self.environment, 0)?;
        let version = self.store.write_config(&change).await.map_err(ChangeError::Store)?;
        let version = count(version);
        self.source.store(Arc::new(new));
        self.current.store(Arc::new(Snapshot { version, ..built }));
        self.versions.send_replace(version);
        Ok(value)
    }
}

/// A version is a count from 1; a damaged one is as good as none.
fn count(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}

impl From<Problems> for ChangeError {
    fn from(problems: Problems) -> Self {
        ChangeError::Invalid(problems)
    }
}

impl From<Vec<super::Problem>> for ChangeError {
    fn from(problems: Vec<super::Problem>) -> Self {
        ChangeError::Invalid(Problems(problems))
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Invalid(problems) => problems.fmt(f),
            ChangeError::NotFound(message) | ChangeError::Conflict(message) => f.write_str(message),
            ChangeError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChangeError {}
