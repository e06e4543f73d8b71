//! What the meters have counted, written to the store in the background.

use super::Ledger;
use crate::store::Db;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often deltas are written: a kill −9 loses at most this much and the write itself.
const INTERVAL: Duration = Duration::from_millis(400);

/// Writes deltas until `stop` is cancelled, and then what is left.
pub async fn run_flusher(ledger: Arc<Ledger>, store: Db, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        flush_once(&ledger, &store).await;
    }
    flush_once(&ledger, &store).await;
}

/// Writes what has been added since the last call. When the store fails, the meters keep counting
/// and the same deltas are written the next time.
pub async fn flush_once(ledger: &Ledger, store: &Db) {
    let deltas = ledger.take_deltas();
    if deltas.is_empty() {
        return;
    }
    if let Err(error) = store.add_meters(&deltas).await {
        tracing::warn!(%error, meters = deltas.len(), "usage could not be stored and is kept in memory");
        ledger.return_deltas(deltas);
    }
}
