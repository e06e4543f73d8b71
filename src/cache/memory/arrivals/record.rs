//! An answer in a segment.
//!
//! ```text
//! length of all of it: 4 bytes │ codes of format and form, flags, nothing: 1 each
//! fingerprint: 16 │ partition: 16 │ expires: 8
//! created, latency, cost: 8 each │ of the usage: reported cost, input and output tokens: 8 each
//! lengths of scope, cache key, question, provider, model, nothing: 4 each
//! the other counts of the usage, if any of them is not 0: 8 each
//! scope │ cache key │ question │ provider │ model │ answer
//! ```
//!
//! Numbers are little-endian. Nothing of it leaves the process.

use crate::cache::record::{wire_code, wire_of};
use crate::cache::{Arrival, Fingerprint, Form, Partition, Question, Unread};
use crate::llm::{Cost, Usage};

/// Numbers of 8 bytes with which a record begins.
const WORDS: usize = 15;
/// Bytes of those.
const FIXED: usize = WORDS * 8;
/// Counts of the usage that most answers do not have.
const SELDOM: usize = 6;

/// Flags.
const KEEPS_TOOLS: u8 = 1;
const REPORTS_COST: u8 = 2;
const IS_JSON: u8 = 4;
const HAS_SELDOM: u8 = 8;

/// A record of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    words: [u64; WORDS],
    /// What follows them, and maybe other records.
    rest: &'a [u8],
}

/// Bytes that an answer's record takes at most.
pub(super) fn most_bytes(arrival: &Arrival) -> usize {
    let texts: usize = texts_of(arrival).iter().map(|text| text.len()).sum();
    FIXED + 8 * SELDOM + texts + arrival.answer.len()
}

fn texts_of<'a>(arrival: &Arrival<'a>) -> [&'a [u8]; 5] {
    let Arrival { scope, cache_key, question, provider, model, .. } = arrival;
    let bytes = str::as_bytes;
    [bytes(scope), bytes(cache_key), question.bytes(), bytes(provider), bytes(model)]
}

/// Writes an answer to the beginning of `room` and says how many bytes that took; `None` where there is
/// not enough room.
pub(super) fn write(arrival: &Arrival, room: &mut [u8]) -> Option<usize> {
    let (fixed, rest) = room.split_first_chunk_mut::<FIXED>()?;
    let Unread { form, keeps_tools, usage } = &arrival.unread;
    let mut to = Writer { room: rest, end: 0 };
    let mut flags = 0;
    let seldom = seldom_of(usage);
    if seldom.iter().any(|count| *count != 0) {
        flags |= HAS_SELDOM;
        for count in seldom {
            to.bytes(&count.to_le_bytes())?;
        }
    }
    let texts = texts_of(arrival);
    for text in texts {
        to.bytes(text)?;
    }
    to.bytes(arrival.answer)?;
    let length = FIXED + to.end;
    for (flag, is_set) in [
        (KEEPS_TOOLS, *keeps_tools),
        (REPORTS_COST, usage.cost.is_some()),
        (IS_JSON, matches!(arrival.question, Question::Json(_))),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    let codes = u32::from_le_bytes([wire_code(arrival.wire), form_code(*form), flags, 0]);
    let [scope, cache_key, question, provider, model] = texts.map(|text| text.len() as u64);
    let [fingerprint, fingerprint_end] = halves(arrival.fingerprint.0);
    let [partition, partition_end] = halves(arrival.partition.0);
    let words: [u64; WORDS] = [
        length as u64 | u64::from(codes) << 32,
        fingerprint,
        fingerprint_end,
        partition,
        partition_end,
        arrival.expires_ms.cast_unsigned(),
        arrival.created_ms.cast_unsigned(),
        arrival.latency_us,
        arrival.cost.cast_unsigned(),
        usage.cost.map_or(0, |cost| cost.0).cast_unsigned(),
        usage.input,
        usage.output,
        scope | cache_key << 32,
        question | provider << 32,
        model,
    ];
    // So all lengths in it do too.
    u32::try_from(length).ok()?;
    let (places, _) = fixed.as_chunks_mut();
    places.iter_mut().zip(words).for_each(|(place, word)| *place = word.to_le_bytes());
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

fn seldom_of(usage: &Usage) -> [u64; SELDOM] {
    [
        usage.cached_read,
        usage.cached_write,
        usage.cached_write_1h,
        usage.reasoning,
        usage.input_audio,
        usage.output_audio,
    ]
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let whole = u128::from_le_bytes(bytes);
    [whole as u64, (whole >> 64) as u64]
}

fn joined(first: u64, second: u64) -> [u8; 16] {
    (u128::from(first) | u128::from(second) << 64).to_le_bytes()
}

/// Two numbers of 4 bytes each.
fn two(word: u64) -> [usize; 2] {
    [word as u32 as usize, (word >> 32) as usize]
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
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
        let (words, _) = fixed.as_chunks();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let words = std::array::from_fn(|_| words.next().unwrap_or_default());
        let record = Record { words, rest };
        // Or walks would not come to their end.
        (record.length() >= FIXED).then_some(record)
    }

    /// The request that it answers.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(joined(self.words[1], self.words[2]))
    }

    /// Unix milliseconds.
    pub(super) fn expires_ms(&self) -> i64 {
        self.words[5].cast_signed()
    }

    /// Bytes of it in the segment.
    pub(super) fn length(&self) -> usize {
        self.words[0] as u32 as usize
    }

    /// What was written.
    pub(super) fn arrival(&self) -> Option<Arrival<'a>> {
        let [codes, _, _, partition, partition_end, _, created, latency_us, cost, ..] = self.words;
        let [.., reported, input, output, scope_and_key, question_and_provider, model] = self.words;
        let [_, _, _, _, wire, form, flags, _] = codes.to_le_bytes();
        let mut rest = self.rest.get(..self.length().checked_sub(FIXED)?)?;
        let mut next = |length| {
            let (bytes, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(bytes)
        };
        let mut usage = Usage { input, output, ..Usage::default() };
        usage.cost = (flags & REPORTS_COST != 0).then_some(Cost(reported.cast_signed()));
        if flags & HAS_SELDOM != 0 {
            let (counts, _) = next(8 * SELDOM)?.as_chunks();
            let counts: [[u8; 8]; SELDOM] = counts.try_into().ok()?;
            let [cached_read, cached_write, cached_write_1h, reasoning, input_audio, output_audio] =
                counts.map(u64::from_le_bytes);
            usage = Usage {
                cached_read,
                cached_write,
                cached_write_1h,
                reasoning,
                input_audio,
                output_audio,
                ..usage
            };
        }
        let text = |bytes: Option<&'a [u8]>| std::str::from_utf8(bytes?).ok();
        let ([scope, cache_key], [question, provider]) =
            (two(scope_and_key), two(question_and_provider));
        let (scope, cache_key) = (text(next(scope))?, text(next(cache_key))?);
        let question = match flags & IS_JSON != 0 {
            true => Question::Json(next(question)?),
            false => Question::Text(text(next(question))?),
        };
        let (provider, model) = (text(next(provider))?, text(next(two(model)[0]))?);
        Some(Arrival {
            fingerprint: self.fingerprint(),
            partition: Partition(joined(partition, partition_end)),
            scope,
            cache_key,
            question,
            provider,
            model,
            wire: wire_of(wire)?,
            answer: rest,
            unread: Unread { form: form_of(form)?, keeps_tools: flags & KEEPS_TOOLS != 0, usage },
            cost: cost.cast_signed(),
            latency_us,
            created_ms: created.cast_signed(),
            expires_ms: self.expires_ms(),
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
            (keeps_tools, is_json, form) in (any::<bool>(), any::<bool>(), 0..3_u8),
            (names, latency_us, created_ms) in any::<([[u8; 16]; 2], u64, i64)>(),
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
                fingerprint: Fingerprint(names[0]),
                partition: Partition(names[1]),
                scope,
                cache_key,
                question: match is_json {
                    true => Question::Json(question.as_bytes()),
                    false => Question::Text(question),
                },
                provider,
                model,
                wire: Wire::OpenaiChat,
                answer: &answer,
                unread: Unread { form: form_of(form).unwrap(), keeps_tools, usage },
                cost,
                latency_us,
                created_ms,
                expires_ms,
            };
            let mut room = vec![0xff; most_bytes(&arrival) + 9];
            let length = write(&arrival, &mut room).unwrap();
            prop_assert!(length <= most_bytes(&arrival));
            let record = Record::first(&room).unwrap();
            prop_assert_eq!((record.length(), record.expires_ms()), (length, expires_ms));
            prop_assert_eq!(record.arrival(), Some(arrival));
            for short in 0..length {
                prop_assert_eq!(write(&arrival, &mut room[..short]), None);
            }
        }
    }
}
