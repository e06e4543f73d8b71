//! What was configured, indexed by what the request path asks. Immutable.

use super::admin::{Admin, Verdict};
use super::cache::{CacheConfig, CacheMode, VirtualKeyCache};
use super::entity::ClientConfig;
use super::header_filter::HeaderFilter;
use super::pricing::Catalog;
use super::problem::Problem;
use super::window::Window;
use crate::llm::{Failure, FailureKind, Source};
use crate::provider::{AccessList, Key, Provider};
use hashbrown::{HashMap, HashSet};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;

/// What is asked of whose credentials nobody could look at.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// One configuration, complete. A request takes it once and sees it to its end.
#[derive(Debug)]
pub struct Snapshot {
    /// Moves with every change.
    pub version: u64,
    /// Settings of the gateway as a whole.
    pub client: Arc<ClientConfig>,
    /// Which headers of a client reach a provider besides those of the API itself.
    pub header_filter: HeaderFilter,
    /// User name and password of the management API, if asked for.
    pub admin: Option<Admin>,
    /// Providers by name, in the order of their names.
    pub providers: Vec<Arc<Provider>>,
    pub(super) provider_by_name: HashMap<Arc<str>, usize, foldhash::fast::RandomState>,
    pub(super) virtual_key_by_hash: HashMap<[u8; 32], Arc<VirtualKey>, foldhash::fast::RandomState>,
    /// Hashes of what was a virtual key's secret, or looks like one and is none.
    pub(super) no_secrets: HashSet<[u8; 32], foldhash::fast::RandomState>,
    /// Virtual keys in the order of their ids.
    pub virtual_keys: Vec<Arc<VirtualKey>>,
    /// How the semantic cache works.
    pub cache: Arc<CacheConfig>,
    /// Whether any request at all can use the semantic cache.
    pub uses_cache: bool,
    /// Models and prices.
    pub catalog: Arc<Catalog>,
    /// What an operator should know though it stops nothing, such as a key whose environment
    /// variable is not set.
    pub warnings: Vec<Problem>,
}

/// A virtual key.
#[derive(Debug)]
pub struct VirtualKey {
    /// Stable id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Whether it is accepted.
    pub is_active: bool,
    /// Whether the id is the secret.
    pub secret_is_id: bool,
    /// Whether other models may answer (architecture, decisions 7 and 8).
    pub model_substitution: bool,
    /// Providers in order; `None` is every provider.
    pub bindings: Option<Vec<Binding>>,
    /// Whether the bindings' weights are a split across models (architecture, decision 7): all of
    /// them have explicit, pairwise disjoint `allowed_models`, and `model_substitution` is on.
    pub split_across_models: bool,
    /// Budgets and rate limits of the key as a whole, sorted by id.
    pub meters: Arc<[MeterSpec]>,
    /// Team that it belongs to.
    pub team_id: Option<Arc<str>>,
    /// Customer that it belongs to.
    pub customer_id: Option<Arc<str>>,
    /// What it says of the semantic cache.
    pub semantic_cache: Option<VirtualKeyCache>,
    /// Who shares the cache's entries with it, such as `virtual_key:<id>` or `team:<id>`.
    pub cache_scope: Arc<str>,
}

/// A provider in a virtual key.
#[derive(Debug)]
pub struct Binding {
    /// The provider's name; it may not be configured (yet).
    pub provider: Arc<str>,
    /// Its share; `None` keeps it out of the draw but not out of the fallbacks.
    pub weight: Option<f64>,
    /// Models that may be asked of it.
    pub allowed_models: AccessList,
    /// Ids or names of the provider keys that may be used.
    pub key_ids: AccessList,
    /// The model that it answers with as a fallback when it does not serve the requested one.
    pub fallback_model: Option<String>,
    /// Budgets and rate limits of this provider within the key *and* those of the key as a whole,
    /// sorted by id: what a request to this provider passes.
    pub meters: Arc<[MeterSpec]>,
}

impl Binding {
    /// Whether `key` may be used for this binding.
    pub fn allows_key(&self, key: &Key) -> bool {
        match &self.key_ids {
            AccessList::Unrestricted => true,
            AccessList::Only(list) => {
                list.iter().any(|entry| **entry == *key.id || **entry == *key.name)
            }
        }
    }
}

/// A limit: a budget, or one half of a rate limit.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterSpec {
    /// Stable id: the budget's id, `<rate limit id>:requests` or `<rate limit id>:tokens`.
    pub id: Arc<str>,
    /// What is counted.
    pub unit: Unit,
    /// The limit in its unit.
    pub limit: i64,
    /// When it begins anew.
    pub window: Window,
    /// `virtual_key`, or the provider in whose binding the limit stands.
    pub scope: Arc<str>,
    /// For a budget: whether a model without a price is let through at no cost.
    pub unpriced_allowed: bool,
    /// Whether an estimate is reserved before the call.
    pub reserve: bool,
}

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Nano-dollars.
    Cost,
    /// Tokens, input and output together.
    Tokens,
    /// Requests.
    Requests,
}

impl Snapshot {
    /// Whether any request at all can be answered like a similar one.
    pub fn seeks_similar(&self) -> bool {
        let own = self.virtual_keys.iter().filter_map(|key| key.semantic_cache.as_ref());
        let mut modes = own.filter(|own| own.enabled).filter_map(|own| own.mode);
        let is_similar = |mode: CacheMode| mode != CacheMode::Exact;
        self.uses_cache && (is_similar(self.cache.mode) || modes.any(is_similar))
    }

    /// Finds out whether `headers` carry the credentials of the management API, where inference asks for
    /// them. Wrong ones take their time.
    ///
    /// # Errors
    /// 503 when nobody could look at them in time.
    pub async fn look_at_credentials(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(admin) = self.admin.as_ref().filter(|admin| admin.on_inference) else {
            return Ok(());
        };
        if admin.judge(headers).await != Verdict::NotLookedAt {
            return Ok(());
        }
        let message = "too many credentials wait to be looked at; try again";
        let failure = Failure::new(Source::Gateway, FailureKind::Overloaded, message);
        Err(failure.with_code("credentials_not_checked").with_retry_after(Some(TRY_AGAIN)))
    }

    /// The configured provider of that name. `google` means `gemini`.
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        let name = crate::provider::catalog::canonical_name(name);
        self.provider_by_name.get(name).and_then(|&at| self.providers.get(at))
    }

    /// Whether something with this SHA-256 was sent for a virtual key that has another secret now or
    /// is gone.
    pub fn is_no_secret(&self, hash: &[u8; 32]) -> bool {
        self.no_secrets.contains(hash)
    }

    /// The virtual key whose secret has this SHA-256.
    pub fn virtual_key(&self, secret_hash: &[u8; 32]) -> Option<&Arc<VirtualKey>> {
        self.virtual_key_by_hash.get(secret_hash)
    }
}
