//! A stream on its way to the client, collected to be kept.

use super::cache_note::CacheNote;
use super::cached::{Caching, LARGEST_UNREAD};
use super::call::Call;
use super::record::Outcome;
use crate::app::App;
use crate::cache::Form;
use crate::dialect::openai_chat::raw::PlainChunks;
use std::sync::Arc;

/// Collects a stream, as the client gets it, to be kept when it is complete. Nothing of its bytes is held,
/// so that their room can be used again for what follows.
pub(super) struct Keeper {
    caching: Box<Caching>,
    collected: Option<Collected>,
}

/// What has come so far, as a stream that says the same: chunks that only go on with the text of the one
/// before are one chunk. Most do, and it takes a fraction of their bytes.
#[derive(Default)]
struct Collected {
    events: Vec<u8>,
    /// What is missing of the last event, to which text may be added. Empty if it is complete.
    end: Vec<u8>,
    plain: PlainChunks,
    size: usize,
}

impl Keeper {
    pub(super) fn new(caching: Box<Caching>) -> Self {
        Keeper { caching, collected: Some(Collected::default()) }
    }

    /// What a client of the stream is told of the cache.
    pub(super) fn note(&self) -> &CacheNote {
        self.caching.note()
    }

    /// The client gets these bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(collected) = &mut self.collected
            && !collected.push(bytes)
        {
            // Nothing is kept of it, so nothing needs to be remembered either.
            self.collected = None;
        }
    }

    /// The stream is complete.
    pub(super) fn keep(self, app: &Arc<App>, call: &Arc<Call>, outcome: &Outcome) {
        let Some(collected) = self.collected else { return };
        self.caching.keep_as(Form::ChatStream, app, call, &collected.finish(), outcome);
    }
}

impl Collected {
    /// Whether the stream can still be kept.
    fn push(&mut self, bytes: &[u8]) -> bool {
        self.size += bytes.len();
        if self.size > LARGEST_UNREAD {
            return false;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (event, after) = first_event(rest).unwrap_or((rest, &[]));
            rest = after;
            if !self.push_text(event) {
                self.complete();
                self.events.extend_from_slice(event);
            }
        }
        true
    }

    /// Takes an event that does nothing but add to the text; whether it is one.
    fn push_text(&mut self, event: &[u8]) -> bool {
        let is_open = !self.end.is_empty();
        // Else this is the rest of an event that has begun before.
        let begins = is_open || self.events.is_empty() || self.events.ends_with(b"\n\n");
        let Some(data) = only_data(event).filter(|_| begins) else { return false };
        let Some((text, after)) = self.plain.text(data) else { return false };
        if !is_open {
            let (before, end) = event.split_at_checked(event.len() - after - 2).unwrap_or_default();
            self.events.extend_from_slice(before);
            self.end.extend_from_slice(end);
        } else {
            self.events.extend_from_slice(text);
        }
        true
    }

    /// Completes the last event: another one follows, or none.
    fn complete(&mut self) {
        self.events.append(&mut self.end);
    }

    fn finish(mut self) -> Vec<u8> {
        self.complete();
        self.events
    }
}

/// The first event of a stream as the gateway writes it, and what follows.
fn first_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = memchr::memchr(b'\n', bytes)?;
    (bytes.get(line + 1) == Some(&b'\n')).then(|| bytes.split_at_checked(line + 2)).flatten()
}

/// The data of one event that has nothing else, in one line.
fn only_data(event: &[u8]) -> Option<&[u8]> {
    let data = event.strip_prefix(b"data: ")?.strip_suffix(b"\n\n")?;
    memchr::memchr2(b'\n', b'\r', data).is_none().then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Entry, Unread, fixture};
    use crate::llm::Usage;
    use serde_json::{Value, json};

    /// What is kept of a stream that comes in these pieces.
    fn collected<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut collected = Collected::default();
        pieces.for_each(|piece| assert!(collected.push(piece)));
        collected.finish()
    }

    /// The text of the answer that is made of it.
    fn text_of(collected: Vec<u8>) -> Option<String> {
        let (form, usage) = (Form::ChatStream, Usage::default());
        let unread = Some(Unread { form, keeps_tools: false, usage });
        let entry = Entry { answer: collected.into(), unread, ..fixture::entry(1) };
        let read = Arc::new(entry).read()?;
        let answer: Value = serde_json::from_slice(&read.answer).unwrap();
        let [choice] = answer["choices"].as_array().unwrap().as_slice() else { panic!("{answer}") };
        Some(choice["message"]["content"].as_str().unwrap().to_owned())
    }

    fn chunk(delta: &Value, reason: &Value) -> Value {
        json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    }

    #[test]
    fn what_is_collected_of_text_is_little_more_than_the_text() {
        let mut stream = String::new();
        for number in 0..500 {
            let mut chunk = chunk(&json!({"content": "word "}), &Value::Null);
            chunk["obfuscation"] = json!("x".repeat(number % 9));
            stream.push_str(&format!("data: {chunk}\n\n"));
        }
        let end = chunk(&json!({}), &json!("stop"));
        stream.push_str(&format!("data: {end}\n\ndata: [DONE]\n\n"));
        let collected = collected(stream.split_inclusive("\n\n").map(str::as_bytes));
        assert!(stream.len() > 60_000 && collected.len() < 4_000, "{}", collected.len());
        assert_eq!(text_of(collected), Some("word ".repeat(500)));
    }

    #[test]
    fn however_a_stream_is_cut_and_written_all_of_it_is_kept() {
        let words = ["", "When ", "does \"it\" ", "open?\n", "At ", "nine \u{1f600}", "."];
        let mut chunks = vec![chunk(&json!({"role": "assistant", "content": ""}), &Value::Null)];
        chunks.extend(words.map(|word| chunk(&json!({"content": word}), &Value::Null)));
        chunks.push(chunk(&json!({}), &json!("stop")));
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
                assert_eq!(
                    text_of(kept),
                    Some(words.concat()),
                    "{at_once} of {before:?} {after:?}"
                );
            }
            for bytes in [1, 7, 100] {
                let kept = collected(whole.as_bytes().chunks(bytes));
                assert_eq!(text_of(kept), Some(words.concat()), "{bytes} of {before:?} {after:?}");
            }
            // What broke off is not kept.
            let end = whole.len() - after.len() - "[DONE]".len() - before.len();
            let broken = whole.get(..end - chunks[0].to_string().len()).unwrap();
            assert_eq!(text_of(collected([broken.as_bytes()].into_iter())), None);
        }
    }
}
