//! Streams: Anthropic's events → the hub's.
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>

use super::response::failure_in_stream;
use super::types::{BlockIn, DeltaIn, EventIn, UsageIn, stop_reason};
use crate::dialect::{Frame, StreamDecoder};
use crate::llm::{BlockStart, Delta, Event, Failure};

/// Anthropic's events to the hub's. Blocks of kinds that the hub does not know are left out, so
/// numbers may differ.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// For each of Anthropic's blocks: what the hub has of it, if the hub knows its kind.
    blocks: Vec<Option<Open>>,
    next: u32,
}

#[derive(Debug, Clone)]
struct Open {
    /// The hub's number.
    index: u32,
    /// The arguments that a tool call began with, which hold if no others come: a call without
    /// arguments has no deltas but empty ones.
    input: Option<String>,
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = frame.data.as_ref().filter(|data| !data.is_empty()) else { return Ok(()) };
        let event: EventIn = serde_json::from_slice(data).map_err(|error| {
            Failure::bad_response(format!("the provider sent an unreadable event: {error}"))
        })?;
        match event.kind.as_str() {
            "message_start" => {
                let message = event.message.unwrap_or_default();
                out.push(Event::Start { id: message.id, model: message.model, created: 0 });
                out.push(Event::Usage(message.usage.into()));
            }
            "content_block_start" => {
                self.start(event.index, event.content_block.unwrap_or_default(), out);
            }
            "content_block_delta" => self.delta(event.index, event.delta, out),
            "content_block_stop" => self.stop(event.index, out),
            "message_delta" => message_delta(event.delta, event.usage, out),
            "message_stop" => out.push(Event::End),
            "error" => {
                let failure = failure_in_stream(event.error.unwrap_or_default());
                out.push(Event::Error(Box::new(failure)));
            }
            _ => {}
        }
        Ok(())
    }

    /// `message_stop` is the only end: a stream without it broke off.
    fn finish(&mut self, _out: &mut Vec<Event>) {}
}

impl Decoder {
    fn start(&mut self, at: u32, block: BlockIn, out: &mut Vec<Event>) {
        let mut input = None;
        let (first, block) = match block.kind.as_str() {
            "text" => (block.text, BlockStart::Text),
            "thinking" => (block.thinking, BlockStart::Reasoning),
            "redacted_thinking" => (String::new(), BlockStart::EncryptedReasoning(block.data)),
            "tool_use" => {
                let (id, name) = (block.id, block.name);
                input = Some(block.input.map_or_else(|| "{}".to_owned(), |i| i.get().to_owned()));
                (String::new(), BlockStart::ToolCall { id, name, signature: None })
            }
            _ => return self.remember(at, None),
        };
        let index = self.next;
        self.next += 1;
        self.remember(at, Some(Open { index, input }));
        out.push(Event::BlockStart { index, choice: 0, block });
        if !first.is_empty() {
            out.push(Event::BlockDelta { index, delta: Delta::Text(first) });
        }
    }

    fn delta(&mut self, at: u32, delta: DeltaIn, out: &mut Vec<Event>) {
        let Some(open) = self.block(at) else { return };
        let index = open.index;
        if !delta.partial_json.is_empty() {
            open.input = None;
        }
        let delta = match delta.kind.as_str() {
            "text_delta" => Delta::Text(delta.text),
            "thinking_delta" => Delta::Text(delta.thinking),
            "signature_delta" => Delta::Signature(delta.signature),
            "input_json_delta" => Delta::Arguments(delta.partial_json),
            _ => return,
        };
        out.push(Event::BlockDelta { index, delta });
    }

    fn stop(&mut self, at: u32, out: &mut Vec<Event>) {
        let Some(open) = self.block(at) else { return };
        let index = open.index;
        if let Some(input) = open.input.take() {
            out.push(Event::BlockDelta { index, delta: Delta::Arguments(input) });
        }
        out.push(Event::BlockStop { index });
    }

    fn block(&mut self, at: u32) -> Option<&mut Open> {
        self.blocks.get_mut(at as usize)?.as_mut()
    }

    /// Numbers come in order; one beyond reason is not remembered.
    fn remember(&mut self, at: u32, block: Option<Open>) {
        let at = at as usize;
        if at < 100_000 {
            self.blocks.resize(self.blocks.len().max(at + 1), None);
            self.blocks[at] = block;
        }
    }
}

fn message_delta(delta: DeltaIn, usage: Option<UsageIn>, out: &mut Vec<Event>) {
    out.extend(usage.map(|usage| Event::Usage(usage.into())));
    if let Some(word) = delta.stop_reason {
        let reason = stop_reason(&word, delta.stop_sequence);
        out.push(Event::Stop { choice: 0, reason });
    }
}
