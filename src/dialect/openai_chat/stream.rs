//! Streams: chunks ⇄ events.

use super::raw::splice_extra_fields;
use super::request::extra_content;
use super::response::{encode_failure, failure_in_stream, finish_reason, stop_reason};
use super::types::{
    CalledWire, Chunk, ChunkChoice, DeltaWire, ReasoningDetailWire, ToolCallWire, UsageWire,
};
use crate::dialect::{Frame, StreamDecoder, StreamEncoder};
use crate::llm::{BlockStart, Delta, Event, Failure, StopReason, Usage};
use bytes::{Bytes, BytesMut};
use serde::Serialize;

/// Chunks to events. A block goes on as long as deltas of its kind come.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    blocks: u32,
    choices: Vec<OpenBlocks>,
    ended: bool,
}

/// The open blocks of one choice.
#[derive(Debug, Default)]
struct OpenBlocks {
    /// The text, refusal or reasoning block that is open: its number and kind.
    prose: Option<(u32, Prose)>,
    /// Open tool calls: OpenAI's index and the block's number.
    calls: Vec<(u32, u32)>,
    stopped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prose {
    Text,
    Refusal,
    Reasoning,
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = frame.data.as_ref().filter(|data| !data.is_empty()) else { return Ok(()) };
        if data.trim_ascii() == b"[DONE]" {
            self.end(out);
            return Ok(());
        }
        if let Some(failure) = failure_in_stream(data) {
            out.push(Event::Error(Box::new(failure)));
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_slice(data).map_err(|error| {
            Failure::bad_response(format!("the provider sent an unreadable chunk: {error}"))
        })?;
        // Azure begins with a chunk about the prompt that has neither id nor model.
        let says_who = !chunk.id.is_empty() || !chunk.choices.is_empty();
        if !self.started && says_who {
            self.started = true;
            out.push(Event::Start { id: chunk.id, model: chunk.model, created: chunk.created });
        }
        for choice in chunk.choices {
            self.choice(choice, out);
        }
        out.extend(chunk.usage.map(|usage| Event::Usage(usage.into())));
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        let stopped = !self.choices.is_empty() && self.choices.iter().all(|open| open.stopped);
        if stopped {
            self.end(out);
        }
    }
}

impl Decoder {
    fn end(&mut self, out: &mut Vec<Event>) {
        if !self.ended {
            self.ended = true;
            out.push(Event::End);
        }
    }

    fn choice(&mut self, wire: ChunkChoice, out: &mut Vec<Event>) {
        let index = wire.index;
        let delta = wire.delta;
        let reasoning = delta.reasoning.or(delta.reasoning_content);
        let details = delta.reasoning_details.unwrap_or_default();
        let shown = details.iter().any(|detail| detail.text.is_some());
        if let Some(text) = reasoning.filter(|text| !text.is_empty() && !shown) {
            self.prose(index, Prose::Reasoning, Delta::Text(text), out);
        }
        for detail in details {
            self.detail(index, detail, out);
        }
        if let Some(text) = delta.content.filter(|text| !text.is_empty()) {
            self.prose(index, Prose::Text, Delta::Text(text), out);
        }
        if let Some(text) = delta.refusal.filter(|text| !text.is_empty()) {
            self.prose(index, Prose::Refusal, Delta::Text(text), out);
        }
        for call in delta.tool_calls.unwrap_or_default() {
            self.call(index, call, out);
        }
        if let Some(reason) = wire.finish_reason {
            self.stop(index, &reason, out);
        }
    }

    fn detail(&mut self, choice: u32, detail: ReasoningDetailWire, out: &mut Vec<Event>) {
        if let Some(text) = detail.text.filter(|text| !text.is_empty()) {
            self.prose(choice, Prose::Reasoning, Delta::Text(text), out);
        }
        if let Some(signature) = detail.signature {
            self.prose(choice, Prose::Reasoning, Delta::Signature(signature), out);
        }
        if let Some(data) = detail.data {
            self.close_prose(choice, out);
            let index = self.block(choice, BlockStart::EncryptedReasoning(data), out);
            out.push(Event::BlockStop { index });
        }
    }

    fn prose(&mut self, choice: u32, kind: Prose, delta: Delta, out: &mut Vec<Event>) {
        let open = self.open(choice).prose;
        let index = match open {
            Some((index, open)) if open == kind => index,
            _ => {
                self.close_prose(choice, out);
                let block = match kind {
                    Prose::Text => BlockStart::Text,
                    Prose::Refusal => BlockStart::Refusal,
                    Prose::Reasoning => BlockStart::Reasoning,
                };
                let index = self.block(choice, block, out);
                self.open(choice).prose = Some((index, kind));
                index
            }
        };
        out.push(Event::BlockDelta { index, delta });
    }

    fn call(&mut self, choice: u32, call: ToolCallWire, out: &mut Vec<Event>) {
        self.close_prose(choice, out);
        let number = call.index.unwrap_or(0);
        let called = call.function.unwrap_or_default();
        let known = self.open(choice).calls.iter().find(|(open, _)| *open == number);
        let index = match known.map(|(_, block)| *block) {
            Some(index) => index,
            None => {
                let google = call.extra_content.and_then(|extra| extra.google);
                let block = BlockStart::ToolCall {
                    id: call.id.unwrap_or_default(),
                    name: called.name.unwrap_or_default(),
                    signature: google.and_then(|google| google.thought_signature),
                };
                let index = self.block(choice, block, out);
                self.open(choice).calls.push((number, index));
                index
            }
        };
        if !called.arguments.is_empty() {
            out.push(Event::BlockDelta { index, delta: Delta::Arguments(called.arguments) });
        }
    }

    fn stop(&mut self, choice: u32, reason: &str, out: &mut Vec<Event>) {
        self.close_prose(choice, out);
        let open = self.open(choice);
        open.stopped = true;
        for (_, index) in std::mem::take(&mut open.calls) {
            out.push(Event::BlockStop { index });
        }
        out.push(Event::Stop { choice, reason: stop_reason(reason) });
    }

    fn close_prose(&mut self, choice: u32, out: &mut Vec<Event>) {
        if let Some((index, _)) = self.open(choice).prose.take() {
            out.push(Event::BlockStop { index });
        }
    }

    fn block(&mut self, choice: u32, block: BlockStart, out: &mut Vec<Event>) -> u32 {
        let index = self.blocks;
        self.blocks += 1;
        out.push(Event::BlockStart { index, choice, block });
        index
    }

    /// The open blocks of a choice. A number beyond reason counts as the last reasonable one.
    fn open(&mut self, choice: u32) -> &mut OpenBlocks {
        let at = (choice as usize).min(127);
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, OpenBlocks::default);
        }
        &mut self.choices[at]
    }
}

/// Events to chunks.
#[derive(Debug)]
pub(super) struct Encoder {
    include_usage: bool,
    id: String,
    model: String,
    created: i64,
    /// For each block: its choice and what it is.
    blocks: Vec<(u32, Kind)>,
    /// Choices whose first delta, with the role, has been sent; and their counts of calls and
    /// reasoning blocks.
    choices: Vec<Counts>,
    usage: Option<Usage>,
    /// The last chunk, kept back for `extra_fields`.
    held: Option<Bytes>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Refusal,
    Reasoning(u32),
    ToolCall(u32),
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    greeted: bool,
    calls: u32,
    reasonings: u32,
}

/// A chunk as it is written: with `usage: null` where the client asked for usage.
#[derive(Serialize)]
struct ChunkOut<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<ChunkChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageWire>>,
}

impl Encoder {
    pub(super) fn new(include_usage: bool) -> Self {
        Encoder {
            include_usage,
            id: String::new(),
            model: String::new(),
            created: 0,
            blocks: Vec::new(),
            choices: Vec::new(),
            usage: None,
            held: None,
        }
    }

    fn start_block(&mut self, choice: u32, block: &BlockStart, out: &mut BytesMut) {
        let counts = self.counts(choice);
        match block {
            BlockStart::Text => self.blocks.push((choice, Kind::Text)),
            BlockStart::Refusal => self.blocks.push((choice, Kind::Refusal)),
            BlockStart::Reasoning => {
                let number = counts.reasonings;
                counts.reasonings += 1;
                self.blocks.push((choice, Kind::Reasoning(number)));
            }
            BlockStart::EncryptedReasoning(data) => {
                let number = counts.reasonings;
                counts.reasonings += 1;
                self.blocks.push((choice, Kind::Reasoning(number)));
                let mut detail = reasoning_detail(number, "reasoning.encrypted");
                detail.data = Some(data.clone());
                self.delta(choice, details(detail), out);
            }
            BlockStart::ToolCall { id, name, signature } => {
                let number = counts.calls;
                counts.calls += 1;
                self.blocks.push((choice, Kind::ToolCall(number)));
                let call = ToolCallWire {
                    index: Some(number),
                    id: Some(id.clone()),
                    kind: Some("function".to_owned()),
                    function: Some(CalledWire {
                        name: Some(name.clone()),
                        arguments: String::new(),
                    }),
                    extra_content: signature.clone().map(extra_content),
                };
                self.delta(choice, calls(call), out);
            }
        }
    }

    fn block_delta(&mut self, index: u32, delta: &Delta, out: &mut BytesMut) {
        let Some(&(choice, kind)) = self.blocks.get(index as usize) else { return };
        let wire = match (kind, delta) {
            (Kind::Text, Delta::Text(text)) => {
                DeltaWire { content: Some(text.clone()), ..DeltaWire::default() }
            }
            (Kind::Refusal, Delta::Text(text)) => {
                DeltaWire { refusal: Some(text.clone()), ..DeltaWire::default() }
            }
            (Kind::Reasoning(number), Delta::Text(text)) => {
                let mut detail = reasoning_detail(number, "reasoning.text");
                detail.text = Some(text.clone());
                DeltaWire { reasoning: Some(text.clone()), ..details(detail) }
            }
            (Kind::Reasoning(number), Delta::Signature(signature)) => {
                let mut detail = reasoning_detail(number, "reasoning.text");
                detail.signature = Some(signature.clone());
                details(detail)
            }
            (Kind::ToolCall(number), Delta::Arguments(arguments)) => calls(ToolCallWire {
                index: Some(number),
                function: Some(CalledWire { name: None, arguments: arguments.clone() }),
                ..ToolCallWire::default()
            }),
            _ => return,
        };
        self.delta(choice, wire, out);
    }

    /// Sends a delta, with the role in the choice's first one.
    fn delta(&mut self, choice: u32, mut delta: DeltaWire, out: &mut BytesMut) {
        self.greet(choice, &mut delta);
        let chunk = ChunkChoice { index: choice, delta, finish_reason: None, logprobs: None };
        self.send(vec![chunk], out);
    }

    fn greet(&mut self, choice: u32, delta: &mut DeltaWire) {
        let counts = self.counts(choice);
        if !counts.greeted {
            counts.greeted = true;
            delta.role = Some("assistant".to_owned());
            if delta.content.is_none() {
                delta.content = Some(String::new());
            }
        }
    }

    fn stop(&mut self, choice: u32, reason: &StopReason, out: &mut BytesMut) {
        let mut delta = DeltaWire::default();
        self.greet(choice, &mut delta);
        let finish_reason = Some(finish_reason(reason).to_owned());
        let chunk = ChunkChoice { index: choice, delta, finish_reason, logprobs: None };
        self.send(vec![chunk], out);
    }

    /// Sends the chunk that was kept back, and keeps this one back.
    fn send(&mut self, choices: Vec<ChunkChoice>, out: &mut BytesMut) {
        self.release(out);
        let last_possible = choices.iter().any(|choice| choice.finish_reason.is_some());
        let chunk = self.chunk(choices, self.include_usage.then_some(None));
        self.held = Some(chunk);
        if !last_possible {
            self.release(out);
        }
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Option<UsageWire>>) -> Bytes {
        let chunk = ChunkOut {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage,
        };
        serde_json::to_vec(&chunk).unwrap_or_default().into()
    }

    fn release(&mut self, out: &mut BytesMut) {
        if let Some(chunk) = self.held.take() {
            write_frame(&chunk, out);
        }
    }

    fn counts(&mut self, choice: u32) -> &mut Counts {
        let at = (choice as usize).min(127);
        if self.choices.len() <= at {
            self.choices.resize(at + 1, Counts::default());
        }
        &mut self.choices[at]
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start { id, model, created } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
                self.created = *created;
            }
            Event::BlockStart { choice, block, .. } => self.start_block(*choice, block, out),
            Event::BlockDelta { index, delta } => self.block_delta(*index, delta, out),
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().max(*usage)),
            Event::Stop { choice, reason } => self.stop(*choice, reason, out),
            Event::BlockStop { .. } | Event::End | Event::Error(_) => {}
        }
    }

    fn finish(&mut self, extra_fields: Option<&[u8]>, out: &mut BytesMut) {
        if let Some(usage) = self.usage.filter(|_| self.include_usage) {
            self.release(out);
            self.held = Some(self.chunk(Vec::new(), Some(Some(usage.into()))));
        }
        if let (Some(held), Some(extra)) = (self.held.take(), extra_fields) {
            self.held = Some(splice_extra_fields(held, extra));
        }
        self.release(out);
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        // A chunk that is kept back says that the choice is complete, which it may not be.
        self.held = None;
        write_frame(&encode_failure(failure), out);
    }
}

fn write_frame(data: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

fn reasoning_detail(index: u32, kind: &str) -> ReasoningDetailWire {
    ReasoningDetailWire { index, kind: kind.to_owned(), ..ReasoningDetailWire::default() }
}

fn details(detail: ReasoningDetailWire) -> DeltaWire {
    DeltaWire { reasoning_details: Some(vec![detail]), ..DeltaWire::default() }
}

fn calls(call: ToolCallWire) -> DeltaWire {
    DeltaWire { tool_calls: Some(vec![call]), ..DeltaWire::default() }
}
