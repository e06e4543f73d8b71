//! The request log: takes a row per finished request and never makes the request wait for it.
//!
//! Rows go through a channel bounded in bytes to one background task, which folds them into the
//! rollups and the list of recent requests at once and writes them to the store in batches. When
//! the bound is reached a row is left out of the log and counted as dropped; its sums are kept.

use super::live::Pulse;
use super::record::{log_cache, log_record, log_row, redacted};
use super::rollup::{HOUR, Level, MINUTE, Sums, WindowSums};
use super::row::RequestRow;
use crate::store;
use crate::store::log::{Block, FailoverRecord, LogRecord, LogStore, RollupRecord};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// Requests kept in memory for the dashboard.
const RECENT: usize = 100;
/// How often the background task looks for rows. It is not woken by them: waking a task costs a
/// request more than all the rest of the log.
const LOOK: Duration = Duration::from_millis(100);
/// Rows that are taken in one go, so that other tasks get their turn.
const TAKE: usize = 1024;
/// How long a row waits for company.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// A block with fewer rows than this is written again with the rows that come next, so that a quiet
/// gateway does not leave a block per request behind.
const SMALL_BLOCK: usize = 64;
/// Pause after a write that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often memory is tidied and old rows are looked for.
const TIDY: Duration = Duration::from_secs(60);
/// How far back memory goes beside a store, in seconds: late rows still find their bucket.
const MEMORY_WITH_STORE: i64 = 3 * HOUR;
/// The same without a store: both windows of a day's chart by minutes, of a month's by hours.
const MEMORY_ALONE: [i64; 2] = [49 * HOUR, 61 * 24 * HOUR];
/// How long the store keeps minutes; hours it keeps for good.
const STORED_MINUTES: i64 = 7 * 24 * HOUR;

/// The request log. Shared by everybody who finishes or looks at requests.
#[derive(Debug)]
pub struct RequestLog {
    rows: mpsc::Sender<RequestRow>,
    control: mpsc::Sender<oneshot::Sender<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Option<LogStore>,
    pulse: Pulse,
    capacity: usize,
    /// Bytes of rows in the channel or waiting for the store.
    held: AtomicUsize,
    dropped: AtomicU64,
    keep_rows: AtomicBool,
    retention_days: AtomicU32,
    // Std mutexes: each is held for a few map operations and never across an await.
    recent: Mutex<VecDeque<Arc<LogRecord>>>,
    levels: Mutex<[Level; 2]>,
}

impl RequestLog {
    /// Reads where an earlier process left off and starts the background task. Without a store
    /// everything stays in memory and ends with the process.
    pub async fn start(store: Option<LogStore>, capacity_bytes: usize) -> Arc<RequestLog> {
        let now = now();
        let [minutes, hours] = if store.is_some() { [MEMORY_WITH_STORE; 2] } else { MEMORY_ALONE };
        let mut levels = [Level::new(MINUTE, now - minutes), Level::new(HOUR, now - hours)];
        let mut recent = VecDeque::with_capacity(RECENT);
        if let Some(store) = &store
            && let Err(error) = restore(store, &mut levels, &mut recent).await
        {
            warn!(%error, "the request log begins empty because its store cannot be read");
        }
        let next_seq = store.as_ref().map_or(0, LogStore::next_seq);
        let shared = Arc::new(Shared {
            store,
            pulse: Pulse::default(),
            capacity: capacity_bytes,
            held: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            keep_rows: AtomicBool::new(true),
            retention_days: AtomicU32::new(365),
            recent: Mutex::new(recent),
            levels: Mutex::new(levels),
        });
        let most_rows = (capacity_bytes / size_of::<RequestRow>()).max(1);
        let (rows, received) = mpsc::channel(most_rows);
        let (control, orders) = mpsc::channel(1);
        let writer = Writer::new(shared.clone(), next_seq);
        tokio::spawn(writer.run(received, orders));
        Arc::new(RequestLog { rows, control, shared })
    }

    /// Takes over the settings: whether rows are stored at all, and for how many days.
    pub fn configure(&self, keep_rows: bool, retention_days: u32) {
        self.shared.keep_rows.store(keep_rows, Ordering::Relaxed);
        self.shared.retention_days.store(retention_days, Ordering::Relaxed);
    }

    /// Takes a row. Never waits.
    pub fn push(&self, row: RequestRow) {
        let shared = &*self.shared;
        shared.pulse.count();
        let size = row.size();
        let held = shared.held.fetch_add(size, Ordering::Relaxed);
        let refused = if held + size > shared.capacity {
            Some(row)
        } else {
            self.rows.try_send(row).err().map(|error| match error {
                mpsc::error::TrySendError::Full(row) | mpsc::error::TrySendError::Closed(row) => {
                    row
                }
            })
        };
        if let Some(row) = refused {
            shared.held.fetch_sub(size, Ordering::Relaxed);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            shared.add_to_rollups(&[row]);
        }
    }

    /// Counts a request that was turned away at the door: in the sums, without a row of its own,
    /// so that nobody can fill the log without a key.
    pub fn count(&self, row: &RequestRow) {
        self.shared.pulse.count();
        self.shared.add_to_rollups(std::slice::from_ref(row));
    }

    /// Requests finished since the start of the process, and when there are more.
    pub fn pulse(&self) -> &Pulse {
        &self.shared.pulse
    }

    /// Rows left out of the log since the start of the process.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// The latest requests that the log has heard of, newest first.
    pub fn recent(&self) -> Vec<Arc<LogRecord>> {
        lock(&self.shared.recent).iter().rev().cloned().collect()
    }

    /// The store behind the log.
    pub fn store(&self) -> Option<&LogStore> {
        self.shared.store.as_ref()
    }

    /// Sums of the buckets of `resolution` ([`MINUTE`] or [`HOUR`]) with `from <= start < to`.
    pub async fn window(&self, resolution: i64, from: i64, to: i64) -> store::Result<WindowSums> {
        let (mut window, memory_from) =
            lock(&self.shared.levels)[usize::from(resolution == HOUR)].read(from, to);
        if let Some(store) = &self.shared.store
            && from < memory_from
        {
            let to = to.min(memory_from);
            let buckets = store.rollups(resolution, from, to).await?;
            window.extend(&buckets, &store.failovers(resolution, from, to).await?);
        }
        Ok(window)
    }

    /// Sums over everything that was ever counted.
    pub async fn all_time(&self) -> store::Result<Sums> {
        let (window, memory_from) = lock(&self.shared.levels)[1].read(i64::MIN, i64::MAX);
        let mut sums = match &self.shared.store {
            Some(store) => Sums::from_record(&store.sums(HOUR, memory_from).await?),
            None => Sums::default(),
        };
        window.buckets.iter().for_each(|bucket| sums.merge(&bucket.sums));
        Ok(sums)
    }

    /// Writes everything that was pushed before the call. For shutdown.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.control.send(done).await.is_ok() {
            // An error means that the writer has ended, which leaves nothing to write.
            let _ = written.await;
        }
    }
}

impl Shared {
    fn add_to_rollups(&self, rows: &[RequestRow]) {
        lock(&self.levels).iter_mut().for_each(|level| level.add(rows));
    }
}

/// The background task.
struct Writer {
    shared: Arc<Shared>,
    /// What was taken last; kept for its memory.
    taken: Vec<RequestRow>,
    /// Blocks that the store does not have as they are, with the numbers of their first rows. The
    /// last one is being filled.
    blocks: Vec<(i64, Block)>,
    /// Rows of the last block that the store has already.
    stored_rows: usize,
    next_seq: i64,
    /// Bytes that `blocks` count for in `Shared::held`.
    pending_bytes: usize,
    /// When what is not stored is to be written; `None` when everything is.
    due: Option<Instant>,
    failing: bool,
    tidy_at: Instant,
}

impl Writer {
    fn new(shared: Arc<Shared>, next_seq: i64) -> Self {
        Writer {
            shared,
            taken: Vec::with_capacity(TAKE),
            blocks: Vec::new(),
            stored_rows: 0,
            next_seq,
            pending_bytes: 0,
            due: None,
            failing: false,
            tidy_at: Instant::now() + TIDY,
        }
    }

    async fn run(
        mut self,
        mut rows: mpsc::Receiver<RequestRow>,
        mut orders: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        let mut look_at = Instant::now();
        loop {
            let done = tokio::select! {
                Some(done) = orders.recv() => Some(done),
                () = sleep_until(look_at) => None,
            };
            let mut taken = self.take(&mut rows);
            while done.is_some() && taken == TAKE {
                taken = self.take(&mut rows);
            }
            let now = Instant::now();
            // A full take means that there is more, which is then looked for at once.
            look_at = if taken == TAKE { now } else { now + LOOK };
            let ended = rows.is_closed() && rows.is_empty();
            if done.is_some() || ended || self.due.is_some_and(|due| due <= now) {
                self.write().await;
            }
            if let Some(done) = done {
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
            if ended {
                return;
            }
            if self.tidy_at <= now {
                self.tidy().await;
            }
        }
    }

    /// Folds rows into what the dashboard reads and keeps them for the store. Returns how many.
    fn take(&mut self, rows: &mut mpsc::Receiver<RequestRow>) -> usize {
        let mut taken = std::mem::take(&mut self.taken);
        while taken.len() < TAKE
            && let Ok(mut row) = rows.try_recv()
        {
            row.error = row.error.as_deref().map(redacted);
            taken.push(row);
        }
        let count = taken.len();
        if count > 0 {
            self.keep(&taken);
            taken.clear();
        }
        self.taken = taken;
        count
    }

    fn keep(&mut self, rows: &[RequestRow]) {
        let shared = self.shared.clone();
        let bytes: usize = rows.iter().map(RequestRow::size).sum();
        if shared.store.is_some() && shared.keep_rows.load(Ordering::Relaxed) {
            self.pending_bytes += bytes;
            rows.iter().for_each(|row| self.append(row));
        } else {
            shared.held.fetch_sub(bytes, Ordering::Relaxed);
        }
        shared.add_to_rollups(rows);
        {
            // Only what stays is made a record of.
            let latest = &rows[rows.len().saturating_sub(RECENT)..];
            let mut recent = lock(&shared.recent);
            let surplus = (recent.len() + latest.len()).saturating_sub(RECENT);
            recent.drain(..surplus);
            recent.extend(latest.iter().map(|row| Arc::new(log_record(row))));
        }
        shared.pulse.beat();
        self.due = self.due.or(Some(Instant::now() + BATCH_TIME));
    }

    fn append(&mut self, row: &RequestRow) {
        if self.blocks.last().is_none_or(|(_, block)| block.is_full()) {
            self.blocks.push((self.next_seq, Block::default()));
            self.stored_rows = 0;
        }
        if let Some((_, block)) = self.blocks.last_mut() {
            block.push(&row.id, &log_row(row), row.cache.as_ref().map(log_cache));
            self.next_seq += 1;
        }
    }

    /// Writes everything, or nothing when the store does not take it.
    async fn write(&mut self) {
        self.due = None;
        let shared = self.shared.clone();
        let Some(store) = &shared.store else { return };
        let (changed, buckets, failovers) = changed_records(&shared);
        let last = self.blocks.last().map_or(0, |(_, block)| block.rows());
        if self.blocks.len() <= 1 && last == self.stored_rows && buckets.is_empty() {
            return;
        }
        match store.write(&self.blocks, &buckets, &failovers).await {
            Ok(()) => {
                let end = if last < SMALL_BLOCK { 1 } else { 0 };
                self.blocks.drain(..self.blocks.len().saturating_sub(end));
                self.stored_rows = if self.blocks.is_empty() { 0 } else { last };
                let bytes = std::mem::take(&mut self.pending_bytes);
                shared.held.fetch_sub(bytes, Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    info!("the store of the request log can be written again");
                }
            }
            Err(error) => {
                let mut levels = lock(&shared.levels);
                levels.iter_mut().zip(changed).for_each(|(level, changed)| level.put_back(changed));
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(%error, "the request log cannot be written and waits in memory");
                }
                self.due = Some(Instant::now() + RETRY);
            }
        }
    }

    async fn tidy(&mut self) {
        self.tidy_at = Instant::now() + TIDY;
        let shared = self.shared.clone();
        let now = now();
        let memory = if shared.store.is_some() { [MEMORY_WITH_STORE; 2] } else { MEMORY_ALONE };
        for (level, memory) in lock(&shared.levels).iter_mut().zip(memory) {
            level.forget(now - memory, shared.store.is_some());
        }
        let Some(store) = &shared.store else { return };
        let days = i64::from(shared.retention_days.load(Ordering::Relaxed));
        // No retention is "keep for good", not "keep nothing".
        let before = if days > 0 { now - days * 24 * HOUR } else { i64::MIN / 1000 };
        match store.prune(before * 1000, MINUTE, now - STORED_MINUTES).await {
            Ok(true) => self.tidy_at = Instant::now() + RETRY,
            Ok(false) => {}
            Err(error) => warn!(%error, "old rows of the request log cannot be deleted"),
        }
    }
}

type ChangedRecords = ([super::rollup::Changed; 2], Vec<RollupRecord>, Vec<FailoverRecord>);

fn changed_records(shared: &Shared) -> ChangedRecords {
    let mut levels = lock(&shared.levels);
    let changed = [levels[0].take_changed(), levels[1].take_changed()];
    let (mut buckets, mut failovers) = (Vec::new(), Vec::new());
    for (level, changed) in levels.iter().zip(&changed) {
        let (more_buckets, more_failovers) = level.records(changed);
        buckets.extend(more_buckets);
        failovers.extend(more_failovers);
    }
    (changed, buckets, failovers)
}

async fn restore(
    store: &LogStore,
    levels: &mut [Level; 2],
    recent: &mut VecDeque<Arc<LogRecord>>,
) -> store::Result<()> {
    for (level, resolution) in levels.iter_mut().zip([MINUTE, HOUR]) {
        let from = level.read(0, 0).1;
        let buckets = store.rollups(resolution, from, i64::MAX).await?;
        level.restore(&buckets, &store.failovers(resolution, from, i64::MAX).await?);
    }
    recent.extend(store.recent(RECENT as i64, 0).await?.into_iter().rev().map(Arc::new));
    Ok(())
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// What is behind these locks is whole after every single operation, so a panic elsewhere spoils
/// nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::row::fixture::row;

    fn row_now(status: u16) -> RequestRow {
        row(now() * 1000, status)
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_and_still_summed() {
        let log = RequestLog::start(None, 3 * row_now(200).size()).await;
        for _ in 0..5 {
            log.push(row_now(200));
        }
        assert_eq!((log.dropped(), log.pulse().finished()), (2, 5));
        log.flush().await;
        assert_eq!(log.recent().len(), 3);
        assert_eq!(log.all_time().await.unwrap().requests(), 5);
        log.push(row_now(200));
        assert_eq!(log.dropped(), 2, "there is room again");
    }

    #[tokio::test]
    async fn the_next_process_goes_on_where_this_one_ended() {
        let store = LogStore::in_memory().await.unwrap();
        let log = RequestLog::start(Some(store.clone()), 1 << 20).await;
        log.push(row_now(200));
        log.flush().await;
        log.push(row_now(502));
        log.flush().await;
        drop(log);

        let log = RequestLog::start(Some(store.clone()), 1 << 20).await;
        log.push(row_now(200));
        log.flush().await;
        assert_eq!(log.recent().len(), 3);
        assert_eq!(store.count().await.unwrap(), 3);
        for resolution in [MINUTE, HOUR] {
            let window = log.window(resolution, now() - 7200, now() + 3600).await.unwrap();
            let requests: u64 = window.buckets.iter().map(|bucket| bucket.sums.requests()).sum();
            assert_eq!(requests, 3);
        }
        assert_eq!(log.all_time().await.unwrap().outcomes, [2, 0, 0, 1, 0]);
    }

    #[tokio::test]
    async fn a_window_reaches_behind_memory_into_the_store() {
        let store = LogStore::in_memory().await.unwrap();
        let old = now() - 10 * HOUR;
        let mut level = Level::new(MINUTE, 0);
        level.add(&[row(old * 1000, 200)]);
        let changed = level.take_changed();
        let (buckets, failovers) = level.records(&changed);
        store.write(&[], &buckets, &failovers).await.unwrap();
        let log = RequestLog::start(Some(store), 1 << 20).await;
        log.push(row_now(200));
        log.flush().await;
        let window = log.window(MINUTE, old - 60, now() + 60).await.unwrap();
        assert_eq!(window.buckets.len(), 2);
        assert_eq!(log.window(MINUTE, old - 60, old + 60).await.unwrap().buckets.len(), 1);
    }

    #[tokio::test]
    async fn a_store_that_fails_keeps_rows_waiting() {
        let store = LogStore::in_memory().await.unwrap();
        let log = RequestLog::start(Some(store.clone()), 1 << 20).await;
        store.close().await;
        log.push(row_now(200));
        log.flush().await;
        assert_eq!((log.dropped(), log.recent().len()), (0, 1));
        assert!(log.shared.held.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn subscribers_hear_of_what_can_be_read() {
        let log = RequestLog::start(None, 1 << 20).await;
        let mut beats = log.pulse().subscribe();
        log.push(row_now(200));
        beats.changed().await.unwrap();
        assert_eq!((*beats.borrow(), log.recent().len()), (1, 1));
    }

    #[tokio::test]
    async fn rows_reach_a_file_without_being_asked_for() {
        let path = std::env::temp_dir().join(format!("logs-{}.db", uuid::Uuid::new_v4()));
        let store = LogStore::open(&path).await.unwrap();
        let log = RequestLog::start(Some(store.clone()), 1 << 20).await;
        log.push(row_now(200));
        let begun = Instant::now();
        while store.count().await.unwrap() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        log.configure(false, 7);
        log.push(row_now(200));
        log.flush().await;
        assert_eq!((store.count().await.unwrap(), log.recent().len()), (1, 2));
        store.close().await;
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn old_rows_go() {
        let store = LogStore::in_memory().await.unwrap();
        let log = RequestLog::start(Some(store.clone()), 1 << 20).await;
        for _ in 0..SMALL_BLOCK {
            log.push(row((now() - 3 * 24 * HOUR) * 1000, 200));
        }
        log.flush().await;
        log.push(row_now(200));
        log.flush().await;
        let before = (now() - 24 * HOUR) * 1000;
        assert!(!store.prune(before, MINUTE, 0).await.unwrap());
        assert_eq!(store.recent(100, 0).await.unwrap().len(), 1);
        assert_eq!(store.count().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn pages_and_ids_are_found_across_blocks() {
        let store = LogStore::in_memory().await.unwrap();
        let log = RequestLog::start(Some(store.clone()), 64 << 20).await;
        let rows = 2 * crate::store::log::BLOCK_ROWS + 100;
        for number in 0..rows {
            let mut row = row_now(200);
            row.id = format!("r{number}").into();
            log.push(row);
            if number % 700 == 0 {
                log.flush().await;
            }
        }
        log.flush().await;
        assert_eq!(store.count().await.unwrap(), rows as i64);
        let mut found = Vec::new();
        while found.len() < rows {
            found.extend(store.recent(333, found.len() as i64).await.unwrap());
        }
        let ids = found.iter().rev().map(|record| record.id.clone());
        assert!(ids.eq((0..rows).map(|number| format!("r{number}"))));
        for id in ["r0", "r1023", "r1024", "r2000"] {
            assert_eq!(store.request(id).await.unwrap().unwrap().id, id);
        }
        assert_eq!(store.request("r-unknown").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_quiet_gateway_leaves_no_block_per_request() {
        let store = LogStore::in_memory().await.unwrap();
        let log = RequestLog::start(Some(store.clone()), 1 << 20).await;
        for _ in 0..SMALL_BLOCK + 1 {
            log.push(row_now(200));
            log.flush().await;
        }
        assert_eq!(store.count().await.unwrap(), SMALL_BLOCK as i64 + 1);
        assert_eq!(store.blocks().await.unwrap(), 2);
    }
}
