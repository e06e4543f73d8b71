//! Embeddings: texts or token ids in, vectors out.

use super::{Extra, Usage};

/// A request for embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbeddingRequest {
    /// The model's name without a provider prefix.
    pub model: String,
    /// What is to be embedded, in order.
    pub input: EmbeddingInput,
    /// Length of the vectors, where the model lets one choose.
    pub dimensions: Option<u64>,
    /// Whether the client wants base64 of little-endian 32-bit floats instead of numbers.
    pub base64: bool,
    /// The end user's opaque name.
    pub user: Option<String>,
    /// Fields without a neutral meaning.
    pub extra: Extra,
}

impl Default for EmbeddingInput {
    fn default() -> Self {
        EmbeddingInput::Texts(Vec::new())
    }
}

/// What is to be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingInput {
    /// Texts.
    Texts(Vec<String>),
    /// Token ids of the model's own tokenizer, which other vendors cannot read.
    Tokens(Vec<Vec<u32>>),
}

/// Embeddings in the order of the inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingResponse {
    /// The model that the provider says answered.
    pub model: String,
    /// One vector per input.
    pub data: Vec<Embedding>,
    /// What the provider counted.
    pub usage: Option<Usage>,
    /// Fields without a neutral meaning.
    pub extra: Extra,
}

/// One vector.
#[derive(Debug, Clone, PartialEq)]
pub enum Embedding {
    /// Numbers.
    Floats(Vec<f32>),
    /// Base64 of little-endian 32-bit floats.
    Base64(String),
}
