//! Answers already known: whom they are for, in which form, and what they cost.

use crate::support::{Answer, Gateway};
use mock_provider::Rule;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

const PATH: &str = "/v1/chat/completions";

/// Puts a virtual key with the cache on.
async fn key(gateway: &Gateway, id: &str, mut body: Value) {
    if body.get("semantic_cache").is_none() {
        body["semantic_cache"] = json!(true);
    }
    let path = format!("/api/governance/virtual-keys/{id}");
    let answer = gateway.send("PUT", &path, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}

fn question(text: &str) -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]})
}

async fn ask(gateway: &Gateway, key: &str, body: &Value) -> Answer {
    gateway.send("POST", PATH, &[("x-bf-vk", key)], body.to_string()).await
}

fn text(answer: &Answer) -> String {
    let content = &answer.json()["choices"][0]["message"]["content"];
    content.as_str().unwrap_or_default().to_owned()
}

/// Seconds that a kept answer is still good for.
fn ttl(answer: &Answer) -> u64 {
    let status = answer.header("cache-status");
    let ttl = status.split("; ").find_map(|part| part.strip_prefix("ttl="));
    // Without one, more than any test expects.
    ttl.map_or(u64::MAX, |ttl| ttl.parse().unwrap())
}

/// The text of a streamed answer.
fn streamed(answer: &Answer) -> String {
    let (chunks, done) = answer.chunks();
    assert!(done, "{:?}", answer.body);
    let deltas = chunks.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
    deltas.collect()
}

/// Requests that reached a provider.
fn asked(gateway: &Gateway) -> usize {
    gateway.mock.received().len()
}

#[tokio::test]
async fn the_second_time_nobody_is_asked() {
    let gateway = Gateway::start().await;
    key(&gateway, "vk-cache", json!({})).await;
    let first = ask(&gateway, "vk-cache", &question("When are you open?")).await;
    assert_eq!(first.status, 200, "{:?}", first.body);
    assert_eq!(first.header("cache-status"), "tollbridge; fwd=miss");
    assert_eq!(first.json()["extra_fields"].get("cache_debug"), None);
    let second = ask(&gateway, "vk-cache", &question("  when are YOU open? ")).await;
    assert_eq!(asked(&gateway), 1);
    assert_eq!(text(&second), text(&first));
    assert_eq!(second.json()["id"], first.json()["id"]);
    assert_eq!(second.json()["usage"], first.json()["usage"]);
    let status = second.header("cache-status");
    assert!(status.starts_with("tollbridge; hit; ttl="), "{status}");
    assert!(status.ends_with("; detail=exact"), "{status}");
    let extra = &second.json()["extra_fields"];
    let debug = &extra["cache_debug"];
    assert_eq!((&debug["cache_hit"], &debug["hit_type"]), (&json!(true), &json!("direct")));
    assert_eq!(debug["requested_provider"], "openai");
    assert_eq!(debug["requested_model"], "gpt-4o-mini");
    assert_eq!(extra["cost"], 0.0);
    assert_eq!(extra["provider"], "openai");
    assert_eq!(second.header("x-tollbridge-attempts"), "0");
    gateway.stop().await;
}

#[tokio::test]
async fn streams_and_full_answers_fill_the_cache_for_one_another() {
    let gateway = Gateway::start().await;
    key(&gateway, "vk-cache", json!({})).await;
    for (stream_first, text_asked) in [(false, "Who are you?"), (true, "Where are you?")] {
        let before = asked(&gateway);
        let mut first = question(text_asked);
        first["stream"] = json!(stream_first);
        let mut second = question(text_asked);
        second["stream"] = json!(!stream_first);
        second["stream_options"] = json!({"include_usage": true});
        let first = ask(&gateway, "vk-cache", &first).await;
        let second = ask(&gateway, "vk-cache", &second).await;
        let (full, stream) = if stream_first { (&second, &first) } else { (&first, &second) };
        assert_eq!(asked(&gateway), before + 1, "{stream_first}");
        assert!(!text(full).is_empty());
        assert_eq!(streamed(stream), text(full));
        assert_eq!(stream.header("content-type"), "text/event-stream");
        let usage = &full.json()["usage"];
        assert!(usage["total_tokens"].as_u64() > Some(0), "{usage}");
        if !stream_first {
            let (chunks, _) = stream.chunks();
            let last = chunks.last().unwrap();
            assert_eq!(last["extra_fields"]["cache_debug"]["cache_hit"], true, "{last}");
            let told = chunks.iter().find_map(|chunk| chunk["usage"]["total_tokens"].as_u64());
            assert_eq!(told, usage["total_tokens"].as_u64());
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_of_another_format_is_kept_and_replayed_too() {
    let gateway = Gateway::start().await;
    key(&gateway, "vk-cache", json!({})).await;
    for model in ["anthropic/claude-3-5-haiku-20241022", "gemini/gemini-1.5-flash"] {
        let before = asked(&gateway);
        let mut body = question("What is a toll?");
        body["model"] = json!(model);
        let first = ask(&gateway, "vk-cache", &body).await;
        assert_eq!(first.status, 200, "{:?}", first.body);
        body["stream"] = json!(true);
        let second = ask(&gateway, "vk-cache", &body).await;
        assert_eq!(streamed(&second), text(&first));
        assert_eq!(asked(&gateway), before + 1);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn embeddings_are_kept_exactly() {
    let gateway = Gateway::start().await;
    key(&gateway, "vk-cache", json!({})).await;
    let embed = async |input: &str| {
        let body = json!({"model": "text-embedding-3-small", "input": input}).to_string();
        gateway.send("POST", "/v1/embeddings", &[("x-bf-vk", "vk-cache")], body).await
    };
    let (first, second) = (embed("One").await, embed("One").await);
    assert_eq!(first.status, 200, "{:?}", first.body);
    assert_eq!(first.json()["data"], second.json()["data"]);
    assert!(second.header("cache-status").contains("; hit"), "{}", second.header("cache-status"));
    embed("one").await;
    assert_eq!(asked(&gateway), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn identical_requests_in_flight_are_sent_once() {
    let gateway = Gateway::start().await;
    key(&gateway, "vk-cache", json!({})).await;
    gateway.mock.script(Rule::default().delay_headers_ms(300));
    let body = question("When are you open?");
    let all = (0..20).map(|_| ask(&gateway, "vk-cache", &body));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(asked(&gateway), 1);
    let texts: HashSet<String> = answers.iter().map(text).collect();
    assert_eq!(texts.len(), 1);
    let collapsed = |answer: &&Answer| answer.header("cache-status").contains("collapsed");
    assert_eq!(answers.iter().filter(collapsed).count(), 19);
    gateway.stop().await;
}

#[tokio::test]
async fn those_who_wait_for_a_failure_go_by_themselves() {
    let gateway = Gateway::start().await;
    key(&gateway, "vk-cache", json!({"provider_configs": [{"provider": "openai"}]})).await;
    let slow = Rule::default().delay_headers_ms(200);
    gateway.mock.script(slow.clone().status(500).times(1));
    gateway.mock.script(slow);
    let body = question("When are you open?");
    let all = (0..5).map(|_| ask(&gateway, "vk-cache", &body));
    let answers = futures_util::future::join_all(all).await;
    let failed = answers.iter().filter(|answer| answer.status != 200).count();
    assert_eq!(failed, 1, "only the one that was sent");
    gateway.stop().await;
}

#[tokio::test]
async fn no_answer_crosses_a_scope() {
    let gateway = Gateway::start().await;
    let ids: Vec<String> = (0..50).map(|number| format!("vk-{number}")).collect();
    for id in &ids {
        key(&gateway, id, json!({})).await;
    }
    // No two answers of the provider have the same id.
    let mut seen = HashSet::new();
    let mut own = Vec::new();
    let body = question("What is my balance?");
    let all = ids.iter().map(|id| ask(&gateway, id, &body));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let id = answer.json()["id"].to_string();
        assert!(seen.insert(id.clone()), "an answer was shared");
        own.push(id);
    }
    assert_eq!(asked(&gateway), 50);
    let again = ids.iter().map(|id| ask(&gateway, id, &body));
    for (own, answer) in own.iter().zip(futures_util::future::join_all(again).await) {
        assert!(answer.header("cache-status").contains("; hit"));
        assert_eq!(answer.json()["id"].to_string(), *own);
    }
    assert_eq!(asked(&gateway), 50);
    gateway.stop().await;
}

#[tokio::test]
async fn a_team_shares_and_a_header_narrows() {
    let gateway = Gateway::start().await;
    let shared = json!({"enabled": true, "scope": "team"});
    for id in ["vk-a", "vk-b"] {
        key(&gateway, id, json!({"team_id": "red", "semantic_cache": shared})).await;
    }
    key(&gateway, "vk-c", json!({"team_id": "blue", "semantic_cache": shared})).await;
    let body = question("When are you open?");
    for (id, count) in [("vk-a", 1), ("vk-b", 1), ("vk-c", 2)] {
        ask(&gateway, id, &body).await;
        assert_eq!(asked(&gateway), count, "{id}");
    }
    let narrow = [("x-bf-vk", "vk-a"), ("x-bf-cache-key", "checkout")];
    gateway.send("POST", PATH, &narrow, body.to_string()).await;
    assert_eq!(asked(&gateway), 3);
    // Naming another's subdivision does not lead into it.
    let foreign = [("x-bf-vk", "vk-c"), ("x-bf-cache-key", "checkout")];
    gateway.send("POST", PATH, &foreign, body.to_string()).await;
    assert_eq!(asked(&gateway), 4);
    gateway.stop().await;
}

#[tokio::test]
async fn what_goes_past_the_cache_says_why() {
    let gateway = Gateway::start().await;
    key(&gateway, "vk-cache", json!({})).await;
    key(&gateway, "vk-off", json!({"semantic_cache": false})).await;
    let mut hot = question("Tell me a story.");
    hot["temperature"] = json!(1.5);
    let mut tools = question("What is the weather?");
    tools["tools"] = json!([{"type": "function", "function": {"name": "weather"}}]);
    for (body, reason) in [(hot, "temperature"), (tools, "tools")] {
        for _ in 0..2 {
            let answer = ask(&gateway, "vk-cache", &body).await;
            let expected = format!("tollbridge; fwd=bypass; detail={reason}");
            assert_eq!(answer.header("cache-status"), expected);
        }
    }
    assert_eq!(asked(&gateway), 4);
    let wish = [("x-bf-vk", "vk-off"), ("x-bf-cache-key", "please")];
    for _ in 0..2 {
        let answer = gateway.send("POST", PATH, &wish, question("Hello?").to_string()).await;
        assert_eq!(answer.header("cache-status"), "");
    }
    assert_eq!(asked(&gateway), 6);
    gateway.stop().await;
}

#[tokio::test]
async fn headers_say_how_long_and_whether() {
    let gateway = Gateway::start().await;
    let plugin = json!({"enabled": true, "config": {"ttl": "10m"}});
    let put = gateway.send("PUT", "/api/plugins/semantic_cache", &[], plugin.to_string()).await;
    assert_eq!(put.status, 200, "{:?}", put.body);
    let send = async |more: &[(&str, &str)], body: &Value| {
        gateway.send("POST", PATH, more, body.to_string()).await
    };
    let named = ("x-bf-cache-key", "session-1");
    let body = question("When are you open?");
    send(&[], &body).await;
    send(&[], &body).await;
    assert_eq!(asked(&gateway), 2, "without a key the plugin is inert, as in Bifrost");
    let mut streams = body.clone();
    streams["stream"] = json!(true);
    for body in [&body, &streams] {
        send(&[named, ("x-bf-cache-no-store", "true")], body).await;
    }
    send(&[named, ("x-bf-cache-ttl", "2s")], &body).await;
    assert_eq!(asked(&gateway), 5);
    let left = ttl(&send(&[named], &body).await);
    assert!(left <= 2, "{left}");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    send(&[named], &body).await;
    assert_eq!(asked(&gateway), 6, "it has expired");
    let left = ttl(&send(&[named], &body).await);
    assert!((590..=600).contains(&left), "{left}");
    send(&[("x-bf-cache-key", "session-2")], &body).await;
    assert_eq!(asked(&gateway), 7);
    gateway.stop().await;
}

#[tokio::test]
async fn a_hit_costs_nothing_and_is_no_traffic_of_a_provider() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::default().usage(1000, 500));
    let limits = json!({
        "budget": {"max_limit": 1, "reset_duration": "1d"},
        "rate_limit": {"request_max_limit": 3, "request_reset_duration": "1d",
            "token_max_limit": 100_000, "token_reset_duration": "1d"},
    });
    key(&gateway, "vk-cache", limits).await;
    let body = question("When are you open?");
    for _ in 0..3 {
        assert_eq!(ask(&gateway, "vk-cache", &body).await.status, 200);
    }
    let read = gateway.send("GET", "/api/governance/virtual-keys/vk-cache", &[], "").await.json();
    let key = &read["virtual_key"];
    let nano = (key["budget"]["current_usage"].as_f64().unwrap() * 1e9).round() as i64;
    assert_eq!(nano, 450_000, "one answer");
    assert_eq!(key["rate_limit"]["token_current_usage"], 1500);
    assert_eq!(key["rate_limit"]["request_current_usage"], 3, "hits count as requests");
    let refused = ask(&gateway, "vk-cache", &body).await;
    assert_eq!(refused.status, 429, "over its limit even a known answer is refused");
    let metrics = gateway.send("GET", "/metrics", &[], "").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let sum = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    assert_eq!(sum("bifrost_cache_hits_total"), 2.0);
    assert!(metrics.contains(r#"cache_type="direct""#));
    assert_eq!(sum("bifrost_upstream_requests_total"), 1.0);
    assert_eq!(sum("bifrost_input_tokens_total"), 1000.0);
    let status = gateway.send("GET", "/api/cache", &[], "").await.json();
    assert_eq!((&status["exact_hits"], &status["misses"]), (&json!(2), &json!(1)));
    assert_eq!((status["saved_cost"].as_f64().unwrap() * 1e9).round(), 900_000.0);
    gateway.stop().await;
}

#[tokio::test]
async fn entries_are_shown_and_cleared() {
    let gateway = Gateway::start().await;
    for id in ["vk-a", "vk-b"] {
        key(&gateway, id, json!({})).await;
    }
    let body = question("When are you open?");
    let fill = async || {
        ask(&gateway, "vk-a", &body).await;
        ask(&gateway, "vk-b", &body).await;
    };
    fill().await;
    let hit = ask(&gateway, "vk-a", &body).await.json();
    let id = hit["extra_fields"]["cache_debug"]["cache_id"].as_str().unwrap().to_owned();
    let shown = gateway.send("GET", &format!("/api/cache/entries/{id}"), &[], "").await.json();
    assert_eq!(shown["scope"], "virtual_key:vk-a");
    assert_eq!(shown["question"], "When are you open?");
    let clear = async |path: &str| {
        let answer = gateway.send("DELETE", &format!("/api/cache/{path}"), &[], "").await;
        (answer.status, answer.json()["removed"].clone())
    };
    assert_eq!(clear(&format!("clear/{id}")).await, (200, json!(1)));
    assert_eq!(clear(&format!("clear/{id}")).await, (200, json!(0)));
    assert_eq!(clear("clear/nonsense").await.0, 400);
    fill().await;
    assert_eq!(clear("clear-by-scope/virtual_key:vk-b").await, (200, json!(1)));
    fill().await;
    assert_eq!(clear("clear").await, (200, json!(2)));
    let named = [("x-bf-vk", "vk-a"), ("x-bf-cache-key", "one")];
    gateway.send("POST", PATH, &named, body.to_string()).await;
    fill().await;
    assert_eq!(clear("clear-by-key/one").await, (200, json!(1)));
    let status = gateway.send("GET", "/api/cache", &[], "").await.json();
    assert_eq!((&status["entries"], &status["store"]), (&json!(2), &json!("memory")));
    gateway.stop().await;
}

#[tokio::test]
async fn the_plugin_is_configured_through_the_api() {
    let gateway = Gateway::start().await;
    let put = async |body: Value| {
        gateway.send("PUT", "/api/plugins/semantic_cache", &[], body.to_string()).await
    };
    let wrong = put(json!({"config": {"threshold": 2, "colour": "red"}})).await;
    assert_eq!(wrong.status, 400);
    let message = wrong.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("config.threshold") && message.contains("config.colour"), "{message}");
    assert_eq!(put(json!({"config": {"default_cache_key": "all", "ttl": 60}})).await.status, 200);
    let shown = gateway.send("GET", "/api/plugins/semantic_cache", &[], "").await.json();
    assert_eq!((&shown["enabled"], &shown["config"]["ttl"]), (&json!(true), &json!(60)));
    let body = question("When are you open?");
    for _ in 0..2 {
        gateway.chat(body.to_string()).await;
    }
    assert_eq!(asked(&gateway), 1, "a default key makes it apply without a header");
    assert_eq!(put(json!({"enabled": false})).await.status, 200);
    gateway.chat(body.to_string()).await;
    assert_eq!(asked(&gateway), 2);
    let list = gateway.send("GET", "/api/plugins", &[], "").await.json();
    assert_eq!(list["count"], 4);
    let built_in = gateway.send("PUT", "/api/plugins/governance", &[], "{}").await;
    assert_eq!(built_in.status, 409);
    assert_eq!(gateway.send("GET", "/api/plugins/nonsense", &[], "").await.status, 404);
    gateway.stop().await;
}
