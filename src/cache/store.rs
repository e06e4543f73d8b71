//! Where entries are: one enum over the stores that there are.
//!
//! A store that is away is a store without entries: requests miss, and are never refused for it.

use super::arrival::Arrival;
use super::breaker::{StoreError, StoreState as Shared};
use super::digest::Digests;
use super::entry::{Clear, Entry, Fill, Fingerprint, Partition};
use super::memory::{Journal, MemoryStore};
use super::postgres::{PostgresSettings, PostgresStore};
use super::redis::{RedisSettings, RedisStore};
use crate::config::Environment;
use crate::config::cache::{PostgresConfig, RedisConfig, VectorStoreConfig};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The store of the cache's entries.
#[derive(Debug)]
pub enum Store {
    /// In this process, with a journal in the app dir.
    Memory(Box<Local>),
    /// PostgreSQL: entries and vectors, shared by nodes.
    Postgres(Remote<PostgresStore>),
    /// Redis or Valkey for exact entries, shared by nodes; vectors in this process.
    Redis(Remote<RedisStore>, Box<Local>),
}

/// The memory of this process.
#[derive(Debug)]
pub struct Local {
    /// Nobody else's, as the entries.
    digests: Digests,
    /// Dropped first: it still has to write what is in memory.
    journal: Option<Journal>,
    /// Why there is none, where there should be one.
    no_journal: Option<String>,
    memory: Arc<MemoryStore>,
}

/// A store of which the connections belong to the event loop that made them, not to the one that a
/// request happens to be on.
#[derive(Debug)]
pub struct Remote<T> {
    store: Arc<T>,
    runtime: Handle,
}

/// How a store is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreState {
    /// `memory`, `postgres` or `redis`.
    pub kind: &'static str,
    /// Whether it answers.
    pub is_connected: bool,
    /// Why it does not.
    pub problem: Option<String>,
    /// How full it is; `None` when it does not answer.
    pub fill: Option<Fill>,
}

impl Store {
    /// Opens the store of `settings`; the memory's journal is in `app_dir`, and holds what is younger
    /// than `now_ms`. `namespace` subdivides a shared store.
    ///
    /// # Errors
    /// Settings that cannot be used. A server that is away is no error.
    pub fn open(
        settings: &VectorStoreConfig,
        environment: &Environment,
        app_dir: &Path,
        max_bytes: u64,
        namespace: &str,
        now_ms: i64,
    ) -> Result<Store, String> {
        match settings {
            VectorStoreConfig::Memory => {
                let memory = Arc::new(MemoryStore::new(max_bytes));
                let local = match Journal::open(&memory, &app_dir.join(JOURNAL), now_ms) {
                    Ok(journal) => Local::new(memory, Some(journal)),
                    Err(error) => {
                        tracing::warn!("the cache's entries will not survive a restart: {error}");
                        // What was read has names that nothing here has.
                        let local = Local::new(Arc::new(MemoryStore::new(max_bytes)), None);
                        Local { no_journal: Some(error.to_string()), ..local }
                    }
                };
                Ok(Store::Memory(Box::new(local)))
            }
            VectorStoreConfig::Postgres(config) => {
                let store = PostgresStore::open(&postgres(config, environment)?);
                let store = store.map_err(|error| format!("vector_store.config.url: {error}"))?;
                Ok(Store::Postgres(Remote::new(store)))
            }
            VectorStoreConfig::Redis(config) => {
                let store = RedisStore::open(&redis(config, environment, namespace)?);
                let store = store.map_err(|error| format!("vector_store.config.addr: {error}"))?;
                let memory = Arc::new(MemoryStore::new(max_bytes));
                Ok(Store::Redis(Remote::new(store), Box::new(Local::new(memory, None))))
            }
        }
    }

    /// A store of nothing but memory.
    pub fn memory(max_bytes: u64) -> Store {
        let memory = Arc::new(MemoryStore::new(max_bytes));
        Store::Memory(Box::new(Local::new(memory, None)))
    }

    /// How the names of its entries are made.
    pub fn digests(&self) -> &Digests {
        match self {
            Store::Memory(local) => &local.digests,
            Store::Postgres(_) | Store::Redis(..) => &Digests::Shared,
        }
    }

    /// The entry of exactly this request, which is of this scope and cache key.
    pub async fn exact(
        &self,
        fingerprint: &Fingerprint,
        scope: &Arc<str>,
        cache_key: &Arc<str>,
        now_ms: i64,
    ) -> Option<Arc<Entry>> {
        let fingerprint = *fingerprint;
        match self {
            Store::Memory(local) => local.memory.exact(&fingerprint, now_ms),
            Store::Postgres(remote) => {
                remote
                    .ask(move |store| async move { store.exact(&fingerprint, now_ms).await })
                    .await?
            }
            Store::Redis(remote, _) => {
                let (scope, key) = (scope.clone(), cache_key.clone());
                let ask = move |store: Arc<RedisStore>| async move {
                    store.exact(&fingerprint, &scope, &key, now_ms).await
                };
                remote.ask(ask).await?
            }
        }
    }

    /// The same from a store that need not be waited for; `None` for one that does.
    pub fn exact_at_once(
        &self,
        fingerprint: &Fingerprint,
        now_ms: impl Fn() -> i64,
    ) -> Option<Option<Arc<Entry>>> {
        match self {
            Store::Memory(local) => Some(local.memory.exact_by(fingerprint, now_ms)),
            Store::Postgres(_) | Store::Redis(..) => None,
        }
    }

    /// Up to `limit` entries of the partition with a cosine of at least `floor`, best first.
    pub async fn nearest(
        &self,
        partition: &Partition,
        vector: &Arc<[f32]>,
        limit: usize,
        floor: f32,
        now_ms: i64,
    ) -> Vec<(Arc<Entry>, f32)> {
        match self {
            Store::Memory(local) => local.memory.nearest(partition, vector, limit, floor, now_ms),
            Store::Redis(_, local) => {
                let found = local.memory.nearest(partition, vector, limit, floor, now_ms);
                let mut there = Vec::with_capacity(found.len());
                for (entry, similarity) in found {
                    // Another node may have cleared it.
                    let (id, scope, key) = (&entry.fingerprint, &entry.scope, &entry.cache_key);
                    if self.exact(id, scope, key, now_ms).await.is_some() {
                        there.push((entry, similarity));
                    }
                }
                there
            }
            Store::Postgres(remote) => {
                let (partition, vector) = (*partition, vector.clone());
                let ask = move |store: Arc<PostgresStore>| async move {
                    store.nearest(&partition, &vector, limit, floor, now_ms).await
                };
                remote.ask(ask).await.unwrap_or_default()
            }
        }
    }

    /// The entry of that id, for showing it; `None` from a store that wants to know its scope too.
    pub async fn find(&self, fingerprint: &Fingerprint, now_ms: i64) -> Option<Arc<Entry>> {
        match self {
            Store::Memory(local) => {
                let entry = local.memory.get(fingerprint)?;
                (entry.expires_ms > now_ms).then(|| entry.read()).flatten()
            }
            Store::Postgres(_) => {
                let none = Arc::default();
                self.exact(fingerprint, &none, &none, now_ms).await
            }
            Store::Redis(..) => None,
        }
    }

    /// Whether entries may be kept here as they came, to be read when they are first asked for.
    pub fn keeps_unread(&self) -> bool {
        matches!(self, Store::Memory(_))
    }

    /// An entry that was found here, or that is about to be, with its answer read; `None` when that is
    /// not for others, and then it is not there any more.
    pub fn read(&self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        if entry.unread.is_none() {
            return Some(entry);
        }
        let read = entry.read();
        if let Store::Memory(local) = self {
            local.memory.settle(&entry, read.as_ref());
        }
        read
    }

    /// Keeps an answer as it came; only where that can be done ([`Store::keeps_unread`]). Takes it back if it is
    /// not wanted any more then.
    pub fn put_unread(&self, arrival: &Arrival, is_wanted: impl Fn() -> bool) {
        if let Store::Memory(local) = self {
            local.memory.put_unread(arrival);
            if !is_wanted() {
                local.memory.clear(&Clear::One(arrival.fingerprint));
            }
        }
    }

    /// Keeps an entry that has been read, and takes it back if it is not wanted any more then. A shared store gets
    /// it beside the request.
    pub fn put(
        &self,
        entry: Arc<Entry>,
        vector: Option<Arc<[f32]>>,
        is_wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) {
        let one = Clear::One(entry.fingerprint);
        match self {
            Store::Memory(local) => {
                local.memory.put(entry, vector);
                if !is_wanted() {
                    local.memory.clear(&one);
                }
            }
            Store::Postgres(remote) => remote.tell(move |store| async move {
                store.put(&entry, vector.as_deref()).await;
                if !is_wanted() {
                    // One that is away now was there a moment ago, and forgets it in time.
                    let _away = store.clear(&one).await;
                }
            }),
            Store::Redis(remote, local) => {
                if vector.is_some() {
                    local.memory.put(entry.clone(), vector);
                    if !is_wanted() {
                        local.memory.clear(&one);
                    }
                }
                remote.tell(move |store| async move {
                    store.put(&entry).await;
                    if !is_wanted() {
                        let _away = store.clear(&one).await;
                    }
                });
            }
        }
    }

    /// Removes entries and says how many. Those of memory do not come back, however this process ends.
    ///
    /// # Errors
    /// A shared store that is away has not removed anything. Memory has, but its journal may still have it.
    pub async fn clear(&self, what: Clear) -> Result<u64, StoreError> {
        let own = match self {
            Store::Memory(local) | Store::Redis(_, local) => local.memory.clear(&what),
            Store::Postgres(_) => 0,
        };
        match self {
            Store::Memory(local) => {
                let written = match (&local.journal, &local.no_journal) {
                    (Some(journal), _) => journal.written(own > 0).await,
                    (None, Some(reason)) => Err(reason.clone()),
                    (None, None) => Ok(()),
                };
                written.map_err(StoreError::NotWritten)?;
                Ok(own)
            }
            Store::Postgres(remote) => {
                let ask = move |store: Arc<PostgresStore>| async move { store.clear(&what).await };
                remote.ask(ask).await.unwrap_or(Err(StoreError::Away))
            }
            Store::Redis(remote, _) => {
                let ask = move |store: Arc<RedisStore>| async move { store.clear(&what).await };
                remote.ask(ask).await.unwrap_or(Err(StoreError::Away))
            }
        }
    }

    /// Removes what has expired. For a background task every few seconds.
    pub async fn remove_expired(&self, now_ms: i64) {
        match self {
            Store::Memory(local) | Store::Redis(_, local) => {
                local.memory.remove_expired(now_ms);
            }
            Store::Postgres(remote) => {
                let ask = move |store: Arc<PostgresStore>| async move {
                    store.remove_expired(now_ms).await
                };
                remote.ask(ask).await;
            }
        }
    }

    /// How it is.
    pub async fn state(&self) -> StoreState {
        match self {
            Store::Memory(local) => StoreState {
                kind: "memory",
                is_connected: true,
                problem: None,
                fill: Some(local.memory.fill()),
            },
            Store::Postgres(remote) => {
                let fill = remote.ask(|store| async move { store.fill().await }).await.flatten();
                let mut state = shown("postgres", remote.store.state(), fill);
                if state.is_connected && !remote.store.has_vectors() {
                    let message = "without the extension `vector` only exact requests are answered";
                    state.problem = Some(message.to_owned());
                }
                state
            }
            Store::Redis(remote, _) => {
                let fill = remote.ask(|store| async move { store.fill().await }).await.flatten();
                shown("redis", remote.store.state(), fill)
            }
        }
    }

    /// Writes down what the journal has not written yet. Blocks.
    pub fn close(&self) {
        if let Store::Memory(local) = self
            && let Some(journal) = &local.journal
        {
            journal.close();
        }
    }
}

/// The journal's file in the app dir.
const JOURNAL: &str = "cache.journal";

fn shown(kind: &'static str, state: Shared, fill: Option<Fill>) -> StoreState {
    let (is_connected, problem) = match state {
        Shared::Connected(_) => (true, None),
        Shared::Connecting => (false, Some("not reached yet".to_owned())),
        Shared::Away(since, reason) => {
            (false, Some(format!("away for {} s: {reason}", since.as_secs())))
        }
    };
    StoreState { kind, is_connected, problem, fill }
}

fn postgres(
    config: &PostgresConfig,
    environment: &Environment,
) -> Result<PostgresSettings, String> {
    let url = environment.resolve(&config.url);
    let url = url.map_err(|message| format!("vector_store.config.url: {message}"))?;
    let max_entries = config.max_entries.into();
    Ok(PostgresSettings { url, max_entries, ..PostgresSettings::default() })
}

fn redis(
    config: &RedisConfig,
    environment: &Environment,
    namespace: &str,
) -> Result<RedisSettings, String> {
    let resolve = |name: &str, secret| {
        let resolved = environment.resolve(secret);
        resolved.map_err(|message| format!("vector_store.config.{name}: {message}"))
    };
    let defaults = RedisSettings::default();
    let namespace =
        if namespace.is_empty() { defaults.namespace.clone() } else { namespace.into() };
    Ok(RedisSettings {
        addr: resolve("addr", &config.addr)?,
        username: resolve("username", &config.username)?.expose().to_owned(),
        password: resolve("password", &config.password)?,
        db: Some(config.db).filter(|db| *db != 0),
        namespace,
        ..defaults
    })
}

impl Local {
    fn new(memory: Arc<MemoryStore>, journal: Option<Journal>) -> Self {
        let digests = match &journal {
            Some(journal) => journal.digests(),
            // Nothing outlives the process.
            None => Digests::of_secret(&rand::random()),
        };
        Local { digests, journal, no_journal: None, memory }
    }
}

impl<T: Send + Sync + 'static> Remote<T> {
    fn new(store: T) -> Self {
        Remote { store: Arc::new(store), runtime: Handle::current() }
    }

    /// Does something on the store's event loop and waits for it; `None` when that loop is gone.
    async fn ask<R: Send + 'static, F>(&self, act: impl FnOnce(Arc<T>) -> F) -> Option<R>
    where
        F: Future<Output = R> + Send + 'static,
    {
        self.runtime.spawn(act(self.store.clone())).await.ok()
    }

    /// The same without waiting.
    fn tell<F>(&self, act: impl FnOnce(Arc<T>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.runtime.spawn(act(self.store.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::entry::fixture;
    use crate::cache::policy::fixture::policy;
    use crate::cache::subject::{Asking, Subject};
    use crate::llm::{EmbeddingInput, EmbeddingRequest, Request};

    /// The name that a request has in this store.
    fn name_in(store: &Store) -> Fingerprint {
        let policy = policy();
        let input = EmbeddingInput::Texts(vec!["When are you open?".into()]);
        let request = Request::Embedding(EmbeddingRequest { input, ..EmbeddingRequest::default() });
        let asking = Asking {
            policy: &policy,
            digests: store.digests(),
            provider: "openai",
            model: "text-embedding-3-small",
            embedding_model: "",
        };
        Subject::of(&request, &asking).unwrap().place.fingerprint
    }

    #[tokio::test]
    async fn what_has_expired_or_is_not_wanted_any_more_is_not_shown() {
        let store = Store::memory(1 << 20);
        let entry = Arc::new(Entry { expires_ms: 100, ..fixture::entry(1) });
        store.put(entry.clone(), None, || true);
        assert_eq!(store.find(&entry.fingerprint, 99).await, Some(entry.clone()));
        assert_eq!(store.find(&entry.fingerprint, 100).await, None);
        store.put(entry.clone(), None, || false);
        assert_eq!(store.find(&entry.fingerprint, 99).await, None);
    }

    #[tokio::test]
    async fn the_next_process_finds_an_answer_by_the_same_request() {
        let folder = std::env::temp_dir().join(format!("tollbridge-store-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let open = || {
            let (memory, none) = (VectorStoreConfig::Memory, Environment::of(&[]));
            Store::open(&memory, &none, &folder, 1 << 20, "", 0).unwrap()
        };
        let store = open();
        let name = name_in(&store);
        let entry = Entry { fingerprint: name, ..fixture::entry(1) };
        store.put(Arc::new(entry.clone()), None, || true);
        store.close();
        drop(store);
        let store = open();
        assert_eq!(name_in(&store), name);
        let found = store.exact(&name, &entry.scope, &entry.cache_key, 1).await;
        assert_eq!(found.as_deref(), Some(&entry));
        drop(store);
        // Another store has other names: who knows one knows nothing of the next.
        assert_ne!(name_in(&Store::memory(1 << 20)), name);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
