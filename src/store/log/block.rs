//! Blocks: many requests in one row of the database.
//!
//! A request costs a few hundred nanoseconds and some 60 bytes in a block, where a row of its own
//! with two indexes costs ten times as much of both. Names repeat from request to request, so a
//! block keeps each once, in a dictionary.

use super::record::{LogCache, LogRecord, LogRow};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// The version of the format, the first byte of a block's data. Since version 2 each row is followed by
/// what the cache did.
const VERSION: u8 = 2;
/// The version that knew nothing of the cache.
const WITHOUT_CACHE: u8 = 1;
/// Rows of a block at most.
pub const BLOCK_ROWS: usize = 1024;

/// A block that is being filled.
#[derive(Debug, Default)]
pub struct Block {
    rows: usize,
    from_ms: i64,
    to_ms: i64,
    ids: Vec<u8>,
    words: Vec<u8>,
    word_count: u32,
    known: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    encoded: Vec<u8>,
}

/// A row as it stands in a block: its id and the rest with its words as numbers.
#[derive(Serialize, Deserialize)]
struct Stored<I> {
    id: I,
    row: LogRow<u32>,
}

impl Block {
    /// Adds a request.
    pub fn push(&mut self, id: &str, row: &LogRow<&str>, cache: Option<LogCache>) {
        let row = row.map(|text| self.word(text));
        self.from_ms =
            if self.rows == 0 { row.timestamp_ms } else { self.from_ms.min(row.timestamp_ms) };
        self.to_ms =
            if self.rows == 0 { row.timestamp_ms } else { self.to_ms.max(row.timestamp_ms) };
        self.ids.extend_from_slice(&id_hash(id));
        append(&mut self.encoded, &Stored { id, row });
        append(&mut self.encoded, &cache);
        self.rows += 1;
    }

    /// How many requests it holds.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.rows >= BLOCK_ROWS
    }

    /// The earliest and the latest arrival, Unix milliseconds.
    pub(super) fn times(&self) -> (i64, i64) {
        (self.from_ms, self.to_ms)
    }

    /// The hashes of the ids.
    pub(super) fn ids(&self) -> &[u8] {
        &self.ids
    }

    /// The block as it is stored: version, dictionary, rows.
    pub(super) fn data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.words.len() + self.encoded.len() + 8);
        data.push(VERSION);
        append(&mut data, &self.word_count);
        data.extend_from_slice(&self.words);
        data.extend_from_slice(&self.encoded);
        data
    }

    fn word(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.known.get(text) {
            return number;
        }
        let number = self.word_count;
        append(&mut self.words, text);
        self.known.insert(text.into(), number);
        self.word_count += 1;
        number
    }
}

/// The requests of a block in the order in which they finished; `None` when the data is damaged or
/// of a later version.
pub(super) fn records(data: &[u8], rows: usize) -> Option<Vec<LogRecord>> {
    let (&version, mut rest) = data.split_first()?;
    if !(WITHOUT_CACHE..=VERSION).contains(&version) {
        return None;
    }
    let count: u32 = take(&mut rest)?;
    let mut words: Vec<&str> = Vec::new();
    for _ in 0..count {
        words.push(take(&mut rest)?);
    }
    let mut records = Vec::with_capacity(rows.min(BLOCK_ROWS));
    for _ in 0..rows {
        let Stored { id, row } = take::<Stored<String>>(&mut rest)?;
        let cache = if version == WITHOUT_CACHE { None } else { take(&mut rest)? };
        let mut damaged = false;
        let row = row.map(|&number| {
            let word = words.get(number as usize).copied();
            damaged |= word.is_none();
            word.unwrap_or_default().to_owned()
        });
        if damaged {
            return None;
        }
        records.push(LogRecord { id, row, cache });
    }
    Some(records)
}

/// Whether a block with these hashes may hold the request.
pub(super) fn may_hold(ids: &[u8], id: &str) -> bool {
    let wanted = id_hash(id);
    ids.chunks_exact(4).any(|hash| hash == wanted)
}

/// CRC-32, because every version of every process must make the same of an id.
fn id_hash(id: &str) -> [u8; 4] {
    crc32fast::hash(id.as_bytes()).to_le_bytes()
}

/// Appends what cannot fail to be encoded: every length in it is known and a vector takes any
/// number of bytes.
fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    *out = postcard::to_extend(value, std::mem::take(out)).unwrap_or_default();
}

fn take<'de, T: Deserialize<'de>>(rest: &mut &'de [u8]) -> Option<T> {
    let (value, left) = postcard::take_from_bytes(rest).ok()?;
    *rest = left;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::log::record::{CacheKind, LogAttempt};
    use smallvec::smallvec;

    /// Two requests that failed, as a gateway of version 1 wrote them.
    const VERSION_1: &str = "010c0f636861745f636f6d706c6574696f6e126e6f626f64792f6770742d346f2d6d696e690870726f766964 \
        65729601546865206d6f64656c20276e6f626f64792f6770742d346f2d6d696e6927206973206e6f74207365 \
        7276656420627920616e7920636f6e666967757265642070726f76696465723b206d6f64656c2073686f756c \
        6420626520696e2070726f76696465722f6d6f64656c20666f726d61742c2077697468206f6e65206f662074 \
        686573652070726f7669646572733a206f70656e6169096e6f745f666f756e64126f70656e61692f6770742d \
        346f2d6d696e69066f70656e61690b6770742d346f2d6d696e692436326465343738612d366166662d343936 \
        632d623862352d3438646330313961386631330e4f50454e41495f4150495f4b455907636f6e6e6563743e6f \
        70656e616920636f756c64206e6f7420626520726561636865643a20436f6e6e656374696f6e207265667573 \
        656420286f73206572726f72203131312914726571756573742d6f662d76657273696f6e2d31dc87b5d9c268 \
        0000000100009403500000000000000200000103010409726571756573742d32be88b5d9c268000000050106 \
        0107f603bb0100000000000002000106080907007df603010a010b010a";

    fn row(model: &str, error: Option<&'static str>) -> LogRow<String> {
        let attempt = LogAttempt {
            provider: "openai".to_owned(),
            key_id: "id-1".to_owned(),
            key: "key-1".to_owned(),
            model: model.to_owned(),
            fallback_index: 1,
            latency_us: 1_200_000,
            status: 429,
            failure: error.map(str::to_owned),
        };
        LogRow {
            timestamp_ms: 1_764_000_000_000,
            operation: "chat_completion".to_owned(),
            stream: true,
            virtual_key: Some(("vk-1".to_owned(), "prod".to_owned())),
            model_requested: model.to_owned(),
            provider: Some("openai".to_owned()),
            model: None,
            status: 200,
            latency_us: u64::MAX,
            first_token_us: Some(3),
            input_tokens: 10,
            cached_read_tokens: 4,
            cached_write_tokens: 1,
            output_tokens: 20,
            reasoning_tokens: 5,
            usage_source: "provider".to_owned(),
            cost_nano: Some(-1),
            attempts: smallvec![attempt.clone(), attempt],
            error: error.map(str::to_owned),
            error_kind: None,
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let rows = [row("gpt-4o-mini", None), row("modèle \"x\"\n", Some("rate_limit"))];
        let hit = LogCache { kind: CacheKind::Semantic, saved_nano: 345_000, saved_us: 1_200_000 };
        let caches = [None, Some(hit)];
        let mut block = Block::default();
        for (number, row) in rows.iter().enumerate() {
            block.push(&format!("request-{number}"), &row.map(String::as_str), caches[number]);
        }
        let found = records(&block.data(), 2).unwrap();
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(
                (&found[number].id, &found[number].row),
                (&format!("request-{number}"), row)
            );
            assert_eq!(found[number].cache, caches[number]);
        }
        assert!(may_hold(block.ids(), "request-1"));
        assert!(!may_hold(block.ids(), "request-2"));
    }

    #[test]
    fn blocks_from_before_the_cache_are_read() {
        let text: Vec<u8> = VERSION_1.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let data: Vec<u8> = text.chunks(2).map(byte).collect();
        let found = records(&data, 2).unwrap();
        let ids: Vec<&str> = found.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["request-of-version-1", "request-2"]);
        assert_eq!((found[0].row.status, found[1].row.status), (404, 502));
        assert_eq!(found[1].row.attempts[0].failure.as_deref(), Some("connect"));
        assert!(found.iter().all(|record| record.cache.is_none()));
        assert_eq!(records(&[VERSION + 1, 0], 0), None, "of a later version");
    }

    #[test]
    fn a_request_among_many_takes_little_room() {
        let row = row("gpt-4o-mini", None);
        let mut block = Block::default();
        while !block.is_full() {
            block.push("0199a1b2-0000-7000-8000-000000000000", &row.map(String::as_str), None);
        }
        let bytes = block.data().len() + block.ids().len();
        assert!(bytes / BLOCK_ROWS < 120, "{bytes}");
    }

    #[test]
    fn damaged_data_is_no_record_and_no_panic() {
        let mut block = Block::default();
        block.push("request-1", &row("gpt-4o-mini", None).map(String::as_str), None);
        let data = block.data();
        for end in 0..data.len() {
            assert_eq!(records(&data[..end], 1), None);
        }
        for at in 0..data.len() {
            let mut damaged = data.clone();
            damaged[at] = damaged[at].wrapping_add(0x80);
            let _no_panic = records(&damaged, 1);
        }
        assert_eq!(records(&data, 2), None);
    }
}
