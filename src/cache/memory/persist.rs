//! The store's memory of the last run: a journal in a file.
//!
//! What is worth it is appended: an entry with a vector at once, another one when it is first of
//! use, and the removal of either. At the end everything is written that has not been and is for others
//! (answers that nobody has read are read for it, the newest first, as many as a store has room for then).
//! When the file has grown to several times what is alive, a snapshot
//! of what has been read takes its place.
//!
//! A request thread writes its record down in memory, where the entry still is at hand, and never
//! waits for a disk: one thread takes what has been written down to the file, a quarter of a mebibyte
//! at a time or whatever there is twice a second. A killed process loses that, and what nobody had
//! asked for again. The disk itself is waited for after a snapshot, at the end, and for a clear: whoever
//! asks for one is answered when the disk has it, so that what was removed is not back after a kill.
//!
//! What has to wait for a slow disk is bounded in bytes. Beyond that a put is not written, is
//! counted, and a snapshot soon makes up for it. A clear is always written.
//!
//! The records stand in the order in which the store changed. A snapshot may show the store later
//! than the next record does: what follows is then applied twice, which changes nothing.

mod file;
mod record;

#[cfg(test)]
mod tests;

use super::MemoryStore;
use crate::cache::{Clear, Digests, Entry, Fingerprint, SECRET};
use file::{Loaded, load, write_snapshot};
use parking_lot::Mutex;
use record::{append_clear, append_put};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often and how much.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Between two writes.
    flush: Duration,
    /// Between two snapshots at least.
    heal: Duration,
    /// After a snapshot that failed, before another is tried for somebody who waits for the disk.
    retry: Duration,
    /// Bytes of a file beyond twice what is alive that make a snapshot due.
    slack: u64,
    /// Bytes of puts that may wait to be written.
    waiting: usize,
}

const PACE: Pace = Pace {
    flush: Duration::from_millis(400),
    heal: Duration::from_secs(10),
    retry: Duration::from_secs(1),
    slack: 16 << 20,
    waiting: 64 << 20,
};

/// Bytes that are taken to the file at once. They stay in a processor's cache until then.
const AT_ONCE: usize = 256 << 10;

/// A store's file, written until this is dropped.
pub struct Journal {
    secret: [u8; SECRET],
    feed: Feed,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The store's end.
#[derive(Debug, Clone)]
pub(super) struct Feed(Arc<Waiting>);

/// What is to be written.
#[derive(Debug)]
struct Waiting {
    records: Mutex<Records>,
    most: usize,
    dropped: AtomicU64,
    writer: OnceLock<Thread>,
}

#[derive(Debug, Default)]
struct Records {
    bytes: Vec<u8>,
    /// They lack something that the store has had.
    incomplete: bool,
    closed: bool,
    /// Who is to be told when the disk has them, or why it has not.
    askers: Vec<oneshot::Sender<Result<(), String>>>,
    /// Whether what was removed is to leave the file too, where it still stands as text.
    erases: bool,
}

impl Journal {
    /// Loads what the file holds into the store and writes from then on what is worth it. Expired
    /// entries (`now_ms`, Unix milliseconds) are left out and the store's cap holds. Takes about a
    /// second for 100,000 entries. A store has one journal at most.
    ///
    /// A damaged end of the file is cut off, what is damaged before it is passed over, and a file of an
    /// unknown version is renamed to `….aside`, all with a warning.
    ///
    /// # Errors
    ///
    /// The file cannot be created, read or written; the store then works without it.
    pub fn open(store: &Arc<MemoryStore>, path: &Path, now_ms: i64) -> io::Result<Journal> {
        Self::open_at(store, path, now_ms, PACE)
    }

    fn open_at(
        store: &Arc<MemoryStore>,
        path: &Path,
        now_ms: i64,
        pace: Pace,
    ) -> io::Result<Journal> {
        let Loaded { file, length, secret, is_stale } = load(store, path, now_ms)?;
        let waiting = Arc::new(Waiting {
            records: Mutex::default(),
            most: pace.waiting,
            dropped: AtomicU64::new(0),
            writer: OnceLock::new(),
        });
        let keeper = Keeper {
            store: Arc::downgrade(store),
            path: path.to_owned(),
            secret,
            waiting: waiting.clone(),
            taken: Vec::new(),
            pace,
            file: Some(file),
            length,
            healed: None,
            failed: None,
            stale: is_stale,
        };
        let feed = Feed(waiting);
        let end = End(feed.0.clone());
        let run = move || {
            // Dropped when the thread ends, however it does.
            let _end = end;
            keeper.run();
        };
        let thread = std::thread::Builder::new().name("cache-journal".to_owned()).spawn(run)?;
        // Nobody has set it before: it was made here.
        let _set = feed.0.writer.set(thread.thread().clone());
        if store.feed.set(feed.clone()).is_err() {
            feed.0.records.lock().closed = true;
            return Err(io::Error::other("the store has a journal already"));
        }
        Ok(Journal { secret, feed, thread: Mutex::new(Some(thread)) })
    }

    /// Under which the entries have the names that they have in the file.
    pub fn digests(&self) -> Digests {
        Digests::of_secret(&self.secret)
    }

    /// Puts that were not written because the disk was too slow, since the start.
    pub fn dropped(&self) -> u64 {
        self.feed.0.dropped.load(Relaxed)
    }

    /// Waits until the disk has all that has happened so far; with `erases` a snapshot soon takes the place of the
    /// file, so that what was removed does not stand in it any more. Where a snapshot has just been written, a power
    /// cut might still bring back the file before it; a kill does not.
    ///
    /// # Errors
    /// Why it has not: the file cannot be written, or the journal has ended.
    pub async fn written(&self, erases: bool) -> Result<(), String> {
        let ended = || "the journal has ended, a restart begins it again".to_owned();
        let told = self.feed.tell_when_written(erases).ok_or_else(ended)?;
        told.await.unwrap_or_else(|_gone| Err(ended()))
    }

    /// Writes what is waiting and waits for the disk. Nothing is written afterwards. Blocks.
    pub fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.feed.0.records.lock().closed = true;
        thread.thread().unpark();
        // Fails only if the thread has panicked.
        let _ended = thread.join();
    }
}

/// Without the secret.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Feed {
    /// An entry came.
    pub(super) fn put(&self, entry: &Entry, vector: Option<&[f32]>) {
        let size = entry.size() + vector.map_or(0, size_of_val);
        self.append(|records| {
            if records.bytes.len() + size > self.0.most {
                self.0.dropped.fetch_add(1, Relaxed);
                records.incomplete = true;
                // Not even what it replaced may come back.
                return append_clear(&mut records.bytes, &Clear::One(entry.fingerprint));
            }
            append_put(&mut records.bytes, entry, vector);
        });
    }

    /// An entry went.
    pub(super) fn remove(&self, fingerprint: &Fingerprint) {
        self.clear(&Clear::One(*fingerprint));
    }

    /// Entries went.
    pub(super) fn clear(&self, what: &Clear) {
        self.append(|records| append_clear(&mut records.bytes, what));
    }

    /// Has what waits written now; `None` when nothing is written any more.
    fn tell_when_written(&self, erases: bool) -> Option<oneshot::Receiver<Result<(), String>>> {
        let (tell, told) = oneshot::channel();
        let mut records = self.0.records.lock();
        if records.closed {
            return None;
        }
        records.askers.push(tell);
        records.erases |= erases;
        drop(records);
        self.wake();
        Some(told)
    }

    fn append(&self, append: impl FnOnce(&mut Records)) {
        let mut records = self.0.records.lock();
        if records.closed {
            return;
        }
        let before = records.bytes.len();
        append(&mut records);
        let is_full = before < AT_ONCE && records.bytes.len() >= AT_ONCE;
        drop(records);
        // Only then: to wake the thread up costs more than all the rest of keeping an answer.
        if is_full {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(writer) = self.0.writer.get() {
            writer.unpark();
        }
    }
}

/// Nothing is written after it, and nobody waits for that.
struct End(Arc<Waiting>);

impl Drop for End {
    fn drop(&mut self) {
        *self.0.records.lock() = Records { closed: true, ..Records::default() };
    }
}

/// The thread that writes.
struct Keeper {
    store: Weak<MemoryStore>,
    path: PathBuf,
    secret: [u8; SECRET],
    waiting: Arc<Waiting>,
    /// Room for records, used again and again.
    taken: Vec<u8>,
    pace: Pace,
    /// None after it failed, until a snapshot succeeds: behind half a record nothing is readable.
    file: Option<File>,
    length: u64,
    healed: Option<Instant>,
    /// The last snapshot, if it failed: when, and why.
    failed: Option<(Instant, String)>,
    /// A snapshot is due: the file is damaged, has what was removed, or lacks something that the store has had since
    /// before it was noted here.
    stale: bool,
}

impl Keeper {
    fn run(mut self) {
        while self.append_what_waits() {
            self.compact_if_due();
            std::thread::park_timeout(self.pace.flush);
        }
        if self.stale {
            let _failed = self.compact();
        }
        self.append_the_unwritten();
        if let Some(file) = &self.file {
            let synced = file.sync_all();
            self.check(synced);
        }
    }

    /// Whether to go on.
    fn append_what_waits(&mut self) -> bool {
        let mut taken = std::mem::take(&mut self.taken);
        let (closed, askers) = {
            let mut records = self.waiting.records.lock();
            std::mem::swap(&mut records.bytes, &mut taken);
            self.stale |= std::mem::take(&mut records.incomplete);
            self.stale |= std::mem::take(&mut records.erases);
            (records.closed, std::mem::take(&mut records.askers))
        };
        self.write(&mut taken);
        taken.shrink_to(8 * AT_ONCE);
        self.taken = taken;
        if !askers.is_empty() {
            let synced = self.sync();
            for tell in askers {
                // Who does not wait any more need not know.
                let _gone = tell.send(synced.clone());
            }
        }
        !closed
    }

    /// Waits for the disk; what has failed before is tried once more, by a snapshot.
    ///
    /// # Errors
    /// Why it does not work.
    fn sync(&mut self) -> Result<(), String> {
        if self.file.is_none() {
            match &self.failed {
                // Whoever clears again and again must not fill the disk again and again.
                Some((when, reason)) if when.elapsed() < self.pace.retry => {
                    return Err(reason.clone());
                }
                _ => self.compact()?,
            }
        }
        let synced = self.file.as_ref().map_or(Ok(()), File::sync_data);
        let problem = synced.as_ref().err().map(io::Error::to_string);
        self.check(synced);
        problem.map_or(Ok(()), Err)
    }

    fn append_the_unwritten(&mut self) {
        let Some(store) = self.store.upgrade() else { return };
        let mut taken = std::mem::take(&mut self.taken);
        store.each_unwritten(|entry| {
            append_put(&mut taken, entry, None);
            if taken.len() >= AT_ONCE {
                self.write(&mut taken);
            }
        });
        self.write(&mut taken);
    }

    /// Takes records to the file.
    fn write(&mut self, records: &mut Vec<u8>) {
        if let Some(file) = &mut self.file {
            let written = file.write_all(records);
            if self.check(written).is_some() {
                self.length += records.len() as u64;
            }
        }
        records.clear();
    }

    fn compact_if_due(&mut self) {
        if self.healed.is_some_and(|healed| healed.elapsed() < self.pace.heal) {
            return;
        }
        let alive = self.store.upgrade().map_or(0, |store| store.read_bytes());
        if self.stale || self.length > alive * 2 + self.pace.slack {
            let _failed = self.compact();
        }
    }

    /// Replaces the file by a snapshot of the store. If that fails, the file goes on as it was.
    ///
    /// # Errors
    /// Why it has failed, which has been logged.
    fn compact(&mut self) -> Result<(), String> {
        let Some(store) = self.store.upgrade() else { return Err("the store is gone".to_owned()) };
        self.healed = Some(Instant::now());
        match write_snapshot(&store, &self.path, &self.secret) {
            Ok((file, length)) => {
                (self.length, self.stale) = (length, false);
                (self.file, self.failed) = (Some(file), None);
                Ok(())
            }
            Err(error) => {
                self.stale = true;
                self.warn(&error);
                let reason = error.to_string();
                self.failed = Some((Instant::now(), reason.clone()));
                Err(reason)
            }
        }
    }

    /// Warns of a failure, after which nothing is appended until a snapshot is written.
    fn check<T>(&mut self, done: io::Result<T>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                self.warn(&error);
                self.stale = true;
                self.file = None;
                None
            }
        }
    }

    fn warn(&self, error: &io::Error) {
        let path = self.path.display();
        tracing::warn!(%path, %error, "the cache's journal cannot be written");
    }
}
