//! Reading the gateway's own settings: `client` and `auth_config`.

use super::apply::{is_mask, set};
use super::entity::{AuthConfig, ClientConfig, HeaderFilterConfig, SecretRef};
use super::problem::{Problem, Problems, join};
use super::read::{Log, Object};
use serde_json::Value;

/// Settings as `body` changes them, and what of it is ignored.
pub fn apply_client(
    existing: &ClientConfig,
    body: &Value,
) -> Result<(ClientConfig, Vec<Problem>), Problems> {
    let log = Log::default();
    let client = client(existing.clone(), Object::new(body, "client_config", &log));
    let (problems, warnings) = log.into_parts();
    Problems(problems).check((client, warnings))
}

/// Credentials of the management API as `body` changes them. A masked password counts as not given.
pub fn apply_auth(existing: Option<&AuthConfig>, body: &Value) -> Result<AuthConfig, Problems> {
    let log = Log::default();
    let auth = auth(existing, Object::new(body, "auth_config", &log));
    Problems(log.into_parts().0).check(auth)
}

pub(super) fn client(mut client: ClientConfig, object: Object<'_>) -> ClientConfig {
    set(&mut client.drop_excess_requests, object.boolean("drop_excess_requests"));
    set(&mut client.enable_logging, object.boolean("enable_logging"));
    // The older name first, so that the newer one wins where both stand.
    set(&mut client.enforce_auth_on_inference, object.boolean("enforce_governance_header"));
    set(&mut client.enforce_auth_on_inference, object.boolean("enforce_auth_on_inference"));
    set(&mut client.allow_direct_keys, object.boolean("allow_direct_keys"));
    set(&mut client.max_request_body_size_mb, object.count("max_request_body_size_mb"));
    if client.max_request_body_size_mb == 0 {
        object.log.problem(object.path_of("max_request_body_size_mb"), "must be above 0");
    }
    set(&mut client.log_retention_days, object.count("log_retention_days"));
    set(&mut client.allowed_origins, object.strings("allowed_origins").flatten());
    set(&mut client.allowed_headers, object.strings("allowed_headers").flatten());
    set(&mut client.required_headers, object.strings("required_headers").flatten());
    set(&mut client.header_filter_config, header_filter(&object));
    set(&mut client.budget_wait_ms, object.count("budget_wait_ms"));
    set(&mut client.shutdown_grace_seconds, object.count("shutdown_grace_seconds"));
    // Tuning of Bifrost's own machinery: there is nothing here that it could tune.
    object.ignore(&["initial_pool_size", "disable_db_pings_in_health", "mcp_agent_depth"]);
    object.ignore(&["mcp_tool_execution_timeout", "mcp_code_mode_binding_level"]);
    object.ignore(&["mcp_tool_sync_interval", "async_job_result_ttl", "config_hash", "id"]);
    object.ignore(&["hide_deleted_virtual_keys_in_filters", "created_at", "updated_at"]);
    // The gateway keeps no message contents, so there is nothing to switch off.
    object.ignore(&["disable_content_logging"]);
    object.unsupported_leniently(&[
        "prometheus_labels",
        "enable_litellm_fallbacks",
        "compat",
        "logging_headers",
        "whitelisted_routes",
        "enforce_scim_auth",
    ]);
    object.finish_leniently();
    client
}

/// An absent list is an empty one.
fn header_filter(object: &Object<'_>) -> Option<HeaderFilterConfig> {
    let filter = object.object("header_filter_config")?;
    let list = |name| filter.strings(name).flatten().unwrap_or_default();
    let read = HeaderFilterConfig { allowlist: list("allowlist"), denylist: list("denylist") };
    filter.finish();
    Some(read)
}

pub(super) fn auth(existing: Option<&AuthConfig>, object: Object<'_>) -> AuthConfig {
    let mut auth = existing.cloned().unwrap_or(AuthConfig {
        admin_username: SecretRef::None,
        admin_password: SecretRef::None,
        is_enabled: false,
        disable_auth_on_inference: true,
    });
    let given = |name, old: &SecretRef| {
        let new = object.secret(name).flatten()?;
        if let SecretRef::Value(value) = &new {
            if old.masked() == *value {
                return None;
            }
            if is_mask(value) {
                let message = "is the masked form of a secret; leave it out to keep the secret";
                object.log.problem(join(&object.path, name), message);
            }
        }
        Some(new)
    };
    let username = given("admin_username", &auth.admin_username);
    let password = given("admin_password", &auth.admin_password);
    set(&mut auth.admin_username, username);
    set(&mut auth.admin_password, password);
    set(&mut auth.is_enabled, object.boolean("is_enabled"));
    set(&mut auth.disable_auth_on_inference, object.boolean("disable_auth_on_inference"));
    object.ignore(&["config_hash"]);
    object.finish();
    auth
}
