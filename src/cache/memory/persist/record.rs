//! The journal's records: a length, a checksum, and what happened.

use crate::cache::{Clear, Entry, Fingerprint, Partition};
use crate::llm::Wire;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Starts a file; the last byte is the version of all that follows.
pub(super) const HEADER: [u8; 8] = *b"TBCACHE\x01";
/// Length and CRC-32 of a record, both little endian.
const FRAME: usize = 8;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    /// An entry came, with its vector.
    Put(Arc<Entry>, Option<Arc<[f32]>>),
    /// Entries went.
    Clear(Clear),
}

/// What a file has next.
#[derive(Debug)]
pub(super) enum Next {
    /// A whole record and the bytes it took.
    Record(Record, u64),
    /// Nothing more.
    End,
    /// Something that is no whole record.
    Damaged,
}

/// A record as it is stored. The numbers of a vector follow it, 32-bit floats in little endian.
#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Put(#[serde(borrow)] StoredEntry<'a>),
    One([u8; 16]),
    Scope(&'a str),
    CacheKey(&'a str),
    Everything,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    fingerprint: [u8; 16],
    partition: [u8; 16],
    scope: &'a str,
    cache_key: &'a str,
    question: &'a str,
    provider: &'a str,
    model: &'a str,
    wire: u8,
    answer: &'a [u8],
    cost: i64,
    latency_us: u64,
    tokens: (u64, u64),
    created_ms: i64,
    expires_ms: i64,
}

/// Reads records and shares among them the words that repeat.
pub(super) struct Reader<R> {
    from: R,
    left: u64,
    words: HashSet<Arc<str>>,
    payload: Vec<u8>,
}

/// Writes a record and says how many bytes that took.
pub(super) fn write(to: &mut impl Write, entry: &Entry, vector: Option<&[f32]>) -> io::Result<u64> {
    let mut payload = encode(&Stored::Put(stored(entry)))?;
    for number in vector.unwrap_or_default() {
        payload.extend_from_slice(&number.to_le_bytes());
    }
    write_frame(to, &payload)
}

/// The same for a removal.
pub(super) fn write_clear(to: &mut impl Write, what: &Clear) -> io::Result<u64> {
    let payload = encode(&match what {
        Clear::One(fingerprint) => Stored::One(fingerprint.0),
        Clear::Scope(scope) => Stored::Scope(scope),
        Clear::CacheKey(key) => Stored::CacheKey(key),
        Clear::Everything => Stored::Everything,
    })?;
    write_frame(to, &payload)
}

impl<R: Read> Reader<R> {
    /// Of the records in the next `left` bytes.
    pub(super) fn new(from: R, left: u64) -> Self {
        Reader { from, left, words: HashSet::new(), payload: Vec::new() }
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        if self.left == 0 {
            return Ok(Next::End);
        }
        let Some(left) = self.left.checked_sub(FRAME as u64) else { return Ok(Next::Damaged) };
        let (mut length, mut checksum) = ([0; 4], [0; 4]);
        self.from.read_exact(&mut length)?;
        self.from.read_exact(&mut checksum)?;
        let length = u32::from_le_bytes(length);
        let Some(left) = left.checked_sub(u64::from(length)) else { return Ok(Next::Damaged) };
        self.payload.resize(length as usize, 0);
        self.from.read_exact(&mut self.payload)?;
        self.left = left;
        if crc32fast::hash(&self.payload) != u32::from_le_bytes(checksum) {
            return Ok(Next::Damaged);
        }
        let took = FRAME as u64 + u64::from(length);
        Ok(decode(&self.payload, &mut self.words)
            .map_or(Next::Damaged, |record| Next::Record(record, took)))
    }
}

fn write_frame(to: &mut impl Write, payload: &[u8]) -> io::Result<u64> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&crc32fast::hash(payload).to_le_bytes())?;
    to.write_all(payload)?;
    Ok(FRAME as u64 + u64::from(length))
}

fn encode(stored: &Stored<'_>) -> io::Result<Vec<u8>> {
    postcard::to_allocvec(stored).map_err(io::Error::other)
}

fn decode(payload: &[u8], words: &mut HashSet<Arc<str>>) -> Option<Record> {
    let (stored, rest) = postcard::take_from_bytes::<Stored<'_>>(payload).ok()?;
    let clear = match stored {
        Stored::Put(stored) => {
            let (numbers, few) = rest.as_chunks::<4>();
            let vector: Vec<f32> = numbers.iter().map(|four| f32::from_le_bytes(*four)).collect();
            let vector = (!vector.is_empty()).then(|| vector.into());
            return few
                .is_empty()
                .then(|| entry(&stored, words))?
                .map(|entry| Record::Put(entry.into(), vector));
        }
        Stored::One(fingerprint) => Clear::One(Fingerprint(fingerprint)),
        Stored::Scope(scope) => Clear::Scope(scope.into()),
        Stored::CacheKey(key) => Clear::CacheKey(key.into()),
        Stored::Everything => Clear::Everything,
    };
    Some(Record::Clear(clear))
}

fn stored(entry: &Entry) -> StoredEntry<'_> {
    StoredEntry {
        fingerprint: entry.fingerprint.0,
        partition: entry.partition.0,
        scope: &entry.scope,
        cache_key: &entry.cache_key,
        question: &entry.question,
        provider: &entry.provider,
        model: &entry.model,
        wire: number(entry.wire),
        answer: &entry.answer,
        cost: entry.cost,
        latency_us: entry.latency_us,
        tokens: entry.tokens,
        created_ms: entry.created_ms,
        expires_ms: entry.expires_ms,
    }
}

fn entry(stored: &StoredEntry<'_>, words: &mut HashSet<Arc<str>>) -> Option<Entry> {
    Some(Entry {
        fingerprint: Fingerprint(stored.fingerprint),
        partition: Partition(stored.partition),
        scope: shared(stored.scope, words),
        cache_key: shared(stored.cache_key, words),
        question: stored.question.into(),
        provider: shared(stored.provider, words),
        model: shared(stored.model, words),
        wire: wire(stored.wire)?,
        answer: Bytes::copy_from_slice(stored.answer),
        cost: stored.cost,
        latency_us: stored.latency_us,
        tokens: stored.tokens,
        created_ms: stored.created_ms,
        expires_ms: stored.expires_ms,
    })
}

fn shared(word: &str, words: &mut HashSet<Arc<str>>) -> Arc<str> {
    if let Some(known) = words.get(word) {
        return known.clone();
    }
    let word: Arc<str> = word.into();
    words.insert(word.clone());
    word
}

fn number(wire: Wire) -> u8 {
    match wire {
        Wire::OpenaiChat => 0,
        Wire::Anthropic => 1,
        Wire::Gemini => 2,
    }
}

fn wire(number: u8) -> Option<Wire> {
    [Wire::OpenaiChat, Wire::Anthropic, Wire::Gemini].get(usize::from(number)).copied()
}
