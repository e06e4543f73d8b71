//! What the operator said, checked and indexed.
//!
//! [`entity`] is the configuration as plain data, [`build`] checks the whole and makes a
//! [`Snapshot`] of it, [`Live`] publishes snapshots behind one swap and writes changes to the store.

pub mod entity;
mod snapshot;

pub use snapshot::{Admin, Binding, MeterSpec, Snapshot, Unit, VirtualKey};
