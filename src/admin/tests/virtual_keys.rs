use super::*;
use crate::config::secret_hash;

#[tokio::test]
async fn a_posted_key_gets_a_secret_that_is_shown_once() {
    let gateway = Gateway::start().await;
    let body = gateway.post(VIRTUAL_KEYS, json!({"name": "prod"})).await.ok();
    assert_eq!(body["message"], "Virtual key created successfully");
    let key = &body["virtual_key"];
    let secret = key["value"].as_str().unwrap();
    assert!(secret.starts_with("sk-bf-") && secret.len() == 42, "{secret}");
    assert_eq!((&key["is_active"], &key["secret_is_id"]), (&json!(true), &json!(false)));
    assert!(gateway.app.live.snapshot().virtual_key(&secret_hash(secret)).is_some());

    let path = format!("{VIRTUAL_KEYS}/{}", key["id"].as_str().unwrap());
    let shown = gateway.get(&path).await.ok();
    let masked = format!("sk-b{}{}", "*".repeat(24), &secret[38..]);
    assert_eq!(shown["virtual_key"]["value"], masked);
    // What was shown can be sent back whole.
    let updated = gateway.put(&path, shown["virtual_key"].clone()).await.ok();
    assert_eq!(updated["virtual_key"]["value"], masked);
    assert!(gateway.app.live.snapshot().virtual_key(&secret_hash(secret)).is_some());

    let rotated = gateway.post(&format!("{path}/rotate"), Value::Null).await.ok();
    let new = rotated["virtual_key"]["value"].as_str().unwrap();
    assert_ne!(new, secret);
    let snapshot = gateway.app.live.snapshot();
    assert!(snapshot.virtual_key(&secret_hash(secret)).is_none());
    assert!(snapshot.virtual_key(&secret_hash(new)).is_some());
}

#[tokio::test]
async fn a_put_on_an_unknown_id_creates_it_and_says_what_its_secret_is() {
    let gateway = Gateway::start().await;
    let path = format!("{VIRTUAL_KEYS}/vk-prod");
    let body = gateway.put(&path, json!({"is_active": true})).await.ok();
    assert_eq!(body["message"], "Virtual key created successfully");
    let key = &body["virtual_key"];
    assert_eq!(
        (&key["id"], &key["name"], &key["value"]),
        (&json!("vk-prod"), &json!("vk-prod"), &json!("vk-prod"),)
    );
    assert_eq!(key["secret_is_id"], true);
    assert!(body["warnings"][0].as_str().unwrap().contains("vk-prod/rotate"));
    assert!(gateway.app.live.snapshot().virtual_key(&secret_hash("vk-prod")).is_some());

    let rotated = gateway.post(&format!("{path}/rotate"), json!({})).await.ok();
    assert_eq!(rotated["virtual_key"]["secret_is_id"], false);
    let valued = gateway
        .put(&format!("{VIRTUAL_KEYS}/vk-2"), json!({"value": "sk-bf-own-0123456789"}))
        .await
        .ok();
    assert_eq!(valued["virtual_key"]["secret_is_id"], false);
    assert_eq!(valued["warnings"], Value::Null);
}

#[tokio::test]
async fn the_same_body_again_keeps_ids_and_with_them_usage() {
    let gateway = Gateway::start().await;
    let path = format!("{VIRTUAL_KEYS}/vk-prod");
    let first = gateway.put(&path, prod()).await.ok();
    let again = gateway.put(&path, prod()).await.ok();
    assert_eq!(again["message"], "Virtual key updated successfully");
    for pointer in [
        "/virtual_key/budget/id",
        "/virtual_key/provider_configs/0/id",
        "/virtual_key/provider_configs/0/budget/id",
        "/virtual_key/provider_configs/0/rate_limit/id",
    ] {
        assert!(first.pointer(pointer).is_some_and(|id| !id.is_null()), "{pointer}");
        assert_eq!(first.pointer(pointer), again.pointer(pointer), "{pointer}");
    }
    assert_eq!(again["virtual_key"]["provider_configs"][0]["key_ids"], json!(["*"]));
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_an_empty_budget_removes_it() {
    let gateway = Gateway::start().await;
    let path = format!("{VIRTUAL_KEYS}/vk-prod");
    gateway.put(&path, prod()).await.ok();
    let body = json!({"is_active": false, "budget": {"max_limit": 50}, "team_id": "t1"});
    let key = gateway.put(&path, body).await.ok()["virtual_key"].clone();
    assert_eq!((&key["is_active"], &key["name"]), (&json!(false), &json!("prod")));
    assert_eq!(key["budget"]["max_limit"], 50.0);
    assert_eq!(key["budget"]["reset_duration"], "1M");
    assert_eq!(key["provider_configs"][0]["weight"], 0.8);
    let key = gateway.put(&path, json!({"budget": {}})).await.ok()["virtual_key"].clone();
    assert_eq!((&key["budget"], &key["budgets"]), (&Value::Null, &json!([])));
    assert_eq!(key["team_id"], "t1", "neither team nor customer given leaves both");
}

#[tokio::test]
async fn mistakes_are_refused_by_their_path_and_nothing_changes() {
    let gateway = Gateway::start().await;
    let path = format!("{VIRTUAL_KEYS}/vk-prod");
    let wrong = json!({
        "name": "prod",
        "provider_configs": [{"provider": "openai", "budget": {"max_limit": 1, "reset": "1M"}}],
    });
    let answer = gateway.put(&path, wrong).await;
    assert_eq!(answer.body["error"]["param"], "provider_configs[0].budget.reset");
    assert!(answer.error(400).contains("provider_configs[0].budget.reset"));
    for body in
        [json!({"budget": {"max_limit": 5}}), json!([]), json!({"budget": {"max_limit": 0}})]
    {
        gateway.put(&path, body).await.error(400);
    }
    gateway.get(&path).await.error(404);
    gateway.delete(&path).await.error(404);
    gateway.post(&format!("{path}/rotate"), json!({})).await.error(404);
    let text = Request::put(&path).body(Body::from("{no json")).unwrap();
    assert!(gateway.call(text).await.error(400).contains("no JSON"));

    gateway.put(&path, prod()).await.ok();
    let taken = gateway.post(VIRTUAL_KEYS, json!({"name": "prod"})).await.error(409);
    assert!(taken.contains("vk-prod"), "{taken}");
    gateway.put(&path, json!({"id": "other"})).await.error(400);
    gateway.put(&path, json!({"value": "*".repeat(12)})).await.error(400);
}

#[tokio::test]
async fn a_key_for_a_provider_that_is_not_there_is_taken_with_a_warning() {
    let gateway = Gateway::start().await;
    let body = json!({"provider_configs": [{"provider": "anthropic", "weight": 1}]});
    let body = gateway.put(&format!("{VIRTUAL_KEYS}/vk-1"), body).await.ok();
    let warnings = body["warnings"].as_array().unwrap();
    assert!(warnings[1].as_str().unwrap().contains("anthropic"), "{warnings:?}");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let gateway = Gateway::start().await;
    for name in ["beta", "alpha", "gamma"] {
        gateway.post(VIRTUAL_KEYS, json!({"name": name})).await.ok();
    }
    let names = |body: &Value| -> Vec<String> {
        let keys = body["virtual_keys"].as_array().unwrap();
        keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    };
    let path = format!("{VIRTUAL_KEYS}?limit=2&offset=1&sort_by=name&order=desc");
    let body = gateway.get(&path).await.ok();
    assert_eq!(names(&body), ["beta", "alpha"]);
    let numbers = ["count", "total_count", "limit", "offset"].map(|name| body[name].clone());
    assert_eq!(numbers, [json!(2), json!(3), json!(2), json!(1)]);
    let body = gateway.get(&format!("{VIRTUAL_KEYS}?search=BET")).await.ok();
    assert_eq!(names(&body), ["beta"]);
    assert_eq!(gateway.get(VIRTUAL_KEYS).await.ok()["limit"], 25);
    let memory = gateway.get(&format!("{VIRTUAL_KEYS}?from_memory=true")).await.ok();
    assert_eq!(memory["virtual_keys"].as_object().unwrap().len(), 3);
    gateway.get(&format!("{VIRTUAL_KEYS}?limit=x")).await.error(400);
    gateway.get(&format!("{VIRTUAL_KEYS}?sort_by=colour")).await.error(400);
}

#[tokio::test]
async fn limits_are_listed_with_their_owners() {
    let gateway = Gateway::start().await;
    gateway.put(&format!("{VIRTUAL_KEYS}/vk-prod"), prod()).await.ok();
    let body = gateway.get("/api/governance/budgets").await.ok();
    assert_eq!(body["count"], 2);
    let providers: Vec<&Value> =
        body["budgets"].as_array().unwrap().iter().map(|budget| &budget["provider"]).collect();
    assert_eq!(providers, [&Value::Null, &json!("openai")]);
    let body = gateway.get("/api/governance/rate-limits").await.ok();
    assert_eq!(body["rate_limits"][0]["request_max_limit"], 5);
    gateway.delete(&format!("{VIRTUAL_KEYS}/vk-prod")).await.ok();
    assert_eq!(gateway.get("/api/governance/budgets").await.ok()["count"], 0);
}

#[tokio::test]
async fn a_key_says_when_it_and_its_limits_changed() {
    let gateway = Gateway::start().await;
    let path = format!("{VIRTUAL_KEYS}/vk-prod");
    let put = async |body: Value| gateway.put(&path, body).await.ok()["virtual_key"].clone();
    let key = put(prod()).await;
    assert!(key["team"].is_null() && key["customer"].is_null());
    assert_eq!(key["config_hash"].as_str().unwrap().len(), 64);
    let limit = &key["provider_configs"][0]["rate_limit"];
    for dated in [&key, &key["budget"], limit] {
        assert_eq!(dated["created_at"], dated["updated_at"]);
        assert!(dated["created_at"].as_str().unwrap().starts_with("20"), "{dated}");
    }

    let same = put(prod()).await;
    assert_eq!(same["config_hash"], key["config_hash"]);
    assert_eq!(same["budget"]["updated_at"], key["budget"]["updated_at"]);
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let other = put(json!({"budget": {"max_limit": 7.0}})).await;
    assert_ne!(other["config_hash"], key["config_hash"]);
    assert_ne!(other["budget"]["updated_at"], key["budget"]["updated_at"]);
    assert_eq!(other["budget"]["created_at"], key["budget"]["created_at"]);
    let limit = &other["provider_configs"][0]["rate_limit"];
    assert_eq!(limit["updated_at"], key["provider_configs"][0]["rate_limit"]["updated_at"]);
}
