//! The network: BERT's encoder, from the ids of tokens to a vector for each.
//!
//! The texts of a batch lie one after the other, without padding: all that is done row by row sees
//! one tall matrix, and only attention looks at one text at a time.

use super::folder::{Config, LoadError};
use super::matrix::{Blocks, Norm, Panels, add, add_bias, add_bias_and_gelu, scale_and_softmax};
use super::weights::{Weights, WeightsFile};
use pulp::Arch;

/// A network with its weights.
pub(super) struct Bert {
    arch: Arch,
    width: usize,
    heads: usize,
    /// A row for each token of the vocabulary.
    words: Vec<f32>,
    /// A row for each place in a text, with the embedding of the first segment added.
    places: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Query, key and value, side by side.
    attention: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

/// A matrix to multiply rows with, and what is added then.
struct Linear {
    matrix: Panels,
    bias: Vec<f32>,
}

impl Bert {
    /// Takes the weights out of their file.
    pub(super) fn load(file: &WeightsFile, config: &Config) -> Result<Bert, LoadError> {
        let weights = file.open()?;
        let (arch, width) = (Arch::new(), config.hidden_size);
        let words =
            weights.take("embeddings.word_embeddings.weight", &[config.vocab_size, width])?;
        let mut places = weights.take(
            "embeddings.position_embeddings.weight",
            &[config.max_position_embeddings, width],
        )?;
        let segments = weights
            .take("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?;
        add_bias(arch, &mut places, &segments[..width]);
        let load = Load { weights: &weights, config, arch };
        let layers = (0..config.num_hidden_layers).map(|number| load.layer(number));
        Ok(Bert {
            arch,
            width,
            heads: config.num_attention_heads,
            words,
            places,
            norm: load.norm("embeddings.LayerNorm")?,
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// Floats of a token's vector.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The vectors of all tokens of all texts, one after the other.
    pub(super) fn run(&self, texts: &[Vec<u32>]) -> Result<Vec<f32>, String> {
        let mut states = self.embeddings(texts)?;
        for layer in &self.layers {
            let asked = self.linear(&layer.attention, &states);
            let seen = self.attention(texts, &asked);
            add(self.arch, &mut states, &self.linear(&layer.attention_out, &seen));
            layer.attention_norm.apply(self.arch, &mut states);
            let mut wide = product(&layer.up, &states);
            add_bias_and_gelu(self.arch, &mut wide, &layer.up.bias);
            add(self.arch, &mut states, &self.linear(&layer.down, &wide));
            layer.norm.apply(self.arch, &mut states);
        }
        Ok(states)
    }

    fn embeddings(&self, texts: &[Vec<u32>]) -> Result<Vec<f32>, String> {
        let mut states = Vec::with_capacity(texts.iter().map(Vec::len).sum::<usize>() * self.width);
        for text in texts {
            let places = self.places.chunks_exact(self.width);
            if text.is_empty() || text.len() > places.len() {
                return Err(format!("a text of {} tokens", text.len()));
            }
            for (token, place) in text.iter().zip(places) {
                let from = *token as usize * self.width;
                let word = self.words.get(from..from + self.width);
                let word = word.ok_or_else(|| format!("an unknown token, {token}"))?;
                states.extend(word.iter().zip(place).map(|(word, place)| word + place));
            }
        }
        self.norm.apply(self.arch, &mut states);
        Ok(states)
    }

    fn linear(&self, linear: &Linear, rows: &[f32]) -> Vec<f32> {
        let mut out = product(linear, rows);
        add_bias(self.arch, &mut out, &linear.bias);
        out
    }

    /// `asked` has query, key and value of each token; the result what each token sees.
    fn attention(&self, texts: &[Vec<u32>], asked: &[f32]) -> Vec<f32> {
        let mut seen = vec![0.0; asked.len() / 3];
        let mut first = 0;
        for text in texts {
            let asked = &asked[first * 3 * self.width..][..text.len() * 3 * self.width];
            let seen = &mut seen[first * self.width..][..text.len() * self.width];
            for head in 0..self.heads {
                self.head(head, text.len(), asked, seen);
            }
            first += text.len();
        }
        seen
    }

    fn head(&self, head: usize, tokens: usize, asked: &[f32], seen: &mut [f32]) {
        let (width, size) = (self.width, self.width / self.heads);
        let stride = 3 * width;
        let query = head * size;
        let (key, value) = (query + width, query + 2 * width);
        let keys =
            Panels::new(self.arch, size, tokens, |row, token| asked[token * stride + key + row]);
        let values = Panels::new(self.arch, tokens, size, |token, column| {
            asked[token * stride + value + column]
        });
        let mut scores = vec![0.0; tokens * tokens];
        keys.multiply(&Blocks::new(&asked[query..], stride, tokens, size), &mut scores, tokens);
        scale_and_softmax(self.arch, &mut scores, tokens, 1.0 / (size as f32).sqrt());
        let scores = Blocks::new(&scores, tokens, tokens, tokens);
        values.multiply(&scores, &mut seen[query..], width);
    }
}

fn product(linear: &Linear, rows: &[f32]) -> Vec<f32> {
    let (depth, columns) = (linear.matrix.depth(), linear.bias.len());
    let count = rows.len() / depth;
    let mut out = vec![0.0; count * columns];
    linear.matrix.multiply(&Blocks::new(rows, depth, count, depth), &mut out, columns);
    out
}

/// What is at hand while the weights are read.
struct Load<'a> {
    weights: &'a Weights<'a>,
    config: &'a Config,
    arch: Arch,
}

impl Load<'_> {
    fn layer(&self, number: usize) -> Result<Layer, LoadError> {
        let (width, wide) = (self.config.hidden_size, self.config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{number}.{part}");
        let [query, key, value] =
            ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
        let out = name("attention.output.dense");
        let (up, down) = (name("intermediate.dense"), name("output.dense"));
        Ok(Layer {
            attention: self.linear(&[&query, &key, &value], width, width)?,
            attention_out: self.linear(&[&out], width, width)?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"))?,
            up: self.linear(&[&up], width, wide)?,
            down: self.linear(&[&down], wide, width)?,
            norm: self.norm(&name("output.LayerNorm"))?,
        })
    }

    /// The matrices of these names side by side, each from `depth` floats to `columns`.
    fn linear(&self, names: &[&str], depth: usize, columns: usize) -> Result<Linear, LoadError> {
        let (mut rows, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            // A row of the file is a column here.
            rows.extend(self.weights.take(&format!("{name}.weight"), &[columns, depth])?);
            bias.extend(self.weights.take(&format!("{name}.bias"), &[columns])?);
        }
        let at = |row: usize, column: usize| rows[column * depth + row];
        Ok(Linear { matrix: Panels::new(self.arch, depth, bias.len(), at), bias })
    }

    fn norm(&self, name: &str) -> Result<Norm, LoadError> {
        let shape = [self.config.hidden_size];
        Ok(Norm {
            weight: self.weights.take(&format!("{name}.weight"), &shape)?,
            bias: self.weights.take(&format!("{name}.bias"), &shape)?,
            epsilon: self.config.layer_norm_eps,
        })
    }
}
