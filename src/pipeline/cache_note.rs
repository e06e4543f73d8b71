//! What a client is told of the cache: `Cache-Status` (RFC 9211) and `cache_debug` (Bifrost's form).

use crate::cache::Entry;
use http::HeaderValue;
use serde_json::{Map, Value, json};

/// `Cache-Status` of a miss about which there is nothing else to say.
pub(super) const MISS: HeaderValue = HeaderValue::from_static("tollbridge; fwd=miss");

/// What the cache did for one request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CacheNote {
    /// Whether a kept answer is served.
    pub(super) hit: bool,
    /// Whether it waited for an identical one.
    pub(super) collapsed: bool,
    /// Of a semantic hit.
    pub(super) similarity: Option<f32>,
    /// Whether the judge confirmed it.
    pub(super) judged: bool,
    /// The nearest question, served or not.
    pub(super) best_similarity: Option<f32>,
    /// Why the nearest was not served: the guard's kind of difference, or `judge`.
    pub(super) reason: Option<&'static str>,
    pub(super) threshold: Option<f32>,
    /// The embedding's `provider/model`.
    pub(super) embedded_by: Option<String>,
    pub(super) embedding_tokens: u64,
    pub(super) embedding_failed: bool,
    pub(super) cache_id: Option<String>,
}

impl CacheNote {
    /// Whether a similar request is answered, and not the exact one.
    pub(super) fn is_semantic(&self) -> bool {
        self.similarity.is_some()
    }

    /// The value of `Cache-Status`; `None` if no header can carry it. `entry` is what is served, `now_ms` for what
    /// is left of its life.
    pub(super) fn status(&self, entry: Option<&Entry>, now_ms: i64) -> Option<HeaderValue> {
        if entry.is_none() && self.reason.is_none() && !self.embedding_failed {
            return Some(MISS);
        }
        let mut status = String::from("tollbridge");
        match entry {
            Some(entry) => {
                let left = entry.expires_ms.saturating_sub(now_ms).max(0) / 1000;
                status.push_str(&format!("; hit; ttl={left}"));
                if self.collapsed {
                    status.push_str("; collapsed");
                }
                let detail = match (self.similarity, self.judged) {
                    (None, _) => "exact".to_owned(),
                    (Some(similarity), false) => format!("semantic-{similarity:.3}"),
                    (Some(similarity), true) => format!("judged-{similarity:.3}"),
                };
                status.push_str(&format!("; detail={detail}"));
            }
            None => {
                status.push_str("; fwd=miss");
                let detail = match self.reason {
                    _ if self.embedding_failed => Some("no-embedding"),
                    reason => reason,
                };
                if let Some(detail) = detail {
                    status.push_str(&format!("; detail={detail}"));
                }
            }
        }
        HeaderValue::try_from(status).ok()
    }

    /// The same of a request that went past the cache.
    pub(super) fn past(reason: &str) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("tollbridge; fwd=bypass; detail={reason}")).ok()
    }

    /// `cache_debug` as JSON text; `None` for an exact miss, of which there is nothing to say.
    pub(super) fn debug(&self, requested: Option<(&str, &str)>) -> Option<String> {
        if !self.hit && self.embedded_by.is_none() {
            return None;
        }
        let mut debug = Map::new();
        debug.insert("cache_hit".into(), json!(self.hit));
        if self.hit {
            let semantic = self.similarity.is_some();
            debug.insert("hit_type".into(), json!(if semantic { "semantic" } else { "direct" }));
            debug.insert("cache_id".into(), json!(self.cache_id));
        }
        if let Some((provider, model)) = requested {
            debug.insert("requested_provider".into(), json!(provider));
            debug.insert("requested_model".into(), json!(model));
        }
        if let Some(source) = &self.embedded_by {
            let (provider, model) = source.split_once('/').unwrap_or(("", source));
            debug.insert("provider_used".into(), json!(provider));
            debug.insert("model_used".into(), json!(model));
            debug.insert("input_tokens".into(), json!(self.embedding_tokens));
            debug.insert("threshold".into(), rounded(self.threshold));
        }
        if let Some(similarity) = self.similarity {
            debug.insert("similarity".into(), rounded(Some(similarity)));
            debug.insert("judged".into(), json!(self.judged));
        } else if self.best_similarity.is_some() {
            debug.insert("best_similarity".into(), rounded(self.best_similarity));
        }
        if let Some(reason) = self.reason.filter(|_| !self.hit) {
            debug.insert("rejected".into(), json!(reason));
        }
        if self.collapsed {
            debug.insert("collapsed".into(), json!(true));
        }
        Some(Value::Object(debug).to_string())
    }
}

/// Four digits: what follows is noise, and 32 bits have odd digits in 64.
fn rounded(similarity: Option<f32>) -> Value {
    json!(similarity.map(|value| (f64::from(value) * 10_000.0).round() / 10_000.0))
}
