//! Random bodies and streams: what is not edited keeps its bytes, what is edited means what it should.

use super::*;
use crate::dialect::sse::FrameReader;
use crate::dialect::{Frame, Quirks};
use crate::llm::Operation;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const EXTRA: &[u8] = br#"{"provider":"x","cost":0.1}"#;
/// Stream options as a client may write them, and as the provider of a stream gets them.
const OPTIONS: &[(&str, &str)] = &[
    ("null", r#"{"include_usage":true}"#),
    ("{ }", r#"{"include_usage":true}"#),
    (r#"{ "include_usage" : false }"#, r#"{"include_usage":true}"#),
    (r#"{"include\u005fusage":null}"#, r#"{"include_usage":true}"#),
    (r#"{ "include_usage" :true, "x":1.0e0}"#, r#"{ "include_usage" :true, "x":1.0e0}"#),
    ("{\n\"x\" : 1E+02, \"y\":\"}\"}", "{\"include_usage\":true,\"x\" : 1E+02, \"y\":\"}\"}"),
];
const PICKY: Quirks =
    Quirks { stream_options: false, drop_params: &["store", "x_0"], ..Quirks::NONE };

/// A top-level member as it is written, with the white space around it.
#[derive(Debug, Clone)]
struct Written {
    name: String,
    before: String,
    key_and_colon: String,
    value: String,
    after: String,
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

/// A string literal with odd spellings, quotes included.
fn text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a",
        "é",
        "😀",
        "e\u{301}",
        "\u{2028}",
        "\\u00e9",
        "\\ud83d\\uDE00",
        "\\/",
        "\\\\",
        "\\\"",
        "\\n",
        "{",
        "}",
        "[",
        ",",
        ":",
        "model",
        "\\\"model\\\":",
        "fallbacks",
        "\\u0000",
        " ",
    ];
    prop::collection::vec(select(PIECES), 0..6)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?",
        select(&["-0", "-0.0", "1e2", "1E+02", "0.10", "1.0e-7", "1e-400"][..])
            .prop_map(str::to_owned),
    ]
}

/// Any JSON value, oddly spelled.
fn value() -> impl Strategy<Value = String> {
    let word = select(&["null", "true", "false"][..]).prop_map(str::to_owned);
    prop_oneof![word, number(), text()].prop_recursive(4, 24, 4, |inner| {
        let item =
            (space(), inner.clone(), space()).prop_map(|(a, v, b)| format!("{a}{v}{b}")).boxed();
        let member = (space(), text(), space(), item.clone())
            .prop_map(|(a, key, b, item)| format!("{a}{key}{b}:{item}"));
        prop_oneof![
            prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

/// A member of that name, some of whose letters may be escaped.
fn member(name: &str, value: impl Strategy<Value = String>) -> impl Strategy<Value = Written> {
    let name = name.to_owned();
    let spaces = (space(), space(), space(), space());
    (spaces, value, prop::option::of(0..name.len())).prop_map(move |(spaces, value, escaped)| {
        let letters = name.chars().enumerate().map(|(at, letter)| match escaped {
            Some(escaped) if escaped == at => format!("\\u{:04x}", u32::from(letter)),
            _ => letter.to_string(),
        });
        let key: String = letters.collect();
        Written {
            name: name.clone(),
            before: spaces.0,
            key_and_colon: format!("\"{key}\"{}:{}", spaces.1, spaces.2),
            value,
            after: spaces.3,
        }
    })
}

/// The members of a request in any order, some of them left out.
fn members() -> impl Strategy<Value = Vec<Written>> {
    let model = select(&[r#""a/b""#, r#""a\/b""#, r#""\u0061/b""#][..]).prop_map(str::to_owned);
    let messages =
        prop::collection::vec(value(), 1..3).prop_map(|all| format!("[{}]", all.join(",")));
    let fallbacks = select(&["null", "[]", r#"[ "c/d" , "e/f" ]"#][..]).prop_map(str::to_owned);
    let stream = select(&["true", "true", "false", "null"][..]).prop_map(str::to_owned);
    let options = select(OPTIONS).prop_map(|(options, _)| options.to_owned());
    let optional = (
        prop::option::of(member("fallbacks", fallbacks)),
        prop::option::of(member("stream", stream)),
        prop::option::of(member("stream_options", options)),
        prop::option::of(member("store", value())),
        prop::collection::vec(member("x_0", value()), 0..2),
        prop::collection::vec(member("vendor field", value()), 0..3),
    );
    (member("model", model), member("messages", messages), optional)
        .prop_map(|(model, messages, (fallbacks, stream, options, store, x, vendor))| {
            let optional = [fallbacks, stream, options, store].into_iter().flatten();
            [model, messages].into_iter().chain(optional).chain(x).chain(vendor).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn written(members: &[Written]) -> String {
    let members: Vec<String> = (members.iter())
        .map(|m| format!("{}{}{}{}", m.before, m.key_and_colon, m.value, m.after))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The bytes that the provider is to get, built from the parts and not from the text.
fn edited(members: &[Written], quirks: &Quirks) -> String {
    let find = |name: &str| members.iter().find(|member| member.name == name);
    let streams = find("stream").is_some_and(|member| member.value == "true");
    let mut out = format!("{{{}", members[0].before);
    let mut is_first = true;
    let mut between = String::new();
    for member in members {
        let separator = format!("{between},{}", member.before);
        between.clone_from(&member.after);
        let name = member.name.as_str();
        let dropped = quirks.drop_params.contains(&name)
            || name == "fallbacks"
            || (name == "stream_options" && !quirks.stream_options);
        if dropped {
            continue;
        }
        if !is_first {
            out.push_str(&separator);
        }
        is_first = false;
        out.push_str(&member.key_and_colon);
        out.push_str(match name {
            "model" => "\"m\"",
            "stream_options" if streams => {
                OPTIONS.iter().find(|(options, _)| *options == member.value).unwrap().1
            }
            _ => &member.value,
        });
    }
    if streams && quirks.stream_options && find("stream_options").is_none() {
        out.push_str(",\"stream_options\":{\"include_usage\":true}");
    }
    format!("{out}{between}}}")
}

/// The same edit on values.
fn edited_value(mut body: Value, quirks: &Quirks) -> Value {
    let streams = body["stream"] == json!(true);
    let members = body.as_object_mut().unwrap();
    members.insert("model".to_owned(), json!("m"));
    members.remove("fallbacks");
    for name in quirks.drop_params {
        members.remove(*name);
    }
    if !quirks.stream_options {
        members.remove("stream_options");
    } else if streams {
        let options = members.entry("stream_options").or_insert(Value::Null);
        if options.is_null() {
            *options = json!({});
        }
        options["include_usage"] = json!(true);
    }
    body
}

/// A frame of a stream as it is written, with the JSON that it holds.
#[derive(Debug, Clone)]
struct Sent {
    raw: String,
    json: Option<Value>,
}

fn frame(json: impl Strategy<Value = Value>) -> impl Strategy<Value = Sent> {
    let ends = select(&["\n", "\r\n", "\r"][..]);
    let fields = select(&["", "id: 1", ": note", "event: x", "retry:5"][..]);
    (json, ends, fields, any::<bool>(), any::<bool>()).prop_map(
        |(json, end, field, spaced, pretty)| {
            let text = if pretty { format!("{json:#}") } else { json.to_string() };
            let data = if spaced { "data: " } else { "data:" };
            let lines: String = text.lines().map(|line| format!("{data}{line}{end}")).collect();
            let field = if field.is_empty() { String::new() } else { format!("{field}{end}") };
            // Read back, as a float may be read one step beside what was written.
            Sent { raw: format!("{field}{lines}{end}"), json: serde_json::from_str(&text).ok() }
        },
    )
}

fn stream() -> impl Strategy<Value = Vec<Sent>> {
    const CONTENTS: &[&str] = &[
        "",
        "hi",
        "Grüße, 世界 😀",
        "\"finish_reason\":\"stop\"",
        "\"usage\":{}",
        "[DONE]",
        "a\nb",
        "{\"error\":{}}",
    ];
    let content = select(CONTENTS).prop_map(|text| json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}], "usage": null}));
    let call = select(CONTENTS).prop_map(|text| json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}}]}));
    let unknown = value().prop_map(|text| {
        let value: Value = serde_json::from_str(&text).unwrap();
        json!({"choices": [], "vendor": value})
    });
    let comment = select(&[": note\n\n", ":\r\r", "event: ping\r\n\r\n"][..])
        .prop_map(|raw| Sent { raw: raw.to_owned(), json: None });
    let any_frame = prop_oneof![
        4 => frame(content),
        2 => frame(call),
        1 => frame(unknown),
        1 => comment,
    ];
    let stop = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}});
    let done = select(
        &["", "data: [DONE]", "data:[DONE]\n", "data: [DONE]\r\n\r\n", "data: [DONE]\r\r"][..],
    );
    (
        prop::collection::vec(any_frame, 0..6),
        frame(Just(stop)),
        prop::option::of(frame(Just(usage))),
        done,
    )
        .prop_map(|(mut frames, stop, usage, done)| {
            frames.push(stop);
            frames.extend(usage);
            frames.push(Sent { raw: done.to_owned(), json: None });
            frames
        })
}

fn pass(pieces: &[&[u8]], include_usage: bool) -> String {
    let (mut reader, mut stream) = (FrameReader::default(), RawStream::new(include_usage, 1));
    let mut out = BytesMut::new();
    let mut push = |frame: &Frame| stream.push(frame, &mut out).unwrap();
    for piece in pieces {
        reader.push(piece);
        while let Some(frame) = reader.next_frame().unwrap() {
            push(&frame);
        }
    }
    if let Some(frame) = reader.rest() {
        push(&frame);
    }
    stream.close();
    assert!(stream.is_complete());
    stream.finish(EXTRA, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

/// The JSON of every frame in what a client gets; the end marker as a string.
fn seen(text: &str) -> Vec<Value> {
    let mut reader = FrameReader::default();
    reader.push(text.as_bytes());
    let mut seen = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        let Some(data) = frame.data else { continue };
        seen.push(match &data[..] {
            b"[DONE]" => json!("[DONE]"),
            data => serde_json::from_slice(data).unwrap(),
        });
    }
    assert_eq!(reader.rest(), None, "ends with a whole frame");
    seen
}

proptest! {
    #[test]
    fn a_request_keeps_every_byte_that_is_not_edited(
        members in members(),
        (before, after) in (space(), space()),
        picky in any::<bool>(),
    ) {
        let quirks = if picky { &PICKY } else { &Quirks::NONE };
        let body = format!("{before}{}{after}", written(&members));
        let request = RawRequest::parse(Operation::Chat, Bytes::from(body.clone())).unwrap();
        prop_assert_eq!(&**request.model(), "a/b");
        let out = request.for_upstream("m", quirks).unwrap();
        let out = std::str::from_utf8(&out).unwrap();
        prop_assert_eq!(out, format!("{before}{}{after}", edited(&members, quirks)));
        let body: Value = serde_json::from_str(&body).unwrap();
        let out: Value = serde_json::from_str(out).unwrap();
        prop_assert_eq!(out, edited_value(body, quirks));
    }

    #[test]
    fn an_answer_keeps_every_byte(
        members in prop::collection::vec(member("x", value()), 0..4),
        (before, inside, after) in (space(), space(), space()),
    ) {
        let object = if members.is_empty() { format!("{{{inside}}}") } else { written(&members) };
        let body = format!("{before}{object}{after}");
        RawResponse::parse(body.as_bytes()).unwrap();
        let out = splice_extra_fields(Bytes::from(body.clone()), EXTRA);
        let out = std::str::from_utf8(&out).unwrap();
        let added = format!("\"extra_fields\":{}", std::str::from_utf8(EXTRA).unwrap());
        let added = if members.is_empty() { added } else { format!(",{added}") };
        let open = object.strip_suffix('}').unwrap();
        prop_assert_eq!(out, format!("{before}{open}{added}}}{after}"));
        let mut expected: Value = serde_json::from_str(&body).unwrap();
        expected["extra_fields"] = serde_json::from_slice(EXTRA).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(out).unwrap(), expected);
    }

    #[test]
    fn a_stream_is_the_same_at_any_split(
        frames in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        include_usage in any::<bool>(),
    ) {
        let input: String = frames.iter().map(|frame| frame.raw.as_str()).collect();
        let whole = pass(&[input.as_bytes()], include_usage);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &input.as_bytes()[w[0]..w[1]]).collect();
        prop_assert_eq!(&pass(&pieces, include_usage), &whole);

        let is_usage = |json: &Value| json["usage"].is_object() && json["choices"] == json!([]);
        let mut expected: Vec<Value> = (frames.iter())
            .filter_map(|frame| frame.json.clone())
            .filter(|json| include_usage || !is_usage(json))
            .collect();
        let last = expected.last_mut().unwrap();
        last["extra_fields"] = serde_json::from_slice(EXTRA).unwrap();
        expected.push(json!("[DONE]"));
        prop_assert_eq!(seen(&whole), expected);
        // All but the frame that is kept back are the provider's own bytes.
        let stop = frames.iter().position(|frame| {
            frame.json.as_ref().is_some_and(|json| json["choices"][0]["finish_reason"] == "stop")
        });
        let committed = frames.iter().position(|frame| frame.json.is_some()).unwrap();
        for frame in &frames[committed..stop.unwrap()] {
            prop_assert!(frame.json.is_none() || whole.contains(&frame.raw), "{:?}", frame.raw);
        }
    }
}
