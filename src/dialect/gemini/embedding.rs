//! Embeddings. <https://ai.google.dev/api/embeddings>

use super::types::unreadable;
use crate::dialect::EncodeContext;
use crate::llm::{
    Embedding, EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Extra, Failure, Usage,
};
use base64::Engine as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
struct Batch<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: String,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Content<'a> {
    parts: [Text<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embeddings: Vec<Vector>,
    #[serde(default)]
    usage_metadata: Option<super::types::UsageIn>,
}

#[derive(Debug, Deserialize)]
struct Vector {
    values: Vec<f32>,
}

/// Writes a request; one text is a batch of one.
pub(super) fn encode(
    request: &EmbeddingRequest,
    context: &EncodeContext,
) -> Result<Bytes, Failure> {
    let EmbeddingInput::Texts(texts) = &request.input else {
        let message = "gemini embeds texts only: token ids belong to OpenAI's tokenizers";
        return Err(Failure::unsupported(message).with_param("input"));
    };
    let one = |text| One {
        model: format!("models/{}", context.model),
        content: Content { parts: [Text { text }] },
        output_dimensionality: request.dimensions,
    };
    let batch = Batch { requests: texts.iter().map(|text| one(text)).collect() };
    serde_json::to_vec(&batch).map(Bytes::from).map_err(|e| Failure::invalid(e.to_string()))
}

/// Reads an answer. Google does not always count what it embeds.
pub(super) fn decode(
    request: &EmbeddingRequest,
    body: &[u8],
) -> Result<EmbeddingResponse, Failure> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let vector = |vector: Vector| match request.base64 {
        false => Embedding::Floats(vector.values),
        true => {
            let bytes: Vec<u8> = vector.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            Embedding::Base64(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
    };
    Ok(EmbeddingResponse {
        model: request.model.clone(),
        data: answer.embeddings.into_iter().map(vector).collect(),
        usage: answer.usage_metadata.map(Usage::from),
        extra: Extra::default(),
    })
}
