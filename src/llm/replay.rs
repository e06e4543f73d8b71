//! A complete answer said again as the events of a stream: the inverse of the accumulator.

use super::{BlockStart, ChatResponse, Choice, Delta, Event, Part};

/// Characters in one piece of text: about what providers send at once, several times over.
const PIECE: usize = 48;

/// The events of a stream that says `response`. Pieces of text are cut between characters; parts that
/// no answer has (pictures, results of tools) are left out.
pub fn replay(response: &ChatResponse) -> Vec<Event> {
    let mut events = vec![Event::Start {
        id: response.id.clone(),
        model: response.model.clone(),
        created: response.created,
    }];
    let mut index = 0;
    for choice in &response.choices {
        blocks(choice, &mut index, &mut events);
    }
    events.extend(response.usage.map(Event::Usage));
    events.push(Event::End);
    events
}

fn blocks(choice: &Choice, index: &mut u32, events: &mut Vec<Event>) {
    for part in &choice.parts {
        let Some((block, deltas)) = block(part) else { continue };
        events.push(Event::BlockStart { index: *index, choice: choice.index, block });
        events.extend(deltas.into_iter().map(|delta| Event::BlockDelta { index: *index, delta }));
        events.push(Event::BlockStop { index: *index });
        *index += 1;
    }
    if let Some(reason) = &choice.stop {
        events.push(Event::Stop { choice: choice.index, reason: reason.clone() });
    }
}

fn block(part: &Part) -> Option<(BlockStart, Vec<Delta>)> {
    Some(match part {
        Part::Text { text, .. } => (BlockStart::Text, pieces(text).map(Delta::Text).collect()),
        Part::Refusal { text } => (BlockStart::Refusal, pieces(text).map(Delta::Text).collect()),
        Part::Reasoning { encrypted: Some(data), .. } => {
            (BlockStart::EncryptedReasoning(data.clone()), Vec::new())
        }
        Part::Reasoning { text, signature, .. } => {
            let texts = pieces(text).map(Delta::Text);
            let signature = signature.clone().map(Delta::Signature);
            (BlockStart::Reasoning, texts.chain(signature).collect())
        }
        Part::ToolCall { id, name, arguments, signature, .. } => {
            let block = BlockStart::ToolCall {
                id: id.clone(),
                name: name.clone(),
                signature: signature.clone(),
            };
            (block, vec![Delta::Arguments(arguments.clone())])
        }
        Part::Image { .. } | Part::Audio { .. } | Part::File { .. } | Part::ToolResult { .. } => {
            return None;
        }
    })
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{Accumulator, Extra, StopReason, Usage};
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            ".{0,200}".prop_map(Part::text),
            ".{0,20}".prop_map(|text| Part::Refusal { text }),
            (".{0,99}", proptest::option::of("[a-z]{1,9}")).prop_map(|(text, signature)| {
                Part::Reasoning { text, signature, encrypted: None, extra: Extra::default() }
            }),
            ("[a-z]{3}", "[a-z]{3}", ".{0,60}").prop_map(|(id, name, arguments)| {
                let (signature, extra) = (None, Extra::default());
                Part::ToolCall { id, name, arguments, signature, extra }
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_replayed_accumulates_to_itself(parts in proptest::collection::vec(part(), 0..5)) {
            let choice = Choice { parts, stop: Some(StopReason::Stop), ..Choice::default() };
            let response = ChatResponse {
                id: "a".into(),
                model: "m".into(),
                created: 7,
                choices: vec![choice],
                usage: Some(Usage { input: 1, output: 2, ..Usage::default() }),
                extra: Extra::default(),
            };
            let mut accumulator = Accumulator::default();
            replay(&response).iter().for_each(|event| accumulator.push(event));
            prop_assert_eq!(accumulator.finish().unwrap(), response);
        }
    }
}
