//! The two ways through the gateway: the client's own bytes when the provider speaks the client's
//! wire format, the hub's types when it does not.

use super::call::Call;
use super::raw_events::RawEvents;
use super::record::Progress;
use crate::dialect::openai_chat::OpenaiChat;
use crate::dialect::openai_chat::raw::{self, RawResponse, RawStream, Texts};
use crate::dialect::sse::FrameReader;
use crate::dialect::{ClientDialect, EncodeContext, Frame, StreamDecoder, StreamEncoder};
use crate::llm::{
    EmbeddingRequest, Event, Failure, FailureKind, Operation, Request, Response, Source, Usage,
    Wire,
};
use crate::provider::codec;
use crate::route::Target;
use bytes::{Bytes, BytesMut};
use std::sync::OnceLock;

/// The wire format in which clients speak to this gateway.
pub(super) const CLIENT: &OpenaiChat = &OpenaiChat;

/// The client's request decoded, once, when some target needs it.
#[derive(Debug, Default)]
pub(super) struct Decoded(OnceLock<Request>);

impl Decoded {
    pub(super) fn get(&self, call: &Call) -> Result<&Request, Failure> {
        if let Some(request) = self.0.get() {
            return Ok(request);
        }
        let request = CLIENT.decode_request(call.operation, call.request.body())?;
        Ok(self.0.get_or_init(|| request))
    }
}

/// A complete answer to an operation, decoded; `None` if it is none of that format.
pub(super) fn decoded_answer(operation: Operation, wire: Wire, body: &[u8]) -> Option<Response> {
    // Of the request a decoder needs to know no more than what kind it is.
    let request = match operation {
        Operation::Chat => Request::Chat(Box::default()),
        Operation::Embedding => Request::Embedding(EmbeddingRequest::default()),
        Operation::ListModels => return None,
    };
    codec(wire).decode_response(&request, body).ok()
}

/// The body for `target`.
///
/// # Errors
/// When the target's format cannot say what was asked.
pub(super) fn request_body(
    call: &Call,
    target: &Target,
    decoded: &Decoded,
) -> Result<Bytes, Failure> {
    let quirks = &target.provider.spec.quirks;
    if target.endpoint.wire == Wire::OpenaiChat {
        return call.request.for_upstream(&target.model, quirks);
    }
    let facts = call.snapshot.catalog.model(target.provider.spec.name, &target.model);
    let context = EncodeContext {
        model: &target.model,
        quirks,
        max_output_tokens: facts.and_then(|facts| facts.max_output_tokens),
    };
    codec(target.endpoint.wire).encode_request(decoded.get(call)?, &context)
}

/// A complete answer: its body for the client and what it has used.
///
/// # Errors
/// `BadResponse` when the body is no answer of the target's format.
pub(super) fn response_body(
    call: &Call,
    wire: Wire,
    decoded: &Decoded,
    body: Bytes,
) -> Result<(Bytes, Progress), Failure> {
    if wire == Wire::OpenaiChat {
        let usage = RawResponse::parse(&body)?.usage();
        // Some report a failure with status 200.
        if let Some(failure) = raw::failure_in_answer(&body) {
            return Err(failure);
        }
        let used = progress(usage, &body);
        return Ok((body, used));
    }
    let mut response = codec(wire).decode_response(decoded.get(call)?, &body)?;
    if let crate::llm::Response::Chat(chat) = &mut response
        && chat.created == 0
    {
        chat.created = call.timestamp_ms.div_euclid(1000);
    }
    let usage = response.usage().copied();
    let body = CLIENT.encode_response(&response);
    let used = progress(usage, &body);
    Ok((body, used))
}

/// What the provider counted, or what the texts of a body in the client's format come to.
fn progress(usage: Option<Usage>, body: &[u8]) -> Progress {
    let output_estimate = match usage {
        Some(_) => 0,
        None => raw::estimated_output(body),
    };
    Progress { usage, output_estimate }
}

/// `body` with `extra_fields` at its end.
pub(super) fn with_extra_fields(body: Bytes, extra_fields: &[u8]) -> Bytes {
    raw::splice_extra_fields(body, extra_fields)
}

/// A stream on its way from the provider's format to the client's.
pub(super) struct Passage {
    frames: FrameReader,
    way: Way,
    /// Kept when the client is to see the provider's events as they came.
    raw_events: Option<Box<RawEvents>>,
}

enum Way {
    /// Frames pass as they came.
    Raw(Box<RawStream>),
    /// Frames become events, and events frames of the client's format.
    Translated(Box<Translated>),
}

struct Translated {
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn StreamEncoder>,
    events: Vec<Event>,
    /// Unix seconds for formats that do not say when an answer was made.
    created: i64,
    usage: Option<Usage>,
    committed: bool,
    complete: bool,
    pieces: u64,
    /// Bytes of content so far.
    content: u64,
}

impl Passage {
    /// A passage from `wire` for `call`.
    pub(super) fn new(call: &Call, wire: Wire, wants_raw: bool) -> Self {
        let include_usage = call.request.include_usage();
        let choices = call.request.choices();
        let way = match wire {
            Wire::OpenaiChat => Way::Raw(Box::new(RawStream::new(include_usage, choices))),
            _ => Way::Translated(Box::new(Translated {
                decoder: codec(wire).stream_decoder(),
                encoder: CLIENT.stream_encoder(include_usage),
                events: Vec::new(),
                created: call.timestamp_ms.div_euclid(1000),
                usage: None,
                committed: false,
                complete: false,
                pieces: 0,
                content: 0,
            })),
        };
        let raw_events = wants_raw.then(Box::default);
        let mut passage = Passage { frames: FrameReader::default(), way, raw_events };
        if wants_raw {
            // Events do not stay as they are written at first.
            passage.forget_texts();
        }
        passage
    }

    /// What only adds to the text of what was written since this was emptied; `None` where that is not
    /// known.
    pub(super) fn texts(&mut self) -> Option<&mut Texts> {
        match &mut self.way {
            Way::Raw(stream) => stream.texts(),
            Way::Translated(_) => None,
        }
    }

    /// Nobody will ask for the texts.
    pub(super) fn forget_texts(&mut self) {
        if let Way::Raw(stream) = &mut self.way {
            stream.forget_texts();
        }
    }

    /// Takes bytes of the provider and appends what they mean to `out`.
    ///
    /// # Errors
    /// What the provider reports inside of the stream, or that it makes no sense.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), Failure> {
        self.frames.push(bytes);
        while let Some(frame) = self.frames.next_frame()? {
            self.frame(&frame, out)?;
        }
        Ok(())
    }

    /// The provider has closed the connection.
    ///
    /// # Errors
    /// `Truncated` when something is missing.
    pub(super) fn close(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        if let Some(frame) = self.frames.rest() {
            self.frame(&frame, out)?;
        }
        match &mut self.way {
            Way::Raw(stream) => stream.close(),
            Way::Translated(way) => way.close(out)?,
        }
        if self.is_complete() {
            return Ok(());
        }
        let message = "the provider's stream ended before its end";
        Err(Failure::new(Source::Upstream, FailureKind::Truncated, message)
            .with_code("stream_truncated"))
    }

    fn frame(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), Failure> {
        let start = out.len();
        let done = match &mut self.way {
            Way::Raw(stream) => stream.push(frame, out),
            Way::Translated(way) => way.frame(frame, out),
        };
        if let Some(events) = &mut self.raw_events {
            events.note(frame);
            events.attach(out, start);
        }
        done
    }

    /// Whether all that is written is known to be sound events, since it was made here. What passes as it came
    /// is known where its texts are.
    pub(super) fn is_sound(&self) -> bool {
        matches!(self.way, Way::Translated(_))
    }

    /// The provider's events that no chunk has shown yet.
    pub(super) fn raw_events(&mut self) -> Option<String> {
        self.raw_events.as_mut().map(|events| events.take())
    }

    /// Whether the client has been shown, or is about to be, what it cannot unsee.
    pub(super) fn committed(&self) -> bool {
        match &self.way {
            Way::Raw(stream) => stream.committed(),
            Way::Translated(way) => way.committed,
        }
    }

    /// Whether the provider has ended the stream itself.
    pub(super) fn is_complete(&self) -> bool {
        match &self.way {
            Way::Raw(stream) => stream.is_complete(),
            Way::Translated(way) => way.complete,
        }
    }

    /// What has been used so far.
    pub(super) fn progress(&self) -> Progress {
        match &self.way {
            Way::Raw(stream) => {
                Progress { usage: stream.usage(), output_estimate: stream.estimated_output() }
            }
            Way::Translated(way) => {
                let output_estimate = way.pieces.max(way.content / raw::BYTES_PER_TOKEN);
                Progress { usage: way.usage, output_estimate }
            }
        }
    }

    /// Pieces of content so far.
    pub(super) fn pieces(&self) -> u64 {
        match &self.way {
            Way::Raw(stream) => stream.pieces(),
            Way::Translated(way) => way.pieces,
        }
    }

    /// Appends the last frames of a complete stream.
    pub(super) fn finish(&mut self, extra_fields: &[u8], out: &mut BytesMut) {
        match &mut self.way {
            Way::Raw(stream) => stream.finish(extra_fields, out),
            Way::Translated(way) => way.encoder.finish(Some(extra_fields), out),
        }
    }

    /// Appends `failure` in the client's format; the stream ends with it.
    pub(super) fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        match &mut self.way {
            Way::Raw(_) => CLIENT.stream_encoder(false).fail(failure, out),
            Way::Translated(way) => way.encoder.fail(failure, out),
        }
    }
}

impl Translated {
    fn frame(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), Failure> {
        let mut events = std::mem::take(&mut self.events);
        let decoded = self.decoder.decode(frame, &mut events);
        let shown = self.show(&mut events, out);
        self.events = events;
        decoded.and(shown)
    }

    fn close(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        let mut events = Vec::new();
        self.decoder.finish(&mut events);
        self.show(&mut events, out)
    }

    fn show(&mut self, events: &mut Vec<Event>, out: &mut BytesMut) -> Result<(), Failure> {
        for mut event in events.drain(..) {
            match &mut event {
                Event::Error(failure) => return Err((**failure).clone()),
                Event::Start { created, .. } if *created == 0 => *created = self.created,
                Event::Usage(usage) => {
                    self.usage = Some(self.usage.unwrap_or_default().max(*usage));
                }
                Event::BlockDelta { delta, .. } => {
                    self.pieces += 1;
                    self.content += delta.text().len() as u64;
                }
                Event::End => self.complete = true,
                _ => {}
            }
            self.committed |= event.commits();
            self.encoder.encode(&event, out);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Passage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage").field("complete", &self.is_complete()).finish_non_exhaustive()
    }
}
