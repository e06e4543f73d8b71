//! What an HTTP status of a provider means, where its body says nothing better.

use crate::llm::{Failure, FailureKind, Retry, Source};
use http::HeaderMap;
use std::time::{Duration, SystemTime};

/// A header asks for a longer wait than this in vain: what a provider says must not keep a key out of
/// use for longer than an operator would wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The failure that `status` stands for, with `message` and the wait that the headers ask for.
///
/// `retry-after-ms` is read first, then `retry-after`, in seconds or as an HTTP date. A wait is an
/// hour at most; what makes no sense is ignored.
pub fn failure_for_status(status: u16, headers: &HeaderMap, message: String) -> Failure {
    let kind = match status {
        // Followed, it would carry the key and the prompt to wherever it points.
        300..=399 => FailureKind::BadResponse,
        401 => FailureKind::Authentication,
        402 => FailureKind::Quota,
        403 => FailureKind::Permission,
        404 => FailureKind::NotFound,
        408 | 504 => FailureKind::Timeout,
        413 => FailureKind::RequestTooLarge,
        429 => FailureKind::RateLimit,
        503 | 529 => FailureKind::Overloaded,
        // A gateway in a circle: asking again would go round again.
        508 => FailureKind::InvalidRequest,
        500..=599 => FailureKind::ServerError,
        _ => FailureKind::InvalidRequest,
    };
    let mut failure = Failure::new(Source::Upstream, kind, message);
    if kind == FailureKind::BadResponse {
        failure.message = format!(
            "the provider answered with a redirect ({status}), which is not followed; check its \
             base_url"
        );
    } else {
        failure.status = status;
    }
    if kind == FailureKind::Timeout {
        // The provider's own time-out came with an answer, so the provider is there to be asked again;
        // after one of ours that would only double the wait.
        failure.retry = Retry::SameKey;
    }
    failure.retry_after = retry_after(headers, SystemTime::now());
    failure
}

/// A date counts from the answer's own `date`, so that a clock that is wrong does no harm, and from
/// `now` where it has none.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| -> Option<f64> {
        let value: f64 = text(name)?.parse().ok()?;
        (value >= 0.0).then_some(value)
    };
    let date = |name: &str| httpdate::parse_http_date(text(name)?).ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1e3).or_else(|| number("retry-after"));
    let wait = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT),
        None => {
            let from = date("date").unwrap_or(now);
            date("retry-after")?.duration_since(from).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        let now = httpdate::parse_http_date("Fri, 31 Dec 1999 23:59:00 GMT").unwrap();
        retry_after(&headers.collect(), now)
    }

    #[test]
    fn a_wait_is_read_as_seconds_milliseconds_or_date() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait(&[("retry-after", "7")]), seconds(7));
        assert_eq!(
            wait(&[("retry-after", "7"), ("retry-after-ms", "250")]),
            Some(Duration::from_millis(250))
        );
        let date = ("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT");
        assert_eq!(wait(&[date]), seconds(59));
        assert_eq!(wait(&[date, ("date", "Fri, 31 Dec 1999 23:59:49 GMT")]), seconds(10));
        assert_eq!(wait(&[("retry-after", "Fri, 31 Dec 1999 23:00:00 GMT")]), seconds(0));
    }

    #[test]
    fn nonsense_is_ignored_and_an_hour_is_the_most() {
        for nonsense in ["soon", "-5", "NaN", "", "Fri, 99 Dec 1999 23:59:59 GMT"] {
            assert_eq!(wait(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        for long in ["86400000", "1e300", "inf", "Thu, 31 Dec 2099 23:59:59 GMT"] {
            assert_eq!(wait(&[("retry-after", long)]), Some(LONGEST_WAIT), "{long}");
        }
    }
}
