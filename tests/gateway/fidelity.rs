//! Same format in and out: the provider gets the client's own bytes.

use crate::support::Gateway;
use bytes::Bytes;

/// Bodies whose spelling must survive, each with what is special about it. `@` stands for the model
/// as the client names it and as the provider gets it.
const AS_SENT: &[(&str, &str)] = &[
    ("plain", r#"{"model":"@","messages":[{"role":"user","content":"hi"}]}"#),
    (
        "white space",
        r#"{ "messages" : [ { "content" : "hi" , "role" : "user" } ] , "model" : "@" }"#,
    ),
    (
        "lines and tabs",
        "{\n\t\"model\": \"@\",\r\n\t\"messages\": [{\"role\": \"user\", \"content\": \"line\\nbreak\"}]\n}\n",
    ),
    (
        "white space before and after",
        " \r\n\t{\"model\":\"@\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n\n \t",
    ),
    (
        "white space around every sign",
        "{\n\"model\"\t:\r\n\"@\"\n,\n\"messages\" :\n[\n{\t\"role\"\n:\"user\" ,\"content\" : \"hi\"}\n]\n,\"x\"\n:\n[ ]\n}",
    ),
    (
        "model last",
        r#"{"messages":[{"role":"user","content":"hi"}],"temperature":0.10,"model":"@"}"#,
    ),
    (
        "model between",
        r#"{"temperature":0,"model":"@","messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (
        "model inside of others",
        r#"{"metadata":{"model":"openai/gpt-4o-mini","fallbacks":["x/y"]},"model":"@","messages":[{"role":"user","content":"{\"model\":\"openai/gpt-4o-mini\"}","model":"openai/gpt-4o-mini"}]}"#,
    ),
    (
        "escaped key",
        r#"{"mod\u0065l":"@","m\u0065ssages":[{"r\u006fle":"user","content":"hi"}],"\u0078":1}"#,
    ),
    (
        "unknown fields",
        r#"{"model":"@","messages":[{"role":"user","content":"hi","vendor":{"deep":[1]}}],"vendor_field":{"b":1,"a":[null,true,{}]},"":0,"Model":"other","MODEL":1}"#,
    ),
    (
        "numbers",
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"temperature":1E-1,"top_p":1.0,"seed":12345678901234567890,"x":[-0.0,1e+30,1e2,1E+02,-0,0.10,1.0e-7,123456789012345678901234567890,0.1000000000000000055511151231257827,1e308,-1E-400]}"#,
    ),
    (
        "a bound with an exponent",
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"max_tokens":1e2}"#,
    ),
    (
        "escapes",
        "{\"model\":\"@\",\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9é \\ud83d\\ude00😀 \\/ \\\\ \\u0000 \\\" \\b\\f\\n\\r\\t \\u2028 \\uD83D\\uDE00 \\u007f\"}]}",
    ),
    (
        "scripts",
        "{\"model\":\"@\",\"messages\":[{\"role\":\"user\",\"content\":\"日本語 עברית العربية ไทย\"}],\"clé\":\"ü\",\"鍵\":\"値\"}",
    ),
    (
        "marks and joiners",
        "{\"model\":\"@\",\"messages\":[{\"role\":\"user\",\"content\":\"e\u{301} \u{e9} 👩\u{200d}👩\u{200d}👧 🇳🇴 \u{202e}x\u{202c} \u{2028}\u{2029} \u{feff} \u{7f}\u{10ffff}\"}]}",
    ),
    (
        "empty things",
        r#"{"model":"@","messages":[{"role":"user","content":"","parts":[],"more":{}}],"a":[],"b":{},"c":"","d":[[],{}],"e":{"":[]}}"#,
    ),
    (
        "nulls",
        r#"{"model":"@","messages":[{"role":"user","content":"hi","name":null}],"temperature":null,"stream":null,"stream_options":null,"tools":null,"max_tokens":null}"#,
    ),
    (
        "twice the same unknown key",
        r#"{"model":"@","messages":[{"role":"user","content":"hi","content":"ho"}],"x":1,"x":2,"\u0078":3}"#,
    ),
    (
        "cache markers",
        r#"{"model":"@","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],"cache_control":{"type":"ephemeral"}}"#,
    ),
    (
        "tools",
        r#"{"model":"@","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\": 1.50, \"y\":\"\\u00e9\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"{ }"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"z":{"type":"number","minimum":0.0},"a":{"type":"string"}},"required":["z","a"]},"strict":true}},{"type":"custom","custom":{"name":"g"}}],"tool_choice":"required","parallel_tool_calls":false}"#,
    ),
    (
        "a schema",
        r##"{"model":"@","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"b":{"type":"integer","maximum":1e3},"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":["string","null"]}},"additionalProperties":false},"strict":true}}}"##,
    ),
    (
        "images",
        r#"{"model":"@","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,iVBORw0KGgo=","detail":"high"}},{"type":"image_url","image_url":{"url":"https://example.com/a.png?x=1&y=%20#z","vendor":1}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}"#,
    ),
    (
        "stream options of no stream",
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"stream":false,"stream_options":{ "include_usage" : false }}"#,
    ),
    (
        "every sampling field",
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":5,"reasoning_effort":"minimal","stop":["a","\n"],"logit_bias":{"50256":-100},"logprobs":true,"top_logprobs":2,"n":1,"user":"u","store":false,"metadata":{"k":"v"},"service_tier":"auto","prediction":{"type":"content","content":"x"},"prompt_cache_key":"p","verbosity":"low"}"#,
    ),
];

/// Bodies in which something is edited: what is sent, and what the provider is to receive.
const EDITED: &[(&str, &str)] = &[
    (
        r#"{"fallbacks":["anthropic/claude-haiku-4-5"],"model":"@","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"fallbacks":[],"n":1}"#,
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"n":1}"#,
    ),
    (
        "{\n  \"model\": \"@\",\n  \"messages\": [{\"role\":\"user\",\"content\":\"hi\"}],\n  \"fallb\\u0061cks\" : null\n}",
        "{\n  \"model\": \"@\",\n  \"messages\": [{\"role\":\"user\",\"content\":\"hi\"}]\n}",
    ),
    (
        r#"{"model":"openai\/gpt-4o-mini","messages":[{"role":"user","content":"hi"}],"x":1.0}"#,
        r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}],"x":1.0}"#,
    ),
    (
        r#"{"model":"\u006fpenai/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"stream":true,"z":1.50 }"#,
        r#"{"model":"@","messages":[{"role":"user","content":"hi"}],"stream":true,"z":1.50,"stream_options":{"include_usage":true} }"#,
    ),
    (
        r#"{"stream_options":{ "include_obfuscation":false,"x":1e2 },"model":"@","stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"stream_options":{"include_usage":true,"include_obfuscation":false,"x":1e2 },"model":"@","stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
    ),
    (
        r#"{"stream_options":{ "include_usage" : true ,"x":1.0e0},"model":"@","stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"stream_options":{ "include_usage" : true ,"x":1.0e0},"model":"@","stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
    ),
];

/// The bodies that are too long to be written down, and all of the others.
fn corpus() -> Vec<(String, String)> {
    let nested = |levels: usize| {
        let half = levels / 2;
        format!("{}1{}", "{\"a\":[".repeat(half), "]}".repeat(half))
    };
    let with = |field: &str| {
        format!(r#"{{"model":"@","messages":[{{"role":"user","content":"hi"}}],{field}}}"#)
    };
    let long = "Ünïcödé \\u00fc 😀 ".repeat(20_000);
    let many: Vec<String> = (0..300).map(|n| format!("\"field_{n}\" :{n}.0")).collect();
    let built = [
        with(&format!(r#""metadata":{}"#, nested(20))),
        with(&format!(r#""metadata":{}"#, nested(100))),
        with(&format!(r#""long":"{long}""#)),
        with(&many.join(" , ")),
    ];
    let as_sent = AS_SENT.iter().map(|(_, body)| (*body).to_owned()).chain(built);
    let edited = EDITED.iter().map(|(sent, expected)| ((*sent).to_owned(), (*expected).to_owned()));
    as_sent.map(|body| (body.clone(), body)).chain(edited).collect()
}

#[tokio::test]
async fn a_request_reaches_the_provider_byte_for_byte() {
    let gateway = Gateway::start().await;
    for (sent, expected) in corpus() {
        gateway.mock.clear();
        let answer = gateway.chat(sent.replace('@', "openai/gpt-4o-mini")).await;
        assert_eq!(answer.status, 200, "{sent}: {:?}", answer.body);
        let received = gateway.mock.received();
        assert_eq!(received.len(), 1, "{sent}");
        let received = std::str::from_utf8(&received[0].body).unwrap();
        assert_eq!(received, expected.replace('@', "gpt-4o-mini"));
    }
    gateway.stop().await;
}

/// Two readers could take these for two different requests, so no provider gets to see them.
#[tokio::test]
async fn a_body_with_two_meanings_reaches_nobody() {
    let gateway = Gateway::start().await;
    let bodies: &[&[u8]] = &[
        br#"{"model":"openai/a","model":"openai/b","messages":[{"role":"user","content":"hi"}]}"#,
        br#"{"model":"openai/a","mod\u0065l":"openai/b","messages":[{"role":"user","content":"hi"}]}"#,
        br#"{"model":"openai/a","messages":[1],"messages":[{"role":"user","content":"hi"}]}"#,
        br#"{"model":"openai/a","messages":[{"role":"user","content":"hi"}],"stream":true,"stream":false}"#,
        b"\xef\xbb\xbf{\"model\":\"openai/a\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        b"{\"model\":\"openai/a\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
        br#"{"model":"openai/a","messages":[{"role":"user","content":"hi"}]} {}"#,
        br#"{"model":"openai/a","messages":[{"role":"user","content":"hi"}],}"#,
        br#"{"model":"openai/a","messages":[{"role":"user","content":"hi"}],"x":01}"#,
        br#"{"model":"openai/a","messages":[{"role":"user","content":"hi"}],"x":NaN}"#,
        br#"{"model":"openai/a","messages":[{"role":"user","content":"hi"}],"\ud800":1}"#,
        br#"{"model":"openai/a","messages":[{"role":"user","content":"hi"}]"#,
    ];
    for body in bodies {
        let text = String::from_utf8_lossy(body);
        let answer = gateway.chat(body.to_vec()).await;
        assert_eq!(answer.status, 400, "{text}: {:?}", answer.body);
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error", "{text}");
        assert_eq!(error["code"], "invalid_json", "{text}");
    }
    assert_eq!(gateway.mock.received().len(), 0);
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
