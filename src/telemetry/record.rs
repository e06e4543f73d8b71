//! From a finished request to the record that is stored.

use super::row::{AttemptRow, RequestRow};
use crate::llm::Cost;
use crate::store::log::LogRecord;
use serde::{Deserialize, Serialize};

/// One attempt, as it stands in a record's `attempts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// The provider.
    pub provider: String,
    /// The key's id; empty for a provider without keys.
    pub key_id: String,
    /// The key's name; empty for a provider without keys.
    pub key: String,
    /// The model sent.
    pub model: String,
    /// Index of the target in the plan; above 0 it is a fallback.
    pub fallback_index: u32,
    /// Milliseconds that the attempt took.
    pub latency_ms: f64,
    /// The provider's status; 0 when there was none.
    pub status: u16,
    /// Absent when it answered, else what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The record of a request.
pub fn log_record(row: &RequestRow) -> LogRecord {
    let attempts: Vec<AttemptRecord> = row.attempts.iter().map(attempt_record).collect();
    let (virtual_key_id, virtual_key_name) = match &row.virtual_key {
        Some((id, name)) => (Some(id.to_string()), Some(name.to_string())),
        None => (None, None),
    };
    LogRecord {
        id: row.id.clone(),
        timestamp_ms: row.timestamp_ms,
        operation: row.operation.to_owned(),
        stream: row.stream,
        virtual_key_id,
        virtual_key_name,
        model_requested: row.model_requested.clone(),
        provider: row.provider.as_deref().map(str::to_owned),
        model: row.model.clone(),
        status: i64::from(row.status),
        latency_us: signed(row.latency_us),
        first_token_us: row.first_token_us.map(signed),
        input_tokens: signed(row.usage.input),
        cached_read_tokens: signed(row.usage.cached_read),
        cached_write_tokens: signed(row.usage.cached_write),
        output_tokens: signed(row.usage.output),
        reasoning_tokens: signed(row.usage.reasoning),
        usage_source: row.usage_source.as_str().to_owned(),
        cost_nano: row.cost.map(|Cost(nano)| nano),
        attempts: serde_json::to_string(&attempts).unwrap_or_else(|_| "[]".to_owned()),
        error: row.error.as_deref().map(redacted),
        error_kind: row.error_kind.map(str::to_owned),
    }
}

fn attempt_record(attempt: &AttemptRow) -> AttemptRecord {
    AttemptRecord {
        provider: attempt.provider.to_string(),
        key_id: attempt.key.0.to_string(),
        key: attempt.key.1.to_string(),
        model: attempt.model.to_string(),
        fallback_index: attempt.fallback_index,
        latency_ms: attempt.latency_us as f64 / 1000.0,
        status: attempt.status,
        failure: attempt.failure.map(str::to_owned),
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Providers quote the key that they refuse in their error; a log must not keep it.
fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`,;()[]{}".contains(c)) {
        let starts = SECRET_MARKS.iter().filter_map(|mark| secret_start(word, mark));
        match starts.min().filter(|start| word.len() - start >= SHORTEST_SECRET) {
            Some(start) => {
                out.push_str(&word[..start]);
                out.push_str("****");
                out.extend(word.chars().last().filter(|c| !c.is_alphanumeric()));
            }
            None => out.push_str(word),
        }
    }
    out
}

/// Where `mark` stands in `word`, not counting the middle of a longer word such as `task-`.
fn secret_start(word: &str, mark: &str) -> Option<usize> {
    let start = word.find(mark)?;
    let within = word[..start].chars().last().is_some_and(char::is_alphanumeric);
    (!within).then_some(start)
}

/// How the keys of the known providers and of this gateway begin.
const SECRET_MARKS: &[&str] = &["sk-", "AIza", "gsk_", "xai-", "hf_", "nvapi-", "pplx-"];
const SHORTEST_SECRET: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_is_not_kept() {
        let text = "Incorrect API key provided: sk-proj-0123456789abcdef. See https://sk-x.dev";
        assert_eq!(redacted(text), "Incorrect API key provided: **** See https://sk-x.dev");
        assert_eq!(redacted("(AIzaSyA0123456789012345)"), "(****)");
        assert_eq!(redacted("task-force-of-many-people"), "task-force-of-many-people");
    }
}
