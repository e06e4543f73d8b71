//! Gemini's words: generated content, embeddings, models, errors.

use serde_json::{Value, json};

use crate::answer::{Answer, Event, id};
use crate::call::Call;
use crate::rule::Finish;

fn finish_word(answer: &Answer) -> &'static str {
    match answer.finish {
        _ if answer.refusal.is_some() => "SAFETY",
        Finish::Stop | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
    }
}

/// The usage object, of an answer with so many visible output tokens.
fn usage(answer: &Answer, visible: u64) -> Value {
    let tokens = answer.usage;
    let mut usage = json!({
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": visible,
        "totalTokenCount": tokens.input + visible + tokens.reasoning,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.input}],
    });
    if tokens.cached > 0 {
        usage["cachedContentTokenCount"] = json!(tokens.cached);
        usage["cacheTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": tokens.cached}]);
    }
    if tokens.reasoning > 0 {
        usage["thoughtsTokenCount"] = json!(tokens.reasoning);
    }
    usage
}

fn visible(answer: &Answer) -> u64 {
    answer.usage.output.saturating_sub(answer.usage.reasoning)
}

fn call_parts(answer: &Answer) -> Vec<Value> {
    answer
        .tools
        .iter()
        .enumerate()
        .map(|(at, tool)| {
            let mut part = json!({"functionCall": {"name": tool.name, "args": tool.object}});
            if at == 0 && !answer.reasoning.is_empty() {
                part["thoughtSignature"] = json!(id("Co4CAR", 48));
            }
            part
        })
        .collect()
}

fn candidate(index: u64, parts: &[Value], finish: Option<&str>) -> Value {
    let mut candidate = json!({"index": index, "content": {"parts": parts, "role": "model"}});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
        if parts.is_empty() && finish == "SAFETY" {
            candidate["content"] = json!({});
        }
    }
    candidate
}

/// A whole generated content.
pub(crate) fn whole(answer: &Answer) -> Value {
    let mut parts = Vec::new();
    if !answer.reasoning.is_empty() {
        parts.push(json!({"text": answer.reasoning.concat(), "thought": true}));
    }
    if !answer.text.is_empty() {
        parts.push(json!({"text": answer.text.concat()}));
    }
    parts.extend(call_parts(answer));
    let candidates: Vec<Value> = (0..answer.choices)
        .map(|index| candidate(index, &parts, Some(finish_word(answer))))
        .collect();
    json!({
        "candidates": candidates,
        "usageMetadata": usage(answer, visible(answer)),
        "modelVersion": answer.model,
        "responseId": id("", 22),
    })
}

/// The frames of a stream: the last piece of content carries the finish reason.
fn frames(answer: &Answer) -> Vec<(Value, bool)> {
    let mut pieces: Vec<Vec<Value>> = Vec::new();
    pieces.extend(answer.reasoning.iter().map(|text| vec![json!({"text": text, "thought": true})]));
    pieces.extend(answer.text.iter().map(|text| vec![json!({"text": text})]));
    let calls = call_parts(answer);
    if !calls.is_empty() {
        pieces.push(calls);
    }
    let response = id("", 22);
    let frame = |candidates: Vec<Value>, tokens: u64| {
        json!({
            "candidates": candidates,
            "usageMetadata": usage(answer, tokens),
            "modelVersion": answer.model,
            "responseId": response,
        })
    };
    let mut sent = 0;
    let mut frames = Vec::new();
    for parts in &pieces {
        let thought = parts.first().is_some_and(|part| part.get("thought").is_some());
        sent += u64::from(!thought);
        let so_far = sent.min(visible(answer));
        for index in 0..answer.choices {
            frames.push((frame(vec![candidate(index, parts, None)], so_far), true));
        }
    }
    let ends = (0..answer.choices).map(|index| {
        let parts = if answer.refusal.is_some() { vec![] } else { vec![json!({"text": ""})] };
        candidate(index, &parts, Some(finish_word(answer)))
    });
    frames.push((frame(ends.collect(), visible(answer)), false));
    frames
}

/// The events of a stream: server-sent, or the items of one JSON array.
pub(crate) fn streamed(answer: &Answer, sse: bool) -> Vec<Event> {
    let frames = frames(answer);
    let last = frames.len().saturating_sub(1);
    frames
        .iter()
        .enumerate()
        .map(|(at, (frame, paced))| {
            let text = if sse {
                format!("data: {frame}\r\n\r\n")
            } else {
                let before = if at == 0 { "[" } else { ",\r\n" };
                let after = if at == last { "]" } else { "" };
                format!("{before}{frame}{after}")
            };
            Event::new(text, *paced)
        })
        .collect()
}

/// One model.
pub(crate) fn model(name: &str) -> Value {
    json!({
        "name": format!("models/{name}"),
        "version": "001",
        "displayName": name,
        "description": "A model of the mock provider.",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": [
            "generateContent", "countTokens", "embedContent", "batchEmbedContents",
        ],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
    })
}

/// The list of models.
pub(crate) fn models(names: &[String]) -> Value {
    let models: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({"models": models})
}

/// How many tokens a request has.
pub(crate) fn token_count(tokens: u64) -> Value {
    json!({
        "totalTokens": tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    })
}

/// The error body for a status.
pub(crate) fn error(
    status: u16,
    message: Option<&str>,
    model: &str,
    retry_after: Option<f64>,
) -> Value {
    let missing = format!(
        "models/{model} is not found for API version v1beta, or is not supported for \
         generateContent. Call ListModels to see the list of available models and their \
         supported methods."
    );
    let (word, text) = match status {
        401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        402 => ("FAILED_PRECONDITION", "This API method requires billing to be enabled."),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        404 => ("NOT_FOUND", missing.as_str()),
        429 => ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        499 => ("CANCELLED", "The operation was cancelled."),
        500 => ("INTERNAL", "An internal error has occurred. Please retry."),
        504 => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        501.. => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        _ => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    };
    let mut error = json!({
        "code": status, "message": message.unwrap_or(text), "status": word,
    });
    if status == 429 {
        let seconds = retry_after.unwrap_or(1.0);
        error["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        }]);
    }
    json!({"error": error})
}

/// The error for a request without a credential.
pub(crate) fn no_key() -> Value {
    let message = "Method doesn't allow unregistered callers (callers without established \
                   identity). Please use API Key or other form of API consumer identity to call \
                   this API.";
    error(403, Some(message), "", None)
}

/// The error that ends a stream.
pub(crate) fn stream_error(sse: bool, first: bool) -> String {
    let body = error(503, None, "", None);
    match (sse, first) {
        (true, _) => format!("data: {body}\r\n\r\n"),
        (false, true) => format!("[{body}]"),
        (false, false) => format!(",\r\n{body}]"),
    }
}

/// What is wrong with a generation request, if anything is.
pub(crate) fn complaint(call: &Call) -> Option<Value> {
    if !call.body_is_json {
        return Some(error(400, Some("Invalid JSON payload received."), "", None));
    }
    let contents = call.body.get("contents").and_then(Value::as_array);
    contents.is_none_or(Vec::is_empty).then(|| {
        let message = "* GenerateContentRequest.contents: contents is not specified\n";
        error(400, Some(message), "", None)
    })
}

/// The headers of every answer.
pub(crate) fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("server-timing", "gfet4t7; dur=12".to_owned()),
        ("vary", "Origin, X-Origin, Referer".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]
}
