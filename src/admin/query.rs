//! What calls bring along: bodies and query parameters, with errors in the API's own form.

use super::error::AdminError;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// A body has this long to come: 10 MB at 1.4 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(60);

/// A body, whatever its content type says: clients of `curl -d` send JSON as a form.
#[derive(Debug)]
pub(crate) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        let read = timeout(PATIENCE, Bytes::from_request(request, state)).await;
        match read.map_err(|_| too_slow())? {
            Ok(bytes) => Ok(Body(bytes)),
            Err(BytesRejection::FailedToBufferBody(cause))
                if cause.status() == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                let message = "the body is larger than 10 MB";
                Err(AdminError::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message))
            }
            Err(cause) => Err(AdminError::invalid("", cause.body_text())),
        }
    }
}

fn too_slow() -> AdminError {
    let message = format!("the body was not complete after {} s", PATIENCE.as_secs());
    AdminError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
}

impl Body {
    /// The body as it came.
    pub(crate) fn bytes(self) -> Bytes {
        self.0
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, AdminError> {
        serde_json::from_slice(&self.0)
            .map_err(|cause| AdminError::invalid("", format!("the body is no JSON: {cause}")))
    }
}

/// The query parameters; of one given twice the last counts.
pub(super) struct Parameters(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Parameters(parameters)),
            Err(cause) => Err(AdminError::invalid("", cause.body_text())),
        }
    }
}

/// A piece of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

impl Parameters {
    /// The parameter, unless it is absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the parameter is `true` or `1`.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// A whole number of at least `least`.
    pub(super) fn number(&self, name: &str, least: usize) -> Result<Option<usize>, AdminError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => {
                let message = format!("`{text}` is no whole number of at least {least}");
                Err(AdminError::invalid(name, message))
            }
        }
    }

    /// `limit` and `offset`; a larger limit than `most` is cut to it.
    pub(super) fn page(&self, usual: usize, most: usize) -> Result<Page, AdminError> {
        let limit = self.number("limit", 1)?.unwrap_or(usual).min(most);
        Ok(Page { limit, offset: self.number("offset", 0)?.unwrap_or(0) })
    }
}

impl Page {
    /// The page's part of `items`.
    pub(super) fn cut<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let started = Instant::now();
        let pieces = futures_util::stream::unfold((), |()| async {
            sleep(Duration::from_secs(9)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        let request = Request::new(axum::body::Body::from_stream(pieces));
        let refused = Body::from_request(request, &()).await.unwrap_err().into_response();
        assert_eq!((refused.status().as_u16(), started.elapsed().as_secs()), (408, 60));
    }
}
