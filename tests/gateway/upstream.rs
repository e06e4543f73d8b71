//! What crosses the gateway on its way to a provider, and what happens to the connection.

use crate::support::Gateway;
use mock_provider::Rule;
use serde_json::{Value, json};

const ASK: &str = r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;

fn sent(gateway: &Gateway, name: &str) -> Option<String> {
    let received = gateway.mock.received();
    let value = received.last().unwrap().headers.get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn only_the_apis_own_headers_reach_a_provider() {
    let gateway = Gateway::start().await;
    let pass = [
        ("openai-beta", "assistants=v2"),
        ("x-stainless-lang", "python"),
        ("user-agent", "OpenAI/Python 2.0"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=b"),
        ("idempotency-key", "once"),
        ("x-bf-eh-x-team", "blue"),
    ];
    let stay = [
        ("x-vault-token", "hvs.secret"),
        ("x-auth-token", "secret"),
        ("baggage", "user=alice"),
        ("cookie", "session=1"),
        ("x-custom", "1"),
        ("x-bf-eh-x-api-key", "sk-other"),
        ("x-bf-eh-x-bf-vk", "sk-bf-1"),
    ];
    let all: Vec<_> = pass.iter().chain(&stay).copied().collect();
    assert_eq!(gateway.send("POST", "/v1/chat/completions", &all, ASK).await.status, 200);
    for (name, value) in pass {
        let name = name.strip_prefix("x-bf-eh-").unwrap_or(name);
        assert_eq!(sent(&gateway, name).as_deref(), Some(value), "{name}");
    }
    for (name, _) in stay {
        assert_eq!(sent(&gateway, name), None, "{name}");
        let name = name.strip_prefix("x-bf-eh-").unwrap_or(name);
        assert_eq!(sent(&gateway, name), None, "{name}");
    }
    // A provider that speaks another format gets the trace and nothing of OpenAI's.
    let other = ASK.replace("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5");
    assert_eq!(gateway.send("POST", "/v1/chat/completions", &all, other).await.status, 200);
    assert!(sent(&gateway, "traceparent").is_some() && sent(&gateway, "openai-beta").is_none());
    gateway.stop().await;
}

#[tokio::test]
async fn the_header_filter_adds_and_takes_away() {
    let gateway = Gateway::start().await;
    let filter = json!({"allowlist": ["X-Team", "x-ok-*"], "denylist": ["x-ok-not", "user-agent"]});
    let config = json!({"client_config": {"header_filter_config": filter}});
    let answer = gateway.send("PUT", "/api/config", &[], config.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let headers = [
        ("x-team", "blue"),
        ("x-ok-1", "a"),
        ("x-ok-not", "b"),
        ("user-agent", "c"),
        ("x-bf-eh-x-ok-2", "d"),
        ("x-bf-eh-x-other", "e"),
        ("openai-organization", "org"),
    ];
    assert_eq!(gateway.send("POST", "/v1/chat/completions", &headers, ASK).await.status, 200);
    for (name, value) in [
        ("x-team", Some("blue")),
        ("x-ok-1", Some("a")),
        ("x-ok-2", Some("d")),
        ("openai-organization", Some("org")),
        ("x-ok-not", None),
        ("x-other", None),
        ("user-agent", None),
    ] {
        assert_eq!(sent(&gateway, name).as_deref(), value, "{name}");
    }
    let wrong = json!({"client_config": {"header_filter_config": {"allowlist": ["no header"]}}});
    let answer = gateway.send("PUT", "/api/config", &[], wrong.to_string()).await;
    assert_eq!(answer.status, 400);
    let text = answer.json().to_string();
    assert!(text.contains("header_filter_config.allowlist[0]"), "{text}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_that_leads_to_itself_says_so() {
    let gateway = Gateway::start().await;
    let body = json!({
        "keys": [{"name": "self-1", "value": "sk-1", "weight": 1}],
        "network_config": {"base_url": gateway.url(), "max_retries": 3},
        "custom_provider_config": {"base_provider_type": "openai"},
        "concurrency_and_buffer_size": {"concurrency": 100, "buffer_size": 100},
    });
    assert_eq!(gateway.send("PUT", "/api/providers/self", &[], body.to_string()).await.status, 200);
    let answer = gateway.chat(ASK.replace("openai/gpt-4o-mini", "self/self/self/m")).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (508, &json!("loop_detected")));
    assert_eq!(answer.header("x-tollbridge-attempts"), "1");
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_that_died_unseen_costs_no_answer() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.chat(ASK).await.status, 200);
    // The provider closes the connection on which the next request has just been sent.
    gateway.mock.script(Rule::for_provider("openai").close_before_headers().times(1));
    let answer = gateway.chat(ASK).await;
    assert_eq!((answer.status, answer.header("x-tollbridge-attempts")), (200, "1"));
    assert_eq!(gateway.mock.received().len(), 3);
    // Once: a provider that always hangs up has failed.
    gateway.mock.script(Rule::for_provider("openai").close_before_headers());
    assert_eq!(gateway.chat(ASK).await.status, 502);
    assert_eq!(gateway.mock.received().len(), 5);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_that_was_worked_on_is_not_sent_again_in_silence() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.chat(ASK).await.status, 200);
    // The provider works for a while and hangs up then, as one does that crashes.
    let rule = Rule::for_provider("openai").delay_headers_ms(1300).close_before_headers();
    gateway.mock.script(rule.times(1));
    let answer = gateway.chat(ASK).await;
    assert_eq!((answer.status, answer.header("x-tollbridge-attempts")), (502, "1"));
    assert_eq!(gateway.mock.received().len(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn an_error_keeps_the_providers_headers() {
    let gateway = Gateway::start().await;
    let rule = Rule::for_provider("openai").status(429).retry_after(7.0);
    gateway.mock.script(
        rule.header("x-should-retry", "false")
            .header("x-ratelimit-remaining-requests", "0")
            .header("x-request-id", "req_provider")
            .header("set-cookie", "a=b"),
    );
    let answer = gateway.chat(ASK).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "0");
    assert_eq!(answer.header("x-upstream-request-id"), "req_provider");
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("set-cookie"), "");
    assert_ne!(answer.header("x-request-id"), "req_provider");
    gateway.stop().await;
}

#[tokio::test]
async fn a_wait_that_is_a_date_is_obeyed() {
    let gateway = Gateway::start().await;
    let rule = Rule::for_provider("openai").status(429);
    gateway.mock.script(
        rule.header("date", "Fri, 31 Dec 1999 23:00:00 GMT")
            .header("retry-after", "Fri, 31 Dec 1999 23:00:40 GMT"),
    );
    assert_eq!(gateway.chat(ASK).await.header("retry-after"), "40");
    // The key rests: nobody asks again.
    let wait: u64 = gateway.chat(ASK).await.header("retry-after").parse().unwrap();
    assert!((38..=40).contains(&wait), "{wait}");
    assert_eq!(gateway.mock.received().len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn the_providers_own_time_outs_are_tried_again() {
    let gateway = Gateway::start().await;
    let network = json!({"max_retries": 1, "retry_backoff_initial": 100, "retry_backoff_max": 100});
    gateway.provider("openai", network).await;
    for status in [504, 408] {
        gateway.mock.clear();
        gateway.mock.script(Rule::for_provider("openai").status(status).times(1));
        let answer = gateway.chat(ASK).await;
        assert_eq!((answer.status, answer.header("x-tollbridge-attempts")), (200, "2"), "{status}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_may_name_the_key() {
    let gateway = Gateway::start().await;
    let keys = json!([
        {"id": "id-a", "name": "a", "value": "sk-a", "weight": 1},
        {"id": "id-b", "name": "b", "value": "sk-b", "weight": 0},
        {"id": "id-c", "name": "c", "value": "sk-c", "weight": 1, "models": ["another"]},
    ]);
    let body = json!({
        "keys": keys,
        "network_config": {"base_url": gateway.mock.url_for("openai")},
        "concurrency_and_buffer_size": {"concurrency": 10, "buffer_size": 10},
    });
    gateway.send("PUT", "/api/providers/openai", &[], body.to_string()).await;
    let ask = |headers: Vec<(&'static str, &'static str)>| {
        let gateway = &gateway;
        async move { gateway.send("POST", "/v1/chat/completions", &headers, ASK).await }
    };
    for _ in 0..5 {
        assert_eq!(ask(vec![("x-bf-api-key", "b")]).await.header("x-tollbridge-key"), "b");
        let both = vec![("x-bf-api-key", "b"), ("x-bf-api-key-id", "id-a")];
        assert_eq!(ask(both).await.header("x-tollbridge-key"), "a");
    }
    for wrong in ["c", "nobody"] {
        let answer = ask(vec![("x-bf-api-key", wrong)]).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("no_key")));
        assert_eq!(answer.json()["error"]["param"], "x-bf-api-key");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_shows_what_the_provider_sent() {
    let gateway = Gateway::start().await;
    for model in ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"] {
        let ask = ASK.replace("openai/gpt-4o-mini", model).replacen('{', r#"{"stream":true,"#, 1);
        let headers = [("x-bf-send-back-raw-response", "true")];
        let answer = gateway.send("POST", "/v1/chat/completions", &headers, ask.clone()).await;
        let (chunks, done) = answer.chunks();
        assert!(done);
        let raw: Vec<&str> = chunks
            .iter()
            .filter_map(|chunk| chunk["extra_fields"]["raw_response"].as_str())
            .collect();
        assert_eq!(raw.len(), chunks.len(), "{model}");
        let events = raw.iter().flat_map(|text| text.lines());
        let events: Vec<Value> = events.filter_map(|l| serde_json::from_str(l).ok()).collect();
        assert!(events.len() >= chunks.len(), "{model}");
        let plain = gateway.chat(ask).await.chunks().0;
        assert!(plain.iter().all(|chunk| chunk["extra_fields"]["raw_response"].is_null()));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_say_models_and_reasoning_in_every_spelling() {
    let gateway = Gateway::start().await;
    let body = r#"{"model":"openai%2Fgpt-4o-mini","reasoning":{"effort":"high","max_tokens":null},"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = gateway.chat(body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let received = gateway.mock.received();
    let expected = r#"{"model":"gpt-4o-mini","reasoning_effort":"high","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(std::str::from_utf8(&received.last().unwrap().body).unwrap(), expected);
    let twice = body.replacen('{', r#"{"reasoning_effort":"low","#, 1);
    let answer = gateway.chat(twice).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "reasoning_effort");
    gateway.stop().await;
}

#[tokio::test]
async fn a_cut_between_two_answers_is_no_end() {
    let gateway = Gateway::start().await;
    let ask = ASK.replacen('{', r#"{"stream":true,"n":2,"#, 1);
    let whole = gateway.chat(ask.clone()).await.chunks();
    let finishes = |chunks: &[Value]| {
        let at = |chunk: &Value| chunk["choices"][0]["finish_reason"].is_string();
        chunks.iter().position(at).unwrap()
    };
    assert!(whole.1);
    // The connection ends right behind the first answer's finish_reason.
    let rule = Rule::for_provider("openai").cut_after_events(finishes(&whole.0) + 1);
    gateway.mock.script(rule);
    let (chunks, done) = gateway.chat(ask).await.chunks();
    assert!(!done);
    assert_eq!(chunks.last().unwrap()["error"]["code"], "stream_truncated");
    gateway.stop().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_by_anybody() {
    let gateway = Gateway::start().await;
    let elsewhere = format!("{}/elsewhere/v1/chat/completions", gateway.mock.url());
    let proxy = json!({"type": "http", "url": gateway.mock.url()});
    for proxy in [json!({"type": "none"}), proxy] {
        let body = json!({
            "keys": [{"name": "openai-1", "value": "sk-1", "weight": 1}],
            "network_config": {"base_url": gateway.mock.url_for("openai")},
            "concurrency_and_buffer_size": {"concurrency": 10, "buffer_size": 10},
            "proxy_config": proxy,
        });
        let put = gateway.send("PUT", "/api/providers/openai", &[], body.to_string()).await;
        assert_eq!(put.status, 200, "{:?}", put.body);
        gateway.mock.clear();
        let rule = Rule::for_provider("openai").status(307).body("moved");
        gateway.mock.script(rule.header("location", elsewhere.clone()));
        let answer = gateway.chat(ASK).await;
        assert_eq!((answer.status, answer.header("location")), (502, ""));
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("redirect (307)"), "{message}");
        assert_eq!(gateway.mock.received().len(), 1);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_compressed_request_is_read() {
    use std::io::Write;
    let gateway = Gateway::start().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(ASK.as_bytes()).unwrap();
    let body = gzip.finish().unwrap();
    let headers = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let answer = gateway.send("POST", "/v1/chat/completions", &headers, body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let received = gateway.mock.received();
    let request = received.last().unwrap();
    assert_eq!(&request.body[..], ASK.replace("openai/", "").as_bytes());
    assert!(request.headers.get("content-encoding").is_none());
    let answer = gateway.send("POST", "/v1/chat/completions", &headers, ASK).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("invalid_encoding")));
    gateway.stop().await;
}
