//! Eight bytes of a string in JSON, looked at at once.

/// A byte in each of eight places.
const EACH: u64 = u64::from_le_bytes([1; 8]);

/// How many of them stand for themselves before one that does not: a quote, a backslash or a control
/// character. Done for every chunk.
pub(super) fn plain_bytes(bytes: &[u8; 8]) -> usize {
    let word = u64::from_le_bytes(*bytes);
    before(is(word, b'"') | is(word, b'\\') | less(word, b' '))
}

/// Sets the highest bit of the first byte that is less than that, and none before it.
fn less(word: u64, than: u8) -> u64 {
    word.wrapping_sub(EACH * u64::from(than)) & !word
}

/// The same of the first one that is that.
fn is(word: u64, byte: u8) -> u64 {
    less(word ^ (EACH * u64::from(byte)), 1)
}

/// How many bytes stand before the first with its highest bit set.
fn before(found: u64) -> usize {
    (found & (EACH << 7)).trailing_zeros() as usize / 8
}
