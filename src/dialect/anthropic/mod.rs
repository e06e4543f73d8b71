//! Anthropic's messages, as an upstream speaks them.
//! <https://docs.anthropic.com/en/api/messages>

mod request;
mod response;
mod stream;
mod types;

use super::{Dialect, EncodeContext, StreamDecoder};
use crate::llm::{Failure, Request, Response, Wire};
use bytes::Bytes;
use http::HeaderMap;

/// The codec. Holds no state.
///
/// Translated requests are written for `anthropic-version: 2023-06-01`, which takes the sampling
/// parameters that OpenAI's clients send. What Anthropic has no word for is refused when it changes
/// what comes back (`n`, `logprobs`), and left out when it is advice (`seed`, penalties).
#[derive(Debug, Clone, Copy)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn wire(&self) -> Wire {
        Wire::Anthropic
    }

    fn encode_request(&self, request: &Request, context: &EncodeContext) -> Result<Bytes, Failure> {
        match request {
            Request::Chat(chat) => request::encode(chat, context),
            Request::Embedding(_) => {
                Err(Failure::unsupported("embedding is not supported by anthropic provider"))
            }
        }
    }

    fn decode_response(&self, _request: &Request, body: &[u8]) -> Result<Response, Failure> {
        response::decode(body).map(|chat| Response::Chat(Box::new(chat)))
    }

    fn decode_failure(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
        response::decode_failure(status, headers, body)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }
}

#[cfg(test)]
mod tests;
