//! A client that goes away stops the provider, and pays for what it had got.

use crate::support::Gateway;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mock_provider::Rule;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollbridge::server::Patience;

const STREAM: &str =
    r#"{"model":"openai/gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

async fn in_flight(gateway: &Gateway) -> u64 {
    let overview = gateway.send("GET", "/api/overview", &[], "").await.json();
    let providers = overview["providers"].as_array().unwrap();
    let openai = providers.iter().find(|provider| provider["name"] == "openai").unwrap();
    openai["in_flight"].as_u64().unwrap()
}

#[tokio::test]
async fn a_client_that_stops_reading_gives_its_place_back() {
    // Ten times a pause of the reader: on a busy machine that may take a while longer.
    let patience = Patience { write: Duration::from_secs(1), ..Patience::default() };
    let gateway = Gateway::start_with(patience).await;
    // More than the sockets between hold.
    gateway.mock.script(Rule::default().words(200_000).delay_first_token_ms(0).delay_between_ms(0));
    let address = gateway.url().strip_prefix("http://").unwrap().to_owned();
    let mut client = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: ";
    let request = format!("{head}{}\r\n\r\n{STREAM}", STREAM.len());
    client.write_all(request.as_bytes()).await.unwrap();
    // As long as it reads, slowly as it may be, it is served.
    let mut buffer = vec![0; 200_000];
    for _ in 0..10 {
        assert!(client.read(&mut buffer).await.unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(in_flight(&gateway).await, 1);
    let mut aborted = false;
    for _ in 0..500 {
        aborted = gateway.mock.received().iter().any(|request| request.aborted);
        if aborted && in_flight(&gateway).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(aborted, "the provider went on talking to nobody");
    assert_eq!(in_flight(&gateway).await, 0);
    assert_eq!(gateway.rows(1).await[0]["status"], "error");
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_over_http2_that_is_not_read_gives_its_place_back() {
    let patience = Patience { write: Duration::from_millis(500), ..Patience::default() };
    let gateway = Gateway::start_with(patience).await;
    gateway.mock.script(Rule::default().words(200_000).delay_first_token_ms(0).delay_between_ms(0));
    let address = gateway.url().strip_prefix("http://").unwrap();
    let socket = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let window = 65_535;
    let (mut client, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(socket)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let url = format!("{}/v1/chat/completions", gateway.url());
    let ask = |body: String| Request::post(&url).body(Full::new(Bytes::from(body))).unwrap();
    let mut unread = client.send_request(ask(STREAM.to_owned())).await.unwrap().into_body();
    // As long as it reads, slowly as it may be, it is served.
    for _ in 0..10 {
        let mut read = 0;
        while read < window as usize {
            read += unread.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(in_flight(&gateway).await, 1);
    let mut aborted = false;
    for _ in 0..500 {
        aborted = gateway.mock.received().iter().any(|request| request.aborted);
        if aborted && in_flight(&gateway).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(aborted, "the provider went on talking to nobody");
    assert_eq!(in_flight(&gateway).await, 0);
    assert_eq!(gateway.rows(1).await[0]["status"], "error");

    // The connection's other streams are served, and a provider's pause is not the client's.
    gateway.mock.clear();
    gateway.mock.script(Rule::default().words(3).delay_between_ms(800));
    let other = client.send_request(ask(STREAM.to_owned())).await.unwrap();
    let other = other.into_body().collect().await.unwrap().to_bytes();
    assert!(other.ends_with(b"data: [DONE]\n\n"), "{other:?}");
    // Who reads on after all is told that something is missing.
    let mut last = None;
    while let Some(frame) = unread.frame().await {
        last = Some(frame.is_ok());
        if last == Some(false) {
            break;
        }
    }
    assert_eq!(last, Some(false));
    connection.abort();
    gateway.stop().await;
}

#[tokio::test]
async fn leaving_a_stream_cancels_the_upstream_and_is_charged() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::default().words(200).delay_between_ms(20));
    let body = json!({
        "rate_limit": {"token_max_limit": 100_000, "token_reset_duration": "1h"},
        "provider_configs": [{"provider": "openai"}],
    });
    gateway.send("PUT", "/api/governance/virtual-keys/vk-leaver", &[], body.to_string()).await;
    let ask = json!({"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let key = [("authorization", "Bearer vk-leaver")];
    gateway.leave_after_first_piece(&key, ask.to_string()).await;

    let mut aborted = false;
    let mut used = 0;
    for _ in 0..100 {
        aborted = gateway.mock.received().iter().any(|request| request.aborted);
        let path = "/api/governance/virtual-keys/vk-leaver";
        let read = gateway.send("GET", path, &[], "").await.json();
        used = read["virtual_key"]["rate_limit"]["token_current_usage"].as_i64().unwrap();
        if aborted && used > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(aborted, "the provider went on talking to nobody");
    assert!(used > 0, "what the client had got was not charged");
    let rows = gateway.rows(1).await;
    assert_eq!(rows[0]["status"], "error", "{rows:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn leaving_before_an_answer_is_written_down() {
    let gateway = Gateway::start().await;
    gateway.mock.script(Rule::default().delay_headers_ms(10_000));
    let ask =
        json!({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    let asking = gateway.chat(ask.to_string());
    assert!(tokio::time::timeout(Duration::from_millis(300), asking).await.is_err());
    let row = gateway.rows(1).await.remove(0);
    assert_eq!(row["provider"], "openai", "{row}");
    assert_eq!(row["attempts"][0]["status"], 499, "{row}");
    assert!(row["attempts"][0]["latency_ms"].as_f64().unwrap() > 100.0, "{row}");
    gateway.stop().await;
}
