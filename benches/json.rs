//! What it takes to check a request or an answer and to read its top level, beside `serde_json`
//! telling the members of the same bytes apart. Prints what it measures, of the bench profile; part
//! of `make bench`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tollbridge::dialect::openai_chat::raw::{RawRequest, RawResponse};
use tollbridge::llm::Operation;

const CODE: &str =
    "    if name == \"none\" {\n        return Err(format!(\"no {name}\\n\"));\n    }\n";

fn main() {
    let prose = "The quick brown fox said that it would jump over the lazy dog. ";
    let chinese =
        "\u{4f60}\u{597d}\u{ff0c}\u{8bf7}\u{95ee}\u{4eca}\u{5929}\u{5929}\u{6c14}\u{ff1f}";
    for (name, body) in [
        ("a sentence or two", request(prose, 200)),
        ("prose", request(prose, 10 << 10)),
        ("prose", request(prose, 100 << 10)),
        ("code", request(CODE, 100 << 10)),
        ("Chinese", request(chinese, 100 << 10)),
        ("escaped Chinese", escaped(&request(chinese, 50 << 10))),
        ("tools", tools(100 << 10)),
    ] {
        let body = Bytes::from(body);
        compare(&format!("A request of {name}"), &body, || {
            RawRequest::parse(Operation::Chat, black_box(&body).clone()).unwrap().stream()
        });
    }
    let mut random = rand::rngs::SmallRng::seed_from_u64(7);
    let vector: Vec<f32> = (0..1536).map(|_| random.random_range(-0.1..0.1)).collect();
    let tokens: Vec<u32> = (0..1536).map(|_| random.random_range(0..100_000)).collect();
    for (name, numbers) in [
        ("an embedding", serde_json::to_string(&vector).unwrap()),
        ("tokens", serde_json::to_string(&tokens).unwrap()),
    ] {
        let data = format!(r#"[{{"object":"embedding","index":0,"embedding":{numbers}}}]"#);
        let usage = r#""usage":{"prompt_tokens":8}"#;
        let body = Bytes::from(format!(r#"{{"object":"list","data":{data},"model":"m",{usage}}}"#));
        compare(&format!("An answer with {name}"), &body, || {
            RawResponse::parse(black_box(&body)).unwrap().usage().is_some()
        });
    }
}

/// JSON as Python writes it: nothing but ASCII.
fn escaped(json: &str) -> String {
    let escape = |letter: char| match letter.is_ascii() {
        true => letter.to_string(),
        false => {
            letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
    };
    json.chars().map(escape).collect()
}

fn request(text: &str, bytes: usize) -> String {
    let text = text.repeat(bytes / text.len() + 1);
    let messages = serde_json::json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": text},
    ]);
    serde_json::json!({"model": "m", "messages": messages, "temperature": 0.2}).to_string()
}

fn tools(bytes: usize) -> String {
    let tool = serde_json::json!({"type": "function", "function": {"name": "read_file", "strict": true,
        "description": "Reads a file of the working directory, from a line on.", "parameters":
        {"type": "object", "properties": {"path": {"type": "string"}, "line": {"type": "integer", "minimum": 1}},
        "required": ["path"], "additionalProperties": false}}});
    let tools = vec![tool.clone(); bytes / tool.to_string().len() + 1];
    let messages = serde_json::json!([{"role": "user", "content": "Read it."}]);
    serde_json::json!({"model": "m", "messages": messages, "tools": tools}).to_string()
}

/// Both in turns, so that whoever shares the machine disturbs both alike.
fn compare(what: &str, body: &Bytes, mut read: impl FnMut() -> bool) {
    let (mut ours, mut serde) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        ours.push(each(|| {
            black_box(read());
        }));
        serde.push(each(|| {
            let members: BTreeMap<Cow<str>, &RawValue> =
                serde_json::from_slice(black_box(body)).unwrap();
            black_box(members.len());
        }));
    }
    let bytes = body.len();
    println!("{what}, {bytes} bytes: {:.2} µs, serde_json {:.2} µs", median(ours), median(serde));
}

/// Of one of a hundred.
fn each(mut read: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..100).for_each(|_| read());
    start.elapsed() / 100
}

fn median(mut taken: Vec<Duration>) -> f64 {
    taken.sort();
    taken[taken.len() / 2].as_secs_f64() * 1e6
}
