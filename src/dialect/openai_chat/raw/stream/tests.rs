use super::*;
use crate::dialect::sse::FrameReader;
use crate::llm::FailureKind;
use proptest::prelude::*;
use serde_json::{Value, json};

const EXTRA: &[u8] = b"{\"provider\":\"x\"}";
const ROLE: &str = r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#;
const TEXT: &str = r#"{ "id":"c", "choices":[{"index":0,"delta":{"content":"Gr\u00fc\u00dfe \"finish_reason\":\"stop\" \"usage\":{}"},"finish_reason":null}],"x":1.50 }"#;
const STOP: &str = r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}] }"#;
const USAGE: &str =
    r#"{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

/// What the client of a stream sees, and the stream.
fn pass(include_usage: bool, input: &str) -> (String, RawStream) {
    let (mut stream, mut out) = (RawStream::new(include_usage, 1), BytesMut::new());
    let mut reader = FrameReader::default();
    reader.push(input.as_bytes());
    while let Some(frame) = reader.next_frame().unwrap() {
        stream.push(&frame, &mut out).unwrap();
    }
    if let Some(frame) = reader.rest() {
        stream.push(&frame, &mut out).unwrap();
    }
    stream.close();
    if stream.is_complete() {
        stream.finish(EXTRA, &mut out);
    }
    (String::from_utf8(out.to_vec()).unwrap(), stream)
}

fn frames(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn with_extra(chunk: &str) -> String {
    let end = chunk.rfind('}').unwrap();
    format!("{},\"extra_fields\":{{\"provider\":\"x\"}}}}", &chunk[..end])
}

#[test]
fn the_usage_chunk_is_withheld_from_a_client_that_did_not_ask() {
    let (seen, stream) = pass(false, &frames(&[ROLE, TEXT, STOP, USAGE, "[DONE]"]));
    assert_eq!(seen, frames(&[ROLE, TEXT, &with_extra(STOP), "[DONE]"]));
    assert_eq!(stream.usage().map(|usage| (usage.input, usage.output)), Some((3, 2)));
    assert_eq!(stream.pieces(), 3);
}

#[test]
fn the_usage_chunk_is_the_last_for_a_client_that_asked() {
    let (seen, stream) = pass(true, &frames(&[ROLE, TEXT, STOP, USAGE, "[DONE]"]));
    assert_eq!(seen, frames(&[ROLE, TEXT, STOP, &with_extra(USAGE), "[DONE]"]));
    assert!(stream.is_complete());
}

/// Providers that send usage unasked put it into the last chunk with a choice.
#[test]
fn usage_beside_a_choice_passes() {
    let last = r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":9}}"#;
    for include_usage in [false, true] {
        let (seen, stream) = pass(include_usage, &frames(&[TEXT, last, "[DONE]"]));
        assert_eq!(seen, frames(&[TEXT, &with_extra(last), "[DONE]"]));
        assert_eq!(stream.usage().unwrap().output, 9);
    }
}

#[test]
fn counts_that_grow_along_the_stream_are_read_at_their_largest() {
    let part = |count: u32| {
        format!(
            r#"{{"choices":[{{"delta":{{"content":"x"}}}}],"usage":{{"prompt_tokens":7,"completion_tokens":{count}}}}}"#
        )
    };
    let (seen, stream) = pass(false, &frames(&[&part(1), &part(2), STOP, "[DONE]"]));
    assert_eq!(seen, frames(&[&part(1), &part(2), &with_extra(STOP), "[DONE]"]));
    assert_eq!(stream.usage().map(|usage| (usage.input, usage.output)), Some((7, 2)));
}

#[test]
fn a_chunk_of_an_unknown_shape_passes_as_it_came() {
    let unknown = [
        r#"{"object":"vendor.note","data":{"usage":{"seconds":1}}}"#,
        r#"{ "choices" : [] , "vendor" : 1E2 }"#,
        r#"{"choices":[{"index":0,"delta":{},"content_filter_results":{"hate":{"filtered":false}}}]}"#,
    ];
    for chunk in unknown {
        let (seen, _) = pass(false, &frames(&[TEXT, chunk, STOP, "[DONE]"]));
        assert_eq!(seen, frames(&[TEXT, chunk, &with_extra(STOP), "[DONE]"]));
    }
}

#[test]
fn what_follows_the_end_marker_is_not_passed() {
    let (seen, _) = pass(false, &frames(&[TEXT, STOP, "[DONE]", TEXT, USAGE, "[DONE]"]));
    assert_eq!(seen, frames(&[TEXT, &with_extra(STOP), "[DONE]"]));
}

#[test]
fn an_end_without_its_marker_is_complete_after_a_finish_reason_only() {
    let (seen, stream) = pass(false, &frames(&[TEXT, STOP]));
    assert_eq!(seen, frames(&[TEXT, &with_extra(STOP), "[DONE]"]));
    assert!(stream.is_complete());
    let (seen, stream) = pass(false, &frames(&[TEXT, TEXT]));
    assert_eq!(seen, frames(&[TEXT, TEXT]));
    assert!(!stream.is_complete());
}

#[test]
fn each_choice_has_its_own_end() {
    let stop = |index: u32| {
        format!(r#"{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]}}"#)
    };
    let (seen, _) = pass(false, &frames(&[TEXT, &stop(0), TEXT, &stop(1), USAGE, "[DONE]"]));
    assert_eq!(seen, frames(&[TEXT, &stop(0), TEXT, &with_extra(&stop(1)), "[DONE]"]));
}

#[test]
fn a_chunk_of_several_lines_stays_readable() {
    let several =
        "data: {\"choices\":[{\"delta\":{},\ndata: \"finish_reason\":\"stop\"}]\ndata: }\n\n";
    let (seen, _) = pass(false, &format!("{}{several}data: [DONE]\n\n", frames(&[TEXT])));
    let last = "data: {\"choices\":[{\"delta\":{},\ndata: \"finish_reason\":\"stop\"}]\ndata: ,\"extra_fields\":{\"provider\":\"x\"}}\n\n";
    assert_eq!(seen, format!("{}{last}data: [DONE]\n\n", frames(&[TEXT])));
    let (seen, _) = pass(true, &format!("{several}{}", frames(&[USAGE, "[DONE]"])));
    assert_eq!(seen, format!("{several}{}", frames(&[&with_extra(USAGE), "[DONE]"])));
}

#[test]
fn a_frame_that_was_cut_is_not_passed() {
    let (seen, stream) = pass(false, &format!("{}data: {{\"choices\":[{{\"del", frames(&[TEXT])));
    assert_eq!(seen, frames(&[TEXT]));
    assert!(!stream.is_complete());
    let (seen, _) = pass(false, &format!("{}data: {STOP}", frames(&[TEXT])));
    assert_eq!(seen, frames(&[TEXT, &with_extra(STOP), "[DONE]"]));
    let (seen, _) = pass(false, &format!("{}data: {TEXT}", frames(&[TEXT])));
    assert_eq!(seen, frames(&[TEXT, TEXT]), "an error event may follow");
}

#[test]
fn comments_and_line_ends_pass_after_the_first_content() {
    let input = format!(
        ": hello\n\ndata:{ROLE}\r\n\r\n: early\r\n\r\nid: 7\r\nevent: x\r\ndata:{TEXT}\r\n\r\n: late\n\n{}",
        frames(&[STOP, "[DONE]"])
    );
    let (seen, _) = pass(false, &input);
    let expected = format!(
        "data:{ROLE}\r\n\r\nid: 7\r\nevent: x\r\ndata:{TEXT}\r\n\r\n: late\n\n{}",
        frames(&[&with_extra(STOP), "[DONE]"])
    );
    assert_eq!(seen, expected);
}

#[test]
fn a_stream_commits_with_its_first_content() {
    let mut out = BytesMut::new();
    let committed = |chunk: &str, out: &mut BytesMut| {
        let mut stream = RawStream::new(false, 1);
        let data = Some(Bytes::copy_from_slice(chunk.as_bytes()));
        stream.push(&Frame { data, ..Frame::default() }, out).map(|()| stream.committed())
    };
    assert_eq!(committed(ROLE, &mut out), Ok(false));
    assert_eq!(committed(r#"{"choices":[]}"#, &mut out), Ok(false));
    assert_eq!(committed(USAGE, &mut out), Ok(false));
    for chunk in [
        TEXT,
        STOP,
        r#"{"choices":[{"delta":{"refusal":"no"}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}"#,
    ] {
        assert_eq!(committed(chunk, &mut out), Ok(true), "{chunk}");
    }
    for chunk in ["nonsense", "[1]", "{\"choices\":7}", "\"x\""] {
        let failure = committed(chunk, &mut out).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadResponse, "{chunk}");
    }
}

#[test]
fn an_error_event_is_a_failure_and_the_word_alone_is_not() {
    let mut out = BytesMut::new();
    let mut push = |chunk: &str| {
        let data = Some(Bytes::copy_from_slice(chunk.as_bytes()));
        RawStream::new(false, 1).push(&Frame { data, ..Frame::default() }, &mut out)
    };
    let kind = |failure: Result<(), Failure>| failure.map_err(|failure| failure.kind);
    let overloaded = r#"{"error":{"message":"busy","type":"overloaded_error"}}"#;
    assert_eq!(kind(push(overloaded)), Err(FailureKind::Overloaded));
    let limited = r#"{"error":{"message":"slow","code":429}}"#;
    assert_eq!(kind(push(limited)), Err(FailureKind::RateLimit));
    assert_eq!(kind(push(r#"{"error":"broken"}"#)), Err(FailureKind::ServerError));
    assert_eq!(push(r#"{"choices":[{"delta":{"content":"\"error\":1"}}],"error":null}"#), Ok(()));
}

/// Chunks of all kinds, most of them like another one.
fn chunks() -> impl Strategy<Value = Vec<String>> {
    let chunk = ("[ab\"\\\\\n\u{e9}]{0,6}", 0..12_u8).prop_map(|(text, kind)| {
        let mut chunk = json!({"id": "1", "created": 1, "choices": [
            {"index": 0, "delta": {"content": text}, "finish_reason": null}]});
        let choice = &mut chunk["choices"][0];
        match kind {
            0 => choice["finish_reason"] = json!("stop"),
            1 => choice["delta"] = json!({"role": "assistant", "content": ""}),
            2 => choice["delta"] = json!({"reasoning_content": text}),
            3 => chunk["usage"] = json!({"prompt_tokens": 3, "completion_tokens": text.len()}),
            4 => chunk = json!({"choices": [], "usage": {"completion_tokens": 9}}),
            5 => chunk["created"] = json!(2),
            6 => chunk["obfuscation"] = json!(text),
            _ => {}
        }
        chunk.to_string()
    });
    let error = Just(json!({"error": {"message": "no"}}).to_string());
    prop::collection::vec(prop_oneof![30 => chunk, 1 => error], 0..40)
}

proptest! {
    #[test]
    fn what_is_like_the_one_before_is_passed_as_if_it_had_been_looked_at(
        chunks in chunks(), include_usage in any::<bool>(),
    ) {
        let mut quick = RawStream::new(include_usage, 1);
        let mut plain = RawStream { next_look: u64::MAX, ..RawStream::new(include_usage, 1) };
        let (mut out, mut expected) = (BytesMut::new(), BytesMut::new());
        for chunk in &chunks {
            let raw = Bytes::from(format!("data: {chunk}\n\n"));
            let data = Some(Bytes::from(chunk.clone()));
            let frame = Frame { raw, data, ..Frame::default() };
            let done = quick.push(&frame, &mut out).map_err(|failure| failure.message);
            let should = plain.push(&frame, &mut expected).map_err(|failure| failure.message);
            prop_assert_eq!(&done, &should);
            prop_assert_eq!(&out, &expected);
            let of = |stream: &RawStream| {
                (stream.usage, stream.pieces, stream.estimated_output(), stream.stopped, stream.committed)
            };
            prop_assert_eq!(of(&quick), of(&plain));
            if done.is_err() {
                break;
            }
        }
        prop_assert_eq!(plain.texts().unwrap(), &Texts::default());
        let Texts { runs, said } = quick.texts().unwrap();
        let (mut begin, mut end) = (0, 0);
        for run in runs {
            prop_assert!(run.events.start > end || end == 0, "events in a row are one run");
            end = run.events.end;
            let mut texts = String::new();
            for event in out[run.events.clone()].split_inclusive(|byte| *byte == b'\n') {
                if event == b"\n" {
                    continue;
                }
                let chunk = event.strip_prefix(b"data: ").unwrap();
                let chunk: Value = serde_json::from_slice(chunk).unwrap();
                let text = chunk["choices"][0]["delta"]["content"].as_str().unwrap();
                prop_assert_eq!(&chunk["choices"][0]["delta"], &json!({"content": text}));
                prop_assert_eq!(&chunk["usage"], &Value::Null);
                texts.push_str(text);
            }
            let read = |json: &[u8]| -> String {
                serde_json::from_slice(&[b"\"", json, b"\""].concat()).unwrap()
            };
            prop_assert_eq!(&read(&said[begin..run.said_end]), &texts);
            begin = run.said_end;
            prop_assert!(texts.starts_with(&read(&out[run.first.clone()])));
            let first = &out[run.events.start..run.first_end];
            prop_assert_eq!(first.iter().position(|byte| *byte == b'\n'), Some(first.len() - 2));
        }
        prop_assert_eq!(begin, said.len());
    }
}

#[test]
fn most_of_a_stream_is_known_to_be_text() {
    let chunk = |text: &str| {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
        format!("data: {}\n\n", json!({"choices": [choice]}))
    };
    let stream: String = (0..50).map(|number| chunk(&"word ".repeat(number % 3 + 1))).collect();
    let (_, mut passed) = pass(false, &stream);
    let texts = passed.texts().unwrap();
    assert_eq!((texts.runs.len(), texts.runs[0].events.clone()), (1, 0..stream.len()));
    assert_eq!(texts.said.len(), stream.matches("word ").count() * 5);
    texts.clear();
    assert_eq!(texts, &Texts::default());
    passed.forget_texts();
    assert_eq!(passed.texts(), None);
}
