//! The answer to a chat request, before it is put into a vendor's words.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;

use crate::call::{Call, Vendor};
use crate::rule::{Finish, Reply};
use crate::schema;

/// The tokens of an answer; the input holds the cached ones, the output the reasoning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cached: u64,
    pub(crate) cache_write: u64,
    pub(crate) reasoning: u64,
}

/// A tool call of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// The arguments as text.
    pub(crate) text: String,
    /// The arguments as an object.
    pub(crate) object: Value,
}

/// The answer to a chat request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) model: String,
    pub(crate) created: u64,
    /// The text's deltas; none when there is no text.
    pub(crate) text: Vec<String>,
    pub(crate) reasoning: Vec<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
    /// How many choices (OpenAI's `n`, Gemini's `candidateCount`).
    pub(crate) choices: u64,
}

/// A piece of a streamed body.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    /// Whether it carries generated content, and so is paced.
    pub(crate) delta: bool,
}

impl Event {
    pub(crate) fn new(bytes: impl Into<Bytes>, delta: bool) -> Self {
        Self { bytes: bytes.into(), delta }
    }
}

impl Answer {
    /// The answer a reply gives to a call.
    pub(crate) fn new(call: &Call, reply: &Reply) -> Self {
        let text = if reply.refusal.is_some() { Vec::new() } else { text_deltas(call, reply) };
        let reasoning = reply.reasoning.as_deref().map(word_deltas).unwrap_or_default();
        let tools: Vec<Tool> =
            reply.tool_calls.iter().map(|tool| tool_of(&tool.name, &tool.arguments)).collect();
        let finish = reply.finish_reason.unwrap_or(if tools.is_empty() {
            Finish::Stop
        } else {
            Finish::ToolCalls
        });
        let choices = choices_of(call);
        let refusal_words = reply.refusal.as_deref().map_or(0, |text| word_deltas(text).len());
        let fragments: usize = tools.iter().map(|tool| fragments(&tool.text).len()).sum();
        let visible = (text.len() + refusal_words + fragments) as u64 * choices;
        let spec = reply.usage.unwrap_or_default();
        let reasoned = spec.reasoning_tokens.unwrap_or(reasoning.len() as u64);
        let usage = Usage {
            input: spec.input_tokens.unwrap_or_else(|| prompt_tokens(&call.body)),
            output: spec.output_tokens.unwrap_or(visible + reasoned),
            cached: spec.cached_tokens.unwrap_or(0),
            cache_write: spec.cache_write_tokens.unwrap_or(0),
            reasoning: reasoned,
        };
        Self {
            model: call.model.clone(),
            created: unix_seconds(),
            text,
            reasoning,
            refusal: reply.refusal.clone(),
            tools,
            finish,
            usage,
            choices,
        }
    }

    /// How many paced pieces the answer has.
    pub(crate) fn deltas(&self) -> usize {
        let fragments: usize = self.tools.iter().map(|tool| fragments(&tool.text).len()).sum();
        self.text.len() + self.reasoning.len() + fragments
    }
}

fn tool_of(name: &str, arguments: &Value) -> Tool {
    let (text, object) = match arguments {
        Value::String(text) => {
            (text.clone(), serde_json::from_str(text).unwrap_or_else(|_| empty_object()))
        }
        Value::Null => ("{}".to_owned(), empty_object()),
        other => (other.to_string(), other.clone()),
    };
    Tool { name: name.to_owned(), text, object }
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

fn choices_of(call: &Call) -> u64 {
    let asked = match call.vendor {
        Vendor::OpenAi => call.body.get("n"),
        Vendor::Anthropic => None,
        Vendor::Gemini => call.body.pointer("/generationConfig/candidateCount"),
    };
    asked.and_then(Value::as_u64).unwrap_or(1).clamp(1, 128)
}

fn text_deltas(call: &Call, reply: &Reply) -> Vec<String> {
    if let Some(text) = &reply.text {
        return word_deltas(text);
    }
    if let Some(words) = reply.words {
        return filler(words);
    }
    if !reply.tool_calls.is_empty() {
        return Vec::new();
    }
    if let Some(wanted) = schema::wanted(&call.body) {
        return fragments(&schema::sample(wanted.as_ref()).to_string());
    }
    let who = if call.label.is_empty() { "mock" } else { &call.label };
    let heard: String = last_user_text(&call.body).chars().take(200).collect();
    word_deltas(format!("Hello from {who}: {heard}").trim_end())
}

const FILLER: &[&str] = &[
    "the", "bridge", "keeper", "counts", "every", "cart", "and", "each", "coin", "that", "crosses",
    "over", "before", "dusk",
];

/// So many words, one a delta.
pub(crate) fn filler(words: usize) -> Vec<String> {
    let word = |at: usize| FILLER[at % FILLER.len()];
    (0..words)
        .map(|at| if at == 0 { word(at).to_owned() } else { format!(" {}", word(at)) })
        .collect()
}

/// A text in word-sized pieces, the white space before each word with it.
pub(crate) fn word_deltas(text: &str) -> Vec<String> {
    let mut deltas = Vec::new();
    let mut current = String::new();
    for letter in text.chars() {
        if letter.is_whitespace() && current.chars().any(|c| !c.is_whitespace()) {
            deltas.push(std::mem::take(&mut current));
        }
        current.push(letter);
    }
    if !current.is_empty() {
        deltas.push(current);
    }
    deltas
}

/// A text in pieces of a few characters, as arguments and JSON are streamed.
pub(crate) fn fragments(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(8).map(|piece| piece.iter().collect()).collect()
}

/// The words of all the text sent, at least one.
pub(crate) fn prompt_tokens(body: &Value) -> u64 {
    words_in(body).max(1)
}

fn words_in(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(words_in).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| match (name.as_str(), field) {
                ("text" | "content" | "system", Value::String(text)) => {
                    text.split_whitespace().count() as u64
                }
                (
                    "messages"
                    | "contents"
                    | "content"
                    | "system"
                    | "systemInstruction"
                    | "system_instruction"
                    | "parts"
                    | "requests"
                    | "generateContentRequest",
                    inner,
                ) => words_in(inner),
                _ => 0,
            })
            .sum(),
        _ => 0,
    }
}

fn last_user_text(body: &Value) -> String {
    let turns = body.get("messages").or_else(|| body.get("contents"));
    let turns = turns.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    turns
        .iter()
        .rev()
        .filter(|turn| turn.get("role").and_then(Value::as_str).unwrap_or("user") == "user")
        .map(turn_text)
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn turn_text(turn: &Value) -> String {
    match turn.get("content").or_else(|| turn.get("parts")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A fresh identifier: the prefix and so many letters and digits.
pub(crate) fn id(prefix: &str, length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new();
    let mut id = String::with_capacity(prefix.len() + length);
    id.push_str(prefix);
    let mut pool = 0;
    for at in 0..length {
        if at % 8 == 0 {
            pool = random.hash_one((number, at));
        }
        id.push(char::from(LETTERS[(pool % 62) as usize]));
        pool /= 62;
    }
    id
}
