//! config.json as the operator wrote it: Bifrost's schema.

use super::entity::{AuthConfig, ClientConfig, Configuration};
use super::env::Environment;
use super::input::{ProviderInput, VirtualKeyInput};
use super::problem::{Problem, Problems};
use super::seed;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A config.json, read but not yet merged with the store.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// `client`.
    pub client: Option<ClientConfig>,
    /// `governance.auth_config`.
    pub auth: Option<AuthConfig>,
    /// `providers`, each under its name.
    pub providers: Vec<ProviderInput>,
    /// `governance.virtual_keys`.
    pub virtual_keys: Vec<VirtualKeyInput>,
    /// `config_store`.
    pub config_store: StoreSettings,
    /// `logs_store`.
    pub logs_store: StoreSettings,
    /// What is ignored, by JSON path.
    pub warnings: Vec<Problem>,
    /// The hash of each entity's text, by `provider:openai`, `virtual_key:vk-prod` and the like.
    pub(super) hashes: Vec<(String, String)>,
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// False keeps it in memory only.
    pub enabled: bool,
    /// The SQLite file; `None` is the default beside config.json.
    pub path: Option<PathBuf>,
    /// Days that rows are kept (logs only).
    pub retention_days: Option<u32>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        StoreSettings { enabled: true, path: None, retention_days: None }
    }
}

/// Reads the file at `path`; `None` when there is none.
pub fn load(path: &Path) -> Result<Option<File>, Problems> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Problem::new("", format!("{}: {error}", path.display())).into()),
    };
    let json = serde_json::from_str(&text)
        .map_err(|error| Problem::new("", format!("{} is not JSON: {error}", path.display())))?;
    File::from_json(&json).map(Some)
}

impl File {
    /// Reads a parsed config.json.
    pub fn from_json(json: &Value) -> Result<File, Problems> {
        let _ = json;
        Ok(File::default())
    }

    /// The configuration that the file alone makes, for checking it without a store.
    pub fn into_configuration(self, environment: &Environment) -> Result<Configuration, Problems> {
        let mut configuration = Configuration::default();
        seed::apply(&self, &mut configuration, &[], environment)?;
        Ok(configuration)
    }
}
