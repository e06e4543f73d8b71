//! A chat request cut into the pieces by which a cache tells requests apart, without decoding it: they
//! stay as the client wrote them.

use super::quotes::first_quote;
use super::request::RawRequest;
use super::walk::Walk;
use bytes::Bytes;
use smallvec::SmallVec;

/// A chat request in pieces.
#[derive(Debug)]
pub struct Outline<'a> {
    request: &'a RawRequest,
    /// The conversation.
    pub messages: OutlineMessages<'a>,
}

/// Messages, one after the other; `Err` for one of which the pieces could be read in two ways.
#[derive(Debug)]
pub struct OutlineMessages<'a>(Walk<'a>);

/// Something could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

/// One message.
#[derive(Debug, Default)]
pub struct OutlineMessage<'a> {
    /// The role, without its quotes.
    pub role: &'a [u8],
    /// The content between its quotes, escapes and all, if it is a string.
    pub text: Option<&'a [u8]>,
    /// Members but those, with their JSON; a content that is no string among them. Nulls are left out.
    pub rest: SmallVec<[(&'a [u8], &'a [u8]); 1]>,
}

impl RawRequest {
    /// The request in pieces; `None` for one that is no chat.
    pub fn outline(&self) -> Option<Outline<'_>> {
        let mut walk = Walk::new(self.bytes("messages")?);
        walk.enter(b'[');
        Some(Outline { request: self, messages: OutlineMessages(walk) })
    }
}

impl<'a> Outline<'a> {
    /// The body that they are pieces of.
    pub fn body(&self) -> &'a Bytes {
        self.request.body()
    }

    /// Top-level members but `model`, `messages` and what only says how the answer is delivered, with
    /// their JSON. Nulls are left out.
    pub fn parameters(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.request.parameters()
    }
}

impl<'a> Iterator for OutlineMessages<'a> {
    type Item = Result<OutlineMessage<'a>, Ambiguous>;

    fn next(&mut self) -> Option<Self::Item> {
        let walk = &mut self.0;
        walk.item().then(|| usual_message(walk).or_else(|| message(walk)).ok_or(Ambiguous))
    }
}

/// A message as most clients write most of them: a role, a text, and one space or none after each colon and comma.
/// Moves on only past one.
fn usual_message<'a>(walk: &mut Walk<'a>) -> Option<OutlineMessage<'a>> {
    let after = |rest: &'a [u8], piece: &[u8]| {
        let rest = rest.strip_prefix(piece)?;
        Some(rest.strip_prefix(b" ").unwrap_or(rest))
    };
    let rest = after(walk.rest, br#"{"role":"#)?.strip_prefix(b"\"")?;
    let role = rest.iter().position(|byte| !byte.is_ascii_lowercase())?;
    let (role, rest) = rest.split_at_checked(role)?;
    let string = after(after(rest, br#"","#)?, br#""content":"#)?;
    let text = string.strip_prefix(b"\"")?;
    let (text, rest) = text.split_at_checked(first_quote(text)?)?;
    walk.rest = rest.strip_prefix(b"\"}")?;
    Some(OutlineMessage { role, text: Some(text), rest: SmallVec::new() })
}

fn message<'a>(walk: &mut Walk<'a>) -> Option<OutlineMessage<'a>> {
    if !walk.enter(b'{') {
        return None;
    }
    let mut message = OutlineMessage::default();
    let (mut roles, mut contents) = (0, 0);
    while let Some(name) = walk.name() {
        match name {
            b"role" => {
                roles += 1;
                message.role = walk.string().filter(|role| !role.contains(&b'\\'))?;
                continue;
            }
            b"content" => {
                contents += 1;
                message.text = walk.string();
                if message.text.is_some() {
                    continue;
                }
            }
            _ if name.contains(&b'\\') => return None,
            _ => {}
        }
        let value = walk.value();
        if value != b"null" {
            message.rest.push((name, value));
        }
    }
    (roles == 1 && contents <= 1).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Operation;

    #[test]
    fn a_request_comes_apart() {
        let body = r#"{"model":"m","temperature":0.2,"seed":null,"stream":true,
            "messages":[{"role":"system","content":"Be \"brief\"."},
            {"content":[{"type":"text","text":"a"}],"role":"user","name":"Bo"}]}"#;
        let request = RawRequest::parse(Operation::Chat, body.into()).unwrap();
        let outline = request.outline().unwrap();
        assert!(outline.parameters().eq([("temperature", &b"0.2"[..])]));
        let messages: Result<Vec<_>, _> = outline.messages.collect();
        let [system, user] = &*messages.unwrap() else { panic!("two messages") };
        assert_eq!((system.role, system.text), (&b"system"[..], Some(&br#"Be \"brief\"."#[..])));
        assert_eq!(user.text, None);
        let content = br#"[{"type":"text","text":"a"}]"#;
        let rest: [(&[u8], &[u8]); 2] = [(b"content", content), (b"name", b"\"Bo\"")];
        assert_eq!(*user.rest, rest);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for messages in [
            r#"[{"role":"user","content":"a","content":"b"}]"#,
            r#"[{"content":"a"}]"#,
            "[1]",
            r#"[{"role":"user","c\u006fntent":"a"}]"#,
            r#"[{"role":"us\u0065r","content":"a"}]"#,
        ] {
            let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
            let request = RawRequest::parse(Operation::Chat, body.into()).unwrap();
            let read = request.outline().unwrap().messages.next();
            assert_eq!(read.unwrap().err(), Some(Ambiguous), "{messages}");
        }
    }
}
