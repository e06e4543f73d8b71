//! A request as it came, with what routing needs read from its top level.

use super::reasoning;
use crate::dialect::{MaxTokensField, Quirks};
use crate::llm::{Failure, Operation};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A request body and the places of its members.
#[derive(Debug, Clone)]
pub struct RawRequest {
    body: Bytes,
    members: SmallVec<[Member; 8]>,
    model: Arc<str>,
    /// Whether the body spells the model in another way (`%2F`).
    model_is_encoded: bool,
    choices: u64,
    stream: bool,
    include_usage: bool,
    fallbacks: Option<Vec<String>>,
    max_tokens: Option<u64>,
}

/// Where a top-level member stands in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    name: Name,
    /// From the key's opening quote.
    start: usize,
    /// The value, without white space around it.
    value: Range<usize>,
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

/// OpenAI's bound of `n`.
const MOST_CHOICES: u64 = 128;

impl RawRequest {
    /// Reads the top level of `body`.
    ///
    /// # Errors
    /// `InvalidRequest` that names the field at fault, or the line and column of malformed JSON.
    pub fn parse(operation: Operation, body: Bytes) -> Result<Self, Failure> {
        let members = members(&body)?;
        let mut request = RawRequest {
            body,
            members,
            model: Arc::default(),
            model_is_encoded: false,
            choices: 1,
            stream: false,
            include_usage: false,
            fallbacks: None,
            max_tokens: None,
        };
        (request.model, request.model_is_encoded) = request.read_model()?;
        request.require_content(operation)?;
        request.stream = operation == Operation::Chat && request.read_bool("stream")?;
        request.fallbacks = request.read_fallbacks()?;
        request.include_usage = request.read_include_usage()?;
        request.choices = request.read_number("n").unwrap_or(1).clamp(1, MOST_CHOICES);
        reasoning::check(&request)?;
        request.max_tokens =
            request.read_number("max_completion_tokens").or(request.read_number("max_tokens"));
        Ok(request)
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The model as the client wrote it, provider prefix included.
    pub fn model(&self) -> &Arc<str> {
        &self.model
    }

    /// Whether the answer is to be streamed.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Whether a streaming client asked for the usage chunk.
    pub fn include_usage(&self) -> bool {
        self.include_usage
    }

    /// The request's own fallbacks; `None` when the body has none.
    pub fn fallbacks(&self) -> Option<&[String]> {
        self.fallbacks.as_deref()
    }

    /// The client's bound of output tokens.
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }

    /// How many answers are asked for (`n`), 1 to 128.
    pub fn choices(&self) -> u64 {
        self.choices
    }

    /// The body for a provider that speaks this format: the client's bytes, but for the model's
    /// name, the gateway's own `fallbacks`, the usage that is always asked of a stream, Bifrost's
    /// `reasoning`, and what the provider's quirks demand. The same allocation when nothing differs.
    ///
    /// # Errors
    /// Never today; an edit that a body cannot take would be one.
    pub fn for_upstream(&self, model: &str, quirks: &Quirks) -> Result<Bytes, Failure> {
        let mut edits = Edits::default();
        let prefix = quirks.prefix_of(model);
        if !prefix.is_empty() {
            edits.replace("model", quoted(&format!("{prefix}{model}")));
        } else if model != &*self.model || self.model_is_encoded {
            edits.replace("model", quoted(model));
        }
        edits.remove("fallbacks");
        if self.stream && quirks.stream_options {
            if !self.include_usage {
                self.ask_for_usage(&mut edits);
            }
        } else if !quirks.stream_options {
            edits.remove("stream_options");
        }
        if quirks.model_drops.iter().any(|drop| drop.refuses(model, "reasoning_effort")) {
            edits.remove("reasoning");
            edits.remove("reasoning_max_tokens");
        } else if !quirks.reasoning_object {
            reasoning::flatten(self, quirks, &mut edits);
        }
        self.apply_quirks(model, quirks, &mut edits);
        Ok(self.apply(&edits))
    }

    fn apply_quirks(&self, model: &str, quirks: &Quirks, edits: &mut Edits) {
        // The first edit of a member counts, so that renaming stands before dropping.
        for (from, to) in quirks.rename_params {
            if self.member(from).is_some() && self.member(to).is_none() {
                edits.rename(from, to);
            }
        }
        let by_model = quirks.model_drops.iter().filter(|drop| drop.concerns(model));
        for name in quirks.drop_params.iter().chain(by_model.flat_map(|drop| drop.params)) {
            edits.remove(name);
        }
        let (wrong, right) = match quirks.max_tokens_field {
            MaxTokensField::AsSent => ("", ""),
            MaxTokensField::MaxTokens => ("max_completion_tokens", "max_tokens"),
            MaxTokensField::MaxCompletionTokens => ("max_tokens", "max_completion_tokens"),
        };
        if !wrong.is_empty() && self.member(wrong).is_some() {
            match self.member(right) {
                None => edits.rename(wrong, right),
                Some(_) => edits.remove(wrong),
            }
        }
        if !quirks.minimal_effort && self.text("reasoning_effort") == Some("\"minimal\"") {
            edits.replace("reasoning_effort", "\"low\"".to_owned());
        }
        let forced = |choice: &str| choice == "\"required\"" || choice.starts_with('{');
        if quirks.tool_choice_required != "required" && self.text("tool_choice").is_some_and(forced)
        {
            edits.replace("tool_choice", quoted(quirks.tool_choice_required));
        }
    }

    /// Usage is always asked of a stream, because the request must be paid; the client does not
    /// see the extra chunk. Other stream options survive.
    fn ask_for_usage(&self, edits: &mut Edits) {
        const ASK: &str = "{\"include_usage\":true}";
        let Some(options) = self.text("stream_options") else {
            return edits.append("stream_options", ASK);
        };
        let inner = options.strip_prefix('{').map(str::trim_start);
        let asked = match inner {
            // Options that say `include_usage: false` are few and small: written anew.
            Some(_) if says_usage(options) => with_usage(options),
            Some(inner) if inner.starts_with('}') => ASK.to_owned(),
            Some(inner) => format!("{{\"include_usage\":true,{inner}"),
            None => ASK.to_owned(),
        };
        edits.replace("stream_options", asked);
    }

    fn apply(&self, edits: &Edits) -> Bytes {
        let touched = self.members.iter().any(|member| edits.of(member.name.as_str()).is_some());
        if !touched && edits.appended.is_none() {
            return self.body.clone();
        }
        let body = &self.body[..];
        let more: usize = edits.list.iter().map(|(_, edit)| edit.len()).sum();
        let appended = edits.appended.map_or(0, |(name, value)| name.len() + value.len() + 4);
        let mut out = Vec::with_capacity(body.len() + more + appended);
        let head = self.members.first().map_or(body.len(), |member| member.start);
        out.extend_from_slice(body.get(..head).unwrap_or_default());
        let mut end_of_previous = head;
        let mut first = true;
        for member in &self.members {
            let separator = body.get(end_of_previous..member.start).unwrap_or_default();
            end_of_previous = member.value.end;
            let edit = edits.of(member.name.as_str());
            if edit == Some(&Edit::Remove) {
                continue;
            }
            if !first {
                out.extend_from_slice(separator);
            }
            first = false;
            self.write(member, edit, &mut out);
        }
        if let Some((name, value)) = edits.appended {
            if !first {
                out.push(b',');
            }
            out.extend_from_slice(quoted(name).as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(body.get(end_of_previous..).unwrap_or_default());
        out.into()
    }

    fn write(&self, member: &Member, edit: Option<&Edit>, out: &mut Vec<u8>) {
        let slice = |range: Range<usize>| self.body.get(range).unwrap_or_default();
        match edit {
            Some(Edit::Replace(value)) => {
                out.extend_from_slice(slice(member.start..member.value.start));
                out.extend_from_slice(value.as_bytes());
            }
            Some(Edit::Become(name, value)) => {
                out.extend_from_slice(quoted(name).as_bytes());
                out.push(b':');
                out.extend_from_slice(value.as_bytes());
            }
            Some(Edit::Rename(name)) => {
                out.extend_from_slice(quoted(name).as_bytes());
                out.push(b':');
                out.extend_from_slice(slice(member.value.clone()));
            }
            _ => out.extend_from_slice(slice(member.start..member.value.end)),
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name.as_str() == name)
    }

    /// The name and JSON of every parameter. Nulls are left out.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.members.iter().filter_map(|member| {
            if matches!(member.name, Name::Known(..NO_PARAMETERS)) {
                return None;
            }
            let json = self.body.get(member.value.clone())?;
            (json != b"null").then(|| (member.name.as_str(), json))
        })
    }

    /// The JSON of a member's value.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.body.get(self.member(name)?.value.clone())
    }

    /// The JSON text of a member's value.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let member = self.member(name)?;
        std::str::from_utf8(self.body.get(member.value.clone())?).ok()
    }

    /// The model, and whether the body has it percent-encoded, as it stands in paths.
    fn read_model(&self) -> Result<(Arc<str>, bool), Failure> {
        let text = self.text("model").filter(|text| *text != "null");
        let Some(text) = text else {
            return Err(Failure::invalid("model is required").with_param("model"));
        };
        match serde_json::from_str::<Cow<str>>(text) {
            Ok(model) if !model.trim().is_empty() => Ok(decoded(&model)),
            Ok(_) => Err(Failure::invalid("model must not be empty").with_param("model")),
            Err(_) => Err(wrong_type("model", "a string", text)),
        }
    }

    fn require_content(&self, operation: Operation) -> Result<(), Failure> {
        match operation {
            Operation::Embedding => match self.text("input").filter(|text| *text != "null") {
                None => {
                    Err(Failure::invalid("input is required for embeddings").with_param("input"))
                }
                Some(text) if text.starts_with(['"', '[']) => Ok(()),
                Some(text) => Err(wrong_type("input", "a string or an array", text)),
            },
            _ => match self.text("messages").filter(|text| *text != "null") {
                None => Err(Failure::invalid("messages is required for chat completion")
                    .with_param("messages")),
                Some(text) if !text.starts_with('[') => {
                    Err(wrong_type("messages", "an array of message objects", text))
                }
                Some(text) if text.get(1..).is_some_and(|t| t.trim_start().starts_with(']')) => {
                    Err(Failure::invalid("messages must not be empty").with_param("messages"))
                }
                Some(_) => Ok(()),
            },
        }
    }

    fn read_bool(&self, name: &'static str) -> Result<bool, Failure> {
        match self.text(name) {
            Some("true") => Ok(true),
            None | Some("false" | "null") => Ok(false),
            Some(text) => Err(wrong_type(name, "true or false", text)),
        }
    }

    fn read_fallbacks(&self) -> Result<Option<Vec<String>>, Failure> {
        let Some(text) = self.text("fallbacks").filter(|text| *text != "null") else {
            return Ok(None);
        };
        serde_json::from_str(text).map(Some).map_err(|_| {
            Failure::invalid(
                "fallbacks must be an array of strings in provider/model form, such as \
                 [\"anthropic/claude-haiku-4-5\"]",
            )
            .with_param("fallbacks")
        })
    }

    fn read_include_usage(&self) -> Result<bool, Failure> {
        #[derive(serde::Deserialize)]
        struct StreamOptions {
            include_usage: Option<bool>,
        }
        let Some(text) = self.text("stream_options").filter(|text| *text != "null") else {
            return Ok(false);
        };
        match serde_json::from_str::<StreamOptions>(text) {
            Ok(options) => Ok(options.include_usage.unwrap_or(false)),
            Err(_) if text.starts_with('{') => {
                let message = "stream_options.include_usage must be true or false, and stand once";
                Err(Failure::invalid(message).with_param("stream_options"))
            }
            Err(_) => Err(wrong_type("stream_options", "an object", text)),
        }
    }

    /// A count, however it is spelled (`100`, `1e2`); anything else is the provider's to refuse.
    fn read_number(&self, name: &str) -> Option<u64> {
        let number: f64 = self.text(name)?.parse().ok()?;
        (0.0..1e15).contains(&number).then_some(number as u64)
    }
}

impl Name {
    fn as_str(&self) -> &str {
        match self {
            Name::Known(number) => KNOWN.get(*number).copied().unwrap_or_default(),
            Name::Other(name) => name,
        }
    }
}

/// What is to change in a body.
#[derive(Debug, Default)]
pub(super) struct Edits<'a> {
    list: SmallVec<[(&'a str, Edit<'a>); 8]>,
    appended: Option<(&'a str, &'a str)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Edit<'a> {
    Replace(String),
    Rename(&'a str),
    /// Another name and another value.
    Become(&'a str, String),
    Remove,
}

impl Edit<'_> {
    fn len(&self) -> usize {
        match self {
            Edit::Replace(value) => value.len(),
            Edit::Rename(name) => name.len() + 3,
            Edit::Become(name, value) => name.len() + value.len() + 3,
            Edit::Remove => 0,
        }
    }
}

impl<'a> Edits<'a> {
    fn replace(&mut self, name: &'a str, value: String) {
        self.list.push((name, Edit::Replace(value)));
    }

    fn rename(&mut self, name: &'a str, to: &'a str) {
        self.list.push((name, Edit::Rename(to)));
    }

    pub(super) fn make(&mut self, name: &'a str, to: &'a str, value: String) {
        self.list.push((name, Edit::Become(to, value)));
    }

    pub(super) fn remove(&mut self, name: &'a str) {
        self.list.push((name, Edit::Remove));
    }

    fn append(&mut self, name: &'a str, value: &'a str) {
        self.appended = Some((name, value));
    }

    fn of(&self, name: &str) -> Option<&Edit<'a>> {
        self.list.iter().find(|(edited, _)| *edited == name).map(|(_, edit)| edit)
    }
}

/// Whether stream options have the member, however its name is spelled.
fn says_usage(options: &str) -> bool {
    let options = serde_json::from_str::<std::collections::HashMap<Cow<str>, IgnoredAny>>(options);
    options.is_ok_and(|options| options.contains_key("include_usage"))
}

/// Stream options with `include_usage: true`, whatever they said before.
fn with_usage(options: &str) -> String {
    let mut options: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(options).unwrap_or_default();
    options.insert("include_usage".to_owned(), true.into());
    serde_json::Value::Object(options).to_string()
}

/// A name that was percent-encoded, which only a slash or a colon in it needs, is taken for what it
/// stands for.
fn decoded(model: &str) -> (Arc<str>, bool) {
    if !model.contains('%') {
        return (model.into(), false);
    }
    match percent_encoding::percent_decode_str(model).decode_utf8() {
        Ok(decoded) if !decoded.trim().is_empty() && decoded != model => (decoded.into(), true),
        _ => (model.into(), false),
    }
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn wrong_type(name: &str, expected: &str, found: &str) -> Failure {
    let found = match found.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    };
    Failure::invalid(format!("{name} must be {expected}, not {found}")).with_param(name)
}

/// The top-level members of `body` in order.
fn members(body: &Bytes) -> Result<SmallVec<[Member; 8]>, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let scan = Scan { body };
    let members = scan.deserialize(&mut deserializer).and_then(|members| {
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

struct Scan<'a> {
    body: &'a Bytes,
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = SmallVec<[Member; 8]>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = SmallVec<[Member; 8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let base = self.body.as_ptr() as usize;
        let mut members: Self::Value = SmallVec::new();
        let mut end_of_previous = 0;
        while let Some(KeyText(key)) = map.next_key::<KeyText>()? {
            let raw: &RawValue = map.next_value()?;
            let start_of_value = raw.get().as_ptr() as usize - base;
            let value = start_of_value..start_of_value + raw.get().len();
            let between = self.body.get(end_of_previous..value.start).unwrap_or_default();
            let quote = memchr::memchr(b'"', between).unwrap_or(0);
            let name = match KNOWN.iter().position(|known| *known == key) {
                Some(number) => Name::Known(number),
                None => Name::Other(key.into()),
            };
            if matches!(name, Name::Known(_)) && members.iter().any(|other| other.name == name) {
                return Err(A::Error::custom(format!("`{}` stands twice", name.as_str())));
            }
            let start = end_of_previous + quote;
            end_of_previous = value.end;
            members.push(Member { name, start, value });
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
