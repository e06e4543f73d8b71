//! A request as the bytes that are hashed.

use super::normal::{escape, normalise};
use super::{Asking, NEUTRAL, Place};
use crate::cache::digest::{DIGEST, Digest, Digests};
use crate::cache::{Fingerprint, Partition};
use crate::dialect::openai_chat::raw::OutlineMessage;
use crate::llm::{ChatRequest, Data, Extra, Message, Part, ResponseFormat, Role, Tool, ToolChoice};

/// A request and its hard filters, as bytes that two requests have in common only if they are the same: every
/// text is preceded by its length, every list by its count or each of its items by a mark, and what comes last by
/// its kind. In place of a long text there may be its tag. None of it is held but its digest.
#[derive(Clone)]
pub(super) struct Canonical<'a> {
    digests: &'a Digests,
    digest: Digest,
    /// What is to be appended: most of it comes in a few bytes at once.
    small: [u8; SMALL],
    filled: usize,
    embedding_model: &'a str,
}

/// Bytes that are appended together.
const SMALL: usize = 256;

/// What comes last: nothing, a question in the form in which two of them are the same, one as it is or its tag, or
/// any that is similar. 1 stood for that form without its escapes: stores may still have such names.
const NOTHING: u8 = 0;
const NORMALISED: u8 = 4;
const AS_IT_IS: u8 = 2;
const SIMILAR: u8 = 3;
const TAG: u8 = 5;

impl<'a> Canonical<'a> {
    /// Of what is asked of this target.
    pub(super) fn new(asking: &Asking<'a>) -> Self {
        let Asking { policy, digests, provider, model, embedding_model } = asking;
        let (digest, small) = (digests.begin(), [0; SMALL]);
        let mut canonical = Canonical { digests, digest, small, filled: 0, embedding_model };
        let config = &policy.config;
        for filter in [
            &*config.vector_store_namespace,
            &policy.scope,
            &policy.cache_key,
            if config.cache_by_provider { provider } else { "" },
            if config.cache_by_model { model } else { "" },
        ] {
            canonical.text(filter);
        }
        canonical
    }

    /// This is what was said before `question`.
    pub(super) fn before(&mut self, question: &str) -> Place {
        let partition = self.partition();
        self.byte(NORMALISED);
        normalise(question, |part| escape(part, |part| self.append(part)));
        self.place(partition)
    }

    /// The same of a question that [has that form already](super::normal::fold_simple).
    pub(super) fn before_folded(&mut self, question: &[u8]) -> Place {
        self.ends_with(NORMALISED, question)
    }

    /// The same of one that only answers itself, as bytes.
    pub(super) fn before_long(&mut self, question: &[u8]) -> Place {
        match self.digests.tag(question) {
            Some(tag) => self.ends_with(TAG, &tag),
            None => self.ends_with(AS_IT_IS, question),
        }
    }

    /// This is all that is asked.
    pub(super) fn before_nothing(&mut self) -> Place {
        self.ends_with(NOTHING, &[])
    }

    fn ends_with(&mut self, kind: u8, question: &[u8]) -> Place {
        let partition = self.partition();
        self.byte(kind);
        self.append(question);
        self.place(partition)
    }

    /// Where all are that have this in common. Without a model there is no vector, and nobody looks there.
    fn partition(&self) -> Partition {
        if self.embedding_model.is_empty() {
            return Partition([0; DIGEST]);
        }
        let mut similar = self.clone();
        similar.byte(SIMILAR);
        similar.text(self.embedding_model);
        similar.flush();
        Partition(similar.digest.end())
    }

    fn place(&mut self, partition: Partition) -> Place {
        self.flush();
        Place { partition, fingerprint: Fingerprint(self.digest.end()) }
    }

    /// Appends bytes of which the length is known otherwise.
    fn append(&mut self, bytes: &[u8]) {
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
        let count = (bytes.len() as u64).to_le_bytes();
        let end = self.filled + count.len() + bytes.len();
        match self.small.get_mut(self.filled..end).and_then(<[u8]>::split_first_chunk_mut) {
            Some((first, rest)) => {
                *first = count;
                rest.copy_from_slice(bytes);
                self.filled = end;
            }
            None => {
                self.append(&count);
                match self.digests.tag(bytes) {
                    Some(tag) => self.append(&tag),
                    None => self.append(bytes),
                }
            }
        }
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
            Some(ToolChoice::Function(_)) => "function",
        });
        if let Some(ToolChoice::Function(name)) = &chat.tool_choice {
            self.text(name);
        }
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
