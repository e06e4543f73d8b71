//! What limits show at this moment, by meter id.

use crate::app::App;
use crate::config::json::MeterUsage;
use crate::config::{Snapshot, VirtualKey};
use std::collections::HashMap;
use std::sync::Arc;

/// Usage of every meter of some virtual keys.
pub(super) struct Usages(HashMap<Arc<str>, MeterUsage>);

impl Usages {
    /// The meters of one virtual key.
    pub(super) fn of(app: &App, id: &str) -> Self {
        let snapshot = app.live.snapshot();
        let key = snapshot.virtual_keys.iter().find(|key| &*key.id == id);
        Usages::read(app, key.into_iter())
    }

    /// The meters of all virtual keys.
    pub(super) fn all(app: &App) -> Self {
        let snapshot = app.live.snapshot();
        Usages::read(app, snapshot.virtual_keys.iter())
    }

    /// The usage of one meter.
    pub(super) fn get(&self, id: &str) -> Option<MeterUsage> {
        self.0.get(id).copied()
    }

    fn read<'a>(app: &App, keys: impl Iterator<Item = &'a Arc<VirtualKey>>) -> Self {
        let now = app.now();
        let meters = keys.flat_map(|key| {
            let bindings = key.bindings.iter().flatten();
            key.meters.iter().chain(bindings.flat_map(|binding| binding.meters.iter()))
        });
        let usages = meters.map(|meter| {
            let usage = app.ledger.usage(meter, now);
            let shown = MeterUsage { used: usage.used, window_start: usage.window_start };
            (meter.id.clone(), shown)
        });
        Usages(usages.collect())
    }
}

/// Drops the counters of limits that are no longer configured.
pub(super) fn forget_gone_meters(app: &App) {
    let snapshot: Arc<Snapshot> = app.live.snapshot();
    let known = snapshot.virtual_keys.iter().flat_map(|key| {
        let bindings = key.bindings.iter().flatten();
        key.meters.iter().chain(bindings.flat_map(|binding| binding.meters.iter()))
    });
    let known: std::collections::HashSet<&str> = known.map(|meter| &*meter.id).collect();
    app.ledger.retain(|id| known.contains(id));
}
