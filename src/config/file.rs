//! config.json as the operator wrote it: Bifrost's schema.
//!
//! Every problem is reported at once with its JSON path. What the gateway does not know or does not
//! do yet is a warning, unless ignoring it would grant what the file does not: then it is a problem.

use super::build::build;
use super::cache::{CacheConfig, VectorStoreConfig};
use super::entity::{AuthConfig, ClientConfig, Configuration, SecretRef};
use super::env::Environment;
use super::file_governance::Governance;
use super::input::{ProviderInput, VirtualKeyInput};
use super::input_settings;
use super::pricing::Catalog;
use super::problem::{Problem, Problems};
use super::read::{Log, Object};
use super::seed;
use crate::provider::catalog::canonical_name;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A config.json, read but not yet merged with the store.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// `client`.
    pub client: Option<Entry<ClientConfig>>,
    /// `governance.auth_config`.
    pub auth: Option<AuthEntry>,
    /// `providers`, each under its name.
    pub providers: Vec<Entry<ProviderInput>>,
    /// `governance.virtual_keys`.
    pub virtual_keys: Vec<Entry<VirtualKeyInput>>,
    /// `encryption_key`, under which secrets are stored.
    pub encryption_key: Option<SecretRef>,
    /// The plugin `semantic_cache`.
    pub cache: Option<Entry<CacheConfig>>,
    /// `vector_store`, where the semantic cache keeps its entries.
    pub vector_store: VectorStoreConfig,
    /// `config_store`.
    pub config_store: StoreSettings,
    /// `logs_store`.
    pub logs_store: StoreSettings,
    /// What is wrong with the file in itself.
    pub problems: Vec<Problem>,
    /// What is ignored, by JSON path.
    pub warnings: Vec<Problem>,
}

/// Something in the file with the hash of its text, by which a later reading tells what changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    /// What was read.
    pub value: T,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
}

/// `auth_config` in the file. Its password is no part of a hash that is fast to guess from.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthEntry {
    /// What was read.
    pub value: AuthConfig,
    /// SHA-256 of the text without the password.
    pub(super) hash: [u8; 32],
    /// The text of the password.
    pub(super) password: SecretRef,
    /// SHA-256 of the whole text, which earlier versions stored.
    pub(super) former_hash: [u8; 32],
    /// Whether the file says if inference goes without the password.
    pub(super) tells_of_inference: bool,
}

impl AuthEntry {
    /// Reads `auth_config` of `parent`.
    pub(super) fn read(parent: &Object<'_>) -> Option<AuthEntry> {
        let object = parent.object("auth_config")?;
        let mut text = parent.value("auth_config").cloned().unwrap_or_default();
        let former_hash = hash(&[Some(&text)]);
        let tells_of_inference =
            text.get("disable_auth_on_inference").is_some_and(Value::is_boolean);
        let password = text.as_object_mut().and_then(|text| text.remove("admin_password"));
        Some(AuthEntry {
            value: input_settings::auth(None, object),
            hash: hash(&[Some(&text)]),
            password: SecretRef::Value(password.unwrap_or_default().to_string()),
            former_hash,
            tells_of_inference,
        })
    }
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// False keeps it in memory only.
    pub enabled: bool,
    /// The SQLite file; `None` is the default beside config.json.
    pub path: Option<PathBuf>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        StoreSettings { enabled: true, path: None }
    }
}

/// Reads the file at `path`; `None` when there is none. What is wrong with it stands in
/// [`File::problems`], unless it is no JSON at all.
pub fn load(path: &Path) -> Result<Option<File>, Problems> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Problem::new("", format!("{}: {error}", path.display())).into()),
    };
    let json = serde_json::from_str(&text)
        .map_err(|error| Problem::new("", format!("{} is not JSON: {error}", path.display())))?;
    Ok(Some(File::read_json(&json)))
}

impl File {
    /// Whether there is an `auth_config` that leaves open if inference goes without the password.
    pub(super) fn is_silent_on_inference(&self) -> bool {
        self.auth.as_ref().is_some_and(|auth| !auth.tells_of_inference)
    }

    /// Reads a parsed config.json that has to be right in itself.
    pub fn from_json(json: &Value) -> Result<File, Problems> {
        let file = File::read_json(json);
        Problems(file.problems.clone()).check(file)
    }

    /// Everything that is wrong with the file: in itself, as a whole, and in this environment.
    pub fn check(&self, environment: &Environment) -> Result<(), Problems> {
        let (configuration, mut problems) = self.configuration(environment);
        if let Err(later) = build(&configuration, &Catalog::builtin(), environment, 1) {
            problems.add_later(later);
        }
        problems.check(())
    }

    /// The configuration that the file alone makes, for checking it without a store.
    pub fn into_configuration(self, environment: &Environment) -> Result<Configuration, Problems> {
        let (configuration, problems) = self.configuration(environment);
        problems.check(configuration)
    }

    fn configuration(&self, environment: &Environment) -> (Configuration, Problems) {
        let mut configuration = Configuration::default();
        let (_, later) = seed::apply(self, &mut configuration, &[], environment, 0);
        let mut problems = Problems(self.problems.clone());
        problems.add_later(later);
        (configuration, problems)
    }

    fn read_json(json: &Value) -> File {
        let log = Log::default();
        let mut file = File::read(&Object::new(json, "", &log));
        (file.problems, file.warnings) = log.into_parts();
        file
    }

    fn read(object: &Object<'_>) -> File {
        let client = object.object("client");
        let mut client =
            client.map(|client| input_settings::client(ClientConfig::default(), client));
        let cache = read_plugins(object, &mut client);
        let retention = read_retention(object, &mut client);
        let client_text = [object.value("client"), object.value("plugins"), retention];
        let mut governance = object.object("governance").map(Governance::read).unwrap_or_default();
        // The deprecated place; the newer one wins.
        let deprecated = AuthEntry::read(object);
        governance.auth = governance.auth.or(deprecated);
        let file = File {
            client: client.map(|value| Entry { value, hash: hash(&client_text) }),
            auth: governance.auth,
            providers: providers(object),
            virtual_keys: governance.virtual_keys,
            encryption_key: object.secret("encryption_key").flatten(),
            cache,
            vector_store: VectorStoreConfig::read(object),
            config_store: store_settings(object, "config_store"),
            logs_store: store_settings(object, "logs_store"),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        object.ignore(&["$schema"]);
        for name in IGNORED {
            if object.value(name).is_some_and(|value| !value.is_null()) {
                object.log.warn(*name, "not supported yet; ignored");
            }
        }
        object.warn_unknown();
        file
    }
}

const IGNORED: &[&str] = &[
    "framework",
    "mcp",
    "websocket",
    "large_payload_optimization",
    "cluster_config",
    "saml_config",
    "load_balancer_config",
    "guardrails_config",
    "audit_logs",
];

/// The hash of parts of the file, whatever their formatting.
pub(super) fn hash(parts: &[Option<&Value>]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.map(Value::to_string).unwrap_or_default());
        digest.update([0]);
    }
    digest.finalize().into()
}

fn providers(object: &Object<'_>) -> Vec<Entry<ProviderInput>> {
    let Some(list) = object.object("providers") else { return Vec::new() };
    let mut providers: Vec<Entry<ProviderInput>> = Vec::new();
    for (name, value) in list.entries() {
        let path = list.path_of(name);
        let canonical = canonical_name(name);
        if providers.iter().any(|other| other.value.name.as_deref() == Some(canonical)) {
            object.log.problem(&path, format!("`{name}` is another name of `{canonical}`"));
        }
        let mut input = ProviderInput::read(Object::new(value, path, object.log));
        input.name = Some(canonical.to_owned());
        providers.push(Entry { value: input, hash: hash(&[Some(value)]) });
    }
    providers
}

/// The governance plugin holds two settings that restrict access and have their place in `client`.
/// Returns what is said of the semantic cache.
fn read_plugins(
    object: &Object<'_>,
    client: &mut Option<ClientConfig>,
) -> Option<Entry<CacheConfig>> {
    let Some(Some(plugins)) = object.objects("plugins") else { return None };
    let mut cache = None;
    for plugin in plugins {
        let name = plugin.text("name").flatten().unwrap_or_default();
        let enabled = plugin.boolean("enabled").unwrap_or(false);
        match name.as_str() {
            "semantic_cache" => cache = Some(read_cache(&plugin, enabled)),
            _ if !enabled => {}
            "governance" => {
                let Some(config) = plugin.object("config") else { continue };
                if config.boolean("is_vk_mandatory") == Some(true) {
                    client.get_or_insert_default().enforce_auth_on_inference = true;
                }
                if let Some(Some(headers)) = config.strings("required_headers") {
                    client.get_or_insert_default().required_headers.extend(headers);
                }
                config.ignore(&["is_enterprise"]);
                config.finish_leniently();
            }
            // What these do is built in.
            "telemetry" | "logging" => {}
            _ => object.log.warn(plugin.path, format!("`{name}` is not supported yet; ignored")),
        }
    }
    cache
}

/// One that is off is not asked for what it lacks.
fn read_cache(plugin: &Object<'_>, enabled: bool) -> Entry<CacheConfig> {
    let text = [plugin.value("enabled"), plugin.value("config")];
    let config = plugin.object("config").filter(|_| enabled);
    let value = config.map(|config| CacheConfig::read(enabled, config));
    let value = value.unwrap_or(CacheConfig { enabled, ..CacheConfig::default() });
    Entry { value, hash: hash(&text) }
}

/// `logs_store.retention_days` is another place for `client.log_retention_days`, which is the one that
/// the management API shows and changes, and so wins where both stand. Returns what was used.
fn read_retention<'a>(object: &Object<'a>, client: &mut Option<ClientConfig>) -> Option<&'a Value> {
    object.value("logs_store").filter(|store| store.is_object())?;
    let store = object.object("logs_store")?;
    let days = store.count("retention_days")?;
    let chosen = object.value("client").and_then(|client| client.get("log_retention_days"));
    match chosen.filter(|chosen| !chosen.is_null()) {
        None => {
            client.get_or_insert_default().log_retention_days = days;
            store.value("retention_days")
        }
        Some(chosen) => {
            if chosen.as_u64() != Some(days.into()) {
                let message = format!("has no effect: client.log_retention_days says {chosen}");
                store.log.warn(store.path_of("retention_days"), message);
            }
            None
        }
    }
}

fn store_settings(object: &Object<'_>, name: &'static str) -> StoreSettings {
    let Some(store) = object.object(name) else { return StoreSettings::default() };
    let mut settings =
        StoreSettings { enabled: store.boolean("enabled").unwrap_or(true), path: None };
    if name == "logs_store" {
        // See `read_retention`.
        store.ignore(&["retention_days"]);
    }
    match store.text("type").flatten().as_deref() {
        None | Some("sqlite") => {
            if let Some(config) = store.object("config") {
                let path = config.text("path").flatten().filter(|path| !path.is_empty());
                settings.path = path.map(PathBuf::from);
                config.finish_leniently();
            }
        }
        // A store that is off is no reason to stop.
        Some(_) if !settings.enabled => store.ignore(&["config"]),
        Some(other) => {
            let message = format!("`{other}` is not supported yet; use `sqlite`");
            store.log.problem(store.path_of("type"), message);
            store.ignore(&["config"]);
        }
    }
    store.finish_leniently();
    settings
}
