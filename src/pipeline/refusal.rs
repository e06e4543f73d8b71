//! Limits and keys that refuse a request, in the words that a client reads.

use crate::config::Unit;
use crate::govern::Refusal;
use crate::llm::{Failure, FailureKind, Retry, Source};
use crate::route::{NoKey, Target};
use std::time::Duration;

/// A closed meter in words. A limit of the key as a whole stops the request; one of a provider
/// sends it on.
pub(super) fn refused(refusal: &Refusal, now: i64) -> Failure {
    let meter = &refusal.meter;
    let whole = &*meter.scope == "virtual_key";
    let whose = if whole { "VK".to_owned() } else { format!("provider '{}'", meter.scope) };
    let (used, limit) = (refusal.usage.used, meter.limit);
    let (kind, code, message) = match meter.unit {
        Unit::Cost => {
            let dollars = |nano: i64| crate::llm::Cost(nano).dollars();
            let (used, limit, held) = (dollars(used), dollars(limit), dollars(refusal.usage.held));
            let message = if refusal.by_holds() {
                format!(
                    "Budget exceeded: {whose} budget is held by requests in flight: {used:.6} used \
                     and {held:.6} held of {limit:.6} dollars"
                )
            } else {
                format!("Budget exceeded: {whose} budget exceeded: {used:.4} >= {limit:.4} dollars")
            };
            (FailureKind::BudgetExceeded, "budget_exceeded", message)
        }
        Unit::Tokens => {
            let (window, held) = (meter.window.label(), refusal.usage.held);
            let message = if refusal.by_holds() {
                format!(
                    "{whose} token rate limit is held by requests in flight: {used} used and {held} \
                     held of {limit} per {window}"
                )
            } else {
                format!("{whose} token rate limit exceeded: {used} of {limit} per {window}")
            };
            (FailureKind::RateLimit, "token_limited", message)
        }
        Unit::Requests => {
            let window = meter.window.label();
            let message =
                format!("{whose} request rate limit exceeded: {used} of {limit} per {window}");
            (FailureKind::RateLimit, "request_limited", message)
        }
    };
    let wait = u64::try_from(refusal.resets_at.saturating_sub(now)).unwrap_or(0);
    Failure::new(Source::Gateway, kind, message)
        .with_code(code)
        .with_retry(if whole { Retry::Never } else { Retry::OtherTarget })
        .with_retry_after(Some(Duration::from_secs(wait.max(1))))
}

/// Why no key of a target can be used, in words.
pub(super) fn no_key(target: &Target, reason: &NoKey, now_ms: i64) -> Failure {
    let provider = &target.provider.name;
    if let NoKey::Resting { until_ms, after } = reason {
        let wait = u64::try_from(until_ms.saturating_sub(now_ms)).unwrap_or(0);
        let message = format!("every key of {provider} is resting after {}", after.phrase());
        return Failure::new(Source::Upstream, *after, message)
            .with_retry(Retry::OtherTarget)
            .with_retry_after(Some(Duration::from_millis(wait)));
    }
    let message = match reason {
        NoKey::ModelNotServed => format!("no keys found that support model: {}", target.model),
        NoKey::NotAllowed => {
            format!("no keys found for provider: {provider} that this virtual key may use")
        }
        _ => format!("no keys found for provider: {provider}"),
    };
    Failure::new(Source::Gateway, FailureKind::NoKey, message).with_code("no_key")
}
