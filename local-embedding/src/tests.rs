//! The engine with a real model, against vectors that were computed in double precision by another
//! implementation, and folders that are wrong.

use super::*;
use serde::Deserialize;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

/// A text of `reference.json`.
#[derive(Deserialize)]
struct Known {
    text: String,
    tokens: usize,
    /// The first components of its vector.
    begins: Vec<f32>,
    /// With each of the texts.
    cosines: Vec<f32>,
}

#[derive(Deserialize)]
struct Reference {
    texts: Vec<Known>,
}

fn reference() -> Vec<Known> {
    serde_json::from_str::<Reference>(include_str!("reference.json")).unwrap().texts
}

/// The folder of all-MiniLM-L6-v2, which is too large for the repository.
fn folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where a test's data lies is not configuration")]
    let folder = std::env::var_os("TOLLBRIDGE_TEST_MODEL").map(PathBuf::from);
    if folder.is_none() {
        // Not `eprintln!`, of which nothing is seen when a test passes.
        let skipped = "SKIPPED: TOLLBRIDGE_TEST_MODEL does not name all-MiniLM-L6-v2's folder\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    }
    folder
}

/// The model without its thread.
fn model(folder: &Path) -> Model {
    let read = Folder::read(folder).unwrap();
    let weights = WeightsFile::read(&read.path).unwrap();
    let bert = Bert::load(&weights, &read.config).unwrap();
    let Folder { tokenizer, pooling, lowercase, .. } = read;
    Model { bert, tokenizer, pooling, lowercase }
}

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn apart(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_those_of_the_reference() {
    let Some(folder) = folder() else { return };
    let model = LocalModel::load(&folder).unwrap();
    assert_eq!(model.dimension(), 384);
    // With another digest nobody's vectors would be found any more.
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert_eq!(model.name(), format!("{name}@c382bca3"));
    let known = reference();
    let mut vectors = Vec::new();
    for text in &known {
        vectors.push(model.embed(&text.text).await.unwrap());
    }
    for (vector, known) in vectors.iter().zip(&known) {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
        assert!(apart(&vector[..8], &known.begins) < 1e-4, "{}", known.text);
        let cosines: Vec<f32> = vectors.iter().map(|other| cosine(vector, other)).collect();
        assert!(apart(&cosines, &known.cosines) < 1e-4, "{}", known.text);
    }
    // What makes a guard necessary: a negation hardly moves a vector, and other words do.
    let [cancel, keep, hours, open] = [0, 1, 2, 3].map(|at| vectors[at].as_slice());
    assert!((cosine(cancel, keep) - 0.96).abs() < 0.01);
    assert!((cosine(hours, open) - 0.36).abs() < 0.01);
}

#[test]
fn a_text_has_the_same_vector_in_a_batch() {
    let Some(folder) = folder() else { return };
    let model = model(&folder);
    let texts: Vec<String> = reference().into_iter().map(|known| known.text).collect();
    let together = model.embed(&texts).unwrap();
    assert_eq!(together.len(), texts.len());
    for (text, vector) in texts.iter().zip(&together) {
        let alone = model.embed(std::slice::from_ref(text)).unwrap();
        assert!(apart(&alone[0], vector) < 1e-6, "{text}");
    }
}

#[test]
fn texts_are_cut_at_the_models_limit() {
    let Some(folder) = folder() else { return };
    let model = model(&folder);
    for known in reference() {
        assert_eq!(model.tokens(&known.text).unwrap().len(), known.tokens, "{}", known.text);
    }
    let words = |count: usize| "word ".repeat(count);
    let vectors = model.embed(&[words(254), words(255), words(253)]).unwrap();
    assert!(apart(&vectors[0], &vectors[1]) < 1e-6);
    assert!(apart(&vectors[0], &vectors[2]) > 1e-6);
}

#[tokio::test]
async fn a_text_of_megabytes_is_not_taken_apart() {
    let Some(folder) = folder() else { return };
    let model = LocalModel::load(&folder).unwrap();
    // A bound inside of a character must not cut it.
    let huge = format!("x{}", "ä".repeat(4_000_000));
    assert_eq!(model.embed(&huge).await.unwrap().len(), 384);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_many_callers_get_each_its_own_vector() {
    let Some(folder) = folder() else { return };
    let model = std::sync::Arc::new(LocalModel::load(&folder).unwrap());
    let mut tasks = Vec::new();
    // More at once than a batch takes, fewer than may wait.
    for number in 0..40 {
        let model = model.clone();
        let known = reference().swap_remove(number % 9);
        tasks.push(tokio::spawn(async move {
            let vector = model.embed(&known.text).await.unwrap();
            assert!(apart(&vector[..8], &known.begins) < 1e-4, "{}", known.text);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// A folder that is small enough to be written by a test: 8 wide, 2 heads, 1 layer, 6 tokens.
struct Tiny(PathBuf);

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Tiny {
    fn new() -> Tiny {
        let folder = Tiny(std::env::temp_dir().join(uuid::Uuid::new_v4().to_string()));
        folder.write(
            "modules.json",
            r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
            {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#,
        );
        folder.write(
            "config.json",
            r#"{"model_type":"bert","hidden_act":"gelu","hidden_size":8,"intermediate_size":12,
            "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":5,
            "vocab_size":6,"type_vocab_size":2}"#,
        );
        folder.write("1_Pooling/config.json", r#"{"pooling_mode_mean_tokens":true}"#);
        folder.write("sentence_bert_config.json", r#"{"max_seq_length":null}"#);
        folder.write(
            "tokenizer.json",
            r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
            "normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"decoder":null,
            "post_processor":{"type":"BertProcessing","sep":["[SEP]",1],"cls":["[CLS]",0]},
            "model":{"type":"WordLevel","unk_token":"[UNK]",
            "vocab":{"[CLS]":0,"[SEP]":1,"[UNK]":2,"a":3,"b":4,"c":5}}}"#,
        );
        folder.weights("", "");
        folder
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = self.0.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// Writes the weights, `prefix` before each name, and without one of them.
    fn weights(&self, prefix: &str, without: &str) {
        let layer = |name: &str| format!("encoder.layer.0.{name}");
        let mut tensors: Vec<(String, Vec<usize>)> = vec![
            ("embeddings.word_embeddings.weight".into(), vec![6, 8]),
            ("embeddings.position_embeddings.weight".into(), vec![5, 8]),
            ("embeddings.token_type_embeddings.weight".into(), vec![2, 8]),
        ];
        for (name, out, input) in [
            ("attention.self.query", 8, 8),
            ("attention.self.key", 8, 8),
            ("attention.self.value", 8, 8),
            ("attention.output.dense", 8, 8),
            ("intermediate.dense", 12, 8),
            ("output.dense", 8, 12),
        ] {
            tensors.push((format!("{}.weight", layer(name)), vec![out, input]));
            tensors.push((format!("{}.bias", layer(name)), vec![out]));
        }
        let norms = [layer("attention.output.LayerNorm"), layer("output.LayerNorm")];
        for name in norms.iter().map(String::as_str).chain(["embeddings.LayerNorm"]) {
            tensors.push((format!("{name}.weight"), vec![8]));
            tensors.push((format!("{name}.bias"), vec![8]));
        }
        tensors.retain(|(name, _)| name != without);
        let (mut header, mut data) = (serde_json::Map::new(), Vec::<u8>::new());
        for (name, shape) in tensors {
            let begins = data.len();
            for number in 0..shape.iter().product::<usize>() {
                let value = ((number * 37 + begins * 11) % 101) as f32 / 50.0 - 1.0;
                data.extend(value.to_le_bytes());
            }
            let entry = serde_json::json!({"dtype": "F32", "shape": shape,
                "data_offsets": [begins, data.len()]});
            header.insert(format!("{prefix}{name}"), entry);
        }
        let header = serde_json::Value::Object(header).to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        self.write("model.safetensors", file);
    }

    fn vectors(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        model(&self.0).embed(&texts).unwrap()
    }

    /// The file that is wrong, from the folder, and what is said of it.
    fn problem(&self) -> (String, String) {
        let error = LocalModel::load(&self.0).expect_err("a wrong folder");
        let file = error.file.strip_prefix(&self.0).unwrap().to_str().unwrap().to_owned();
        assert_eq!(error.to_string(), format!("{}: {}", error.file.display(), error.problem));
        (file, error.problem)
    }
}

#[tokio::test]
async fn a_small_folder_is_loaded_and_embeds() {
    let folder = Tiny::new();
    let model = LocalModel::load(&folder.0).unwrap();
    assert_eq!(model.dimension(), 8);
    let vector = model.embed("a b").await.unwrap();
    assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-5);
    // Five tokens with the two marks: the fourth word and what follows are cut off.
    let [three, four, two] = [
        model.embed("a b c").await.unwrap(),
        model.embed("a b c a").await.unwrap(),
        model.embed("a b").await.unwrap(),
    ];
    assert_eq!(three, four);
    assert_eq!(two, vector);
    assert!(apart(&two, &three) > 1e-3);
}

#[test]
fn pooling_names_case_and_prefix_are_as_the_folder_says() {
    let folder = Tiny::new();
    let mean = folder.vectors(&["a b", "c"]);
    folder.write("1_Pooling/config.json", r#"{"pooling_mode":"mean","include_prompt":true}"#);
    assert_eq!(folder.vectors(&["a b", "c"]), mean);
    folder.weights("bert.", "");
    assert_eq!(folder.vectors(&["a b", "c"]), mean);
    let flags = r#"{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}"#;
    folder.write("1_Pooling/config.json", flags);
    let first = folder.vectors(&["a b", "c"]);
    assert!(apart(&first[0], &mean[0]) > 1e-3);
    folder.write("1_Pooling/config.json", r#"{"pooling_mode":"cls"}"#);
    assert_eq!(folder.vectors(&["a b", "c"]), first);
    assert_ne!(folder.vectors(&["A B"])[0], first[0]);
    folder.write("sentence_bert_config.json", r#"{"do_lower_case":true}"#);
    assert_eq!(folder.vectors(&["A B"])[0], first[0]);
    fs::remove_file(folder.0.join("sentence_bert_config.json")).unwrap();
    assert_eq!(folder.vectors(&["a b", "c"]), first);
}

#[test]
fn the_name_tells_models_apart_whatever_their_folder_is_called() {
    let name = |folder: &Tiny| {
        let name = LocalModel::load(&folder.0).unwrap().name().to_owned();
        let digest = name.strip_prefix(folder.0.file_name().unwrap().to_str().unwrap()).unwrap();
        assert!(digest.len() == 9 && digest.starts_with('@'), "{name}");
        digest.to_owned()
    };
    let folder = Tiny::new();
    let mut seen = vec![name(&folder)];
    assert_eq!(name(&Tiny::new()), seen[0]);
    folder.write("README.md", "It says nothing of vectors.");
    assert_eq!(name(&folder), seen[0]);
    let read = |file: &str| fs::read_to_string(folder.0.join(file)).unwrap();
    let changes: [(&str, Vec<u8>); 5] = [
        (
            "config.json",
            read("config.json").replace("gelu\",", "gelu\",\"layer_norm_eps\":1e-5,").into(),
        ),
        (
            "tokenizer.json",
            read("tokenizer.json").replace("\"a\":3,\"b\":4", "\"a\":4,\"b\":3").into(),
        ),
        ("1_Pooling/config.json", br#"{"pooling_mode":"cls"}"#.to_vec()),
        ("sentence_bert_config.json", br#"{"do_lower_case":true}"#.to_vec()),
        ("sentence_bert_config.json", br#"{"do_lower_case":true,"max_seq_length":4}"#.to_vec()),
    ];
    for (file, content) in changes {
        folder.write(file, content);
        let name = name(&folder);
        assert!(!seen.contains(&name), "{file}");
        seen.push(name);
    }
    let mut weights = fs::read(folder.0.join("model.safetensors")).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    folder.write("model.safetensors", weights);
    assert!(!seen.contains(&name(&folder)));
}

#[test]
fn a_missing_file_is_named() {
    for name in [
        "modules.json",
        "config.json",
        "1_Pooling/config.json",
        "tokenizer.json",
        "model.safetensors",
    ] {
        let folder = Tiny::new();
        fs::remove_file(folder.0.join(name)).unwrap();
        let (file, problem) = folder.problem();
        assert_eq!(file, name);
        assert!(problem.starts_with("cannot be read"), "{problem}");
    }
}

#[test]
fn a_wrong_file_is_named_with_what_is_wrong() {
    let transformer = r#"[{"path":"","type":"sentence_transformers.models.Transformer"}"#;
    let dense = format!(r#"{transformer},{{"path":"2_Dense","type":"x.models.Dense"}}]"#);
    let lone = format!("{transformer}]");
    let config = |change: &str| {
        format!(
            r#"{{"model_type":"bert",{change}"intermediate_size":12,"num_hidden_layers":1,
            "max_position_embeddings":5,"type_vocab_size":2}}"#
        )
    };
    let heads = config(r#""hidden_size":8,"num_attention_heads":3,"vocab_size":6,"#);
    let none = config(r#""hidden_size":0,"num_attention_heads":2,"vocab_size":6,"#);
    let few = config(r#""hidden_size":8,"num_attention_heads":2,"vocab_size":5,"#);
    let shape = config(r#""hidden_size":16,"num_attention_heads":2,"vocab_size":6,"#);
    let act =
        config(r#""hidden_act":"relu","hidden_size":8,"num_attention_heads":2,"vocab_size":6,"#);
    for (write, content, named, says) in [
        ("modules.json", "{", "modules.json", "is not as expected"),
        ("modules.json", &dense, "modules.json", "x.models.Dense is not supported"),
        ("modules.json", &lone, "modules.json", "needs the steps"),
        ("config.json", r#"{"model_type":"mpnet"}"#, "config.json", r#"model_type is "mpnet""#),
        ("config.json", r#"{"model_type":"bert"}"#, "config.json", "missing field"),
        ("config.json", &heads, "config.json", "not a multiple"),
        ("config.json", &none, "config.json", "hidden_size is 0"),
        ("config.json", &act, "config.json", r#"hidden_act is "relu""#),
        ("config.json", &few, "tokenizer.json", "a token 5"),
        ("config.json", &shape, "model.safetensors", "has the shape [6, 8] instead of [6, 16]"),
        ("1_Pooling/config.json", "{}", "1_Pooling/config.json", "pooling by mean or cls"),
        (
            "1_Pooling/config.json",
            r#"{"pooling_mode_cls_token":true,"pooling_mode_max_tokens":true}"#,
            "1_Pooling/config.json",
            "cls_token, max_tokens",
        ),
        ("sentence_bert_config.json", "[", "sentence_bert_config.json", "is not as expected"),
        ("sentence_bert_config.json", r#"{"max_seq_length":2}"#, "tokenizer.json", "adds 2 tokens"),
        ("tokenizer.json", "{}", "tokenizer.json", "is not a tokenizer"),
        ("model.safetensors", "PK", "model.safetensors", "is not a safetensors file"),
    ] {
        let folder = Tiny::new();
        folder.write(write, content);
        let (file, problem) = folder.problem();
        assert_eq!(file, named, "{problem}");
        assert!(problem.contains(says), "{problem}");
    }
    let folder = Tiny::new();
    folder.weights("", "encoder.layer.0.output.dense.bias");
    let (file, problem) = folder.problem();
    assert_eq!(file, "model.safetensors");
    assert!(problem.contains("encoder.layer.0.output.dense.bias is missing"), "{problem}");
}
