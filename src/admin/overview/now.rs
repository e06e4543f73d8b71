//! How things stand at this moment: providers, keys, limits, latest requests.

use crate::admin::view::{
    AttemptView, HealthState, KeyHealth, LimitUnit, LimitUsage, ProviderHealth, ProviderWeight,
    RecentRequest, VirtualKeyUsage,
};
use crate::config::{MeterSpec, Snapshot, Unit, VirtualKey};
use crate::govern::Ledger;
use crate::llm::Cost;
use crate::provider::{Key, Provider};
use crate::route::{Health, KeyState};
use crate::store::log::{CacheKind, LogAttempt, LogRecord};
use std::collections::BTreeSet;

/// The share of failures in recent attempts from which a key counts as degraded.
const DEGRADED: f32 = 0.1;

/// Every configured provider, by name.
pub(super) fn providers(snapshot: &Snapshot, health: &Health, now_ms: i64) -> Vec<ProviderHealth> {
    let view = |provider: &Provider| {
        let keys = keys(provider, health, now_ms);
        let states: Vec<HealthState> = match provider.keys.is_empty() {
            true => vec![state(true, &health.key_state(&provider.name, None, now_ms))],
            false => keys.iter().map(|key| key.state).collect(),
        };
        ProviderHealth {
            name: provider.name.to_string(),
            state: provider_state(&states),
            in_flight: health.in_flight(&provider.name),
            keys,
        }
    };
    snapshot.providers.iter().map(|provider| view(provider)).collect()
}

fn keys(provider: &Provider, health: &Health, now_ms: i64) -> Vec<KeyHealth> {
    let enabled = || provider.keys.iter().filter(|key| key.enabled);
    let weights: f64 = enabled().map(|key| key.weight).sum();
    let state_of = |key: &Key| health.key_state(&provider.name, Some(key), now_ms);
    let attempts: u64 = provider.keys.iter().map(|key| state_of(key).attempts).sum();
    let view = |key: &Key| {
        let known = state_of(key);
        let weight_share = match (key.enabled, weights > 0.0) {
            (false, _) => 0.0,
            (true, true) => key.weight / weights,
            // All zero is an even share.
            (true, false) => 1.0 / enabled().count() as f64,
        };
        KeyHealth {
            id: key.id.to_string(),
            name: key.name.to_string(),
            state: state(key.enabled, &known),
            // Rounded up: a key that rests for half a second more is not awake yet.
            cooling_until: known.cooling_until_ms.map(|until| (until + 999).div_euclid(1000)),
            weight_share,
            traffic_share: (attempts > 0).then(|| known.attempts as f64 / attempts as f64),
            attempts: known.attempts,
            failures: known.failures,
            last_error: known.last_error,
        }
    };
    provider.keys.iter().map(|key| view(key)).collect()
}

fn state(enabled: bool, known: &KeyState) -> HealthState {
    if !enabled {
        HealthState::Disabled
    } else if known.cooling_until_ms.is_some() {
        HealthState::CoolingDown
    } else if known.attempts == 0 {
        HealthState::Unknown
    } else if known.recent_failures >= DEGRADED || known.failures == known.attempts {
        // A key that has never worked is not well, however few its attempts are.
        HealthState::Degraded
    } else {
        HealthState::Healthy
    }
}

/// The worst state that still lets traffic through, or the reason why none does. Keys that are
/// switched off say nothing about the others; a resting key beside working ones is a degradation.
fn provider_state(keys: &[HealthState]) -> HealthState {
    let has = |state| keys.contains(&state);
    let any_open =
        has(HealthState::Healthy) || has(HealthState::Degraded) || has(HealthState::Unknown);
    match () {
        () if any_open && (has(HealthState::Degraded) || has(HealthState::CoolingDown)) => {
            HealthState::Degraded
        }
        () if has(HealthState::Healthy) => HealthState::Healthy,
        () if has(HealthState::Unknown) => HealthState::Unknown,
        () if has(HealthState::CoolingDown) => HealthState::CoolingDown,
        () => HealthState::Disabled,
    }
}

/// Every virtual key, the ones nearest to a limit first.
pub(super) fn virtual_keys(snapshot: &Snapshot, ledger: &Ledger, now: i64) -> Vec<VirtualKeyUsage> {
    let mut keys: Vec<VirtualKeyUsage> =
        snapshot.virtual_keys.iter().map(|key| virtual_key(key, ledger, now)).collect();
    let fill = |key: &VirtualKeyUsage| {
        let shares = key.limits.iter().map(|limit| limit.used / limit.limit.max(f64::MIN_POSITIVE));
        shares.fold(-1.0, f64::max)
    };
    keys.sort_by(|a, b| fill(b).total_cmp(&fill(a)).then_with(|| a.name.cmp(&b.name)));
    keys
}

fn virtual_key(key: &VirtualKey, ledger: &Ledger, now: i64) -> VirtualKeyUsage {
    let bindings = key.bindings.as_deref().unwrap_or_default();
    let mut seen = BTreeSet::new();
    // A binding's meters repeat those of the key as a whole.
    let meters = key.meters.iter().chain(bindings.iter().flat_map(|binding| binding.meters.iter()));
    let limits = meters
        .filter(|meter| seen.insert(meter.id.clone()))
        .map(|meter| limit(meter, ledger, now))
        .collect();
    let weight = |binding: &crate::config::Binding| ProviderWeight {
        provider: binding.provider.to_string(),
        weight: binding.weight,
    };
    VirtualKeyUsage {
        id: key.id.to_string(),
        name: key.name.to_string(),
        is_active: key.is_active,
        secret_is_id: key.secret_is_id,
        limits,
        providers: bindings.iter().map(weight).collect(),
    }
}

fn limit(meter: &MeterSpec, ledger: &Ledger, now: i64) -> LimitUsage {
    let usage = ledger.usage(meter, now);
    let (unit, amount): (_, fn(i64) -> f64) = match meter.unit {
        Unit::Cost => (LimitUnit::Cost, |nano| Cost(nano).dollars()),
        Unit::Tokens => (LimitUnit::Tokens, |count| count as f64),
        Unit::Requests => (LimitUnit::Requests, |count| count as f64),
    };
    LimitUsage {
        scope: meter.scope.to_string(),
        unit,
        limit: amount(meter.limit),
        used: amount(usage.used),
        held: amount(usage.held),
        window: meter.window.label().to_owned(),
        resets_at: meter.window.end(usage.window_start),
    }
}

/// A request of the log as the dashboard lists it.
pub(in crate::admin) fn recent_request(record: &LogRecord) -> RecentRequest {
    let row = &record.row;
    let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
    let answered = row.attempts.last().is_some_and(|attempt| attempt.failure.is_none());
    let word = |kind: CacheKind| kind.as_str().to_owned();
    RecentRequest {
        id: record.id.clone(),
        timestamp_ms: row.timestamp_ms,
        operation: row.operation.clone(),
        virtual_key: row.virtual_key.as_ref().map(|(_id, name)| name.clone()),
        model_requested: row.model_requested.clone(),
        model: row.model.clone().filter(|_| answered),
        status: row.status,
        latency_ms: milliseconds(row.latency_us),
        first_token_ms: row.first_token_us.map(milliseconds),
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        cost: row.cost_nano.map(|nano| Cost(nano).dollars()),
        cache: record.cache.map(|cache| cache.kind).filter(|kind| kind.is_hit()).map(word),
        attempts: row.attempts.iter().map(attempt).collect(),
        error: row.error.clone(),
    }
}

fn attempt(attempt: &LogAttempt<String>) -> AttemptView {
    let outcome = match &attempt.failure {
        None => "ok".to_owned(),
        // The status is the gateway's own where no answer of the provider stands behind it.
        Some(failure) if attempt.status < 400 || NO_ANSWER.contains(&&**failure) => failure.clone(),
        Some(_) => attempt.status.to_string(),
    };
    AttemptView {
        provider: attempt.provider.clone(),
        key: attempt.key.clone(),
        model: attempt.model.clone(),
        outcome,
    }
}

/// Failures that no status of the provider describes.
const NO_ANSWER: &[&str] = &[
    "connect",
    "timeout",
    "bad_response",
    "truncated",
    "queue_full",
    "no_key",
    "cancelled",
    "unsupported_operation",
    "internal",
];

#[cfg(test)]
mod tests {
    use super::*;
    use HealthState::{CoolingDown, Degraded, Disabled, Healthy, Unknown};

    #[test]
    fn a_provider_is_as_well_as_its_keys() {
        for (keys, expected) in [
            (&[Healthy, Healthy][..], Healthy),
            (&[Healthy, CoolingDown], Degraded),
            (&[Unknown, Healthy], Healthy),
            (&[CoolingDown, Disabled], CoolingDown),
            (&[Unknown, Unknown], Unknown),
            (&[Disabled], Disabled),
            (&[], Disabled),
            (&[Degraded, Healthy], Degraded),
        ] {
            assert_eq!(provider_state(keys), expected, "{keys:?}");
        }
    }

    #[test]
    fn an_attempt_shows_what_the_provider_said_or_why_it_said_nothing() {
        let shown = |failure: Option<&str>, status| {
            let record = LogAttempt {
                provider: "openai".to_owned(),
                key_id: String::new(),
                key: String::new(),
                model: String::new(),
                fallback_index: 0,
                latency_us: 1000,
                status,
                failure: failure.map(str::to_owned),
            };
            attempt(&record).outcome
        };
        assert_eq!(shown(None, 200), "ok");
        assert_eq!(shown(Some("rate_limit"), 429), "429");
        assert_eq!(shown(Some("connect"), 502), "connect");
        assert_eq!(shown(Some("overloaded"), 200), "overloaded");
    }
}
