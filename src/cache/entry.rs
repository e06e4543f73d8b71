//! What the cache keeps of an answer.

use super::unread::Unread;
use crate::llm::Wire;
use bytes::Bytes;
use std::sync::Arc;

/// Names a request exactly: its hard filters and its normalised input. Also the id of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 16]);

/// The hard filters of an entry as one value: scope, cache key, provider, model, parameters and
/// everything that was said before the question. Entries of other partitions are never looked at. All
/// zeros where no question is compared, since nothing is looked for there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub [u8; 16]);

/// A kept answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The request that it answers.
    pub fingerprint: Fingerprint,
    /// Its hard filters.
    pub partition: Partition,
    /// Whose it is, such as `virtual_key:vk-prod`: the unit of clearing.
    pub scope: Arc<str>,
    /// The caller's own subdivision of the scope; empty when there is none.
    pub cache_key: Arc<str>,
    /// The question, for comparing; empty when only the exact request may be answered.
    pub question: Arc<str>,
    /// Who answered.
    pub provider: Arc<str>,
    /// The model that answered.
    pub model: Arc<str>,
    /// The format of `answer`.
    pub wire: Wire,
    /// The complete answer, unstreamed, in `wire`; what came, while it is unread.
    pub answer: Bytes,
    /// Set while nobody has looked at the answer yet: it has to be read before it is served or leaves
    /// this process.
    pub unread: Option<Unread>,
    /// What the answer cost, in nano-dollars.
    pub cost: i64,
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// Its input and output tokens.
    pub tokens: (u64, u64),
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds; from then on it is as if it were not there.
    pub expires_ms: i64,
}

/// Which entries to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clear {
    /// This one.
    One(Fingerprint),
    /// All of a scope.
    Scope(Arc<str>),
    /// All with this caller's subdivision, in every scope.
    CacheKey(Arc<str>),
    /// All.
    Everything,
}

/// How full a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fill {
    /// Entries.
    pub entries: u64,
    /// Bytes of them, vectors included; estimated.
    pub bytes: u64,
}

impl Entry {
    /// Bytes that the entry takes without its vector; estimated.
    pub fn size(&self) -> usize {
        let texts = [&self.scope, &self.cache_key, &self.question, &self.provider, &self.model];
        // Each with its counts.
        let texts: usize = texts.iter().map(|text| text.len() + 16).sum();
        size_of::<Entry>() + texts + self.answer.len()
    }
}

impl Fingerprint {
    /// As ids are shown: a UUID.
    pub fn to_id(self) -> String {
        uuid::Uuid::from_bytes(self.0).to_string()
    }

    /// Reads what [`Fingerprint::to_id`] wrote.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        uuid::Uuid::try_parse(text).ok().map(|id| Fingerprint(id.into_bytes()))
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Entries for tests.
    use super::*;

    /// An entry that differs from those of other numbers in everything but what they share.
    pub(crate) fn entry(number: u8) -> Entry {
        Entry {
            fingerprint: Fingerprint([number; 16]),
            partition: Partition([1; 16]),
            scope: "virtual_key:a".into(),
            cache_key: "".into(),
            question: format!("What is {number}?").into(),
            provider: "openai".into(),
            model: "gpt-4o-mini".into(),
            wire: Wire::OpenaiChat,
            answer: Bytes::from_static(b"{}"),
            unread: None,
            cost: 1_000,
            latency_us: 500_000,
            tokens: (10, 20),
            created_ms: 0,
            expires_ms: 60_000,
        }
    }
}
