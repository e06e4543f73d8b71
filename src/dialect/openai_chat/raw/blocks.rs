//! Bytes of JSON that are looked at at once: 64, of which each is a bit of a number, the first the
//! lowest, or 32, of which the first one is found that differs.

use pulp::x86::V3;
use std::arch::x86_64::__m256i;

// Without closures: those would not have the processor's features, and each step in them would be a call.

/// Which bytes of the block are `byte`.
#[inline(always)]
pub fn which(v3: V3, block: &[u8; 64], byte: u8) -> u64 {
    let [low, high]: [__m256i; 2] = pulp::cast(*block);
    let byte = v3.avx._mm256_set1_epi8(byte.cast_signed());
    bits(v3, v3.avx2._mm256_cmpeq_epi8(low, byte), v3.avx2._mm256_cmpeq_epi8(high, byte))
}

/// Which bytes of the block are above `byte`, as signed numbers: what is not ASCII is less than 0.
#[inline(always)]
pub fn above(v3: V3, block: &[u8; 64], byte: u8) -> u64 {
    let [low, high]: [__m256i; 2] = pulp::cast(*block);
    let byte = v3.avx._mm256_set1_epi8(byte.cast_signed());
    bits(v3, v3.avx2._mm256_cmpgt_epi8(low, byte), v3.avx2._mm256_cmpgt_epi8(high, byte))
}

/// Which bytes of the block are control characters.
#[inline(always)]
pub fn controls(v3: V3, block: &[u8; 64]) -> u64 {
    let [low, high]: [__m256i; 2] = pulp::cast(*block);
    bits(v3, is_control(v3, low), is_control(v3, high))
}

/// Where the first byte is that is more than itself in a string: a quote, a backslash or a control
/// character.
#[inline(always)]
pub fn first_special(v3: V3, bytes: &[u8; 32]) -> Option<usize> {
    let bytes: __m256i = pulp::cast(*bytes);
    let quotes = v3.avx2._mm256_cmpeq_epi8(bytes, v3.avx._mm256_set1_epi8(b'"'.cast_signed()));
    let backslash = v3.avx._mm256_set1_epi8(b'\\'.cast_signed());
    let backslashes = v3.avx2._mm256_cmpeq_epi8(bytes, backslash);
    let special = v3.avx2._mm256_or_si256(quotes, backslashes);
    let special = v3.avx2._mm256_or_si256(special, is_control(v3, bytes));
    match v3.avx2._mm256_movemask_epi8(special) {
        0 => None,
        some => Some(some.trailing_zeros() as usize),
    }
}

/// How many of the bytes are digits before one that is none.
#[inline(always)]
pub fn leading_digits(v3: V3, bytes: &[u8; 32]) -> usize {
    let from_zero =
        v3.avx2._mm256_sub_epi8(pulp::cast(*bytes), v3.avx._mm256_set1_epi8(b'0'.cast_signed()));
    let others = v3.avx2._mm256_max_epu8(from_zero, v3.avx._mm256_set1_epi8(10));
    let others = v3.avx2._mm256_movemask_epi8(v3.avx2._mm256_cmpeq_epi8(others, from_zero));
    others.trailing_zeros() as usize
}

#[inline(always)]
fn is_control(v3: V3, bytes: __m256i) -> __m256i {
    let last = v3.avx._mm256_set1_epi8(0x1f);
    v3.avx2._mm256_cmpeq_epi8(v3.avx2._mm256_max_epu8(bytes, last), last)
}

/// The block with small letters for capitals.
#[inline(always)]
pub fn lowercase(v3: V3, block: &[u8; 64]) -> [u8; 64] {
    let [low, high]: [__m256i; 2] = pulp::cast(*block);
    pulp::cast([lowercase_half(v3, low), lowercase_half(v3, high)])
}

#[inline(always)]
fn lowercase_half(v3: V3, half: __m256i) -> __m256i {
    let before = v3.avx._mm256_set1_epi8((b'A' - 1).cast_signed());
    let last = v3.avx._mm256_set1_epi8(b'Z'.cast_signed());
    let case = v3.avx._mm256_set1_epi8((b'a' - b'A').cast_signed());
    let begins = v3.avx2._mm256_cmpgt_epi8(half, before);
    let is_capital = v3.avx2._mm256_andnot_si256(v3.avx2._mm256_cmpgt_epi8(half, last), begins);
    v3.avx2._mm256_or_si256(half, v3.avx2._mm256_and_si256(is_capital, case))
}

/// Which bytes are escaped, by a backslash that is not escaped itself. `carry` is 1 when the block's
/// first byte is, by the last one of the block before, and becomes that of the next block.
///
/// One subtraction goes through all runs of backslashes, as in simdjson's `json_escape_scanner`. What
/// it leaves of a run that begins with an even bit is the run, and of one that begins with an odd bit
/// only the bit after it. Where that differs from the odd bits are the first, third, fifth backslash
/// of either, which escape, and the byte after an odd number of them, which is escaped.
#[inline(always)]
pub fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    // One that is escaped begins no run.
    let runs = backslashes & !*carry;
    let escaping_or_after = (runs << 1 | ODD).wrapping_sub(runs) ^ ODD;
    let escaped = escaping_or_after ^ (backslashes | *carry);
    *carry = (escaping_or_after & backslashes) >> 63;
    escaped
}

#[inline(always)]
fn bits(v3: V3, low: __m256i, high: __m256i) -> u64 {
    let low = v3.avx2._mm256_movemask_epi8(low).cast_unsigned();
    let high = v3.avx2._mm256_movemask_epi8(high).cast_unsigned();
    u64::from(high) << 32 | u64::from(low)
}
