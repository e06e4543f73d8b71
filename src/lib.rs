//! Tollbridge, a standalone LLM gateway: the map of its rooms, each allowed to import those above
//! it only (`tests/tidy.rs` checks).
//!
//! * [`llm`] — the provider-neutral vocabulary;
//! * [`dialect`] — wire formats ⇄ `llm`, pure functions;
//! * [`provider`] — who offers which operation, in which dialect, where;
//! * [`store`] — SQL, rows in and rows out;
//! * [`config`] — what the operator said, checked and indexed;
//! * [`govern`], [`route`], [`upstream`], [`telemetry`], [`cache`] — the workers, which do not know one another;
//! * [`app`] — every live object;
//! * [`pipeline`] — the life of a request;
//! * [`api`], [`admin`], [`ui`] — the doors;
//! * [`server`], [`cli`] — the process.

pub mod admin;
pub mod api;
pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod govern;
pub mod llm;
pub mod pipeline;
pub mod provider;
pub mod route;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod ui;
pub mod upstream;
