use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// What is let pass quickly has to be what the thorough reader makes of it. Whether it was let pass.
fn agree(body: &[u8]) -> bool {
    let body = Bytes::copy_from_slice(body);
    let text = String::from_utf8_lossy(&body);
    match (quickly(&body), thoroughly(&body)) {
        (Some(quick), Ok(thorough)) => {
            assert_eq!(quick, thorough, "{text}");
            true
        }
        (Some(_), Err(failure)) => panic!("let pass, but {}: {text}", failure.message),
        (None, _) => false,
    }
}

/// The same of one member.
fn agree_on(body: &[u8], name: &str) -> bool {
    let Some(found) = find(body, name) else { return false };
    let all: HashMap<String, &RawValue> = serde_json::from_slice(body).unwrap();
    assert_eq!(found, all.get(name).map(|json| json.get().as_bytes()));
    true
}

/// Whether this processor has what is needed for [`quickly`].
fn is_quick() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V3::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The inside of strings.
fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![6 => Just("a"), 4 => prop::sample::select(pieces)];
    let short = prop::collection::vec(piece.clone(), 0..6);
    let long = prop::collection::vec(piece, 0..220);
    prop_oneof![3 => short, 1 => long].prop_map(|pieces| pieces.concat())
}

const SOUND: &[&str] = &[
    "\\\"",
    "\\\\",
    "\\n",
    "\\t",
    "\\r",
    "\\b",
    "\\f",
    "\\/",
    "\\u00e9",
    "\\uD83d\\uDe00",
    "\\ud800",
    "\u{e9}",
    "\u{1f600}",
    "\u{7f}",
    " ",
    "{",
    "[",
    ",",
    "0123456789abcdef0123456789abcdef",
];
const ANY: &[&str] = &[
    "\\\"", "\\\\", "\\n", "\\u00e9", "\\u", "\\u00e", "\\x", "\\'", "\\", "\"", "\n", "\u{1f}",
    "\0", "\u{e9}",
];

/// Values of objects, with white space in all places.
fn value(
    pieces: &'static [&'static str],
    words: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let space = || prop::sample::select(&["", "", "", " ", "\n  ", "\t", "\r\n"][..]);
    let leaf = prop_oneof![
        text(pieces).prop_map(|text| format!("\"{text}\"")),
        prop::sample::select(words).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let item =
            (space(), inner.clone(), space()).prop_map(|(a, item, b)| format!("{a}{item}{b}"));
        let member = (space(), text(pieces), space(), space(), inner, space())
            .prop_map(|(a, name, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"));
        prop_oneof![
            (space(), prop::collection::vec(item, 0..4))
                .prop_map(|(a, items)| format!("[{a}{}]", items.join(","))),
            (space(), prop::collection::vec(member, 0..4))
                .prop_map(|(a, members)| format!("{{{a}{}}}", members.join(","))),
        ]
    })
}

const NUMBERS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "10",
    "-7",
    "0.5",
    "1e9",
    "1E+2",
    "2.5e-3",
    "1e400",
    "-0.012345678901234567890123456789012345",
    "123456789012345678901234567890123e0",
];
const NONE: &[&str] = &[
    "nul", "True", "01", "-", "+1", "1.", ".5", "1e", "1e+", "--1", "NaN", "0x1", "", "1 2",
    "nullx", "'a'",
];

/// Bodies whose members have these values.
fn body(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let names = &["model", "messages", "stream", "tools", "x", "\u{e9}", "", "input"][..];
    (prop::sample::subsequence(names, 0..5), prop::collection::vec(value, 5)).prop_map(
        |(names, values)| {
            let member = |(name, value): (&str, String)| format!("\"{name}\": {value}");
            let members: Vec<String> = names.into_iter().zip(values).map(member).collect();
            format!(" {{{}}}\n", members.join(" ,"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn sound_bodies_are_read_quickly(body in body(value(SOUND, NUMBERS))) {
        prop_assert_eq!(agree(body.as_bytes()), is_quick());
        for name in ["model", "tools", "usage"] {
            prop_assert_eq!(agree_on(body.as_bytes(), name), is_quick());
        }
    }

    #[test]
    fn what_is_let_pass_quickly_is_sound(
        body in prop_oneof![body(value(ANY, NUMBERS)), body(value(SOUND, NONE)), "[\\[\\]{}\":, 0a]{0,12}"],
    ) {
        agree(body.as_bytes());
    }

    #[test]
    fn one_byte_may_make_the_difference(
        body in body(value(SOUND, NUMBERS)), at in any::<prop::sample::Index>(),
        byte in prop::sample::select(&b"\"\\{}[],:0-.eu \n\x1f\xc3\xff"[..]), what in 0..4,
    ) {
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        match what {
            0 => body.insert(at, byte),
            1 => drop(body.remove(at)),
            2 => body.truncate(at),
            _ => body[at] = byte,
        }
        agree(&body);
        // Whoever looks for one member does not ask whether the others are UTF-8.
        if std::str::from_utf8(&body).is_ok() {
            agree_on(&body, "x");
        }
    }
}

#[test]
fn each_byte_of_a_request_counts() {
    let long = "It said \\\"no\\\" \\u00e9\\\\ ".repeat(7);
    let request = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"{long}"}},{{"a":[]}}],"n":-1.5e-3,"x":[true,null,{{}}]}}"#
    );
    assert_eq!(agree(request.as_bytes()), is_quick());
    let mut passed = 0;
    for at in 0..request.len() {
        agree(&request.as_bytes()[..at]);
        for byte in *b"\"\\{}[],:0e-. u\x00\x1f\x7f\xc3" {
            let mut changed = request.clone().into_bytes();
            changed[at] = byte;
            passed += usize::from(agree(&changed));
        }
    }
    // Most changes inside of the text do no harm.
    assert_eq!(passed > 1000, is_quick());
}

#[test]
fn a_string_may_end_anywhere() {
    for before in 0..200 {
        for end in ["", "\\\\", "\\\"", "\\n", "\\u00e9", "\u{e9}"] {
            let body = format!("{{\"a\":\"{}{end}\"}}", "b".repeat(before));
            assert_eq!(agree(body.as_bytes()), is_quick(), "{body}");
            for wrong in ["\\ ", "\\x", "\\u00", "\n", "\"", "\u{1f}"] {
                let body = format!("{{\"a\":\"{}{wrong}{end}\"}}", "b".repeat(before));
                assert!(!agree(body.as_bytes()), "{body}");
            }
        }
    }
}

#[test]
fn of_all_bytes_only_some_may_stand_somewhere() {
    const SPACE: &[u8] = b" \n\r\t";
    const HEX: &[u8] = b"0123456789abcdefABCDEF";
    // Far from the end as well, where all bytes of a vector are there.
    let far = format!(",\"b\":\"{}\"", "a".repeat(70));
    for (before, behind, allowed) in [
        ("\"a\":\"\\", " \"", &b"\"\\/bfnrt"[..]),
        ("\"a\":\"\\u", "00e\"", HEX),
        ("\"a\":\"\\u0", "0e\"", HEX),
        ("\"a\":\"\\u00", "e\"", HEX),
        ("\"a\":\"\\u00e", "\"", HEX),
        ("", "\"a\":1", SPACE),
        ("\"a\"", ":1", SPACE),
        ("\"a\":", "null", SPACE),
        ("\"a\":[", "[]]", SPACE),
        ("\"a\":true", "", SPACE),
        ("\"a\":1", "5", b"0123456789.eE"),
    ] {
        for after in ["", &far] {
            for byte in 0..=u8::MAX {
                let rest = [&[byte], behind.as_bytes(), after.as_bytes(), b"}"].concat();
                let body = [b"{", before.as_bytes(), &rest].concat();
                assert_eq!(agree(&body), is_quick() && allowed.contains(&byte), "{before} {byte}");
            }
        }
    }
}

#[test]
fn brackets_hold_what_they_may() {
    let within = |value: &str| agree(format!("{{\"a\":{value}}}").as_bytes());
    for sound in ["{}", "[]", "[{}]", r#"{"b":{}}"#, r#"{"b":1,"c":[2]}"#, "[1,[2]]", "[ ]", "{\n}"]
    {
        assert_eq!(within(sound), is_quick(), "{sound}");
    }
    for wrong in [
        "{1}",
        "{null}",
        "{[]}",
        "{{}}",
        r#"{"b"}"#,
        r#"{"b":}"#,
        r#"{"b":1,}"#,
        r#"{"b":1,2}"#,
        r#"{,"b":1}"#,
        r#"{"b" 1}"#,
        r#"{"b":1 "c":2}"#,
        r#"{"b"::1}"#,
        "{1:2}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        r#"{"b":1]"#,
        r#"["b":1]"#,
        "[[]",
        "[]]",
        "{}}",
        "",
        ",",
        ":",
        "}",
    ] {
        assert!(!within(wrong), "{wrong}");
    }
}

#[test]
fn a_member_that_may_mean_two_things_is_not_found() {
    let found = |body: &'static str| find(body.as_bytes(), "n").map(|json| json.map(<[u8]>::len));
    for (body, expected) in [
        (r#" {"a":{"n":1},"n" : 22 } "#, Some(Some(2))),
        (r#"{"a":"n"}"#, Some(None)),
        (r#"{"n":1,"n":1}"#, None),
        (r#"{"n":1,"\u006e":1}"#, None),
        (r#"{"n":1}}"#, None),
        (r#"{"n":1"#, None),
        (r#"["n",1]"#, None),
    ] {
        assert_eq!(found(body), expected.filter(|_| is_quick()), "{body}");
    }
}

#[test]
fn each_bracket_is_closed_by_its_own() {
    // Objects and arrays in turns, and one of each outside of many of the other.
    for pattern in ["{[", "{", "["] {
        for depth in [2, 31, 32, 33, 34, 63, 64] {
            for outermost in ["{", "["] {
                let inner: String = pattern.chars().cycle().take(depth - 1).collect();
                let brackets = format!("{outermost}{inner}");
                let open = |bracket| if bracket == '{' { "{\"a\":" } else { "[" };
                let before: String = brackets.chars().map(open).collect();
                let close = |bracket| if bracket == '{' { '}' } else { ']' };
                let after: Vec<char> = brackets.chars().rev().map(close).collect();
                let body = |after: &[char]| {
                    format!("{{\"a\":{before}1{}}}", after.iter().collect::<String>())
                };
                assert_eq!(agree(body(&after).as_bytes()), is_quick(), "{brackets}");
                for at in 0..after.len() {
                    let mut wrong = after.clone();
                    wrong[at] = if wrong[at] == '}' { ']' } else { '}' };
                    assert!(!agree(body(&wrong).as_bytes()), "{brackets} {at}");
                }
            }
        }
    }
}

#[test]
fn what_is_unusual_is_read_thoroughly() {
    let deep = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(agree(deep(65).as_bytes()), is_quick());
    for body in [deep(66), deep(3000), "{\"mod\\u0065l\":1}".to_owned()] {
        assert!(!agree(body.as_bytes()));
        assert!(read(&Bytes::from(body.clone())).is_ok(), "{body}");
    }
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"[]",
        b"{}x",
        b"{1}",
        b"{1:2}",
        b"{[]}",
        b"{{}}",
        b"{\"n\":1,\"n\":1}",
        b"{\"\xff\":1}",
        b"{\"a\":\"\xc3\"}",
    ] {
        assert!(!agree(body));
        assert!(read(&Bytes::from_static(body)).is_err());
    }
}
