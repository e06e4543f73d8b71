//! What a request asks, reduced to what decides whether another one asks the same.
//!
//! Everything but the last question is a hard filter: scope, cache key, provider, model, parameters and
//! what was said before must be equal. Only the question itself may be *similar*.

mod canonical;
mod normal;

use super::digest::Digests;
use super::entry::{Fingerprint, Partition};
use super::policy::Policy;
use super::question::Question;
use crate::config::cache::CacheConfig;
use crate::dialect::openai_chat::raw::{Outline, OutlineMessage, OutlineMessages, unescaped};
use crate::llm::{ChatRequest, EmbeddingInput, EmbeddingRequest, Message, Part, Request, Role};
use bytes::Bytes;
use canonical::Canonical;
use normal::{SLACK, fold_simple};
use smallvec::SmallVec;

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

/// A request as the cache sees it, for one target.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Where its answer is, or will be.
    pub place: Place,
    question: Wording,
}

/// A question as it was asked, and where that is.
#[derive(Debug, Clone)]
enum Wording {
    /// None is compared.
    Nothing,
    /// Between quotes of the request's body.
    Within(Bytes),
    /// Made of what was decoded.
    Made(String),
}

/// Whom a request is asked of, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// How the request uses the cache.
    pub policy: &'a Policy,
    /// How the names of entries are made.
    pub digests: &'a Digests,
    /// The target's provider.
    pub provider: &'a str,
    /// The target's model.
    pub model: &'a str,
    /// What the question's vector will be made by; empty where none is wanted. Two embedding models have no
    /// similarity in common.
    pub embedding_model: &'a str,
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
    pub fn of(request: &Request, asking: &Asking) -> Result<Subject, Bypass> {
        match request {
            Request::Chat(chat) => chat_subject(chat, asking),
            Request::Embedding(embedding) => embedding_subject(embedding, asking),
        }
    }

    /// Reads a chat request in pieces, which costs a fraction of decoding it. `None` when it has to be
    /// decoded all the same.
    ///
    /// # Errors
    /// Why it goes past the cache.
    pub fn of_outline(outline: Outline, asking: &Asking) -> Result<Option<Subject>, Bypass> {
        outline_subject(outline, asking)
    }

    /// The question as it was asked; [`Question::NONE`] when only the exact request may be answered.
    pub fn question(&self) -> Question<'_> {
        match &self.question {
            Wording::Nothing => Question::NONE,
            Wording::Within(json) => Question::Json(json),
            Wording::Made(text) => Question::Text(text),
        }
    }

    /// One that only answers itself.
    fn alone(place: Place) -> Subject {
        Subject { place, question: Wording::Nothing }
    }
}

/// The same as [`chat_subject`] for a request in pieces. Requests that only differ in how they write the
/// same JSON are two to it.
fn outline_subject(outline: Outline, asking: &Asking) -> Result<Option<Subject>, Bypass> {
    let config = &*asking.policy.config;
    let mut asked = Canonical::new(asking);
    asked.text("chat in pieces");
    let parameters = outline.parameters().filter(|(name, _)| !NEUTRAL.contains(name));
    let mut parameters: SmallVec<[(&str, &[u8]); 4]> = parameters.collect();
    let body = outline.body();
    let Some((last, uses_tools)) = outline_messages(outline.messages, config, &mut asked)? else {
        return Ok(None);
    };
    parameters.sort_unstable();
    // What stands twice is taken from one place by one reader and from the other by another.
    if parameters.windows(2).any(|two| matches!(two, [(one, _), (other, _)] if one == other)) {
        return Ok(None);
    }
    for (name, json) in &parameters {
        bypass_for(name, json, config)?;
    }
    if !config.cache_tools && uses_tools {
        return Err(Bypass::Tools);
    }
    asked.count(parameters.len());
    for (name, json) in &parameters {
        asked.text(name);
        asked.bytes(json);
    }
    // Text in parts and whatever else stands last is looked at more closely.
    let Some(text) = last.text.filter(|_| last.role == b"user") else { return Ok(None) };
    asked.outline_rest(&last);
    if is_long(text) {
        return Ok(Some(Subject::alone(asked.before_long(text))));
    }
    let (mut short, mut long) = ([0; 512], Vec::new());
    let room = short.get_mut(..text.len() + SLACK).unwrap_or_else(|| {
        long.resize(text.len().min(LONGEST_QUESTION) + SLACK, 0);
        &mut long
    });
    // One that is longer as it stands has no room, and may be too long.
    let may_be_simple = text.len() <= LONGEST_QUESTION;
    let simple = may_be_simple.then(|| fold_simple(text, room)).flatten();
    let place = match simple {
        Some(folded) => asked.before_folded(folded),
        None => {
            let Some(question) = unescaped(text) else { return Ok(None) };
            if question.trim().is_empty() {
                return Err(Bypass::Empty);
            }
            if question.len() > LONGEST_QUESTION {
                return Ok(Some(Subject::alone(asked.before_long(text))));
            }
            asked.before(&question)
        }
    };
    Ok(Some(Subject { place, question: Wording::Within(body.slice_ref(text)) }))
}

/// Whether a question in JSON is certainly longer than [`LONGEST_QUESTION`], which its beginning shows unless
/// that is mostly escapes. An escape stands for at least a sixth of its letters.
fn is_long(json: &[u8]) -> bool {
    let is_long = |json: &[u8]| {
        let escapes = || 5 * memchr::memchr_iter(b'\\', json).count();
        json.len() > LONGEST_QUESTION && json.len().saturating_sub(escapes()) > LONGEST_QUESTION
    };
    json.get(..LONGEST_QUESTION * 3 / 2).is_some_and(is_long) || is_long(json)
}

/// Appends what was said before the last message. Returns that one, and whether any of them has to do with
/// tools; `None` when they have to be decoded.
fn outline_messages<'a>(
    messages: OutlineMessages<'a>,
    config: &CacheConfig,
    asked: &mut Canonical<'_>,
) -> Result<Option<(OutlineMessage<'a>, bool)>, Bypass> {
    let is_tool = |message: &OutlineMessage| {
        let names: [&[u8]; 3] = [b"tool_calls", b"tool_call_id", b"function_call"];
        matches!(message.role, b"tool" | b"function")
            || message.rest.iter().any(|(name, _)| names.contains(name))
    };
    let limit = usize::try_from(config.conversation_history_threshold).unwrap_or(usize::MAX);
    let (mut count, mut uses_tools) = (0, false);
    let mut last: Option<OutlineMessage> = None;
    for message in messages {
        let Ok(message) = message else { return Ok(None) };
        if config.exclude_system_prompt && matches!(message.role, b"system" | b"developer") {
            continue;
        }
        count += 1;
        if count > limit {
            return Err(Bypass::History);
        }
        uses_tools |= is_tool(&message);
        if let Some(before) = last.replace(message) {
            asked.byte(ANOTHER);
            asked.outline_message(&before);
        }
    }
    asked.byte(LAST_QUESTION);
    last.map(|last| Some((last, uses_tools))).ok_or(Bypass::Empty)
}

/// Whether a parameter sends its request past the cache.
fn bypass_for(name: &str, json: &[u8], config: &CacheConfig) -> Result<(), Bypass> {
    let number = || {
        let text = std::str::from_utf8(json).ok();
        text.and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::MAX)
    };
    match name {
        "temperature" if number() > config.max_temperature => Err(Bypass::Temperature),
        "n" if number() > 1.0 => Err(Bypass::Choices),
        "logprobs" if json != b"false" => Err(Bypass::Logprobs),
        "tools" | "functions" if !config.cache_tools && json != b"[]" => Err(Bypass::Tools),
        _ => Ok(()),
    }
}

fn chat_subject(chat: &ChatRequest, asking: &Asking) -> Result<Subject, Bypass> {
    let config = &*asking.policy.config;
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
    let mut asked = Canonical::new(asking);
    asked.parameters(chat);
    for message in before {
        asked.byte(ANOTHER);
        asked.message(message);
    }
    match question(last) {
        Some(question) if question.len() > LONGEST_QUESTION => {
            asked.byte(LAST_QUESTION);
            asked.author(last);
            Ok(Subject::alone(asked.before_long(question.trim().as_bytes())))
        }
        Some(question) if !question.trim().is_empty() => {
            asked.byte(LAST_QUESTION);
            asked.author(last);
            let place = asked.before(&question);
            Ok(Subject { place, question: Wording::Made(question) })
        }
        Some(_) => Err(Bypass::Empty),
        // A picture, the result of a tool, an answer to be continued: the same or not at all.
        None => {
            asked.byte(LAST_MESSAGE);
            asked.message(last);
            Ok(Subject::alone(asked.before_nothing()))
        }
    }
}

fn embedding_subject(request: &EmbeddingRequest, asking: &Asking) -> Result<Subject, Bypass> {
    let mut asked = Canonical::new(asking);
    asked.text("embedding");
    asked.number(request.dimensions);
    asked.byte(request.base64.into());
    asked.text(request.user.as_deref().unwrap_or_default());
    asked.extra(&request.extra);
    match &request.input {
        EmbeddingInput::Texts(texts) if texts.is_empty() => return Err(Bypass::Empty),
        EmbeddingInput::Texts(texts) => {
            asked.text("texts");
            texts.iter().for_each(|text| asked.text(text));
        }
        EmbeddingInput::Tokens(lists) => {
            asked.text("tokens");
            for list in lists {
                let bytes: Vec<u8> = list.iter().flat_map(|token| token.to_le_bytes()).collect();
                asked.bytes(&bytes);
            }
        }
    }
    // A vector of a similar text is the wrong vector.
    Ok(Subject::alone(asked.before_nothing()))
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

/// What comes next in a conversation, so that no text of one can be taken for a message of another: a message
/// that others follow, whoever asks the question that comes last, or the last message as a whole.
const ANOTHER: u8 = 1;
const LAST_QUESTION: u8 = 0;
const LAST_MESSAGE: u8 = 2;

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

#[cfg(test)]
mod tests;
