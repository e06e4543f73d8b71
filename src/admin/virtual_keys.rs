//! `/api/governance/virtual-keys`: who may call what, and how much of it.

use super::error::{AdminError, AdminResult};
use super::query::{Body, Parameters};
use super::usage::{Usages, forget_gone_meters};
use super::warnings_at;
use crate::app::App;
use crate::cache::Clear;
use crate::config::entity::{Configuration, VirtualKeyConfig};
use crate::config::json::virtual_key_to_json;
use crate::config::{
    ChangeError, IdSource, Problem, Problems, VirtualKeyInput, apply_virtual_key, own_scope,
};
use crate::provider::catalog;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// `GET`: a page of the keys.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    parameters: Parameters,
) -> AdminResult<Json<Value>> {
    let configuration = app.live.configuration();
    let usages = Usages::all(&app);
    let view = |key: &VirtualKeyConfig| virtual_key_to_json(key, &|id| usages.get(id), None);
    let mut keys: Vec<&VirtualKeyConfig> =
        configuration.virtual_keys.values().map(|key| &**key).collect();
    if parameters.flag("from_memory") {
        // Bifrost's index here is the secret, which is not kept; the id is as good a handle.
        let keys: Map<String, Value> =
            keys.into_iter().map(|key| (key.id.clone(), view(key))).collect();
        return Ok(Json(json!({"count": keys.len(), "virtual_keys": keys})));
    }
    keys.retain(|key| matches(key, &parameters));
    sort(&mut keys, &parameters, &usages)?;
    let page = parameters.page(25, 100)?;
    let total = keys.len();
    let keys: Vec<Value> = page.cut(keys).into_iter().map(view).collect();
    Ok(Json(json!({
        "count": keys.len(),
        "virtual_keys": keys,
        "total_count": total,
        "limit": page.limit,
        "offset": page.offset,
    })))
}

/// `GET /{id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> AdminResult<Json<Value>> {
    match app.live.configuration().virtual_keys.get(&id) {
        Some(key) => Ok(Json(json!({"virtual_key": view(&app, key, None)}))),
        None => Err(AdminError::not_found(unknown(&id))),
    }
}

/// `POST`: a new key with a generated secret, which this answer alone shows.
pub(super) async fn post(State(app): State<Arc<App>>, body: Body) -> AdminResult<Json<Value>> {
    let mut input = VirtualKeyInput::from_json(&body.json()?)?;
    let mut warnings = Vec::new();
    if input.value.take().is_some() {
        let warning = "value: a new key gets a generated secret; the given one is not used";
        warnings.push(warning.to_owned());
    }
    let now = app.now_ms();
    let change = |configuration: &mut Configuration| {
        let mut ids = IdSource::new(configuration);
        let secret = input.generate_value(&mut ids);
        let key = apply_virtual_key(None, input, &mut ids, now)?;
        refuse_taken_name(configuration, &key)?;
        refuse_unknown_providers(configuration, &key)?;
        if configuration.virtual_keys.contains_key(&key.id) {
            return Err(ChangeError::Conflict(format!(
                "virtual key `{0}` exists; change it with PUT /api/governance/virtual-keys/{0}",
                key.id
            )));
        }
        Ok((insert(configuration, key), secret))
    };
    let (key, secret) = app.live.change(change).await?;
    info!(id = key.id, name = key.name, "virtual key created");
    Ok(written(&app, CREATED, &key, Some(&secret), warnings))
}

/// `PUT /{id}`: changes what is given; an unknown id is created (architecture, decision 6).
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body,
) -> AdminResult<Json<Value>> {
    let mut input = VirtualKeyInput::from_json(&body.json()?)?;
    if input.id.as_ref().is_some_and(|given| *given != id) {
        return Err(AdminError::invalid(
            "id",
            format!("differs from `{id}` in the URL; leave it out"),
        ));
    }
    input.id = Some(id.clone());
    let now = app.now_ms();
    let change = |configuration: &mut Configuration| {
        let mut ids = IdSource::new(configuration);
        let existing = configuration.virtual_keys.get(&id).cloned();
        let key = apply_virtual_key(existing.as_deref(), input, &mut ids, now)?;
        refuse_taken_name(configuration, &key)?;
        refuse_unknown_providers(configuration, &key)?;
        Ok((insert(configuration, key), existing.is_none()))
    };
    let (key, is_new) = app.live.change(change).await?;
    if !is_new {
        forget_gone_meters(&app);
        return Ok(written(&app, "Virtual key updated successfully", &key, None, Vec::new()));
    }
    if !key.secret_is_id {
        info!(id = key.id, name = key.name, "virtual key created");
        return Ok(written(&app, CREATED, &key, None, Vec::new()));
    }
    warn!(
        name = key.name,
        "virtual key created by PUT without a value: its id is its secret, rotate it"
    );
    let warning = format!(
        "value: none was given, so the id `{id}` is the secret, which is easy to guess; POST \
         /api/governance/virtual-keys/{id}/rotate gives it a generated one"
    );
    Ok(written(&app, CREATED, &key, Some(&id), vec![warning]))
}

/// `DELETE /{id}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> AdminResult<Json<Value>> {
    let change = |configuration: &mut Configuration| {
        let gone = configuration.virtual_keys.remove(&id);
        gone.ok_or_else(|| ChangeError::NotFound(unknown(&id)))
    };
    let gone = app.live.change(change).await?;
    forget_gone_meters(&app);
    info!(id = gone.id, name = gone.name, "virtual key deleted");
    // Whoever gets a key of this id next must not get the answers of this one.
    let mut answer = json!({"message": "Virtual key deleted successfully"});
    let scope = own_scope(&gone.id);
    let clear = app.cache.clear(Clear::Scope(scope.clone()));
    let problem = match tokio::time::timeout(CLEARS_WITHIN, clear).await {
        Ok(cleared) => cleared.err().map(|error| error.to_string()),
        Err(_elapsed) => Some("that takes too long".to_owned()),
    };
    if let Some(problem) = problem {
        let warning = format!(
            "its cached answers may be given to the next virtual key of this id: {problem}; \
             DELETE /api/cache/clear-by-scope/{scope} removes them"
        );
        warn!(id = gone.id, "{warning}");
        answer["warnings"] = json!([warning]);
    }
    Ok(Json(answer))
}

/// `POST /{id}/rotate`: a new generated secret, which this answer alone shows. The old one is
/// refused from now on.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> AdminResult<Json<Value>> {
    let now = app.now_ms();
    let change = |configuration: &mut Configuration| {
        let existing = configuration.virtual_keys.get(&id).cloned();
        let existing = existing.ok_or_else(|| ChangeError::NotFound(unknown(&id)))?;
        let mut ids = IdSource::new(configuration);
        let mut input = VirtualKeyInput::default();
        let secret = input.generate_value(&mut ids);
        let key = apply_virtual_key(Some(&existing), input, &mut ids, now)?;
        Ok((insert(configuration, key), secret))
    };
    let (key, secret) = app.live.change(change).await?;
    info!(id = key.id, name = key.name, "virtual key has a new secret");
    Ok(written(&app, "Virtual key rotated successfully", &key, Some(&secret), Vec::new()))
}

/// How long whoever deletes a virtual key waits for the cache's disk or server.
const CLEARS_WITHIN: Duration = Duration::from_secs(5);

const CREATED: &str = "Virtual key created successfully";

fn view(app: &App, key: &VirtualKeyConfig, secret: Option<&str>) -> Value {
    let usages = Usages::of(app, &key.id);
    virtual_key_to_json(key, &|id| usages.get(id), secret)
}

/// The answer to a write, with what an operator should know about the key.
fn written(
    app: &App,
    message: &str,
    key: &VirtualKeyConfig,
    secret: Option<&str>,
    mut warnings: Vec<String>,
) -> Json<Value> {
    warnings.extend(warnings_at(app, &format!("governance.virtual_keys[{}]", key.id)));
    let mut answer = json!({"message": message});
    answer["virtual_key"] = view(app, key, secret);
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    Json(answer)
}

fn insert(configuration: &mut Configuration, key: VirtualKeyConfig) -> Arc<VirtualKeyConfig> {
    let key = Arc::new(key);
    configuration.virtual_keys.insert(key.id.clone(), key.clone());
    key
}

/// A provider that is neither configured nor known to the gateway is a slip of the pen. One that is
/// known and not configured yet is a warning.
fn refuse_unknown_providers(
    configuration: &Configuration,
    key: &VirtualKeyConfig,
) -> Result<(), ChangeError> {
    let bindings = key.provider_configs.iter().flatten().enumerate();
    let mut problems = Vec::new();
    for (at, binding) in bindings {
        let name = &binding.provider;
        if !configuration.providers.contains_key(name) && catalog::find(name).is_none() {
            let message = format!("there is no provider `{name}`: add it with POST /api/providers");
            problems.push(Problem::new(format!("provider_configs[{at}].provider"), message));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(ChangeError::Invalid(Problems::from(problems))),
    }
}

fn refuse_taken_name(
    configuration: &Configuration,
    key: &VirtualKeyConfig,
) -> Result<(), ChangeError> {
    let taken = |other: &&Arc<VirtualKeyConfig>| other.name == key.name && other.id != key.id;
    match configuration.virtual_keys.values().find(taken) {
        None => Ok(()),
        Some(other) => Err(ChangeError::Conflict(format!(
            "name: `{}` is the name of virtual key `{}`; change that one with PUT or choose \
             another name",
            key.name, other.id
        ))),
    }
}

fn unknown(id: &str) -> String {
    format!("there is no virtual key `{id}`; GET /api/governance/virtual-keys lists them")
}

fn matches(key: &VirtualKeyConfig, parameters: &Parameters) -> bool {
    let search = parameters.get("search").map(str::to_lowercase);
    let found = search.is_none_or(|search| {
        [&key.name, &key.id, &key.description]
            .iter()
            .any(|text| text.to_lowercase().contains(&search))
    });
    let of = |name, id: &Option<String>| match parameters.get(name) {
        Some(wanted) => id.as_deref() == Some(wanted),
        None => true,
    };
    found && of("team_id", &key.team_id) && of("customer_id", &key.customer_id)
}

fn sort(
    keys: &mut [&VirtualKeyConfig],
    parameters: &Parameters,
    usages: &Usages,
) -> AdminResult<()> {
    let spent = |key: &VirtualKeyConfig| -> i64 {
        let budgets = key.budgets.iter().filter_map(|budget| usages.get(&budget.id));
        budgets.map(|usage| usage.used).sum()
    };
    // Sorting is stable and keys come in the order of their ids, so equal ones keep it.
    match parameters.get("sort_by") {
        None | Some("created_at") => keys.sort_by_key(|key| key.created_at),
        Some("updated_at") => keys.sort_by_key(|key| key.updated_at),
        Some("name") => keys.sort_by_cached_key(|key| key.name.to_lowercase()),
        Some("status") => keys.sort_by_key(|key| !key.is_active),
        Some("budget_spent") => keys.sort_by_cached_key(|key| spent(key)),
        Some(other) => {
            let message = format!(
                "`{other}` is none of name, created_at, updated_at, status and budget_spent"
            );
            return Err(AdminError::invalid("sort_by", message));
        }
    }
    match parameters.get("order") {
        None | Some("asc") => Ok(()),
        Some("desc") => {
            keys.reverse();
            Ok(())
        }
        Some(other) => {
            Err(AdminError::invalid("order", format!("`{other}` is neither asc nor desc")))
        }
    }
}
