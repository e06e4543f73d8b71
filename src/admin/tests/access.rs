use super::*;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn with_password() -> Value {
    json!({"governance": {"auth_config": {
        "admin_username": "admin", "admin_password": "secret", "is_enabled": true,
    }}})
}

async fn with_header(gateway: &Gateway, name: axum::http::HeaderName, value: &str) -> StatusCode {
    let request = Request::put("/api/config").header(name, value);
    gateway.call(request.body(Body::from("{}")).unwrap()).await.status
}

#[tokio::test]
async fn every_route_asks_for_the_password_but_one() {
    let gateway = Gateway::start().await;
    let auth = with_password()["governance"]["auth_config"].clone();
    gateway.put("/api/config", json!({"auth_config": auth})).await.ok();
    for path in ["/api/providers", "/api/overview", "/api/live", "/api/version", "/api/nothing"] {
        let answer = gateway.get(path).await;
        assert!(answer.headers.contains_key(WWW_AUTHENTICATE), "{path}");
        assert_eq!(answer.error(401), "Unauthorized");
    }
    let body = gateway.get("/api/session/is-auth-enabled").await.ok();
    assert_eq!(body, json!({"is_auth_enabled": true, "has_valid_token": false}));
    let token = STANDARD.encode("admin:secret");
    for scheme in ["Basic", "Bearer"] {
        let value = format!("{scheme} {token}");
        assert_eq!(with_header(&gateway, AUTHORIZATION, &value).await, 200);
    }
    let wrong = format!("Basic {}", STANDARD.encode("admin:other"));
    assert_eq!(with_header(&gateway, AUTHORIZATION, &wrong).await, 401);
}

#[tokio::test]
async fn foreign_pages_can_neither_write_nor_pass_as_us() {
    let gateway = Gateway::start().await;
    assert_eq!(with_header(&gateway, ORIGIN, "https://evil.example").await, 403);
    assert_eq!(with_header(&gateway, ORIGIN, "http://localhost:5173").await, 200);
    assert_eq!(with_header(&gateway, HOST, "evil.example:8080").await, 403);
    assert_eq!(with_header(&gateway, HOST, "localhost:8080").await, 200);
    let open = Gateway::with(None, false).await;
    assert_eq!(with_header(&open, HOST, "gateway.internal:8080").await, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_json() {
    let gateway = Gateway::start().await;
    let answer = gateway.get("/api/nothing").await;
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["x-frame-options"], "DENY");
    assert!(answer.error(404).contains("/api/nothing"));
    gateway.delete("/api/version").await.error(405);
    assert!(gateway.get("/api/version").await.ok().as_str().unwrap().starts_with('v'));
}

#[tokio::test]
async fn settings_change_one_by_one() {
    let gateway = Gateway::start().await;
    let body = json!({"client_config": {"log_retention_days": 7, "initial_pool_size": 300}});
    let body = gateway.put("/api/config", body).await.ok();
    assert!(body["warnings"][0].as_str().unwrap().starts_with("client_config.initial_pool_size"));
    let client = gateway.get("/api/config").await.ok()["client_config"].clone();
    assert_eq!(
        (&client["log_retention_days"], &client["enable_logging"]),
        (&json!(7), &json!(true))
    );
    let wrong = json!({"client_config": {"log_retention_days": "long"}});
    let message = gateway.put("/api/config", wrong).await.error(400);
    assert!(message.starts_with("client_config.log_retention_days"), "{message}");
    let wrong = json!({"auth_config": {"is_enbled": true}});
    assert!(gateway.put("/api/config", wrong).await.error(400).contains("auth_config.is_enbled"));
}

#[tokio::test]
async fn settings_are_checked_as_those_of_the_file() {
    let gateway = Gateway::start().await;
    let put = async |body: Value| gateway.put("/api/config", body).await;

    // Every request would be too large.
    let wrong = json!({"client_config": {"max_request_body_size_mb": 0},
        "auth_config": {"is_enabled": "yes"}});
    let answer = put(wrong).await;
    let problems = answer.body["error"]["problems"].clone();
    assert_eq!(problems[0]["path"], "client_config.max_request_body_size_mb");
    assert_eq!(problems[1]["path"], "auth_config.is_enabled");
    answer.error(400);

    // A mask of something else would lock the operator out.
    let mask = "*".repeat(24);
    let auth = json!({"admin_username": "admin", "admin_password": mask, "is_enabled": true});
    let message = put(json!({"auth_config": auth})).await.error(400);
    assert!(message.starts_with("auth_config.admin_password: is the masked form"), "{message}");
    assert!(gateway.app.live.snapshot().admin.is_none());

    // The older name restricts as much as the newer one.
    let body = put(json!({"client_config": {"enforce_governance_header": true}})).await.ok();
    assert_eq!(body["client_config"]["enforce_auth_on_inference"], true);
    assert_eq!(body["warnings"], json!([]));

    assert_eq!(put(json!([])).await.error(400), "must be an object, not a list");
}

#[tokio::test]
async fn the_admin_password_is_masked_and_its_mask_keeps_it() {
    let gateway = Gateway::start().await;
    let auth = json!({"admin_username": "admin", "admin_password": "a-long-password"});
    gateway.put("/api/config", json!({"auth_config": auth})).await.ok();
    let shown = gateway.get("/api/config").await.ok()["auth_config"].clone();
    assert_eq!(shown["admin_password"], "****");
    gateway.put("/api/config", json!({"auth_config": shown})).await.ok();
    let auth = gateway.app.live.configuration().auth.clone().unwrap();
    assert_eq!(auth.admin_password.to_text(), "a-long-password");
}
