//! A stream on its way to the client, collected to be kept.

use super::cache_note::CacheNote;
use super::cached::Caching;
use super::call::Call;
use super::record::Outcome;
use crate::app::App;
use crate::cache::{Form, LARGEST, StreamReader};
use crate::dialect::openai_chat::raw::PlainChunks;
use crate::llm::Usage;
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of a stream besides its text that may be held, roughly. What else it says takes many times the
/// room that it needs.
const MOST_OTHER: usize = 16 << 10;

/// Collects a stream, as the client gets it, to be kept when it is complete. None of its buffers
/// is held, so that their room can be used again for what follows.
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
    /// Whether what comes next may be in the middle of an event.
    is_within: bool,
    plain: PlainChunks,
    /// Bytes that were not only text since the reader was given any.
    other: usize,
    /// Set once there was more of those than would be kept: they are read as they come.
    reader: Option<Box<StreamReader>>,
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
            && collected.push(bytes).is_none()
        {
            // Nothing is kept of it, so nothing needs to be remembered either.
            self.collected = None;
            self.caching.give_up();
        }
    }

    /// The stream is complete.
    pub(super) fn keep(self, app: &Arc<App>, call: &Arc<Call>, outcome: &Outcome) {
        let kept = self.collected.and_then(|collected| collected.finish(outcome.usage));
        if let Some((form, answer)) = kept {
            self.caching.keep_as(form, app, call, &answer, outcome);
        }
    }
}

impl Collected {
    /// `None` when the stream cannot be kept.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.size += bytes.len();
        if self.size > 4 * LARGEST {
            return None;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (event, after) = first_event(rest).unwrap_or((rest, &[]));
            rest = after;
            if !self.push_text(event) {
                self.push_other(event)?;
            }
        }
        Some(())
    }

    fn push_other(&mut self, event: &[u8]) -> Option<()> {
        self.complete();
        self.events.extend_from_slice(event);
        self.is_within = !self.events.ends_with(b"\n\n");
        self.other += event.len();
        if self.other > MOST_OTHER {
            self.other = 0;
            self.reader.get_or_insert_default().push(&self.events)?;
            self.events.clear();
        }
        Some(())
    }

    /// Takes an event that does nothing but add to the text; whether it is one.
    fn push_text(&mut self, event: &[u8]) -> bool {
        let Some(data) = only_data(event).filter(|_| !self.is_within) else { return false };
        let Some((text, after)) = self.plain.text(data) else { return false };
        if self.end.is_empty() {
            let (before, end) = event.split_at_checked(event.len() - after - 2).unwrap_or_default();
            self.events.extend_from_slice(before);
            self.end.extend_from_slice(end);
            self.other += event.len() - text.len();
        } else {
            self.events.extend_from_slice(text);
        }
        true
    }

    /// Completes the last event: another one follows, or none.
    fn complete(&mut self) {
        self.events.append(&mut self.end);
    }

    /// All of it, read if some of it has been.
    fn finish(mut self, usage: Usage) -> Option<(Form, Bytes)> {
        self.complete();
        // Escapes may make more of it than there is.
        if self.reader.is_none() && self.events.len() <= LARGEST {
            return Some((Form::ChatStream, self.events.into()));
        }
        let mut reader = self.reader.unwrap_or_default();
        reader.push(&self.events)?;
        Some((Form::Chat, reader.finish(usage)?))
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
    use serde_json::{Value, json};

    /// What is kept of a stream that comes in these pieces.
    fn collected<'a>(mut pieces: impl Iterator<Item = &'a [u8]>) -> Option<(Form, Bytes)> {
        let mut collected = Collected::default();
        pieces.try_for_each(|piece| collected.push(piece))?;
        collected.finish(Usage::default())
    }

    /// The text of the answer that is made of it.
    fn text_of(collected: Option<(Form, Bytes)>) -> Option<String> {
        let (form, answer) = collected?;
        let unread = Some(Unread { form, keeps_tools: false, usage: Usage::default() });
        let entry = Entry { answer, unread, ..fixture::entry(1) };
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
        let (form, events) = collected.as_ref().unwrap();
        assert!(stream.len() > 60_000 && events.len() < 4_000, "{}", events.len());
        assert_eq!(*form, Form::ChatStream);
        assert_eq!(text_of(collected), Some("word ".repeat(500)));
    }

    #[test]
    fn what_is_more_than_text_is_read_as_it_comes() {
        let mut chunks = Vec::new();
        for word in ["first ", "second ", "third "] {
            chunks.push(chunk(&json!({"content": word}), &Value::Null));
            let thought = json!({"reasoning_content": "hm "});
            chunks.extend((0..300).map(|_| chunk(&thought, &Value::Null)));
        }
        chunks.push(chunk(&json!({}), &json!("stop")));
        let mut stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
        stream.push_str("data: [DONE]\n\n");
        for bytes in [50, 333, 5_000, stream.len()] {
            let mut collected = Collected::default();
            for piece in stream.as_bytes().chunks(bytes) {
                collected.push(piece).unwrap();
                assert!(collected.events.len() <= MOST_OTHER + bytes + 100);
            }
            let kept = collected.finish(Usage::default());
            assert_eq!(kept.as_ref().map(|(form, _)| *form), Some(Form::Chat));
            let answer: Value = serde_json::from_slice(&kept.as_ref().unwrap().1).unwrap();
            let thoughts = &answer["choices"][0]["message"]["reasoning"];
            assert_eq!(thoughts.as_str().map(str::len), Some(900 * 3), "{answer}");
            assert_eq!(text_of(kept).as_deref(), Some("first second third "));
        }
        // Escapes may take more room than an answer may.
        let long = chunk(&json!({"content": "LONG"}), &Value::Null).to_string();
        let end = chunk(&json!({}), &json!("stop"));
        let half = long.replace("LONG", &"\\u00e9".repeat(100_000));
        let events = format!("data: {half}\n\ndata: {half}\n\ndata: {end}\n\ndata: [DONE]\n\n");
        let kept = collected(events.split_inclusive("\n\n").map(str::as_bytes));
        assert!(events.len() > LARGEST);
        assert_eq!(text_of(kept).map(|text| text.chars().count()), Some(200_000));
        // Of what is not for others nothing is held.
        let image = chunk(&json!({"images": [{"index": 0}]}), &Value::Null);
        let stream = stream.replacen("data: [DONE]", &format!("data: {image}\n\ndata: [DONE]"), 1);
        assert_eq!(text_of(collected(stream.split_inclusive("\n\n").map(str::as_bytes))), None);
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
