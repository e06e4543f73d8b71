//! Streams: Anthropic's events → the hub's.
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>

use super::response::failure_in_stream;
use super::types::{BlockIn, DeltaIn, ErrorIn, EventIn, MessageDeltaIn, UsageIn, stop_reason};
use crate::dialect::{Frame, StreamDecoder};
use crate::llm::{BlockStart, Delta, Event, Failure};

/// Anthropic's events to the hub's. Blocks of kinds that the hub does not know are left out, so
/// numbers may differ.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// For each of Anthropic's blocks: the hub's number, if the hub knows its kind.
    blocks: Vec<Option<u32>>,
    next: u32,
}

impl StreamDecoder for Decoder {
    fn decode(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = frame.data.as_ref().filter(|data| !data.is_empty()) else { return Ok(()) };
        let event: EventIn = serde_json::from_slice(data).map_err(|error| {
            Failure::bad_response(format!("the provider sent an unreadable event: {error}"))
        })?;
        match event {
            EventIn::MessageStart { message } => {
                out.push(Event::Start { id: message.id, model: message.model, created: 0 });
                out.push(Event::Usage(message.usage.into()));
            }
            EventIn::ContentBlockStart { index, content_block } => {
                self.start(index, content_block, out);
            }
            EventIn::ContentBlockDelta { index, delta } => self.delta(index, delta, out),
            EventIn::ContentBlockStop { index } => {
                out.extend(self.block(index).map(|index| Event::BlockStop { index }));
            }
            EventIn::MessageDelta { delta, usage } => message_delta(delta, usage, out),
            EventIn::MessageStop => out.push(Event::End),
            EventIn::Error { error } => {
                let error = serde_json::from_str::<ErrorIn>(error.get()).unwrap_or_else(|_| {
                    ErrorIn { kind: String::new(), message: error.get().to_owned() }
                });
                out.push(Event::Error(Box::new(failure_in_stream(error))));
            }
            EventIn::Other => {}
        }
        Ok(())
    }

    /// `message_stop` is the only end: a stream without it broke off.
    fn finish(&mut self, _out: &mut Vec<Event>) {}
}

impl Decoder {
    fn start(&mut self, at: u32, block: BlockIn, out: &mut Vec<Event>) {
        let mut first = None;
        let block = match block {
            BlockIn::Text { text } => {
                first = Some(text).filter(|text| !text.is_empty()).map(Delta::Text);
                BlockStart::Text
            }
            BlockIn::Thinking { thinking, .. } => {
                first = Some(thinking).filter(|text| !text.is_empty()).map(Delta::Text);
                BlockStart::Reasoning
            }
            BlockIn::RedactedThinking { data } => BlockStart::EncryptedReasoning(data),
            BlockIn::ToolUse { id, name, .. } => BlockStart::ToolCall { id, name, signature: None },
            BlockIn::Other => return self.remember(at, None),
        };
        let index = self.next;
        self.next += 1;
        self.remember(at, Some(index));
        out.push(Event::BlockStart { index, choice: 0, block });
        out.extend(first.map(|delta| Event::BlockDelta { index, delta }));
    }

    fn delta(&mut self, at: u32, delta: DeltaIn, out: &mut Vec<Event>) {
        let Some(index) = self.block(at) else { return };
        let delta = match delta {
            DeltaIn::TextDelta { text } | DeltaIn::ThinkingDelta { thinking: text } => {
                Delta::Text(text)
            }
            DeltaIn::SignatureDelta { signature } => Delta::Signature(signature),
            DeltaIn::InputJsonDelta { partial_json } => Delta::Arguments(partial_json),
            DeltaIn::Other => return,
        };
        out.push(Event::BlockDelta { index, delta });
    }

    fn block(&self, at: u32) -> Option<u32> {
        self.blocks.get(at as usize).copied().flatten()
    }

    /// Numbers come in order; one beyond reason is not remembered.
    fn remember(&mut self, at: u32, index: Option<u32>) {
        let at = at as usize;
        if at < 100_000 {
            self.blocks.resize(self.blocks.len().max(at + 1), None);
            self.blocks[at] = index;
        }
    }
}

fn message_delta(delta: MessageDeltaIn, usage: Option<UsageIn>, out: &mut Vec<Event>) {
    out.extend(usage.map(|usage| Event::Usage(usage.into())));
    if let Some(word) = delta.stop_reason {
        let reason = stop_reason(&word, delta.stop_sequence);
        out.push(Event::Stop { choice: 0, reason });
    }
}
