//! Google's generateContent and batchEmbedContents, as an upstream speaks them.
//! <https://ai.google.dev/api/generate-content>

mod embedding;
mod request;
mod response;
mod stream;
mod types;

use super::{Dialect, EncodeContext, StreamDecoder};
use crate::llm::{Failure, Request, Response, Wire};
use bytes::Bytes;
use http::HeaderMap;

/// The codec. Holds no state. Whether an answer is streamed is said by the path, not the body.
#[derive(Debug, Clone, Copy)]
pub struct Gemini;

impl Dialect for Gemini {
    fn wire(&self) -> Wire {
        Wire::Gemini
    }

    fn encode_request(&self, request: &Request, context: &EncodeContext) -> Result<Bytes, Failure> {
        match request {
            Request::Chat(chat) => request::encode(chat, context),
            Request::Embedding(embedding) => embedding::encode(embedding, context),
        }
    }

    fn decode_response(&self, request: &Request, body: &[u8]) -> Result<Response, Failure> {
        match request {
            Request::Chat(_) => response::decode(body).map(|chat| Response::Chat(Box::new(chat))),
            Request::Embedding(request) => {
                embedding::decode(request, body).map(Response::Embedding)
            }
        }
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
