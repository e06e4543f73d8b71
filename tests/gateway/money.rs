//! What an answer says it cost, what the meter counts and what the metric shows are the same.

use crate::support::Gateway;
use mock_provider::Rule;
use serde_json::json;

#[tokio::test]
async fn the_answer_the_meter_and_the_metric_agree() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::default().usage(1001, 333));
    let body = json!({
        "budget": {"max_limit": 1, "reset_duration": "1d"},
        "provider_configs": [{"provider": "openai"}, {"provider": "anthropic"}],
    });
    gateway.send("PUT", "/api/governance/virtual-keys/vk-money", &[], body.to_string()).await;
    let key = [("authorization", "Bearer vk-money")];
    let mut nano = 0_i64;
    for (model, stream) in [
        ("gpt-4o-mini", false),
        ("gpt-4o-mini", true),
        ("anthropic/claude-3-5-haiku-20241022", false),
    ] {
        let ask = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
        let answer = gateway.send("POST", "/v1/chat/completions", &key, ask.to_string()).await;
        let last = if stream { answer.chunks().0.pop().unwrap() } else { answer.json() };
        // 1001 and 333 tokens at 0.15 and 0.60, or 0.80 and 4.00 dollars per million.
        let expected = if model == "gpt-4o-mini" { 349_950 } else { 2_132_800 };
        let cost = (last["extra_fields"]["cost"].as_f64().unwrap() * 1e9).round() as i64;
        assert_eq!(cost, expected, "{model}");
        nano += cost;
    }
    let read = gateway.send("GET", "/api/governance/virtual-keys/vk-money", &[], "").await.json();
    let used = read["virtual_key"]["budget"]["current_usage"].as_f64().unwrap();
    assert_eq!((used * 1e9).round() as i64, nano);
    let metrics = gateway.send("GET", "/metrics", &[], "").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let series = metrics.lines().filter(|line| line.starts_with("bifrost_cost_total{"));
    let sum: i64 = series
        .map(|line| (line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() * 1e9).round() as i64)
        .sum();
    assert_eq!(sum, nano);
    gateway.stop().await;
}

#[tokio::test]
async fn a_budget_refuses_what_has_no_price_unless_told_otherwise() {
    let gateway = Gateway::start().await;
    let key = [("authorization", "Bearer vk-strict")];
    let ask =
        json!({"model": "openai/no-such-model", "messages": [{"role": "user", "content": "hi"}]});
    for (unpriced, status) in [("deny", 403), ("allow", 200)] {
        let body = json!({
            "budget": {"max_limit": 1, "reset_duration": "1d", "unpriced": unpriced},
            "provider_configs": [{"provider": "openai"}],
        });
        let put =
            gateway.send("PUT", "/api/governance/virtual-keys/vk-strict", &[], body.to_string());
        assert_eq!(put.await.status, 200);
        let answer = gateway.send("POST", "/v1/chat/completions", &key, ask.to_string()).await;
        assert_eq!(answer.status, status, "{:?}", answer.body);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_price_that_the_provider_tells_is_the_price() {
    let gateway = Gateway::start().await;
    gateway.provider("openrouter", json!({})).await;
    let body = json!({
        "budget": {"max_limit": 1, "reset_duration": "1d"},
        "provider_configs": [{"provider": "openrouter"}],
    });
    gateway.send("PUT", "/api/governance/virtual-keys/vk-resold", &[], body.to_string()).await;
    let answer = json!({
        "id": "gen-1",
        "object": "chat.completion",
        "created": 1,
        "model": "anthropic/claude-haiku-4.5",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "hi"},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "cost": 0.001_234_5},
    });
    gateway.mock.script(Rule::for_provider("openrouter").body(answer));
    let ask = r#"{"model":"openrouter/anthropic/claude-haiku-4.5","messages":[{"role":"user","content":"hi"}]}"#;
    let key = [("authorization", "Bearer vk-resold")];
    let answer = gateway.send("POST", "/v1/chat/completions", &key, ask).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.json()["extra_fields"]["cost"].as_f64(), Some(0.001_234_5));
    let read = gateway.send("GET", "/api/governance/virtual-keys/vk-resold", &[], "").await.json();
    assert_eq!(read["virtual_key"]["budget"]["current_usage"].as_f64(), Some(0.001_234_5));
    // Without a price to begin with, what breaks off before the provider tells one would be free.
    let unknown = ask.replace("claude-haiku-4.5", "no-such-model");
    let answer = gateway.send("POST", "/v1/chat/completions", &key, unknown).await;
    assert_eq!(answer.json()["error"]["code"], "model_unpriced", "{:?}", answer.body);
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_costs_what_was_seen_of_it() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::default().words(200).delay_between_ms(1).cut_after_events(103));
    for model in MODELS {
        let ask = ask(model, true);
        let answer = gateway.send("POST", "/v1/chat/completions", &[], ask).await;
        assert!(!answer.chunks().1, "{model}: [DONE] after a cut");
    }
    for (model, row) in MODELS.iter().zip(gateway.rows(MODELS.len()).await) {
        let output = row["token_usage"]["completion_tokens"].as_u64().unwrap();
        // A hundred words; by their length they may be more tokens than words.
        assert!((90..=150).contains(&output), "{model}: {output} tokens");
        assert_eq!(row["usage_source"], "estimated", "{model}");
        assert!(row["cost"].as_f64().unwrap() > 0.0, "{model}: {row}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_whole_answer_without_usage_costs_what_its_text_probably_is() {
    let gateway = Gateway::start().await;
    let text = "lots of text ".repeat(500);
    let message = json!({"role": "assistant", "content": text});
    gateway.mock.script(Rule::default().body(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    })));
    let answer =
        gateway.send("POST", "/v1/chat/completions", &[], ask("openai/gpt-4o-mini", false)).await;
    assert_eq!(answer.json()["extra_fields"]["usage_source"], "estimated");
    let row = gateway.rows(1).await.remove(0);
    // Four bytes a token.
    assert_eq!(row["token_usage"]["completion_tokens"], 1625);
    gateway.stop().await;
}

#[tokio::test]
async fn a_reservation_counts_every_answer_that_is_asked_for() {
    let gateway = Gateway::start().await;
    let config = json!({"client_config": {"budget_wait_ms": 100}});
    assert_eq!(gateway.send("PUT", "/api/config", &[], config.to_string()).await.status, 200);
    let body = json!({
        "budget": {"max_limit": 0.01, "reset_duration": "1d"},
        "provider_configs": [{"provider": "openai"}],
    });
    gateway.send("PUT", "/api/governance/virtual-keys/vk-n", &[], body.to_string()).await;
    let slow = Rule::for_provider("openai").when_body_contains("slow");
    gateway.mock.script(slow.delay_headers_ms(1500));
    let send = |text: &'static str, n: u32| {
        let gateway = &gateway;
        let message = json!({"role": "user", "content": text});
        // A thousand tokens are 0.0006 dollars.
        let ask =
            json!({"model": "gpt-4o-mini", "max_tokens": 1000, "n": n, "messages": [message]});
        async move {
            let key = [("authorization", "Bearer vk-n")];
            gateway.send("POST", "/v1/chat/completions", &key, ask.to_string()).await.status
        }
    };
    let others = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        (send("fifty", 50).await, send("one", 1).await)
    };
    // While one is in flight, so that the next is not let through as the only one.
    assert_eq!(tokio::join!(send("slow", 1), others), (200, (402, 200)));
    gateway.stop().await;
}

const MODELS: [&str; 3] =
    ["openai/gpt-4o-mini", "anthropic/claude-3-5-haiku-20241022", "gemini/gemini-2.5-flash"];

fn ask(model: &str, stream: bool) -> String {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
        .to_string()
}
