//! The one error of the data plane.

use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// Why a request or an attempt failed, whose fault it is, and what may be tried next.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Whose fault it is.
    pub source: Source,
    /// What happened, as a closed set.
    pub kind: FailureKind,
    /// The HTTP status for the client.
    pub status: u16,
    /// Plain words: what is wrong and, where known, the fix. The provider's own message if it sent one.
    pub message: String,
    /// The provider's `error.type`, if it sent one.
    pub error_type: Option<String>,
    /// A machine-readable code, such as `model_blocked`.
    pub code: Option<String>,
    /// The request field that is at fault.
    pub param: Option<String>,
    /// The provider's error body, as it came.
    pub body: Option<Bytes>,
    /// What may be tried next.
    pub retry: Retry,
    /// How long the provider, or a limit of ours, asks to wait.
    pub retry_after: Option<Duration>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The client sent something wrong or went away.
    Client,
    /// The gateway refused or failed.
    Gateway,
    /// The provider refused or failed.
    Upstream,
}

/// What may be tried after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same key again, after a pause.
    SameKey,
    /// Another key of the same provider.
    OtherKey,
    /// Another provider.
    OtherTarget,
    /// Nothing: every target would answer the same.
    Never,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The request is malformed or not supported.
    InvalidRequest,
    /// The body is larger than allowed.
    RequestTooLarge,
    /// No or a wrong credential.
    Authentication,
    /// Not allowed.
    Permission,
    /// No such model, provider or route.
    NotFound,
    /// A rate limit, of the provider or of ours.
    RateLimit,
    /// A budget is used up.
    BudgetExceeded,
    /// The provider wants to be paid (402) or its quota is used up.
    Quota,
    /// A key with a budget asked for a model without a price.
    Unpriced,
    /// The operation is not offered by the provider.
    UnsupportedOperation,
    /// The connection could not be made or broke.
    Connect,
    /// No answer in time.
    Timeout,
    /// The provider's 5xx.
    ServerError,
    /// The provider is overloaded (503, 529).
    Overloaded,
    /// The provider's answer could not be understood.
    BadResponse,
    /// A stream ended before its end.
    Truncated,
    /// Too many requests wait for the provider.
    QueueFull,
    /// No key of the provider can serve the request.
    NoKey,
    /// The client went away.
    Cancelled,
    /// A defect of the gateway.
    Internal,
}

impl FailureKind {
    /// The word used in logs, metrics and the dashboard.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureKind::InvalidRequest => "invalid_request",
            FailureKind::RequestTooLarge => "request_too_large",
            FailureKind::Authentication => "authentication",
            FailureKind::Permission => "permission",
            FailureKind::NotFound => "not_found",
            FailureKind::RateLimit => "rate_limit",
            FailureKind::BudgetExceeded => "budget_exceeded",
            FailureKind::Quota => "quota",
            FailureKind::Unpriced => "unpriced",
            FailureKind::UnsupportedOperation => "unsupported_operation",
            FailureKind::Connect => "connect",
            FailureKind::Timeout => "timeout",
            FailureKind::ServerError => "server_error",
            FailureKind::Overloaded => "overloaded",
            FailureKind::BadResponse => "bad_response",
            FailureKind::Truncated => "truncated",
            FailureKind::QueueFull => "queue_full",
            FailureKind::NoKey => "no_key",
            FailureKind::Cancelled => "cancelled",
            FailureKind::Internal => "internal",
        }
    }
}

impl FailureKind {
    /// What happened in a noun phrase, as it stands behind "after".
    pub fn phrase(self) -> &'static str {
        match self {
            FailureKind::RateLimit => "a rate limit",
            FailureKind::Authentication => "its credential was refused",
            FailureKind::Quota => "its quota was used up",
            FailureKind::Overloaded => "the provider was overloaded",
            _ => "a failure",
        }
    }
}

impl Failure {
    /// A failure of the given side and kind with the status and verdict that such failures have.
    pub fn new(source: Source, kind: FailureKind, message: impl Into<String>) -> Self {
        Failure {
            source,
            kind,
            status: default_status(kind),
            message: message.into(),
            error_type: None,
            code: None,
            param: None,
            body: None,
            retry: default_retry(source, kind),
            retry_after: None,
        }
    }

    /// The client's mistake: 400, never tried elsewhere.
    pub fn invalid(message: impl Into<String>) -> Self {
        Failure::new(Source::Client, FailureKind::InvalidRequest, message)
    }

    /// Something that this target cannot do but another one might: 400, tried elsewhere.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Failure::new(Source::Gateway, FailureKind::UnsupportedOperation, message)
            .with_code("unsupported_operation")
    }

    /// The provider's answer makes no sense: 502.
    pub fn bad_response(message: impl Into<String>) -> Self {
        Failure::new(Source::Upstream, FailureKind::BadResponse, message)
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sets the machine-readable code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets what may be tried next.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kind.as_str(), self.status, self.message)
    }
}

impl std::error::Error for Failure {}

fn default_status(kind: FailureKind) -> u16 {
    match kind {
        FailureKind::InvalidRequest
        | FailureKind::UnsupportedOperation
        | FailureKind::Unpriced
        | FailureKind::NoKey => 400,
        FailureKind::RequestTooLarge => 413,
        FailureKind::Authentication => 401,
        FailureKind::Permission => 403,
        FailureKind::NotFound => 404,
        FailureKind::RateLimit => 429,
        FailureKind::BudgetExceeded | FailureKind::Quota => 402,
        FailureKind::Connect | FailureKind::BadResponse | FailureKind::Truncated => 502,
        FailureKind::Timeout => 504,
        FailureKind::ServerError | FailureKind::Internal => 500,
        FailureKind::Overloaded | FailureKind::QueueFull => 503,
        FailureKind::Cancelled => 499,
    }
}

fn default_retry(source: Source, kind: FailureKind) -> Retry {
    match (source, kind) {
        (Source::Client, _) | (_, FailureKind::Cancelled | FailureKind::RequestTooLarge) => {
            Retry::Never
        }
        (
            Source::Upstream,
            FailureKind::Authentication
            | FailureKind::Permission
            | FailureKind::Quota
            | FailureKind::RateLimit,
        ) => Retry::OtherKey,
        (
            Source::Upstream,
            FailureKind::Connect
            | FailureKind::ServerError
            | FailureKind::Overloaded
            | FailureKind::Truncated
            | FailureKind::BadResponse,
        ) => Retry::SameKey,
        _ => Retry::OtherTarget,
    }
}
