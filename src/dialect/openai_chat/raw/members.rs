//! The members of the top level of JSON: all of a request, with where they stand, and one of an
//! answer.

#[cfg(target_arch = "x86_64")]
use super::scan;
use crate::llm::Failure;
use bytes::Bytes;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The members of an object in order.
pub(super) type Members = SmallVec<[Member; 8]>;

/// Where a top-level member stands in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    name: Name,
    /// From the key's opening quote.
    pub(super) start: usize,
    /// The value, without white space around it.
    pub(super) value: Range<usize>,
}

/// A member's name: one that is read, or any other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// Which of [`KNOWN`].
    Known(usize),
    Other(Box<str>),
}

/// Members that are read or edited. Each may stand only once: two of them mean two different
/// requests to two different readers. The first [`NO_PARAMETERS`] are not parameters.
const KNOWN: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "fallbacks",
    "input",
    "max_tokens",
    "max_completion_tokens",
    "reasoning_effort",
    "reasoning",
    "reasoning_max_tokens",
    "tool_choice",
    "n",
];

/// What says whom to ask and how an answer is delivered, and the conversation itself.
const NO_PARAMETERS: usize = 5;

impl Member {
    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether it says what is to be answered, and how.
    pub(super) fn is_parameter(&self) -> bool {
        !matches!(self.name, Name::Known(..NO_PARAMETERS))
    }
}

impl Name {
    fn of(name: &str) -> Self {
        match KNOWN.iter().position(|known| *known == name) {
            Some(number) => Name::Known(number),
            None => Name::Other(name.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Name::Known(number) => KNOWN.get(*number).copied().unwrap_or_default(),
            Name::Other(name) => name,
        }
    }
}

/// The top-level members of `body` in order.
///
/// # Errors
/// `InvalidRequest` for what is no JSON object, with line and column, and for a known member that
/// stands twice.
pub(super) fn read(body: &Bytes) -> Result<Members, Failure> {
    match quickly(body) {
        Some(members) => Ok(members),
        None => thoroughly(body),
    }
}

/// [`thoroughly`], if the processor can, and nothing is unusual.
#[cfg(target_arch = "x86_64")]
fn quickly(body: &[u8]) -> Option<Members> {
    let mut members = Members::new();
    let mut scan = scan::Scan::of_object(pulp::x86::V3::try_new()?, body)?;
    simdutf8::basic::from_utf8(body).ok()?;
    while let Some(scan::Piece { name, start, value }) = scan.member()? {
        push(&mut members, Member { name: Name::of(name), start, value }).ok()?;
    }
    Some(members)
}

#[cfg(not(target_arch = "x86_64"))]
fn quickly(_body: &[u8]) -> Option<Members> {
    None
}

/// The JSON of a member that an object has once at most, `Some(None)` if it does not have it. `None`
/// for what is no object, and for an object that takes a slower reader. Of names it is checked that
/// they are UTF-8, of values not.
#[cfg(target_arch = "x86_64")]
pub(super) fn find<'a>(object: &'a [u8], wanted: &str) -> Option<Option<&'a [u8]>> {
    let mut scan = scan::Scan::of_object(pulp::x86::V3::try_new()?, object)?;
    let mut found = None;
    while let Some(scan::Piece { name, value, .. }) = scan.member()? {
        if name == wanted && found.replace(object.get(value)?).is_some() {
            return None;
        }
    }
    Some(found)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn find<'a>(_object: &'a [u8], _wanted: &str) -> Option<Option<&'a [u8]>> {
    None
}

/// [`read`] for whatever JSON allows, and what is wrong with what it does not.
fn thoroughly(body: &Bytes) -> Result<Members, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let members = Object { body }.deserialize(&mut deserializer).and_then(|members| {
        deserializer.end()?;
        Ok(members)
    });
    members.map_err(|error| {
        let message = match std::str::from_utf8(body) {
            Err(bad) => format!("invalid UTF-8 at byte {}", bad.valid_up_to()),
            Ok(_) if body.is_empty() => "the body is empty".to_owned(),
            Ok(_) => error.to_string(),
        };
        Failure::invalid(format!("invalid request format: {message}")).with_code("invalid_json")
    })
}

fn push(members: &mut Members, member: Member) -> Result<(), String> {
    let twice = |other: &Member| other.name == member.name;
    if matches!(member.name, Name::Known(_)) && members.iter().any(twice) {
        return Err(format!("`{}` stands twice", member.name()));
    }
    members.push(member);
    Ok(())
}

struct Object<'a> {
    body: &'a Bytes,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Members;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let base = self.body.as_ptr() as usize;
        let mut members = Members::new();
        let mut end_of_previous = 0;
        while let Some(KeyText(key)) = map.next_key::<KeyText>()? {
            let raw: &RawValue = map.next_value()?;
            let start_of_value = raw.get().as_ptr() as usize - base;
            let value = start_of_value..start_of_value + raw.get().len();
            let between = self.body.get(end_of_previous..value.start).unwrap_or_default();
            let start = end_of_previous + memchr::memchr(b'"', between).unwrap_or(0);
            end_of_previous = value.end;
            let member = Member { name: Name::of(&key), start, value };
            push(&mut members, member).map_err(serde::de::Error::custom)?;
        }
        Ok(members)
    }
}

/// A key, borrowed unless it has escapes.
struct KeyText<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for KeyText<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = KeyText<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(KeyText(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(KeyText(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests;
