//! Embeddings made inside of the process, from a sentence-transformers model folder of the BERT
//! architecture such as `all-MiniLM-L6-v2`: no vendor, no network.
//!
//! A folder is read once ([`folder`], [`weights`]) and runs on one thread of its own ([`engine`]);
//! the arithmetic ([`bert`], [`matrix`]) is written out here rather than taken from a framework,
//! whose pools of threads would take cores from the gateway's event loops.

mod bert;
mod engine;
mod folder;
mod matrix;
#[cfg(test)]
mod tests;
mod weights;

pub use engine::EmbedError;
pub use folder::LoadError;

use bert::Bert;
use engine::Engine;
use folder::{Folder, Pooling};
use std::path::Path;
use tokenizers::Tokenizer;
use weights::WeightsFile;

/// Bytes of a text that are looked at, per token that the model takes. An ordinary token has four;
/// without the bound a text of megabytes would be taken apart to be thrown away.
const BYTES_PER_TOKEN: usize = 64;

/// A loaded model with its own thread, which ends when this is dropped.
pub struct LocalModel {
    name: String,
    dimension: usize,
    /// Bytes of a text that are looked at.
    longest_text: usize,
    engine: Engine,
}

impl LocalModel {
    /// Checks the folder's files and loads the weights. Reads some hundred megabytes: not for an
    /// event loop. An error names the file and what is wrong with it, for the operator.
    pub fn load(folder: &Path) -> Result<LocalModel, LoadError> {
        let read = Folder::read(folder)?;
        let weights = WeightsFile::read(&read.path)?;
        let name = format!("{}@{}", read.name, read.digest(&weights.bytes));
        let Folder { config, tokenizer, pooling, max_tokens, lowercase, .. } = read;
        let dimension = config.hidden_size;
        let bert = Bert::load(&weights, &config)?;
        let model = Model { bert, tokenizer, pooling, lowercase };
        let engine = Engine::start(move |texts| model.embed(texts))
            .map_err(|error| LoadError::new(folder, format!("no thread for the model: {error}")))?;
        Ok(LocalModel { name, dimension, longest_text: max_tokens * BYTES_PER_TOKEN, engine })
    }

    /// Floats of a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The folder's name and a part of a digest of all that its vectors depend on, so that those of two models are
    /// told apart though their folders are named alike: `all-MiniLM-L6-v2@1d2c3b4a`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The vector of a text, of length 1. What exceeds the model's longest text is not looked at.
    ///
    /// The work is done on the model's thread, together with what else waits. When too much waits
    /// the answer is an error at once. Dropping the future before the work has begun saves it.
    pub async fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.engine.embed(&text[..text.floor_char_boundary(self.longest_text)]).await
    }
}

/// From texts to vectors.
struct Model {
    bert: Bert,
    tokenizer: Tokenizer,
    pooling: Pooling,
    /// Whether texts are lowercased before the tokenizer sees them.
    lowercase: bool,
}

impl Model {
    /// The vectors of some texts, in their order.
    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, String> {
        let texts = texts.iter().map(|text| self.tokens(text)).collect::<Result<Vec<_>, _>>()?;
        let states = self.bert.run(&texts)?;
        let mut states = states.as_slice();
        let width = self.bert.width();
        let mut vectors = Vec::with_capacity(texts.len());
        for tokens in &texts {
            let (text, rest) = states.split_at(tokens.len() * width);
            states = rest;
            vectors.push(normalised(self.pooling.pool(text, width))?);
        }
        Ok(vectors)
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, String> {
        let lowercase = self.lowercase.then(|| text.to_lowercase());
        let text = lowercase.as_deref().unwrap_or(text);
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|error| format!("the tokenizer failed: {error}"))?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// A vector scaled to length 1.
fn normalised(mut vector: Vec<f32>) -> Result<Vec<f32>, String> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !length.is_normal() {
        return Err(format!("the model made a vector of length {length}"));
    }
    vector.iter_mut().for_each(|value| *value /= length);
    Ok(vector)
}

impl std::fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalModel").field("name", &self.name).finish_non_exhaustive()
    }
}
