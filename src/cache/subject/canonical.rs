//! A request as the bytes that are hashed.

use super::{NEUTRAL, Subject};
use crate::cache::digest::{DIGEST, Digest, Digests};
use crate::dialect::openai_chat::raw::OutlineMessage;
use crate::llm::{ChatRequest, Data, Extra, Message, Part, ResponseFormat, Role, Tool, ToolChoice};
use bytes::Bytes;

/// A request as bytes that two requests have in common only if they are the same: every text is
/// preceded by its length, every list by its count or each of its items by a mark, and what comes last by its
/// kind. None of it is held but its digest.
pub(super) struct Canonical {
    digest: Digest,
    /// What is to be appended: most of it comes in a few bytes at once.
    small: [u8; SMALL],
    filled: usize,
}

/// Bytes that are appended together.
const SMALL: usize = 128;

/// What comes last: nothing, a question in the form in which two of them are the same, or one as it is.
const NOTHING: u8 = 0;
const NORMALISED: u8 = 1;
const AS_IT_IS: u8 = 2;

impl Canonical {
    /// Of nothing yet.
    pub(super) fn new(digests: &Digests) -> Self {
        Canonical { digest: digests.begin(), small: [0; SMALL], filled: 0 }
    }

    /// This is what was said before `question`. Questions may be `similar` to it where that is wanted.
    pub(super) fn before(mut self, question: &str, similar: bool) -> Subject {
        let context = similar.then(|| self.so_far());
        self.byte(NORMALISED);
        normalise(question, |part| self.append(part));
        Subject { asked: self.end(), context, question: Bytes::new() }
    }

    /// The same of one that only answers itself, as bytes.
    pub(super) fn before_long(self, question: &[u8]) -> Subject {
        self.ends_with(AS_IT_IS, question)
    }

    /// This is all that is asked.
    pub(super) fn before_nothing(self) -> Subject {
        self.ends_with(NOTHING, &[])
    }

    fn ends_with(mut self, kind: u8, question: &[u8]) -> Subject {
        let context = Some(self.so_far());
        self.byte(kind);
        self.append(question);
        Subject { asked: self.end(), context, question: Bytes::new() }
    }

    fn so_far(&mut self) -> [u8; DIGEST] {
        self.flush();
        self.digest.so_far()
    }

    /// A digest of it all.
    pub(super) fn end(mut self) -> [u8; DIGEST] {
        self.flush();
        self.digest.end()
    }

    /// Appends bytes of which the length is known otherwise.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.filled + bytes.len() > SMALL {
            self.flush();
        }
        match self.small.get_mut(self.filled..self.filled + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.digest.append(bytes),
        }
    }

    fn flush(&mut self) {
        self.digest.append(self.small.get(..self.filled).unwrap_or_default());
        self.filled = 0;
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.append(&[byte]);
    }

    pub(super) fn outline_message(&mut self, message: &OutlineMessage) {
        self.bytes(message.role);
        match message.text {
            Some(text) => {
                self.byte(1);
                self.bytes(text);
            }
            None => self.byte(0),
        }
        self.outline_rest(message);
    }

    /// Everything but who says what.
    pub(super) fn outline_rest(&mut self, message: &OutlineMessage) {
        self.count(message.rest.len());
        for (name, json) in &message.rest {
            self.bytes(name);
            self.bytes(json);
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.append(bytes);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.append(&(count as u64).to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn number(&mut self, number: Option<impl Into<i128>>) {
        match number {
            Some(number) => self.bytes(&number.into().to_le_bytes()),
            None => self.bytes(&[]),
        }
    }

    pub(super) fn float(&mut self, number: Option<f64>) {
        match number {
            Some(number) => self.bytes(&number.to_bits().to_le_bytes()),
            None => self.bytes(&[]),
        }
    }

    /// Objects of this kind keep their names in order, so that equal ones have equal texts.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) {
        self.bytes(&serde_json::to_vec(value).unwrap_or_default());
    }

    pub(super) fn parameters(&mut self, chat: &ChatRequest) {
        self.text("chat");
        self.count(chat.tools.len());
        for tool in &chat.tools {
            self.tool(tool);
        }
        self.text(match &chat.tool_choice {
            None => "",
            Some(ToolChoice::Auto) => "auto",
            Some(ToolChoice::None) => "none",
            Some(ToolChoice::Required) => "required",
            Some(ToolChoice::Function(name)) => name,
        });
        self.number(chat.parallel_tool_calls.map(i64::from));
        match &chat.response_format {
            None => self.text(""),
            Some(ResponseFormat::Text) => self.text("text"),
            Some(ResponseFormat::JsonObject) => self.text("json_object"),
            Some(ResponseFormat::JsonSchema { name, description, schema, strict }) => {
                self.text("json_schema");
                self.text(name);
                self.json(&(description, schema, strict));
            }
        }
        let reasoning = chat.reasoning.as_ref();
        self.text(reasoning.and_then(|it| it.effort.as_deref()).unwrap_or_default());
        self.number(reasoning.and_then(|it| it.max_tokens));
        self.number(chat.max_tokens);
        self.float(chat.temperature);
        self.float(chat.top_p);
        self.number(chat.top_k);
        self.float(chat.frequency_penalty);
        self.float(chat.presence_penalty);
        self.number(chat.seed);
        self.count(chat.stop.len());
        for stop in &chat.stop {
            self.text(stop);
        }
        self.text(chat.user.as_deref().unwrap_or_default());
        self.extra(&chat.extra);
    }

    fn tool(&mut self, tool: &Tool) {
        self.text("tool");
        self.text(&tool.name);
        self.text(tool.description.as_deref().unwrap_or_default());
        self.json(&(&tool.parameters, tool.strict));
        self.extra(&tool.extra);
    }

    pub(super) fn extra(&mut self, extra: &Extra) {
        let counts = |name: &str| !NEUTRAL.contains(&name) && name != "cache_control";
        let fields = || extra.fields().into_iter().flatten().filter(|(name, _)| counts(name));
        self.count(fields().count());
        for (name, value) in fields() {
            self.text(name);
            self.json(value);
        }
    }

    pub(super) fn message(&mut self, message: &Message) {
        self.text(match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        });
        self.author(message);
        self.count(message.parts.len());
        for part in &message.parts {
            self.part(part);
        }
    }

    pub(super) fn author(&mut self, message: &Message) {
        self.text(message.name.as_deref().unwrap_or_default());
        self.extra(&message.extra);
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text { text, .. } => {
                self.text("text");
                self.text(text);
            }
            Part::Refusal { text } => {
                self.text("refusal");
                self.text(text);
            }
            Part::Image { data, detail, .. } => {
                self.text("image");
                self.data(data);
                self.text(detail.as_deref().unwrap_or_default());
            }
            Part::Audio { data, .. } => {
                self.text("audio");
                self.data(data);
            }
            Part::File { data, name, .. } => {
                self.text("file");
                self.data(data);
                self.text(name.as_deref().unwrap_or_default());
            }
            Part::Reasoning { text, signature, encrypted, .. } => {
                self.text("reasoning");
                self.text(text);
                self.text(signature.as_deref().unwrap_or_default());
                self.text(encrypted.as_deref().unwrap_or_default());
            }
            Part::ToolCall { id, name, arguments, .. } => {
                self.text("tool_call");
                self.text(id);
                self.text(name);
                self.text(arguments);
            }
            Part::ToolResult { call_id, parts, is_error, .. } => {
                self.text("tool_result");
                self.text(call_id);
                self.byte((*is_error).into());
                self.count(parts.len());
                parts.iter().for_each(|part| self.part(part));
            }
        }
    }

    fn data(&mut self, data: &Data) {
        let (kind, first, second) = match data {
            Data::Inline { media_type, base64 } => ("inline", media_type.as_str(), base64.as_str()),
            Data::Url(url) => ("url", url.as_str(), ""),
            Data::FileId(id) => ("file_id", id.as_str(), ""),
        };
        self.text(kind);
        self.text(first);
        self.text(second);
    }
}

/// Gives the text as all have it that ask the same, in parts. Case and white space make no other request,
/// unless they carry meaning as in code.
pub(super) fn normalise(text: &str, mut to: impl FnMut(&[u8])) {
    let text = text.trim();
    if is_code(text.as_bytes()) {
        return to(text.as_bytes());
    }
    if !text.is_ascii() || has_gaps(text.as_bytes()) {
        for (number, word) in text.split_whitespace().enumerate() {
            if number > 0 {
                to(b" ");
            }
            to(word.to_lowercase().as_bytes());
        }
        return;
    }
    let mut folded = [0; 256];
    for part in text.as_bytes().chunks(folded.len()) {
        folded.iter_mut().zip(part).for_each(|(to, byte)| *to = fold(*byte));
        to(folded.get(..part.len()).unwrap_or_default());
    }
}

/// A byte of ASCII text as all have it that ask the same.
fn fold(byte: u8) -> u8 {
    match byte {
        b'\t'..=b'\r' => b' ',
        _ => byte.to_ascii_lowercase(),
    }
}

/// Whether white space stands next to white space. Written so that many bytes are looked at in one step.
fn has_gaps(text: &[u8]) -> bool {
    let is_space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let next = text.iter().skip(1);
    text.iter().zip(next).fold(false, |gaps, (one, two)| gaps | (is_space(one) & is_space(two)))
}

/// Whether a text has a fence or indented lines.
fn is_code(text: &[u8]) -> bool {
    let fence = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(b"```"));
    let indent = |at: usize| matches!(text.get(at + 1), Some(b' ' | b'\t'));
    memchr::memchr2_iter(b'`', b'\n', text).any(|at| fence(at) || text[at] == b'\n' && indent(at))
}
