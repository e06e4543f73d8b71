//! Tollbridge, a standalone LLM gateway: the map of its rooms.
pub mod dialect;
pub mod llm;
pub mod provider;
