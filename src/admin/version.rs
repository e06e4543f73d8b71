//! `GET /api/version`.

use axum::Json;

/// The version of this gateway.
pub(super) const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

pub(super) async fn get() -> Json<&'static str> {
    Json(VERSION)
}
