//! Who may do what, and how much of it.
//!
//! [`identify`] finds the caller, the snapshot's lists say what is allowed, and the [`Ledger`]
//! reserves and settles what is limited. One concept, the meter, serves budgets and rate limits at
//! every level.

mod caller;
mod estimate;
mod flush;
mod ledger;
mod price;

pub use caller::{Caller, identify};
pub use estimate::{Estimate, Learned};
pub use flush::{flush_once, run_flusher};
pub use ledger::{Ledger, MeterUsage, Refusal, Ticket};
pub use price::cost_of;
