//! What operators set, and what nobody else may see or do.

use crate::support::{Answer, Gateway};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mock_provider::Rule;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ASK: &str =
    r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"hi"}],"max_tokens":5}"#;
/// `admin:secret`.
const ADMIN: &str = "Basic YWRtaW46c2VjcmV0";

async fn put(gateway: &Gateway, path: &str, body: Value) -> Answer {
    let answer = gateway.send("PUT", path, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer
}

async fn chat(gateway: &Gateway, headers: &[(&str, &str)]) -> Answer {
    gateway.send("POST", "/v1/chat/completions", headers, ASK).await
}

/// OpenAI's error shape.
fn error(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{:?}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    let error = answer.json()["error"].clone();
    for field in ["message", "type", "param", "code"] {
        assert!(error.as_object().unwrap().contains_key(field), "{error}");
    }
    error
}

#[tokio::test]
async fn inference_asks_for_the_password_where_the_operator_says_so() {
    let gateway = Gateway::start().await;
    put(&gateway, "/api/governance/virtual-keys/vk-a", json!({})).await;
    let auth = json!({"admin_username": "admin", "admin_password": "secret", "is_enabled": true,
        "disable_auth_on_inference": false});
    put(&gateway, "/api/config", json!({"auth_config": auth})).await;

    let refused = error(&chat(&gateway, &[]).await, 401);
    assert_eq!(refused["type"], "authentication_error");
    let wrong = [("authorization", "Basic YWRtaW46b3RoZXI=")];
    error(&chat(&gateway, &wrong).await, 401);
    error(&chat(&gateway, &[("authorization", "Bearer vk-a")]).await, 401);
    error(&gateway.send("GET", "/v1/models", &[], "").await, 401);
    assert!(gateway.mock.received().is_empty());

    let bearer = ADMIN.replace("Basic", "Bearer");
    for value in [ADMIN, &bearer] {
        assert_eq!(chat(&gateway, &[("authorization", value)]).await.status, 200);
        let models = gateway.send("GET", "/v1/models", &[("authorization", value)], "").await;
        assert_eq!(models.status, 200);
    }
    // Virtual keys go by the other headers.
    for header in ["x-bf-vk", "x-api-key", "api-key", "x-goog-api-key"] {
        let answer = chat(&gateway, &[("authorization", ADMIN), (header, "vk-a")]).await;
        assert_eq!(answer.status, 200, "{header}: {:?}", answer.body);
        error(&chat(&gateway, &[(header, "vk-a")]).await, 401);
    }
    let unknown = [("authorization", ADMIN), ("x-bf-vk", "sk-bf-unknown")];
    error(&chat(&gateway, &unknown).await, 403);
    gateway.stop().await;
}

/// `secret`, as a restarted gateway reads it from its store.
const HASH: &str = "$pbkdf2-sha256$100000$AAECAwQFBgcICQoLDA0ODw==$\
                    n7ndPI4pRDZreIx+eVpaY1DViEWyo9Ia1l8HtVGB+Dc=";

#[tokio::test]
async fn wrong_guesses_lock_nobody_out() {
    let gateway = Arc::new(Gateway::start().await);
    put(&gateway, "/api/governance/virtual-keys/vk-a", json!({})).await;
    let auth = json!({"admin_username": "admin", "admin_password": HASH, "is_enabled": true,
        "disable_auth_on_inference": true});
    put(&gateway, "/api/config", json!({"auth_config": auth})).await;
    let guess = |client: usize| {
        let gateway = gateway.clone();
        tokio::spawn(async move {
            for at in 0.. {
                let (user, path) = match at % 3 {
                    0 => ("admin", "/api/config"),
                    1 => ("nobody", "/api/config"),
                    _ => ("admin", "/api/session/is-auth-enabled"),
                };
                let guess = STANDARD.encode(format!("{user}:{client}-{at}"));
                let guess = format!("Basic {guess}");
                let answer = gateway.send("GET", path, &[("authorization", &guess)], "").await;
                assert_ne!(answer.json()["has_valid_token"], true);
                // 503 where nobody got round to looking at it.
                assert!([401, 503].contains(&answer.status) || path.starts_with("/api/session"));
            }
        })
    };
    let guesses: Vec<_> = (0..50).map(guess).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;

    let within = async |most: u64, method: &str, path: &str, headers: &[_], body: String| {
        let began = Instant::now();
        let answer = gateway.send(method, path, headers, body).await;
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
        assert!(began.elapsed() < Duration::from_millis(most), "{path}: {:?}", began.elapsed());
    };
    let admin = [("authorization", ADMIN)];
    for _ in 0..5 {
        let virtual_key = [("x-bf-vk", "vk-a")];
        within(300, "POST", "/v1/chat/completions", &virtual_key, ASK.to_owned()).await;
    }
    // As long as it takes to look at everybody, at most.
    within(8000, "GET", "/api/config", &admin, String::new()).await;
    for days in 1..5 {
        let body = json!({"client_config": {"log_retention_days": days}}).to_string();
        within(300, "PUT", "/api/config", &admin, body).await;
        within(300, "GET", "/api/config", &admin, String::new()).await;
    }
    let body = json!({"auth_config": {"disable_auth_on_inference": false}}).to_string();
    within(300, "PUT", "/api/config", &admin, body).await;
    let both = [("authorization", ADMIN), ("x-bf-vk", "vk-a")];
    within(300, "POST", "/v1/chat/completions", &both, ASK.to_owned()).await;
    for guess in guesses {
        assert!(!guess.is_finished());
        guess.abort();
    }
}

#[tokio::test]
async fn the_password_is_never_a_providers_key() {
    let gateway = Gateway::start().await;
    put(&gateway, "/api/config", json!({"client_config": {"allow_direct_keys": true}})).await;
    let auth = json!({"admin_username": "admin", "admin_password": "secret", "is_enabled": true,
        "disable_auth_on_inference": false});
    put(&gateway, "/api/config", json!({"auth_config": auth})).await;
    let bearer = ADMIN.replace("Basic", "Bearer");
    assert_eq!(chat(&gateway, &[("authorization", &bearer)]).await.status, 200);
    assert_eq!(gateway.mock.received()[0].key, "sk-openai-1");
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_that_the_provider_quotes_is_shown_to_nobody() {
    let gateway = Gateway::start().await;
    let key = "operators-own-key-0123456789";
    let body = json!({
        "keys": [{"name": "a", "value": key}],
        "network_config": {"base_url": gateway.mock.url_for("openai")},
    });
    put(&gateway, "/api/providers/openai", body).await;
    let message = format!("Incorrect API key provided: {key}. See https://example.com");
    let body = json!({"error": {"message": message, "type": "invalid_request_error",
        "param": null, "code": "invalid_api_key"}});
    gateway.mock.script(Rule::for_provider("openai").status(401).body(body));

    let answer = chat(&gateway, &[]).await;
    let told = error(&answer, 401)["message"].as_str().unwrap().to_owned();
    assert_eq!(told, "Incorrect API key provided: ****. See https://example.com");
    for path in ["/api/overview", "/api/logs"] {
        let shown = gateway.send("GET", path, &[], "").await;
        let text = String::from_utf8_lossy(&shown.body).into_owned();
        assert!(!text.contains(key), "{path}: {text}");
    }
    let overview = gateway.send("GET", "/api/overview", &[], "").await.json().to_string();
    assert!(overview.contains("Incorrect API key provided: ****"), "{overview}");
    gateway.stop().await;
}

#[tokio::test]
async fn every_refusal_has_the_same_shape() {
    let gateway = Gateway::start().await;
    let large = "x".repeat(11 << 20);
    for (method, path, status) in [
        ("GET", "/api/nothing", 404),
        ("DELETE", "/api/version", 405),
        ("GET", "/api/providers/%ff", 400),
        ("POST", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/models", 405),
        ("DELETE", "/health", 405),
        ("GET", "/v1/models?provider=a&provider=b", 400),
        ("GET", "/api/route/decisions/none", 404),
    ] {
        let answer = gateway.send(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        error(&answer, status);
    }
    error(&gateway.send("POST", "/api/route/explain", &[], large).await, 413);
    gateway.stop().await;
}

#[tokio::test]
async fn explain_tells_embeddings_from_chat_and_says_why_not() {
    let gateway = Gateway::start().await;
    let explain = async |key: &str, body: Value| {
        let headers = [("x-bf-vk", key)];
        let headers = if key.is_empty() { &headers[..0] } else { &headers[..] };
        gateway.send("POST", "/api/route/explain", headers, body.to_string()).await.json()
    };
    let embeddings = json!({"model": "anthropic/claude-haiku-4-5", "input": "hi"});
    let explained = explain("", embeddings).await;
    assert_eq!(explained["candidates"], json!([]), "{explained}");
    let embeddings = json!({"model": "openai/text-embedding-3-small", "input": "hi"});
    let explained = explain("", embeddings).await;
    assert_eq!(explained["candidates"][0]["provider"], "openai", "{explained}");

    let budget = json!({"budget": {"max_limit": 1, "reset_duration": "1d"}});
    put(&gateway, "/api/governance/virtual-keys/vk-budget", budget).await;
    let body =
        json!({"model": "openai/no-such-price", "messages": [{"role": "user", "content": "hi"}]});
    let explained = explain("vk-budget", body).await;
    assert_eq!(explained["candidates"], json!([]), "{explained}");
    let reason = explained["left_out"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no price"), "{explained}");

    let limit = json!({"rate_limit": {"request_max_limit": 1, "request_reset_duration": "1d"}});
    put(&gateway, "/api/governance/virtual-keys/vk-one", limit).await;
    assert_eq!(chat(&gateway, &[("x-bf-vk", "vk-one")]).await.status, 200);
    let explained = explain("vk-one", serde_json::from_str(ASK).unwrap()).await;
    assert_eq!(explained["candidates"], json!([]), "{explained}");
    let reason = &explained["left_out"][0]["reason"];
    assert_eq!(reason, "the virtual key's request limit is used up", "{explained}");
    gateway.stop().await;
}

#[tokio::test]
async fn explain_names_the_keys_that_rest() {
    let gateway = Gateway::start().await;
    let body = json!({
        "keys": [{"name": "a", "value": "sk-a"}, {"name": "b", "value": "sk-b"}],
        "network_config": {"base_url": gateway.mock.url_for("openai")},
    });
    put(&gateway, "/api/providers/openai", body).await;
    let rule = Rule::for_provider("openai").when_key("sk-a").status(429).retry_after(60.0);
    gateway.mock.script(rule);
    while gateway.mock.received().iter().all(|request| request.key != "sk-a") {
        assert_eq!(chat(&gateway, &[]).await.status, 200);
    }
    let explained = gateway.send("POST", "/api/route/explain", &[], ASK).await.json();
    let candidate = &explained["candidates"][0];
    assert_eq!(candidate["keys"], json!([{"name": "b", "share": 1.0}]));
    let left_out = &candidate["keys_left_out"][0];
    assert_eq!(left_out["name"], "a");
    assert!(left_out["reason"].as_str().unwrap().starts_with("is resting"), "{left_out}");
    gateway.stop().await;
}

#[tokio::test]
async fn browsers_may_send_the_headers_that_are_listed() {
    let gateway = Gateway::start().await;
    let preflight = async || {
        let headers = [
            ("origin", "https://page.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type, x-stainless-lang, x-mine, x-other"),
        ];
        let answer = gateway.send("OPTIONS", "/v1/chat/completions", &headers, "").await;
        answer.header("access-control-allow-headers").to_owned()
    };
    assert_eq!(preflight().await, "content-type, x-stainless-lang");
    put(&gateway, "/api/config", json!({"client_config": {"allowed_headers": ["X-Mine"]}})).await;
    assert_eq!(preflight().await, "content-type, x-stainless-lang, x-mine");
    put(&gateway, "/api/config", json!({"client_config": {"allowed_headers": ["*"]}})).await;
    assert_eq!(preflight().await, "content-type, x-stainless-lang, x-mine, x-other");
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_that_is_gone_is_refused_and_not_let_through_without_limits() {
    let gateway = Gateway::start().await;
    let bearer = async |token: &str| {
        let value = format!("Bearer {token}");
        chat(&gateway, &[("authorization", &value)]).await
    };
    let path = "/api/governance/virtual-keys/vk-gone";
    put(&gateway, path, json!({})).await;
    assert_eq!(bearer("vk-gone").await.status, 200);

    let rotated = gateway.send("POST", &format!("{path}/rotate"), &[], "").await.json();
    let secret = rotated["virtual_key"]["value"].as_str().unwrap().to_owned();
    assert_eq!(error(&bearer("vk-gone").await, 401)["code"], "virtual_key_not_found");
    assert_eq!(bearer(&secret).await.status, 200);

    gateway.send("DELETE", path, &[], "").await;
    error(&bearer("vk-gone").await, 401);
    error(&bearer(&secret).await, 401);
    assert_eq!(bearer("sk-anything-else").await.status, 200);

    // A key that has the same secret again is as good as new.
    put(&gateway, path, json!({})).await;
    assert_eq!(bearer("vk-gone").await.status, 200);
    gateway.stop().await;
}
