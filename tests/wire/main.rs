//! Golden files of translation: what an OpenAI client's request becomes at each vendor, and what a
//! vendor's stream becomes for the client, the same at every byte split.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use bytes::BytesMut;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tollbridge::dialect::anthropic::Anthropic;
use tollbridge::dialect::gemini::Gemini;
use tollbridge::dialect::openai_chat::OpenaiChat;
use tollbridge::dialect::sse::FrameReader;
use tollbridge::dialect::{ClientDialect, Dialect, EncodeContext, Quirks};
use tollbridge::llm::{Accumulator, Event, Operation, Response};

/// The dialects with an upstream side, and a model that each is asked for.
const UPSTREAMS: &[(&str, &dyn Dialect, &str)] = &[
    ("openai_chat", &OpenaiChat, "gpt-4o-mini"),
    ("anthropic", &Anthropic, "claude-sonnet-4-5"),
    ("gemini", &Gemini, "gemini-2.5-flash"),
];

#[test]
fn requests_at_every_vendor() {
    for path in fixtures("openai_chat", ".request.json") {
        let case = case(&path);
        let body = fs::read(&path).unwrap();
        let request = OpenaiChat.decode_request(Operation::Chat, &body).unwrap();
        for (name, dialect, model) in UPSTREAMS {
            let context =
                EncodeContext { model, quirks: &Quirks::NONE, max_output_tokens: Some(8192) };
            let encoded = match dialect.encode_request(&request, &context) {
                Ok(body) => serde_json::from_slice(&body).unwrap(),
                Err(failure) => json!({"refused": failure.message, "param": failure.param}),
            };
            insta::assert_json_snapshot!(format!("{case}.to_{name}"), encoded);
        }
    }
}

#[test]
fn streams_for_the_client() {
    for (name, dialect, _) in UPSTREAMS {
        for path in fixtures(name, ".sse") {
            let bytes = fs::read(&path).unwrap();
            let whole = events(*dialect, &[&bytes]);
            for cut in 1..bytes.len() {
                let (first, rest) = bytes.split_at(cut);
                assert_eq!(
                    events(*dialect, &[first, rest]),
                    whole,
                    "{} cut at {cut}",
                    path.display()
                );
            }
            let mut encoder = OpenaiChat.stream_encoder(true);
            let mut out = BytesMut::new();
            for event in &whole {
                encoder.encode(event, &mut out);
            }
            encoder.finish(Some(b"{\"provider\":\"x\"}"), &mut out);
            let text = String::from_utf8(out.to_vec()).unwrap();
            let frames: Vec<Value> = (text.split("\n\n").filter(|frame| !frame.is_empty()))
                .map(|frame| {
                    let data = frame.strip_prefix("data: ").unwrap();
                    serde_json::from_str(data).unwrap_or_else(|_| data.into())
                })
                .collect();
            insta::assert_json_snapshot!(format!("{name}.{}.stream", case(&path)), frames);
        }
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
            let plain = |choices: &[tollbridge::llm::Choice]| -> Vec<_> {
                choices.iter().map(|c| (c.index, c.parts.clone(), c.stop.clone())).collect()
            };
            assert_eq!(plain(&folded.choices), plain(&full.choices), "{}", path.display());
            assert_eq!(folded.usage, full.usage, "{}", path.display());
        }
    }
}

fn events(dialect: &dyn Dialect, pieces: &[&[u8]]) -> Vec<Event> {
    let (mut reader, mut decoder) = (FrameReader::default(), dialect.stream_decoder());
    let mut events = Vec::new();
    for piece in pieces {
        reader.push(piece);
        while let Some(frame) = reader.next_frame().unwrap() {
            decoder.decode(&frame, &mut events).unwrap();
        }
    }
    if let Some(frame) = reader.rest() {
        decoder.decode(&frame, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    assert_eq!(events.iter().filter(|event| **event == Event::End).count(), 1);
    events
}

fn fixtures(dialect: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(dialect);
    let mut paths: Vec<PathBuf> = (fs::read_dir(folder).unwrap())
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
