//! One attempt over HTTP: connections, time-outs, bodies. No policy: it does what it is told once.

mod body;
mod client;
mod headers;
mod limit;
mod pool;
mod tls;

pub use body::{UpstreamBody, read_all};
pub use client::{Limit, Outgoing, send, timed_out};
pub use headers::{
    answer_headers, copy_client_headers, forward_extra_headers, json, mark_hop, refuse_loop,
};
pub use limit::{Limits, Permit};
pub use tls::install_crypto;
