//! The form in which two questions are the same.

use crate::dialect::openai_chat::raw::before_backslash;

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
        folded.iter_mut().zip(part).for_each(|(to, byte)| *to = fold(*byte));
        to(folded.get(..part.len()).unwrap_or_default());
    }
}

/// The same for a question between the quotes of JSON that is simple, as most are: printable ASCII with the
/// usual escapes, no code, and white space that is easily told from it. `None` for others. `room` has as many
/// bytes as the question.
pub(super) fn fold_simple<'a>(json: &[u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let end = unescape_simple(json, room)?;
    let text = room.get_mut(..end)?;
    // Written so that many bytes are looked at in one step.
    let mut odd = false;
    for byte in text.iter_mut() {
        odd |= !(b' '..=b'~').contains(byte) | (*byte == b'`');
        *byte = byte.to_ascii_lowercase();
    }
    let two = text.iter().zip(text.get(1..)?);
    let gap = two.fold(false, |gap, (one, next)| gap | ((*one == b' ') & (*next == b' ')));
    let ends = [text.first()?, text.last()?];
    (!odd & !gap & !ends.contains(&&b' ')).then_some(text)
}

/// Writes what a question says, with one space for its lines' ends and their like, and says how long that is. `None` if
/// it has other escapes than the usual ones, or lines that may be indented.
fn unescape_simple(json: &[u8], room: &mut [u8]) -> Option<usize> {
    let (mut rest, mut end) = (json, 0);
    loop {
        // All are copied, and what is behind the first backslash is written over: that takes less time than looking
        // for it first.
        let to = room.get_mut(end..)?;
        let before = match (rest.first_chunk::<8>(), to.first_chunk_mut()) {
            (Some(eight), Some(to)) => {
                *to = *eight;
                before_backslash(eight)
            }
            _ => {
                to.get_mut(..rest.len())?.copy_from_slice(rest);
                rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len())
            }
        };
        end += before;
        rest = rest.get(before..)?;
        match rest {
            [] => return Some(end),
            [b'\\', same @ (b'"' | b'\\' | b'/'), after @ ..] => {
                *room.get_mut(end)? = *same;
                (rest, end) = (after, end + 1);
            }
            [b'\\', b'n' | b'r' | b't', b' ', ..] => return None,
            [b'\\', b'n' | b'r' | b't', b'\\', b't', ..] => return None,
            [b'\\', b'n' | b'r' | b't', after @ ..] => {
                *room.get_mut(end)? = b' ';
                rest = after;
                if end > 0 && room.get(end - 1) != Some(&b' ') {
                    end += 1;
                }
            }
            [b'\\', ..] => return None,
            _ => {}
        }
    }
}

/// A byte of ASCII text as all have it that ask the same.
fn fold(byte: u8) -> u8 {
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
