//! The management API over a configuration in memory, call by call.

use crate::app::App;
use crate::cache::{Cache, Folders, Grades, Store};
use crate::config::file::File;
use crate::config::{Environment, Live};
use crate::govern::Ledger;
use crate::route::{Decisions, Health};
use crate::store::Db;
use crate::telemetry::{Metrics, RequestLog};
use crate::upstream::Limits;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

mod access;
mod overview;
mod providers;
mod virtual_keys;

const ENVIRONMENT: &[(&str, &str)] = &[("OPENAI_API_KEY", "sk-openai-secret-0001")];
const VIRTUAL_KEYS: &str = "/api/governance/virtual-keys";

/// A gateway of which only the management API is there.
struct Gateway {
    app: Arc<App>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Gateway {
    /// One with openai found in the environment.
    async fn start() -> Self {
        Gateway::with(None, true).await
    }

    async fn with(file: Option<Value>, listen_is_loopback: bool) -> Self {
        let file = file.map(|file| File::from_json(&file).unwrap());
        let store = Db::memory().await.unwrap();
        let live = Live::open(file, Environment::of(ENVIRONMENT), store.clone()).await.unwrap();
        let store_of_answers = Store::memory(1 << 20);
        let app = Arc::new(App {
            cache: Cache::new(store_of_answers, Grades::default(), Folders::default()),
            live,
            ledger: Ledger::load(Vec::new()),
            health: Arc::new(Health::default()),
            offers: Default::default(),
            limits: Limits::default(),
            metrics: Metrics::new().unwrap(),
            request_log: RequestLog::start(None, 1 << 20).await,
            decisions: Decisions::default(),
            store,
            started: Instant::now(),
            listen_is_loopback,
            stop: CancellationToken::new(),
            draining: AtomicBool::new(false),
        });
        let router = super::router(app.clone(), Router::new()).with_state(app.clone());
        Gateway { app, router }
    }

    async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call(Request::delete(path).body(Body::empty()).unwrap()).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Request::put(path).body(Body::from(body.to_string())).unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Request::post(path).body(Body::from(body.to_string())).unwrap()).await
    }
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The error's message, which must come with `status` in the body that all errors have.
    #[track_caller]
    fn error(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["status_code"], status);
        assert_eq!(self.body["is_bifrost_error"], false);
        assert!(self.body["extra_fields"].is_object());
        let error = self.body["error"].as_object().unwrap();
        for field in ["message", "type", "param", "code"] {
            assert!(error.contains_key(field), "no {field}: {}", self.body);
        }
        self.body["error"]["message"].as_str().unwrap().to_owned()
    }
}

fn prod() -> Value {
    json!({
        "name": "prod",
        "budget": {"max_limit": 100.0, "reset_duration": "1M"},
        "provider_configs": [{
            "provider": "openai",
            "weight": 0.8,
            "allowed_models": ["gpt-4o-mini"],
            "budget": {"max_limit": 10.0, "reset_duration": "1d"},
            "rate_limit": {"request_max_limit": 5, "request_reset_duration": "1m"},
        }],
    })
}
