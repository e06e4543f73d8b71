//! Wire formats ⇄ `llm`: pure functions, bytes in, values out.
//!
//! One folder per wire format, each with the same files: `mod.rs` (the [`Dialect`]), `types.rs` (the
//! vendor's JSON), `request.rs`, `response.rs`, `stream.rs`. No IO, no provider names: what differs
//! between providers that speak the same format is data in [`Quirks`].

pub mod anthropic;
pub mod gemini;
pub mod openai_chat;
pub mod quirks;
mod schema;
pub mod sse;
mod status;

pub use quirks::{MaxTokensField, ModelDrop, Quirks};
pub use sse::Frame;
pub use status::failure_for_status;

use crate::llm::{Event, Failure, Request, Response, Wire};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;

/// What a codec has to know besides the request itself.
#[derive(Debug, Clone, Copy)]
pub struct EncodeContext<'a> {
    /// The model to name in the request, which may be another one than the client asked for.
    pub model: &'a str,
    /// How the provider deviates from the wire format.
    pub quirks: &'a Quirks,
    /// The model's upper bound of output tokens, if the catalogue knows it.
    pub max_output_tokens: Option<u64>,
}

/// A wire format as an upstream speaks it. Implementations hold no state.
pub trait Dialect: Send + Sync {
    /// Which format this is.
    fn wire(&self) -> Wire;

    /// The body that asks for `request`.
    ///
    /// # Errors
    /// `UnsupportedOperation` or `InvalidRequest` when the format cannot say what was asked; a
    /// request is never silently changed in meaning.
    fn encode_request(&self, request: &Request, context: &EncodeContext) -> Result<Bytes, Failure>;

    /// The answer in `body`; `request` says what was asked.
    ///
    /// # Errors
    /// `BadResponse` when the body is not an answer of this format.
    fn decode_response(&self, request: &Request, body: &[u8]) -> Result<Response, Failure>;

    /// The failure that a provider reports with `status` and `body`: its message, type and code,
    /// and how long it asks to wait. A body of another shape yields the status's own words.
    fn decode_failure(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure;

    /// A decoder for one stream.
    fn stream_decoder(&self) -> Box<dyn StreamDecoder>;
}

/// A wire format as a client speaks it.
pub trait ClientDialect: Dialect {
    /// The request in `body`.
    ///
    /// # Errors
    /// `InvalidRequest` that names the field at fault.
    fn decode_request(
        &self,
        operation: crate::llm::Operation,
        body: &[u8],
    ) -> Result<Request, Failure>;

    /// The body that says `response`.
    fn encode_response(&self, response: &Response) -> Bytes;

    /// The error body that says `failure`.
    fn encode_failure(&self, failure: &Failure) -> Bytes;

    /// An encoder for one stream; `include_usage` when the client asked for a usage chunk.
    fn stream_encoder(&self, include_usage: bool) -> Box<dyn StreamEncoder>;
}

/// Turns the frames of one stream into events; owns whatever the stream needs to remember.
pub trait StreamDecoder: Send {
    /// Adds the events of `frame` to `out`.
    ///
    /// # Errors
    /// `BadResponse` when the frame is not of this format. An error that the provider reports
    /// inside of the stream is an [`Event::Error`], not an error here.
    fn decode(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Failure>;

    /// Adds the events that only the end of the connection tells (a format without an end marker
    /// is complete when a stop reason was seen). Called once.
    fn finish(&mut self, out: &mut Vec<Event>);
}

/// Turns events into the bytes of a stream; owns whatever the stream needs to remember.
pub trait StreamEncoder: Send {
    /// Appends what `event` means to a client to `out`: complete frames, or nothing.
    ///
    /// The terminal frames are written by [`finish`](Self::finish), never by an event, so that a
    /// stream which broke off is never ended as if it were complete.
    fn encode(&mut self, event: &Event, out: &mut BytesMut);

    /// Appends the last frames of a complete stream; `extra_fields` is spliced into the last JSON
    /// chunk when given.
    fn finish(&mut self, extra_fields: Option<&[u8]>, out: &mut BytesMut);

    /// Appends an error in the client's format; nothing may follow it.
    fn fail(&mut self, failure: &Failure, out: &mut BytesMut);
}
