//! The provider-neutral vocabulary: what a request asks, what an answer says, how either can fail.
//!
//! Plain data without IO; this room imports nothing of ours. Wire formats live in `dialect`, which
//! translates between them and these types; whatever has no meaning outside of one wire format
//! travels in an [`Extra`] bag tagged with the format it came from.

mod accumulate;
mod chat;
mod embedding;
mod event;
mod extra;
mod failure;
mod model;
mod operation;
mod replay;
mod usage;

pub use accumulate::Accumulator;
pub use chat::{
    ChatRequest, ChatResponse, Choice, Data, Message, Part, Reasoning, ResponseFormat, Role,
    StopReason, Tool, ToolChoice,
};
pub use embedding::{Embedding, EmbeddingInput, EmbeddingRequest, EmbeddingResponse};
pub use event::{BlockStart, Delta, Event};
pub use extra::{Extra, Wire};
pub use failure::{Failure, FailureKind, Retry, Source};
pub use model::ModelRef;
pub use operation::Operation;
pub use replay::replay;
pub use usage::{Cost, Usage, UsageSource};

/// A request of any operation, decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A chat completion.
    Chat(Box<ChatRequest>),
    /// Embeddings of one or more inputs.
    Embedding(EmbeddingRequest),
}

/// A complete answer of any operation, decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// A chat completion.
    Chat(Box<ChatResponse>),
    /// Embeddings in the order of the inputs.
    Embedding(EmbeddingResponse),
}

impl Response {
    /// What the provider counted, if it said so.
    pub fn usage(&self) -> Option<&Usage> {
        match self {
            Response::Chat(response) => response.usage.as_ref(),
            Response::Embedding(response) => response.usage.as_ref(),
        }
    }
}
