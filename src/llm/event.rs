//! What a stream says, piece by piece.

use super::{Failure, StopReason, Usage};

/// One piece of a streamed answer.
///
/// Blocks are numbered from 0 in the order in which they start; a delta names its block.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The provider's id of the answer.
        id: String,
        /// The model that the provider says answers.
        model: String,
        /// Unix seconds; 0 when the wire format has none.
        created: i64,
    },
    /// A block begins.
    BlockStart {
        /// The block's number.
        index: u32,
        /// The choice it belongs to; 0 unless several were asked for.
        choice: u32,
        /// What kind of block.
        block: BlockStart,
    },
    /// A block goes on.
    BlockDelta {
        /// The block's number.
        index: u32,
        /// What is added.
        delta: Delta,
    },
    /// A block is complete.
    BlockStop {
        /// The block's number.
        index: u32,
    },
    /// What the provider has counted so far; the last one holds.
    Usage(Usage),
    /// A choice is complete.
    Stop {
        /// The choice.
        choice: u32,
        /// Why it ended.
        reason: StopReason,
    },
    /// The provider ended the stream in its own way (`[DONE]`, `message_stop`): nothing is missing.
    End,
    /// The provider reported a failure inside of the stream.
    Error(Box<Failure>),
}

/// What kind of block begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockStart {
    /// Text for the reader.
    Text,
    /// A refusal.
    Refusal,
    /// Thinking.
    Reasoning,
    /// Thinking that only the provider can read; complete at once.
    EncryptedReasoning(String),
    /// A tool call; its arguments follow as deltas.
    ToolCall {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
        /// Gemini's thought signature.
        signature: Option<String>,
    },
}

/// What is added to a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text of a text, refusal or reasoning block.
    Text(String),
    /// The signature of a reasoning block.
    Signature(String),
    /// A fragment of a tool call's JSON arguments.
    Arguments(String),
}

impl Delta {
    /// What is added, as text.
    pub fn text(&self) -> &str {
        match self {
            Delta::Text(text) | Delta::Signature(text) | Delta::Arguments(text) => text,
        }
    }
}

impl Event {
    /// Whether a client that has seen this event cannot be moved to another provider any more.
    pub fn commits(&self) -> bool {
        match self {
            Event::BlockStart { block, .. } => {
                matches!(block, BlockStart::ToolCall { .. } | BlockStart::EncryptedReasoning(_))
            }
            Event::BlockDelta { delta, .. } => !delta.text().is_empty(),
            Event::Stop { .. } => true,
            _ => false,
        }
    }
}
