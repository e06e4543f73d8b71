//! Which answers are kept.

use crate::llm::{Part, Response, StopReason};

/// Answers of more bytes are not kept.
pub const LARGEST: usize = 1 << 20;

/// Whether somebody else may get this answer: it is complete, it says something, and it is neither a
/// refusal nor, unless `keeps_tools`, a call of a tool.
pub(super) fn may_keep(response: &Response, keeps_tools: bool) -> bool {
    match response {
        Response::Embedding(embedding) => !embedding.data.is_empty(),
        Response::Chat(chat) => {
            !chat.choices.is_empty()
                && chat.choices.iter().all(|choice| {
                    let stopped = match &choice.stop {
                        Some(
                            StopReason::Stop | StopReason::StopSequence(_) | StopReason::Length,
                        ) => true,
                        Some(StopReason::ToolCalls) => keeps_tools,
                        _ => false,
                    };
                    stopped && says_something(&choice.parts, keeps_tools)
                })
        }
    }
}

fn says_something(parts: &[Part], keeps_tools: bool) -> bool {
    let mut says = false;
    for part in parts {
        match part {
            Part::Text { text, .. } => says |= !text.trim().is_empty(),
            Part::ToolCall { .. } if keeps_tools => says = true,
            Part::Reasoning { .. } => {}
            _ => return false,
        }
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{ChatResponse, Choice, Extra};

    fn answer(parts: Vec<Part>, stop: StopReason) -> Response {
        let choice = Choice { parts, stop: Some(stop), ..Choice::default() };
        Response::Chat(Box::new(ChatResponse { choices: vec![choice], ..ChatResponse::default() }))
    }

    #[test]
    fn what_is_no_good_for_others_is_not_kept() {
        let text = || vec![Part::text("At nine.")];
        assert!(may_keep(&answer(text(), StopReason::Stop), false));
        assert!(may_keep(&answer(text(), StopReason::Length), false));
        assert!(!may_keep(&answer(text(), StopReason::ContentFilter), false));
        assert!(!may_keep(&answer(text(), StopReason::Other("odd".into())), false));
        assert!(!may_keep(&answer(vec![Part::text("  ")], StopReason::Stop), false));
        let refusal = vec![Part::Refusal { text: "No.".into() }];
        assert!(!may_keep(&answer(refusal, StopReason::Stop), false));
        let call = || {
            let (id, name) = ("1".into(), "f".into());
            let (arguments, signature, extra) = ("{}".into(), None, Extra::default());
            answer(
                vec![Part::ToolCall { id, name, arguments, signature, extra }],
                StopReason::ToolCalls,
            )
        };
        assert!(!may_keep(&call(), false));
        assert!(may_keep(&call(), true));
        let none = Response::Chat(Box::default());
        assert!(!may_keep(&none, false));
    }
}
