//! Every time-out of a provider, each alone.

use crate::support::{Answer, Gateway};
use mock_provider::Rule;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ASK: &str = r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;

fn stream() -> String {
    ASK.replacen('{', r#"{"stream":true,"#, 1)
}

async fn timed(gateway: &Gateway, body: String) -> (Answer, Duration) {
    let started = Instant::now();
    let answer = gateway.chat(body).await;
    (answer, started.elapsed())
}

/// A refusal after a second that says what did not come.
async fn times_out(gateway: &Gateway, body: String, words: &str) {
    let (answer, after) = timed(gateway, body).await;
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["code"]), (504, &json!("request_timed_out")), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(words) && message.ends_with("within 1 s"), "{message}");
    assert!((900..3000).contains(&after.as_millis()), "{after:?}");
}

#[tokio::test]
async fn connecting_has_its_own() {
    let gateway = Gateway::start().await;
    // A listener whose queue is full and that accepts nobody lets a connection wait for ever.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let waiting: Vec<_> = (0..4)
        .filter_map(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
        })
        .collect();
    let body = json!({
        "keys": [{"name": "openai-1", "value": "sk-1", "weight": 1}],
        "network_config": {
            "base_url": format!("http://{address}"),
            "connect_timeout_in_seconds": 1,
            "default_request_timeout_in_seconds": 20,
        },
        "concurrency_and_buffer_size": {"concurrency": 10, "buffer_size": 10},
    });
    gateway.send("PUT", "/api/providers/openai", &[], body.to_string()).await;
    times_out(&gateway, ASK.to_owned(), "no connection").await;
    drop(waiting);
    gateway.stop().await;
}

#[tokio::test]
async fn headers_and_the_whole_answer_have_theirs() {
    let gateway = Gateway::start().await;
    let network = json!({"default_request_timeout_in_seconds": 20, "header_timeout_in_seconds": 1});
    gateway.provider("openai", network).await;
    gateway.mock.script(Rule::for_provider("openai").never_answer());
    times_out(&gateway, ASK.to_owned(), "no answer").await;
    times_out(&gateway, stream(), "no answer").await;
    // The headers come at once, the end of the body does not.
    let network = json!({"default_request_timeout_in_seconds": 20, "total_timeout_in_seconds": 1});
    gateway.provider("openai", network).await;
    gateway.mock.clear();
    let slow = Rule::for_provider("openai").content_type("text/event-stream");
    let body = "{\"choices\":[],\n\n\"usage\":null}";
    gateway.mock.script(slow.body(body).delay_first_token_ms(0).delay_between_ms(5000));
    times_out(&gateway, ASK.to_owned(), "no complete answer").await;
    gateway.stop().await;
}

#[tokio::test]
async fn headers_wait_no_longer_than_the_answer_may_take() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::for_provider("openai").never_answer());
    let network = json!({"header_timeout_in_seconds": 20, "total_timeout_in_seconds": 1});
    gateway.provider("openai", network).await;
    times_out(&gateway, ASK.to_owned(), "no complete answer").await;
    let network = json!({"header_timeout_in_seconds": 20, "first_token_timeout_in_seconds": 1});
    gateway.provider("openai", network).await;
    times_out(&gateway, stream(), "no content").await;
    let network = json!({"header_timeout_in_seconds": 20, "stream_total_timeout_in_seconds": 1});
    gateway.provider("openai", network).await;
    times_out(&gateway, stream(), "no complete stream").await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_error_that_comes_late_to_a_stream_is_still_read() {
    let gateway = Gateway::start().await;
    let network = json!({"total_timeout_in_seconds": 1, "first_token_timeout_in_seconds": 20});
    gateway.provider("openai", network).await;
    let body = json!({"error": {"message": "no such voice", "type": "invalid_request_error"}});
    let rule = Rule::for_provider("openai").status(400).body(body);
    gateway.mock.script(rule.delay_headers_ms(1500));
    let answer = gateway.chat(stream()).await;
    assert_eq!((answer.status, &answer.json()["error"]["message"]), (400, &json!("no such voice")));
    gateway.stop().await;
}

/// Lets one request at a time to openai.
async fn one_place(gateway: &Gateway, mut network: Value) {
    network["base_url"] = json!(gateway.mock.url_for("openai"));
    let body = json!({
        "keys": [{"name": "openai-1", "value": "sk-1", "weight": 1}],
        "network_config": network,
        "concurrency_and_buffer_size": {"concurrency": 1, "buffer_size": 10},
    });
    let answer = gateway.send("PUT", "/api/providers/openai", &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}

#[tokio::test]
async fn a_place_at_a_provider_is_not_awaited_for_ever() {
    let gateway = Gateway::start().await;
    one_place(&gateway, json!({"header_timeout_in_seconds": 1})).await;
    gateway.mock.script(Rule::for_provider("openai").words(60).delay_between_ms(50));
    let second = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        timed(&gateway, ASK.to_owned()).await
    };
    let (first, (second, after)) = tokio::join!(gateway.chat(stream()), second);
    assert!(first.chunks().1, "the first one was served");
    let error = &second.json()["error"];
    assert_eq!((second.status, &error["code"]), (503, &json!("queue_full")), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("none of the 1 places at openai came free within 1 s"), "{message}");
    assert!((900..2000).contains(&after.as_millis()), "{after:?}");
    // Who waited has left the queue, and the place is free again.
    gateway.mock.clear();
    assert_eq!(gateway.chat(ASK).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_awaits_its_place_for_as_long_as_its_headers() {
    let gateway = Gateway::start().await;
    // Twice as long for a stream.
    one_place(&gateway, json!({"default_request_timeout_in_seconds": 2})).await;
    gateway.mock.script(Rule::for_provider("openai").words(60).delay_between_ms(50));
    let second = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        gateway.mock.clear();
        timed(&gateway, stream()).await
    };
    let (first, (second, after)) = tokio::join!(gateway.chat(stream()), second);
    assert!(first.chunks().1 && second.chunks().1, "{:?}", second.body);
    assert!(after > Duration::from_secs(2), "{after:?}");
    // The whole of an answer may take less than its headers alone.
    let network = json!({"header_timeout_in_seconds": 20, "total_timeout_in_seconds": 1});
    one_place(&gateway, network).await;
    gateway.mock.script(Rule::for_provider("openai").words(60).delay_between_ms(50));
    let second = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        timed(&gateway, ASK.to_owned()).await
    };
    let (_, (second, after)) = tokio::join!(gateway.chat(stream()), second);
    assert_eq!(second.status, 503, "{:?}", second.body);
    assert!((900..2000).contains(&after.as_millis()), "{after:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_first_token_has_its_own() {
    let gateway = Gateway::start().await;
    let network =
        json!({"default_request_timeout_in_seconds": 20, "first_token_timeout_in_seconds": 1});
    gateway.provider("openai", network).await;
    gateway.mock.script(Rule::for_provider("openai").delay_first_token_ms(5000));
    times_out(&gateway, stream(), "no content").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_ends_in_an_error() {
    let gateway = Gateway::start().await;
    gateway.provider("openai", json!({"stream_idle_timeout_in_seconds": 1})).await;
    gateway.mock.script(Rule::for_provider("openai").words(3).delay_between_ms(5000));
    let (answer, after) = timed(&gateway, stream()).await;
    let (chunks, done) = answer.chunks();
    assert_eq!((answer.status, done), (200, false));
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["delta"]["content"] == "the"));
    assert_eq!(chunks.last().unwrap()["error"]["code"], "request_timed_out");
    assert!((900..4000).contains(&after.as_millis()), "{after:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_as_a_whole_has_one_only_if_it_is_set() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::for_provider("openai").words(15).delay_between_ms(200));
    gateway.provider("openai", json!({"default_request_timeout_in_seconds": 1})).await;
    let (chunks, done) = gateway.chat(stream()).await.chunks();
    assert!(done, "{:?}", chunks.last());
    gateway.provider("openai", json!({"stream_total_timeout_in_seconds": 1})).await;
    let (answer, after) = timed(&gateway, stream()).await;
    let (chunks, done) = answer.chunks();
    assert!(!done && chunks.len() > 3);
    let error = &chunks.last().unwrap()["error"];
    assert_eq!(error["code"], "request_timed_out");
    assert!(
        error["message"].as_str().unwrap().contains("no complete stream within 1 s"),
        "{error}"
    );
    assert!((900..2500).contains(&after.as_millis()), "{after:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_waits_long_gets_a_sign_of_life() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::for_provider("openai").words(2).delay_between_ms(15_500));
    let answer = gateway.chat(stream()).await;
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert_eq!(text.matches(": keep-alive\n\n").count(), 1, "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_idle_client_is_kept_and_a_half_sent_head_is_not() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let gateway = Gateway::start().await;
    let address = gateway.url().strip_prefix("http://").unwrap().to_owned();
    let mut idle = tokio::net::TcpStream::connect(&address).await.unwrap();
    let mut half = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nhost: gateway\r\n\r\n";
    let mut buffer = [0; 4096];
    let started = Instant::now();
    half.write_all(b"GET /livez HT").await.unwrap();
    for _ in 0..2 {
        idle.write_all(request).await.unwrap();
        let length = idle.read(&mut buffer).await.unwrap();
        assert!(
            buffer[..length].starts_with(b"HTTP/1.1 200"),
            "closed after {:?}",
            started.elapsed()
        );
        if started.elapsed() < Duration::from_secs(30) {
            assert!(matches!(half.read(&mut buffer).await, Ok(0) | Err(_)));
            assert!((29..35).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }
    gateway.stop().await;
}
