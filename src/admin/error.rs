//! The one error of the management API: OpenAI's shape in the body that Bifrost's clients know.

use crate::config::{ChangeError, Problem, Problems};
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tracing::error;

pub(super) type AdminResult<T> = Result<T, AdminError>;

/// Why a call of the management API failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdminError {
    status: StatusCode,
    /// A machine-readable word.
    code: &'static str,
    message: String,
    /// What is wrong with the body, by JSON path.
    problems: Vec<Problem>,
}

impl AdminError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        AdminError { status, code, message: message.into(), problems: Vec::new() }
    }

    /// The parameter or field at `path` is wrong.
    pub(super) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Problems::from(Problem::new(path, message)).into()
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        AdminError::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        AdminError::new(StatusCode::CONFLICT, "conflict", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        AdminError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn unauthorized() -> Self {
        AdminError::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized")
    }

    /// Too many others were to be looked at, so nobody knows whether these are right.
    pub(super) fn credentials_not_checked() -> Self {
        let message = "too many credentials wait to be looked at; try again";
        AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "credentials_not_checked", message)
    }

    /// The store failed. The details are for the operator's log, not for the caller.
    pub(super) fn store(cause: impl std::fmt::Display) -> Self {
        error!(%cause, "the management API cannot use its store");
        let message = "the store failed; the gateway's log says why";
        AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", message)
    }
}

impl From<Problems> for AdminError {
    fn from(problems: Problems) -> Self {
        let message = problems.to_string();
        let mut error = AdminError::new(StatusCode::BAD_REQUEST, "invalid_request", message);
        error.problems = problems.0;
        error
    }
}

impl From<Vec<Problem>> for AdminError {
    fn from(problems: Vec<Problem>) -> Self {
        Problems(problems).into()
    }
}

impl From<ChangeError> for AdminError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(problems) => problems.into(),
            ChangeError::NotFound(message) => AdminError::not_found(message),
            ChangeError::Conflict(message) => AdminError::conflict(message),
            ChangeError::Store(cause) => AdminError::store(cause),
        }
    }
}

/// OpenAI's word for errors of that status.
fn error_type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let problem = |problem: &Problem| json!({"path": problem.path, "message": problem.message});
        let problems: Vec<Value> = self.problems.iter().map(problem).collect();
        let param = self.problems.first().map(|problem| &problem.path);
        let param = param.filter(|path| !path.is_empty());
        let mut body = json!({
            "is_bifrost_error": false,
            "status_code": self.status.as_u16(),
            "error": {
                "message": self.message,
                "type": error_type(self.status),
                "param": param,
                "code": self.code,
            },
            "extra_fields": {},
        });
        if !problems.is_empty() {
            body["error"]["problems"] = problems.into();
        }
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge =
                HeaderValue::from_static("Basic realm=\"Tollbridge\", charset=\"UTF-8\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
