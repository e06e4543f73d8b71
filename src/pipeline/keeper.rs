//! A stream on its way to the client, collected to be kept.

use super::cache_note::CacheNote;
use super::cached::Caching;
use super::call::Call;
use super::record::Outcome;
use super::translate::CLIENT;
use crate::app::App;
use crate::cache::LARGEST;
use crate::dialect::sse::FrameReader;
use crate::dialect::{ClientDialect, Dialect};
use crate::llm::{Accumulator, Response};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// Collects a stream, as the client gets it, to be kept when it is complete.
pub(super) struct Keeper {
    caching: Box<Caching>,
    frames: Vec<Bytes>,
    size: usize,
}

impl Keeper {
    pub(super) fn new(caching: Box<Caching>) -> Self {
        Keeper { caching, frames: Vec::new(), size: 0 }
    }

    /// What a client of the stream is told of the cache.
    pub(super) fn note(&self) -> CacheNote {
        self.caching.note()
    }

    /// The client gets these bytes.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.size += bytes.len();
        // Beyond that nothing is kept, so nothing needs to be remembered either.
        if self.size <= 4 * LARGEST {
            self.frames.push(bytes);
        } else {
            self.frames.clear();
        }
    }

    /// The stream is complete.
    pub(super) fn keep(self, app: &Arc<App>, call: &Arc<Call>, outcome: &Outcome) {
        if self.size > 4 * LARGEST {
            return;
        }
        let Some(response) = self.response(outcome) else { return };
        let body = CLIENT.encode_response(&response);
        self.caching.keep(app, call, &body, outcome);
    }

    /// The stream as one answer.
    fn response(&self, outcome: &Outcome) -> Option<Response> {
        let mut reader = FrameReader::default();
        let mut decoder = CLIENT.stream_decoder();
        let mut accumulator = Accumulator::default();
        let mut events = Vec::new();
        for bytes in &self.frames {
            reader.push(bytes);
            while let Some(frame) = reader.next_frame().ok()? {
                if frame.data.as_ref().is_some_and(|data| says_more(data)) {
                    return None;
                }
                decoder.decode(&frame, &mut events).ok()?;
            }
            events.drain(..).for_each(|event| accumulator.push(&event));
        }
        decoder.finish(&mut events);
        events.drain(..).for_each(|event| accumulator.push(&event));
        let mut chat = accumulator.finish().ok()?;
        // The client may not have asked for usage; whoever gets the answer next may.
        chat.usage = Some(outcome.usage);
        Some(Response::Chat(Box::new(chat)))
    }
}

/// Fields of an answer for which the hub's events have no word: kept in one form, it would lack them in
/// the other.
const UNSAID: [&str; 6] =
    ["annotations", "images", "audio", "citations", "search_results", "function_call"];

/// Whether an answer or a chunk has any of them. Most have none, and are not read for it.
pub(super) fn says_more(json: &[u8]) -> bool {
    if !UNSAID.iter().any(|name| memchr::memmem::find(json, name.as_bytes()).is_some()) {
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
