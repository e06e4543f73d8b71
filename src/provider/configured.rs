//! A provider as the operator configured it, with secrets resolved: what the request path reads.

use super::ProviderSpec;
use crate::llm::Operation;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A row of the catalogue, or a custom provider over one, with the operator's settings.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The operator's name for it.
    pub name: Arc<str>,
    /// The row that it is, or that a custom provider is built on.
    pub spec: &'static ProviderSpec,
    /// Scheme, host and path prefix without a final `/`.
    pub base_url: String,
    /// Keys in configured order, disabled ones included.
    pub keys: Vec<Arc<Key>>,
    /// Whether requests go without a key when none is configured.
    pub keyless: bool,
    /// Time-outs, retries and headers.
    pub network: Network,
    /// Requests in flight at most.
    pub concurrency: usize,
    /// Requests that may wait for a place at most.
    pub buffer_size: usize,
    /// Operations of a custom provider that are switched on; `None` is all.
    pub allowed_operations: Option<Vec<Operation>>,
    /// Paths or absolute URLs of a custom provider that replace the row's.
    pub path_overrides: BTreeMap<Operation, String>,
    /// Whether answers carry the request as it was sent, for finding faults.
    pub send_back_raw_request: bool,
    /// Whether answers carry the provider's answer as it came, for finding faults.
    pub send_back_raw_response: bool,
}

/// A provider key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Stable id.
    pub id: Arc<str>,
    /// The operator's name for it, unique across providers.
    pub name: Arc<str>,
    /// What is sent.
    pub value: Secret,
    /// Models that it may serve.
    pub models: AccessList,
    /// Models that it may not serve, whatever `models` says.
    pub blacklisted_models: Vec<String>,
    /// Its share among the keys that may serve a request; all zero is an even share.
    pub weight: f64,
    /// Whether it is used.
    pub enabled: bool,
}

impl Key {
    /// Whether the key may serve `model`.
    pub fn serves(&self, model: &str) -> bool {
        self.enabled
            && self.models.allows(model)
            && !self.blacklisted_models.iter().any(|blocked| blocked == model)
    }
}

/// How the gateway talks to a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// To make the connection.
    pub connect_timeout: Duration,
    /// From the beginning of an unstreamed attempt to the response headers.
    pub header_timeout: Duration,
    /// From the beginning of a streamed attempt to the response headers, which some providers send
    /// with the first token only.
    pub stream_header_timeout: Duration,
    /// From the beginning of an attempt to the first content of a stream.
    pub first_token_timeout: Duration,
    /// Between two pieces of content of a stream.
    pub idle_timeout: Duration,
    /// For the whole of an unstreamed attempt.
    pub total_timeout: Duration,
    /// For the whole of a streamed attempt; `None` lets it run as long as it says something.
    pub stream_total_timeout: Option<Duration>,
    /// Tries after the first one.
    pub max_retries: u32,
    /// Pause before the first retry; doubles with every further one.
    pub backoff_initial: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Headers sent with every request unless the request has them.
    pub extra_headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Connections kept per host at most.
    pub max_connections: usize,
    /// Whether TLS certificates go unchecked.
    pub insecure_skip_verify: bool,
    /// A certificate authority to trust besides the public ones, PEM.
    pub ca_certificate: Option<String>,
    /// Speak HTTP/2 only; otherwise HTTP/1.1 is spoken.
    pub http2_only: bool,
    /// The way out.
    pub proxy: Option<Proxy>,
}

/// A proxy on the way to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// `HTTP_PROXY` and its siblings.
    Environment,
    /// An `http://` or `socks5://` URL with credentials, if any, in it.
    Url(Secret),
}

/// A list that grants access.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AccessList {
    /// Absent or `["*"]`: everything.
    #[default]
    Unrestricted,
    /// Exactly these; empty is nothing.
    Only(Vec<String>),
}

impl AccessList {
    /// Reads a list as configured: `None` and `["*"]` are everything.
    pub fn from_list(list: Option<Vec<String>>) -> Self {
        match list {
            None => AccessList::Unrestricted,
            Some(list) if list == ["*"] => AccessList::Unrestricted,
            Some(list) => AccessList::Only(list),
        }
    }

    /// The list as the API shows it: `["*"]` for everything.
    pub fn to_list(&self) -> Vec<String> {
        match self {
            AccessList::Unrestricted => vec!["*".to_owned()],
            AccessList::Only(list) => list.clone(),
        }
    }

    /// Whether `name` is granted.
    pub fn allows(&self, name: &str) -> bool {
        match self {
            AccessList::Unrestricted => true,
            AccessList::Only(list) => list.iter().any(|entry| entry == name),
        }
    }
}

/// A secret. Its `Debug` prints `****`; there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Secret(value.into())
    }

    /// The secret itself, for sending it to whom it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret as it may be shown: up to 8 characters all stars, else the first and last 4 with
    /// 24 stars between (Bifrost's form).
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

/// See [`Secret::masked`].
pub(crate) fn mask(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    let Some(middle) = characters.len().checked_sub(8).filter(|&middle| middle > 0) else {
        return "*".repeat(characters.len());
    };
    let first: String = characters.iter().take(4).collect();
    let last: String = characters.iter().skip(4 + middle).collect();
    format!("{first}{}{last}", "*".repeat(24))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = Secret::new("sk-1234567890abcd");
        assert_eq!(format!("{secret:?}"), "****");
        assert_eq!(secret.masked(), format!("sk-1{}abcd", "*".repeat(24)));
        assert_eq!(Secret::new("12345678").masked(), "********");
    }

    #[test]
    fn absent_is_everything_and_empty_is_nothing() {
        assert!(AccessList::from_list(None).allows("m"));
        assert!(AccessList::from_list(Some(vec!["*".into()])).allows("m"));
        assert!(!AccessList::from_list(Some(vec![])).allows("m"));
        assert!(AccessList::from_list(Some(vec!["m".into()])).allows("m"));
    }
}
