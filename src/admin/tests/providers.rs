use super::*;

fn anthropic() -> Value {
    json!({
        "provider": "anthropic",
        "keys": [{"name": "main", "value": "sk-ant-0123456789abcdef", "weight": 0.5}],
    })
}

#[tokio::test]
async fn secrets_are_masked_and_a_mask_keeps_the_secret() {
    let gateway = Gateway::start().await;
    let shown = gateway.post("/api/providers", anthropic()).await.ok();
    let masked = format!("sk-a{}cdef", "*".repeat(24));
    let value = json!({"value": masked, "env_var": "", "from_env": false});
    assert_eq!(shown["keys"][0]["value"], value);
    assert_eq!(shown["name"], "anthropic");

    gateway.put("/api/providers/anthropic", shown).await.ok();
    let secret = || {
        let snapshot = gateway.app.live.snapshot();
        snapshot.provider("anthropic").unwrap().keys[0].value.expose().to_owned()
    };
    assert_eq!(secret(), "sk-ant-0123456789abcdef");
    let foreign = json!({"name": "other", "value": masked});
    let refused = gateway.post("/api/providers/anthropic/keys", foreign).await.error(400);
    assert!(refused.starts_with("value: "), "{refused}");
}

#[tokio::test]
async fn the_same_post_again_is_accepted_and_another_one_is_not() {
    let gateway = Gateway::start().await;
    let first = gateway.post("/api/providers", anthropic()).await.ok();
    assert_eq!(gateway.post("/api/providers", anthropic()).await.ok(), first);
    let mut other = anthropic();
    other["keys"][0]["weight"] = json!(1);
    let message = gateway.post("/api/providers", other).await.error(409);
    assert!(message.contains("PUT /api/providers/anthropic"), "{message}");
}

#[tokio::test]
async fn what_was_only_found_in_the_environment_can_be_posted() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/api/providers").await.ok()["total"], 1);
    let article = json!({
        "provider": "openai",
        "keys": [{"name": "openai-key-1", "value": "env.OPENAI_API_KEY", "weight": 1.0}],
    });
    let shown = gateway.post("/api/providers", article.clone()).await.ok();
    let names: Vec<&Value> =
        shown["keys"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["openai-key-1"]);
    assert_eq!(shown["keys"][0]["value"]["env_var"], "env.OPENAI_API_KEY");
    assert_eq!(gateway.post("/api/providers", article).await.ok(), shown);
    let other = json!({"provider": "openai", "keys": []});
    gateway.post("/api/providers", other).await.error(409);
}

#[tokio::test]
async fn an_unset_variable_is_a_warning() {
    let gateway = Gateway::start().await;
    let body = json!({"provider": "groq", "keys": [{"name": "g", "value": "env.GROQ_API_KEY"}]});
    let shown = gateway.post("/api/providers", body).await.ok();
    let warning = shown["warnings"][0].as_str().unwrap();
    assert!(warning.contains("`GROQ_API_KEY` is not set"), "{warning}");
}

#[tokio::test]
async fn mistakes_are_refused_by_their_path() {
    let gateway = Gateway::start().await;
    let wrong = json!({"provider": "openai", "keys": [{"name": "a", "value": "b", "wieght": 1}]});
    let message = gateway.post("/api/providers", wrong).await.error(400);
    assert!(message.contains("keys[0].wieght"), "{message}");
    gateway.post("/api/providers", json!({"keys": []})).await.error(400);
    gateway.put("/api/providers/openai", json!({"provider": "groq"})).await.error(400);
    gateway.get("/api/providers/groq").await.error(404);
    gateway.delete("/api/providers/groq").await.error(404);
}

#[tokio::test]
async fn keys_one_by_one() {
    let gateway = Gateway::start().await;
    gateway.post("/api/providers", anthropic()).await.ok();
    const KEYS: &str = "/api/providers/anthropic/keys";
    let second = json!({"name": "second", "value": "sk-ant-second-000000"});
    let key = gateway.post(KEYS, second.clone()).await.ok();
    let path = format!("{KEYS}/{}", key["id"].as_str().unwrap());
    assert_eq!(gateway.post(KEYS, second).await.ok(), key);
    let other = json!({"name": "second", "value": "sk-ant-other-0000000"});
    gateway.post(KEYS, other).await.error(409);
    assert_eq!(gateway.get(KEYS).await.ok()["total"], 2);

    let changed = gateway.put(&path, json!({"weight": 0, "enabled": false})).await.ok();
    assert_eq!((&changed["weight"], &changed["enabled"]), (&json!(0.0), &json!(false)));
    assert_eq!(changed["value"], key["value"]);
    assert_eq!(gateway.get(&path).await.ok(), changed);

    let all = gateway.get("/api/keys").await.ok();
    let providers: Vec<&Value> =
        all.as_array().unwrap().iter().map(|key| &key["provider"]).collect();
    assert_eq!(providers, ["anthropic", "anthropic", "openai"]);
    gateway.delete(&path).await.ok();
    gateway.delete(&path).await.error(404);
    gateway.get("/api/providers/groq/keys").await.error(404);
    assert_eq!(gateway.delete("/api/providers/anthropic").await.ok()["name"], "anthropic");
}

#[tokio::test]
async fn models_that_the_keys_may_serve() {
    let gateway = Gateway::start().await;
    let body = gateway.get("/api/models?query=GPT-4O-mini&limit=100").await.ok();
    assert!(body["total"].as_u64().unwrap() >= 1);
    assert_eq!(body["models"][0]["provider"], "openai");
    assert_eq!(body["models"][0]["accessible_by_keys"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.get("/api/models").await.ok()["models"].as_array().unwrap().len(), 5);
    assert_eq!(gateway.get("/api/models?keys=nobody").await.ok()["total"], 0);
    assert_eq!(gateway.get("/api/models?provider=groq").await.ok()["total"], 0);
}
