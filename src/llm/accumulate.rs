//! Events folded into a complete answer: the one fold that log, cache and accounting share.

use super::{BlockStart, ChatResponse, Choice, Delta, Event, Extra, Failure, Part, Usage};

/// Folds the events of a stream into a [`ChatResponse`].
#[derive(Debug, Default)]
pub struct Accumulator {
    response: ChatResponse,
    /// For each block: its choice and its place in that choice's parts.
    blocks: Vec<(u32, usize)>,
    complete: bool,
}

impl Accumulator {
    /// Adds one event. Deltas for unknown blocks are ignored: a decoder never makes them.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Start { id, model, created } => {
                self.response.id.clone_from(id);
                self.response.model.clone_from(model);
                self.response.created = *created;
            }
            Event::BlockStart { choice, block, .. } => self.start(*choice, block),
            Event::BlockDelta { index, delta } => self.extend(*index, delta),
            Event::Usage(usage) => {
                let seen = self.response.usage.unwrap_or_default();
                self.response.usage = Some(seen.max(*usage));
            }
            Event::Stop { choice, reason } => self.choice(*choice).stop = Some(reason.clone()),
            Event::End => self.complete = true,
            Event::BlockStop { .. } | Event::Error(_) => {}
        }
    }

    /// What has been seen so far.
    pub fn usage(&self) -> Option<Usage> {
        self.response.usage
    }

    /// The answer, if the provider ended the stream itself.
    ///
    /// # Errors
    /// `Truncated` when the stream broke off.
    pub fn finish(self) -> Result<ChatResponse, Failure> {
        if self.complete {
            return Ok(self.response);
        }
        Err(Failure::new(
            super::Source::Upstream,
            super::FailureKind::Truncated,
            "the provider's stream ended before its end",
        ))
    }

    fn start(&mut self, choice: u32, block: &BlockStart) {
        let part = match block {
            BlockStart::Text => Part::text(""),
            BlockStart::Refusal => Part::Refusal { text: String::new() },
            BlockStart::Reasoning => reasoning(None),
            BlockStart::EncryptedReasoning(data) => reasoning(Some(data.clone())),
            BlockStart::ToolCall { id, name, signature } => Part::ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: String::new(),
                signature: signature.clone(),
                extra: Extra::default(),
            },
        };
        let parts = &mut self.choice(choice).parts;
        parts.push(part);
        let place = parts.len() - 1;
        self.blocks.push((choice, place));
    }

    fn extend(&mut self, index: u32, delta: &Delta) {
        let Some(&(choice, place)) = self.blocks.get(index as usize) else {
            return;
        };
        let Some(part) = self.choice(choice).parts.get_mut(place) else {
            return;
        };
        match (part, delta) {
            (
                Part::Text { text, .. } | Part::Refusal { text } | Part::Reasoning { text, .. },
                Delta::Text(more),
            ) => text.push_str(more),
            (Part::Reasoning { signature, .. }, Delta::Signature(more)) => {
                signature.get_or_insert_default().push_str(more);
            }
            (Part::ToolCall { arguments, .. }, Delta::Arguments(more)) => arguments.push_str(more),
            _ => {}
        }
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let choices = &mut self.response.choices;
        let place = choices.iter().position(|choice| choice.index == index);
        let place = place.unwrap_or_else(|| {
            choices.push(Choice { index, ..Choice::default() });
            choices.len() - 1
        });
        &mut choices[place]
    }
}

fn reasoning(encrypted: Option<String>) -> Part {
    Part::Reasoning { text: String::new(), signature: None, encrypted, extra: Extra::default() }
}
