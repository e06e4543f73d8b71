//! The configuration in force, and the only way to change it.

use super::admin::Admin;
use super::build::build;
use super::entity::{Configuration, SecretRef};
use super::env::Environment;
use super::file::File;
use super::pricing::Catalog;
use super::problem::{Problem, Problems};
use super::retire::retire_secrets;
use super::snapshot::Snapshot;
use super::vault::{Unsealed, Vault};
use super::{seed, stored};
use crate::provider::Secret;
use crate::store::{self, ConfigChange, Db, FileHashRow};
use arc_swap::{ArcSwap, Guard};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// Keys of fewer characters are warned of, as in Bifrost.
const SHORT_KEY: usize = 16;

/// The configuration in force. Readers take a snapshot without waiting; a change is built whole,
/// written whole and only then published.
#[derive(Debug)]
pub struct Live {
    published: Arc<Published>,
    /// Held while changing, so that there is one writer at a time.
    writer: Arc<Mutex<()>>,
    catalog: Arc<Catalog>,
    environment: Environment,
    store: Db,
    vault: Arc<Vault>,
    /// What config.json and the environment say in vain; belongs to every snapshot.
    outer_warnings: Vec<Problem>,
}

#[derive(Debug)]
struct Published {
    snapshot: ArcSwap<Snapshot>,
    /// What `snapshot` was built from.
    configuration: ArcSwap<Configuration>,
    versions: watch::Sender<u64>,
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
    ///
    /// # Errors
    /// Everything that is wrong, with its JSON path.
    pub async fn open(
        file: Option<File>,
        environment: Environment,
        store: Db,
    ) -> Result<Live, Problems> {
        let (vault, mut warnings) = vault(file.as_ref(), &environment);
        let mut rows = store.load_config().await?;
        let unsealed = vault.open(&mut rows)?;
        let hashes = store.load_file_hashes().await?;
        let version = rows.version;
        let old = stored::from_rows(rows)?;
        let mut new = old.clone();
        let (file_hashes, mut problems) = match file {
            Some(file) => merge(file, &mut new, &hashes, &environment, &mut warnings),
            None => Default::default(),
        };
        if new.providers.is_empty() {
            warnings.extend(environment.own_addresses());
            for provider in environment.providers() {
                tracing::info!(provider = provider.name, "provider found in the environment");
                new.providers.insert(provider.name.clone(), Arc::new(provider));
            }
        }
        let mut change = stored::difference(&without(old, &unsealed), &new);
        let guessable = hashes.iter().any(seed::is_guessable);
        change.file_hashes = file_hashes;
        if guessable && change.file_hashes.iter().all(|row| row.entity != seed::AUTH) {
            change.file_hashes.push(seed::forgotten());
        }
        let lay_open = guessable || unsealed != Unsealed::default();
        if lay_open {
            change.file_hashes.push(seed::scrub_due());
        }
        let catalog = Catalog::builtin();
        let built = match build(&new, &catalog, &environment, count(version)) {
            Ok(built) => problems.check(built)?,
            Err(later) => {
                problems.add_later(later);
                return Err(problems);
            }
        };
        let version = count(write(&store, &vault, change, version).await?);
        if lay_open || hashes.contains(&seed::scrub_due()) {
            scrub(&store).await;
        }
        let snapshot = finished(built, version, &warnings, None);
        for warning in &snapshot.warnings {
            tracing::warn!(path = warning.path, "{}", warning.message);
        }
        let published = Arc::new(Published {
            snapshot: ArcSwap::from_pointee(snapshot),
            configuration: ArcSwap::from_pointee(new),
            versions: watch::Sender::new(version),
        });
        let (writer, vault) = (Arc::default(), Arc::new(vault));
        let outer_warnings = warnings;
        Ok(Live { published, writer, catalog, environment, store, vault, outer_warnings })
    }

    /// Whether the store holds secrets that anybody can read who has the file.
    pub fn has_plain_secrets(&self) -> bool {
        let is_plain = |secret: &SecretRef| matches!(secret, SecretRef::Value(_));
        let configuration = self.configuration();
        let mut providers = configuration.providers.values();
        !self.vault.seals() && providers.any(|it| it.keys.iter().any(|key| is_plain(&key.value)))
    }

    /// The snapshot in force, to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.snapshot.load_full()
    }

    /// The snapshot in force, to look at: cheaper than [`Live::snapshot`], not to be kept.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.published.snapshot.load()
    }

    /// What the snapshot in force was built from.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.published.configuration.load_full()
    }

    /// Where `env.NAME` references are looked up.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The versions of the snapshots to come.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.published.versions.subscribe()
    }

    /// Changes the configuration: a copy is changed, checked as a whole, written in one
    /// transaction and published. If any of this fails, nothing has changed.
    pub async fn change<T>(
        &self,
        mutate: impl FnOnce(&mut Configuration) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        let one_writer = self.writer.clone().lock_owned().await;
        let old = self.configuration();
        let mut new = Configuration::clone(&old);
        let value = mutate(&mut new)?;
        retire_secrets(&old, &mut new, jiff::Timestamp::now().as_millisecond());
        let change = stored::difference(&old, &new);
        if stored::is_empty(&change) {
            return Ok(value);
        }
        let built = build(&new, &self.catalog, &self.environment, 0)?;
        let change = self.sealed(change).await.map_err(ChangeError::Store)?;
        // A caller who hangs up drops this future. What is written must be published all the same,
        // so both happen in a task of their own, which holds the lock.
        let store = self.store.clone();
        let published = self.published.clone();
        let outer_warnings = self.outer_warnings.clone();
        let written = tokio::spawn(async move {
            let version = count(store.write_config(&change).await?);
            let before = published.snapshot.load_full();
            let snapshot = finished(built, version, &outer_warnings, before.admin.as_ref());
            // In this order: what the management API shows is in force already.
            published.snapshot.store(Arc::new(snapshot));
            published.configuration.store(Arc::new(new));
            published.versions.send_replace(version);
            drop(one_writer);
            Ok(())
        });
        match written.await {
            Ok(Ok(())) => Ok(value),
            Ok(Err(store::Error::Conflict(message))) => Err(ChangeError::Conflict(message)),
            Ok(Err(error)) => Err(ChangeError::Store(error)),
            Err(error) => Err(ChangeError::Store(store::Error::Database(error.to_string()))),
        }
    }

    /// What is about to be written, sealed. Hashing a password takes a processor for some milliseconds,
    /// in which the thread that serves requests shall not stand still.
    async fn sealed(&self, mut change: ConfigChange) -> store::Result<ConfigChange> {
        let vault = self.vault.clone();
        let sealing = tokio::task::spawn_blocking(move || vault.seal(&mut change).map(|()| change));
        sealing.await.unwrap_or_else(|error| Err(store::Error::Database(error.to_string())))
    }
}

/// The vault under the key of the file or else of the environment, and what is to be said of it.
fn vault(file: Option<&File>, environment: &Environment) -> (Vault, Vec<Problem>) {
    let mut warnings = Vec::new();
    let mut warn = |message: String| warnings.push(Problem::new("encryption_key", message));
    let chosen = file.and_then(|file| file.encryption_key.as_ref());
    let chosen = chosen.and_then(|key| match environment.resolve(key) {
        Ok(key) => Some(key).filter(|key| !key.is_empty()),
        Err(message) => {
            warn(format!("{message}; secrets are stored as they are"));
            None
        }
    });
    let key = chosen.or_else(|| environment.variable("BIFROST_ENCRYPTION_KEY").map(Secret::new));
    if key.as_ref().is_some_and(|key| key.expose().len() < SHORT_KEY) {
        warn(format!("is short enough to be guessed; use at least {SHORT_KEY} characters"));
    }
    (Vault::new(key.as_ref()), warnings)
}

/// Writes a change, if it is one, to a store that has `version`. Returns the version it has then.
async fn write(
    store: &Db,
    vault: &Vault,
    mut change: ConfigChange,
    version: i64,
) -> store::Result<i64> {
    if stored::is_empty(&change) {
        return Ok(version);
    }
    vault.seal(&mut change)?;
    store.write_config(&change).await
}

/// What could be read before and was sealed just now shall not stay readable in what the store freed.
/// Until that is done, every start tries it.
async fn scrub(store: &Db) {
    let scrubbed = async {
        store.scrub().await?;
        store.delete_file_hash(&seed::scrub_due().entity).await
    };
    if let Err(error) = scrubbed.await {
        tracing::warn!(
            "secrets may still be readable in what config.db has freed; the next start tries again \
             to clean it: {error}"
        );
    }
}

/// Applies what changed in `file`. Returns its hashes and what is wrong.
fn merge(
    file: File,
    new: &mut Configuration,
    hashes: &[FileHashRow],
    environment: &Environment,
    warnings: &mut Vec<Problem>,
) -> (Vec<FileHashRow>, Problems) {
    let now = jiff::Timestamp::now().as_millisecond();
    let old = new.clone();
    let (hashes, later) = seed::apply(&file, new, hashes, environment, now);
    retire_secrets(&old, new, now);
    if file.is_silent_on_inference() {
        warnings.extend(open_inference(new));
    }
    let mut problems = Problems(file.problems);
    problems.add_later(later);
    warnings.extend(file.warnings);
    (hashes, problems)
}

/// Bifrost asks for the password where the file does not say whether to. Here that would lock out clients
/// that send a virtual key as a bearer token, so it is not asked for, and whoever counts on it must know.
fn open_inference(configuration: &Configuration) -> Option<Problem> {
    let auth = configuration.auth.as_ref().filter(|auth| auth.is_enabled)?;
    if !auth.disable_auth_on_inference || configuration.client.enforce_auth_on_inference {
        return None;
    }
    let message = "is absent, and so inference is open to anybody without a key or password: set \
                   client.enforce_auth_on_inference to ask for virtual keys, set this to false to ask \
                   for the admin password, or set it to true if that is meant";
    Some(Problem::new("governance.auth_config.disable_auth_on_inference", message))
}

/// The stored configuration as if what is unsealed had never been written, so that it is written anew.
fn without(mut old: Configuration, unsealed: &Unsealed) -> Configuration {
    old.providers.retain(|name, _| !unsealed.providers.contains(name));
    old.auth = old.auth.filter(|_| !unsealed.auth);
    old
}

/// The snapshot with what is known only after writing, and what `admin` before it knew.
fn finished(
    built: Snapshot,
    version: u64,
    outer_warnings: &[Problem],
    admin: Option<&Admin>,
) -> Snapshot {
    let warnings = outer_warnings.iter().chain(&built.warnings).cloned().collect();
    let mut snapshot = Snapshot { version, warnings, ..built };
    if let (Some(new), Some(old)) = (&mut snapshot.admin, admin) {
        new.remember(old);
    }
    snapshot
}

/// A version is a count from 1; a damaged one is as good as none.
fn count(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}

impl From<store::Error> for Problems {
    fn from(error: store::Error) -> Self {
        Problem::new("", error.to_string()).into()
    }
}

impl From<Problems> for ChangeError {
    fn from(problems: Problems) -> Self {
        ChangeError::Invalid(problems)
    }
}

impl From<Vec<Problem>> for ChangeError {
    fn from(problems: Vec<Problem>) -> Self {
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

#[cfg(test)]
mod tests;
