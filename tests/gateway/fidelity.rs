//! Same format in and out: the provider gets the client's own bytes.

use crate::support::Gateway;
use bytes::Bytes;

/// Bodies whose spelling must survive, with what the provider is to receive. `@` stands for the
/// model as the client names it and as the provider gets it.
fn corpus() -> Vec<(String, String)> {
    let same = |text: &str| (text.to_owned(), text.to_owned());
    let deep = format!("{}1{}", "{\"a\":[".repeat(20), "]}".repeat(20));
    vec![
        same(r#"{"model":"@","messages":[{"role":"user","content":"hi"}]}"#),
        same(r#"{ "messages" : [ { "content" : "hi" , "role" : "user" } ] , "model" : "@" }"#),
        same(r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"vendor_field":{"b":1,"a":[null,true,{}]},"temperature":1E-1,"top_p":1.0,"seed":12345678901234567890,"x":-0.0,"y":1e+30}"#),
        same("{\"model\":\"@\",\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9é \\ud83d\\ude00😀 \\/ \\\\ \\u0000 \\\"\"}]}"),
        same("{\n\t\"model\": \"@\",\r\n\t\"messages\": [{\"role\": \"user\", \"content\": \"line\\nbreak\"}]\n}\n"),
        same(&format!(r#"{{"model":"@","messages":[{{"role":"user","content":"hi"}}],"metadata":{deep}}}"#)),
        same(r#"{"model":"@","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],"cache_control":{"type":"ephemeral"}}"#),
        (
            r#"{"fallbacks":["anthropic/claude-haiku-4-5"],"model":"@","messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"@","messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
        ),
        (
            r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"fallbacks":[],"n":1}"#.to_owned(),
            r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"n":1}"#.to_owned(),
        ),
    ]
}

#[tokio::test]
async fn a_request_reaches_the_provider_byte_for_byte() {
    let gateway = Gateway::start().await;
    for (sent, expected) in corpus() {
        gateway.mock.clear();
        let answer = gateway.chat(sent.replace('@', "openai/gpt-4o-mini")).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let received = gateway.mock.received();
        let expected = expected.replace('@', "gpt-4o-mini");
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].body, Bytes::from(expected));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_is_asked_for_usage_and_nothing_else_changes() {
    let gateway = Gateway::start().await;
    let sent = r#"{"model":"openai/gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}],"z":1.50}"#;
    let answer = gateway.chat(sent).await;
    let received = gateway.mock.received();
    let expected = r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}],"z":1.50,"stream_options":{"include_usage":true}}"#;
    assert_eq!(received[0].body, Bytes::from(expected));
    let (chunks, done) = answer.chunks();
    assert!(done);
    assert!(chunks.iter().all(|chunk| chunk["choices"][0].is_object()), "no usage chunk");
    let extra = &chunks.last().unwrap()["extra_fields"];
    assert_eq!(extra["provider"], "openai");
    assert!(extra["cost"].as_f64().unwrap() > 0.0);
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_comes_back_as_the_provider_wrote_it() {
    let gateway = Gateway::start().await;
    let body = "{ \"id\":\"x\",\"choices\":[ ],\"odd\":1.50e0, \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5} }";
    let rule = mock_provider::Rule::for_provider("openai").body(body);
    gateway.mock.script(rule);
    let answer = gateway
        .chat(r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#)
        .await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let prefix = "{ \"id\":\"x\",\"choices\":[ ],\"odd\":1.50e0, \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5} ,\"extra_fields\":{";
    assert!(text.starts_with(prefix), "{text}");
    gateway.stop().await;
}
