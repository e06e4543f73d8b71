//! The journal's records: a length, a checksum, and what happened.
//!
//! ```text
//! length and CRC-32 of the rest: 4 bytes each, little-endian │ kind: 1 byte │ what it is about
//! ```
//!
//! A put is about an entry: the count of its vector's numbers in 4 bytes, the numbers, and the entry as
//! the shared stores write it.

use crate::cache::{Clear, Entry, Fingerprint, SECRET, record};
use bytes::Bytes;
use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::Arc;

/// Starts a file; the last byte is the version of all that follows.
const VERSION: [u8; 8] = *b"TBCACHE\x03";
/// Bytes before the first record: the version, the secret under which entries have their names, and its CRC-32.
pub(super) const HEADER: usize = VERSION.len() + SECRET + 4;
/// Length and CRC-32 of a record, both little endian.
const FRAME: usize = 8;

/// Bytes that no record takes: answers end at a mebibyte, and what belongs to one is small.
const TOO_LONG: u32 = 16 << 20;

/// The kinds are part of the form: a new one gets a new number, with a new version, and none is used again.
const PUT: u8 = 0;
const ONE: u8 = 1;
const SCOPE: u8 = 2;
const CACHE_KEY: u8 = 3;
const EVERYTHING: u8 = 4;

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
    /// Something that is no record, and the bytes that it says it takes.
    Unsound(u64),
    /// Nothing more, or the beginning of something.
    End,
}

/// Reads records and shares among them the words that repeat.
pub(super) struct Reader<R> {
    from: R,
    left: u64,
    words: HashSet<Arc<str>>,
    payload: Vec<u8>,
}

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// A whole header with this secret.
    Whole([u8; SECRET]),
    /// The beginning of one, or nothing at all.
    Cut,
    /// Something else.
    Unknown,
}

impl Beginning {
    /// Reads the first [`HEADER`] bytes of a file, or what there is of them.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes.split_first_chunk() {
            Some((&VERSION, rest)) if rest.len() < SECRET + 4 => Beginning::Cut,
            Some((&VERSION, rest)) => match rest.split_first_chunk() {
                Some((secret, rest)) if rest.starts_with(&checksum(secret)) => {
                    Beginning::Whole(*secret)
                }
                _ => Beginning::Unknown,
            },
            None if VERSION.starts_with(bytes) => Beginning::Cut,
            _ => Beginning::Unknown,
        }
    }

    /// A header.
    pub(super) fn header(secret: &[u8; SECRET]) -> Vec<u8> {
        [&VERSION[..], secret, &checksum(secret)].concat()
    }
}

fn checksum(secret: &[u8; SECRET]) -> [u8; 4] {
    crc32fast::hash(secret).to_le_bytes()
}

/// Appends a put.
pub(super) fn append_put(to: &mut Vec<u8>, entry: &Entry, vector: Option<&[f32]>) {
    append(to, PUT, |to| {
        let numbers = vector.unwrap_or_default();
        // Vectors have some thousands of numbers; what did not fit would be left out.
        let count = u32::try_from(numbers.len()).unwrap_or_default();
        to.extend_from_slice(&count.to_le_bytes());
        to.extend(numbers.iter().take(count as usize).flat_map(|number| number.to_le_bytes()));
        record::append(entry, to);
    });
}

/// Appends a removal.
pub(super) fn append_clear(to: &mut Vec<u8>, what: &Clear) {
    let (kind, about): (u8, &[u8]) = match what {
        Clear::One(fingerprint) => (ONE, &fingerprint.0),
        Clear::Scope(scope) => (SCOPE, scope.as_bytes()),
        Clear::CacheKey(key) => (CACHE_KEY, key.as_bytes()),
        Clear::Everything => (EVERYTHING, &[]),
    };
    append(to, kind, |to| to.extend_from_slice(about));
}

fn append(to: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend_from_slice(&[0; FRAME]);
    to.push(kind);
    write(to);
    let Some((frame, payload)) =
        to.get_mut(start..).and_then(|record| record.split_first_chunk_mut::<FRAME>())
    else {
        return;
    };
    // Answers end at a mebibyte.
    let length = u32::try_from(payload.len()).unwrap_or_default();
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
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
        let Some(left) = self.left.checked_sub(FRAME as u64) else { return Ok(Next::End) };
        let (mut length, mut checksum) = ([0; 4], [0; 4]);
        self.from.read_exact(&mut length)?;
        self.from.read_exact(&mut checksum)?;
        let length = u32::from_le_bytes(length);
        // None is empty either. What follows such a length could be the inside of what somebody asked.
        if length == 0 || length >= TOO_LONG {
            return Ok(Next::End);
        }
        let Some(left) = left.checked_sub(u64::from(length)) else { return Ok(Next::End) };
        self.payload.resize(length as usize, 0);
        self.from.read_exact(&mut self.payload)?;
        self.left = left;
        let took = FRAME as u64 + u64::from(length);
        let is_whole = crc32fast::hash(&self.payload) == u32::from_le_bytes(checksum);
        let record = is_whole.then(|| decode(&self.payload, &mut self.words)).flatten();
        Ok(record.map_or(Next::Unsound(took), |record| Next::Record(record, took)))
    }
}

fn decode(payload: &[u8], words: &mut HashSet<Arc<str>>) -> Option<Record> {
    let (kind, about) = payload.split_first()?;
    let word = || std::str::from_utf8(about).ok().map(Arc::from);
    let clear = match *kind {
        PUT => return put(about, words),
        ONE => Clear::One(Fingerprint(about.try_into().ok()?)),
        SCOPE => Clear::Scope(word()?),
        CACHE_KEY => Clear::CacheKey(word()?),
        EVERYTHING if about.is_empty() => Clear::Everything,
        _ => return None,
    };
    Some(Record::Clear(clear))
}

fn put(about: &[u8], words: &mut HashSet<Arc<str>>) -> Option<Record> {
    let (count, rest) = about.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (numbers, entry) = rest.split_at_checked(count.checked_mul(4)?)?;
    let (numbers, _) = numbers.as_chunks::<4>();
    let vector: Vec<f32> = numbers.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let entry = record::read(entry, |word| shared(word, words), Bytes::copy_from_slice)?;
    Some(Record::Put(entry.into(), (!vector.is_empty()).then(|| vector.into())))
}

fn shared(word: &str, words: &mut HashSet<Arc<str>>) -> Arc<str> {
    if let Some(known) = words.get(word) {
        return known.clone();
    }
    let word: Arc<str> = word.into();
    words.insert(word.clone());
    word
}
