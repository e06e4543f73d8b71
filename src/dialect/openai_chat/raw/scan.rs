//! Checks JSON that nobody has checked yet, at the speed of looking for the ends of its strings:
//! most of a long request is text, which is looked at 32 or 64 bytes at a time.
//!
//! What it lets pass is JSON by the grammar of [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259),
//! as `serde_json` reads it, but that of UTF-8 it checks only the names of the top level. What it
//! does not let pass may be JSON all the same: deeply nested, or with escapes in such a name. That
//! is for somebody slower to find out, who can also say what is wrong.

use super::blocks;
use pulp::x86::V3;
use std::ops::Range;

/// Objects and arrays within each other that are followed.
const DEEPEST: u32 = 64;
/// Bytes in which most strings and numbers end.
const SHORT: usize = 32;
/// Bytes of a long string that are looked at together.
const BLOCK: usize = 64;

/// A member of an object.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// As it stands between its quotes; it has no escapes.
    pub(super) name: &'a str,
    /// Where it begins: the name's opening quote.
    pub(super) start: usize,
    /// Where its value stands, without white space around it.
    pub(super) value: Range<usize>,
}

/// A place in an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    v3: V3,
    json: &'a [u8],
    at: usize,
    /// Whether a member has been seen.
    begun: bool,
}

impl<'a> Scan<'a> {
    /// At the beginning of an object, if JSON begins with one.
    pub(super) fn of_object(v3: V3, json: &'a [u8]) -> Option<Self> {
        let mut scan = Scan { v3, json, at: 0, begun: false };
        scan.space();
        scan.take(b'{').then_some(scan)
    }

    /// The next member; `Some(None)` at the end of the JSON. Not to be called after that.
    pub(super) fn member(&mut self) -> Option<Option<Piece<'a>>> {
        self.space();
        if self.take(b'}') {
            self.space();
            return (self.at == self.json.len()).then_some(None);
        }
        if self.begun {
            self.expect(b',')?;
            self.space();
        }
        self.begun = true;
        let (start, v3) = (self.at, self.v3);
        let (name, value, after) = v3.vectorize(Member(*self))?;
        *self = after;
        let name = std::str::from_utf8(self.json.get(name)?).ok()?;
        // With escapes it may be one that is known.
        (!name.contains('\\')).then_some(Some(Piece { name, start, value }))
    }

    /// A name and a value with all that is in it. One loop, so that what reads strings is there
    /// once.
    #[inline(always)]
    fn name_and_value(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        let (mut name, mut value) = (0..0, 0..0);
        // Which of those around this place are objects; the innermost is the lowest bit.
        let (mut objects, mut depth) = (0_u64, 0);
        let mut is_name = true;
        loop {
            match self.peek()? {
                b'"' => {
                    let start = self.at + 1;
                    self.string()?;
                    if is_name {
                        let end = self.at - 1;
                        self.space();
                        self.expect(b':')?;
                        self.space();
                        if depth == 0 {
                            (name, value.start) = (start..end, self.at);
                        }
                        is_name = false;
                        continue;
                    }
                }
                _ if is_name => return None,
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    self.space();
                    let is_object = bracket == b'{';
                    if !self.take(end_of(is_object)) {
                        if depth == DEEPEST {
                            return None;
                        }
                        depth += 1;
                        objects = objects << 1 | u64::from(is_object);
                        is_name = is_object;
                        continue;
                    }
                }
                b'n' => self.word(b"null")?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                _ => self.number()?,
            }
            // After a value.
            loop {
                if depth == 0 {
                    value.end = self.at;
                    return Some((name, value));
                }
                self.space();
                let is_object = objects & 1 == 1;
                if self.take(b',') {
                    self.space();
                    is_name = is_object;
                    break;
                }
                self.expect(end_of(is_object))?;
                objects >>= 1;
                depth -= 1;
            }
        }
    }

    /// A string, from its first quote on.
    #[inline(always)]
    fn string(&mut self) -> Option<()> {
        self.at += 1;
        if let Some(begin) = self.json.get(self.at..).and_then(<[u8]>::first_chunk::<SHORT>) {
            match blocks::first_special(self.v3, begin) {
                Some(found) if begin.get(found) == Some(&b'"') => {
                    self.at += found + 1;
                    return Some(());
                }
                Some(_) => {}
                None => self.at += SHORT,
            }
        }
        self.long_string()
    }

    #[inline(always)]
    fn long_string(&mut self) -> Option<()> {
        let mut carry = 0;
        loop {
            let mut rest = [0; BLOCK];
            let block = match self.json.get(self.at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
                Some(block) => block,
                None => {
                    // What stands behind the end is no part of a string.
                    let end = self.json.get(self.at..)?;
                    rest.get_mut(..end.len())?.copy_from_slice(end);
                    &rest
                }
            };
            let quotes = blocks::which(self.v3, block, b'"');
            let backslashes = blocks::which(self.v3, block, b'\\');
            let escaped = match backslashes | carry {
                0 => 0,
                _ => blocks::escaped(backslashes, &mut carry),
            };
            let ends = quotes & !escaped;
            // All before the first.
            let inside = ends.wrapping_sub(1) & !ends;
            if blocks::controls(self.v3, block) & inside != 0 {
                return None;
            }
            let usual = quotes | backslashes;
            let mut seldom = escaped & inside & !usual;
            while seldom != 0 {
                self.escape(self.at + seldom.trailing_zeros() as usize)?;
                seldom &= seldom - 1;
            }
            if ends != 0 {
                self.at += ends.trailing_zeros() as usize + 1;
                return Some(());
            }
            self.at += BLOCK;
        }
    }

    /// What follows a backslash there, but for a quote or a backslash.
    #[inline(always)]
    fn escape(&self, at: usize) -> Option<()> {
        match self.json.get(at)? {
            b'n' | b't' | b'r' | b'/' | b'b' | b'f' => Some(()),
            b'u' => {
                let digits = self.json.get(at + 1..at + 5)?;
                // All four, since the processor cannot guess which is the first that is none.
                let others = digits.iter().fold(0, |all, digit| all | NO_HEX[usize::from(*digit)]);
                (others == 0).then_some(())
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn number(&mut self) -> Option<()> {
        // No sums of what is there or not, here and in `take`: the next step would wait for each.
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// One digit or more. Vectors have long ones.
    #[inline(always)]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(bytes) = self.json.get(self.at..).and_then(<[u8]>::first_chunk::<SHORT>) {
            let digits = blocks::leading_digits(self.v3, bytes);
            self.at += digits;
            if digits < SHORT {
                return (self.at > start).then_some(());
            }
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    #[inline(always)]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        let end = self.at + word.len();
        let there = self.json.get(self.at..end)? == word;
        self.at = end;
        there.then_some(())
    }

    #[inline(always)]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    #[inline(always)]
    fn take(&mut self, byte: u8) -> bool {
        if self.peek() != Some(byte) {
            return false;
        }
        self.at += 1;
        true
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}

/// 1 for each byte that is no hexadecimal digit.
const NO_HEX: [u8; 256] = {
    let mut table = [1; 256];
    let mut byte: u8 = 0;
    while byte < u8::MAX {
        if byte.is_ascii_hexdigit() {
            table[byte as usize] = 0;
        }
        byte += 1;
    }
    table
};

/// What closes an object or an array.
#[inline(always)]
fn end_of(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

/// [`Scan::name_and_value`] with the processor's features. Of a copy, which the compiler keeps in
/// registers.
struct Member<'a>(Scan<'a>);

impl<'a> pulp::NullaryFnOnce for Member<'a> {
    type Output = Option<(Range<usize>, Range<usize>, Scan<'a>)>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let mut scan = self.0;
        let (name, value) = scan.name_and_value()?;
        Some((name, value, scan))
    }
}
