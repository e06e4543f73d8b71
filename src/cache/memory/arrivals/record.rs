//! An answer in a segment.
//!
//! ```text
//! length of all of it: 4 bytes │ fingerprint: 16 │ partition: 16 │ expires: 8
//! codes of format and form, flags, which counts of the usage are not 0: 1 each │ those counts: 8 each
//! cost that the usage reports, cost, latency, created: 8 each
//! scope, cache key, question, provider, model: the length in 4 and the text, each │ answer
//! ```
//!
//! Numbers are little-endian. Nothing of it leaves the process.

use crate::cache::record::{wire_code, wire_of};
use crate::cache::{Arrival, Fingerprint, Form, Partition, Unread};
use crate::llm::{Cost, Usage};

/// Bytes of the first line.
const FIXED: usize = 4 + 16 + 16 + 8;
/// Bytes that the numbers after it take at most, lengths among them.
const NUMBERS: usize = 4 + 9 * 8 + 3 * 8 + 5 * 4;

/// A record of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) fingerprint: Fingerprint,
    partition: Partition,
    /// Unix milliseconds.
    pub(super) expires_ms: i64,
    /// Bytes of it in the segment.
    pub(super) length: usize,
    /// What follows the first line.
    rest: &'a [u8],
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
    let (fixed, rest) = room.split_first_chunk_mut::<FIXED>()?;
    let mut to = Writer { room: rest, end: 0 };
    let usage = numbers_of(&arrival.unread.usage);
    // Most are zero.
    let counts = usage.iter().rev().fold(0, |counts, number| counts << 1 | u8::from(*number != 0));
    let Unread { form, keeps_tools, usage: Usage { cost, .. } } = arrival.unread;
    let flags = u8::from(keeps_tools) | u8::from(cost.is_some()) << 1;
    to.bytes(&[wire_code(arrival.wire), form_code(form), flags, counts])?;
    for number in usage.iter().filter(|number| **number != 0) {
        to.bytes(&number.to_le_bytes())?;
    }
    to.bytes(&cost.map_or(0, |cost| cost.0).to_le_bytes())?;
    to.bytes(&arrival.cost.to_le_bytes())?;
    to.bytes(&arrival.latency_us.to_le_bytes())?;
    to.bytes(&arrival.created_ms.to_le_bytes())?;
    let Arrival { scope, cache_key, question, provider, model, .. } = arrival;
    for text in [scope, cache_key, question, provider, model] {
        to.bytes(&u32::try_from(text.len()).ok()?.to_le_bytes())?;
        to.bytes(text.as_bytes())?;
    }
    to.bytes(arrival.answer)?;
    let length = FIXED + to.end;
    fixed[..4].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    fixed[4..20].copy_from_slice(&arrival.fingerprint.0);
    fixed[20..36].copy_from_slice(&arrival.partition.0);
    fixed[36..].copy_from_slice(&arrival.expires_ms.to_le_bytes());
    Some(length)
}

struct Writer<'a> {
    room: &'a mut [u8],
    end: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.end + bytes.len();
        self.room.get_mut(self.end..end)?.copy_from_slice(bytes);
        self.end = end;
        Some(())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u32::from_le_bytes(self.bytes()?);
        let (text, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

fn numbers_of(usage: &Usage) -> [u64; 8] {
    [
        usage.input,
        usage.cached_read,
        usage.cached_write,
        usage.cached_write_1h,
        usage.output,
        usage.reasoning,
        usage.input_audio,
        usage.output_audio,
    ]
}

fn form_code(form: Form) -> u8 {
    match form {
        Form::Chat => 0,
        Form::ChatStream => 1,
        Form::Embedding => 2,
    }
}

fn form_of(code: u8) -> Option<Form> {
    [Form::Chat, Form::ChatStream, Form::Embedding].get(usize::from(code)).copied()
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
        let mut from = Reader(self.rest);
        let [wire, form, flags, counts] = from.bytes()?;
        let mut numbers = [0; 8];
        for (place, number) in numbers.iter_mut().enumerate() {
            if counts >> place & 1 == 1 {
                *number = u64::from_le_bytes(from.bytes()?);
            }
        }
        let [input, cached_read, cached_write, cached_write_1h, output, reasoning, ..] = numbers;
        let [.., input_audio, output_audio] = numbers;
        let cost = i64::from_le_bytes(from.bytes()?);
        let usage = Usage {
            input,
            cached_read,
            cached_write,
            cached_write_1h,
            output,
            reasoning,
            input_audio,
            output_audio,
            cost: (flags & 2 != 0).then_some(Cost(cost)),
        };
        let cost = i64::from_le_bytes(from.bytes()?);
        let latency_us = u64::from_le_bytes(from.bytes()?);
        let created_ms = i64::from_le_bytes(from.bytes()?);
        Some(Arrival {
            fingerprint: self.fingerprint,
            partition: self.partition,
            scope: from.text()?,
            cache_key: from.text()?,
            question: from.text()?,
            provider: from.text()?,
            model: from.text()?,
            wire: wire_of(wire)?,
            answer: from.0,
            unread: Unread { form: form_of(form)?, keeps_tools: flags & 1 != 0, usage },
            cost,
            latency_us,
            created_ms,
            expires_ms: self.expires_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Wire;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![2 => Just(0), 1 => 1..1000_u64, 1 => any::<u64>()]
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written_and_takes_no_more_than_was_said(
            texts in prop::collection::vec("[a-z\u{e9}]{0,9}", 5),
            answer in prop::collection::vec(any::<u8>(), 0..60),
            numbers in prop::collection::vec(number(), 8),
            (usage_cost, cost, expires_ms) in any::<(Option<i64>, i64, i64)>(),
            (keeps_tools, form) in (any::<bool>(), 0..3_u8),
        ) {
            let [scope, cache_key, question, provider, model] = &*texts else { unreachable!() };
            let usage = Usage {
                input: numbers[0],
                cached_read: numbers[1],
                cached_write: numbers[2],
                cached_write_1h: numbers[3],
                output: numbers[4],
                reasoning: numbers[5],
                input_audio: numbers[6],
                output_audio: numbers[7],
                cost: usage_cost.map(Cost),
            };
            let arrival = Arrival {
                fingerprint: Fingerprint([1; 16]),
                partition: Partition([2; 16]),
                scope,
                cache_key,
                question,
                provider,
                model,
                wire: Wire::OpenaiChat,
                answer: &answer,
                unread: Unread { form: form_of(form).unwrap(), keeps_tools, usage },
                cost,
                latency_us: 7,
                created_ms: -1,
                expires_ms,
            };
            let mut room = vec![0xff; most_bytes(&arrival) + 9];
            let length = write(&arrival, &mut room).unwrap();
            prop_assert!(length <= most_bytes(&arrival));
            let record = Record::first(&room).unwrap();
            prop_assert_eq!(record.length, length);
            prop_assert_eq!(record.arrival(), Some(arrival));
            for short in 0..length {
                prop_assert_eq!(write(&arrival, &mut room[..short]), None);
            }
        }
    }
}
