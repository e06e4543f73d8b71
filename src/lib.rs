//! Tollbridge, a standalone LLM gateway: the map of its rooms.
pub mod config;
pub mod dialect;
pub mod llm;
pub mod provider;
pub mod store;
pub mod telemetry;
pub mod ui;
