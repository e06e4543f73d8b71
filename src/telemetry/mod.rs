//! What happened, for those who look: the request log, its rollups and the live feed.
//!
//! Nothing here decides anything. [`RequestLog`] is told of every finished request once and never
//! makes the caller wait.

mod histogram;
mod live;
mod metrics;
mod record;
mod request_log;
mod rollup;
mod row;

pub use histogram::Histogram;
pub use live::Pulse;
pub use metrics::Metrics;
pub use record::{CacheKind, redacted};
pub use request_log::RequestLog;
pub use rollup::{BucketSums, CacheSums, FailoverSums, HOUR, MINUTE, Sums, WindowSums};
#[cfg(test)]
pub(crate) use row::fixture;
pub use row::{AttemptRow, CacheRow, Outcome, RequestRow};
