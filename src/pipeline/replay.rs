//! A kept answer in the form in which it is asked for.

use super::ReplyBody;
use super::call::Call;
use super::translate::{CLIENT, with_extra_fields};
use crate::cache::Entry;
use crate::dialect::{ClientDialect, Dialect};
use crate::llm::{Operation, Request, Response, replay};
use crate::provider::codec;
use bytes::{Bytes, BytesMut};

/// The body for `call`: the bytes that were kept where they are in the client's format already, else
/// the same answer said in it; a stream where one was asked for.
pub(super) fn replayed(call: &Call, entry: &Entry, extra_fields: &[u8]) -> ReplyBody {
    if call.request.stream()
        && let Some(Response::Chat(chat)) = decode(call, entry)
    {
        let mut encoder = CLIENT.stream_encoder(call.request.include_usage());
        let mut out = BytesMut::with_capacity(2 * entry.answer.len());
        for event in replay(&chat) {
            encoder.encode(&event, &mut out);
        }
        encoder.finish(Some(extra_fields), &mut out);
        return ReplyBody::Replay(out.freeze());
    }
    let body = match decode(call, entry).filter(|_| entry.wire != CLIENT.wire()) {
        Some(response) => CLIENT.encode_response(&response),
        None => Bytes::clone(&entry.answer),
    };
    ReplyBody::Full(with_extra_fields(body, extra_fields))
}

fn decode(call: &Call, entry: &Entry) -> Option<Response> {
    // Of the request a decoder needs to know the operation only.
    let request = match call.operation {
        Operation::Chat => Request::Chat(Box::default()),
        _ => return None,
    };
    codec(entry.wire).decode_response(&request, &entry.answer).ok()
}
