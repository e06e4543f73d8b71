//! Where a call may go, before it goes anywhere.

use super::call::{Call, Purpose};
use crate::app::App;
use crate::config::{Binding, Unit};
use crate::llm::Failure;
use crate::route::{Ask, Decision, Plan, plan};
use smallvec::SmallVec;
use std::sync::Arc;

/// The targets of a call in the order in which they are tried, written down for `explain`.
///
/// # Errors
/// There is no target; the failure says why.
pub(super) fn make_plan(app: &Arc<App>, call: &Call) -> Result<Plan, Failure> {
    let now = call.timestamp_ms.div_euclid(1000);
    let ask = Ask {
        operation: call.operation,
        model: call.request.model(),
        fallbacks: call.request.fallbacks(),
        // What the gateway asks for itself goes where the operator said, whoever pays.
        virtual_key: call.caller.virtual_key.as_ref().filter(|_| call.purpose == Purpose::Client),
        offers: &app.offers,
    };
    let closed = |binding: &Binding| binding_closed(app, binding, now);
    let planned = plan(&call.snapshot, ask, closed, &mut rand::rng());
    let (targets, left_out, result) = match planned {
        Ok(plan) => {
            let targets = plan.targets.iter();
            let targets = targets.map(|t| (t.provider.name.clone(), t.model.clone(), t.reason));
            (targets.collect(), plan.left_out.clone(), Ok(plan))
        }
        Err((failure, left_out)) => (SmallVec::new(), left_out, Err(failure)),
    };
    app.decisions.remember(Decision {
        id: call.decision_id.clone(),
        request_id: call.id.clone(),
        model_requested: call.request.model().clone(),
        targets,
        left_out,
    });
    result
}

/// Why a binding's own limits admit nothing now. Those of the virtual key as a whole would refuse
/// every target alike and are left to the admission.
pub(super) fn binding_closed(app: &Arc<App>, binding: &Binding, now: i64) -> Option<String> {
    let own = binding.meters.iter().filter(|meter| *meter.scope == *binding.provider);
    for meter in own {
        let usage = app.ledger.usage(meter, now);
        if usage.used >= meter.limit {
            return Some(format!("its {} is used up", limit_name(meter.unit)));
        }
    }
    None
}

/// The word for a limit in what people are told.
pub(super) fn limit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Cost => "budget",
        Unit::Tokens => "token limit",
        Unit::Requests => "request limit",
    }
}
