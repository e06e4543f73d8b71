//! Which targets, in which order.
//!
//! [`plan`] is pure: the snapshot, the caller, the request and a source of randomness in; targets in
//! order out, and why every other candidate was left out. What is resting or used up is asked
//! through a function, so that this room knows neither the ledger nor the pipeline.

mod decisions;
mod fallback;
mod health;
mod keys;
mod plan;
mod weight;

pub use decisions::{Considered, Decision, Decisions};
pub use health::{Health, InFlight, KeyState, ProviderState};
pub use keys::{NoKey, draw_key};
pub use plan::{Ask, LeftOut, Plan, Target, plan};
pub use weight::draw;
