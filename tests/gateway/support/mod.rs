//! A gateway and a scripted provider in this process, and a client that sees bytes.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mock_provider::MockProvider;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use tollbridge::server::{Patience, Running, Settings, start};

pub(crate) struct Gateway {
    pub(crate) mock: MockProvider,
    running: Option<Running>,
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    app_dir: PathBuf,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON of every `data:` frame, and whether `[DONE]` ended them.
    pub(crate) fn chunks(&self) -> (Vec<Value>, bool) {
        let text = std::str::from_utf8(&self.body).unwrap();
        let mut data: Vec<&str> =
            text.split("\n\n").filter_map(|frame| frame.strip_prefix("data: ")).collect();
        let done = data.last() == Some(&"[DONE]");
        if done {
            data.pop();
        }
        (data.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect(), done)
    }
}

impl Gateway {
    /// A gateway with one key each for openai, anthropic and gemini, all at the mock.
    pub(crate) async fn start() -> Gateway {
        Gateway::start_with(Patience::default()).await
    }

    /// The same, with other time-outs for clients.
    pub(crate) async fn start_with(patience: Patience) -> Gateway {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollbridge-gateway-test-{}-{number}", std::process::id());
        let app_dir = std::env::temp_dir().join(name);
        let settings = Settings {
            app_dir: app_dir.clone(),
            host: "127.0.0.1".to_owned(),
            port: 0,
            threads: 1,
            patience,
        };
        let running = start(settings).await.unwrap();
        let gateway = Gateway {
            mock: MockProvider::start().await.unwrap(),
            url: format!("http://{}", running.address),
            running: Some(running),
            client: Client::builder(TokioExecutor::new()).build_http(),
            app_dir,
        };
        for provider in ["openai", "anthropic", "gemini"] {
            gateway.provider(provider, json!({})).await;
        }
        gateway
    }

    /// Puts a provider with one key and `network` settings.
    pub(crate) async fn provider(&self, name: &str, mut network: Value) {
        network["base_url"] = json!(self.mock.url_for(name));
        let body = json!({
            "keys": [{"name": format!("{name}-1"), "value": format!("sk-{name}-1"), "weight": 1}],
            "network_config": network,
            "concurrency_and_buffer_size": {"concurrency": 100, "buffer_size": 100},
        });
        let answer =
            self.send("PUT", &format!("/api/providers/{name}"), &[], body.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }

    /// Where the gateway itself is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn chat(&self, body: impl Into<Bytes>) -> Answer {
        self.send("POST", "/v1/chat/completions", &[], body).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request =
            http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Asks for a stream, reads its first piece, and goes away.
    pub(crate) async fn leave_after_first_piece(&self, headers: &[(&str, &str)], body: String) {
        let url = format!("{}/v1/chat/completions", self.url);
        let mut request = http::Request::builder().method("POST").uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let mut answer = self.client.request(request).await.unwrap().into_body();
        answer.frame().await.unwrap().unwrap();
    }

    /// The log's rows of the first `count` requests, oldest first, as soon as they are there.
    pub(crate) async fn rows(&self, count: usize) -> Vec<Value> {
        let mut tries = 0;
        loop {
            let logs = self.send("GET", "/api/logs?limit=100", &[], "").await.json();
            let mut rows = logs["logs"].as_array().cloned().unwrap_or_default();
            if rows.len() >= count {
                rows.reverse();
                return rows;
            }
            tries += 1;
            assert!(tries < 200, "the log has {} of {count} rows", rows.len());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Ends the gateway in order.
    pub(crate) async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.app_dir);
    }
}
