//! The parts of a semantic look-up that cost processor time: the search among up to 100,000 entries, and the
//! embedding of a question where `TOLLBRIDGE_TEST_MODEL` names a model folder. Prints what it measures;
//! part of `make bench`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may fail")]

use bytes::Bytes;
use local_embedding::LocalModel;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollbridge::cache::memory::MemoryStore;
use tollbridge::cache::{Entry, Fingerprint, Partition};
use tollbridge::llm::Wire;

const DIMENSIONS: usize = 384;
/// Questions come in topics; so do these vectors. Entries of each.
const TOPIC: u32 = 100;
const PARTITION: Partition = Partition([7; 16]);

fn main() {
    for entries in [256, 1_000, 4_000, 100_000] {
        search(entries);
    }
    embedding();
}

fn search(entries: u32) {
    let mut random = rand::rngs::SmallRng::seed_from_u64(7);
    let mut vector = |around: Option<&[f32]>| -> Vec<f32> {
        let spread = if around.is_some() { 0.6 } else { 1.0 };
        let noise = (0..DIMENSIONS).map(|_| random.random_range(-1.0_f32..1.0) * spread);
        match around {
            Some(topic) => unit(
                noise.zip(topic).map(|(n, t)| n + t * (DIMENSIONS as f32).sqrt() * 0.8).collect(),
            ),
            None => unit(noise.collect()),
        }
    };
    let topics: Vec<Vec<f32>> = (0..entries.div_ceil(TOPIC)).map(|_| vector(None)).collect();
    let store = MemoryStore::new(u64::MAX);
    for number in 0..entries {
        let vector = vector(Some(&topics[number as usize % topics.len()]));
        store.put(Arc::new(entry(number)), Some(vector.into()));
    }
    let mut taken = Vec::new();
    let mut found = 0;
    for question in 0..500 {
        let vector = vector(Some(&topics[question % topics.len()]));
        let start = Instant::now();
        found += store.nearest(&PARTITION, &vector, 5, 0.8, 0).len();
        taken.push(start.elapsed());
    }
    report(&format!("Search among {entries} entries of {DIMENSIONS} dimensions"), taken);
    println!("  (found {found} entries in 500 searches)");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration")]
fn embedding() {
    let Ok(folder) = std::env::var("TOLLBRIDGE_TEST_MODEL") else {
        println!("Embedding: not measured, TOLLBRIDGE_TEST_MODEL names no model folder");
        return;
    };
    let model = LocalModel::load(Path::new(&folder)).unwrap();
    let question = "Could you please tell me when your customer service desk in the main station is open on \
                    public holidays and Sundays this year";
    assert_eq!(question.split_whitespace().count(), 23);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut taken = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        runtime.block_on(model.embed(question)).unwrap();
        taken.push(start.elapsed());
    }
    report(&format!("Embedding of a question of 23 words with {}", model.name()), taken);
}

fn report(what: &str, mut taken: Vec<Duration>) {
    taken.sort();
    let at =
        |share: usize| taken[(taken.len() * share / 100).min(taken.len() - 1)].as_secs_f64() * 1e3;
    println!("{what}: {:.3} ms p50, {:.3} ms p99", at(50), at(99));
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.into_iter().map(|value| value / length).collect()
}

fn entry(number: u32) -> Entry {
    let mut fingerprint = [0; 16];
    fingerprint[..4].copy_from_slice(&number.to_le_bytes());
    Entry {
        fingerprint: Fingerprint(fingerprint),
        partition: PARTITION,
        scope: "virtual_key:a".into(),
        cache_key: "".into(),
        question: format!("What is {number}?").into(),
        provider: "openai".into(),
        model: "gpt-4o-mini".into(),
        wire: Wire::OpenaiChat,
        answer: Bytes::from_static(b"{}"),
        unread: None,
        cost: 1_000,
        latency_us: 500_000,
        tokens: (10, 20),
        created_ms: 0,
        expires_ms: i64::MAX,
    }
}
