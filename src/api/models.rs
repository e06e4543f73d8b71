//! `GET /v1/models`: the models of the configured providers, as the catalogue, the keys and the
//! providers' own lists name them, and as far as the caller may use them. The lists are fetched
//! beside the requests; only for a provider that has not been asked yet they are waited for, 2 s at
//! most.

use super::body::ReplyBytes;
use super::extract::request_id;
use super::reply::failure_response;
use crate::app::App;
use crate::config::{Binding, Snapshot, VirtualKey};
use crate::govern::identify;
use crate::llm::{Failure, FailureKind, ModelRef, Source};
use crate::pipeline::{first_model_lists, refuse_loop};
use crate::provider::catalog::canonical_name;
use crate::provider::{AccessList, Provider};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a client may ask of the list.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    provider: Option<String>,
}

#[derive(Debug, Serialize)]
struct List {
    object: &'static str,
    data: Vec<Model>,
    has_more: bool,
}

/// A model in OpenAI's shape, with what the catalogue knows beside.
#[derive(Debug, Clone, Serialize)]
struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
}

/// Lists the models that the caller may use.
pub async fn list_models(
    State(app): State<Arc<App>>,
    query: Result<Query<ListQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(cause) => return failed(&Failure::invalid(cause.body_text()), &headers),
    };
    match models(&app, &headers, query.provider.as_deref()).await {
        Ok(models) => {
            let data = models.into_values().collect();
            axum::Json(List { object: "list", data, has_more: false }).into_response()
        }
        Err(failure) => failed(&failure, &headers),
    }
}

/// Answers for one model, by `provider/model` or a bare name.
pub async fn retrieve_model(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let snapshot = app.live.snapshot();
    let models = match models(&app, &headers, None).await {
        Ok(models) => models,
        Err(failure) => return failed(&failure, &headers),
    };
    let name = ModelRef::parse(&id, |name| snapshot.provider(name).is_some());
    let found = models.get(&id).or_else(|| {
        models.values().find(|model| {
            let bare = model.id.split_once('/').map(|(_, bare)| bare);
            name.provider.is_none() && bare == Some(name.model)
        })
    });
    match found {
        Some(model) => axum::Json(model.clone()).into_response(),
        None => {
            let message = format!("The model '{id}' does not exist or may not be used");
            let failure = Failure::new(Source::Client, FailureKind::NotFound, message)
                .with_code("model_not_found")
                .with_param("model");
            failed(&failure, &headers)
        }
    }
}

async fn models(
    app: &App,
    headers: &HeaderMap,
    only: Option<&str>,
) -> Result<BTreeMap<String, Model>, Failure> {
    refuse_loop(headers)?;
    let snapshot = app.live.snapshot();
    snapshot.look_at_credentials(headers).await?;
    let caller = identify(&snapshot, headers)?;
    first_model_lists(app, &snapshot).await;
    let only = only.map(canonical_name);
    let mut models = BTreeMap::new();
    for provider in &snapshot.providers {
        if only.is_some_and(|only| *only != *provider.name) {
            continue;
        }
        for name in names(app, &snapshot, provider) {
            if allowed(caller.virtual_key.as_ref(), provider, &name) {
                let model = model(&snapshot, provider, &name);
                models.insert(model.id.clone(), model);
            }
        }
    }
    Ok(models)
}

fn names(app: &App, snapshot: &Snapshot, provider: &Provider) -> BTreeSet<String> {
    let listed = app.offers.models(&provider.name);
    let mut names: BTreeSet<String> = listed.iter().map(|name| name.to_string()).collect();
    if *provider.name == *provider.spec.name {
        let catalogued = snapshot.catalog.models_of(provider.spec.name);
        names.extend(catalogued.filter(|model| !model.retired).map(|model| model.name.to_string()));
    }
    for key in provider.keys.iter().filter(|key| key.enabled) {
        if let AccessList::Only(list) = &key.models {
            names.extend(list.iter().cloned());
        }
    }
    names
}

/// Whether some key of the provider serves the model to this caller.
fn allowed(virtual_key: Option<&Arc<VirtualKey>>, provider: &Provider, model: &str) -> bool {
    let served = |binding: Option<&Binding>| {
        (provider.keyless && provider.keys.is_empty())
            || provider.keys.iter().any(|key| {
                key.serves(model) && binding.is_none_or(|binding| binding.allows_key(key))
            })
    };
    let Some(bindings) = virtual_key.and_then(|key| key.bindings.as_ref()) else {
        return served(None);
    };
    bindings.iter().any(|binding| {
        binding.provider == provider.name
            && binding.allowed_models.allows(model)
            && served(Some(binding))
    })
}

fn model(snapshot: &Snapshot, provider: &Provider, name: &str) -> Model {
    let facts = snapshot.catalog.model(&provider.name, name);
    Model {
        id: format!("{}/{name}", provider.name),
        object: "model",
        created: 0,
        owned_by: provider.name.to_string(),
        context_length: facts.and_then(|facts| facts.max_input_tokens),
        max_output_tokens: facts.and_then(|facts| facts.max_output_tokens),
    }
}

fn failed(failure: &Failure, headers: &HeaderMap) -> Response {
    let response: http::Response<ReplyBytes> = failure_response(failure, &request_id(headers));
    response.map(axum::body::Body::new)
}
