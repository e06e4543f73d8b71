//! Answers that are kept as they came. Most are never asked for again: whether one may be kept, and what
//! its stream says as a whole, is found out when it first is. Streams that are more than text take too much
//! room for that, and are read as they come.

use super::entry::Entry;
use super::keep::{LARGEST, may_keep};
use crate::dialect::openai_chat::OpenaiChat;
use crate::dialect::openai_chat::raw::{UNSAID, is_plain_text, may_say_more};
use crate::dialect::sse::FrameReader;
use crate::dialect::{ClientDialect, Dialect, StreamDecoder};
use crate::llm::{Accumulator, EmbeddingRequest, Event, Request, Response, Usage};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// The client's format, in which answers come.
const CLIENT: &OpenaiChat = &OpenaiChat;

/// What has to be known to read an answer later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unread {
    /// What it is.
    pub form: Form,
    /// Whether calls of tools may be kept.
    pub keeps_tools: bool,
    /// What the answer used. A stream's client may not have asked for it; whoever asks next may.
    pub usage: Usage,
}

/// What an unread answer is, in the client's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A complete answer to a chat request.
    Chat,
    /// The events of a stream.
    ChatStream,
    /// A complete answer to a request for embeddings.
    Embedding,
}

impl Entry {
    /// The entry with its answer complete and unstreamed; `None` when that is not for others.
    pub fn read(self: &Arc<Self>) -> Option<Arc<Entry>> {
        let Some(unread) = self.unread else { return Some(self.clone()) };
        let answer = match unread.form {
            Form::ChatStream => whole(&self.answer, unread.usage)?,
            Form::Chat | Form::Embedding => self.answer.clone(),
        };
        if answer.len() > LARGEST || !is_for_others(&answer, &unread) {
            return None;
        }
        Some(Arc::new(Entry { answer, unread: None, ..Entry::clone(self) }))
    }
}

fn is_for_others(answer: &[u8], unread: &Unread) -> bool {
    let request = match unread.form {
        // Most are, and need not be decoded.
        Form::Chat | Form::ChatStream if is_plain_text(answer) => return true,
        Form::Chat | Form::ChatStream => Request::Chat(Box::default()),
        Form::Embedding => Request::Embedding(EmbeddingRequest::default()),
    };
    let response = CLIENT.decode_response(&request, answer);
    response.is_ok_and(|response| may_keep(&response, unread.keeps_tools)) && !says_more(answer)
}

/// The events of a stream as one answer.
fn whole(events: &[u8], usage: Usage) -> Option<Bytes> {
    let mut reader = StreamReader::default();
    reader.push(events)?;
    reader.finish(usage)
}

/// Reads a stream in the client's format as one answer.
pub struct StreamReader {
    frames: FrameReader,
    decoder: Box<dyn StreamDecoder>,
    accumulator: Accumulator,
    /// Room for events.
    decoded: Vec<Event>,
}

impl Default for StreamReader {
    fn default() -> Self {
        StreamReader {
            frames: FrameReader::default(),
            decoder: CLIENT.stream_decoder(),
            accumulator: Accumulator::default(),
            decoded: Vec::new(),
        }
    }
}

impl StreamReader {
    /// Takes what comes next of it, cut anywhere; `None` when the stream is not for others, or cannot be
    /// read.
    pub fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.frames.push(bytes);
        while let Some(frame) = self.frames.next_frame().ok()? {
            let Some(data) = &frame.data else { continue };
            if says_more(data) {
                return None;
            }
            self.decoder.decode(&frame, &mut self.decoded).ok()?;
            self.accumulate();
        }
        Some(())
    }

    /// The complete answer, which used so much; `None` when the stream has broken off.
    pub fn finish(mut self, usage: Usage) -> Option<Bytes> {
        self.decoder.finish(&mut self.decoded);
        self.accumulate();
        let mut chat = self.accumulator.finish().ok()?;
        chat.usage = Some(usage);
        let answer = CLIENT.encode_response(&Response::Chat(Box::new(chat)));
        // Without the room that it had for growing.
        Some(Bytes::copy_from_slice(&answer))
    }

    fn accumulate(&mut self) {
        self.decoded.drain(..).for_each(|event| self.accumulator.push(&event));
    }
}

/// Whether an answer or a chunk says anything for which the hub's events have no word.
fn says_more(json: &[u8]) -> bool {
    if !may_say_more(json) {
        return false;
    }
    let Ok(json) = serde_json::from_slice::<Value>(json) else { return true };
    let choices = json["choices"].as_array().into_iter().flatten();
    let said = choices.flat_map(|choice| [&choice["delta"], &choice["message"]]);
    let filled = |value: &Value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    };
    said.chain([&json]).any(|object| UNSAID.iter().any(|name| filled(&object[*name])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_would_be_lost_is_seen_and_what_is_only_talked_of_is_not() {
        let answer = |message: Value| json!({"choices": [{"message": message}]}).to_string();
        let plain = answer(json!({"content": "annotations and images", "annotations": []}));
        assert!(!says_more(plain.as_bytes()));
        let found = answer(json!({"content": "[1]", "annotations": [{"type": "url_citation"}]}));
        assert!(says_more(found.as_bytes()));
        let delta = json!({"choices": [{"delta": {"images": [{"index": 0}]}}]}).to_string();
        assert!(says_more(delta.as_bytes()));
        let cited = json!({"choices": [], "citations": ["https://example.com"]}).to_string();
        assert!(says_more(cited.as_bytes()));
    }
}
