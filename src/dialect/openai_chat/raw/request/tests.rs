use super::*;
use crate::provider::catalog;

fn parse(body: &str) -> Result<RawRequest, Failure> {
    RawRequest::parse(Operation::Chat, Bytes::copy_from_slice(body.as_bytes()))
}

fn upstream(body: &str, model: &str, quirks: &Quirks) -> String {
    let body = parse(body).unwrap().for_upstream(model, quirks).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn only_the_edited_members_change() {
    let body = "{ \"temperature\" : 1e0, \"mod\\u0065l\": \"openai/gpt-4o\" ,\n \"fallbacks\":[\"a/b\"], \"x\":{\"y\":[1.50,\"\\u00e9\u{e9}\"]},\"messages\":[ {} ] }";
    let expected = "{ \"temperature\" : 1e0, \"mod\\u0065l\": \"gpt-4o\", \"x\":{\"y\":[1.50,\"\\u00e9\u{e9}\"]},\"messages\":[ {} ] }";
    assert_eq!(upstream(body, "gpt-4o", &Quirks::NONE), expected);
}

#[test]
fn the_same_allocation_when_nothing_changes() {
    let request = parse(r#"{"model":"m","messages":[1]}"#).unwrap();
    let body = request.for_upstream("m", &Quirks::NONE).unwrap();
    assert_eq!(body.as_ptr(), request.body().as_ptr());
}

#[test]
fn members_are_removed_wherever_they_stand() {
    let first = r#"{"fallbacks":[], "model":"m","messages":[1]}"#;
    assert_eq!(upstream(first, "m", &Quirks::NONE), r#"{"model":"m","messages":[1]}"#);
    let last = r#"{"model":"m","messages":[1], "fallbacks":["a/b"] }"#;
    assert_eq!(upstream(last, "m", &Quirks::NONE), r#"{"model":"m","messages":[1] }"#);
}

#[test]
fn a_stream_is_asked_for_its_usage() {
    let ask = |options: &str| {
        upstream(
            &format!(r#"{{"model":"m","messages":[1],"stream":true{options}}}"#),
            "m",
            &Quirks::NONE,
        )
    };
    let expect = |options: &str| {
        format!(r#"{{"model":"m","messages":[1],"stream":true,"stream_options":{options}}}"#)
    };
    assert_eq!(ask(""), expect(r#"{"include_usage":true}"#));
    assert_eq!(ask(r#","stream_options":null"#), expect(r#"{"include_usage":true}"#));
    assert_eq!(ask(r#","stream_options":{}"#), expect(r#"{"include_usage":true}"#));
    let kept = ask(r#","stream_options":{"include_obfuscation":false}"#);
    assert_eq!(kept, expect(r#"{"include_usage":true,"include_obfuscation":false}"#));
    let within = ask(r#","stream_options":{"x":"include_usage","y":1e2}"#);
    assert_eq!(within, expect(r#"{"include_usage":true,"x":"include_usage","y":1e2}"#));
    let refused = ask(r#","stream_options":{"include\u005fusage":false}"#);
    assert_eq!(refused, expect(r#"{"include_usage":true}"#));
    let asked = ask(r#","stream_options":{"include_usage": true}"#);
    assert_eq!(asked, expect(r#"{"include_usage": true}"#));
}

#[test]
fn quirks_stay_on_the_byte_path() {
    let mistral = &catalog::find("mistral").unwrap().quirks;
    let body = r#"{"model":"m","messages":[1],"max_completion_tokens":5,"stream":true,"tool_choice":"required","reasoning_effort":"minimal","store":true,"stream_options":{"include_usage":true}}"#;
    let expected = r#"{"model":"m","messages":[1],"max_tokens":5,"stream":true,"tool_choice":"any","reasoning_effort":"low"}"#;
    assert_eq!(upstream(body, "m", mistral), expected);
}

#[test]
fn what_is_wrong_is_named() {
    let param = |body: &str| parse(body).unwrap_err().param;
    assert_eq!(param(r#"{"messages":[1]}"#).as_deref(), Some("model"));
    assert_eq!(param(r#"{"model":7,"messages":[1]}"#).as_deref(), Some("model"));
    assert_eq!(param(r#"{"model":"m"}"#).as_deref(), Some("messages"));
    assert_eq!(param(r#"{"model":"m","messages":"hi"}"#).as_deref(), Some("messages"));
    assert_eq!(param(r#"{"model":"m","messages":[ ]}"#).as_deref(), Some("messages"));
    assert_eq!(param(r#"{"model":"m","messages":[1],"stream":"yes"}"#).as_deref(), Some("stream"));
    assert_eq!(
        param(r#"{"model":"m","messages":[1],"fallbacks":[{}]}"#).as_deref(),
        Some("fallbacks")
    );
    let options = |options: &str| {
        let body = format!(r#"{{"model":"m","messages":[1],"stream_options":{options}}}"#);
        parse(&body).unwrap_err().message
    };
    assert_eq!(options("7"), "stream_options must be an object, not a number");
    for wrong in [r#"{"include_usage":1}"#, r#"{"include_usage":true,"include\u005fusage":false}"#]
    {
        assert!(options(wrong).starts_with("stream_options.include_usage must be"), "{wrong}");
    }
    for bad in [
        "",
        "[]",
        "{",
        "{\"model\":\"m\"} x",
        "\u{feff}{}",
        r#"{"model":"a","model":"b","messages":[1]}"#,
    ] {
        let failure = parse(bad).unwrap_err();
        assert!(failure.message.starts_with("invalid request format"), "{bad}: {failure}");
    }
}

#[test]
fn depth_is_no_danger() {
    let deep =
        format!(r#"{{"model":"m","messages":[1],"x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(upstream(&deep, "m", &Quirks::NONE), deep);
}

/// A stricter reader than JSON's grammar would refuse these; whether it does is the provider's call.
#[test]
fn what_only_the_grammar_allows_passes() {
    let odd = r#"{"model":"m","messages":[1],"x":[1e400,-1E-400,"\ud800","\udc00 \ud83d"]}"#;
    assert_eq!(upstream(odd, "m", &Quirks::NONE), odd);
    let renamed = upstream(odd, "n", &Quirks::NONE);
    assert_eq!(renamed, odd.replace("\"m\"", "\"n\""));
}

#[test]
fn the_quirks_of_vendors_are_met() {
    let row = |name| &catalog::find(name).unwrap().quirks;
    let ask = |provider, model, more: &str| {
        upstream(&format!(r#"{{"model":"{model}","messages":[1]{more}}}"#), model, row(provider))
    };
    let plain = |model: &str, more: &str| format!(r#"{{"model":"{model}","messages":[1]{more}}}"#);
    let cache = r#","prompt_cache_key":"s1""#;
    assert_eq!(ask("fireworks", "m", cache), plain("m", r#","user":"s1""#));
    let both = r#","prompt_cache_key":"s1","user":"u""#;
    assert_eq!(ask("fireworks", "m", both), plain("m", r#","user":"u""#));
    let tool = r#","tool_choice":{"type":"function","function":{"name":"f"}}"#;
    assert_eq!(ask("mistral", "m", tool), plain("m", r#","tool_choice":"any""#));
    assert_eq!(ask("groq", "m", tool), plain("m", tool));
    assert_eq!(ask("groq", "gpt-oss-20b", ""), plain("openai/gpt-oss-20b", ""));
    assert_eq!(ask("groq", "openai/gpt-oss-20b", ""), plain("openai/gpt-oss-20b", ""));
    let all = r#","presence_penalty":1,"frequency_penalty":1,"stop":"x","reasoning_effort":"low""#;
    for (model, left) in [
        ("grok-4", ""),
        ("grok-4-fast-non-reasoning", all),
        ("grok-3-mini", r#","reasoning_effort":"low""#),
        ("grok-3", r#","frequency_penalty":1,"stop":"x""#),
        ("grok-2-vision", all),
    ] {
        assert_eq!(ask("xai", model, all), plain(model, left), "{model}");
    }
}

#[test]
fn bifrosts_reasoning_becomes_an_effort() {
    let row = |name| &catalog::find(name).unwrap().quirks;
    let ask = |more: &str, quirks| {
        upstream(&format!(r#"{{"model":"m","messages":[1],{more}}}"#), "m", quirks)
    };
    for (more, expected) in [
        (r#""reasoning":{"effort":"high"}"#, r#","reasoning_effort":"high""#),
        (
            r#""reasoning_effort":null,"reasoning":{"effort":"high"}"#,
            r#","reasoning_effort":"high""#,
        ),
        (r#""reasoning": {"effort":"minimal","max_tokens":9}"#, r#","reasoning_effort":"minimal""#),
        (
            r#""reasoning":{"max_tokens":100},"max_tokens":1000"#,
            r#","reasoning_effort":"low","max_tokens":1000"#,
        ),
        (
            r#""reasoning":{"max_tokens":900},"max_tokens":1000"#,
            r#","reasoning_effort":"high","max_tokens":1000"#,
        ),
        (r#""reasoning":{"max_tokens":900}"#, r#","reasoning_effort":"medium""#),
        (r#""reasoning_max_tokens":0"#, r#","reasoning_effort":"none""#),
        (r#""reasoning":{"enabled":false}"#, ""),
        (
            r#""reasoning":{"max_tokens":5},"reasoning_effort":"low""#,
            r#","reasoning_effort":"low""#,
        ),
        (r#""reasoning":"yes""#, r#","reasoning":"yes""#),
    ] {
        let expected = format!(r#"{{"model":"m","messages":[1]{expected}}}"#);
        assert_eq!(ask(more, &Quirks::NONE), expected, "{more}");
    }
    let minimal = ask(r#""reasoning":{"effort":"minimal"}"#, row("groq"));
    assert!(minimal.ends_with(r#""reasoning_effort":"low"}"#), "{minimal}");
    let kept = ask(r#""reasoning":{"effort":"high"}"#, row("openrouter"));
    assert!(kept.ends_with(r#""reasoning":{"effort":"high"}}"#), "{kept}");
    let twice =
        r#"{"model":"m","messages":[1],"reasoning_max_tokens":1,"reasoning":{"max_tokens":1}}"#;
    assert_eq!(parse(twice).unwrap_err().param.as_deref(), Some("reasoning_max_tokens"));
}

#[test]
fn a_model_may_be_percent_encoded_and_answers_be_counted() {
    let request = parse(r#"{"model":"openai%2Fgpt-4o","messages":[1],"n":3}"#).unwrap();
    assert_eq!((&**request.model(), request.choices()), ("openai/gpt-4o", 3));
    let bare = r#"{"model":"meta%2Dllama","messages":[1]}"#;
    assert_eq!(
        upstream(bare, "meta-llama", &Quirks::NONE),
        r#"{"model":"meta-llama","messages":[1]}"#
    );
    let odd = parse(r#"{"model":"50%off","messages":[1],"n":1e9}"#).unwrap();
    assert_eq!((&**odd.model(), odd.choices()), ("50%off", 128));
}
