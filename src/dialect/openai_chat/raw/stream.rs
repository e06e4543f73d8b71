//! A stream that passes frame by frame.

use super::plain::PlainChunks;
use super::response::{BYTES_PER_TOKEN, end_of_object, failure_in_answer, splice_into};
use crate::dialect::Frame;
use crate::dialect::openai_chat::types::{Chunk, UsageWire};
use crate::dialect::sse::{DATA, END};
use crate::llm::{Failure, Usage};
use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::ops::Range;
use std::sync::LazyLock;

/// Passes the frames of one stream, reads what must be known of them, and keeps the last chunk back
/// so that `extra_fields` can go into it.
#[derive(Debug)]
pub struct RawStream {
    include_usage: bool,
    committed: bool,
    /// A `finish_reason` was seen and no content since.
    stopped: bool,
    /// How many answers there are to come.
    choices: u64,
    /// Those that have their `finish_reason`, one bit each; kept where there are several.
    finished: u128,
    complete: bool,
    usage: Option<Usage>,
    /// The JSON of the chunk that is kept back.
    held: Option<Bytes>,
    pieces: u64,
    /// Bytes of all chunks with content, and of the shortest: what is beyond that is content.
    bytes: usize,
    shortest: usize,
    plain: PlainChunks,
    /// How many chunks there will have been when the next one is read that is not like the last.
    next_look: u64,
    /// What only adds to the text of what was written; `None` when nobody wants to know.
    texts: Option<Texts>,
}

/// What only adds to the text of what was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Where that is, in order.
    pub runs: Vec<TextRun>,
    /// The text of all of them, as it is written in JSON.
    pub said: Vec<u8>,
}

/// Events one behind the other that do nothing but add to the text, each with one line of `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRun {
    /// Where they stand in what was written.
    pub events: Range<usize>,
    /// Where the text of the first one stands there.
    pub first: Range<usize>,
    /// Where the first one ends.
    pub first_end: usize,
    /// Where what they say ends in [`Texts::said`]. It begins where that of the run before ends.
    pub said_end: usize,
}

impl Texts {
    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.said.clear();
    }

    /// Takes the event that was written last, of which so many bytes are the text and so many follow it.
    fn add(&mut self, written: &[u8], start: usize, text: usize, after: usize) {
        let events = start..written.len();
        let text_end = events.end - END.len() - after;
        let first = text_end - text..text_end;
        self.said.extend_from_slice(written.get(first.clone()).unwrap_or_default());
        match self.runs.last_mut().filter(|run| run.events.end == start) {
            Some(run) => (run.events.end, run.said_end) = (events.end, self.said.len()),
            None => {
                let (first_end, said_end) = (events.end, self.said.len());
                self.runs.push(TextRun { events, first, first_end, said_end });
            }
        }
    }
}

/// Where the shape of chunks changes with each of them, one in so many is read for it.
const LOOKS: u64 = 8;

impl RawStream {
    /// A stream of `choices` answers for a client that asked for the usage chunk, or did not.
    pub fn new(include_usage: bool, choices: u64) -> Self {
        RawStream {
            include_usage,
            committed: false,
            stopped: false,
            choices,
            finished: 0,
            complete: false,
            usage: None,
            held: None,
            pieces: 0,
            bytes: 0,
            shortest: usize::MAX,
            plain: PlainChunks::default(),
            next_look: 0,
            texts: Some(Texts::default()),
        }
    }

    /// What only adds to the text of what was written since this was emptied. `None` after
    /// [`RawStream::forget_texts`].
    pub fn texts(&mut self) -> Option<&mut Texts> {
        self.texts.as_mut()
    }

    /// Nobody will ask for the texts.
    pub fn forget_texts(&mut self) {
        self.texts = None;
    }

    /// Takes a frame and appends what the client sees of it to `out`.
    ///
    /// # Errors
    /// The failure that the provider reports inside of the stream, or `BadResponse` for a frame
    /// that is no chunk.
    pub fn push(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), Failure> {
        let Some(data) = &frame.data else {
            // Comments keep a connection alive; before the first content there is none to keep.
            if self.committed {
                out.extend_from_slice(&frame.raw);
            }
            return Ok(());
        };
        if self.complete || data.is_empty() {
            return Ok(());
        }
        // Most chunks are like the one before, in which there was nothing of what is looked for below.
        if self.committed
            && let Some((text, after)) = self.plain.like_last(data)
        {
            let text = text.len();
            self.release(out);
            self.count(data);
            self.stopped = false;
            self.pass(frame, Some((text, after)), out);
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.complete = true;
            return Ok(());
        }
        if let Some(failure) = failure_in_answer(data) {
            return Err(failure);
        }
        if self.read_usage(data)? {
            if self.include_usage {
                self.release(out);
                self.held = Some(data.clone());
            }
            return Ok(());
        }
        let was_committed = self.committed;
        if !was_committed {
            self.committed = commits(data)?;
        }
        self.release(out);
        self.count(data);
        self.stopped = has_finish_reason(data);
        if self.stopped {
            self.finished |= finished(data, self.choices);
            self.held = Some(data.clone());
        } else {
            let text = self.look(data, !was_committed);
            self.pass(frame, text, out);
        }
        Ok(())
    }

    fn count(&mut self, data: &[u8]) {
        self.pieces += 1;
        self.bytes += data.len();
        self.shortest = self.shortest.min(data.len());
    }

    /// Reads what a chunk is like. How long its text is and what follows it, if it is nothing but text.
    fn look(&mut self, data: &[u8], is_sound: bool) -> Option<(usize, usize)> {
        if !self.committed || self.pieces < self.next_look {
            return None;
        }
        self.next_look = self.pieces + LOOKS;
        self.plain.text(data, is_sound).map(|(text, after)| (text.len(), after))
    }

    /// Appends a frame as it came, with so many bytes of text and so many after it.
    fn pass(&mut self, frame: &Frame, text: Option<(usize, usize)>, out: &mut BytesMut) {
        let start = out.len();
        out.extend_from_slice(&frame.raw);
        let Some(texts) = &mut self.texts else { return };
        let (Some((text, after)), Some(data)) = (text, &frame.data) else { return };
        let is_one_line = frame.raw.len() == DATA.len() + data.len() + END.len()
            && frame.raw.starts_with(DATA)
            && frame.raw.ends_with(END);
        if is_one_line {
            texts.add(out, start, text, after);
        }
    }

    /// The connection has ended. A provider that sends no `[DONE]` is done when it gave a reason, and
    /// for each answer if it was asked for several.
    pub fn close(&mut self) {
        let all = self.choices == 1 || u64::from(self.finished.count_ones()) >= self.choices;
        self.complete |= self.stopped && all;
    }

    /// Whether the client cannot be moved to another provider any more.
    pub fn committed(&self) -> bool {
        self.committed
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// What the provider has counted.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The gateway's own guess of the output tokens so far: mostly one a chunk, more where chunks
    /// are long.
    pub fn estimated_output(&self) -> u64 {
        let frames = self.shortest.saturating_mul(self.pieces as usize);
        self.pieces.max(self.bytes.saturating_sub(frames) as u64 / BYTES_PER_TOKEN)
    }

    /// Chunks with content so far.
    pub fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Appends the chunk that was kept back, with `extra_fields`, and the end marker.
    pub fn finish(&mut self, extra_fields: &[u8], out: &mut BytesMut) {
        if let Some(held) = self.held.take() {
            match end_of_object(&held) {
                Some(end) => {
                    let mut chunk = BytesMut::with_capacity(held.len() + extra_fields.len() + 20);
                    splice_into(&held, end, extra_fields, &mut chunk);
                    write_frame(&chunk, out);
                }
                None => write_frame(&held, out),
            }
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Reads the usage of a chunk. True for a chunk that has nothing else.
    fn read_usage(&mut self, data: &[u8]) -> Result<bool, Failure> {
        #[derive(Deserialize)]
        struct UsageChunk {
            #[serde(default)]
            usage: Option<UsageWire>,
            #[serde(default)]
            choices: Option<Vec<IgnoredAny>>,
        }
        if !has_usage(data) {
            return Ok(false);
        }
        let chunk: UsageChunk = serde_json::from_slice(data).map_err(|_| bad_chunk())?;
        if let Some(usage) = &chunk.usage {
            let usage = usage.clone().into();
            self.usage = Some(self.usage.unwrap_or_default().max(usage));
        }
        Ok(chunk.usage.is_some() && chunk.choices.is_none_or(|choices| choices.is_empty()))
    }

    fn release(&mut self, out: &mut BytesMut) {
        if let Some(held) = self.held.take() {
            write_frame(&held, out);
        }
    }
}

/// A frame of `data`, which had several lines where it has line feeds.
fn write_frame(data: &[u8], out: &mut BytesMut) {
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"\n");
}

/// Whether a chunk holds what a client cannot unsee: not the role alone, nor empty deltas.
fn commits(data: &[u8]) -> Result<bool, Failure> {
    let chunk: Chunk = serde_json::from_slice(data).map_err(|_| bad_chunk())?;
    Ok(chunk
        .choices
        .iter()
        .any(|choice| choice.finish_reason.is_some() || choice.delta.says_something()))
}

/// The answers that end in this chunk, one bit each. One alone needs no look.
fn finished(data: &[u8], choices: u64) -> u128 {
    #[derive(Deserialize)]
    struct Ends {
        #[serde(default)]
        choices: Vec<End>,
    }
    #[derive(Deserialize)]
    struct End {
        #[serde(default)]
        index: u32,
        finish_reason: Option<IgnoredAny>,
    }
    if choices == 1 {
        return 0;
    }
    let ends = serde_json::from_slice::<Ends>(data).map_or(Vec::new(), |ends| ends.choices);
    let ends = ends.iter().filter(|end| end.finish_reason.is_some());
    ends.fold(0, |bits, end| bits | 1_u128.checked_shl(end.index).unwrap_or(0))
}

fn bad_chunk() -> Failure {
    Failure::bad_response("the provider sent an event that is not a chat completion chunk")
        .with_code("invalid_upstream_response")
}

fn has_finish_reason(data: &[u8]) -> bool {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"finish_reason\""));
    has_value(data, &KEY, b'"')
}

fn has_usage(data: &[u8]) -> bool {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
    has_value(data, &KEY, b'{')
}

/// Whether `key` stands in `data` with a value that begins so. A key inside of a JSON string has its
/// quotes escaped and is not found.
fn has_value(data: &[u8], key: &Finder<'_>, first: u8) -> bool {
    key.find_iter(data).any(|at| {
        let rest = data.get(at + key.needle().len()..).unwrap_or_default().trim_ascii_start();
        let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        value.and_then(<[u8]>::first) == Some(&first)
    })
}

#[cfg(test)]
mod tests;
