//! What the operator said, checked and indexed.
//!
//! [`entity`] is the configuration as plain data. It comes from [`file`] (config.json) and from the
//! bodies of the management API ([`input`]), which meet what is there already in
//! [`apply_virtual_key`] and [`apply_provider`]. [`build()`] checks the whole and makes a
//! [`Snapshot`] of it, [`Live`] publishes snapshots behind one swap and writes changes to the
//! store. The only reader of the process environment is [`env`].

mod admin;
mod apply;
mod apply_provider;
mod build;
mod build_provider;
pub mod cache;
pub mod entity;
pub mod env;
pub mod file;
mod file_governance;
mod header_filter;
pub mod input;
mod input_provider;
mod input_settings;
pub mod json;
mod live;
mod operations;
mod password;
pub mod pricing;
mod problem;
mod read;
mod retire;
mod seed;
mod snapshot;
mod stored;
mod turns;
mod vault;
pub mod window;

pub use admin::{Admin, Verdict};
pub use apply::{IdSource, apply_virtual_key, secret_hash};
pub use apply_provider::{apply_key, apply_provider};
pub use build::{build, own_scope};
pub use env::Environment;
pub use header_filter::HeaderFilter;
pub use input::{
    BindingInput, BudgetInput, BudgetsInput, KeyInput, LimitsInput, NetworkInput, ProviderInput,
    ProxyInput, RateLimitInput, VirtualKeyInput,
};
pub use input_settings::apply_settings;
pub use json::MeterUsage;
pub use live::{ChangeError, Live};
pub use problem::{Problem, Problems};
pub use snapshot::{Binding, MeterSpec, Snapshot, Unit, VirtualKey};
