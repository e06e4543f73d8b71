//! Anthropic's words: messages, models, errors, rate-limit headers.

use serde_json::{Value, json};

use crate::answer::{Answer, Event, fragments, id, unix_seconds, word_deltas};
use crate::call::Call;
use crate::rule::Finish;

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        _ if answer.refusal.is_some() => "refusal",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}

/// The usage object, with so many output tokens.
fn usage(answer: &Answer, output: u64) -> Value {
    let tokens = answer.usage;
    json!({
        "input_tokens": tokens.input.saturating_sub(tokens.cached + tokens.cache_write),
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": output,
        "service_tier": "standard",
    })
}

/// The signature of a thinking block.
fn signature() -> String {
    format!("{}==", id("EqQBCgIYAhIM", 80))
}

fn text_of(answer: &Answer) -> Vec<String> {
    answer.refusal.as_deref().map_or_else(|| answer.text.clone(), word_deltas)
}

/// A whole message.
pub(crate) fn whole(answer: &Answer) -> Value {
    let mut content = Vec::new();
    if !answer.reasoning.is_empty() {
        content.push(json!({
            "type": "thinking",
            "thinking": answer.reasoning.concat(),
            "signature": signature(),
        }));
    }
    let text = text_of(answer).concat();
    if !text.is_empty() {
        content.push(json!({"type": "text", "text": text, "citations": null}));
    }
    for tool in &answer.tools {
        content.push(json!({
            "type": "tool_use", "id": id("toolu_01", 22), "name": tool.name, "input": tool.object,
        }));
    }
    json!({
        "id": id("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": stop_reason(answer),
        "stop_sequence": null,
        "usage": usage(answer, answer.usage.output),
    })
}

/// Writes the events of one stream.
#[derive(Default)]
struct Events {
    events: Vec<Event>,
    index: usize,
}

impl Events {
    fn push(&mut self, value: &Value, paced: bool) {
        let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
        self.events.push(Event::new(format!("event: {name}\ndata: {value}\n\n"), paced));
    }

    /// One content block: its start, its deltas, its end.
    fn block(&mut self, start: &Value, deltas: &[Value]) {
        let index = self.index;
        self.push(
            &json!({"type": "content_block_start", "index": index, "content_block": start}),
            false,
        );
        if index == 0 {
            self.push(&json!({"type": "ping"}), false);
        }
        for delta in deltas {
            self.push(
                &json!({"type": "content_block_delta", "index": index, "delta": delta}),
                true,
            );
        }
        self.push(&json!({"type": "content_block_stop", "index": index}), false);
        self.index += 1;
    }

    fn content(&mut self, answer: &Answer) {
        if !answer.reasoning.is_empty() {
            let mut deltas: Vec<Value> = answer
                .reasoning
                .iter()
                .map(|piece| json!({"type": "thinking_delta", "thinking": piece}))
                .collect();
            deltas.push(json!({"type": "signature_delta", "signature": signature()}));
            self.block(&json!({"type": "thinking", "thinking": "", "signature": ""}), &deltas);
        }
        let text = text_of(answer);
        if !text.is_empty() {
            let deltas: Vec<Value> =
                text.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect();
            self.block(&json!({"type": "text", "text": ""}), &deltas);
        }
        for tool in &answer.tools {
            let mut deltas = vec![json!({"type": "input_json_delta", "partial_json": ""})];
            deltas.extend(
                fragments(&tool.text)
                    .iter()
                    .map(|piece| json!({"type": "input_json_delta", "partial_json": piece})),
            );
            let start = json!({
                "type": "tool_use", "id": id("toolu_01", 22), "name": tool.name, "input": {},
            });
            self.block(&start, &deltas);
        }
    }
}

/// The events of a streamed message.
pub(crate) fn streamed(answer: &Answer) -> Vec<Event> {
    let mut events = Events::default();
    let message = json!({
        "id": id("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(answer, answer.usage.output.min(1)),
    });
    events.push(&json!({"type": "message_start", "message": message}), false);
    events.content(answer);
    let mut total = usage(answer, answer.usage.output);
    if let Some(fields) = total.as_object_mut() {
        fields.remove("cache_creation");
        fields.remove("service_tier");
    }
    events.push(
        &json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
            "usage": total,
        }),
        false,
    );
    events.push(&json!({"type": "message_stop"}), false);
    events.events
}

fn model(name: &str) -> Value {
    json!({
        "type": "model", "id": name, "display_name": name, "created_at": "2025-09-29T00:00:00Z",
    })
}

/// One model.
pub(crate) fn one_model(name: &str) -> Value {
    model(name)
}

/// The list of models.
pub(crate) fn models(names: &[String]) -> Value {
    let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({
        "data": data, "has_more": false, "first_id": names.first(), "last_id": names.last(),
    })
}

/// The error body for a status.
pub(crate) fn error(status: u16, message: Option<&str>, model: &str) -> Value {
    let missing = format!("model: {model}");
    let (kind, text) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low to access the Anthropic API."),
        403 => ("permission_error", "Your API key does not have permission to use this model."),
        404 => ("not_found_error", missing.as_str()),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => ("rate_limit_error", "This request would exceed your organization's rate limit."),
        504 => ("timeout_error", "Request timed out"),
        529 => ("overloaded_error", "Overloaded"),
        500.. => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "Invalid request"),
    };
    json!({
        "type": "error",
        "error": {"type": kind, "message": message.unwrap_or(text)},
        "request_id": id("req_01", 22),
    })
}

/// The error that ends a stream.
pub(crate) fn stream_error() -> String {
    let body = json!({"type": "error", "error": {
        "type": "overloaded_error", "message": "Overloaded",
    }});
    format!("event: error\ndata: {body}\n\n")
}

/// What is wrong with a messages request, if anything is.
pub(crate) fn complaint(call: &Call, counting: bool) -> Option<Value> {
    let wrong = |message: &str| Some(error(400, Some(message), ""));
    if call.header("anthropic-version").is_none() {
        return wrong("anthropic-version: header is required");
    }
    if !call.body_is_json {
        return wrong("The request body is not valid JSON");
    }
    if call.model.is_empty() {
        return wrong("model: Field required");
    }
    if !counting && call.body.get("max_tokens").and_then(Value::as_u64).is_none() {
        return wrong("max_tokens: Field required");
    }
    match call.body.get("messages").and_then(Value::as_array) {
        None => wrong("messages: Field required"),
        Some(messages) if messages.is_empty() => {
            wrong("messages: at least one message is required")
        }
        Some(_) => None,
    }
}

/// The headers of every answer.
pub(crate) fn headers(input: u64) -> Vec<(&'static str, String)> {
    let reset = rfc3339(unix_seconds() + 1);
    let left = |limit: u64, used: u64| limit.saturating_sub(used).to_string();
    vec![
        ("request-id", id("req_01", 22)),
        ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000".to_owned()),
        ("anthropic-ratelimit-requests-limit", "4000".to_owned()),
        ("anthropic-ratelimit-requests-remaining", "3999".to_owned()),
        ("anthropic-ratelimit-requests-reset", reset.clone()),
        ("anthropic-ratelimit-tokens-limit", "500000".to_owned()),
        ("anthropic-ratelimit-tokens-remaining", left(500_000, input)),
        ("anthropic-ratelimit-tokens-reset", reset.clone()),
        ("anthropic-ratelimit-input-tokens-limit", "400000".to_owned()),
        ("anthropic-ratelimit-input-tokens-remaining", left(400_000, input)),
        ("anthropic-ratelimit-input-tokens-reset", reset.clone()),
        ("anthropic-ratelimit-output-tokens-limit", "100000".to_owned()),
        ("anthropic-ratelimit-output-tokens-remaining", "100000".to_owned()),
        ("anthropic-ratelimit-output-tokens-reset", reset),
    ]
}

/// A time as RFC 3339 in UTC.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date of the Gregorian calendar, years beginning in March.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_written_as_dates() {
        assert_eq!(super::rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
    }
}
