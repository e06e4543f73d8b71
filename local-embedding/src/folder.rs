//! The files of a sentence-transformers model folder, checked.

use super::matrix::mean;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokenizers::{Tokenizer, TruncationParams};

/// Why a folder could not be loaded, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file or folder that is wrong.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl LoadError {
    pub(super) fn new(file: &Path, problem: impl Into<String>) -> LoadError {
        LoadError { file: file.to_owned(), problem: problem.into() }
    }
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for LoadError {}

/// What a folder says about its model, and its tokenizer.
pub(super) struct Folder {
    pub(super) name: String,
    /// Where the network itself lies: the folder, or one inside of it.
    pub(super) path: PathBuf,
    pub(super) config: Config,
    /// Cuts off what exceeds `max_tokens`, and does not pad.
    pub(super) tokenizer: Tokenizer,
    pub(super) pooling: Pooling,
    pub(super) max_tokens: usize,
    pub(super) lowercase: bool,
    /// Digests of the network's configuration and of the tokenizer.
    files: [blake3::Hash; 2],
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    Mean,
    /// The first token's.
    Cls,
}

impl Pooling {
    /// `states` has a row of `width` floats for each token.
    pub(super) fn pool(self, states: &[f32], width: usize) -> Vec<f32> {
        match self {
            Pooling::Mean => mean(states, width),
            Pooling::Cls => states[..width].to_vec(),
        }
    }
}

/// `config.json`, as far as it matters to the network.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    hidden_act: Option<String>,
    #[serde(default)]
    position_embedding_type: Option<String>,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) vocab_size: usize,
    pub(super) type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    pub(super) layer_norm_eps: f32,
}

/// BERT's own, where `config.json` leaves it out.
fn default_epsilon() -> f32 {
    1e-12
}

/// An entry of `modules.json`: the steps from text to vector.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `sentence_bert_config.json`.
#[derive(Deserialize, Default)]
struct Limits {
    #[serde(default)]
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

impl Folder {
    pub(super) fn read(folder: &Path) -> Result<Folder, LoadError> {
        let Modules { network: path, pooling } = modules(folder)?;
        let (config, config_digest) = config(&path.join("config.json"))?;
        let pooling = read_pooling(&pooling.join("config.json"))?;
        let limits: Limits = match json(&path.join("sentence_bert_config.json")) {
            Err(error) if !error.file.exists() => Limits::default(),
            limits => limits?,
        };
        let longest = config.max_position_embeddings;
        let max_tokens = limits.max_seq_length.map_or(longest, |limit| limit.min(longest));
        let (tokenizer, tokenizer_digest) =
            tokenizer(&path.join("tokenizer.json"), max_tokens, config.vocab_size)?;
        let files = [config_digest, tokenizer_digest];
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into();
        let lowercase = limits.do_lower_case;
        Ok(Folder { name, path, config, tokenizer, pooling, max_tokens, lowercase, files })
    }

    /// Eight hexadecimal digits that differ when anything differs on which vectors depend.
    pub(super) fn digest(&self, weights: &[u8]) -> String {
        let Folder { pooling, max_tokens, lowercase, files, .. } = self;
        let mut all = blake3::Hasher::new();
        all.update(format!("{pooling:?} {max_tokens} {lowercase}").as_bytes());
        for file in files.iter().chain([&blake3::hash(weights)]) {
            all.update(file.as_bytes());
        }
        all.finalize().to_hex()[..8].to_owned()
    }
}

/// The folders of the steps that have files.
struct Modules {
    network: PathBuf,
    pooling: PathBuf,
}

fn modules(folder: &Path) -> Result<Modules, LoadError> {
    let file = folder.join("modules.json");
    let (mut network, mut pooling) = (None, None);
    for module in json::<Vec<Module>>(&file)? {
        match module.kind.rsplit('.').next() {
            Some("Transformer") => network = Some(folder.join(&module.path)),
            Some("Pooling") => pooling = Some(folder.join(&module.path)),
            // Vectors are always normalised: they are compared by their angle.
            Some("Normalize") => {}
            _ => {
                let problem = "is not supported: Transformer, Pooling and Normalize are";
                return Err(LoadError::new(&file, format!("the step {} {problem}", module.kind)));
            }
        }
    }
    match (network, pooling) {
        (Some(network), Some(pooling)) => Ok(Modules { network, pooling }),
        _ => Err(LoadError::new(&file, "needs the steps Transformer and Pooling")),
    }
}

fn config(file: &Path) -> Result<(Config, blake3::Hash), LoadError> {
    let wrong = |problem: String| Err(LoadError::new(file, problem));
    let bytes = read(file)?;
    // Asked first: other architectures lack the fields of this one.
    let kind: serde_json::Value = parsed(file, &bytes)?;
    let model_type = kind.get("model_type").and_then(serde_json::Value::as_str).unwrap_or("");
    if model_type != "bert" {
        return wrong(format!("model_type is {model_type:?}; only \"bert\" is supported"));
    }
    let config: Config = parsed(file, &bytes)?;
    if let Some(act) = config.hidden_act.as_deref().filter(|act| *act != "gelu") {
        return wrong(format!("hidden_act is {act:?}; only \"gelu\" is supported"));
    }
    if let Some(kind) = config.position_embedding_type.as_deref().filter(|kind| *kind != "absolute")
    {
        return wrong(format!(
            "position_embedding_type is {kind:?}; only \"absolute\" is supported"
        ));
    }
    for (name, value) in [
        ("hidden_size", config.hidden_size),
        ("intermediate_size", config.intermediate_size),
        ("num_attention_heads", config.num_attention_heads),
        ("max_position_embeddings", config.max_position_embeddings),
        ("vocab_size", config.vocab_size),
        ("type_vocab_size", config.type_vocab_size),
    ] {
        if value == 0 {
            return wrong(format!("{name} is 0"));
        }
    }
    if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
        return wrong("hidden_size is not a multiple of num_attention_heads".into());
    }
    Ok((config, blake3::hash(&bytes)))
}

/// Reads `1_Pooling/config.json`: a flag per way of pooling, or since version 5 its name.
fn read_pooling(file: &Path) -> Result<Pooling, LoadError> {
    let config: serde_json::Map<String, serde_json::Value> = json(file)?;
    let mut modes: Vec<&str> = config
        .iter()
        .filter(|(_, value)| **value == true)
        .filter_map(|(name, _)| name.strip_prefix("pooling_mode_"))
        .collect();
    modes.extend(config.get("pooling_mode").and_then(serde_json::Value::as_str));
    match modes.as_slice() {
        ["mean_tokens" | "mean"] => Ok(Pooling::Mean),
        ["cls_token" | "cls"] => Ok(Pooling::Cls),
        _ => {
            let problem = "pooling by mean or cls is supported, and one of them only; asked for";
            Err(LoadError::new(file, format!("{problem}: {}", modes.join(", "))))
        }
    }
}

fn tokenizer(
    file: &Path,
    max_tokens: usize,
    vocabulary: usize,
) -> Result<(Tokenizer, blake3::Hash), LoadError> {
    let wrong = |problem: String| LoadError::new(file, problem);
    let bytes = read(file)?;
    let mut tokenizer = Tokenizer::from_bytes(&bytes)
        .map_err(|error| wrong(format!("is not a tokenizer: {error}")))?;
    if let Some(id) = tokenizer.get_vocab(true).into_values().max()
        && id as usize >= vocabulary
    {
        return Err(wrong(format!("has a token {id}, but the model's vocab_size is {vocabulary}")));
    }
    tokenizer.with_padding(None);
    // Checked here: the tokenizer subtracts without a check.
    let marks = tokenizer.encode("", true).map_or(0, |encoding| encoding.len());
    if max_tokens <= marks {
        return Err(wrong(format!(
            "adds {marks} tokens, but the model takes {max_tokens} at most"
        )));
    }
    let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
    tokenizer
        .with_truncation(Some(truncation))
        .map_err(|error| wrong(format!("cannot be cut at {max_tokens} tokens: {error}")))?;
    Ok((tokenizer, blake3::hash(&bytes)))
}

/// A file's bytes.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(file).map_err(|error| LoadError::new(file, format!("cannot be read: {error}")))
}

fn json<T: DeserializeOwned>(file: &Path) -> Result<T, LoadError> {
    parsed(file, &read(file)?)
}

fn parsed<T: DeserializeOwned>(file: &Path, bytes: &[u8]) -> Result<T, LoadError> {
    serde_json::from_slice(bytes)
        .map_err(|error| LoadError::new(file, format!("is not as expected: {error}")))
}
