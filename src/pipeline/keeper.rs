//! A stream on its way to the client, collected to be kept.

use super::cache_note::CacheNote;
use super::cached::Caching;
use super::call::Call;
use super::record::Outcome;
use super::translate::CLIENT;
use crate::app::App;
use crate::cache::LARGEST;
use crate::dialect::openai_chat::raw::{PlainChunks, UNSAID, may_say_more, unescaped};
use crate::dialect::sse::{Frame, FrameReader};
use crate::dialect::{ClientDialect, Dialect, StreamDecoder};
use crate::llm::{Accumulator, BlockStart, Delta, Event, Response};
use serde_json::Value;
use std::sync::Arc;

/// Collects a stream, as the client gets it, to be kept when it is complete. Nothing of its bytes is held,
/// so that their room can be used again for what follows.
pub(super) struct Keeper {
    caching: Box<Caching>,
    collected: Option<Collected>,
}

/// What has come so far.
struct Collected {
    reader: FrameReader,
    decoder: Box<dyn StreamDecoder>,
    accumulator: Accumulator,
    /// Room for events.
    events: Vec<Event>,
    /// The number of the first choice's text.
    text: Option<u32>,
    /// The same, if it is what the stream is at.
    open: Option<u32>,
    /// What has come of it since, as it is written in JSON: most chunks say nothing else, and need not be
    /// decoded.
    more: Vec<u8>,
    plain: PlainChunks,
    size: usize,
}

impl Keeper {
    pub(super) fn new(caching: Box<Caching>) -> Self {
        Keeper { caching, collected: Some(Collected::new()) }
    }

    /// What a client of the stream is told of the cache.
    pub(super) fn note(&self) -> &CacheNote {
        self.caching.note()
    }

    /// The client gets these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let Some(collected) = &mut self.collected else { return };
        if collected.push(bytes).is_none() {
            // Nothing is kept of it, so nothing needs to be remembered either.
            self.collected = None;
        }
    }

    /// The stream is complete.
    pub(super) fn keep(self, app: &Arc<App>, call: &Arc<Call>, outcome: &Outcome) {
        let response = self.collected.and_then(|collected| collected.finish(outcome));
        let Some(response) = response else { return };
        let body = CLIENT.encode_response(&response);
        self.caching.keep(app, call, &body, outcome);
    }
}

impl Collected {
    fn new() -> Self {
        Collected {
            reader: FrameReader::default(),
            decoder: CLIENT.stream_decoder(),
            accumulator: Accumulator::default(),
            events: Vec::new(),
            text: None,
            open: None,
            more: Vec::new(),
            plain: PlainChunks::default(),
            size: 0,
        }
    }

    /// `None` when the stream cannot be kept.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.size += bytes.len();
        if self.size > 4 * LARGEST {
            return None;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (frame, after) = first_frame(rest).unwrap_or((rest, &[]));
            rest = after;
            if self.open.is_some()
                && self.reader.is_empty()
                && let Some(data) = only_data(frame)
                && let Some(text) = self.plain.text(data)
            {
                self.more.extend_from_slice(text);
                continue;
            }
            self.reader.push(frame);
            while let Some(frame) = self.reader.next_frame().ok()? {
                self.take(&frame)?;
            }
        }
        Some(())
    }

    fn take(&mut self, frame: &Frame) -> Option<()> {
        let Some(data) = &frame.data else { return Some(()) };
        self.flush()?;
        if says_more(data) {
            return None;
        }
        self.decoder.decode(frame, &mut self.events).ok()?;
        for event in self.events.drain(..) {
            match &event {
                Event::BlockStart { index, choice: 0, block: BlockStart::Text } => {
                    self.text = Some(*index);
                }
                Event::BlockDelta { index, .. } => {
                    self.open = Some(*index).filter(|index| self.text == Some(*index));
                }
                _ => self.open = None,
            }
            self.accumulator.push(&event);
        }
        Some(())
    }

    fn flush(&mut self) -> Option<()> {
        if let Some(index) = self.open
            && !self.more.is_empty()
        {
            let delta = Delta::Text(unescaped(&self.more)?.into_owned());
            self.accumulator.push(&Event::BlockDelta { index, delta });
            self.more.clear();
        }
        Some(())
    }

    /// The stream as one answer.
    fn finish(mut self, outcome: &Outcome) -> Option<Response> {
        self.flush()?;
        self.decoder.finish(&mut self.events);
        self.events.drain(..).for_each(|event| self.accumulator.push(&event));
        let mut chat = self.accumulator.finish().ok()?;
        // The client may not have asked for usage; whoever gets the answer next may.
        chat.usage = Some(outcome.usage);
        Some(Response::Chat(Box::new(chat)))
    }
}

/// The first event of a stream as the gateway writes it, and what follows.
fn first_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = memchr::memchr(b'\n', bytes)?;
    (bytes.get(line + 1) == Some(&b'\n')).then(|| bytes.split_at_checked(line + 2)).flatten()
}

/// The data of one event that has nothing else, in one line.
fn only_data(frame: &[u8]) -> Option<&[u8]> {
    let data = frame.strip_prefix(b"data: ")?.strip_suffix(b"\n\n")?;
    memchr::memchr2(b'\n', b'\r', data).is_none().then_some(data)
}

/// Whether an answer or a chunk says anything for which the hub's events have no word.
pub(super) fn says_more(json: &[u8]) -> bool {
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
    use crate::llm::Part;
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

    /// What is kept of a stream that comes in these pieces.
    fn collected<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Response> {
        let mut collected = Collected::new();
        for piece in pieces {
            collected.push(piece)?;
        }
        collected.finish(&Outcome::default())
    }

    fn text_of(response: Option<Response>) -> String {
        let Some(Response::Chat(chat)) = response else { panic!("nothing was kept") };
        let [choice] = &*chat.choices else { panic!("one choice: {:?}", chat.choices) };
        match &*choice.parts {
            [Part::Text { text, .. }] => text.clone(),
            other => panic!("text: {other:?}"),
        }
    }

    #[test]
    fn however_a_stream_is_cut_and_written_all_of_it_is_kept() {
        let chunk = |delta: Value, reason: Value| {
            json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        };
        let words = ["", "When ", "does \"it\" ", "open?\n", "At ", "nine \u{1f600}", "."];
        let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
        chunks.extend(words.map(|word| chunk(json!({"content": word}), Value::Null)));
        chunks.push(chunk(json!({}), json!("stop")));
        let mut datas: Vec<String> = chunks.iter().map(Value::to_string).collect();
        datas.push("[DONE]".to_owned());
        for (before, after) in [
            ("data: ", "\n\n"),
            ("data:", "\n\n"),
            ("data: ", "\nid: 1\n\n"),
            ("id: 1\ndata: ", "\n\n"),
            ("data: ", "\r\n\r\n"),
            (": ping\n\ndata: ", "\n\n"),
        ] {
            let events: Vec<String> =
                datas.iter().map(|data| format!("{before}{data}{after}")).collect();
            let whole = events.concat();
            for at_once in 1..=events.len() {
                let pieces: Vec<String> = events.chunks(at_once).map(<[_]>::concat).collect();
                let kept = collected(pieces.iter().map(String::as_bytes));
                assert_eq!(text_of(kept), words.concat(), "{at_once} of {before:?} {after:?}");
            }
            for bytes in [1, 7, 100] {
                let kept = collected(whole.as_bytes().chunks(bytes));
                assert_eq!(text_of(kept), words.concat(), "{bytes} of {before:?} {after:?}");
            }
            // What broke off is not kept.
            let end = whole.len() - after.len() - "[DONE]".len() - before.len();
            let broken = whole.get(..end - chunks[0].to_string().len()).unwrap();
            assert!(collected([broken.as_bytes()].into_iter()).is_none());
        }
    }
}
