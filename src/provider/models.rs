//! Answers of the list-models endpoints.

use crate::llm::Wire;
use serde::Deserialize;

/// The model names in a list-models answer; empty when the body is no such answer.
///
/// OpenAI and Anthropic answer `{"data":[{"id"}]}`, Google `{"models":[{"name":"models/…"}]}`, and
/// some compatible servers a bare array.
pub fn decode_model_list(wire: Wire, body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Data { data: Vec<Entry> },
        Models { models: Vec<Entry> },
        Bare(Vec<Entry>),
    }
    #[derive(Deserialize)]
    struct Entry {
        id: Option<String>,
        name: Option<String>,
    }
    let entries = match serde_json::from_slice(body) {
        Ok(List::Data { data }) => data,
        Ok(List::Models { models }) => models,
        Ok(List::Bare(entries)) => entries,
        Err(_) => return Vec::new(),
    };
    let names = entries.into_iter().filter_map(|entry| entry.id.or(entry.name));
    match wire {
        Wire::Gemini => {
            names.map(|name| name.strip_prefix("models/").unwrap_or(&name).to_owned()).collect()
        }
        _ => names.collect(),
    }
}
