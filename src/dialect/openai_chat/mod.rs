//! OpenAI's chat completions and embeddings.
//! <https://platform.openai.com/docs/api-reference/chat>

pub mod raw;
mod request;
pub(super) mod response;
mod stream;
pub(super) mod types;

use super::{ClientDialect, Dialect, EncodeContext, StreamDecoder, StreamEncoder};
use crate::llm::{Failure, Operation, Request, Response, Wire};
use bytes::Bytes;
use http::HeaderMap;

/// The codec. Holds no state.
#[derive(Debug, Clone, Copy)]
pub struct OpenaiChat;

impl Dialect for OpenaiChat {
    fn wire(&self) -> Wire {
        Wire::OpenaiChat
    }

    fn encode_request(&self, request: &Request, context: &EncodeContext) -> Result<Bytes, Failure> {
        request::encode(request, context)
    }

    fn decode_response(&self, request: &Request, body: &[u8]) -> Result<Response, Failure> {
        response::decode(request, body)
    }

    fn decode_failure(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
        response::decode_failure(status, headers, body)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }
}

impl ClientDialect for OpenaiChat {
    fn decode_request(&self, operation: Operation, body: &[u8]) -> Result<Request, Failure> {
        request::decode(operation, body)
    }

    fn encode_response(&self, response: &Response) -> Bytes {
        response::encode(response)
    }

    fn encode_failure(&self, failure: &Failure) -> Bytes {
        response::encode_failure(failure)
    }

    fn stream_encoder(&self, include_usage: bool) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(include_usage))
    }
}
