//! Embeddings: vectors that follow from the input alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::answer::prompt_tokens;
use crate::call::Call;

const DIMENSIONS: u64 = 8;

/// A vector of unit length that follows from the input.
pub(crate) fn vector(input: &str, dimensions: u64) -> Vec<f32> {
    let mut state = input.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let raw: Vec<f32> = (0..dimensions)
        .map(|_| {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            let small = u16::try_from(mixed & 0xffff).unwrap_or(0);
            f32::from(small) / 32_768.0 - 1.0
        })
        .collect();
    let length = raw.iter().map(|part| part * part).sum::<f32>().sqrt().max(f32::EPSILON);
    raw.iter().map(|part| part / length).collect()
}

/// The inputs of an OpenAI request, each as text, and their tokens.
fn inputs(input: &Value) -> Option<(Vec<String>, u64)> {
    let words = |text: &str| (text.split_whitespace().count() as u64).max(1);
    match input {
        Value::String(text) => Some((vec![text.clone()], words(text))),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) if items.iter().all(Value::is_number) => {
            Some((vec![input.to_string()], items.len() as u64))
        }
        Value::Array(items) => {
            let mut texts = Vec::new();
            let mut tokens = 0;
            for item in items {
                match item {
                    Value::String(text) => {
                        tokens += words(text);
                        texts.push(text.clone());
                    }
                    Value::Array(numbers) if numbers.iter().all(Value::is_number) => {
                        tokens += numbers.len() as u64;
                        texts.push(item.to_string());
                    }
                    _ => return None,
                }
            }
            Some((texts, tokens))
        }
        _ => None,
    }
}

/// OpenAI's embeddings and the tokens of the input; an error's text if the input is none.
pub(crate) fn openai(call: &Call, told: Option<u64>) -> Result<(Value, u64), &'static str> {
    let (texts, counted) = call
        .body
        .get("input")
        .and_then(inputs)
        .ok_or("'$.input' is invalid. Please check the API reference.")?;
    let tokens = told.unwrap_or(counted);
    let dimensions = call.body.get("dimensions").and_then(Value::as_u64).unwrap_or(DIMENSIONS);
    let packed = call.body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions.min(16_384));
            let embedding = if packed {
                let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let body = json!({
        "object": "list",
        "data": data,
        "model": call.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok((body, tokens))
}

fn gemini_one(request: &Value) -> Value {
    let parts = request.pointer("/content/parts").and_then(Value::as_array);
    let text: String = parts
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(|part| part.get("text").and_then(Value::as_str))
        .collect();
    let dimensions =
        request.get("outputDimensionality").and_then(Value::as_u64).unwrap_or(DIMENSIONS);
    json!({"values": vector(&text, dimensions.min(16_384))})
}

/// Gemini's embedding of one content.
pub(crate) fn gemini(call: &Call) -> (Value, u64) {
    (json!({"embedding": gemini_one(&call.body)}), prompt_tokens(&call.body))
}

/// Gemini's embeddings of several contents.
pub(crate) fn gemini_batch(call: &Call) -> (Value, u64) {
    let requests = call.body.get("requests").and_then(Value::as_array);
    let all: Vec<Value> =
        requests.map(Vec::as_slice).unwrap_or_default().iter().map(gemini_one).collect();
    (json!({"embeddings": all}), prompt_tokens(&call.body))
}
