//! The answers of the benchmark mode, in the vendors' own field order.

use bytes::Bytes;

use crate::answer::filler;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream; charset=utf-8";
const DELTAS: usize = 64;
/// About the size of a whole answer.
const WHOLE_BYTES: usize = 1024;

/// One pre-rendered answer.
pub(crate) struct Canned {
    pub(crate) content_type: &'static str,
    pub(crate) streamed: bool,
    /// All of it.
    pub(crate) whole: Bytes,
    /// A stream's events, one by one.
    pub(crate) events: Vec<Bytes>,
}

impl Canned {
    fn json(text: String) -> Self {
        Self { content_type: JSON, streamed: false, whole: text.into(), events: Vec::new() }
    }

    fn stream(events: Vec<String>) -> Self {
        let whole = Bytes::from(events.concat());
        let events = events.into_iter().map(Bytes::from).collect();
        Self { content_type: EVENTS, streamed: true, whole, events }
    }
}

/// All pre-rendered answers.
pub(crate) struct Answers {
    openai: Canned,
    openai_stream: Canned,
    anthropic: Canned,
    anthropic_stream: Canned,
    gemini: Canned,
    gemini_stream: Canned,
    embeddings: Canned,
    models: Canned,
    health: Canned,
}

impl Answers {
    /// Renders them.
    pub(crate) fn new() -> Self {
        Self {
            openai: Canned::json(openai()),
            openai_stream: Canned::stream(openai_stream()),
            anthropic: Canned::json(anthropic()),
            anthropic_stream: Canned::stream(anthropic_stream()),
            gemini: Canned::json(gemini()),
            gemini_stream: Canned::stream(gemini_stream()),
            embeddings: Canned::json(embeddings()),
            models: Canned::json(models()),
            health: Canned::json(r#"{"status":"ok"}"#.to_owned()),
        }
    }

    /// The answer for a path; OpenAI's chat where nothing else fits.
    pub(crate) fn find(&self, path: &str, get: bool, stream: bool) -> &Canned {
        if path.ends_with("/chat/completions") {
            return if stream { &self.openai_stream } else { &self.openai };
        }
        if path.ends_with("/messages") {
            return if stream { &self.anthropic_stream } else { &self.anthropic };
        }
        if path.ends_with(":generateContent") {
            return &self.gemini;
        }
        if path.ends_with(":streamGenerateContent") {
            return &self.gemini_stream;
        }
        if path.ends_with("/embeddings") {
            return &self.embeddings;
        }
        if get {
            return if path == "/_mock/health" { &self.health } else { &self.models };
        }
        &self.openai
    }
}

/// A text that brings an answer with so many bytes around it to its size.
fn text(around: usize) -> String {
    let mut text = filler(WHOLE_BYTES / 2).concat();
    text.truncate(WHOLE_BYTES.saturating_sub(around));
    text
}

fn openai() -> String {
    let render = |text: &str| {
        format!(
            r#"{{"id":"chatcmpl-CfastAAAAAAAAAAAAAAAAAAAAAAAAA","object":"chat.completion","created":1760000000,"model":"gpt-4o-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{USAGE},"service_tier":"default","system_fingerprint":"fp_44709d6fcb"}}"#
        )
    };
    render(&text(render("").len()))
}

const USAGE: &str = r#"{"prompt_tokens":19,"completion_tokens":64,"total_tokens":83,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#;

fn openai_chunk(choices: &str, usage: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-CfastAAAAAAAAAAAAAAAAAAAAAAAAA\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4o-mini\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":{choices},\"usage\":{usage}}}\n\n"
    )
}

fn openai_delta(delta: &str, finish: &str) -> String {
    let choices =
        format!(r#"[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]"#);
    openai_chunk(&choices, "null")
}

fn openai_stream() -> Vec<String> {
    let words = filler(DELTAS);
    let mut events =
        vec![openai_delta(r#"{"role":"assistant","content":"","refusal":null}"#, "null")];
    events.extend(words.iter().map(|w| openai_delta(&format!(r#"{{"content":"{w}"}}"#), "null")));
    events.push(openai_delta("{}", r#""stop""#));
    events.push(openai_chunk("[]", USAGE));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

const ANTHROPIC_USAGE: &str = r#""input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0}"#;

fn anthropic_message(content: &str, stop: &str, output: usize) -> String {
    format!(
        r#"{{"model":"claude-sonnet-4-5-20250929","id":"msg_01fastAAAAAAAAAAAAAAAAAA","type":"message","role":"assistant","content":{content},"stop_reason":{stop},"stop_sequence":null,"usage":{{{ANTHROPIC_USAGE},"output_tokens":{output},"service_tier":"standard"}}}}"#
    )
}

fn anthropic() -> String {
    let render = |text: &str| {
        let content = format!(r#"[{{"type":"text","text":"{text}"}}]"#);
        anthropic_message(&content, r#""end_turn""#, DELTAS)
    };
    render(&text(render("").len()))
}

fn anthropic_stream() -> Vec<String> {
    let event =
        |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n");
    let message = anthropic_message("[]", "null", 1);
    let mut events = vec![
        event("message_start", &format!(r#","message":{message}"#)),
        event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#),
        event("ping", ""),
    ];
    events.extend(filler(DELTAS).iter().map(|word| {
        let delta = format!(r#","index":0,"delta":{{"type":"text_delta","text":"{word}"}}"#);
        event("content_block_delta", &delta)
    }));
    events.push(event("content_block_stop", r#","index":0"#));
    events.push(event(
        "message_delta",
        r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":64}"#,
    ));
    events.push(event("message_stop", ""));
    events
}

fn gemini_response(text: &str, finish: &str, tokens: usize) -> String {
    let total = tokens + 19;
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}}{finish},"index":0}}],"usageMetadata":{{"promptTokenCount":19,"candidatesTokenCount":{tokens},"totalTokenCount":{total},"promptTokensDetails":[{{"modality":"TEXT","tokenCount":19}}]}},"modelVersion":"gemini-2.5-flash","responseId":"fastAAAAAAAAAAAAAAAAAA"}}"#
    )
}

const GEMINI_STOP: &str = r#","finishReason":"STOP""#;

fn gemini() -> String {
    let render = |text: &str| gemini_response(text, GEMINI_STOP, DELTAS);
    render(&text(render("").len()))
}

fn gemini_stream() -> Vec<String> {
    let words = filler(DELTAS);
    let frame = |(at, word): (usize, &String)| {
        let finish = if at + 1 == DELTAS { GEMINI_STOP } else { "" };
        format!("data: {}\r\n\r\n", gemini_response(word, finish, at + 1))
    };
    words.iter().enumerate().map(frame).collect()
}

fn embeddings() -> String {
    let vector = ["0.35355338"; 8].join(",");
    format!(
        r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[{vector}]}}],"model":"text-embedding-3-small","usage":{{"prompt_tokens":8,"total_tokens":8}}}}"#
    )
}

fn models() -> String {
    r#"{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1715367049,"owned_by":"system"}]}"#.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn answers_are_json_of_the_promised_size() {
        for text in [openai(), anthropic(), gemini()] {
            assert_eq!(text.len(), WHOLE_BYTES);
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
        for text in [embeddings(), models()] {
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn stream_events_are_json() {
        let streams = [openai_stream(), anthropic_stream(), gemini_stream()];
        for event in streams.iter().flatten() {
            let data = event.split("data: ").nth(1).unwrap_or_default().trim();
            assert!(data == "[DONE]" || serde_json::from_str::<Value>(data).is_ok(), "{event}");
        }
        let stream = openai_stream();
        assert_eq!(stream.len(), 1 + DELTAS + 3);
        assert!(stream[1..=DELTAS].iter().all(|event| event.len().abs_diff(290) < 12));
    }
}
