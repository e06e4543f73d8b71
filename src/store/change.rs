//! Writing the configuration: all of a change in one transaction.

use super::row::{
    AuthRow, BindingRow, BudgetRow, ClientRow, FileHashRow, KeyRow, PluginRow, ProviderRow,
    RateLimitRow, RetiredSecretRow, VirtualKeyRow,
};
use super::{Db, Result};
use sqlx::SqliteConnection;

/// What differs from the stored configuration.
#[derive(Debug, Clone, Default)]
pub struct ConfigChange {
    /// Settings to write.
    pub client: Option<ClientRow>,
    /// Credentials of the management API to write, or `Some(None)` to delete.
    pub auth: Option<Option<AuthRow>>,
    /// Providers to write as a whole, new or not.
    pub put_providers: Vec<ProviderRows>,
    /// Names of providers to delete.
    pub delete_providers: Vec<String>,
    /// Virtual keys to write as a whole, new or not.
    pub put_virtual_keys: Vec<VirtualKeyRows>,
    /// Ids of virtual keys to delete.
    pub delete_virtual_keys: Vec<String>,
    /// Settings of plugins to write.
    pub put_plugins: Vec<PluginRow>,
    /// Names of plugins to forget.
    pub delete_plugins: Vec<String>,
    /// Counters of limits that are gone.
    pub delete_meters: Vec<String>,
    /// Hashes of secrets that are a virtual key's no more.
    pub put_retired_secrets: Vec<RetiredSecretRow>,
    /// Hashes that are a virtual key's again, or were retired too long ago.
    pub delete_retired_secrets: Vec<String>,
    /// What config.json says now.
    pub file_hashes: Vec<FileHashRow>,
}

/// A provider with its keys.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderRows {
    /// The provider.
    pub provider: ProviderRow,
    /// Its keys.
    pub keys: Vec<KeyRow>,
}

/// A virtual key with all that hangs on it.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualKeyRows {
    /// The virtual key.
    pub virtual_key: VirtualKeyRow,
    /// Its providers.
    pub bindings: Vec<BindingRow>,
    /// Budgets of the key and of its providers.
    pub budgets: Vec<BudgetRow>,
    /// Rate limits of the key and of its providers.
    pub rate_limits: Vec<RateLimitRow>,
}

impl Db {
    /// Writes all of `change` or nothing. Returns the new version of the configuration.
    pub async fn write_config(&self, change: &ConfigChange) -> Result<i64> {
        let mut transaction = self.writer.begin().await?;
        let connection = &mut *transaction;
        let sql = "update config_version set version = version + 1 where id = 1 returning version";
        let (version,): (i64,) = sqlx::query_as(sql).fetch_one(&mut *connection).await?;
        // Everything that changes goes first, so that two entities may swap a unique name.
        delete_changed(change, connection).await?;
        if let Some(client) = &change.client {
            insert_client(client, connection).await?;
        }
        if let Some(Some(auth)) = &change.auth {
            insert_auth(auth, connection).await?;
        }
        for rows in &change.put_providers {
            insert_provider(&rows.provider, connection).await?;
        }
        for key in change.put_providers.iter().flat_map(|rows| &rows.keys) {
            insert_key(key, connection).await?;
        }
        for rows in &change.put_virtual_keys {
            insert_virtual_key(rows, connection).await?;
        }
        for row in &change.put_plugins {
            let sql = "insert into plugin_settings (name, enabled, config) values ($1, $2, $3)";
            let insert = sqlx::query(sql).bind(&row.name).bind(row.enabled).bind(&row.config);
            insert.execute(&mut *connection).await?;
        }
        for row in &change.put_retired_secrets {
            let sql = "insert into retired_secrets (secret_hash, retired_at) values ($1, $2)
                       on conflict (secret_hash) do update set retired_at = excluded.retired_at";
            let insert = sqlx::query(sql).bind(&row.secret_hash).bind(row.retired_at);
            insert.execute(&mut *connection).await?;
        }
        for row in &change.file_hashes {
            let sql = "insert into file_hashes (entity, hash) values ($1, $2)
                       on conflict (entity) do update set hash = excluded.hash";
            sqlx::query(sql).bind(&row.entity).bind(&row.hash).execute(&mut *connection).await?;
        }
        transaction.commit().await?;
        Ok(version)
    }

    /// Deletes a row of `file_hashes`, which changes nothing of the configuration.
    pub async fn delete_file_hash(&self, entity: &str) -> Result<()> {
        let sql = "delete from file_hashes where entity = $1";
        sqlx::query(sql).bind(entity).execute(&self.writer).await?;
        Ok(())
    }
}

async fn delete_changed(change: &ConfigChange, connection: &mut SqliteConnection) -> Result<()> {
    if change.client.is_some() {
        sqlx::query("delete from client_settings").execute(&mut *connection).await?;
    }
    if change.auth.is_some() {
        sqlx::query("delete from auth_settings").execute(&mut *connection).await?;
    }
    let put = change.put_providers.iter().map(|rows| &rows.provider.name);
    for name in put.chain(&change.delete_providers) {
        let sql = "delete from providers where name = $1";
        sqlx::query(sql).bind(name).execute(&mut *connection).await?;
    }
    let put = change.put_virtual_keys.iter().map(|rows| &rows.virtual_key.id);
    for id in put.chain(&change.delete_virtual_keys) {
        let sql = "delete from virtual_keys where id = $1";
        sqlx::query(sql).bind(id).execute(&mut *connection).await?;
    }
    let put = change.put_plugins.iter().map(|row| &row.name);
    for name in put.chain(&change.delete_plugins) {
        let sql = "delete from plugin_settings where name = $1";
        sqlx::query(sql).bind(name).execute(&mut *connection).await?;
    }
    for hash in &change.delete_retired_secrets {
        let sql = "delete from retired_secrets where secret_hash = $1";
        sqlx::query(sql).bind(hash).execute(&mut *connection).await?;
    }
    for id in &change.delete_meters {
        let sql = "delete from meters where id = $1";
        sqlx::query(sql).bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_client(row: &ClientRow, connection: &mut SqliteConnection) -> Result<()> {
    let sql = "insert into client_settings (id, drop_excess_requests, enable_logging,
            enforce_auth_on_inference, allow_direct_keys, max_request_body_size_mb,
            log_retention_days, allowed_origins, allowed_headers, required_headers,
            budget_wait_ms, shutdown_grace_seconds, header_filter_config)
        values (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    sqlx::query(sql)
        .bind(row.drop_excess_requests)
        .bind(row.enable_logging)
        .bind(row.enforce_auth_on_inference)
        .bind(row.allow_direct_keys)
        .bind(row.max_request_body_size_mb)
        .bind(row.log_retention_days)
        .bind(&row.allowed_origins)
        .bind(&row.allowed_headers)
        .bind(&row.required_headers)
        .bind(row.budget_wait_ms)
        .bind(row.shutdown_grace_seconds)
        .bind(&row.header_filter_config)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_auth(row: &AuthRow, connection: &mut SqliteConnection) -> Result<()> {
    let sql = "insert into auth_settings (id, admin_username, admin_password, is_enabled,
            disable_auth_on_inference)
        values (1, $1, $2, $3, $4)";
    sqlx::query(sql)
        .bind(&row.admin_username)
        .bind(&row.admin_password)
        .bind(row.is_enabled)
        .bind(row.disable_auth_on_inference)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_provider(row: &ProviderRow, connection: &mut SqliteConnection) -> Result<()> {
    let sql = "insert into providers (name, concurrency, buffer_size, base_url, extra_headers,
            default_request_timeout_in_seconds, connect_timeout_in_seconds,
            first_token_timeout_in_seconds, stream_idle_timeout_in_seconds, max_retries,
            retry_backoff_initial, retry_backoff_max, insecure_skip_verify, ca_cert_pem,
            max_conns_per_host, enforce_http2, proxy_type, proxy_url, proxy_username,
            proxy_password, send_back_raw_request, send_back_raw_response, custom_provider_config,
            header_timeout_in_seconds, total_timeout_in_seconds, stream_total_timeout_in_seconds)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            $19, $20, $21, $22, $23, $24, $25, $26)";
    sqlx::query(sql)
        .bind(&row.name)
        .bind(row.concurrency)
        .bind(row.buffer_size)
        .bind(&row.base_url)
        .bind(&row.extra_headers)
        .bind(row.default_request_timeout_in_seconds)
        .bind(row.connect_timeout_in_seconds)
        .bind(row.first_token_timeout_in_seconds)
        .bind(row.stream_idle_timeout_in_seconds)
        .bind(row.max_retries)
        .bind(row.retry_backoff_initial)
        .bind(row.retry_backoff_max)
        .bind(row.insecure_skip_verify)
        .bind(&row.ca_cert_pem)
        .bind(row.max_conns_per_host)
        .bind(row.enforce_http2)
        .bind(&row.proxy_type)
        .bind(&row.proxy_url)
        .bind(&row.proxy_username)
        .bind(&row.proxy_password)
        .bind(row.send_back_raw_request)
        .bind(row.send_back_raw_response)
        .bind(&row.custom_provider_config)
        .bind(row.header_timeout_in_seconds)
        .bind(row.total_timeout_in_seconds)
        .bind(row.stream_total_timeout_in_seconds)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_key(row: &KeyRow, connection: &mut SqliteConnection) -> Result<()> {
    let sql = "insert into provider_keys (id, provider, position, name, value, models,
            blacklisted_models, weight, enabled)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    sqlx::query(sql)
        .bind(&row.id)
        .bind(&row.provider)
        .bind(row.position)
        .bind(&row.name)
        .bind(&row.value)
        .bind(&row.models)
        .bind(&row.blacklisted_models)
        .bind(row.weight)
        .bind(row.enabled)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_virtual_key(
    rows: &VirtualKeyRows,
    connection: &mut SqliteConnection,
) -> Result<()> {
    let row = &rows.virtual_key;
    let sql = "insert into virtual_keys (id, name, description, secret_hash, secret_masked,
            secret_is_id, is_active, team_id, customer_id, model_substitution,
            restricts_providers, semantic_cache, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    sqlx::query(sql)
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.description)
        .bind(&row.secret_hash)
        .bind(&row.secret_masked)
        .bind(row.secret_is_id)
        .bind(row.is_active)
        .bind(&row.team_id)
        .bind(&row.customer_id)
        .bind(row.model_substitution)
        .bind(row.restricts_providers)
        .bind(&row.semantic_cache)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(&mut *connection)
        .await?;
    for binding in &rows.bindings {
        insert_binding(binding, connection).await?;
    }
    for budget in &rows.budgets {
        insert_budget(budget, connection).await?;
    }
    for limit in &rows.rate_limits {
        insert_rate_limit(limit, connection).await?;
    }
    Ok(())
}

async fn insert_binding(row: &BindingRow, connection: &mut SqliteConnection) -> Result<()> {
    let sql = "insert into virtual_key_providers (id, virtual_key_id, position, provider, weight,
            allowed_models, key_ids, fallback_model)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(sql)
        .bind(row.id)
        .bind(&row.virtual_key_id)
        .bind(row.position)
        .bind(&row.provider)
        .bind(row.weight)
        .bind(&row.allowed_models)
        .bind(&row.key_ids)
        .bind(&row.fallback_model)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_budget(row: &BudgetRow, connection: &mut SqliteConnection) -> Result<()> {
    let sql = "insert into budgets (id, virtual_key_id, binding_id, position, max_limit,
            reset_duration, calendar_aligned, time_zone, unpriced_allowed, reserve, created_at,
            updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    sqlx::query(sql)
        .bind(&row.id)
        .bind(&row.virtual_key_id)
        .bind(row.binding_id)
        .bind(row.position)
        .bind(row.max_limit)
        .bind(&row.reset_duration)
        .bind(row.calendar_aligned)
        .bind(&row.time_zone)
        .bind(row.unpriced_allowed)
        .bind(row.reserve)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_rate_limit(row: &RateLimitRow, connection: &mut SqliteConnection) -> Result<()> {
    let sql = "insert into rate_limits (id, virtual_key_id, binding_id, request_max_limit,
            request_reset_duration, token_max_limit, token_reset_duration, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    sqlx::query(sql)
        .bind(&row.id)
        .bind(&row.virtual_key_id)
        .bind(row.binding_id)
        .bind(row.request_max_limit)
        .bind(&row.request_reset_duration)
        .bind(row.token_max_limit)
        .bind(&row.token_reset_duration)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(connection)
        .await?;
    Ok(())
}
