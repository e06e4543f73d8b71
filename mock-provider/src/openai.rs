//! OpenAI's words: chat completions, models, errors, rate-limit headers.

use serde_json::{Map, Value, json};

use crate::answer::{Answer, Event, Tool, fragments, id, word_deltas};
use crate::call::Call;
use crate::rule::Finish;

fn finish_word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

/// The field thinking is sent in, which differs among the vendors of this dialect.
fn reasoning_field(label: &str) -> &'static str {
    match label {
        "groq" | "openrouter" => "reasoning",
        _ => "reasoning_content",
    }
}

fn usage(answer: &Answer) -> Value {
    let tokens = answer.usage;
    let mut prompt = json!({"cached_tokens": tokens.cached, "audio_tokens": 0});
    if tokens.cache_write > 0 {
        prompt["cache_write_tokens"] = json!(tokens.cache_write);
    }
    json!({
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn call_of(tool: &Tool) -> Value {
    json!({
        "id": id("call_", 24),
        "type": "function",
        "function": {"name": tool.name, "arguments": tool.text},
    })
}

fn message(answer: &Answer, label: &str) -> Value {
    let content =
        if answer.text.is_empty() { Value::Null } else { Value::String(answer.text.concat()) };
    let mut message = json!({
        "role": "assistant",
        "content": content,
        "refusal": answer.refusal,
        "annotations": [],
    });
    if !answer.reasoning.is_empty() {
        message[reasoning_field(label)] = json!(answer.reasoning.concat());
    }
    if !answer.tools.is_empty() {
        message["tool_calls"] = answer.tools.iter().map(call_of).collect();
    }
    message
}

/// A whole chat completion.
pub(crate) fn whole(answer: &Answer, call: &Call) -> Value {
    let choices: Vec<Value> = (0..answer.choices)
        .map(|index| {
            json!({
                "index": index,
                "message": message(answer, &call.label),
                "logprobs": null,
                "finish_reason": finish_word(answer.finish),
            })
        })
        .collect();
    json!({
        "id": id("chatcmpl-", 29),
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": choices,
        "usage": usage(answer),
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    })
}

/// Writes the chunks of one stream.
struct Chunks<'a> {
    answer: &'a Answer,
    id: String,
    usage_asked: bool,
    events: Vec<Event>,
}

impl Chunks<'_> {
    fn chunk(&self, choices: &Value, usage: Option<Value>) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.answer.created,
            "model": self.answer.model,
            "service_tier": "default",
            "system_fingerprint": "fp_44709d6fcb",
            "choices": choices,
        });
        if self.usage_asked {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        chunk
    }

    fn push(&mut self, index: u64, delta: &Value, finish: Option<Finish>, paced: bool) {
        let choices = json!([{
            "index": index,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish.map(finish_word),
        }]);
        let chunk = self.chunk(&choices, None);
        self.events.push(Event::new(format!("data: {chunk}\n\n"), paced));
    }

    /// One choice's chunks: the role, the thinking, the text, the calls.
    fn choice(&mut self, index: u64, label: &str) {
        let answer = self.answer;
        let content = if answer.text.is_empty() { Value::Null } else { json!("") };
        let first = json!({"role": "assistant", "content": content, "refusal": null});
        self.push(index, &first, None, false);
        for piece in &answer.reasoning {
            let mut delta = Map::new();
            delta.insert(reasoning_field(label).to_owned(), json!(piece));
            self.push(index, &Value::Object(delta), None, true);
        }
        for piece in &answer.text {
            self.push(index, &json!({"content": piece}), None, true);
        }
        for piece in answer.refusal.as_deref().map(word_deltas).unwrap_or_default() {
            self.push(index, &json!({"refusal": piece}), None, true);
        }
        for (at, tool) in answer.tools.iter().enumerate() {
            let opening = json!({"tool_calls": [{
                "index": at,
                "id": id("call_", 24),
                "type": "function",
                "function": {"name": tool.name, "arguments": ""},
            }]});
            self.push(index, &opening, None, true);
            for piece in fragments(&tool.text) {
                let more = json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]});
                self.push(index, &more, None, true);
            }
        }
    }
}

/// The events of a streamed chat completion.
pub(crate) fn streamed(answer: &Answer, call: &Call) -> Vec<Event> {
    let usage_asked =
        call.body.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true);
    let mut chunks = Chunks { answer, id: id("chatcmpl-", 29), usage_asked, events: Vec::new() };
    for index in 0..answer.choices {
        chunks.choice(index, &call.label);
    }
    for index in 0..answer.choices {
        chunks.push(index, &json!({}), Some(answer.finish), false);
    }
    if usage_asked {
        let last = chunks.chunk(&json!([]), Some(usage(answer)));
        chunks.events.push(Event::new(format!("data: {last}\n\n"), false));
    }
    chunks.events.push(Event::new("data: [DONE]\n\n", false));
    chunks.events
}

/// The list of models.
pub(crate) fn models(names: &[String]) -> Value {
    let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({"object": "list", "data": data})
}

/// One model.
pub(crate) fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 1_715_367_049, "owned_by": "system"})
}

/// The error body for a status.
pub(crate) fn error(status: u16, message: Option<&str>, model: &str) -> Value {
    let missing = format!("The model `{model}` does not exist or you do not have access to it.");
    let (text, kind, param, code) = match status {
        401 => (
            "Incorrect API key provided. You can find your API key at \
             https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            Value::Null,
            json!("invalid_api_key"),
        ),
        402 => (
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            Value::Null,
            json!("insufficient_quota"),
        ),
        403 => (
            "You are not allowed to use this model.",
            "invalid_request_error",
            Value::Null,
            json!("permission_denied"),
        ),
        404 => (missing.as_str(), "invalid_request_error", Value::Null, json!("model_not_found")),
        429 => (
            "Rate limit reached for requests. Please try again later.",
            "requests",
            Value::Null,
            json!("rate_limit_exceeded"),
        ),
        500 => (
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            Value::Null,
            Value::Null,
        ),
        501.. => (
            "The engine is currently overloaded, please try again later.",
            "server_error",
            Value::Null,
            json!("service_unavailable"),
        ),
        _ => ("Invalid request.", "invalid_request_error", Value::Null, Value::Null),
    };
    let text = message.unwrap_or(text);
    json!({"error": {"message": text, "type": kind, "param": param, "code": code}})
}

/// The error for a request without a credential.
pub(crate) fn no_key() -> Value {
    json!({"error": {
        "message": "You didn't provide an API key. You need to provide your API key in an \
                    Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        "type": "invalid_request_error",
        "param": null,
        "code": null,
    }})
}

/// The error that ends a stream.
pub(crate) fn stream_error() -> String {
    format!("data: {}\n\n", error(500, None, ""))
}

/// What is wrong with a chat request, if anything is.
pub(crate) fn complaint(call: &Call) -> Option<Value> {
    let wrong = |message: &str, param: Value| {
        json!({"error": {
            "message": message, "type": "invalid_request_error", "param": param, "code": null,
        }})
    };
    if !call.body_is_json {
        return Some(wrong("We could not parse the JSON body of your request.", Value::Null));
    }
    if call.model.is_empty() {
        return Some(wrong("you must provide a model parameter", Value::Null));
    }
    let messages = call.body.get("messages").and_then(Value::as_array);
    messages.is_none_or(Vec::is_empty).then(|| {
        let mut body = wrong("Missing required parameter: 'messages'.", json!("messages"));
        body["error"]["code"] = json!("missing_required_parameter");
        body
    })
}

/// The headers of every answer.
pub(crate) fn headers(input: u64) -> Vec<(&'static str, String)> {
    vec![
        ("x-request-id", id("req_", 24)),
        ("openai-processing-ms", "12".to_owned()),
        ("openai-version", "2020-10-01".to_owned()),
        ("openai-organization", "mock-org".to_owned()),
        ("x-ratelimit-limit-requests", "10000".to_owned()),
        ("x-ratelimit-limit-tokens", "2000000".to_owned()),
        ("x-ratelimit-remaining-requests", "9999".to_owned()),
        ("x-ratelimit-remaining-tokens", 2_000_000_u64.saturating_sub(input).to_string()),
        ("x-ratelimit-reset-requests", "6ms".to_owned()),
        ("x-ratelimit-reset-tokens", "0s".to_owned()),
    ]
}
