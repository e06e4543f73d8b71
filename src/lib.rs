//! Tollbridge, a standalone LLM gateway: the map of its rooms.
pub mod app;
pub mod api;
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
