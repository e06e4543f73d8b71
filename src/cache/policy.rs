//! What the operator, the virtual key and the request's own headers say of one request.

use crate::config::cache::{CacheConfig, CacheMode, is_no_time, parse_ttl};
use crate::config::{Snapshot, VirtualKey};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;
use std::sync::Arc;

/// How the names of all headers begin that speak of the cache.
const CACHE_HEADERS: &str = "x-bf-cache-";
const CACHE_KEY: HeaderName = HeaderName::from_static("x-bf-cache-key");
const CACHE_TTL: HeaderName = HeaderName::from_static("x-bf-cache-ttl");
const CACHE_THRESHOLD: HeaderName = HeaderName::from_static("x-bf-cache-threshold");
const CACHE_TYPE: HeaderName = HeaderName::from_static("x-bf-cache-type");
const CACHE_NO_STORE: HeaderName = HeaderName::from_static("x-bf-cache-no-store");

/// How one request uses the cache.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The settings behind it.
    pub config: Arc<CacheConfig>,
    /// What is done with a hit.
    pub mode: CacheMode,
    /// Cosine similarity from which on a question counts as the same.
    pub threshold: f32,
    /// Milliseconds that an answer is kept.
    pub ttl_ms: i64,
    /// Who shares the entries; derived from who was authenticated, never from a header.
    pub scope: Arc<str>,
    /// The caller's own subdivision of the scope.
    pub cache_key: Arc<str>,
    /// Whether the exact request may be looked for.
    pub exact: bool,
    /// Whether similar requests may be looked for.
    pub semantic: bool,
    /// Whether the answer may be kept.
    pub store: bool,
}

impl Policy {
    /// The policy of a request; `None` when it has nothing to do with the cache. `direct_key` is a
    /// provider key that the client brought itself.
    pub fn of(
        snapshot: &Snapshot,
        virtual_key: Option<&VirtualKey>,
        direct_key: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<Policy> {
        if !snapshot.uses_cache {
            return None;
        }
        let config = &snapshot.cache;
        let own = virtual_key.and_then(|key| key.semantic_cache.as_ref());
        // Most requests have none of them, which is seen sooner than that each is missing.
        let any = headers.keys().any(|name| name.as_str().starts_with(CACHE_HEADERS));
        let headers = any.then_some(headers);
        let header = |name| headers?.get(name).map(text_of);
        let named = header(CACHE_KEY).filter(|key| !key.is_empty());
        let cache_key = named.as_deref().unwrap_or(&config.default_cache_key);
        match own {
            // A header must not widen what the operator has narrowed.
            Some(own) if !own.enabled => return None,
            Some(_) => {}
            None if cache_key.is_empty() => return None,
            None => {}
        }
        let mode = own.and_then(|own| own.mode).unwrap_or(config.mode);
        // 0 is Bifrost's way of saying nothing.
        let says = |value: &f64| value.is_finite() && *value > 0.0;
        let threshold = header(CACHE_THRESHOLD).and_then(|text| text.trim().parse::<f64>().ok());
        let threshold = threshold.filter(says).map(|value| value.min(1.0));
        let own_threshold = own.and_then(|own| own.threshold).filter(says);
        let threshold = threshold.or(own_threshold).unwrap_or(config.threshold);
        let named_ttl = header(CACHE_TTL);
        let ttl = named_ttl.as_deref().and_then(parse_ttl);
        let ttl = ttl.or(own.and_then(|own| own.ttl)).unwrap_or(config.ttl);
        let kind = header(CACHE_TYPE);
        let is_kind = |name: &str| kind.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name));
        // Whoever is careful with an answer is believed however they spell it.
        let is_no = |it: &HeaderValue| {
            let it = text_of(it);
            ["", "0", "false", "no"].iter().any(|no| it.trim().eq_ignore_ascii_case(no))
        };
        let no_store = headers
            .is_some_and(|headers| headers.get_all(CACHE_NO_STORE).iter().any(|it| !is_no(it)));
        Some(Policy {
            mode,
            threshold: threshold as f32,
            ttl_ms: i64::from(ttl) * 1000,
            scope: scope(virtual_key, direct_key),
            // Most have none, and the empty one is never made.
            cache_key: if cache_key.is_empty() { Arc::default() } else { cache_key.into() },
            exact: !is_kind("semantic"),
            semantic: !is_kind("direct") && mode != CacheMode::Exact,
            store: !no_store && !named_ttl.as_deref().is_some_and(is_no_time),
            config: config.clone(),
        })
    }
}

/// A header's value as text. Two that differ stay two: before what is no UTF-8 comes a character that no header has
/// (and that PostgreSQL takes, which 0 is not), and then each of its bytes as one.
fn text_of(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.into(),
        Err(_) => {
            let bytes = value.as_bytes().iter().copied().map(char::from);
            std::iter::once('\u{1}').chain(bytes).collect()
        }
    }
}

/// Who shares entries with this caller, as text that no two kinds of callers have in common.
fn scope(virtual_key: Option<&VirtualKey>, direct_key: Option<&str>) -> Arc<str> {
    match (virtual_key, direct_key) {
        (Some(key), _) => key.cache_scope.clone(),
        // Whoever brings the same provider key pays with the same purse.
        (None, Some(secret)) => {
            let hash = crate::config::secret_hash(secret);
            format!("direct:{}", uuid::Uuid::from_slice(&hash[..16]).unwrap_or_default()).into()
        }
        (None, None) => "anonymous".into(),
    }
}

#[cfg(test)]
pub(super) mod fixture {
    //! Policies for tests.
    use super::*;

    /// One of a virtual key that has all of the cache.
    pub(in crate::cache) fn policy() -> Policy {
        Policy {
            config: Arc::default(),
            mode: CacheMode::Semantic,
            threshold: 0.8,
            ttl_ms: 60_000,
            scope: "virtual_key:a".into(),
            cache_key: "".into(),
            exact: true,
            semantic: true,
            store: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_that_differ_are_different_texts_that_any_store_takes() {
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
        let values =
            [&b"m\xfcller"[..], b"m\xc3\xbcller", b"m\xc2\x81\xfc", b"m", b"\xfc", b"\xc3\xbc"];
        let values = values.map(value);
        let texts: Vec<String> = values.iter().map(|value| text_of(value).into_owned()).collect();
        for (at, text) in texts.iter().enumerate() {
            assert!(!text.contains('\0'), "{text:?}");
            assert!(!texts[at + 1..].contains(text), "{text:?}");
        }
        assert_eq!(texts[1], "müller");
        assert!(HeaderValue::from_bytes(b"\x01").is_err());
    }
}
