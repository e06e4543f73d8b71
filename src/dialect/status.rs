//! What an HTTP status of a provider means, where its body says nothing better.

use crate::llm::{Failure, FailureKind, Source};
use http::HeaderMap;
use std::time::Duration;

/// The failure that `status` stands for, with `message` and the wait that the headers ask for.
///
/// `retry-after-ms` is read first, then `retry-after` in seconds.
pub fn failure_for_status(status: u16, headers: &HeaderMap, message: String) -> Failure {
    let kind = match status {
        401 => FailureKind::Authentication,
        402 => FailureKind::Quota,
        403 => FailureKind::Permission,
        404 => FailureKind::NotFound,
        408 | 504 => FailureKind::Timeout,
        413 => FailureKind::RequestTooLarge,
        429 => FailureKind::RateLimit,
        503 | 529 => FailureKind::Overloaded,
        500..=599 => FailureKind::ServerError,
        _ => FailureKind::InvalidRequest,
    };
    let mut failure = Failure::new(Source::Upstream, kind, message).with_status(status);
    failure.retry_after = retry_after(headers);
    failure
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<f64> {
        let value: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
        (value.is_finite() && value >= 0.0).then_some(value.min(86_400_000.0))
    };
    number("retry-after-ms")
        .map(|ms| Duration::from_secs_f64(ms / 1e3))
        .or_else(|| number("retry-after").map(Duration::from_secs_f64))
}
