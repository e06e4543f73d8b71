//! `GET /api/overview`: everything that the dashboard's first page shows, in one answer.

mod now;
mod series;
mod warnings;

pub(super) use series::cache_totals;

use super::error::{AdminError, AdminResult};
use super::query::Parameters;
use super::view::{Overview, Range};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// Requests listed on the first page.
const RECENT: usize = 50;
/// The longest range, a year: hours are kept for good, but nobody waits for all of them.
const LONGEST: i64 = 366 * 24 * 3600;

pub(super) async fn get(
    State(app): State<Arc<App>>,
    parameters: Parameters,
) -> AdminResult<Json<Overview>> {
    let seconds = match parameters.get("range") {
        Some(text) => range_seconds(text).ok_or_else(|| wrong_range(text))?,
        None => 3600,
    };
    let now = app.now();
    let range = Range::ending(now, seconds);
    let window = app
        .request_log
        .window(range.resolution(), range.previous_start(), range.end)
        .await
        .map_err(AdminError::store)?;
    let snapshot = app.live.snapshot();
    let mut overview = series::overview(range, &window);
    overview.cache_in_use = snapshot.uses_cache;
    overview.version = super::version::VERSION.to_owned();
    overview.providers = now::providers(&snapshot, &app.health, app.now_ms());
    overview.virtual_keys = now::virtual_keys(&snapshot, &app.ledger, now);
    let recent = app.request_log.recent();
    overview.recent =
        recent.iter().take(RECENT).map(|record| now::recent_request(record)).collect();
    overview.warnings =
        warnings::warnings(&app, &snapshot, &overview.providers, &overview.virtual_keys);
    Ok(Json(overview))
}

/// `15m`, `1h`, `7d`: a number of minutes, hours or days.
fn range_seconds(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let count: i64 = text.get(..text.len() - 1)?.parse().ok()?;
    count.checked_mul(unit).filter(|seconds| (60..=LONGEST).contains(seconds))
}

fn wrong_range(text: &str) -> AdminError {
    AdminError::invalid(
        "range",
        format!(
            "`{text}` is no range; say a number of minutes, hours or days, such as 15m, 1h, 7d"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_the_dashboard_writes_them() {
        assert_eq!(range_seconds("15m"), Some(900));
        assert_eq!(range_seconds("30d"), Some(30 * 86_400));
        for text in ["", "h", "1", "-1h", "0m", "9999d", "1é", "1w"] {
            assert_eq!(range_seconds(text), None, "{text}");
        }
    }
}
