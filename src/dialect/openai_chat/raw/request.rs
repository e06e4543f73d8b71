//! A request as it came, with what routing needs read from its top level.

use super::members::{self, Member, Members};
use super::reasoning;
use crate::dialect::{MaxTokensField, Quirks};
use crate::llm::{Failure, Operation};
use bytes::Bytes;
use serde::de::IgnoredAny;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A request body and the places of its members.
#[derive(Debug, Clone)]
pub struct RawRequest {
    body: Bytes,
    members: Members,
    model: Arc<str>,
    /// Whether the body spells the model in another way (`%2F`).
    model_is_encoded: bool,
    choices: u64,
    stream: bool,
    include_usage: bool,
    fallbacks: Option<Vec<String>>,
    max_tokens: Option<u64>,
}

/// OpenAI's bound of `n`.
const MOST_CHOICES: u64 = 128;

impl RawRequest {
    /// Reads the top level of `body`.
    ///
    /// # Errors
    /// `InvalidRequest` that names the field at fault, or the line and column of malformed JSON.
    pub fn parse(operation: Operation, body: Bytes) -> Result<Self, Failure> {
        let members = members::read(&body)?;
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
        let touched = self.members.iter().any(|member| edits.of(member.name()).is_some());
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
            let edit = edits.of(member.name());
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
        self.members.iter().find(|member| member.name() == name)
    }

    /// The name and JSON of every parameter. Nulls are left out.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.members.iter().filter_map(|member| {
            if !member.is_parameter() {
                return None;
            }
            let json = self.body.get(member.value.clone())?;
            (json != b"null").then(|| (member.name(), json))
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
            Err(_) => Err(wrong_type("model", "a string", text.as_bytes())),
        }
    }

    fn require_content(&self, operation: Operation) -> Result<(), Failure> {
        // Not as text: whether it is UTF-8 has been looked at for all of the body.
        let there = |name| self.bytes(name).filter(|json| *json != b"null");
        match operation {
            Operation::Embedding => match there("input") {
                None => {
                    Err(Failure::invalid("input is required for embeddings").with_param("input"))
                }
                Some([b'"' | b'[', ..]) => Ok(()),
                Some(json) => Err(wrong_type("input", "a string or an array", json)),
            },
            _ => match there("messages") {
                None => Err(Failure::invalid("messages is required for chat completion")
                    .with_param("messages")),
                Some([b'[', rest @ ..]) if rest.trim_ascii_start().starts_with(b"]") => {
                    Err(Failure::invalid("messages must not be empty").with_param("messages"))
                }
                Some([b'[', ..]) => Ok(()),
                Some(json) => Err(wrong_type("messages", "an array of message objects", json)),
            },
        }
    }

    fn read_bool(&self, name: &'static str) -> Result<bool, Failure> {
        match self.text(name) {
            Some("true") => Ok(true),
            None | Some("false" | "null") => Ok(false),
            Some(text) => Err(wrong_type(name, "true or false", text.as_bytes())),
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
            Err(_) => Err(wrong_type("stream_options", "an object", text.as_bytes())),
        }
    }

    /// A count, however it is spelled (`100`, `1e2`); anything else is the provider's to refuse.
    fn read_number(&self, name: &str) -> Option<u64> {
        let number: f64 = self.text(name)?.parse().ok()?;
        (0.0..1e15).contains(&number).then_some(number as u64)
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

fn wrong_type(name: &str, expected: &str, found: &[u8]) -> Failure {
    let found = match found.first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    };
    Failure::invalid(format!("{name} must be {expected}, not {found}")).with_param(name)
}

#[cfg(test)]
mod tests;
