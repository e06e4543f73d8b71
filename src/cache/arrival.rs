//! An answer that has just come.

use super::entry::{Entry, Fingerprint, Partition};
use super::question::Question;
use super::unread::Unread;
use crate::llm::Wire;
use bytes::Bytes;
use std::sync::Arc;

/// An answer as it came, borrowed from where it is: a store copies what it keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival<'a> {
    /// The request that it answers.
    pub fingerprint: Fingerprint,
    /// Its hard filters.
    pub partition: Partition,
    /// Whose it is.
    pub scope: &'a str,
    /// The caller's own subdivision of the scope; empty when there is none.
    pub cache_key: &'a str,
    /// The question, for comparing.
    pub question: Question<'a>,
    /// Who answered.
    pub provider: &'a str,
    /// The model that answered.
    pub model: &'a str,
    /// The format of `answer`.
    pub wire: Wire,
    /// What came.
    pub answer: &'a [u8],
    /// How it is to be read.
    pub unread: Unread,
    /// What it cost, in nano-dollars.
    pub cost: i64,
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds; from then on it is as if it were not there.
    pub expires_ms: i64,
}

impl Arrival<'_> {
    /// The entry that it is, unread.
    pub fn to_entry(&self) -> Entry {
        // The empty one is never made.
        let text = |text: &str| if text.is_empty() { Arc::default() } else { Arc::from(text) };
        Entry {
            fingerprint: self.fingerprint,
            partition: self.partition,
            scope: text(self.scope),
            cache_key: text(self.cache_key),
            question: text(&self.question.text()),
            provider: text(self.provider),
            model: text(self.model),
            wire: self.wire,
            // A copy: what came is a part of the connection's read buffer, which would be kept whole and
            // could not be used again.
            answer: Bytes::copy_from_slice(self.answer),
            unread: Some(self.unread),
            cost: self.cost,
            latency_us: self.latency_us,
            tokens: (self.unread.usage.input, self.unread.usage.output),
            created_ms: self.created_ms,
            expires_ms: self.expires_ms,
        }
    }

    /// Whether `entry` is this one.
    pub fn is(&self, entry: &Entry) -> bool {
        entry.fingerprint == self.fingerprint
            && entry.created_ms == self.created_ms
            && entry.unread == Some(self.unread)
            && entry.answer == self.answer
    }
}
