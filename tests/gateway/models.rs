//! Which models there are: the providers' own lists.

use crate::support::Gateway;
use mock_provider::Rule;
use serde_json::{Value, json};

fn list(names: &[&str]) -> Rule {
    let data: Vec<Value> =
        names.iter().map(|name| json!({"id": name, "object": "model"})).collect();
    Rule::new().when_path_contains("models").body(json!({"object": "list", "data": data}))
}

async fn ids(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let answer = gateway.send("GET", path, headers, "").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let models = answer.json()["data"].as_array().unwrap().clone();
    models.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

async fn put(gateway: &Gateway, provider: &str, mut body: Value) {
    body["concurrency_and_buffer_size"] = json!({"concurrency": 10, "buffer_size": 10});
    body["network_config"]["base_url"] = json!(gateway.mock.url_for(provider));
    let path = format!("/api/providers/{provider}");
    let answer = gateway.send("PUT", &path, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}

#[tokio::test]
async fn a_provider_without_a_catalogue_is_asked_for_its_models() {
    let gateway = Gateway::start().await;
    gateway.mock.script(list(&["llama3:latest", "qwen3:8b"]).when_provider("ollama"));
    put(&gateway, "ollama", json!({})).await;
    let expected = ["ollama/llama3:latest", "ollama/qwen3:8b"];
    assert_eq!(ids(&gateway, "/v1/models?provider=ollama", &[]).await, expected);
    // The bare name, and the one without its tag, find their provider.
    for model in ["llama3", "llama3:latest", "qwen3:8b"] {
        let ask = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let answer = gateway.chat(ask.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.header("x-tollbridge-provider"), "ollama");
    }
    let ask = r#"{"model":"nobodys-model","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(gateway.chat(ask).await.status, 404);
    gateway.stop().await;
}

#[tokio::test]
async fn every_format_of_lists_is_read_and_google_means_gemini() {
    let gateway = Gateway::start().await;
    for provider in ["openai", "anthropic", "gemini"] {
        let path = format!("/v1/models?provider={provider}");
        let own = format!("{provider}/mock-model");
        assert!(ids(&gateway, &path, &[]).await.contains(&own), "{provider}");
    }
    let gemini = ids(&gateway, "/v1/models?provider=gemini", &[]).await;
    assert_eq!(ids(&gateway, "/v1/models?provider=google", &[]).await, gemini);
    gateway.stop().await;
}

#[tokio::test]
async fn a_list_obeys_the_keys_and_the_virtual_key() {
    let gateway = Gateway::start().await;
    gateway.mock.script(list(&["a", "b", "c", "d"]).when_provider("vllm"));
    let keys = json!([
        {"name": "v1", "value": "sk-1", "models": ["a", "b"]},
        {"name": "v2", "value": "sk-2", "models": ["c"]},
    ]);
    put(&gateway, "vllm", json!({"keys": keys})).await;
    let all = ids(&gateway, "/v1/models?provider=vllm", &[]).await;
    assert_eq!(all, ["vllm/a", "vllm/b", "vllm/c"]);
    let virtual_key = json!({"provider_configs": [
        {"provider": "vllm", "weight": 1, "allowed_models": ["b", "c", "d"], "key_ids": ["v1"]},
    ]});
    let path = "/api/governance/virtual-keys/vk-list";
    assert_eq!(gateway.send("PUT", path, &[], virtual_key.to_string()).await.status, 200);
    let own = ids(&gateway, "/v1/models", &[("authorization", "Bearer vk-list")]).await;
    assert_eq!(own, ["vllm/b"]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_custom_provider_is_asked_only_if_it_may_be() {
    let gateway = Gateway::start().await;
    gateway.mock.script(list(&["own-model"]).when_provider("mine"));
    gateway.mock.script(list(&["hidden-model"]).when_provider("quiet"));
    let custom = |allowed: Value| {
        let custom = json!({"base_provider_type": "openai", "allowed_requests": allowed});
        json!({"keys": [], "custom_provider_config": custom})
    };
    let keyed = |name: &str, mut body: Value| {
        body["keys"] = json!([{"name": name, "value": "sk-1", "weight": 1}]);
        body
    };
    let both = json!({"chat_completion": true, "list_models": true});
    put(&gateway, "mine", keyed("mine-1", custom(both))).await;
    put(&gateway, "quiet", keyed("quiet-1", custom(json!({"chat_completion": true})))).await;
    let all = ids(&gateway, "/v1/models", &[]).await;
    assert!(all.contains(&"mine/own-model".to_owned()));
    assert!(all.iter().all(|id| !id.starts_with("quiet/")));
    assert!(gateway.mock.listed().iter().all(|request| request.provider != "quiet"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_provider_that_does_not_list_holds_the_others_up_for_two_seconds_at_most() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::for_provider("sgl").when_path_contains("models").never_answer());
    put(&gateway, "sgl", json!({})).await;
    let started = std::time::Instant::now();
    assert!(ids(&gateway, "/v1/models", &[]).await.contains(&"openai/mock-model".to_owned()));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    gateway.stop().await;
}
