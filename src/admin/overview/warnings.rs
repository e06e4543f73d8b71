//! What an operator should know now.

use crate::admin::view::{HealthState, ProviderHealth, VirtualKeyUsage, Warning};
use crate::app::App;
use crate::config::Snapshot;
use crate::config::Unit;

/// Every warning that holds, the gravest first.
pub(super) fn warnings(
    app: &App,
    snapshot: &Snapshot,
    providers: &[ProviderHealth],
    virtual_keys: &[VirtualKeyUsage],
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| {
        warnings.push(Warning { code: code.to_owned(), message });
    };
    if snapshot.admin.is_none() && !app.listen_is_loopback {
        warn("open_management", OPEN_MANAGEMENT.to_owned());
    }
    if providers.is_empty() {
        warn("no_providers", NO_PROVIDERS.to_owned());
    }
    for problem in &snapshot.warnings {
        warn("configuration", problem.to_string());
    }
    for provider in providers.iter().filter(|provider| provider.state == HealthState::CoolingDown) {
        let name = &provider.name;
        warn("provider_resting", format!("every key of provider `{name}` rests after failures"));
    }
    for key in virtual_keys.iter().filter(|key| key.secret_is_id) {
        warn(
            "secret_is_id",
            format!(
                "virtual key `{}` is used with its id as its secret, which is easy to guess; rotate \
             it (POST /api/governance/virtual-keys/{}/rotate) and give clients the new secret",
                key.name, key.id,
            ),
        );
    }
    for (key, provider, model) in unpriced(snapshot) {
        warn(
            "unpriced_model",
            format!(
                "virtual key `{key}` has a budget and allows `{provider}/{model}`, whose price is not \
             known; requests for it are refused unless the budget says `\"unpriced\": \"allow\"`",
            ),
        );
    }
    let dropped = app.request_log.dropped();
    if dropped > 0 {
        warn(
            "log_rows_dropped",
            format!(
                "{dropped} requests are missing from the log because it could not be written fast \
             enough; sums and budgets are complete",
            ),
        );
    }
    warnings
}

const OPEN_MANAGEMENT: &str = "anyone who reaches this gateway can change it: set \
    governance.auth_config with admin_username, admin_password and is_enabled in config.json, or \
    listen on 127.0.0.1";
const NO_PROVIDERS: &str = "no provider is configured: add one with POST /api/providers, or start with \
    OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY set";

/// Models that a virtual key lists by name, without a price although a budget wants one.
fn unpriced(snapshot: &Snapshot) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    for key in &snapshot.virtual_keys {
        for binding in key.bindings.as_deref().unwrap_or_default() {
            let strict = |unit, allowed: bool| unit == Unit::Cost && !allowed;
            let strict =
                binding.meters.iter().any(|meter| strict(meter.unit, meter.unpriced_allowed));
            let crate::provider::AccessList::Only(models) = &binding.allowed_models else {
                continue;
            };
            let priced = |model: &str| {
                let facts = snapshot.catalog.model(&binding.provider, model);
                facts.is_some_and(|facts| facts.prices.is_some())
            };
            let models = models.iter().filter(|model| strict && !priced(model));
            found.extend(models.map(|model| (&*key.name, &*binding.provider, model.as_str())));
        }
    }
    found
}
