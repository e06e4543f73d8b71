//! Server-sent events: bytes → frames, at any split.
//!
//! Follows the parsing rules of the HTML standard (CR, LF and CRLF line ends, a leading BOM,
//! several `data:` lines per event) and keeps the raw bytes of each frame, so that a frame that
//! needs no change is passed on as it came.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use crate::llm::Failure;
use bytes::{Buf, Bytes, BytesMut};
use serde::de::IgnoredAny;

/// The largest frame that is accepted, in bytes: a provider that never ends a frame must not fill
/// the memory.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// How most events are written, and all of the gateway's own: this, the data in one line, and [`END`].
pub const DATA: &[u8] = b"data: ";
/// What ends them.
pub const END: &[u8] = b"\n\n";

/// One event of a stream, or a block of comments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The bytes as they came, the empty line included.
    pub raw: Bytes,
    /// The `event:` name; empty when there is none.
    pub event: Bytes,
    /// The `data:` lines joined by line feeds; `None` when the frame has none (a comment).
    pub data: Option<Bytes>,
}

/// Collects bytes and cuts them into frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
    /// How far `buffer` is known to hold no frame end.
    scanned: usize,
    started: bool,
}

impl FrameReader {
    /// Adds bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next complete frame.
    ///
    /// # Errors
    /// `BadResponse` when a frame is larger than [`MAX_FRAME`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Failure> {
        if !self.started && !self.skip_bom() {
            return Ok(None);
        }
        let Some(end) = self.find_end() else {
            if self.buffer.len() > MAX_FRAME {
                return Err(Failure::bad_response("the provider sent an event that is too large"));
            }
            return Ok(None);
        };
        let raw = self.buffer.split_to(end).freeze();
        self.scanned = 0;
        Ok(Some(parse(raw)))
    }

    /// What is left when the connection ends: a last frame whose empty line never came, with one put
    /// in. `None` for a frame that was cut in the middle of its data.
    pub fn rest(&mut self) -> Option<Frame> {
        let mut raw = self.buffer.split();
        self.scanned = 0;
        raw.extend_from_slice(b"\n\n");
        let frame = parse(raw.freeze());
        frame.data.as_deref().is_some_and(is_whole).then_some(frame)
    }

    /// False while too few bytes are there to tell.
    fn skip_bom(&mut self) -> bool {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        if self.buffer.is_empty() || (self.buffer.len() < 3 && BOM.starts_with(&self.buffer)) {
            return false;
        }
        if self.buffer.starts_with(BOM) {
            self.buffer.advance(3);
        }
        self.started = true;
        true
    }

    /// The length of the first frame: up to and with the first empty line.
    fn find_end(&mut self) -> Option<usize> {
        let bytes = &self.buffer[..];
        let mut from = self.scanned;
        while let Some(offset) = memchr::memchr2(b'\n', b'\r', &bytes[from..]) {
            let at = from + offset;
            let after = line_end(bytes, at)?;
            let empty_line = match bytes.get(after) {
                Some(b'\n') => Some(after + 1),
                Some(b'\r') => line_end(bytes, after),
                Some(_) => {
                    from = after;
                    self.scanned = from;
                    continue;
                }
                None => None,
            };
            // A frame may also begin with an empty line; it holds nothing and ends there.
            self.scanned = at;
            return if at == 0 { Some(after) } else { empty_line };
        }
        self.scanned = bytes.len();
        None
    }
}

/// The offset after the line end at `at`; `None` when a CR is the last byte and a LF may follow.
fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes[at], bytes.get(at + 1)) {
        (b'\r', Some(b'\n')) => Some(at + 2),
        (b'\r', None) => None,
        _ => Some(at + 1),
    }
}

/// Whether nothing is missing of data that may have been cut: all formats send JSON or `[DONE]`.
fn is_whole(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

fn parse(raw: Bytes) -> Frame {
    let mut frame = Frame::default();
    let mut several: Option<BytesMut> = None;
    let mut at = 0;
    while at < raw.len() {
        let end = memchr::memchr2(b'\n', b'\r', &raw[at..]).map_or(raw.len(), |o| at + o);
        let line = raw.slice(at..end);
        at = end + if raw[end.min(raw.len())..].starts_with(b"\r\n") { 2 } else { 1 };
        if let Some(value) = field(&line, b"data") {
            match (&frame.data, &mut several) {
                (None, _) => frame.data = Some(value),
                (Some(first), None) => {
                    let mut joined = BytesMut::from(&first[..]);
                    joined.extend_from_slice(b"\n");
                    joined.extend_from_slice(&value);
                    several = Some(joined);
                }
                (Some(_), Some(joined)) => {
                    joined.extend_from_slice(b"\n");
                    joined.extend_from_slice(&value);
                }
            }
        } else if let Some(value) = field(&line, b"event") {
            frame.event = value;
        }
    }
    if let Some(joined) = several {
        frame.data = Some(joined.freeze());
    }
    frame.raw = raw;
    frame
}

/// The value of `line` if its field is `name`: after the colon and one optional space.
fn field(line: &Bytes, name: &[u8]) -> Option<Bytes> {
    let rest = line.strip_prefix(name)?;
    match rest {
        [] => Some(Bytes::new()),
        [b':', b' ', ..] => Some(line.slice(name.len() + 2..)),
        [b':', ..] => Some(line.slice(name.len() + 1..)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(input: &[u8], cut: usize) -> Vec<(Bytes, Option<Bytes>)> {
        let mut reader = FrameReader::default();
        let mut out = Vec::new();
        for piece in [&input[..cut], &input[cut..]] {
            reader.push(piece);
            while let Some(frame) = reader.next_frame().unwrap() {
                out.push(frame);
            }
        }
        out.extend(reader.rest());
        let held: usize = out.iter().map(|frame| frame.raw.len()).sum();
        assert!(held <= input.len() + 2, "the empty line of the last frame at most is added");
        out.retain(|frame| frame.data.is_some());
        out.into_iter().map(|frame| (frame.event, frame.data)).collect()
    }

    #[test]
    fn the_same_frames_at_every_split() {
        let input = b"\xef\xbb\xbf: hi\n\nevent: a\r\ndata: 1\r\n\r\ndata:2\rdata: 3\r\r\n\ndata\n\nevent: z\ndata: [DONE]";
        let whole = frames(input, 0);
        let expect = [("a", "1"), ("", "2\n3"), ("", ""), ("z", "[DONE]")];
        let seen: Vec<_> = whole
            .iter()
            .map(|(e, d)| {
                (std::str::from_utf8(e).unwrap(), std::str::from_utf8(d.as_ref().unwrap()).unwrap())
            })
            .collect();
        assert_eq!(seen, expect);
        for cut in 1..input.len() {
            assert_eq!(frames(input, cut), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_without_its_empty_line_counts_only_when_it_is_whole() {
        let rest = |bytes: &[u8]| {
            let mut reader = FrameReader::default();
            reader.push(bytes);
            assert_eq!(reader.next_frame().unwrap(), None);
            reader.rest().map(|frame| (frame.raw, frame.data.unwrap()))
        };
        let frame = |raw: &'static str, data: &'static str| Some((raw.into(), data.into()));
        assert_eq!(rest(b"data: {\"a\":1}"), frame("data: {\"a\":1}\n\n", "{\"a\":1}"));
        assert_eq!(rest(b"data: [DONE]\n"), frame("data: [DONE]\n\n\n", "[DONE]"));
        assert_eq!(rest(b"data: {}\r\r"), frame("data: {}\r\r\n\n", "{}"));
        assert_eq!(rest(b"data: {\"choices\":[{\"delta\":{\"con"), None);
        assert_eq!(rest(b"data: [DO"), None);
        assert_eq!(rest(b"event: message_stop\ndata"), None);
        assert_eq!(rest(b": comment"), None);
        assert_eq!(rest(b""), None);
    }

    #[test]
    fn a_frame_without_end_is_refused() {
        let mut reader = FrameReader::default();
        reader.push(b"data: ");
        reader.push(&vec![b'x'; MAX_FRAME]);
        assert!(reader.next_frame().is_err());
    }
}
