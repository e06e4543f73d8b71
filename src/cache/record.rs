//! An entry as bytes: for the stores that are shared by several nodes, and for the memory's journal.
//!
//! Nodes of different versions use one store during an upgrade, so a record begins with the version
//! of its form, and a form that is not known is a miss. So is a damaged one: the checksum covers
//! everything behind it.
//!
//! ```text
//! version: 1 byte │ CRC-32 of the rest: 4 bytes, little-endian │ head: postcard │ answer
//! ```

use super::entry::{Entry, Fingerprint, Partition};
use crate::llm::Wire;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const VERSION: u8 = 1;
/// Bytes before the head.
const PREFIX: usize = 5;

/// Everything but the answer, which follows it as it is. A change of its fields is a new version.
#[derive(Debug, Serialize, Deserialize)]
struct Head<'a> {
    fingerprint: [u8; 16],
    partition: [u8; 16],
    scope: &'a str,
    cache_key: &'a str,
    question: &'a str,
    provider: &'a str,
    model: &'a str,
    wire: u8,
    cost: i64,
    latency_us: u64,
    tokens: (u64, u64),
    created_ms: i64,
    expires_ms: i64,
}

/// The bytes of an entry, for [`decode`].
pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREFIX + 160 + entry.size());
    bytes.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    append(entry, &mut bytes);
    let sum = crc32fast::hash(&bytes[PREFIX..]).to_le_bytes();
    bytes[1..PREFIX].copy_from_slice(&sum);
    bytes
}

/// The entry of a record; `None` when its version is not known or it is damaged. The answer is a
/// part of `bytes`, not a copy.
pub(super) fn decode(bytes: &Bytes) -> Option<Entry> {
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX>()?;
    let [version, sum @ ..] = *prefix;
    if version != VERSION || crc32fast::hash(rest) != u32::from_le_bytes(sum) {
        return None;
    }
    read(rest, |word| word.into(), |answer| bytes.slice_ref(answer))
}

/// Appends head and answer, for [`read`]. The answer has been read.
pub(super) fn append(entry: &Entry, to: &mut Vec<u8>) {
    debug_assert!(entry.unread.is_none());
    let head = Head {
        fingerprint: entry.fingerprint.0,
        partition: entry.partition.0,
        scope: &entry.scope,
        cache_key: &entry.cache_key,
        question: &entry.question,
        provider: &entry.provider,
        model: &entry.model,
        wire: wire_code(entry.wire),
        cost: entry.cost,
        latency_us: entry.latency_us,
        tokens: entry.tokens,
        created_ms: entry.created_ms,
        expires_ms: entry.expires_ms,
    };
    // Nothing in the head can fail. If it did, there would be no head, and the record would be a miss.
    to.extend(postcard::to_allocvec(&head).unwrap_or_default());
    to.extend_from_slice(&entry.answer);
}

/// Reads what [`append`] wrote. `share` makes the words that many entries have in common, `answer` keeps
/// the answer.
pub(super) fn read(
    bytes: &[u8],
    mut share: impl FnMut(&str) -> Arc<str>,
    answer: impl FnOnce(&[u8]) -> Bytes,
) -> Option<Entry> {
    let (head, rest): (Head<'_>, &[u8]) = postcard::take_from_bytes(bytes).ok()?;
    Some(Entry {
        fingerprint: Fingerprint(head.fingerprint),
        partition: Partition(head.partition),
        scope: share(head.scope),
        cache_key: share(head.cache_key),
        question: Arc::from(head.question),
        provider: share(head.provider),
        model: share(head.model),
        wire: wire_of(head.wire)?,
        answer: answer(rest),
        unread: None,
        cost: head.cost,
        latency_us: head.latency_us,
        tokens: head.tokens,
        created_ms: head.created_ms,
        expires_ms: head.expires_ms,
    })
}

/// A format's code. The codes are part of the form: a new format gets a new one, and none is used again.
pub(super) fn wire_code(wire: Wire) -> u8 {
    match wire {
        Wire::OpenaiChat => 0,
        Wire::Anthropic => 1,
        Wire::Gemini => 2,
    }
}

/// The format of a code.
pub(super) fn wire_of(code: u8) -> Option<Wire> {
    match code {
        0 => Some(Wire::OpenaiChat),
        1 => Some(Wire::Anthropic),
        2 => Some(Wire::Gemini),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Entry> {
        let texts = prop::array::uniform5(".{0,40}");
        let numbers = (any::<i64>(), any::<u64>(), any::<(u64, u64)>(), any::<(i64, i64)>());
        let ids = any::<([u8; 16], [u8; 16])>();
        let answer = prop::collection::vec(any::<u8>(), 0..300);
        (ids, texts, 0..3u8, answer, numbers).prop_map(|(ids, texts, wire, answer, numbers)| {
            let [scope, cache_key, question, provider, model] = texts.map(Arc::from);
            let (cost, latency_us, tokens, (created_ms, expires_ms)) = numbers;
            let (fingerprint, partition) = (Fingerprint(ids.0), Partition(ids.1));
            let (wire, answer) = (wire_of(wire).unwrap(), Bytes::from(answer));
            Entry {
                fingerprint,
                partition,
                scope,
                cache_key,
                question,
                provider,
                model,
                wire,
                answer,
                unread: None,
                cost,
                latency_us,
                tokens,
                created_ms,
                expires_ms,
            }
        })
    }

    proptest! {
        #[test]
        fn a_record_gives_back_its_entry(entry in entries()) {
            let bytes = Bytes::from(encode(&entry));
            prop_assert_eq!(decode(&bytes), Some(entry));
        }

        #[test]
        fn a_damaged_record_is_none(
            entry in entries(), at in any::<prop::sample::Index>(), flip in 1..=255u8,
        ) {
            let mut bytes = encode(&entry);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert_eq!(decode(&Bytes::from(bytes)), None);
        }

        #[test]
        fn a_record_cut_off_is_none(entry in entries(), at in any::<prop::sample::Index>()) {
            let bytes = Bytes::from(encode(&entry));
            prop_assert_eq!(decode(&bytes.slice(..at.index(bytes.len()))), None);
        }

        #[test]
        fn no_bytes_with_a_right_checksum_cause_a_panic(
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = vec![VERSION];
            bytes.extend_from_slice(&crc32fast::hash(&rest).to_le_bytes());
            bytes.extend_from_slice(&rest);
            if let Some(entry) = decode(&Bytes::from(bytes)) {
                prop_assert!(entry.answer.len() <= rest.len());
            }
        }
    }

    /// The form may not change under its version: nodes of two releases read each other's records.
    #[test]
    fn the_form_of_version_1_stays() {
        let entry = Entry {
            fingerprint: Fingerprint([1; 16]),
            partition: Partition([2; 16]),
            scope: "s".into(),
            cache_key: "k".into(),
            question: "q".into(),
            provider: "p".into(),
            model: "m".into(),
            wire: Wire::Gemini,
            answer: Bytes::from_static(b"answer"),
            unread: None,
            cost: -1,
            latency_us: 2,
            tokens: (3, 4),
            created_ms: 5,
            expires_ms: 6,
        };
        let mut rest = [[1; 16], [2; 16]].concat();
        for text in [b's', b'k', b'q', b'p', b'm'] {
            rest.extend_from_slice(&[1, text]);
        }
        rest.extend_from_slice(&[2, 1, 2, 3, 4, 10, 12]);
        rest.extend_from_slice(b"answer");
        let bytes = encode(&entry);
        assert_eq!((bytes[0], &bytes[PREFIX..]), (1, &rest[..]));
        let mut newer = bytes;
        newer[0] = 2;
        assert_eq!(decode(&Bytes::from(newer)), None);
    }
}
