//! What a request asks, reduced to what decides whether another one asks the same.
//!
//! Everything but the last question is a hard filter: scope, cache key, provider, model, parameters and
//! what was said before must be equal. Only the question itself may be *similar*.

use super::entry::{Fingerprint, Partition};
use super::policy::Policy;
use crate::config::cache::CacheConfig;
use crate::dialect::openai_chat::raw::{Outline, OutlineMessage, unescaped};
use crate::llm::{
    ChatRequest, Data, EmbeddingInput, EmbeddingRequest, Extra, Message, Part, Request,
    ResponseFormat, Role, Tool, ToolChoice,
};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use std::sync::Arc;

/// Why a request goes past the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// It has tools, and those are not cached unless asked for.
    Tools,
    /// Its temperature is above the limit: it wants variety.
    Temperature,
    /// It has more messages than the limit.
    History,
    /// It asks for several answers.
    Choices,
    /// It asks for log probabilities.
    Logprobs,
    /// It has nothing to compare.
    Empty,
}

impl Bypass {
    /// The word in `Cache-Status` and in counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Bypass::Tools => "tools",
            Bypass::Temperature => "temperature",
            Bypass::History => "history",
            Bypass::Choices => "choices",
            Bypass::Logprobs => "logprobs",
            Bypass::Empty => "empty",
        }
    }
}

/// A request as the cache sees it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Parameters and everything said before the question, or a digest of that; then the question, in the form
    /// in which two of them are the same request, or a digest of that.
    asked: Vec<u8>,
    /// Where the question begins.
    context: usize,
    /// The question as it was asked; empty when only the exact request may be answered.
    pub question: Arc<str>,
}

/// Where a subject stands for one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its hard filters.
    pub partition: Partition,
    /// The request itself.
    pub fingerprint: Fingerprint,
}

impl Subject {
    /// Reads a request.
    ///
    /// # Errors
    /// Why it goes past the cache.
    pub fn of(request: &Request, config: &CacheConfig) -> Result<Subject, Bypass> {
        match request {
            Request::Chat(chat) => chat_subject(chat, config),
            Request::Embedding(embedding) => embedding_subject(embedding),
        }
    }

    /// Reads a chat request in pieces, which costs a fraction of decoding it. `None` when it has to be
    /// decoded all the same.
    ///
    /// # Errors
    /// Why it goes past the cache.
    pub fn of_outline(outline: &Outline, config: &CacheConfig) -> Result<Option<Subject>, Bypass> {
        outline_subject(outline, config)
    }

    /// Its place for a target. Two embedding models have no similarity in common.
    pub fn place(
        &self,
        policy: &Policy,
        provider: &str,
        model: &str,
        embedding_model: &str,
    ) -> Place {
        let config = &policy.config;
        let filters = [
            &*config.vector_store_namespace,
            &policy.scope,
            &policy.cache_key,
            if config.cache_by_provider { provider } else { "" },
            if config.cache_by_model { model } else { "" },
        ];
        let place = |kind: &str, model: &str, asked: &[u8]| {
            let mut text: SmallVec<[u8; 1024]> = SmallVec::new();
            let mut add = |bytes: &[u8]| {
                text.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                text.extend_from_slice(bytes);
            };
            filters.iter().chain(&[kind, model]).for_each(|filter| add(filter.as_bytes()));
            text.extend_from_slice(&(self.context as u64).to_le_bytes());
            text.extend_from_slice(asked);
            half(digest(&text))
        };
        Place {
            // Without a model there is no vector, and nobody looks at the partition.
            partition: Partition(match embedding_model {
                "" => [0; 16],
                model => {
                    let context = self.asked.get(..self.context).unwrap_or_default();
                    place("similar", model, context)
                }
            }),
            fingerprint: Fingerprint(place("exact", "", &self.asked)),
        }
    }
}

/// The same as [`chat_subject`] for a request in pieces. Requests that only differ in how they write the
/// same JSON are two to it.
fn outline_subject(outline: &Outline, config: &CacheConfig) -> Result<Option<Subject>, Bypass> {
    let is_instruction =
        |message: &&OutlineMessage| matches!(message.role, b"system" | b"developer");
    let messages: SmallVec<[&OutlineMessage; 4]> = outline
        .messages
        .iter()
        .filter(|message| !(config.exclude_system_prompt && is_instruction(message)))
        .collect();
    let limit = usize::try_from(config.conversation_history_threshold).unwrap_or(usize::MAX);
    if messages.len() > limit {
        return Err(Bypass::History);
    }
    let mut parameters: SmallVec<[_; 8]> =
        outline.parameters.iter().filter(|(name, _)| !NEUTRAL.contains(name)).collect();
    parameters.sort_unstable();
    // What stands twice is taken from one place by one reader and from the other by another.
    if parameters.windows(2).any(|two| matches!(two, [(one, _), (other, _)] if one == other)) {
        return Ok(None);
    }
    for (name, json) in &parameters {
        bypass_for(name, json, config)?;
    }
    let uses_tools = |message: &&OutlineMessage| {
        let names: [&[u8]; 3] = [b"tool_calls", b"tool_call_id", b"function_call"];
        matches!(message.role, b"tool" | b"function")
            || message.rest.iter().any(|(name, _)| names.contains(name))
    };
    if !config.cache_tools && messages.iter().any(uses_tools) {
        return Err(Bypass::Tools);
    }
    let Some((last, before)) = messages.split_last() else { return Err(Bypass::Empty) };
    // Text in parts and whatever else stands last is looked at more closely.
    let Some(text) = last.text.filter(|_| last.role == b"user") else { return Ok(None) };
    let mut context = Canonical::default();
    context.text("chat in pieces");
    context.count(parameters.len());
    for (name, json) in &parameters {
        context.text(name);
        context.text(json);
    }
    context.count(before.len());
    for message in before {
        context.outline_message(message);
    }
    context.outline_rest(last);
    // An escape stands for at least a sixth of its letters.
    let escapes = || memchr::memchr_iter(b'\\', text).count();
    let longest = LONGEST_QUESTION;
    if text.len() > longest && text.len().saturating_sub(5 * escapes()) > longest {
        return Ok(Some(context.before_long(text)));
    }
    let Some(question) = unescaped(text) else { return Ok(None) };
    if question.trim().is_empty() {
        return Err(Bypass::Empty);
    }
    if question.len() > longest {
        return Ok(Some(context.before_long(text)));
    }
    Ok(Some(context.before(&question)))
}

/// Whether a parameter sends its request past the cache.
fn bypass_for(name: &str, json: &str, config: &CacheConfig) -> Result<(), Bypass> {
    let number = || json.parse::<f64>().unwrap_or(f64::MAX);
    match name {
        "temperature" if number() > config.max_temperature => Err(Bypass::Temperature),
        "n" if number() > 1.0 => Err(Bypass::Choices),
        "logprobs" if json != "false" => Err(Bypass::Logprobs),
        "tools" | "functions" if !config.cache_tools && json != "[]" => Err(Bypass::Tools),
        _ => Ok(()),
    }
}

fn chat_subject(chat: &ChatRequest, config: &CacheConfig) -> Result<Subject, Bypass> {
    let is_instruction =
        |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let messages: Vec<&Message> = chat
        .messages
        .iter()
        .filter(|message| !(config.exclude_system_prompt && is_instruction(message)))
        .collect();
    let limit = usize::try_from(config.conversation_history_threshold).unwrap_or(usize::MAX);
    if messages.len() > limit {
        return Err(Bypass::History);
    }
    if chat.temperature.is_some_and(|temperature| temperature > config.max_temperature) {
        return Err(Bypass::Temperature);
    }
    if chat.choices.is_some_and(|choices| choices > 1) {
        return Err(Bypass::Choices);
    }
    if chat.logprobs == Some(true) {
        return Err(Bypass::Logprobs);
    }
    let uses_tools = |message: &&Message| {
        message
            .parts
            .iter()
            .any(|part| matches!(part, Part::ToolCall { .. } | Part::ToolResult { .. }))
    };
    // OpenAI's older name of tools travels as an unknown field.
    let functions = chat.extra.fields().is_some_and(|extra| extra.contains_key("functions"));
    let has_tools = functions || !chat.tools.is_empty();
    if !config.cache_tools && (has_tools || messages.iter().any(uses_tools)) {
        return Err(Bypass::Tools);
    }
    let Some((last, before)) = messages.split_last() else { return Err(Bypass::Empty) };
    let mut context = Canonical::default();
    context.parameters(chat);
    for message in before {
        context.message(message);
    }
    match question(last) {
        Some(question) if question.len() > LONGEST_QUESTION => {
            context.author(last);
            Ok(context.before_long(question.trim().as_bytes()))
        }
        Some(question) if !question.trim().is_empty() => {
            context.author(last);
            Ok(context.before(&question))
        }
        Some(_) => Err(Bypass::Empty),
        // A picture, the result of a tool, an answer to be continued: the same or not at all.
        None => {
            context.message(last);
            Ok(context.before_nothing())
        }
    }
}

fn embedding_subject(request: &EmbeddingRequest) -> Result<Subject, Bypass> {
    let mut context = Canonical::default();
    context.text("embedding");
    context.number(request.dimensions);
    context.0.push(request.base64.into());
    context.text(request.user.as_deref().unwrap_or_default());
    context.extra(&request.extra);
    match &request.input {
        EmbeddingInput::Texts(texts) if texts.is_empty() => return Err(Bypass::Empty),
        EmbeddingInput::Texts(texts) => {
            context.text("texts");
            texts.iter().for_each(|text| context.text(text));
        }
        EmbeddingInput::Tokens(lists) => {
            context.text("tokens");
            for list in lists {
                let bytes: Vec<u8> = list.iter().flat_map(|token| token.to_le_bytes()).collect();
                context.bytes(&bytes);
            }
        }
    }
    // A vector of a similar text is the wrong vector.
    Ok(context.before_nothing())
}

/// The text of a user's message that is nothing but text.
fn question(message: &Message) -> Option<String> {
    if message.role != Role::User {
        return None;
    }
    let mut question = String::new();
    for part in &message.parts {
        let Part::Text { text, .. } = part else { return None };
        if !question.is_empty() {
            question.push('\n');
        }
        question.push_str(text);
    }
    Some(question)
}

/// Appends the text as all have it that ask the same. Case and white space make no other request, unless they
/// carry meaning as in code.
fn normalise(text: &str, to: &mut Vec<u8>) {
    let text = text.trim();
    if is_code(text.as_bytes()) {
        return to.extend_from_slice(text.as_bytes());
    }
    if !text.is_ascii() {
        for (number, word) in text.split_whitespace().enumerate() {
            if number > 0 {
                to.push(b' ');
            }
            to.extend_from_slice(word.to_lowercase().as_bytes());
        }
        return;
    }
    let start = to.len();
    to.extend(text.bytes().map(|byte| match byte {
        b'\t'..=b'\r' => b' ',
        _ => byte.to_ascii_lowercase(),
    }));
    if to.get(start..).is_some_and(has_gaps) {
        let mut normalised = to.split_off(start);
        normalised.dedup_by(|next, byte| (*next, *byte) == (b' ', b' '));
        to.append(&mut normalised);
    }
}

/// Whether more than one space stands somewhere. Written so that many bytes are looked at in one step.
fn has_gaps(text: &[u8]) -> bool {
    let next = text.iter().skip(1);
    text.iter().zip(next).fold(false, |gaps, two| gaps | (two == (&b' ', &b' ')))
}

/// Whether a text has a fence or indented lines.
fn is_code(text: &[u8]) -> bool {
    let fence = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(b"```"));
    let indent = |at: usize| matches!(text.get(at + 1), Some(b' ' | b'\t'));
    memchr::memchr2_iter(b'`', b'\n', text).any(|at| fence(at) || text[at] == b'\n' && indent(at))
}

/// Bytes. Longer questions are answered exactly or not at all: embedding models do not read their end,
/// and the guard's time grows faster than they do.
const LONGEST_QUESTION: usize = 2_000;

/// Parameters that say nothing of the answer.
const NEUTRAL: &[&str] = &[
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
];

/// A request as bytes that two requests have in common only if they are the same: every text is
/// preceded by its length, every list by its count.
#[derive(Debug)]
struct Canonical(Vec<u8>);

/// How a text begins that stands for itself, and one that is the digest of another.
const ITSELF: u8 = 0;
const DIGEST: u8 = 1;

impl Default for Canonical {
    fn default() -> Self {
        // Enough for most, question and all.
        let mut text = Vec::with_capacity(1024);
        text.push(ITSELF);
        Canonical(text)
    }
}

impl Canonical {
    /// This is what was said before `question`.
    fn before(self, question: &str) -> Subject {
        let mut subject = self.before_nothing();
        normalise(question, &mut subject.asked);
        subject.question = question.into();
        subject
    }

    /// The same of one that only answers itself, as bytes.
    fn before_long(self, question: &[u8]) -> Subject {
        let mut subject = self.before_nothing();
        subject.asked.extend_from_slice(&digest(question));
        subject
    }

    /// This is all that is asked.
    fn before_nothing(self) -> Subject {
        let Canonical(mut asked) = self;
        // A stream lasts for a while, and pictures and documents are large.
        if asked.len() > LONG {
            let digest = digest(&asked);
            asked = Vec::with_capacity(1024);
            asked.push(DIGEST);
            asked.extend_from_slice(&digest);
        }
        Subject { context: asked.len(), asked, question: Arc::default() }
    }

    fn outline_message(&mut self, message: &OutlineMessage) {
        self.bytes(message.role);
        match message.text {
            Some(text) => {
                self.0.push(1);
                self.bytes(text);
            }
            None => self.0.push(0),
        }
        self.outline_rest(message);
    }

    /// Everything but who says what.
    fn outline_rest(&mut self, message: &OutlineMessage) {
        self.count(message.rest.len());
        for (name, json) in &message.rest {
            self.bytes(name);
            self.bytes(json);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn count(&mut self, count: usize) {
        self.0.extend_from_slice(&(count as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, number: Option<impl Into<i128>>) {
        match number {
            Some(number) => self.bytes(&number.into().to_le_bytes()),
            None => self.bytes(&[]),
        }
    }

    fn float(&mut self, number: Option<f64>) {
        match number {
            Some(number) => self.bytes(&number.to_bits().to_le_bytes()),
            None => self.bytes(&[]),
        }
    }

    /// Objects of this kind keep their names in order, so that equal ones have equal texts.
    fn json(&mut self, value: &impl serde::Serialize) {
        self.bytes(&serde_json::to_vec(value).unwrap_or_default());
    }

    fn parameters(&mut self, chat: &ChatRequest) {
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

    fn extra(&mut self, extra: &Extra) {
        let counts = |name: &str| !NEUTRAL.contains(&name) && name != "cache_control";
        let fields = || extra.fields().into_iter().flatten().filter(|(name, _)| counts(name));
        self.count(fields().count());
        for (name, value) in fields() {
            self.text(name);
            self.json(value);
        }
    }

    fn message(&mut self, message: &Message) {
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

    fn author(&mut self, message: &Message) {
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
                self.0.push((*is_error).into());
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

/// SHA-256 of what is short, BLAKE3 of what is long: measured with SHA instructions, the first takes
/// 0.2 µs for 300 B where the second takes 0.4, and 65 µs for 100 kB where it takes 30.
fn digest(bytes: &[u8]) -> [u8; 32] {
    match bytes.len() {
        ..=LONG => Sha256::digest(bytes).into(),
        _ => blake3::hash(bytes).into(),
    }
}

/// Bytes up to which SHA-256 is the faster one.
const LONG: usize = 6_000;

fn half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests;
