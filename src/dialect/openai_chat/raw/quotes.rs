//! Where the strings of JSON end. Most are short, or have no quote in them; for long ones with many,
//! 64 bytes are looked at together, where the processor can.

#[cfg(target_arch = "x86_64")]
use super::blocks;

/// Bytes of a string that are looked at one by one: most strings end there, before anything faster has
/// begun.
const SHORT: usize = 24;

/// Where the string ends with which `json` begins: after its last quote, or with `json`.
pub(super) fn end_of_string(json: &[u8]) -> usize {
    let mut at = 1;
    while at < SHORT {
        match json.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return json.len(),
        }
    }
    match json.get(at..).and_then(first_quote) {
        Some(found) => at + found + 1,
        None => json.len(),
    }
}

/// The first quote that is not escaped.
pub(super) fn first_quote(text: &[u8]) -> Option<usize> {
    let first = memchr::memchr(b'"', text)?;
    if !is_escaped(text, first) {
        return Some(first);
    }
    // Who quotes once does so again: no more looking for the next quote and the next.
    let after = first + 1;
    let found = text.get(after..).and_then(first_quote_of_many)?;
    Some(after + found)
}

/// Whether what stands there has an odd number of backslashes before it: two of them are one that is
/// meant.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(target_arch = "x86_64")]
fn first_quote_of_many(text: &[u8]) -> Option<usize> {
    match pulp::x86::V3::try_new() {
        Some(v3) => v3.vectorize(FirstQuote { v3, text }),
        None => each_quote(text),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn first_quote_of_many(text: &[u8]) -> Option<usize> {
    each_quote(text)
}

/// Looks at one quote after the other.
fn each_quote(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'"', text).find(|at| !is_escaped(text, *at))
}

/// [`each_quote`], by blocks.
#[cfg(target_arch = "x86_64")]
struct FirstQuote<'a> {
    v3: pulp::x86::V3,
    text: &'a [u8],
}

#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for FirstQuote<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn call(self) -> Option<usize> {
        let (whole, rest) = self.text.as_chunks::<64>();
        let mut last = [0; 64];
        last.get_mut(..rest.len())?.copy_from_slice(rest);
        let mut carry = 0;
        for (number, block) in whole.iter().chain([&last]).enumerate() {
            let escaped = blocks::escaped(blocks::which(self.v3, block, b'\\'), &mut carry);
            let ends = blocks::which(self.v3, block, b'"') & !escaped;
            if ends != 0 {
                return Some(number * 64 + ends.trailing_zeros() as usize);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader does that looks at each byte.
    fn plainly(text: &[u8]) -> Option<usize> {
        let mut escaped = false;
        text.iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        })
    }

    fn agree(text: &[u8]) {
        let expected = plainly(text);
        assert_eq!(each_quote(text), expected, "one by one: {text:?}");
        assert_eq!(first_quote(text), expected, "as called: {text:?}");
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            assert_eq!(v3.vectorize(FirstQuote { v3, text }), expected, "blocks: {text:?}");
        }
        let json = [b"\"", text].concat();
        assert_eq!(end_of_string(&json), expected.map_or(json.len(), |found| found + 2));
    }

    /// Quotes that are escaped, so that many a string is long, and those that need not be.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => Just("a"), 2 => Just("\u{e9}"), 1 => Just("\u{1f600}"),
            4 => Just("\\\""), 4 => Just("\\\\"), 1 => Just("\\n"),
        ];
        let sound = prop::collection::vec(piece, 0..150).prop_map(|pieces| pieces.concat().into());
        let any = prop::collection::vec(prop::sample::select(&b"\"\\\\a\xc3\xa9"[..]), 0..200);
        let ended = (sound.clone(), any.clone()).prop_map(|(sound, any)| [sound, any].concat());
        prop_oneof![sound, any, ended]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_way_finds_the_same_quote(text in text()) {
            agree(&text);
        }
    }

    #[test]
    fn a_run_of_backslashes_may_stand_anywhere() {
        for before in 0..140 {
            for run in (0..6).chain(60..70).chain(124..132) {
                let text = [&vec![b'a'; before][..], &vec![b'\\'; run], b"\"a\""].concat();
                agree(&text);
                agree(&text[..text.len() - 1]);
                agree(&text[..text.len() - 3]);
            }
        }
    }
}
