//! The store's memory of the last run: a journal in a file.
//!
//! Every put and removal is appended; when the file has grown to several times what is alive, a
//! snapshot of the store takes its place. One thread does all of it, so a request thread pays for a
//! message and never for a disk. Records reach the operating system within a second, so a killed
//! process loses no more than that; the disk itself is waited for after a snapshot and at the end.
//!
//! What has to wait for a slow disk is bounded in bytes. Beyond that a put is not written, is
//! counted, and a snapshot soon makes up for it. A clear is always written.
//!
//! The messages stand in the order in which the store changed. A snapshot may show the store later
//! than the next message does: what follows is then applied twice, which changes nothing.

mod record;

#[cfg(test)]
mod tests;

use super::MemoryStore;
use crate::cache::{Clear, Entry, Fingerprint};
use parking_lot::Mutex;
use record::{HEADER, Next, Reader, Record};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often and how much.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Between two writes.
    flush: Duration,
    /// Between two snapshots at least.
    heal: Duration,
    /// Bytes of a file beyond twice its last snapshot that make the next due.
    slack: u64,
    /// Bytes of puts that may wait to be written.
    waiting: usize,
}

const PACE: Pace = Pace {
    flush: Duration::from_millis(400),
    heal: Duration::from_secs(10),
    slack: 16 << 20,
    waiting: 64 << 20,
};

/// A store's file, written until this is dropped.
#[derive(Debug)]
pub struct Journal {
    feed: Feed,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The store's end.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    sender: Sender<Message>,
    waiting: Arc<Waiting>,
    most: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Happened(Record),
    /// An entry came that was too much to be written. Not even what it replaced may come back.
    Lost(Fingerprint),
    Close,
}

impl Journal {
    /// Loads what the file holds into the store and writes from then on what happens in it. Expired
    /// entries (`now_ms`, Unix milliseconds) are left out and the store's cap holds. Takes about a
    /// second for 100,000 entries. A store has one journal at most.
    ///
    /// A damaged end of the file is cut off, and a file of an unknown version is renamed to
    /// `….aside`, both with a warning.
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
        let (file, length) = load(store, path, now_ms)?;
        let (sender, receiver) = channel();
        let waiting = Arc::<Waiting>::default();
        let feed = Feed { sender, waiting: waiting.clone(), most: pace.waiting };
        let keeper = Keeper {
            store: Arc::downgrade(store),
            path: path.to_owned(),
            receiver,
            waiting,
            pace,
            file: Some(buffered(file)),
            length,
            snapshot: store.fill().bytes,
            healed: None,
            incomplete: false,
        };
        let thread = std::thread::Builder::new()
            .name("cache-journal".to_owned())
            .spawn(move || keeper.run())?;
        if store.feed.set(feed.clone()).is_err() {
            return Err(io::Error::other("the store has a journal already"));
        }
        Ok(Journal { feed, thread: Mutex::new(Some(thread)) })
    }

    /// Puts that were not written because the disk was too slow, since the start.
    pub fn dropped(&self) -> u64 {
        self.feed.waiting.dropped.load(Relaxed)
    }

    /// Writes what is waiting and waits for the disk. Nothing is written afterwards. Blocks.
    pub fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        // Either fails only if the thread has ended.
        let _ended = self.feed.sender.send(Message::Close);
        thread.thread().unpark();
        let _ended = thread.join();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Feed {
    /// An entry came.
    pub(super) fn put(&self, entry: Arc<Entry>, vector: Option<Arc<[f32]>>) {
        let bytes = waiting_bytes(&entry, vector.as_ref());
        if self.waiting.bytes.fetch_add(bytes, Relaxed) + bytes > self.most {
            self.waiting.bytes.fetch_sub(bytes, Relaxed);
            self.waiting.dropped.fetch_add(1, Relaxed);
            return self.send(Message::Lost(entry.fingerprint));
        }
        self.send(Message::Happened(Record::Put(entry, vector)));
    }

    /// An entry went.
    pub(super) fn remove(&self, fingerprint: &Fingerprint) {
        self.clear(&Clear::One(*fingerprint));
    }

    /// Entries went.
    pub(super) fn clear(&self, what: &Clear) {
        self.send(Message::Happened(Record::Clear(what.clone())));
    }

    fn send(&self, message: Message) {
        // Fails after `close` only.
        let _closed = self.sender.send(message);
    }
}

fn waiting_bytes(entry: &Entry, vector: Option<&Arc<[f32]>>) -> usize {
    entry.size() + vector.map_or(0, |vector| vector.len() * 4)
}

/// The thread that writes.
struct Keeper {
    store: Weak<MemoryStore>,
    path: PathBuf,
    receiver: Receiver<Message>,
    waiting: Arc<Waiting>,
    pace: Pace,
    /// None after it failed, until a snapshot succeeds: behind half a record nothing is readable.
    file: Option<BufWriter<File>>,
    length: u64,
    /// Bytes of the last snapshot; at the start, of the store.
    snapshot: u64,
    healed: Option<Instant>,
    /// The file lacks something that the store has had since before it was noted here.
    incomplete: bool,
}

impl Keeper {
    fn run(mut self) {
        while self.append_what_waits() {
            self.flush();
            self.compact_if_due();
            // Asleep rather than waiting for a message: to wake this thread up would cost a request
            // more than all the rest of keeping its answer.
            std::thread::park_timeout(self.pace.flush);
        }
        if self.incomplete {
            self.compact();
        }
        self.flush();
        if let Some(file) = &self.file {
            let synced = file.get_ref().sync_all();
            self.check(synced);
        }
    }

    /// Whether to go on.
    fn append_what_waits(&mut self) -> bool {
        loop {
            match self.receiver.try_recv() {
                Ok(Message::Happened(record)) => self.append(&record),
                Ok(Message::Lost(fingerprint)) => {
                    self.append(&Record::Clear(Clear::One(fingerprint)));
                    self.incomplete = true;
                }
                Err(TryRecvError::Empty) => return true,
                Ok(Message::Close) | Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn append(&mut self, record: &Record) {
        if let Record::Put(entry, vector) = record {
            self.waiting.bytes.fetch_sub(waiting_bytes(entry, vector.as_ref()), Relaxed);
        }
        let Some(file) = &mut self.file else { return };
        let written = match record {
            Record::Put(entry, vector) => record::write(file, entry, vector.as_deref()),
            Record::Clear(what) => record::write_clear(file, what),
        };
        self.length += self.check(written).unwrap_or(0);
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            let flushed = file.flush();
            self.check(flushed);
        }
    }

    fn compact_if_due(&mut self) {
        let rested = self.healed.is_none_or(|healed| healed.elapsed() >= self.pace.heal);
        let grown = self.length > self.snapshot * 2 + self.pace.slack;
        if rested && (grown || self.incomplete) {
            self.compact();
        }
    }

    /// Replaces the file by a snapshot of the store. If that fails, the file goes on as it was.
    fn compact(&mut self) {
        let Some(store) = self.store.upgrade() else { return };
        self.healed = Some(Instant::now());
        match write_snapshot(&store, &self.path) {
            Ok((file, length)) => {
                (self.length, self.snapshot, self.incomplete) = (length, length, false);
                self.file = Some(buffered(file));
            }
            Err(error) => {
                self.incomplete = true;
                self.warn(&error);
            }
        }
    }

    /// Warns of a failure, after which nothing is appended until a snapshot is written.
    fn check<T>(&mut self, done: io::Result<T>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                self.warn(&error);
                self.incomplete = true;
                if let Some(file) = self.file.take() {
                    // Not flushed again: that failed.
                    let _unwritten = file.into_parts();
                }
                None
            }
        }
    }

    fn warn(&self, error: &io::Error) {
        let path = self.path.display();
        tracing::warn!(%path, %error, "the cache's journal cannot be written");
    }
}

/// Few large writes instead of many small ones.
fn buffered(file: File) -> BufWriter<File> {
    BufWriter::with_capacity(256 << 10, file)
}

/// Writes the whole store to a file beside `path` and gives it that name.
fn write_snapshot(store: &MemoryStore, path: &Path) -> io::Result<(File, u64)> {
    let temporary = beside(path, ".new");
    let mut to = buffered(create(&temporary)?);
    to.write_all(&HEADER)?;
    let mut length = Ok(HEADER.len() as u64);
    store.each(|entry, vector| {
        if let Ok(so_far) = &mut length {
            match record::write(&mut to, entry, vector) {
                Ok(took) => *so_far += took,
                Err(error) => length = Err(error),
            }
        }
    });
    let length = length?;
    let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The file has its name already; only a power cut could undo that.
    let _unsynced = path.parent().map(|folder| File::open(folder)?.sync_all());
    Ok((file, length))
}

/// Fills the store and returns the file, ready to be appended to, and its length.
fn load(store: &MemoryStore, path: &Path, now_ms: i64) -> io::Result<(File, u64)> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    (&file).take(HEADER.len() as u64).read_to_end(&mut header)?;
    if header != HEADER {
        if !HEADER.starts_with(&header) {
            let aside = beside(path, &format!(".{now_ms}.aside"));
            tracing::warn!(path = %path.display(), aside = %aside.display(),
                "the cache's journal is of an unknown version: it is kept aside");
            fs::rename(path, aside)?;
        }
        file = create(path)?;
        file.write_all(&HEADER)?;
        return Ok((file, HEADER.len() as u64));
    }
    let good = replay(store, &file, length - HEADER.len() as u64, now_ms)? + HEADER.len() as u64;
    if good < length {
        tracing::warn!(path = %path.display(), bytes = length - good,
            "the end of the cache's journal is damaged and was cut off");
        file.set_len(good)?;
    }
    file.seek(SeekFrom::Start(good))?;
    Ok((file, good))
}

/// Applies whole records and says how many bytes they took.
fn replay(store: &MemoryStore, file: &File, length: u64, now_ms: i64) -> io::Result<u64> {
    let mut reader = Reader::new(BufReader::with_capacity(1 << 20, file), length);
    let mut good = 0;
    while let Next::Record(record, took) = reader.next()? {
        good += took;
        match record {
            Record::Put(entry, vector) if entry.expires_ms > now_ms => store.put(entry, vector),
            Record::Put(entry, _) => {
                store.clear(&Clear::One(entry.fingerprint));
            }
            Record::Clear(what) => {
                store.clear(&what);
            }
        }
    }
    Ok(good)
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    private(file)
}

fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    private(file)
}

/// For the owner alone, also when it was there already: it holds what people asked.
fn private(file: File) -> io::Result<File> {
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
