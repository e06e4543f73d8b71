use super::*;
use crate::admin::view::{HealthState, Overview};
use crate::llm::Cost;
use crate::telemetry::fixture::row;
use crate::telemetry::{CacheKind, CacheRow, RequestRow};

#[tokio::test]
async fn everything_at_once() {
    let gateway = Gateway::with(None, false).await;
    gateway.put(&format!("{VIRTUAL_KEYS}/vk-prod"), prod()).await.ok();
    gateway.app.request_log.push(row(gateway.app.now_ms(), 200));
    gateway.app.request_log.push(row(gateway.app.now_ms(), 429));
    gateway.app.request_log.flush().await;
    let body = gateway.get("/api/overview?range=1h").await.ok();
    let overview: Overview = serde_json::from_value(body).unwrap();
    assert_eq!((overview.totals.requests, overview.totals.errors), (2, 1));
    assert_eq!(overview.timestamps.len(), 60);
    assert_eq!(overview.requests_by_provider["openai"].iter().sum::<u64>(), 2);
    assert_eq!(overview.recent.len(), 2);
    assert_eq!(overview.recent[0].status, 429);
    let [provider] = &overview.providers[..] else { panic!("{:?}", overview.providers) };
    assert_eq!((provider.state, provider.keys[0].weight_share), (HealthState::Unknown, 1.0));
    let [key] = &overview.virtual_keys[..] else { panic!("{:?}", overview.virtual_keys) };
    assert_eq!((key.limits.len(), key.limits[0].limit > 0.0), (3, true));
    let codes: Vec<&str> = overview.warnings.iter().map(|warning| &*warning.code).collect();
    assert_eq!(codes, ["open_management", "secret_is_id"]);
    gateway.get("/api/overview?range=soon").await.error(400);
}

#[tokio::test]
async fn the_log_in_bifrosts_shape() {
    let gateway = Gateway::start().await;
    gateway.app.request_log.push(row(1_000, 200));
    gateway.app.request_log.push(row(2_000, 502));
    gateway.app.request_log.flush().await;
    let body = gateway.get("/api/logs?limit=1").await.ok();
    assert_eq!(body["pagination"]["total_count"], 2);
    assert_eq!(body["stats"]["total_requests"], 2);
    assert_eq!(body["stats"]["success_rate"], 50.0);
    let log = &body["logs"][0];
    assert_eq!((&log["id"], &log["status"]), (&json!("request-2000"), &json!("error")));
    assert_eq!(log["timestamp"], "1970-01-01T00:00:02Z");
    assert_eq!(log["token_usage"]["total_tokens"], 30);
    assert_eq!(log["attempts"][0]["provider"], "openai");
    assert_eq!(gateway.get("/api/logs/request-1000").await.ok()["status"], "success");
    gateway.get("/api/logs/nothing").await.error(404);
    assert_eq!(gateway.get("/api/logs/dropped").await.ok()["dropped_requests"], 0);
}

#[tokio::test]
async fn what_the_cache_answered_is_told_apart() {
    let gateway = Gateway::start().await;
    let now = gateway.app.now_ms();
    let hit = CacheRow { kind: CacheKind::Semantic, saved_cost: Cost(345_000), saved_us: 900_000 };
    let nobody = RequestRow { provider: None, model: None, ..row(now, 200) };
    let attempts = Default::default();
    gateway.app.request_log.push(RequestRow { cache: Some(hit), attempts, ..nobody });
    gateway.app.request_log.push(RequestRow { cache: Some(CacheRow::MISS), ..row(now, 200) });
    gateway.app.request_log.flush().await;
    let overview = gateway.get("/api/overview?range=1h").await.ok();
    assert_eq!(overview["cache_in_use"], false);
    let expected = json!({"direct": 0, "semantic": 1, "misses": 1, "hit_rate": 0.5,
        "saved_cost": 0.000345, "saved_ms": 900.0});
    assert_eq!(overview["totals"]["cache"], expected);
    assert!(overview["requests_by_provider"].get("none").is_none(), "{overview}");
    let recent = |at: usize| overview["recent"][at]["cache"].clone();
    assert_eq!((recent(0), recent(1)), (Value::Null, json!("semantic")));
    let logs = gateway.get("/api/logs").await.ok();
    assert_eq!(logs["stats"]["cache"], expected);
    assert_eq!(logs["logs"][0]["cache_debug"], json!({"cache_hit": false}));
    assert_eq!(logs["logs"][1]["cache_debug"]["hit_type"], "semantic");
    assert_eq!(logs["logs"][1]["cache_debug"]["saved_ms"], 900.0);
}

#[tokio::test]
async fn the_live_feed_ticks_and_ends() {
    let gateway = Gateway::start().await;
    let request = Request::get("/api/live").body(Body::empty()).unwrap();
    let response = gateway.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = body.frame().await?;
        Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    };
    let first = next().await.unwrap();
    assert!(first.starts_with("event: tick\ndata: {\"requests\":0,"), "{first}");
    gateway.app.request_log.push(row(gateway.app.now_ms(), 200));
    let second = next().await.unwrap();
    assert!(second.contains("\"requests\":1"), "{second}");
    gateway.app.stop.cancel();
    assert_eq!(next().await, None);
}
