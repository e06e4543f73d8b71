//! An answer in a segment.
//!
//! ```text
//! length of all of it: 4 bytes │ fingerprint: 16 │ partition: 16 │ expires: 8 │ head: postcard │ answer
//! ```
//!
//! Numbers are little-endian. Nothing of it leaves the process.

use crate::cache::record::{wire_code, wire_of};
use crate::cache::{Arrival, Fingerprint, Form, Partition, Unread};
use crate::llm::{Cost, Usage};
use serde::{Deserialize, Serialize};

/// Bytes before the head.
const FIXED: usize = 4 + 16 + 16 + 8;
/// Bytes that the numbers of a head take at most: ten for each.
const NUMBERS: usize = 256;

/// A record of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) fingerprint: Fingerprint,
    partition: Partition,
    /// Unix milliseconds.
    pub(super) expires_ms: i64,
    /// Bytes of it in the segment.
    pub(super) length: usize,
    /// Head and answer.
    rest: &'a [u8],
}

/// What `cache::record` has in its head, and how the answer is to be read; that one outlives the process
/// and is of a fixed form, this one is not.
#[derive(Debug, Serialize, Deserialize)]
struct Head<'a> {
    scope: &'a str,
    cache_key: &'a str,
    question: &'a str,
    provider: &'a str,
    model: &'a str,
    wire: u8,
    form: Form,
    keeps_tools: bool,
    usage: [u64; 8],
    usage_cost: Option<i64>,
    cost: i64,
    latency_us: u64,
    created_ms: i64,
}

/// Bytes that an answer's record takes at most.
pub(super) fn most_bytes(arrival: &Arrival) -> usize {
    let Arrival { scope, cache_key, question, provider, model, answer, .. } = arrival;
    let texts = [scope, cache_key, question, provider, model].map(|text| text.len());
    FIXED + NUMBERS + texts.iter().sum::<usize>() + answer.len()
}

/// Writes an answer to the beginning of `room` and says how many bytes that took; `None` where there is
/// not enough room.
pub(super) fn write(arrival: &Arrival, room: &mut [u8]) -> Option<usize> {
    let usage = &arrival.unread.usage;
    let head = Head {
        scope: arrival.scope,
        cache_key: arrival.cache_key,
        question: arrival.question,
        provider: arrival.provider,
        model: arrival.model,
        wire: wire_code(arrival.wire),
        form: arrival.unread.form,
        keeps_tools: arrival.unread.keeps_tools,
        usage: [
            usage.input,
            usage.cached_read,
            usage.cached_write,
            usage.cached_write_1h,
            usage.output,
            usage.reasoning,
            usage.input_audio,
            usage.output_audio,
        ],
        usage_cost: usage.cost.map(|cost| cost.0),
        cost: arrival.cost,
        latency_us: arrival.latency_us,
        created_ms: arrival.created_ms,
    };
    let (fixed, rest) = room.split_first_chunk_mut::<FIXED>()?;
    let head = postcard::to_slice(&head, rest).ok()?.len();
    rest.get_mut(head..)?.get_mut(..arrival.answer.len())?.copy_from_slice(arrival.answer);
    let length = FIXED + head + arrival.answer.len();
    fixed[..4].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    fixed[4..20].copy_from_slice(&arrival.fingerprint.0);
    fixed[20..36].copy_from_slice(&arrival.partition.0);
    fixed[36..].copy_from_slice(&arrival.expires_ms.to_le_bytes());
    Some(length)
}

impl<'a> Record<'a> {
    /// The record with which these bytes begin.
    pub(super) fn first(bytes: &'a [u8]) -> Option<Self> {
        let (length, after) = bytes.split_first_chunk::<4>()?;
        let (fingerprint, after) = after.split_first_chunk::<16>()?;
        let (partition, after) = after.split_first_chunk::<16>()?;
        let (expires_ms, _) = after.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(*length) as usize;
        Some(Record {
            fingerprint: Fingerprint(*fingerprint),
            partition: Partition(*partition),
            expires_ms: i64::from_le_bytes(*expires_ms),
            length,
            rest: bytes.get(FIXED..length)?,
        })
    }

    /// What was written.
    pub(super) fn arrival(&self) -> Option<Arrival<'a>> {
        let (head, answer) = postcard::take_from_bytes::<Head>(self.rest).ok()?;
        let [input, cached_read, cached_write, cached_write_1h, output, reasoning, ..] = head.usage;
        let [.., input_audio, output_audio] = head.usage;
        let usage = Usage {
            input,
            cached_read,
            cached_write,
            cached_write_1h,
            output,
            reasoning,
            input_audio,
            output_audio,
            cost: head.usage_cost.map(Cost),
        };
        Some(Arrival {
            fingerprint: self.fingerprint,
            partition: self.partition,
            scope: head.scope,
            cache_key: head.cache_key,
            question: head.question,
            provider: head.provider,
            model: head.model,
            wire: wire_of(head.wire)?,
            answer,
            unread: Unread { form: head.form, keeps_tools: head.keeps_tools, usage },
            cost: head.cost,
            latency_us: head.latency_us,
            created_ms: head.created_ms,
            expires_ms: self.expires_ms,
        })
    }
}
