//! Golden files of translation: what an OpenAI client's request becomes at each vendor, and what a
//! vendor's answer, stream or error becomes for the client, the same at every byte split.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tollbridge::dialect::anthropic::Anthropic;
use tollbridge::dialect::gemini::Gemini;
use tollbridge::dialect::openai_chat::OpenaiChat;
use tollbridge::dialect::openai_chat::raw::RawStream;
use tollbridge::dialect::sse::FrameReader;
use tollbridge::dialect::{ClientDialect, Dialect, EncodeContext, Frame, Quirks};
use tollbridge::llm::{
    Accumulator, Choice, Event, Failure, FailureKind, Operation, Response, Source,
};

/// The dialects with an upstream side, and a model that each is asked for.
const UPSTREAMS: &[(&str, &dyn Dialect, &str)] = &[
    ("openai_chat", &OpenaiChat, "gpt-4o-mini"),
    ("anthropic", &Anthropic, "claude-sonnet-4-5"),
    ("gemini", &Gemini, "gemini-2.5-flash"),
];
/// Models to which thinking is said in other words.
const NEWER: &[(&str, &dyn Dialect, &str)] =
    &[("anthropic_adaptive", &Anthropic, "claude-opus-4-6"), ("gemini_3", &Gemini, "gemini-3-pro")];
const EXTRA: &[u8] = b"{\"provider\":\"x\"}";

#[test]
fn requests_at_every_vendor() {
    for path in fixtures("openai_chat", ".request.json") {
        let case = case(&path);
        let body = fs::read(&path).unwrap();
        let newer = if case.contains("thinking") { NEWER } else { &[] };
        for (name, dialect, model) in UPSTREAMS.iter().chain(newer) {
            insta::assert_json_snapshot!(
                format!("{case}.to_{name}"),
                encoded(*dialect, model, &body)
            );
        }
    }
}

/// What one field more in a request is in the vendor's request: the members that differ from those
/// of the same request without the field.
#[test]
fn one_field_at_every_vendor() {
    let path = folder("openai_chat").join("fields.json");
    let fields: Vec<Map<String, Value>> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let plain = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    for (name, dialect, model) in UPSTREAMS.iter().chain(NEWER) {
        let without = encoded(*dialect, model, plain.to_string().as_bytes());
        let table: Vec<String> = (fields.iter())
            .map(|field| {
                let mut request = plain.clone();
                request.as_object_mut().unwrap().extend(field.clone());
                let with = encoded(*dialect, model, request.to_string().as_bytes());
                format!("{} => {}", json!(field), difference(&without, &with))
            })
            .collect();
        insta::assert_snapshot!(format!("fields.to_{name}"), table.join("\n"));
    }
}

#[test]
fn streams_for_the_client() {
    for (name, dialect, _) in UPSTREAMS {
        for path in fixtures(name, ".sse") {
            let text = fs::read_to_string(&path).unwrap();
            let whole = events(*dialect, &[text.as_bytes()]);
            for cut in 1..text.len() {
                let (first, rest) = text.as_bytes().split_at(cut);
                let split = events(*dialect, &[first, rest]);
                assert_eq!(split, whole, "{} cut at {cut}", path.display());
            }
            insta::assert_json_snapshot!(
                format!("{name}.{}.stream", case(&path)),
                frames_for_client(&whole)
            );
        }
    }
}

/// A decoder sees frames only, so equal frames at every split are equal events at every split.
#[test]
fn streams_in_every_spelling() {
    for (name, dialect, _) in UPSTREAMS {
        for path in fixtures(name, ".sse") {
            let text = fs::read_to_string(&path).unwrap();
            let whole = events(*dialect, &[text.as_bytes()]);
            for (spelling, text) in spellings(&text) {
                let about = format!("{} {spelling}", path.display());
                let bytes = text.as_bytes();
                assert_eq!(events(*dialect, &[bytes]), whole, "{about}");
                let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
                assert_eq!(events(*dialect, &one_by_one), whole, "{about} byte by byte");
                let unsplit = said(&[bytes]);
                for cut in 1..bytes.len() {
                    let (first, rest) = bytes.split_at(cut);
                    assert_eq!(said(&[first, rest]), unsplit, "{about} cut at {cut}");
                }
            }
        }
    }
}

/// OpenAI's own streams on the byte path.
#[test]
fn raw_streams_in_every_spelling() {
    for path in fixtures("openai_chat", ".sse") {
        let text = fs::read_to_string(&path).unwrap();
        let mut all = spellings(&text);
        all.push(("as it is", text));
        for (spelling, text) in all {
            let about = format!("{} {spelling}", path.display());
            let bytes = text.as_bytes();
            for include_usage in [false, true] {
                let whole = raw(&[bytes], include_usage);
                let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
                assert_eq!(raw(&one_by_one, include_usage), whole, "{about} byte by byte");
                for cut in 1..bytes.len() {
                    let (first, rest) = bytes.split_at(cut);
                    assert_eq!(raw(&[first, rest], include_usage), whole, "{about} cut at {cut}");
                }
            }
        }
        let seen = raw(&[fs::read(&path).unwrap().as_slice()], false);
        let lines: Vec<&str> = seen.lines().filter(|line| !line.is_empty()).collect();
        insta::assert_json_snapshot!(format!("openai_chat.{}.raw", case(&path)), lines);
    }
}

/// What each vendor's errors are to the gateway and to its client.
#[test]
fn errors_for_the_client() {
    #[derive(Deserialize)]
    struct Case {
        case: String,
        status: u16,
        headers: BTreeMap<String, String>,
        body: Value,
    }
    for (name, dialect, _) in UPSTREAMS {
        let cases = fs::read(folder(name).join("errors.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
        let mut table = Map::new();
        for case in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in &case.headers {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
            let body = match case.body {
                Value::String(text) => text,
                body => body.to_string(),
            };
            let failure = dialect.decode_failure(case.status, &headers, body.as_bytes());
            let client: Value =
                serde_json::from_slice(&OpenaiChat.encode_failure(&failure)).unwrap();
            let seen = json!({
                "kind": failure.kind.as_str(),
                "retry": format!("{:?}", failure.retry),
                "retry_after_ms": failure.retry_after.map(|wait| wait.as_millis()),
                "status": failure.status,
                "client": client["error"],
            });
            table.insert(format!("{} {}", case.status, case.case), seen);
        }
        insta::assert_json_snapshot!(format!("{name}.errors"), table);
    }
}

/// Folding a stream gives the same answer as the vendor's complete one of the same case.
#[test]
fn a_folded_stream_is_the_full_answer() {
    let request = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let request = OpenaiChat.decode_request(Operation::Chat, request).unwrap();
    for (name, dialect, _) in UPSTREAMS {
        for path in fixtures(name, ".response.json") {
            let full = dialect.decode_response(&request, &fs::read(&path).unwrap()).unwrap();
            let body: Value = serde_json::from_slice(&OpenaiChat.encode_response(&full)).unwrap();
            insta::assert_json_snapshot!(format!("{name}.{}.response", case(&path)), body);
            let sse = path.with_file_name(format!("{}.sse", case(&path)));
            let Ok(bytes) = fs::read(sse) else { continue };
            let mut fold = Accumulator::default();
            for event in events(*dialect, &[&bytes]) {
                fold.push(&event);
            }
            let Response::Chat(full) = full else { continue };
            let folded = fold.finish().unwrap();
            let plain = |choices: &[Choice]| -> Vec<_> {
                choices.iter().map(|c| (c.index, c.parts.clone(), c.stop.clone())).collect()
            };
            assert_eq!(plain(&folded.choices), plain(&full.choices), "{}", path.display());
            assert_eq!(folded.usage, full.usage, "{}", path.display());
        }
    }
}

/// The vendor's request for `body`, or why there is none.
fn encoded(dialect: &dyn Dialect, model: &str, body: &[u8]) -> Value {
    let request = OpenaiChat.decode_request(Operation::Chat, body).unwrap();
    let context = EncodeContext { model, quirks: &Quirks::NONE, max_output_tokens: Some(8192) };
    match dialect.encode_request(&request, &context) {
        Ok(body) => serde_json::from_slice(&body).unwrap(),
        Err(failure) => json!({"refused": failure.message, "param": failure.param}),
    }
}

/// The members of `with` that `without` has not, or has with another value.
fn difference(without: &Value, with: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (without, with) else { return with.clone() };
    assert!(new.contains_key("refused") || old.keys().all(|key| new.contains_key(key)));
    let added = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    added
        .map(|(key, value)| (key.clone(), difference(old.get(key).unwrap_or(&Value::Null), value)))
        .collect()
}

/// The events of a stream, whether it ends, fails or breaks off.
fn events(dialect: &dyn Dialect, pieces: &[&[u8]]) -> Vec<Event> {
    let mut decoder = dialect.stream_decoder();
    let mut events = Vec::new();
    for frame in frames(pieces) {
        decoder.decode(&frame, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    assert!(events.iter().filter(|event| **event == Event::End).count() <= 1);
    events
}

/// What a client sees of those events, frame by frame.
fn frames_for_client(events: &[Event]) -> Vec<Value> {
    let mut encoder = OpenaiChat.stream_encoder(true);
    let mut out = BytesMut::new();
    let failure = events.iter().find_map(|event| match event {
        Event::Error(failure) => Some((**failure).clone()),
        _ => None,
    });
    for event in events {
        encoder.encode(event, &mut out);
    }
    if let Some(failure) = failure {
        encoder.fail(&failure, &mut out);
    } else if events.contains(&Event::End) {
        encoder.finish(Some(EXTRA), &mut out);
    } else {
        let message = "broke off";
        let failure = Failure::new(Source::Upstream, FailureKind::Truncated, message);
        encoder.fail(&failure, &mut out);
    }
    let text = String::from_utf8(out.to_vec()).unwrap();
    (text.split("\n\n").filter(|frame| !frame.is_empty()))
        .map(|frame| {
            let data = frame.strip_prefix("data: ").unwrap();
            serde_json::from_str(data).unwrap_or_else(|_| data.into())
        })
        .collect()
}

/// What a client of the byte path sees: the failure's words where there is one.
fn raw(pieces: &[&[u8]], include_usage: bool) -> String {
    let (mut stream, mut out) = (RawStream::new(include_usage, 1), BytesMut::new());
    let passed = frames(pieces).iter().try_for_each(|frame| stream.push(frame, &mut out));
    stream.close();
    match passed {
        Err(failure) => out.extend_from_slice(format!("failed: {failure}").as_bytes()),
        Ok(()) if stream.is_complete() => stream.finish(EXTRA, &mut out),
        Ok(()) => out.extend_from_slice(b"broke off"),
    }
    String::from_utf8(out.to_vec()).unwrap()
}

fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    for piece in pieces {
        reader.push(piece);
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    frames.extend(reader.rest());
    frames
}

fn said(pieces: &[&[u8]]) -> Vec<(Bytes, Option<Bytes>)> {
    let frames = frames(pieces).into_iter().filter(|frame| frame.data.is_some());
    frames.map(|frame| (frame.event, frame.data)).collect()
}

/// The same stream as other servers would write it.
fn spellings(text: &str) -> Vec<(&'static str, String)> {
    let comment = ": keep-alive\n\n";
    let several = text.replace("data: {", "data: {\ndata: ");
    let noted = text.replace("data: {", "id: 7\nretry: 10\n: note\ndata: {");
    vec![
        ("with CRLF", text.replace('\n', "\r\n")),
        ("with CR", text.replace('\n', "\r")),
        ("without space", text.replace("data: ", "data:").replace("event: ", "event:")),
        ("with comments", format!("{comment}{}", text.replace("\n\n", &format!("\n\n{comment}")))),
        ("with other fields", noted),
        ("with several data lines", several.clone()),
        ("with several data lines and CRLF", several.replace('\n', "\r\n")),
        ("after a byte order mark", format!("\u{feff}{text}")),
        ("without the last empty line", text.trim_end().to_owned()),
    ]
}

fn folder(dialect: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(dialect)
}

fn fixtures(dialect: &str, ending: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = (fs::read_dir(folder(dialect)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    assert!(!paths.is_empty(), "no {ending} fixtures for {dialect}");
    paths.sort();
    paths
}

fn case(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned()
}
