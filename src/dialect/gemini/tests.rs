use super::Gemini;
use crate::dialect::{ClientDialect, Dialect, EncodeContext, Quirks, openai_chat::OpenaiChat};
use crate::llm::{Operation, Response};
use serde_json::{Value, json};
use std::time::Duration;

fn encode(model: &str, operation: Operation, request: &Value) -> Value {
    let request = OpenaiChat.decode_request(operation, request.to_string().as_bytes()).unwrap();
    let context = EncodeContext { model, quirks: &Quirks::NONE, max_output_tokens: None };
    let body = Gemini.encode_request(&request, &context).unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_conversation_with_tools() {
    let request = json!({"model": "m", "max_tokens": 9, "stop": "x", "tool_choice": {"type": "function", "function": {"name": "f"}},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "image_url", "image_url": {"url": "https://x/y.webp"}}]},
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "plain"}]});
    let body = encode("gemini-3-flash", Operation::Chat, &request);
    assert_eq!(
        body,
        json!({
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "look"},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                    {"fileData": {"mimeType": "image/webp", "fileUri": "https://x/y.webp"}}]},
                {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "f", "args": {"x": 1}},
                    "thoughtSignature": "skip_thought_signature_validator"}]},
                {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "f", "response": {"output": "plain"}}}]}],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {"maxOutputTokens": 9, "stopSequences": ["x"]}})
    );
}

#[test]
fn thinking_by_generation() {
    let ask = |effort: &str| json!({"model": "m", "reasoning_effort": effort, "messages": [{"role": "user", "content": "hi"}]});
    let config = |model: &str, effort: &str| {
        encode(model, Operation::Chat, &ask(effort))["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(
        config("gemini-3-pro", "medium"),
        json!({"includeThoughts": true, "thinkingLevel": "HIGH"})
    );
    assert_eq!(
        config("gemini-2.5-flash", "none"),
        json!({"includeThoughts": false, "thinkingBudget": 0})
    );
    assert_eq!(
        config("gemini-2.5-pro", "low"),
        json!({"includeThoughts": true, "thinkingBudget": 5024})
    );
    assert_eq!(config("gemini-1.5-flash", "low"), Value::Null);
}

#[test]
fn embeddings_are_batches() {
    let request =
        json!({"model": "m", "input": ["a", "b"], "dimensions": 4, "encoding_format": "base64"});
    let body = encode("text-embedding-004", Operation::Embedding, &request);
    assert_eq!(
        body["requests"][1],
        json!({"model": "models/text-embedding-004", "content": {"parts": [{"text": "b"}]}, "outputDimensionality": 4})
    );
    let request = OpenaiChat.decode_request(Operation::Embedding, request.to_string().as_bytes());
    let answer = br#"{"embeddings":[{"values":[0.5]},{"values":[1]}]}"#;
    let response = Gemini.decode_response(&request.unwrap(), answer).unwrap();
    let body: Value = serde_json::from_slice(&OpenaiChat.encode_response(&response)).unwrap();
    assert_eq!(body["data"][0]["embedding"], json!("AAAAPw=="));
}

#[test]
fn a_blocked_prompt_is_a_filtered_answer() {
    let request = OpenaiChat.decode_request(
        Operation::Chat,
        br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#,
    );
    let body =
        br#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#;
    let Response::Chat(chat) = Gemini.decode_response(&request.unwrap(), body).unwrap() else {
        unreachable!("a chat request has a chat answer")
    };
    assert_eq!(chat.choices[0].stop, Some(crate::llm::StopReason::ContentFilter));
    assert_eq!(chat.usage.unwrap().input, 3);
}

#[test]
fn retry_info_says_how_long() {
    let body = br#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"12.5s"}]}}"#;
    let failure = Gemini.decode_failure(429, &http::HeaderMap::new(), body);
    assert_eq!(failure.retry_after, Some(Duration::from_millis(12_500)));
    let body =
        br#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#;
    let failure = Gemini.decode_failure(400, &http::HeaderMap::new(), body);
    assert_eq!((failure.status, failure.kind.as_str()), (401, "authentication"));
}
