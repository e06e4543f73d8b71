//! Everything that must be there before the first request, and everything that must be done after
//! the last.

use super::connection::Connections;
use super::health;
use super::listen::{bind, is_loopback};
use super::watched::Patience;
use crate::api;
use crate::app::App;
use crate::cache::{Cache, Clear, Folders, Grades, Store};
use crate::config::cache::VectorStoreConfig;
use crate::config::file::{self, StoreSettings};
use crate::config::{Environment, Live};
use crate::govern::{Ledger, flush_once, run_flusher};
use crate::pipeline::follow_model_lists;
use crate::route::{Decisions, Offers};
use crate::store::Db;
use crate::store::log::LogStore;
use crate::telemetry::{Metrics, RequestLog};
use crate::upstream::{Limits, install_crypto};
use crate::{admin, ui};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get};
use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_HEADERS, HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

/// Memory that waiting request rows may take, in bytes.
const LOG_QUEUE: usize = 16 * 1024 * 1024;
/// How often expired entries of the cache are removed.
const CACHE_SWEEP: Duration = Duration::from_secs(10);
/// How long the last connections may take to notice that the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where and how to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where config.json and the databases are; made if it is not there.
    pub app_dir: PathBuf,
    /// A host name or address.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
    /// Event loops, one thread each.
    pub threads: usize,
    /// How long clients have.
    pub patience: Patience,
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its requests share.
    pub app: Arc<App>,
    connections: Connections,
    background: TaskTracker,
    /// Cancelled when requests are over and only flushing is left.
    flush: CancellationToken,
}

/// Opens the stores, reads the configuration and begins to serve.
///
/// # Errors
/// In plain words, with the JSON path for a wrong configuration.
pub async fn start(settings: Settings) -> Result<Running, String> {
    install_crypto();
    let app_dir = &settings.app_dir;
    std::fs::create_dir_all(app_dir)
        .map_err(|error| format!("{}: cannot be made: {error}", app_dir.display()))?;
    let file = file::load(&app_dir.join("config.json")).map_err(|problems| problems.to_string())?;
    let environment = Environment::process().serving(&settings.host, settings.port);
    if let Some(file) = file.as_ref().filter(|file| !file.problems.is_empty()) {
        file.check(&environment).map_err(|problems| problems.to_string())?;
    }
    let (config_store, logs_store) = match &file {
        Some(file) => (file.config_store.clone(), file.logs_store.clone()),
        None => Default::default(),
    };
    let store = open_store(app_dir, &config_store).await?;
    let log_store = open_logs(app_dir, &logs_store).await?;
    let rows = store.load_meters().await.map_err(|error| format!("config store: {error}"))?;
    let vector_store = file.as_ref().map(|file| file.vector_store.clone()).unwrap_or_default();
    let live = Live::open(file, environment, store.clone());
    let live = live.await.map_err(|problems| problems.to_string())?;
    let cache = open_cache(app_dir, &live, &vector_store)?;
    let request_log = RequestLog::start(log_store, LOG_QUEUE).await;
    let listeners = bind(&settings.host, settings.port, settings.threads).map_err(|error| {
        format!("cannot listen on {}:{}: {error}", settings.host, settings.port)
    })?;
    let address = listeners.address;
    let app = Arc::new(App {
        listen_is_loopback: is_loopback(address),
        ledger: Ledger::load(rows),
        health: Arc::default(),
        offers: Offers::default(),
        limits: Limits::default(),
        metrics: Metrics::new().map_err(|error| error.to_string())?,
        request_log,
        cache,
        decisions: Decisions::default(),
        started: Instant::now(),
        stop: CancellationToken::new(),
        draining: AtomicBool::new(false),
        live,
        store: store.clone(),
    });
    announce(&app);
    let (background, flush) = (TaskTracker::new(), CancellationToken::new());
    background.spawn(run_flusher(app.ledger.clone(), store, flush.clone()));
    background.spawn(follow_configuration(app.clone(), flush.clone()));
    background.spawn(follow_model_lists(app.clone(), flush.clone()));
    background.spawn(tend_cache(app.clone(), flush.clone()));
    let connections = Connections::serve(listeners, &app, &router(&app), settings.patience)?;
    Ok(Running { address, app, connections, background, flush })
}

impl Running {
    /// Ends: not ready at once, no new connections, streams in flight finish within the configured
    /// grace, then meters and rows are flushed.
    pub async fn stop(self) {
        self.app.draining.store(true, Ordering::Relaxed);
        let grace = self.app.live.snapshot().client.shutdown_grace_seconds;
        self.connections.close();
        let grace = Duration::from_secs(grace.into());
        if !self.connections.wait(grace).await {
            tracing::warn!("streams were cut at the end of the grace period");
        }
        self.app.stop.cancel();
        self.connections.wait(LAST_WORDS).await;
        self.connections.end().await;
        self.flush.cancel();
        self.background.close();
        self.background.wait().await;
        self.app.request_log.flush().await;
        flush_once(&self.app.ledger, &self.app.store).await;
        close_cache(self.app).await;
    }
}

async fn close_cache(app: Arc<App>) {
    if app.live.snapshot().cache.cleanup_on_shutdown
        && let Err(error) = app.cache.clear(Clear::Everything).await
    {
        tracing::warn!("cleanup_on_shutdown: {error}");
    }
    // A failure is logged by the store itself.
    let _closed = tokio::task::spawn_blocking(move || app.cache.store.close()).await;
}

async fn open_store(app_dir: &Path, settings: &StoreSettings) -> Result<Db, String> {
    if !settings.enabled {
        tracing::warn!("config_store is off: changes and usage are gone with the process");
        return Db::memory().await.map_err(|error| error.to_string());
    }
    let path = settings.path.clone().unwrap_or_else(|| "config.db".into());
    let path = app_dir.join(path);
    Db::open(&path).await.map_err(|error| format!("{}: {error}", path.display()))
}

async fn open_logs(app_dir: &Path, settings: &StoreSettings) -> Result<Option<LogStore>, String> {
    if !settings.enabled {
        return Ok(None);
    }
    let path = settings.path.clone().unwrap_or_else(|| "logs.db".into());
    let path = app_dir.join(path);
    let store = LogStore::open(&path).await;
    store.map(Some).map_err(|error| format!("{}: {error}", path.display()))
}

fn open_cache(
    app_dir: &Path,
    live: &Live,
    vector_store: &VectorStoreConfig,
) -> Result<Cache, String> {
    let snapshot = live.snapshot();
    let config = &snapshot.cache;
    let environment = live.environment();
    let named = environment.variable("TOLLBRIDGE_EMBEDDING_MODEL");
    let binary = std::env::current_exe().ok();
    let folders = Folders {
        app_dir: app_dir.to_owned(),
        named: named.map(PathBuf::from),
        binary: binary.and_then(|binary| Some(binary.parent()?.to_owned())),
    };
    let bytes = u64::from(config.max_size_mb) << 20;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let namespace = &config.vector_store_namespace;
    let store = Store::open(vector_store, environment, app_dir, bytes, namespace, now_ms)?;
    Ok(Cache::new(store, Grades::open(app_dir.join("cache-grades.jsonl")), folders))
}

/// Loads the model for local embeddings when the configuration asks for one, and removes entries that
/// have expired.
async fn tend_cache(app: Arc<App>, stop: CancellationToken) {
    let mut versions = app.live.subscribe();
    let mut sweep = tokio::time::interval(CACHE_SWEEP);
    loop {
        let snapshot = app.live.snapshot();
        if snapshot.seeks_similar() {
            let app = app.clone();
            // It logs what goes wrong itself.
            let load = move || app.cache.load_model(&snapshot.cache);
            let _loaded = tokio::task::spawn_blocking(load).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = versions.changed() => if changed.is_err() { return },
            _ = sweep.tick() => app.cache.store.remove_expired(app.now_ms()).await,
        }
    }
}

/// What a newcomer should know at once.
fn announce(app: &App) {
    let snapshot = app.live.snapshot();
    for provider in &snapshot.providers {
        let keys = provider.keys.len();
        tracing::info!(provider = &*provider.name, keys, "provider configured");
    }
    if snapshot.providers.is_empty() {
        tracing::warn!(
            "no provider is configured. Set one of OPENAI_API_KEY, ANTHROPIC_API_KEY, \
             GEMINI_API_KEY and start again, or POST /api/providers \
             {{\"provider\":\"openai\",\"keys\":[{{\"name\":\"main\",\"value\":\"sk-…\"}}]}}"
        );
    }
    if app.live.has_plain_secrets() {
        tracing::warn!(
            "provider keys stand in config.db as they are: set \
             BIFROST_ENCRYPTION_KEY to have them encrypted, or give them as env.NAME"
        );
    }
    if !app.listen_is_loopback && snapshot.admin.is_none() {
        tracing::warn!(
            "the management API is open to everybody who can reach this address: set \
             governance.auth_config, or listen on localhost"
        );
    }
}

/// Passes changes of the configuration on to what lives outside of a snapshot.
async fn follow_configuration(app: Arc<App>, stop: CancellationToken) {
    let mut versions = app.live.subscribe();
    loop {
        let snapshot = app.live.snapshot();
        let client = &snapshot.client;
        app.request_log.configure(client.enable_logging, client.log_retention_days);
        drop(snapshot);
        match stop.run_until_cancelled(versions.changed()).await {
            Some(Ok(())) => {}
            _ => return,
        }
    }
}

fn router(app: &Arc<App>) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(health::metrics))
        .route("/api/route/explain", axum::routing::post(health::explain))
        .route("/api/route/decisions/{id}", get(health::decision));
    Router::new()
        .merge(admin::router(app.clone(), guarded))
        .route("/health", get(health::health))
        .route("/healthz", get(health::live))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/v1/models", get(api::list_models))
        .route("/v1/models/{*id}", get(api::retrieve_model))
        .route("/openai/v1/models", get(api::list_models))
        .route("/openai/v1/models/{*id}", get(api::retrieve_model))
        .route("/v1/{*rest}", any(api::no_route))
        .route("/openai/{*rest}", any(api::no_route))
        .merge(ui::router())
        .method_not_allowed_fallback(api::wrong_method)
        .layer(cors(app))
        .layer(from_fn_with_state(app.clone(), only_allowed_headers))
        .with_state(app.clone())
}

/// Takes out of a browser's preflight the headers that it may not send.
async fn only_allowed_headers(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::OPTIONS
        && let Some(asked) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS)
    {
        let allowed = &app.live.snapshot().client.allowed_headers;
        let asked = asked.to_str().unwrap_or_default().split(',').map(str::trim);
        let kept: Vec<&str> = asked.filter(|name| is_allowed_header(allowed, name)).collect();
        let kept = HeaderValue::from_str(&kept.join(", "));
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_HEADERS);
        if let Ok(kept) = kept
            && !kept.is_empty()
        {
            request.headers_mut().insert(ACCESS_CONTROL_REQUEST_HEADERS, kept);
        }
    }
    next.run(request).await
}

/// What SDKs send from a browser, then what `client.allowed_headers` lists; `*` is everything.
fn is_allowed_header(allowed: &[String], name: &str) -> bool {
    const USUAL: &[&str] = &[
        "content-type",
        "authorization",
        "x-requested-with",
        "api-key",
        "x-api-key",
        "x-goog-api-key",
        "x-goog-api-client",
        "x-request-id",
        "x-client-request-id",
        "idempotency-key",
        "traceparent",
        "tracestate",
        "http-referer",
        "x-title",
    ];
    const USUAL_PREFIXES: &[&str] =
        &["x-stainless-", "x-bf-", "openai-", "x-openai-", "anthropic-"];
    let name = name.to_ascii_lowercase();
    USUAL.contains(&name.as_str())
        || USUAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || allowed.iter().any(|entry| entry == "*" || entry.eq_ignore_ascii_case(&name))
}

/// Answers browsers' preflights for the inference API; the management API has its own guard.
fn cors(app: &Arc<App>) -> CorsLayer {
    let app = app.clone();
    let allowed = move |origin: &HeaderValue, parts: &http::request::Parts| {
        let inference = !parts.uri.path().starts_with("/api");
        let origins = &app.live.snapshot().client.allowed_origins;
        inference && origin.to_str().is_ok_and(|origin| api::is_allowed_origin(origins, origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        // What `only_allowed_headers` has left of them.
        .allow_headers(AllowHeaders::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .expose_headers([HeaderName::from_static("x-request-id")])
}
