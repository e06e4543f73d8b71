//! What a target costs, as far as it is known before the call.

use crate::config::pricing::ModelFacts;
use crate::config::{MeterSpec, Snapshot, Unit};
use crate::llm::{Failure, FailureKind, Source};
use crate::route::Target;
use std::sync::Arc;

/// What the catalogue knows of a target's model. For a provider that tells its own price in its
/// answers, what the model's vendor asks is the guess until then.
pub(super) fn facts_of<'a>(snapshot: &'a Snapshot, target: &Target) -> Option<&'a Arc<ModelFacts>> {
    let (catalog, provider) = (&snapshot.catalog, &target.provider);
    let facts = catalog.model(&provider.name, &target.model);
    facts.or_else(|| catalog.resold(&target.model).filter(|_| provider.spec.quirks.reports_cost))
}

/// Refuses a target without a price where a budget wants one: nothing could be reserved for it, and
/// what broke off before the provider told its price would be free.
///
/// # Errors
/// 403 `model_unpriced`.
pub(super) fn require_price(
    target: &Target,
    facts: Option<&Arc<ModelFacts>>,
    meters: &[MeterSpec],
) -> Result<(), Failure> {
    let priced = facts.is_some_and(|facts| facts.prices.is_some());
    let needed = meters.iter().any(|meter| meter.unit == Unit::Cost && !meter.unpriced_allowed);
    if priced || !needed {
        return Ok(());
    }
    let message = format!(
        "'{}/{}' has no price, and the virtual key has a budget: its cost could not be counted. Use \
         a model with a price, or set \"unpriced\": \"allow\" on the budget",
        target.provider.name, target.model
    );
    Err(Failure::new(Source::Gateway, FailureKind::Unpriced, message)
        .with_code("model_unpriced")
        .with_param("model")
        .with_status(403))
}
