//! The semantic cache as it is configured: the plugin `semantic_cache` (Bifrost's names, and ours where
//! it has none) and what a virtual key says of it.

use super::problem::Problem;
use super::read::{Field, Log, Object};
use super::window::whole_seconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The provider's name that stands for the engine inside of the gateway.
pub const LOCAL: &str = "local";

/// How the cache works, for requests that use it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheConfig {
    /// False switches the cache off for everybody, virtual keys that ask for it included.
    pub enabled: bool,
    /// Where embeddings come from: a provider's name, or `local`; empty is the local engine if there
    /// is a model for it, else no semantic layer.
    pub provider: String,
    /// The embedding model; for `local` its folder.
    pub embedding_model: String,
    /// Length of the vectors; `None` takes what comes. 1 without a provider means exact hits only, as
    /// in Bifrost.
    pub dimension: Option<u32>,
    /// Seconds that an answer is kept.
    pub ttl: u32,
    /// Cosine similarity from which on a question counts as the same.
    pub threshold: f64,
    /// The cache key of requests that name none; where it is empty, only virtual keys with the cache
    /// on and requests with `x-bf-cache-key` use the cache.
    pub default_cache_key: String,
    /// Requests with more messages go past the cache.
    pub conversation_history_threshold: u32,
    /// Whether an answer is good for its model only.
    pub cache_by_model: bool,
    /// Whether an answer is good for its provider only.
    pub cache_by_provider: bool,
    /// Whether system messages are left out of the comparison.
    pub exclude_system_prompt: bool,
    /// Subdivides a shared store.
    pub vector_store_namespace: String,
    /// Whether everything is cleared when the process ends.
    pub cleanup_on_shutdown: bool,
    /// What is done with a hit. Ours.
    pub mode: CacheMode,
    /// Who shares entries. Ours.
    pub scope: CacheScope,
    /// Requests with a higher temperature go past the cache. Ours.
    pub max_temperature: f64,
    /// Whether requests with tools and answers with tool calls are kept too. Ours.
    pub cache_tools: bool,
    /// Whether a candidate that differs in something that matters is rejected. Ours.
    pub guard: bool,
    /// The model (`provider/model`) that confirms candidates between `judge_threshold` and `threshold`;
    /// empty is none. Ours.
    pub judge_model: String,
    /// Cosine similarity below which nobody is asked. Ours.
    pub judge_threshold: f64,
    /// What a semantic hit costs its virtual key. Ours.
    pub hit_cost: HitCost,
    /// Memory that the entries of this node may take, in MiB. Ours.
    pub max_size_mb: u32,
}

impl Default for CacheConfig {
    fn default() -> Self {
        CacheConfig {
            enabled: true,
            provider: String::new(),
            embedding_model: String::new(),
            dimension: None,
            ttl: 300,
            threshold: 0.8,
            default_cache_key: String::new(),
            conversation_history_threshold: 3,
            cache_by_model: true,
            cache_by_provider: true,
            exclude_system_prompt: false,
            vector_store_namespace: String::new(),
            cleanup_on_shutdown: false,
            mode: CacheMode::Semantic,
            scope: CacheScope::VirtualKey,
            max_temperature: 0.7,
            cache_tools: false,
            guard: true,
            judge_model: String::new(),
            judge_threshold: 0.35,
            hit_cost: HitCost::Embedding,
            max_size_mb: 256,
        }
    }
}

/// What is done with a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// Exact and semantic hits are served.
    Semantic,
    /// Exact hits are served; nothing is embedded.
    Exact,
    /// Nothing is served: what would have been is counted and graded.
    Shadow,
}

/// Who shares entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheScope {
    /// Each virtual key for itself.
    #[default]
    VirtualKey,
    /// The virtual keys of a team; one without a team for itself.
    Team,
    /// The virtual keys of a customer; one without a customer for itself.
    Customer,
}

/// What a semantic hit costs its virtual key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitCost {
    /// What the provider asks for the embedding.
    Embedding,
    /// Nothing: embeddings are the operator's.
    Free,
}

/// What a virtual key says of the cache: `true`, `false`, or an object that overrides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VirtualKeyCache {
    /// Whether its requests use the cache without asking for it.
    pub enabled: bool,
    /// See [`CacheConfig::mode`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<CacheMode>,
    /// See [`CacheConfig::threshold`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// See [`CacheConfig::ttl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// See [`CacheConfig::scope`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<CacheScope>,
}

impl VirtualKeyCache {
    /// Reads the field `semantic_cache` of a virtual key; null takes it away.
    pub(super) fn read(object: &Object<'_>) -> Field<VirtualKeyCache> {
        let value = object.value("semantic_cache")?;
        match value {
            Value::Null => Some(None),
            Value::Bool(enabled) => Some(Some(VirtualKeyCache::switch(*enabled))),
            Value::Object(_) => Some(object.object("semantic_cache").map(|own| {
                let read = VirtualKeyCache {
                    enabled: own.boolean("enabled").unwrap_or(true),
                    mode: word(&own, "mode", MODES),
                    threshold: similarity(&own, "threshold"),
                    ttl: duration(&own, "ttl"),
                    scope: word(&own, "scope", SCOPES),
                };
                own.finish();
                read
            })),
            _ => {
                let message = "must be true, false or an object that overrides `mode`, `threshold`, \
                               `ttl` or `scope`";
                object.log.problem(object.path_of("semantic_cache"), message);
                None
            }
        }
    }

    fn switch(enabled: bool) -> Self {
        VirtualKeyCache { enabled, mode: None, threshold: None, ttl: None, scope: None }
    }

    /// As it is shown: `true` or `false` where nothing else is said.
    pub fn to_json(&self) -> Value {
        if *self == VirtualKeyCache::switch(self.enabled) {
            return Value::Bool(self.enabled);
        }
        serde_json::to_value(self).unwrap_or_default()
    }
}

const MODES: &[(&str, CacheMode)] = &[
    ("semantic", CacheMode::Semantic),
    ("exact", CacheMode::Exact),
    ("shadow", CacheMode::Shadow),
];

const SCOPES: &[(&str, CacheScope)] = &[
    ("virtual_key", CacheScope::VirtualKey),
    ("team", CacheScope::Team),
    ("customer", CacheScope::Customer),
];

const HIT_COSTS: &[(&str, HitCost)] = &[("embedding", HitCost::Embedding), ("free", HitCost::Free)];

impl CacheConfig {
    /// Reads the plugin's `config`. What is absent has its default.
    pub(super) fn read(enabled: bool, object: Object<'_>) -> CacheConfig {
        let mut config = CacheConfig { enabled, ..CacheConfig::default() };
        set(&mut config.provider, object.text("provider").flatten());
        set(&mut config.embedding_model, object.text("embedding_model").flatten());
        config.dimension = object.count("dimension");
        set(&mut config.ttl, duration(&object, "ttl"));
        // 0 is Bifrost's way of saying nothing.
        set(&mut config.threshold, similarity(&object, "threshold").filter(|value| *value != 0.0));
        set(&mut config.default_cache_key, object.text("default_cache_key").flatten());
        let history = object.count("conversation_history_threshold");
        set(&mut config.conversation_history_threshold, history);
        set(&mut config.cache_by_model, object.boolean("cache_by_model"));
        set(&mut config.cache_by_provider, object.boolean("cache_by_provider"));
        set(&mut config.exclude_system_prompt, object.boolean("exclude_system_prompt"));
        let namespace = object.text("vector_store_namespace").flatten();
        set(&mut config.vector_store_namespace, namespace);
        set(&mut config.cleanup_on_shutdown, object.boolean("cleanup_on_shutdown"));
        set(&mut config.mode, word(&object, "mode", MODES));
        set(&mut config.scope, word(&object, "scope", SCOPES));
        set(&mut config.max_temperature, object.number("max_temperature").flatten());
        set(&mut config.cache_tools, object.boolean("cache_tools"));
        set(&mut config.guard, object.boolean("guard"));
        set(&mut config.judge_model, object.text("judge_model").flatten());
        set(&mut config.judge_threshold, similarity(&object, "judge_threshold"));
        set(&mut config.hit_cost, word(&object, "hit_cost", HIT_COSTS));
        set(&mut config.max_size_mb, object.count("max_size_mb"));
        // Bifrost copies the provider's keys here.
        object.ignore(&["keys"]);
        config.check(&object);
        object.finish();
        config
    }

    fn check(&self, object: &Object<'_>) {
        let problem = |name: &str, message: &str| {
            object.log.problem(object.path_of(name), message);
        };
        let named = !self.provider.is_empty() && self.provider != LOCAL;
        if named && self.embedding_model.is_empty() {
            problem("embedding_model", "missing: which model of the provider makes embeddings?");
        }
        if self.provider.is_empty() && !self.embedding_model.is_empty() {
            problem(
                "provider",
                "missing: whose is `embedding_model`? `local` is the gateway's own engine",
            );
        }
        if self.dimension == Some(0) || (named && self.dimension == Some(1)) {
            problem("dimension", "must be the length of the model's vectors");
        }
        if !self.judge_model.is_empty() && self.judge_threshold > self.threshold {
            problem("judge_threshold", "must not be above `threshold`");
        }
        if !self.judge_model.is_empty() && !self.judge_model.contains('/') {
            problem("judge_model", "must name its provider, such as `openai/gpt-4o-mini`");
        }
        if !(0.0..=2.0).contains(&self.max_temperature) {
            problem("max_temperature", "must be from 0 to 2");
        }
        if self.max_size_mb == 0 {
            problem("max_size_mb", "must be above 0");
        }
    }

    /// Reads the `config` of `PUT /api/plugins/semantic_cache`.
    ///
    /// # Errors
    /// Everything that is wrong, with its path.
    pub fn from_json(enabled: bool, config: &Value) -> Result<CacheConfig, Vec<Problem>> {
        let log = Log::default();
        let config = CacheConfig::read(enabled, Object::new(config, "config", &log));
        let (problems, _) = log.into_parts();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// As it is shown: every field but `enabled`, which stands beside it.
    pub fn to_json(&self) -> Value {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = shown.as_object_mut() {
            object.remove("enabled");
        }
        shown
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn word<T: Copy>(object: &Object<'_>, name: &'static str, words: &[(&str, T)]) -> Option<T> {
    let given = object.text(name).flatten()?;
    let found = words.iter().find(|(word, _)| *word == given);
    if found.is_none() {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!("must be one of {}, not `{given}`", known.join(", "));
        object.log.problem(object.path_of(name), message);
    }
    found.map(|(_, value)| *value)
}

fn similarity(object: &Object<'_>, name: &'static str) -> Option<f64> {
    let given = object.number(name).flatten()?;
    if !(0.0..=1.0).contains(&given) {
        object.log.problem(object.path_of(name), "must be from 0 to 1");
        return None;
    }
    Some(given)
}

/// Seconds: a number of them, or text such as `5m`.
fn duration(object: &Object<'_>, name: &'static str) -> Option<u32> {
    let seconds = object.field(name, "seconds, or a duration such as `5m`", |value| {
        parse_ttl(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    seconds.flatten()
}

/// Seconds from `300` or `5m`; at least one.
pub fn parse_ttl(text: &str) -> Option<u32> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.fract() == 0.0);
    let seconds = seconds.map_or_else(|| whole_seconds(text), |seconds| Some(seconds as i64))?;
    u32::try_from(seconds).ok().filter(|seconds| *seconds > 0)
}

/// Whether text is a lifetime of less than a second: `0`, `0.5`, `-5`, `0s`. Whoever says so wants nothing kept.
pub fn is_no_time(text: &str) -> bool {
    let text = text.trim();
    let number = text.parse::<f64>().is_ok_and(|seconds| seconds < 1.0);
    let negative = text.strip_prefix('-').is_some_and(|rest| whole_seconds(rest).is_some());
    number || negative || (!text.is_empty() && whole_seconds(text) == Some(0))
}

/// `vector_store` of config.json: where entries are kept. Takes effect with a restart.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum VectorStoreConfig {
    /// In the memory of the process, and in a file beside config.json.
    #[default]
    Memory,
    /// PostgreSQL with pgvector, shared by the nodes that use it.
    Postgres(PostgresConfig),
    /// Redis or Valkey for exact entries; vectors stay in memory.
    Redis(RedisConfig),
}

/// Where PostgreSQL is.
#[derive(Debug, Clone, PartialEq)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`, or `env.NAME`.
    pub url: super::entity::SecretRef,
    /// Entries at most; the oldest go.
    pub max_entries: u32,
}

/// Where Redis is; Bifrost's names.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisConfig {
    /// `host:port`, `redis://…` or `rediss://…`, or `env.NAME`.
    pub addr: super::entity::SecretRef,
    /// User name.
    pub username: super::entity::SecretRef,
    /// Password.
    pub password: super::entity::SecretRef,
    /// Number of the database.
    pub db: u32,
}

const VECTOR_STORES: &str =
    "`memory` (the default), `postgres` (with pgvector) or `redis` (Redis or Valkey)";

impl VectorStoreConfig {
    /// Reads `vector_store`.
    pub(super) fn read(parent: &Object<'_>) -> VectorStoreConfig {
        let Some(store) = parent.object("vector_store") else { return VectorStoreConfig::Memory };
        let enabled = store.boolean("enabled").unwrap_or(true);
        let kind = store.text("type").flatten();
        if !enabled {
            store.ignore(&["config"]);
            return VectorStoreConfig::Memory;
        }
        let read = match kind.as_deref() {
            None | Some("memory") => {
                store.ignore(&["config"]);
                VectorStoreConfig::Memory
            }
            Some("postgres" | "pgvector") => VectorStoreConfig::Postgres(postgres(&store)),
            Some("redis" | "valkey") => VectorStoreConfig::Redis(redis(&store)),
            Some(other) => {
                let message = format!("`{other}` is not supported; use {VECTOR_STORES}");
                store.log.problem(store.path_of("type"), message);
                store.ignore(&["config"]);
                VectorStoreConfig::Memory
            }
        };
        store.finish_leniently();
        read
    }

    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            VectorStoreConfig::Memory => "memory",
            VectorStoreConfig::Postgres(_) => "postgres",
            VectorStoreConfig::Redis(_) => "redis",
        }
    }
}

/// A secret that has to be there.
fn required(
    object: Option<&Object<'_>>,
    store: &Object<'_>,
    name: &'static str,
) -> super::entity::SecretRef {
    let given = object.and_then(|object| object.secret(name).flatten()).unwrap_or_default();
    if given == super::entity::SecretRef::None {
        store.log.problem(format!("{}.config.{name}", store.path), "missing");
    }
    given
}

fn postgres(store: &Object<'_>) -> PostgresConfig {
    let config = store.object("config");
    let read = PostgresConfig {
        url: required(config.as_ref(), store, "url"),
        max_entries: config.as_ref().and_then(|it| it.count("max_entries")).unwrap_or(1_000_000),
    };
    if let Some(config) = config {
        config.finish_leniently();
    }
    read
}

fn redis(store: &Object<'_>) -> RedisConfig {
    let config = store.object("config");
    let secret = |name| config.as_ref().and_then(|config| config.secret(name).flatten());
    let read = RedisConfig {
        addr: required(config.as_ref(), store, "addr"),
        username: secret("username").unwrap_or_default(),
        password: secret("password").unwrap_or_default(),
        db: config.as_ref().and_then(|config| config.count("db")).unwrap_or(0),
    };
    if let Some(config) = config {
        // Tuning of Bifrost's connection pool: one connection serves all requests here.
        config.ignore(&["pool_size", "max_active_conns", "min_idle_conns", "max_idle_conns"]);
        config.ignore(&["conn_max_lifetime", "conn_max_idle_time", "dial_timeout"]);
        config.ignore(&["read_timeout", "write_timeout", "context_timeout"]);
        config.finish_leniently();
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bifrosts_plugin_reads_with_its_defaults() {
        let json = json!({"provider": "openai", "embedding_model": "text-embedding-3-small",
            "dimension": 1536, "ttl": "10m", "threshold": 0, "keys": []});
        let config = CacheConfig::from_json(true, &json).unwrap();
        assert_eq!((config.ttl, config.threshold, config.dimension), (600, 0.8, Some(1536)));
        assert!(config.cache_by_model && config.cache_by_provider && config.guard);
        let again = CacheConfig::from_json(true, &config.to_json()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let json = json!({"provider": "openai", "ttl": "soon", "threshold": 1.5, "mode": "bold",
            "judge_model": "gpt", "max_temperature": 3, "colour": "red"});
        let problems = CacheConfig::from_json(true, &json).unwrap_err();
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        for name in [
            "embedding_model",
            "ttl",
            "threshold",
            "mode",
            "judge_model",
            "max_temperature",
            "colour",
        ] {
            assert!(paths.contains(&format!("config.{name}").as_str()), "{name}: {paths:?}");
        }
    }

    #[test]
    fn a_virtual_key_switches_or_overrides() {
        let log = Log::default();
        let read = |json: &Value| VirtualKeyCache::read(&Object::new(json, "", &log));
        assert_eq!(read(&json!({})), None);
        assert_eq!(read(&json!({"semantic_cache": null})), Some(None));
        let on = read(&json!({"semantic_cache": true})).flatten().unwrap();
        assert_eq!(on.to_json(), json!(true));
        let own = json!({"enabled": true, "threshold": 0.9, "ttl": 60, "scope": "team"});
        let read = read(&json!({"semantic_cache": own})).flatten().unwrap();
        assert_eq!(read.to_json(), own);
        let json = json!({"semantic_cache": {"treshold": 0.9}});
        VirtualKeyCache::read(&Object::new(&json, "", &log));
        let (problems, _) = log.into_parts();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "semantic_cache.treshold");
    }

    #[test]
    fn a_lifetime_is_seconds_or_a_duration() {
        assert_eq!(parse_ttl("300"), Some(300));
        assert_eq!(parse_ttl("5m"), Some(300));
        assert_eq!(parse_ttl("1h30m"), Some(5400));
        for wrong in ["", "0", "-1", "soon", "1.5"] {
            assert_eq!(parse_ttl(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_lifetime_of_nothing_is_told_from_one_that_cannot_be_read() {
        for nothing in ["0", "-1", " 0 ", "0s", "-5m", "0.0", "0h0m", "0.5"] {
            assert!(is_no_time(nothing), "{nothing}");
        }
        for other in ["", "5", "5m", "soon", "1.5", "m", "-soon"] {
            assert!(!is_no_time(other), "{other}");
        }
    }

    #[test]
    fn a_store_that_is_not_there_names_those_that_are() {
        let log = Log::default();
        let json =
            json!({"vector_store": {"enabled": true, "type": "qdrant", "config": {"host": "x"}}});
        VectorStoreConfig::read(&Object::new(&json, "", &log));
        let (problems, _) = log.into_parts();
        assert_eq!(problems[0].path, "vector_store.type");
        assert!(problems[0].message.contains("postgres"), "{}", problems[0].message);
    }
}
