//! What a request is: whose API, which operation, which provider label, key and model.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde_json::Value;

/// Whose API a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    OpenAi,
    Anthropic,
    Gemini,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Chat,
    Embed,
    EmbedBatch,
    CountTokens,
    Models,
    Model(String),
    Unknown,
}

/// A request, understood.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) vendor: Vendor,
    pub(crate) op: Op,
    pub(crate) label: String,
    pub(crate) key: Option<String>,
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether a stream is server-sent events (Gemini without `alt=sse` is a JSON array).
    pub(crate) sse: bool,
    pub(crate) body: Value,
    /// Whether the body could be read as JSON.
    pub(crate) body_is_json: bool,
    pub(crate) raw: Bytes,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

/// Path segments that begin an API path, and so are no label.
const API_SEGMENTS: &[&str] =
    &["v1", "v1beta", "chat", "embeddings", "models", "messages", "completions"];

impl Call {
    /// Understands a request.
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, raw: Bytes) -> Self {
        let path = uri.path().to_owned();
        let query = uri.query().unwrap_or_default().to_owned();
        let parsed = serde_json::from_slice::<Value>(&raw);
        let body_is_json = parsed.is_ok();
        let body = parsed.unwrap_or(Value::Null);
        let segments: Vec<String> =
            path.split('/').filter(|s| !s.is_empty()).map(percent_decoded).collect();
        let label = label_of(&segments);
        let (vendor, op, target) = operation(&segments, &label, &query, &headers);
        let gemini_stream = path.ends_with(":streamGenerateContent");
        let stream = match vendor {
            Vendor::Gemini => gemini_stream,
            _ => body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        };
        let model = target
            .or_else(|| body.get("model").and_then(Value::as_str).map(str::to_owned))
            .unwrap_or_default();
        let sse = vendor != Vendor::Gemini || query_value(&query, "alt").as_deref() == Some("sse");
        let key = key_of(&headers, &query);
        Self {
            vendor,
            op,
            label,
            key,
            model,
            stream,
            sse,
            body,
            body_is_json,
            raw,
            method,
            path,
            query,
            headers,
        }
    }

    /// The header's text, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether this provider asks for a credential: the local ones do not.
    pub(crate) fn needs_key(&self) -> bool {
        !matches!(self.label.as_str(), "ollama" | "vllm" | "local")
    }
}

fn label_of(segments: &[String]) -> String {
    match segments.first() {
        Some(first) if !is_api_segment(first) => first.clone(),
        _ => String::new(),
    }
}

fn is_api_segment(segment: &str) -> bool {
    API_SEGMENTS.contains(&segment)
}

/// The vendor, the operation and the model the path names.
fn operation(
    segments: &[String],
    label: &str,
    query: &str,
    headers: &HeaderMap,
) -> (Vendor, Op, Option<String>) {
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let guess = guess_vendor(&words, label, query, headers);
    match words.as_slice() {
        [.., "chat", "completions"] => (Vendor::OpenAi, Op::Chat, None),
        [.., "embeddings"] => (Vendor::OpenAi, Op::Embed, None),
        [.., "messages"] => (Vendor::Anthropic, Op::Chat, None),
        [.., "messages", "count_tokens"] => (Vendor::Anthropic, Op::CountTokens, None),
        [.., "models"] => (guess, Op::Models, None),
        [.., last] if last.contains(':') && words.contains(&"models") => {
            let (model, method) = last.rsplit_once(':').unwrap_or((last, ""));
            let op = match method {
                "generateContent" | "streamGenerateContent" => Op::Chat,
                "embedContent" => Op::Embed,
                "batchEmbedContents" => Op::EmbedBatch,
                "countTokens" => Op::CountTokens,
                _ => return (guess, Op::Model((*last).to_owned()), None),
            };
            (Vendor::Gemini, op, Some(model.to_owned()))
        }
        _ => match words.iter().position(|word| *word == "models") {
            Some(at) => (guess, Op::Model(words[at + 1..].join("/")), None),
            None => (guess, Op::Unknown, None),
        },
    }
}

/// The vendor of a path that several vendors share.
fn guess_vendor(words: &[&str], label: &str, query: &str, headers: &HeaderMap) -> Vendor {
    let openai_flavour = words.len() > 1 && words[1..].contains(&"openai");
    if headers.contains_key("anthropic-version") || label == "anthropic" {
        Vendor::Anthropic
    } else if openai_flavour {
        Vendor::OpenAi
    } else if label == "gemini"
        || words.contains(&"v1beta")
        || headers.contains_key("x-goog-api-key")
        || query_value(query, "key").is_some()
    {
        Vendor::Gemini
    } else {
        Vendor::OpenAi
    }
}

fn key_of(headers: &HeaderMap, query: &str) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    ["x-api-key", "x-goog-api-key", "api-key"]
        .iter()
        .find_map(|name| text(name))
        .or(bearer)
        .map(str::to_owned)
        .or_else(|| query_value(query, "key"))
        .filter(|key| !key.is_empty())
}

/// The value of a query parameter.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| percent_decoded(value))
    })
}

fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], pair) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
