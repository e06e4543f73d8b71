//! From a finished request to what is stored of it.

use super::row::{AttemptRow, CacheRow, RequestRow};
use crate::llm::Cost;
/// What came of looking for a kept answer: one word for rows, metrics and the log.
pub use crate::store::log::CacheKind;
use crate::store::log::{LogAttempt, LogCache, LogRecord, LogRow};

/// What is stored of a request besides its id.
pub(super) fn log_row(row: &RequestRow) -> LogRow<&str> {
    LogRow {
        timestamp_ms: row.timestamp_ms,
        operation: row.operation,
        stream: row.stream,
        virtual_key: row.virtual_key.as_ref().map(|(id, name)| (&**id, &**name)),
        model_requested: &row.model_requested,
        provider: row.provider.as_deref(),
        model: row.model.as_deref(),
        status: row.status,
        latency_us: row.latency_us,
        first_token_us: row.first_token_us,
        input_tokens: row.usage.input,
        cached_read_tokens: row.usage.cached_read,
        cached_write_tokens: row.usage.cached_write,
        output_tokens: row.usage.output,
        reasoning_tokens: row.usage.reasoning,
        usage_source: row.usage_source.as_str(),
        cost_nano: row.cost.map(|Cost(nano)| nano),
        attempts: row.attempts.iter().map(log_attempt).collect(),
        error: row.error.as_deref(),
        error_kind: row.error_kind,
    }
}

/// The record of a request, as it would be read back.
pub(super) fn log_record(row: &RequestRow) -> LogRecord {
    LogRecord {
        id: row.id.to_string(),
        row: log_row(row).map(|text| (*text).to_owned()),
        cache: row.cache.as_ref().map(log_cache),
    }
}

/// What is stored of the cache's part.
pub(super) fn log_cache(cache: &CacheRow) -> LogCache {
    let CacheRow { kind, saved_cost: Cost(saved_nano), saved_us } = *cache;
    LogCache { kind, saved_nano, saved_us }
}

fn log_attempt(attempt: &AttemptRow) -> LogAttempt<&str> {
    LogAttempt {
        provider: &attempt.provider,
        key_id: &attempt.key.0,
        key: &attempt.key.1,
        model: &attempt.model,
        fallback_index: attempt.fallback_index,
        latency_us: attempt.latency_us,
        status: attempt.status,
        failure: attempt.failure,
    }
}

/// Providers quote the key that they refuse in their error; a log must not keep it.
pub fn redacted(text: &str) -> String {
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
