//! `GET /api/governance/budgets` and `/rate-limits`: every limit with what is used of it.

use super::query::Parameters;
use super::usage::Usages;
use crate::app::App;
use crate::config::entity::{BudgetConfig, RateLimitConfig, VirtualKeyConfig};
use crate::config::json::{budget_to_json, rate_limit_to_json};
use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) async fn budgets(State(app): State<Arc<App>>, parameters: Parameters) -> Json<Value> {
    let usages = Usages::all(&app);
    let rows = levels(&app, |level| {
        level.budgets.iter().map(|budget| budget_to_json(budget, &|id| usages.get(id))).collect()
    });
    envelope("budgets", rows, &parameters)
}

pub(super) async fn rate_limits(
    State(app): State<Arc<App>>,
    parameters: Parameters,
) -> Json<Value> {
    let usages = Usages::all(&app);
    let rows = levels(&app, |level| {
        level
            .rate_limit
            .iter()
            .map(|limit| rate_limit_to_json(limit, &|id| usages.get(id)))
            .collect()
    });
    envelope("rate_limits", rows, &parameters)
}

/// A virtual key, or one of its providers.
struct Level<'a> {
    budgets: &'a [BudgetConfig],
    rate_limit: Option<&'a RateLimitConfig>,
}

/// The rows of every level, each with the virtual key and provider that it belongs to.
fn levels(app: &App, rows: impl Fn(&Level<'_>) -> Vec<Value>) -> Vec<Value> {
    let mut all = Vec::new();
    let mut add = |level: &Level<'_>, key: &VirtualKeyConfig, provider: Option<&str>| {
        all.extend(rows(level).into_iter().map(|mut row| {
            row["virtual_key_id"] = json!(key.id);
            row["virtual_key_name"] = json!(key.name);
            row["provider"] = json!(provider);
            row
        }));
    };
    for key in app.live.configuration().virtual_keys.values() {
        let level = Level { budgets: &key.budgets, rate_limit: key.rate_limit.as_ref() };
        add(&level, key, None);
        for binding in key.provider_configs.iter().flatten() {
            let budgets = &binding.budgets;
            let level = Level { budgets, rate_limit: binding.rate_limit.as_ref() };
            add(&level, key, Some(&binding.provider));
        }
    }
    all
}

fn envelope(plural: &str, rows: Vec<Value>, parameters: &Parameters) -> Json<Value> {
    let count = rows.len();
    let rows = if parameters.flag("from_memory") {
        let id = |row: &Value| row["id"].as_str().unwrap_or_default().to_owned();
        Value::Object(rows.into_iter().map(|row| (id(&row), row)).collect::<Map<_, _>>())
    } else {
        Value::Array(rows)
    };
    Json(json!({plural: rows, "count": count}))
}
