//! `extra_fields.raw_response` of streams: each chunk says which events of the provider it comes from,
//! as text (Bifrost's form). For finding faults; off unless asked for.

use crate::dialect::Frame;
use crate::dialect::openai_chat::raw::splice_extra_fields;
use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// What the provider has sent since the last chunk that the client got.
#[derive(Debug, Default)]
pub(super) struct RawEvents(String);

impl RawEvents {
    /// Takes the data of an event.
    pub(super) fn note(&mut self, frame: &Frame) {
        let Some(data) = &frame.data else { return };
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&String::from_utf8_lossy(data));
    }

    /// Writes what was noted into the first chunk of `out` from `start` on, if there is one.
    pub(super) fn attach(&mut self, out: &mut BytesMut, start: usize) {
        static DATA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"data: {"));
        let added = out.get(start..).unwrap_or_default();
        let Some(at) = DATA.find(added) else { return };
        let from = start + at + DATA.needle().len() - 1;
        let rest = out.get(from..).unwrap_or_default();
        let to = from + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let chunk = Bytes::copy_from_slice(out.get(from..to).unwrap_or_default());
        let tail = out.split_off(to);
        out.truncate(from);
        let raw = serde_json::Value::from(std::mem::take(&mut self.0));
        let extra = format!("{{\"raw_response\":{raw}}}");
        out.extend_from_slice(&splice_extra_fields(chunk, extra.as_bytes()));
        out.extend_from_slice(&tail);
    }

    /// What was noted, for the last chunk.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_goes_into_the_next_chunk() {
        let mut events = RawEvents::default();
        let frame = |data: &'static str| Frame {
            data: Some(Bytes::from_static(data.as_bytes())),
            ..Frame::default()
        };
        events.note(&frame("{\"a\":1}"));
        let mut out = BytesMut::from(&b"data: {\"old\":1}\n\n"[..]);
        let start = out.len();
        events.attach(&mut out, start);
        events.note(&frame("{\"b\":2}"));
        out.extend_from_slice(b"data: {\"new\":1}\n\ndata: {\"more\":1}\n\n");
        events.attach(&mut out, start);
        let raw = r#"{"new":1,"extra_fields":{"raw_response":"{\"a\":1}\n{\"b\":2}"}}"#;
        let expected = format!("data: {{\"old\":1}}\n\ndata: {raw}\n\ndata: {{\"more\":1}}\n\n");
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
        assert_eq!(events.take(), "");
    }
}
