//! Walks through JSON whose soundness is somebody else's to check, before or after: pieces of it are
//! looked at as they stand, at the speed of looking for a quote. Of unsound JSON it shows something, and
//! never panics.

use super::quotes::end_of_string;
use std::borrow::Cow;

/// A place in JSON.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// What has not been looked at.
    pub(super) rest: &'a [u8],
}

impl<'a> Walk<'a> {
    /// At the beginning.
    pub(super) fn new(json: &'a [u8]) -> Self {
        Walk { rest: json }
    }

    /// Goes into the object (`{`) or array (`[`) that comes next, if one does.
    pub(super) fn enter(&mut self, bracket: u8) -> bool {
        self.space();
        self.take(bracket)
    }

    /// The name of the object's next member, as it is written. Leaves the object at its end.
    pub(super) fn name(&mut self) -> Option<&'a [u8]> {
        self.space();
        let name = self.string();
        if name.is_none() {
            self.take(b'}');
        }
        name
    }

    /// Whether the array has another item. Leaves the array at its end.
    pub(super) fn item(&mut self) -> bool {
        self.space();
        !self.rest.is_empty() && !self.take(b']')
    }

    /// What stands between the quotes of the string that comes next, escapes and all, if one does.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        self.space();
        if self.rest.first() != Some(&b'"') {
            return None;
        }
        let end = end_of_string(self.rest);
        let inner = self.rest.get(1..end.saturating_sub(1)).unwrap_or_default();
        self.rest = self.rest.get(end..).unwrap_or_default();
        Some(inner)
    }

    /// Whether a string ends here, of which the beginning has been looked at already.
    pub(super) fn ends_within_a_string(&self) -> bool {
        let mut escaped = false;
        self.rest.iter().any(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        }) || escaped
    }

    /// The value that comes next, whatever it is.
    pub(super) fn value(&mut self) -> &'a [u8] {
        self.space();
        let end = match self.rest.first() {
            Some(b'"') => end_of_string(self.rest),
            Some(b'{' | b'[') => end_of_nested(self.rest),
            _ => self.rest.iter().position(ends_a_word).unwrap_or(self.rest.len()),
        };
        let (value, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        value
    }

    /// Goes past what separates two values.
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n' | b',' | b':', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, bracket: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == bracket => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

fn ends_a_word(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'}' | b']')
}

/// The text of what stands between the quotes of a JSON string.
pub fn unescaped(text: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(text).ok()?;
    let Some(mut at) = memchr::memchr(b'\\', text.as_bytes()) else {
        return Some(Cow::Borrowed(text));
    };
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (before, escape) = rest.split_at_checked(at)?;
        whole.push_str(before);
        whole.push(match escape.as_bytes().get(1)? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            same @ (b'"' | b'\\' | b'/') => char::from(*same),
            // Of several letters: seldom enough.
            _ => return serde_json::from_str(&format!("\"{text}\"")).ok().map(Cow::Owned),
        });
        rest = escape.get(2..)?;
        match memchr::memchr(b'\\', rest.as_bytes()) {
            Some(next) => at = next,
            None => break,
        }
    }
    whole.push_str(rest);
    Some(Cow::Owned(whole))
}

/// Where the object or array ends with which `json` begins.
fn end_of_nested(json: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => {
                at += end_of_string(json.get(at..).unwrap_or_default());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\\\[\\]{}:, \u{e9}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-z\"\\\\]{0,4}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// What a reader makes of the pieces.
    fn read(walk: &mut Walk<'_>) -> Value {
        if walk.enter(b'[') {
            let mut items = Vec::new();
            while walk.item() {
                items.push(read(walk));
            }
            return items.into();
        }
        if walk.enter(b'{') {
            let mut members = serde_json::Map::new();
            while let Some(raw) = walk.name() {
                let name = format!("\"{}\"", std::str::from_utf8(raw).unwrap());
                members.insert(serde_json::from_str(&name).unwrap(), read(walk));
            }
            return members.into();
        }
        serde_json::from_slice(walk.value()).unwrap()
    }

    /// The same of whole values.
    fn skipped(json: &[u8]) -> usize {
        let mut walk = Walk::new(json);
        let whole = walk.value().len();
        assert!(walk.rest.iter().all(u8::is_ascii_whitespace));
        whole
    }

    proptest! {
        #[test]
        fn the_pieces_make_up_the_whole(all in values()) {
            for json in [serde_json::to_string(&all).unwrap(), serde_json::to_string_pretty(&all).unwrap()] {
                let padded = format!(" {json}\n");
                prop_assert_eq!(read(&mut Walk::new(padded.as_bytes())), all.clone());
                prop_assert_eq!(skipped(padded.as_bytes()), json.len());
            }
        }

        #[test]
        fn unsound_json_is_walked_through_all_the_same(
            json in "[\\[\\]{}\",:\\\\ a1]{0,40}", cut in any::<prop::sample::Index>(),
        ) {
            let cut = json.get(..cut.index(json.len() + 1)).unwrap_or_default();
            for json in [json.as_str(), cut] {
                let mut walk = Walk::new(json.as_bytes());
                let mut steps = 0;
                while steps < 200 && !walk.rest.is_empty() {
                    steps += 1;
                    if !walk.enter(b'{') && !walk.enter(b'[') && walk.name().is_none() && walk.item() {
                        walk.value();
                    }
                }
                prop_assert!(steps < 200);
            }
        }

        #[test]
        fn a_string_is_unescaped_as_any_reader_does(text in any::<String>(), escape in any::<bool>()) {
            let json = if escape {
                let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                format!("\"{escaped}\"")
            } else {
                Value::from(text.clone()).to_string()
            };
            let inner = json.as_bytes().get(1..json.len() - 1).unwrap();
            prop_assert_eq!(unescaped(inner).map(Cow::into_owned), Some(text));
        }

        #[test]
        fn what_is_no_string_is_not_unescaped(text in "[a\\\\nux0\"]{0,12}") {
            let read: Option<String> = serde_json::from_str(&format!("\"{text}\"")).ok();
            // A quote inside would have ended the string before.
            prop_assume!(!text.contains('"'));
            prop_assert_eq!(unescaped(text.as_bytes()).map(Cow::into_owned), read);
        }
    }
}
