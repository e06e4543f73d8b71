//! A stream on its way to the client, collected to be kept.

use super::cache_note::CacheNote;
use super::cached::Caching;
use super::call::Call;
use super::record::Outcome;
use crate::app::App;
use crate::cache::{Form, LARGEST, StreamReader};
use crate::dialect::openai_chat::raw::{PlainChunks, Texts};
use crate::dialect::sse::{DATA, END};
use crate::llm::Usage;
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of a stream from which on nothing of it is kept.
const MOST: usize = 4 * LARGEST;
/// Bytes of a stream besides its text that may be held, roughly. What else it says takes many times the
/// room that it needs.
const MOST_OTHER: usize = 16 << 10;
/// Bytes of a stream besides known texts that are held as they are.
const MOST_BETWEEN: usize = 4 << 10;
/// What is mostly collected of a stream has room in as many bytes.
const USUAL: usize = 2 << 10;

/// Collects a stream, as the client gets it, to be kept when it is complete. None of its buffers
/// is held, so that their room can be used again for what follows.
pub(super) struct Keeper {
    caching: Caching,
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
    /// Whether all events are known to be sound.
    is_sound: bool,
    /// Bytes that were not only text since the reader was given any.
    other: usize,
    /// Set once there was more of those than would be kept: they are read as they come.
    reader: Option<Box<StreamReader>>,
    size: usize,
    bounds: Bounds,
}

/// Bytes of a stream besides its text.
struct Bounds {
    /// So many are held, roughly.
    other: usize,
    /// So many are not looked at for texts that are not known.
    between: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { other: MOST_OTHER, between: MOST_BETWEEN }
    }
}

impl Keeper {
    /// For a stream of which all events are known to be sound, or only those whose texts are.
    /// Nothing is collected of one that is not wanted.
    pub(super) fn new(caching: Caching, is_sound: bool) -> Self {
        let collected = caching.wants_answer().then(|| {
            let events = Vec::with_capacity(USUAL);
            Collected { events, is_sound, ..Collected::default() }
        });
        Keeper { caching, collected }
    }

    /// What a client of the stream is told of the cache; `None` when it is nothing but that it missed.
    pub(super) fn note(&self) -> Option<&CacheNote> {
        self.caching.note()
    }

    /// The client gets these bytes. Takes what is known of texts in them, and says whether it wants more of it.
    pub(super) fn push(&mut self, bytes: &[u8], texts: Option<&mut Texts>) -> bool {
        let Some(collected) = &mut self.collected else { return false };
        let pushed = match texts {
            Some(texts) => {
                let pushed = collected.push_known(bytes, texts);
                texts.clear();
                pushed
            }
            None => collected.push(bytes),
        };
        if pushed.is_none() {
            // Nothing is kept of it, so nothing needs to be remembered either.
            self.collected = None;
            self.caching.give_up();
        }
        pushed.is_some()
    }

    /// The stream is complete.
    pub(super) fn keep(mut self, app: &Arc<App>, call: &Arc<Call>, outcome: &Outcome) {
        let kept = self.collected.and_then(|collected| collected.finish(outcome.usage));
        match kept {
            Some((form, answer)) => self.caching.keep_as(form, app, call, &answer, outcome),
            None => self.caching.give_up(),
        }
    }

    /// The stream has failed.
    pub(super) fn give_up(mut self) {
        self.caching.give_up();
    }
}

impl Collected {
    /// The same as [`Collected::push`] where it is known which events only add to the text.
    fn push_known(&mut self, bytes: &[u8], texts: &Texts) -> Option<()> {
        let (mut end, mut said) = (0, 0);
        for run in &texts.runs {
            self.push_between(bytes.get(end..run.events.start)?)?;
            end = run.events.end;
            let text = texts.said.get(said..run.said_end)?;
            said = run.said_end;
            if self.is_within {
                self.push(bytes.get(run.events.clone())?)?;
                continue;
            }
            self.size += run.events.len();
            if self.end.is_empty() {
                self.events.extend_from_slice(bytes.get(run.events.start..run.first.start)?);
                self.end.extend_from_slice(bytes.get(run.first.end..run.first_end)?);
                self.other += run.first_end - run.events.start - run.first.len();
            }
            self.events.extend_from_slice(text);
        }
        self.push_between(bytes.get(end..)?)?;
        (self.size <= MOST).then_some(())
    }

    /// Takes what stands between known texts. Only where it is much it may be text after all.
    fn push_between(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() {
            return Some(());
        }
        if self.other + bytes.len() > self.bounds.between {
            return self.push(bytes);
        }
        self.size += bytes.len();
        self.push_other(bytes)
    }

    /// `None` when the stream cannot be kept.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.size += bytes.len();
        if self.size > MOST {
            return None;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some((text, after)) = self.next_text(rest) {
                self.events.extend_from_slice(text);
                rest = after;
                continue;
            }
            let (event, after) = first_event(rest).unwrap_or((rest, &[]));
            rest = after;
            if !self.push_text(event) {
                self.push_other(event)?;
            }
        }
        Some(())
    }

    /// What the event with which `bytes` begin adds to the text of the last one, and what follows it, if
    /// it is like the one before: most are.
    fn next_text<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if self.end.is_empty() {
            return None;
        }
        let (text, after) = self.plain.next(bytes.strip_prefix(DATA)?)?;
        Some((text, after.strip_prefix(END)?))
    }

    fn push_other(&mut self, event: &[u8]) -> Option<()> {
        self.complete();
        self.events.extend_from_slice(event);
        self.is_within = !self.events.ends_with(END);
        self.other += event.len();
        if self.other > self.bounds.other {
            self.other = 0;
            self.reader.get_or_insert_default().push(&self.events)?;
            self.events.clear();
        }
        Some(())
    }

    /// Takes an event that does nothing but add to the text; whether it is one.
    fn push_text(&mut self, event: &[u8]) -> bool {
        let Some(data) = only_data(event).filter(|_| !self.is_within) else { return false };
        let Some((text, after)) = self.plain.text(data, self.is_sound) else { return false };
        if self.end.is_empty() {
            let (before, end) =
                event.split_at_checked(event.len() - after - END.len()).unwrap_or_default();
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
    let data = event.strip_prefix(DATA)?.strip_suffix(END)?;
    memchr::memchr2(b'\n', b'\r', data).is_none().then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Entry, Unread, fixture};
    use crate::dialect::openai_chat::raw::RawStream;
    use crate::dialect::sse::FrameReader;
    use bytes::BytesMut;
    use proptest::prelude::*;
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

    /// Events of all kinds, each complete; some of them as no sound provider writes them.
    fn events() -> impl Strategy<Value = String> {
        let text = "[ a-c\"\\\\\n\u{e9}]{0,5}|[ a-z\"\u{1f600}]{15,40}";
        let chunk = (text, 0..8_u8, "[a-z\"]{0,4}").prop_map(|(text, kind, padding)| {
            let mut chunk = chunk(&json!({"content": text}), &Value::Null);
            match kind {
                0 => chunk["choices"][0]["delta"]["role"] = json!("assistant"),
                1 => chunk["created"] = json!(2),
                2 => chunk["choices"][0]["delta"]["reasoning_content"] = json!("hm"),
                3 => chunk["usage"] = Value::Null,
                4..6 => chunk["padding"] = json!(padding),
                _ => {}
            }
            chunk.to_string()
        });
        let way = prop_oneof![
            6 => Just(("data: ", "\n\n")),
            1 => Just(("data:", "\n\n")),
            1 => Just((": data\n\ndata: ", "\n\n")),
            1 => Just(("data: ", "\r\n\r\n")),
            1 => Just(("id: 1\ndata: ", "\nevent: a\n\n")),
        ];
        let lookalike = prop_oneof![
            12 => Just(("", "")),
            1 => Just(("\"content\":\"", "\"content\":\"\\")),
            1 => Just(("\"content\":\"", "\"content\":\"\",\"refusal\":\"")),
            1 => Just(("\"created\":1", "\"created\":01")),
            1 => Just(("\"content\":\"", "\"content\":\"\t")),
        ];
        (chunk, way, lookalike).prop_map(|(chunk, (before, after), (from, to))| {
            format!("{before}{}{after}", chunk.replacen(from, to, 1))
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_says_what_the_stream_said(
            events in prop::collection::vec(events(), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let end = chunk(&json!({}), &json!("stop"));
            let stream = format!("{}data: {end}\n\ndata: [DONE]\n\n", events.concat());
            let whole = text_of(Some((Form::ChatStream, Bytes::from(stream.clone()))));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]);
            prop_assert_eq!(text_of(collected(pieces)), whole.clone());
            prop_assert_eq!(text_of(collected(events_of(&stream))), whole);
        }
    }

    proptest! {
        #[test]
        fn what_is_known_of_texts_changes_nothing(
            events in prop::collection::vec(events(), 0..30),
            cuts in prop::collection::vec(any::<bool>(), 30),
            (other, between) in (0..2_000_usize, 0..1_000_usize),
        ) {
            let (mut reader, mut passed) = (FrameReader::default(), RawStream::new(false, 1));
            let (mut whole, mut out) = (Vec::new(), BytesMut::new());
            let bounds = Bounds { other, between };
            // What is read as it comes may turn out to be unsound.
            let mut is_kept = true;
            let mut collected = Collected { bounds, ..Collected::default() };
            let end = chunk(&json!({}), &json!("stop"));
            let stream = format!("{}data: {end}\n\ndata: [DONE]\n\n", events.concat());
            reader.push(stream.as_bytes());
            let mut number = 0;
            while let Some(frame) = reader.next_frame().unwrap() {
                // Nothing is kept of what is no stream.
                prop_assume!(passed.push(&frame, &mut out).is_ok());
                number += 1;
                if cuts[number % cuts.len()] {
                    whole.extend_from_slice(&out);
                    let texts = passed.texts().unwrap();
                    is_kept = is_kept && collected.push_known(&out, texts).is_some();
                    texts.clear();
                    out.clear();
                }
            }
            passed.finish(b"", &mut out);
            whole.extend_from_slice(&out);
            is_kept = is_kept && collected.push_known(&out, passed.texts().unwrap()).is_some();
            let kept = is_kept.then(|| text_of(collected.finish(Usage::default()))).flatten();
            prop_assert_eq!(kept, text_of(Some((Form::ChatStream, whole.into()))));
        }
    }

    /// The pieces of a stream that ends each event so.
    fn events_of(stream: &str) -> impl Iterator<Item = &[u8]> {
        stream.split_inclusive("\n\n").map(str::as_bytes)
    }

    #[test]
    fn what_changes_its_shape_and_back_is_still_one_event() {
        let mut stream = String::new();
        for number in 0..100 {
            let mut chunk = chunk(&json!({"content": "\"a\\"}), &Value::Null);
            if number % 10 > 5 {
                chunk["created"] = json!(number);
            }
            stream.push_str(&format!("data: {chunk}\n\n"));
        }
        let end = chunk(&json!({}), &json!("stop"));
        stream.push_str(&format!("data: {end}\n\ndata: [DONE]\n\n"));
        for bytes in [stream.len(), 5_000] {
            let collected = collected(stream.as_bytes().chunks(bytes));
            assert!(collected.as_ref().unwrap().1.len() < 3_000);
            assert_eq!(text_of(collected), Some("\"a\\".repeat(100)));
        }
    }

    #[test]
    fn only_what_is_known_to_be_sound_is_not_read_for_it() {
        let first = chunk(&json!({"role": "assistant", "content": "b"}), &Value::Null);
        let unsound =
            chunk(&json!({"content": "a"}), &Value::Null).to_string().replace(":1", ":01");
        let end = chunk(&json!({}), &json!("stop"));
        let begin = format!("data: {first}\n\ndata: {unsound}\n\n");
        let stream = format!("{begin}data: {end}\n\ndata: [DONE]\n\n");
        for is_sound in [false, true] {
            for at_once in [true, false] {
                let mut collected = Collected { is_sound, ..Collected::default() };
                match at_once {
                    true => collected.push(stream.as_bytes()).unwrap(),
                    false => events_of(&stream).for_each(|event| collected.push(event).unwrap()),
                }
                let text = text_of(collected.finish(Usage::default()));
                assert_eq!(text.as_deref(), is_sound.then_some("ba"));
            }
        }
    }
}
