//! Answers already known: exact and semantic.
//!
//! This room finds and keeps; it calls nobody. What a request asks is a [`Subject`], and whether it uses
//! the cache at all a [`Policy`]. [`Cache`] is the live object: the [`Store`] of entries, the engine for
//! local embeddings, the flights of identical requests, the counters and the grades of shadow mode. The
//! order of the steps, embeddings of providers and the judge are `pipeline`'s.

mod arrival;
pub mod breaker;
mod clears;
mod digest;
mod entry;
mod flight;
mod grades;
pub mod guard;
mod judge;
mod keep;
pub mod memory;
mod policy;
pub mod postgres;
mod question;
mod record;
pub mod redis;
mod rest;
mod stats;
mod store;
mod subject;
mod unread;

pub use arrival::Arrival;
pub use clears::Clears;
pub use digest::{Digests, SECRET};
#[cfg(test)]
pub(crate) use entry::fixture;
pub use entry::{Clear, Entry, Fill, Fingerprint, Partition};
pub use flight::{Flights, Follower, Landing, Leader, Role};
pub use grades::{Grade, Grades, Report};
pub use judge::{question_for_judge, verdict_of};
pub use keep::LARGEST;
pub use local_embedding::LocalModel;
pub use policy::Policy;
pub use question::Question;
pub use rest::Rest;
pub use stats::{Counts, Stats};
pub use store::{Store, StoreState};
pub use subject::{Asking, Bypass, Place, Subject};
pub use unread::{Form, StreamReader, Unread};

use crate::config::cache::{CacheConfig, LOCAL};
use arc_swap::ArcSwapOption;
use breaker::StoreError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything of the cache that lives longer than a request.
#[derive(Debug)]
pub struct Cache {
    /// Where entries are.
    pub store: Store,
    /// Identical requests in flight.
    pub flights: Flights,
    /// What has happened since the start.
    pub stats: Stats,
    /// What shadow mode has learned.
    pub grades: Grades,
    /// Set while the provider of embeddings does not answer in time.
    pub embeddings_rest: Rest,
    /// Set while the judge does not answer in time.
    pub judge_rests: Rest,
    /// What was removed on request.
    pub clears: Clears,
    local: ArcSwapOption<LocalModel>,
    engine: Mutex<Engine>,
    folders: Folders,
}

/// Where a model for local embeddings may be.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// What relative paths are relative to.
    pub app_dir: PathBuf,
    /// What the environment names.
    pub named: Option<PathBuf>,
    /// Where the binary lies, with which one may be shipped.
    pub binary: Option<PathBuf>,
}

/// What is known of the local engine.
#[derive(Debug, Clone, Default)]
struct Engine {
    /// The folder that was tried last.
    folder: Option<PathBuf>,
    /// Why there is none.
    problem: Option<String>,
}

/// Where the embeddings of a request come from.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// Nowhere: exact hits only, and why.
    None(String),
    /// The engine inside of the gateway.
    Local(Arc<LocalModel>),
    /// A provider.
    Provider {
        /// Its name.
        provider: Arc<str>,
        /// The model.
        model: Arc<str>,
    },
}

impl Embedder {
    /// What tells vectors of one source from those of another.
    pub fn model(&self) -> String {
        match self {
            Embedder::None(_) => String::new(),
            Embedder::Local(model) => format!("{LOCAL}/{}", model.name()),
            Embedder::Provider { provider, model } => format!("{provider}/{model}"),
        }
    }
}

impl Cache {
    /// A cache over `store`.
    pub fn new(store: Store, grades: Grades, folders: Folders) -> Self {
        Cache {
            store,
            grades,
            folders,
            flights: Flights::default(),
            stats: Stats::default(),
            embeddings_rest: Rest::default(),
            judge_rests: Rest::default(),
            clears: Clears::default(),
            local: ArcSwapOption::empty(),
            engine: Mutex::default(),
        }
    }

    /// Removes entries and says how many, and has no answer kept by this process that was asked for before.
    ///
    /// # Errors
    /// Those of [`Store::clear`].
    pub async fn clear(&self, what: Clear) -> Result<u64, StoreError> {
        self.clears.note(what.clone());
        self.store.clear(what).await
    }

    /// Where embeddings come from under `config`.
    pub fn embedder(&self, config: &CacheConfig) -> Embedder {
        match config.provider.as_str() {
            // Bifrost's way of asking for exact hits only.
            "" if config.dimension == Some(1) => {
                Embedder::None("`dimension` is 1: exact hits only".to_owned())
            }
            "" | LOCAL => match self.local.load_full() {
                Some(model) => match config.dimension {
                    Some(wanted) if wanted as usize != model.dimension() => {
                        Embedder::None(format!(
                            "`dimension` is {wanted}, but the vectors of {} have {}: exact hits only",
                            model.name(),
                            model.dimension()
                        ))
                    }
                    _ => Embedder::Local(model),
                },
                None => {
                    let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
                    let problem = engine.problem.clone();
                    Embedder::None(problem.unwrap_or_else(|| NO_MODEL.to_owned()))
                }
            },
            provider => Embedder::Provider {
                provider: provider.into(),
                model: config.embedding_model.as_str().into(),
            },
        }
    }

    /// Why embeddings are not made under `config`, when only nobody has asked for any yet. Looks at the disk.
    pub fn not_loaded(&self, config: &CacheConfig) -> Option<String> {
        let is_tried = {
            let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            engine.folder.is_some() || engine.problem.is_some()
        };
        // With a dimension of 1 none is wanted.
        let folder = self.folder(config).filter(|_| !is_tried && config.dimension != Some(1))?;
        Some(format!(
            "the embedding model at {} is loaded once similar questions are looked for",
            folder.display()
        ))
    }

    /// Loads the model that `config` wants, if it is not loaded yet. Takes a while: for a thread that may
    /// block.
    pub fn load_model(&self, config: &CacheConfig) {
        let wanted = self.folder(config);
        let known = {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            if engine.folder == wanted && (wanted.is_none() || engine.problem.is_none()) {
                return;
            }
            let known = engine.problem.take().filter(|_| engine.folder == wanted);
            *engine = Engine { folder: wanted.clone(), problem: known.clone() };
            known
        };
        let Some(folder) = wanted else { return self.local.store(None) };
        match LocalModel::load(&folder) {
            Ok(model) => {
                let dimension = model.dimension();
                let name = model.name().to_owned();
                let folder = folder.display();
                tracing::info!(model = name, dimension, %folder, "semantic cache: local embeddings");
                self.local.store(Some(Arc::new(model)));
                self.engine.lock().unwrap_or_else(PoisonError::into_inner).problem = None;
            }
            Err(error) => {
                let problem = error.to_string();
                // It is tried again and again, in case that it is mended.
                if known.as_ref() != Some(&problem) {
                    tracing::warn!("semantic cache: exact hits only: {problem}");
                }
                self.local.store(None);
                let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
                engine.problem = Some(problem);
            }
        }
    }

    /// The folder of the local model; `None` when embeddings come from elsewhere, or when nobody named
    /// one and none is where it would be.
    fn folder(&self, config: &CacheConfig) -> Option<PathBuf> {
        if !config.enabled || !matches!(config.provider.as_str(), "" | LOCAL) {
            return None;
        }
        if !config.embedding_model.is_empty() {
            return Some(self.folders.app_dir.join(Path::new(&config.embedding_model)));
        }
        let Folders { app_dir, named, binary } = &self.folders;
        let usual = [Some(app_dir), binary.as_ref()].into_iter().flatten();
        let mut usual = usual.map(|folder| folder.join(USUAL_FOLDER));
        named.clone().or_else(|| usual.find(|folder| folder.is_dir()))
    }
}

/// Where a model is looked for in the app dir, and beside the binary.
const USUAL_FOLDER: &str = "embedding-model";

const NO_MODEL: &str = "no embedding model: set `provider` and `embedding_model` of the plugin \
    semantic_cache, or put a sentence-transformers folder at <app-dir>/embedding-model or beside the binary \
    (or name one in TOLLBRIDGE_EMBEDDING_MODEL)";
