//! The gateway over real sockets, with the mock provider as its upstream.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod cache;
mod disconnect;
mod failover;
mod fidelity;
mod models;
mod money;
mod operator;
mod stream;
mod support;
mod timeouts;
mod upstream;
