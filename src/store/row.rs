//! The rows of the configuration, one struct per table, and reading all of them.

use super::{Db, Result};
use sqlx::FromRow;

/// Every row of the configuration at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigRows {
    /// Moves with every change.
    pub version: i64,
    /// Settings of the gateway as a whole; `None` before the first start.
    pub client: Option<ClientRow>,
    /// Credentials of the management API.
    pub auth: Option<AuthRow>,
    /// By name.
    pub plugins: Vec<PluginRow>,
    /// By name.
    pub providers: Vec<ProviderRow>,
    /// By provider and position.
    pub keys: Vec<KeyRow>,
    /// By id.
    pub virtual_keys: Vec<VirtualKeyRow>,
    /// By virtual key and position.
    pub bindings: Vec<BindingRow>,
    /// By virtual key and position.
    pub budgets: Vec<BudgetRow>,
    /// By virtual key.
    pub rate_limits: Vec<RateLimitRow>,
    /// The latest first.
    pub retired_secrets: Vec<RetiredSecretRow>,
}

/// A row of `client_settings`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "columns; see migrations/config")]
pub struct ClientRow {
    pub drop_excess_requests: bool,
    pub enable_logging: bool,
    pub enforce_auth_on_inference: bool,
    pub allow_direct_keys: bool,
    pub max_request_body_size_mb: i64,
    pub log_retention_days: i64,
    pub allowed_origins: String,
    pub allowed_headers: String,
    pub required_headers: String,
    pub header_filter_config: String,
    pub budget_wait_ms: i64,
    pub shutdown_grace_seconds: i64,
}

/// A row of `auth_settings`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct AuthRow {
    pub admin_username: String,
    pub admin_password: String,
    pub is_enabled: bool,
    pub disable_auth_on_inference: bool,
}

/// A row of `plugin_settings`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct PluginRow {
    pub name: String,
    pub enabled: bool,
    pub config: String,
}

/// A row of `providers`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "columns; see migrations/config")]
pub struct ProviderRow {
    pub name: String,
    pub concurrency: i64,
    pub buffer_size: i64,
    pub base_url: String,
    pub extra_headers: String,
    pub default_request_timeout_in_seconds: i64,
    pub connect_timeout_in_seconds: i64,
    pub header_timeout_in_seconds: Option<i64>,
    pub first_token_timeout_in_seconds: Option<i64>,
    pub stream_idle_timeout_in_seconds: i64,
    pub total_timeout_in_seconds: Option<i64>,
    pub stream_total_timeout_in_seconds: Option<i64>,
    pub max_retries: i64,
    pub retry_backoff_initial: i64,
    pub retry_backoff_max: i64,
    pub insecure_skip_verify: bool,
    pub ca_cert_pem: String,
    pub max_conns_per_host: i64,
    pub enforce_http2: bool,
    pub proxy_type: Option<String>,
    pub proxy_url: String,
    pub proxy_username: String,
    pub proxy_password: String,
    pub send_back_raw_request: bool,
    pub send_back_raw_response: bool,
    pub custom_provider_config: Option<String>,
}

/// A row of `provider_keys`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct KeyRow {
    pub id: String,
    pub provider: String,
    pub position: i64,
    pub name: String,
    pub value: String,
    pub models: Option<String>,
    pub blacklisted_models: String,
    pub weight: f64,
    pub enabled: bool,
}

/// A row of `virtual_keys`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "columns; see migrations/config")]
pub struct VirtualKeyRow {
    pub id: String,
    pub name: String,
    pub description: String,
    pub secret_hash: String,
    pub secret_masked: String,
    pub secret_is_id: bool,
    pub is_active: bool,
    pub team_id: Option<String>,
    pub customer_id: Option<String>,
    pub model_substitution: bool,
    pub restricts_providers: bool,
    pub semantic_cache: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A row of `virtual_key_providers`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct BindingRow {
    pub id: i64,
    pub virtual_key_id: String,
    pub position: i64,
    pub provider: String,
    pub weight: Option<f64>,
    pub allowed_models: Option<String>,
    pub key_ids: Option<String>,
    pub fallback_model: Option<String>,
}

/// A row of `budgets`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct BudgetRow {
    pub id: String,
    pub virtual_key_id: String,
    pub binding_id: Option<i64>,
    pub position: i64,
    pub max_limit: i64,
    pub reset_duration: String,
    pub calendar_aligned: bool,
    pub time_zone: Option<String>,
    pub unpriced_allowed: bool,
    pub reserve: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A row of `rate_limits`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct RateLimitRow {
    pub id: String,
    pub virtual_key_id: String,
    pub binding_id: Option<i64>,
    pub request_max_limit: Option<i64>,
    pub request_reset_duration: Option<String>,
    pub token_max_limit: Option<i64>,
    pub token_reset_duration: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A row of `retired_secrets`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct RetiredSecretRow {
    pub secret_hash: String,
    pub retired_at: i64,
}

/// A row of `file_hashes`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "columns; see migrations/config")]
pub struct FileHashRow {
    pub entity: String,
    pub hash: String,
}

impl Db {
    /// Every row of the configuration, read in one transaction.
    pub async fn load_config(&self) -> Result<ConfigRows> {
        let mut read = self.reader.begin().await?;
        let sql = "select version from config_version where id = 1";
        let (version,): (i64,) = sqlx::query_as(sql).fetch_one(&mut *read).await?;
        let sql = "select * from client_settings where id = 1";
        let client = sqlx::query_as(sql).fetch_optional(&mut *read).await?;
        let sql = "select * from auth_settings where id = 1";
        let auth = sqlx::query_as(sql).fetch_optional(&mut *read).await?;
        let sql = "select * from plugin_settings order by name";
        let plugins = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        let sql = "select * from providers order by name";
        let providers = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        let sql = "select * from provider_keys order by provider, position";
        let keys = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        let sql = "select * from virtual_keys order by id";
        let virtual_keys = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        let sql = "select * from virtual_key_providers order by virtual_key_id, position";
        let bindings = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        let sql = "select * from budgets order by virtual_key_id, position";
        let budgets = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        let sql = "select * from rate_limits order by virtual_key_id, id";
        let rate_limits = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        let sql = "select * from retired_secrets order by retired_at desc";
        let retired_secrets = sqlx::query_as(sql).fetch_all(&mut *read).await?;
        read.commit().await?;
        Ok(ConfigRows {
            version,
            client,
            auth,
            plugins,
            providers,
            keys,
            virtual_keys,
            bindings,
            budgets,
            rate_limits,
            retired_secrets,
        })
    }

    /// The version of the configuration, which moves with every change by any node.
    pub async fn config_version(&self) -> Result<i64> {
        let sql = "select version from config_version where id = 1";
        let (version,) = sqlx::query_as(sql).fetch_one(&self.reader).await?;
        Ok(version)
    }

    /// What config.json said when it was last read.
    pub async fn load_file_hashes(&self) -> Result<Vec<FileHashRow>> {
        let sql = "select entity, hash from file_hashes order by entity";
        Ok(sqlx::query_as(sql).fetch_all(&self.reader).await?)
    }
}
