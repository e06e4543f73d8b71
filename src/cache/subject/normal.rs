//! The form in which two questions are the same.

#[cfg(target_arch = "x86_64")]
use crate::dialect::openai_chat::raw::blocks;

/// Gives the text as all have it that ask the same, in parts. Case and white space make no other request,
/// unless they carry meaning as in code.
pub(super) fn normalise(text: &str, mut to: impl FnMut(&[u8])) {
    let text = text.trim();
    if is_code(text.as_bytes()) {
        return to(text.as_bytes());
    }
    if !text.is_ascii() || has_gaps(text.as_bytes()) {
        for (number, word) in text.split_whitespace().enumerate() {
            if number > 0 {
                to(b" ");
            }
            to(word.to_lowercase().as_bytes());
        }
        return;
    }
    let mut folded = [0; 256];
    for part in text.as_bytes().chunks(folded.len()) {
        folded.iter_mut().zip(part).for_each(|(to, byte)| *to = fold_byte(*byte));
        to(folded.get(..part.len()).unwrap_or_default());
    }
}

/// Gives the text in parts, with its quotes and backslashes as JSON has them.
pub(super) fn escape(text: &[u8], mut to: impl FnMut(&[u8])) {
    let mut from = 0;
    for at in memchr::memchr2_iter(b'"', b'\\', text) {
        to(text.get(from..at).unwrap_or_default());
        to(b"\\");
        from = at;
    }
    to(text.get(from..).unwrap_or_default());
}

/// Bytes that a folded question must have room for besides its own.
pub(super) const SLACK: usize = 64;

/// The same as [`normalise`] and [`escape`] for a question between the quotes of JSON that is simple, as most are:
/// ASCII with the usual escapes, no code, and white space that is easily told from it. `None` for others.
/// `room` has [`SLACK`] bytes more than the question.
pub(super) fn fold_simple<'a>(json: &[u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let end = fold(json, room)?;
    let text = room.get(..end)?.trim_ascii();
    (!text.is_empty()).then_some(text)
}

/// [`fold_each`], in the fastest way that there is.
#[cfg(target_arch = "x86_64")]
pub(super) fn fold(json: &[u8], room: &mut [u8]) -> Option<usize> {
    match pulp::x86::V3::try_new() {
        Some(v3) => v3.vectorize(FoldBlocks { v3, json, room }),
        None => fold_each(json, room),
    }
}

/// [`fold_each`], which is the only way here.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn fold(json: &[u8], room: &mut [u8]) -> Option<usize> {
    fold_each(json, room)
}

/// Writes a simple question with small letters and one space for its lines' ends and their like, and says how long
/// that is; `None` for one that is not simple. Spaces at its ends are left.
pub(super) fn fold_each(json: &[u8], room: &mut [u8]) -> Option<usize> {
    let (mut rest, mut end) = (json, 0);
    loop {
        rest = match rest {
            [] => return Some(end),
            [b'\\', letter, after @ ..] => {
                end = write_escape(*letter, after, room, end)?;
                after
            }
            [b'\\'] | [b' ', b' ', ..] | [b'`', ..] => return None,
            [byte @ b' '..=0x7f, after @ ..] => {
                *room.get_mut(end)? = byte.to_ascii_lowercase();
                end += 1;
                after
            }
            _ => return None,
        };
    }
}

/// Writes what stands for a backslash and this letter, and says where that ends. `None` for other escapes than the
/// usual ones, and for white space that may be an indentation.
#[inline(always)]
fn write_escape(letter: u8, after: &[u8], room: &mut [u8], end: usize) -> Option<usize> {
    match (letter, after) {
        (b'"' | b'\\', _) => {
            let [backslash, same] = room.get_mut(end..)?.first_chunk_mut()?;
            (*backslash, *same) = (b'\\', letter);
            Some(end + 2)
        }
        (b'/', _) => {
            *room.get_mut(end)? = letter;
            Some(end + 1)
        }
        (b'n' | b'r' | b't', [b' ', ..] | [b'\\', b't', ..]) => None,
        (b'n' | b'r' | b't', _) => {
            *room.get_mut(end)? = b' ';
            let counts = end > 0 && room.get(end - 1) != Some(&b' ');
            Some(end + usize::from(counts))
        }
        _ => None,
    }
}

/// [`fold_each`], 64 bytes at once.
#[cfg(target_arch = "x86_64")]
struct FoldBlocks<'a> {
    v3: pulp::x86::V3,
    json: &'a [u8],
    room: &'a mut [u8],
}

#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for FoldBlocks<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn call(self) -> Option<usize> {
        let FoldBlocks { v3, json, room } = self;
        let (mut rest, mut end) = (json, 0);
        // Whether what comes next stands behind a space that is written as one.
        let mut space = 0;
        while !rest.is_empty() {
            let mut last = [b'.'; 64];
            let (block, length) = match rest.first_chunk() {
                Some(block) => (block, block.len()),
                None => {
                    last.get_mut(..rest.len())?.copy_from_slice(rest);
                    (&last, rest.len())
                }
            };
            let text = blocks::above(v3, block, b' ' - 1);
            let spaces = blocks::which(v3, block, b' ');
            let gaps = spaces & (spaces << 1 | space);
            if !text | blocks::which(v3, block, b'`') | gaps != 0 {
                return None;
            }
            let backslashes = blocks::which(v3, block, b'\\');
            let mut carry = 0;
            let escaped = blocks::escaped(backslashes, &mut carry);
            // All are written, and what stands from the first escape on that is written otherwise is written over.
            *room.get_mut(end..)?.first_chunk_mut()? = blocks::lowercase(v3, block);
            let others = escaped & !(blocks::which(v3, block, b'"') | backslashes);
            if others == 0 {
                // No escape is cut in two.
                let taken = length - carry as usize;
                (rest, end) = (rest.get(taken..)?, end + taken);
                space = spaces >> 63;
            } else {
                let letter = others.trailing_zeros() as usize;
                rest = rest.get(letter + 1..)?;
                end = write_escape(*block.get(letter)?, rest, room, end + letter - 1)?;
                space = 0;
            }
        }
        Some(end)
    }
}

/// A byte of ASCII text as all have it that ask the same.
fn fold_byte(byte: u8) -> u8 {
    match byte {
        b'\t'..=b'\r' => b' ',
        _ => byte.to_ascii_lowercase(),
    }
}

/// Whether white space stands next to white space. Written so that many bytes are looked at in one step.
fn has_gaps(text: &[u8]) -> bool {
    let is_space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let next = text.iter().skip(1);
    text.iter().zip(next).fold(false, |gaps, (one, two)| gaps | (is_space(one) & is_space(two)))
}

/// Whether a text has a fence or indented lines.
fn is_code(text: &[u8]) -> bool {
    let fence = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(b"```"));
    let indent = |at: usize| matches!(text.get(at + 1), Some(b' ' | b'\t'));
    memchr::memchr2_iter(b'`', b'\n', text).any(|at| fence(at) || text[at] == b'\n' && indent(at))
}
