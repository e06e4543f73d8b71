//! A scripted fake of the model providers' APIs, for tests, benchmarks and demos.
//!
//! One server speaks OpenAI, Anthropic and Gemini at any path prefix. Without a script it
//! answers politely; [`Rule`]s make it slow, wrong, broken or silent.

mod answer;
mod anthropic;
mod body;
mod call;
mod control;
mod embed;
mod fast;
mod fast_answers;
mod gemini;
mod openai;
mod respond;
mod rule;
mod rule_builder;
mod schema;
mod server;
mod state;

pub use control::parse_rules;
pub use fast::{FastOptions, serve_fast};
pub use rule::{Finish, Reply, Rule, ToolCall, UsageSpec, When};
pub use server::{DEFAULT_KEEP_RECEIVED, MockProvider, Options};
pub use state::{Count, Received};
