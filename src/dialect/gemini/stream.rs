//! Streams: Google's frames → events.

use super::response::failure_in_stream;
use super::types::{CandidateIn, GenerateResponse, PartIn, arguments, call_id, stop_reason};
use crate::dialect::{Frame, StreamDecoder};
use crate::llm::{BlockStart, Delta, Event, Failure, StopReason};

/// Google's frames to events. Text goes on in the same block as long as its kind stays.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    id: Option<String>,
    blocks: u32,
    calls: u32,
    choices: Vec<OpenChoice>,
}

#[derive(Debug, Default)]
struct OpenChoice {
    /// The block that is open, and whether it is thinking.
    prose: Option<(u32, bool)>,
    has_calls: bool,
    stopped: bool,
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = frame.data.as_ref().filter(|data| !data.is_empty()) else { return Ok(()) };
        if let Some(failure) = failure_in_stream(data) {
            out.push(Event::Error(Box::new(failure)));
            return Ok(());
        }
        let wire: GenerateResponse = serde_json::from_slice(data).map_err(|error| {
            Failure::bad_response(format!("the provider sent an unreadable event: {error}"))
        })?;
        if self.id.is_none() {
            let (id, model) = (wire.response_id.clone(), wire.model_version.clone());
            self.id = Some(id.clone());
            out.push(Event::Start { id, model, created: 0 });
        }
        let blocked = wire.prompt_feedback.and_then(|feedback| feedback.block_reason);
        for candidate in wire.candidates {
            self.candidate(candidate, out);
        }
        if blocked.is_some() && self.choices.is_empty() {
            self.open(0).stopped = true;
            out.push(Event::Stop { choice: 0, reason: StopReason::ContentFilter });
        }
        out.extend(wire.usage_metadata.map(|usage| Event::Usage(usage.into())));
        Ok(())
    }

    /// Google marks no end: a stream is complete when every choice has a finish reason.
    fn finish(&mut self, out: &mut Vec<Event>) {
        if !self.choices.is_empty() && self.choices.iter().all(|choice| choice.stopped) {
            out.push(Event::End);
        }
    }
}

impl Decoder {
    fn candidate(&mut self, wire: CandidateIn, out: &mut Vec<Event>) {
        let choice = wire.index;
        self.open(choice);
        for part in wire.content.parts {
            self.part(choice, part, out);
        }
        if let Some(word) = wire.finish_reason {
            self.close_prose(choice, out);
            let open = self.open(choice);
            open.stopped = true;
            let reason = stop_reason(&word, open.has_calls);
            out.push(Event::Stop { choice, reason });
        }
    }

    fn part(&mut self, choice: u32, part: PartIn, out: &mut Vec<Event>) {
        if let Some(call) = part.function_call {
            self.close_prose(choice, out);
            self.open(choice).has_calls = true;
            let id = call_id(call.id, self.id.as_deref().unwrap_or_default(), self.calls);
            self.calls += 1;
            let signature = part.thought_signature;
            let block = BlockStart::ToolCall { id, name: call.name, signature };
            let index = self.block(choice, block, out);
            let delta = Delta::Arguments(arguments(call.args));
            out.push(Event::BlockDelta { index, delta });
            out.push(Event::BlockStop { index });
            return;
        }
        let thought = part.thought == Some(true);
        let text = part.text.unwrap_or_default();
        if !text.is_empty() {
            let index = self.prose(choice, thought, out);
            out.push(Event::BlockDelta { index, delta: Delta::Text(text) });
        }
        if let Some(signature) = part.thought_signature.filter(|_| thought) {
            let index = self.prose(choice, thought, out);
            out.push(Event::BlockDelta { index, delta: Delta::Signature(signature) });
        }
    }

    /// The open block of that kind, or a new one.
    fn prose(&mut self, choice: u32, thought: bool, out: &mut Vec<Event>) -> u32 {
        if let Some((index, open)) = self.open(choice).prose
            && open == thought
        {
            return index;
        }
        self.close_prose(choice, out);
        let block = if thought { BlockStart::Reasoning } else { BlockStart::Text };
        let index = self.block(choice, block, out);
        self.open(choice).prose = Some((index, thought));
        index
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

    /// A number beyond reason counts as the last reasonable one.
    fn open(&mut self, choice: u32) -> &mut OpenChoice {
        let at = (choice as usize).min(127);
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, OpenChoice::default);
        }
        &mut self.choices[at]
    }
}
