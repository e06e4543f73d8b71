//! A chat request cut into the pieces by which a cache tells requests apart, without decoding it: texts
//! are borrowed, everything else stays JSON.

use super::request::RawRequest;
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;

/// A chat request in pieces.
#[derive(Debug)]
pub struct Outline<'a> {
    /// Top-level members but `model`, `messages` and what only says how the answer is delivered, with
    /// their JSON. Nulls are left out.
    pub parameters: SmallVec<[(&'a str, &'a str); 8]>,
    /// The conversation.
    pub messages: Vec<OutlineMessage<'a>>,
}

/// One message.
#[derive(Debug, Default)]
pub struct OutlineMessage<'a> {
    /// As the client wrote it.
    pub role: Cow<'a, str>,
    /// The content if it is a string.
    pub text: Option<Cow<'a, str>>,
    /// Members but those, with their JSON; a content that is no string among them. Nulls are left out.
    pub rest: Vec<(Cow<'a, str>, &'a str)>,
}

/// What says how an answer is delivered, or whom else to ask.
const DELIVERY: [&str; 5] = ["model", "messages", "stream", "stream_options", "fallbacks"];

impl RawRequest {
    /// The request in pieces; `None` for one that is no chat, or of which the pieces could be read in
    /// two ways.
    pub fn outline(&self) -> Option<Outline<'_>> {
        #[derive(Deserialize)]
        struct Messages<'a>(#[serde(borrow)] Vec<OutlineMessage<'a>>);
        let Messages(messages) = serde_json::from_str(self.text("messages")?).ok()?;
        let parameters =
            self.named_texts().filter(|(name, text)| !DELIVERY.contains(name) && *text != "null");
        Some(Outline { parameters: parameters.collect(), messages })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OutlineMessage<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MessageVisitor;
        impl<'de> Visitor<'de> for MessageVisitor {
            type Value = OutlineMessage<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut message = OutlineMessage::default();
                let (mut roles, mut contents) = (0, 0);
                while let Some(Text(name)) = map.next_key()? {
                    if name == "role" {
                        roles += 1;
                        message.role = map.next_value::<Text>()?.0;
                        continue;
                    }
                    let value: &RawValue = map.next_value()?;
                    let json = value.get();
                    if name == "content" {
                        contents += 1;
                        if json.starts_with('"') {
                            let text =
                                serde_json::from_str::<Text>(json).map_err(A::Error::custom)?;
                            message.text = Some(text.0);
                            continue;
                        }
                    }
                    if json != "null" {
                        message.rest.push((name, json));
                    }
                }
                if roles != 1 || contents > 1 {
                    return Err(A::Error::custom("`role` and `content` must stand once"));
                }
                Ok(message)
            }
        }
        deserializer.deserialize_map(MessageVisitor)
    }
}

/// Text, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether a complete answer is nothing but text that the model ended itself, or that its bound ended.
pub fn is_plain_text(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        choices: Vec<Choice<'a>>,
    }
    #[derive(Deserialize)]
    struct Choice<'a> {
        #[serde(borrow)]
        finish_reason: Cow<'a, str>,
        #[serde(borrow)]
        message: OutlineMessage<'a>,
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else { return false };
    let plain = |Choice { finish_reason, message }: &Choice| {
        matches!(&**finish_reason, "stop" | "length")
            && message.text.as_ref().is_some_and(|text| !text.trim().is_empty())
            && message.rest.iter().all(|(_, json)| *json == "[]")
    };
    !answer.choices.is_empty() && answer.choices.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Operation;
    use serde_json::json;

    #[test]
    fn a_request_comes_apart() {
        let body = r#"{"model":"m","temperature":0.2,"seed":null,"stream":true,
            "messages":[{"role":"system","content":"Be \"brief\"."},
            {"content":[{"type":"text","text":"a"}],"role":"user","name":"Bo"}]}"#;
        let request = RawRequest::parse(Operation::Chat, body.into()).unwrap();
        let outline = request.outline().unwrap();
        assert_eq!(&*outline.parameters, [("temperature", "0.2")]);
        let [system, user] = &*outline.messages else { panic!("two messages") };
        assert_eq!((&*system.role, system.text.as_deref()), ("system", Some("Be \"brief\".")));
        assert_eq!(user.text, None);
        let rest: Vec<_> = user.rest.iter().map(|(name, json)| (&**name, *json)).collect();
        assert_eq!(rest, [("content", r#"[{"type":"text","text":"a"}]"#), ("name", "\"Bo\"")]);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for messages in
            [r#"[{"role":"user","content":"a","content":"b"}]"#, r#"[{"content":"a"}]"#, "[1]"]
        {
            let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
            let request = RawRequest::parse(Operation::Chat, body.into()).unwrap();
            assert!(request.outline().is_none(), "{messages}");
        }
    }

    #[test]
    fn plain_text_is_told_from_everything_else() {
        let answer = |reason: &str, message: serde_json::Value| {
            json!({"id": "1", "choices": [{"index": 0, "finish_reason": reason, "message": message}],
                "usage": {"total_tokens": 3}})
            .to_string()
        };
        let text =
            json!({"role": "assistant", "content": "At nine.", "refusal": null, "annotations": []});
        assert!(is_plain_text(answer("stop", text.clone()).as_bytes()));
        assert!(is_plain_text(answer("length", text.clone()).as_bytes()));
        assert!(!is_plain_text(answer("content_filter", text).as_bytes()));
        for message in [
            json!({"role": "assistant", "content": " "}),
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}),
            json!({"role": "assistant", "content": "See.", "annotations": [{"type": "url_citation"}]}),
            json!({"role": "assistant", "content": "", "refusal": "No."}),
        ] {
            assert!(!is_plain_text(answer("stop", message.clone()).as_bytes()), "{message}");
        }
        assert!(!is_plain_text(b"{\"choices\":[]}"));
        assert!(!is_plain_text(b"[]"));
    }
}
