//! Who offers which operation, in which wire format, where, and with what credential.
//!
//! A provider is a row of data ([`ProviderSpec`], all rows in [`catalog`]); what an operator
//! configures over a row is a [`Provider`]. This room knows no HTTP client.

pub mod catalog;
mod configured;
mod credential;
mod models;
mod path;

pub(crate) use configured::mask;
pub use configured::{AccessList, Key, Network, Provider, Proxy, Secret};
pub(crate) use credential::BEARER;
pub use credential::authorize;
pub use models::decode_model_list;
pub use path::url_path;

use crate::dialect::{self, Dialect, Quirks};
use crate::llm::{Operation, Wire};

/// A provider as the catalogue knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProviderSpec {
    /// The name in `provider/model`, in configuration and in metrics.
    pub name: &'static str,
    /// Where it is unless the operator says otherwise; empty when the operator must say.
    pub base_url: &'static str,
    /// How a key is sent.
    pub auth: Auth,
    /// Whether requests go without a key when none is configured.
    pub keyless: bool,
    /// What it offers.
    pub endpoints: &'static [Endpoint],
    /// How it deviates from its wire format.
    pub quirks: Quirks,
    /// Environment variables that hold a key; the first that is set wins.
    pub key_variables: &'static [&'static str],
    /// Environment variables that are sent as headers, and the headers; of several for one header the
    /// first that is set wins.
    pub header_variables: &'static [(&'static str, &'static str)],
    /// Environment variable that holds the base URL.
    pub base_url_variable: Option<&'static str>,
}

/// One operation that a provider offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The operation.
    pub operation: Operation,
    /// The wire format in which it is spoken.
    pub wire: Wire,
    /// The path below the base URL; `{model}` stands for the percent-encoded model.
    pub path: &'static str,
    /// The path when the answer is to be streamed, where it is another one.
    pub stream_path: &'static str,
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// Anthropic's `x-api-key` with `anthropic-version`.
    Anthropic,
    /// Google's `x-goog-api-key`.
    Google,
}

impl ProviderSpec {
    /// The endpoint of `operation`, if offered.
    pub fn endpoint(&self, operation: Operation) -> Option<&'static Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.operation == operation)
    }
}

/// The codec of a wire format.
pub fn codec(wire: Wire) -> &'static dyn Dialect {
    match wire {
        Wire::OpenaiChat => &dialect::openai_chat::OpenaiChat,
        Wire::Anthropic => &dialect::anthropic::Anthropic,
        Wire::Gemini => &dialect::gemini::Gemini,
    }
}
