//! From a request and its reply to a response: head, and the steps of the body.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::answer::{Answer, Event, prompt_tokens};
use crate::body::Step;
use crate::call::{Call, Op, Vendor};
use crate::rule::Reply;
use crate::{anthropic, embed, gemini, openai};

/// The models told of.
pub(crate) const MODELS: &[&str] = &["mock-model", "mock-model-mini"];

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream; charset=utf-8";

/// A response, not yet sent.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) steps: VecDeque<Step>,
    /// Whether the length is told in the head.
    pub(crate) sized: bool,
    /// How long before the head.
    pub(crate) wait: Duration,
    /// The tokens it tells, of an answer that is none of an error.
    pub(crate) tokens: (u64, u64),
}

/// What is sent, before it is cut, paced and split.
struct Content {
    status: u16,
    content_type: String,
    events: Vec<Event>,
    streamed: bool,
    tokens: (u64, u64),
    /// The paced pieces of an unstreamed answer, which is waited for whole.
    deltas: usize,
}

impl Content {
    fn json(status: u16, body: &Value, tokens: (u64, u64)) -> Self {
        Self {
            status,
            content_type: JSON.to_owned(),
            events: vec![Event::new(body.to_string(), false)],
            streamed: false,
            tokens,
            deltas: 0,
        }
    }

    fn error(call: &Call, status: u16, message: Option<&str>, retry_after: Option<f64>) -> Self {
        let mut body = match call.vendor {
            Vendor::OpenAi => openai::error(status, message, &call.model),
            Vendor::Anthropic => anthropic::error(status, message, &call.model),
            Vendor::Gemini => gemini::error(status, message, &call.model, retry_after),
        };
        if call.vendor == Vendor::Gemini && call.stream && !call.sse {
            body = Value::Array(vec![body]);
        }
        Self::json(status, &body, (0, 0))
    }
}

/// The response a reply gives to a call.
pub(crate) fn respond(call: &Call, reply: &Reply) -> Plan {
    let mut content = content(call, reply);
    if content.streamed {
        break_stream(&mut content.events, call, reply);
    }
    let first = millis(reply.delay_first_token_ms);
    let between = millis(reply.delay_between_ms);
    let mut wait = millis(reply.delay_headers_ms);
    if !content.streamed {
        let gaps = u32::try_from(content.deltas.saturating_sub(1)).unwrap_or(u32::MAX);
        wait += first + between * gaps;
    }
    let headers = headers(call, reply, &content);
    let steps = steps(&content, reply, first, between);
    let tokens = if content.status < 400 { content.tokens } else { (0, 0) };
    Plan { status: content.status, headers, steps, sized: !content.streamed, wait, tokens }
}

fn millis(value: Option<u64>) -> Duration {
    Duration::from_millis(value.unwrap_or(0))
}

fn content(call: &Call, reply: &Reply) -> Content {
    if let Some(body) = &reply.body {
        return scripted(body, reply);
    }
    let status = reply.status.unwrap_or(200);
    if status >= 400 {
        return Content::error(call, status, None, reply.retry_after);
    }
    let mut content =
        if call.key.is_none() && call.needs_key() { no_key(call) } else { answered(call, reply) };
    if content.status == 200 {
        content.status = status;
    }
    content
}

/// A body the script gives; one of server-sent events is split into its events.
fn scripted(body: &Value, reply: &Reply) -> Content {
    let status = reply.status.unwrap_or(200);
    let Value::String(text) = body else {
        return Content::json(status, body, (0, 0));
    };
    let content_type = reply.content_type.as_deref().unwrap_or("text/plain; charset=utf-8");
    let streamed = content_type.starts_with("text/event-stream");
    let events = if streamed {
        text.split_inclusive("\n\n").map(|event| Event::new(event.to_owned(), true)).collect()
    } else {
        vec![Event::new(text.clone(), false)]
    };
    let content_type = content_type.to_owned();
    Content { status, content_type, events, streamed, tokens: (0, 0), deltas: 0 }
}

fn no_key(call: &Call) -> Content {
    match call.vendor {
        Vendor::OpenAi => Content::json(401, &openai::no_key(), (0, 0)),
        Vendor::Anthropic => Content::error(call, 401, Some("x-api-key header is required"), None),
        Vendor::Gemini => Content::json(403, &gemini::no_key(), (0, 0)),
    }
}

/// The answer of the operation.
fn answered(call: &Call, reply: &Reply) -> Content {
    let wanted = if matches!(call.op, Op::Models | Op::Model(_)) { "GET" } else { "POST" };
    if call.op == Op::Unknown {
        let message = format!("Invalid URL ({} {})", call.method, call.path);
        return Content::error(call, 404, Some(&message), None);
    }
    if call.method.as_str() != wanted {
        let message = format!("Not allowed to {} on {}", call.method, call.path);
        return Content::error(call, 405, Some(&message), None);
    }
    match &call.op {
        Op::Chat => chat(call, reply),
        Op::Embed | Op::EmbedBatch => embedded(call, reply),
        Op::CountTokens => counted(call, reply),
        Op::Models => models(call),
        Op::Model(name) => one_model(call, name),
        Op::Unknown => Content::error(call, 404, None, None),
    }
}

fn chat(call: &Call, reply: &Reply) -> Content {
    let complaint = match call.vendor {
        Vendor::OpenAi => openai::complaint(call),
        Vendor::Anthropic => anthropic::complaint(call, false),
        Vendor::Gemini => gemini::complaint(call),
    };
    if let Some(complaint) = complaint {
        return Content::json(400, &complaint, (0, 0));
    }
    let answer = Answer::new(call, reply);
    let tokens = (answer.usage.input, answer.usage.output);
    if call.stream {
        let events = match call.vendor {
            Vendor::OpenAi => openai::streamed(&answer, call),
            Vendor::Anthropic => anthropic::streamed(&answer),
            Vendor::Gemini => gemini::streamed(&answer, call.sse),
        };
        let content_type = if call.sse { EVENTS } else { JSON }.to_owned();
        return Content { status: 200, content_type, events, streamed: true, tokens, deltas: 0 };
    }
    let body = match call.vendor {
        Vendor::OpenAi => openai::whole(&answer, call),
        Vendor::Anthropic => anthropic::whole(&answer),
        Vendor::Gemini => gemini::whole(&answer),
    };
    let mut content = Content::json(200, &body, tokens);
    content.deltas = answer.deltas();
    content
}

fn embedded(call: &Call, reply: &Reply) -> Content {
    let told = reply.usage.and_then(|usage| usage.input_tokens);
    let done = match (call.vendor, &call.op) {
        (Vendor::Gemini, Op::EmbedBatch) => Ok(embed::gemini_batch(call)),
        (Vendor::Gemini, _) => Ok(embed::gemini(call)),
        _ if call.model.is_empty() => Err("you must provide a model parameter"),
        _ => embed::openai(call, told),
    };
    match done {
        Ok((body, tokens)) => Content::json(200, &body, (told.unwrap_or(tokens), 0)),
        Err(message) => Content::error(call, 400, Some(message), None),
    }
}

fn counted(call: &Call, reply: &Reply) -> Content {
    let told = reply.usage.and_then(|usage| usage.input_tokens);
    let tokens = told.unwrap_or_else(|| prompt_tokens(&call.body));
    if call.vendor == Vendor::Gemini {
        return Content::json(200, &gemini::token_count(tokens), (0, 0));
    }
    match anthropic::complaint(call, true) {
        Some(complaint) => Content::json(400, &complaint, (0, 0)),
        None => Content::json(200, &serde_json::json!({"input_tokens": tokens}), (0, 0)),
    }
}

fn models(call: &Call) -> Content {
    let names: Vec<String> = MODELS.iter().map(|name| (*name).to_owned()).collect();
    let body = match call.vendor {
        Vendor::OpenAi => openai::models(&names),
        Vendor::Anthropic => anthropic::models(&names),
        Vendor::Gemini => gemini::models(&names),
    };
    Content::json(200, &body, (0, 0))
}

fn one_model(call: &Call, name: &str) -> Content {
    let body = match call.vendor {
        Vendor::OpenAi => openai::model(name),
        Vendor::Anthropic => anthropic::one_model(name),
        Vendor::Gemini => gemini::model(name),
    };
    Content::json(200, &body, (0, 0))
}

/// Ends a stream early with the vendor's in-band error, if the reply says so.
fn break_stream(events: &mut Vec<Event>, call: &Call, reply: &Reply) {
    let Some(after) = reply.stream_error_after_events else { return };
    events.truncate(after);
    let first = events.is_empty();
    let error = match call.vendor {
        Vendor::OpenAi => openai::stream_error(),
        Vendor::Anthropic => anthropic::stream_error(),
        Vendor::Gemini => gemini::stream_error(call.sse, first),
    };
    events.push(Event::new(error, false));
}

fn headers(call: &Call, reply: &Reply, content: &Content) -> Vec<(String, String)> {
    let own = match call.vendor {
        Vendor::OpenAi => openai::headers(content.tokens.0),
        Vendor::Anthropic => anthropic::headers(content.tokens.0),
        Vendor::Gemini => gemini::headers(),
    };
    let mut headers: Vec<(String, String)> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let content_type = reply.content_type.as_ref().unwrap_or(&content.content_type);
    headers.push(("content-type".to_owned(), content_type.clone()));
    let in_body = call.vendor == Vendor::Gemini && content.status == 429 && reply.body.is_none();
    if let Some(seconds) = reply.retry_after.filter(|_| !in_body) {
        headers.push(("retry-after".to_owned(), seconds.to_string()));
        if call.vendor == Vendor::OpenAi {
            let millis = (seconds * 1000.0).round().to_string();
            headers.push(("retry-after-ms".to_owned(), millis));
        }
    }
    for (name, value) in &reply.headers {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        headers.push((name.clone(), value.clone()));
    }
    headers
}

/// The body's steps: the events, paced, cut and split as the reply says.
fn steps(content: &Content, reply: &Reply, first: Duration, between: Duration) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    let mut wait = first;
    let mut sent = 0;
    for event in &content.events {
        if content.streamed && reply.cut_after_events == Some(sent) {
            break;
        }
        if event.delta && content.streamed {
            if !wait.is_zero() {
                steps.push_back(Step::Wait(wait));
            }
            wait = between;
        }
        steps.push_back(Step::Data(event.bytes.clone()));
        sent += 1;
    }
    if reply.cut_after_events.is_some() && !content.streamed {
        let whole: Bytes = content.events.iter().flat_map(|event| event.bytes.clone()).collect();
        let length = whole.len();
        steps = VecDeque::from([Step::Data(whole.slice(..length / 2)), Step::Cut(length)]);
    } else if reply.cut_after_events.is_some_and(|after| after <= sent) {
        steps.push_back(Step::Cut(0));
    }
    match reply.chunk_bytes {
        Some(size) if size > 0 => split(steps, size),
        _ => steps,
    }
}

/// The same bytes in pieces of one size, whatever the events were.
fn split(steps: VecDeque<Step>, size: usize) -> VecDeque<Step> {
    let mut out = VecDeque::new();
    let mut held: Vec<u8> = Vec::new();
    let flush = |held: &mut Vec<u8>, out: &mut VecDeque<Step>| {
        if !held.is_empty() {
            out.push_back(Step::Data(Bytes::from(std::mem::take(held))));
            out.push_back(Step::Flush);
        }
    };
    for step in steps {
        match step {
            Step::Data(bytes) => {
                for byte in bytes {
                    held.push(byte);
                    if held.len() == size {
                        flush(&mut held, &mut out);
                    }
                }
            }
            Step::Wait(_) | Step::Flush => out.push_back(step),
            Step::Cut(_) => {
                flush(&mut held, &mut out);
                out.push_back(step);
            }
        }
    }
    flush(&mut held, &mut out);
    out
}
