//! A kept answer in the form in which it is asked for.

use super::ReplyBody;
use super::call::Call;
use super::translate::{CLIENT, decoded_answer, with_extra_fields};
use crate::cache::Entry;
use crate::dialect::{ClientDialect, Dialect};
use crate::llm::{Response, replay};
use bytes::{Bytes, BytesMut};

/// The body for `call`: the bytes that were kept where they are in the client's format already, else
/// the same answer said in it; a stream where one was asked for.
pub(super) fn replayed(call: &Call, entry: &Entry, extra_fields: &[u8]) -> ReplyBody {
    if call.request.stream()
        && let Some(Response::Chat(chat)) =
            decoded_answer(call.operation, entry.wire, &entry.answer)
    {
        let mut encoder = CLIENT.stream_encoder(call.request.include_usage());
        let mut out = BytesMut::with_capacity(2 * entry.answer.len());
        for event in replay(&chat) {
            encoder.encode(&event, &mut out);
        }
        encoder.finish(Some(extra_fields), &mut out);
        return ReplyBody::Replay(out.freeze());
    }
    let other_format = (entry.wire != CLIENT.wire())
        .then(|| decoded_answer(call.operation, entry.wire, &entry.answer))
        .flatten();
    let body = match other_format {
        Some(response) => CLIENT.encode_response(&response),
        None => Bytes::clone(&entry.answer),
    };
    ReplyBody::Full(with_extra_fields(body, extra_fields))
}
