use super::Anthropic;
use crate::dialect::{ClientDialect, Dialect, EncodeContext, Quirks, openai_chat::OpenaiChat};
use crate::llm::{Failure, Operation};
use serde_json::{Value, json};

fn encode(model: &str, request: &Value) -> Result<Value, Failure> {
    let request = OpenaiChat.decode_request(Operation::Chat, request.to_string().as_bytes())?;
    let context = EncodeContext { model, quirks: &Quirks::NONE, max_output_tokens: Some(8192) };
    let body = Anthropic.encode_request(&request, &context)?;
    Ok(serde_json::from_slice(&body).unwrap())
}

#[test]
fn system_and_developer_messages_stand_above_in_order() {
    let body = encode(
        "claude-3-5-haiku-20241022",
        &json!({"model": "m", "temperature": 1.7, "messages": [
            {"role": "system", "content": "one"},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": [{"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]},
            {"role": "user", "content": "there"}
        ]}),
    );
    let body = body.unwrap();
    assert_eq!(
        body,
        json!({"model": "claude-3-5-haiku-20241022", "max_tokens": 8192, "temperature": 1.0,
            "system": [{"type": "text", "text": "one"},
                {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": [
                {"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]}]})
    );
}

#[test]
fn calls_and_results_become_blocks() {
    let body = encode(
        "claude-3-5-haiku-20241022",
        &json!({"model": "m", "max_tokens": 5, "tool_choice": "required", "parallel_tool_calls": false,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "messages": [
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
                    {"id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "a", "content": "1"},
                {"role": "tool", "tool_call_id": "b", "content": "2"}]}),
    );
    let body = body.unwrap();
    assert_eq!(body["tool_choice"], json!({"type": "any", "disable_parallel_tool_use": true}));
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object"}}]));
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {}}])
    );
    assert_eq!(
        body["messages"][2],
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]},
            {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "2"}]}]})
    );
}

#[test]
fn thinking_is_a_budget_or_an_effort_by_model() {
    let ask = |effort: &str| {
        json!({"model": "m", "max_tokens": 8192, "temperature": 0.5, "reasoning_effort": effort,
            "messages": [{"role": "user", "content": "hi"}]})
    };
    let old = encode("claude-sonnet-4-5", &ask("low")).unwrap();
    assert_eq!(old["thinking"], json!({"type": "enabled", "budget_tokens": 2099}));
    assert_eq!(old.get("temperature"), None);
    let new = encode("claude-opus-4-6", &ask("high")).unwrap();
    assert_eq!(new["thinking"], json!({"type": "adaptive"}));
    assert_eq!(new["output_config"], json!({"effort": "high"}));
    let none = encode("claude-opus-4-6", &ask("none")).unwrap();
    assert_eq!(none["thinking"], json!({"type": "disabled"}));
    assert_eq!(none["temperature"], json!(0.5));
}

#[test]
fn what_changes_the_answer_is_refused() {
    let ask = |name: &str, value: Value| {
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        request[name] = value;
        encode("claude", &request)
    };
    assert_eq!(ask("n", json!(2)).unwrap_err().param.as_deref(), Some("n"));
    assert_eq!(ask("logprobs", json!(true)).unwrap_err().param.as_deref(), Some("logprobs"));
    assert!(ask("n", json!(1)).is_ok());
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}});
    let body = ask("response_format", schema).unwrap();
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    assert_eq!(body["output_config"], format);
}

#[test]
fn arguments_that_are_no_object_are_named() {
    let failure = encode(
        "claude",
        &json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{oops"}}]}]}),
    );
    assert_eq!(failure.unwrap_err().param.as_deref(), Some("messages[0].tool_calls"));
}

#[test]
fn errors_keep_the_vendor_s_words() {
    let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let failure = Anthropic.decode_failure(529, &http::HeaderMap::new(), body);
    assert_eq!(failure.message, "Overloaded");
    assert_eq!(failure.error_type.as_deref(), Some("overloaded_error"));
    assert_eq!(failure.kind.as_str(), "overloaded");
}

#[test]
fn thinking_may_be_asked_for_flat_or_nested() {
    let ask = |reasoning: Value| {
        let mut request = json!({"model": "m", "max_tokens": 8000,
            "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in reasoning.as_object().unwrap() {
            request[name] = value.clone();
        }
        encode("claude-haiku-4-5", &request).unwrap()
    };
    let flat = ask(json!({"reasoning_max_tokens": 2000}));
    assert_eq!(flat["thinking"]["budget_tokens"], 2000);
    assert_eq!(flat, ask(json!({"reasoning": {"max_tokens": 2000}})));
}
