//! Another key, another try, another provider.

use crate::support::Gateway;
use mock_provider::Rule;
use serde_json::json;

const ASK: &str = r#"{"model":"openai/gpt-4o-mini","fallbacks":["anthropic/claude-haiku-4-5"],"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn a_stream_that_fails_before_its_first_content_moves_on() {
    let gateway = Gateway::start().await;
    let ask = ASK.replacen('{', r#"{"stream":true,"#, 1);
    for rule in [
        Rule::for_provider("openai").status(503),
        Rule::for_provider("openai").stream_error_after_events(0),
        Rule::for_provider("openai").cut_after_events(1),
    ] {
        gateway.mock.clear();
        gateway.mock.script(rule);
        let answer = gateway.chat(ask.clone()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.header("x-tollbridge-provider"), "anthropic");
        assert_eq!(answer.header("x-tollbridge-attempts"), "2");
        let (chunks, done) = answer.chunks();
        assert!(done);
        let text: String =
            chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
        assert!(text.starts_with("Hello from anthropic"), "{text}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_that_is_limited_rests_for_everybody() {
    let gateway = Gateway::start().await;
    let body = json!({
        "keys": [{"name": "a", "value": "sk-a", "weight": 1}, {"name": "b", "value": "sk-b", "weight": 1}],
        "network_config": {"base_url": gateway.mock.url_for("openai")},
        "concurrency_and_buffer_size": {"concurrency": 10, "buffer_size": 10},
    });
    gateway.send("PUT", "/api/providers/openai", &[], body.to_string()).await;
    gateway
        .mock
        .script(Rule::for_provider("openai").when_key("sk-a").status(429).retry_after(60.0));
    for _ in 0..40 {
        let answer = gateway.chat(ASK).await;
        assert_eq!((answer.status, answer.header("x-tollbridge-key")), (200, "b"));
    }
    let asked = gateway.mock.received().iter().filter(|request| request.key == "sk-a").count();
    assert_eq!(asked, 1, "the limited key was asked again before its time");
    gateway.stop().await;
}

#[tokio::test]
async fn when_everybody_rests_the_client_is_told_how_long() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::for_provider("openai").status(429).retry_after(30.0));
    let ask = r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..2 {
        let answer = gateway.chat(ask).await;
        assert_eq!(answer.status, 429);
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((29..=30).contains(&wait), "{wait}");
    }
    assert_eq!(gateway.mock.received().len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again() {
    let gateway = Gateway::start().await;
    gateway
        .provider(
            "openai",
            json!({"max_retries": 2, "retry_backoff_initial": 100, "retry_backoff_max": 100}),
        )
        .await;
    gateway.mock.script(Rule::for_provider("openai").status(500).times(2));
    let answer = gateway.chat(ASK).await;
    assert_eq!(answer.header("x-tollbridge-provider"), "openai");
    assert_eq!(answer.header("x-tollbridge-attempts"), "3");
    gateway.stop().await;
}

#[tokio::test]
async fn a_provider_that_rests_is_passed_over_and_that_is_a_failover_too() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::for_provider("openai").status(429).retry_after(60.0));
    let mut decision = String::new();
    for attempts in ["2", "1", "1", "1", "1"] {
        let answer = gateway.chat(ASK).await;
        assert_eq!(answer.header("x-tollbridge-provider"), "anthropic");
        assert_eq!(answer.header("x-tollbridge-attempts"), attempts);
        answer.header("x-tollbridge-decision-id").clone_into(&mut decision);
    }
    let metrics = gateway.send("GET", "/metrics", &[], "").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let failovers = r#"bifrost_failover_total{from_provider="openai",to_provider="anthropic"} 5"#;
    assert!(metrics.contains(failovers), "{metrics}");
    let asked: f64 = metrics
        .lines()
        .filter(|line| line.starts_with("bifrost_upstream_requests_total{"))
        .filter(|line| line.contains(r#"provider="openai""#))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(asked, 1.0, "openai was asked once");
    let decision =
        gateway.send("GET", &format!("/api/route/decisions/{decision}"), &[], "").await.json();
    let left_out = &decision["left_out"][0];
    assert_eq!(left_out["provider"], "openai", "{decision}");
    assert!(left_out["reason"].as_str().unwrap().contains("resting after a rate limit"));
    gateway.stop().await;
}

#[tokio::test]
async fn keys_that_were_refused_say_so_while_they_rest_and_new_ones_do_not_rest() {
    let gateway = Gateway::start().await;
    let put = |values: [&str; 2]| {
        json!({
            "keys": [
                {"id": "a", "name": "a", "value": values[0], "weight": 1},
                {"id": "b", "name": "b", "value": values[1], "weight": 1},
            ],
            "network_config": {"base_url": gateway.mock.url_for("openai")},
        })
        .to_string()
    };
    gateway.send("PUT", "/api/providers/openai", &[], put(["sk-a", "sk-b"])).await;
    gateway.mock.script(Rule::for_key("sk-a").status(401));
    gateway.mock.script(Rule::for_key("sk-b").status(401));
    let ask = r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..2 {
        assert_eq!(gateway.chat(ask).await.status, 401);
    }
    assert_eq!(gateway.mock.received().len(), 2, "refused keys were asked again at once");
    gateway.send("PUT", "/api/providers/openai", &[], put(["sk-c", "sk-d"])).await;
    assert_eq!(gateway.chat(ask).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error() {
    let gateway = Gateway::start().await;
    let error = json!({"error": {"message": "Rate limit exceeded", "code": 429}});
    gateway.mock.script(Rule::for_provider("openai").body(error));
    let answer = gateway.chat(ASK).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header("x-tollbridge-provider"), "anthropic");
    gateway.stop().await;
}

#[tokio::test]
async fn who_is_turned_away_at_the_door_is_counted() {
    let gateway = Gateway::start().await;
    let before = gateway.send("GET", "/api/overview", &[], "").await.json();
    let key = [("authorization", "Bearer sk-bf-unknown")];
    assert_eq!(gateway.send("POST", "/v1/chat/completions", &key, ASK).await.status, 401);
    let after = gateway.send("GET", "/api/overview", &[], "").await.json();
    let requests = |overview: &serde_json::Value| overview["totals"]["requests"].as_u64().unwrap();
    assert_eq!(requests(&after), requests(&before) + 1, "{after}");
    gateway.stop().await;
}
