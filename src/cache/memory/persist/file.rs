//! The journal's file: how it is found and read at a start, and replaced by a snapshot.

use super::AT_ONCE;
use super::record::{Beginning, HEADER, Next, Reader, Record, append_put};
use crate::cache::memory::MemoryStore;
use crate::cache::{Clear, SECRET};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Writes all that has been read to a file beside `path` and gives it that name.
pub(super) fn write_snapshot(
    store: &MemoryStore,
    path: &Path,
    secret: &[u8; SECRET],
) -> io::Result<(File, u64)> {
    let temporary = beside(path, ".new");
    let written = write_snapshot_at(store, &temporary, secret).and_then(|written| {
        fs::rename(&temporary, path)?;
        Ok(written)
    });
    match written {
        // The file has its name already; only a power cut could undo that.
        Ok(_) => drop(path.parent().map(|folder| File::open(folder)?.sync_all())),
        // Others need the disk's last bytes more.
        Err(_) => drop(fs::remove_file(&temporary)),
    }
    written
}

fn write_snapshot_at(
    store: &MemoryStore,
    path: &Path,
    secret: &[u8; SECRET],
) -> io::Result<(File, u64)> {
    // Few large writes instead of many small ones.
    let mut to = BufWriter::with_capacity(AT_ONCE, create(path)?);
    to.write_all(&Beginning::header(secret))?;
    let mut length = Ok(HEADER as u64);
    let mut record = Vec::new();
    store.each_to_write(|entry, vector| {
        if let Ok(so_far) = &mut length {
            record.clear();
            append_put(&mut record, entry, vector);
            match to.write_all(&record) {
                Ok(()) => *so_far += record.len() as u64,
                Err(error) => length = Err(error),
            }
        }
    });
    let length = length?;
    let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok((file, length))
}

/// A file that is ready to be appended to.
pub(super) struct Loaded {
    pub(super) file: File,
    pub(super) length: u64,
    pub(super) secret: [u8; SECRET],
    /// Whether it has what is no record, or what was removed: that is to leave it.
    pub(super) is_stale: bool,
}

/// Fills the store.
pub(super) fn load(store: &MemoryStore, path: &Path, now_ms: i64) -> io::Result<Loaded> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let mut header = Vec::new();
    (&file).take(HEADER as u64).read_to_end(&mut header)?;
    let secret = match Beginning::of(&header) {
        Beginning::Whole(secret) => secret,
        Beginning::Cut => return begin(path),
        Beginning::Unknown => {
            let aside = beside(path, &format!(".{now_ms}.aside"));
            tracing::warn!(path = %path.display(), aside = %aside.display(),
                "the cache's journal is of an unknown version, or damaged at its beginning: it is kept aside");
            fs::rename(path, aside)?;
            return begin(path);
        }
    };
    let Replayed { good, damaged, removed } = replay(store, &file, length - HEADER as u64, now_ms)?;
    let good = good + HEADER as u64;
    if damaged > 0 {
        tracing::warn!(path = %path.display(), bytes = damaged,
            "the cache's journal is damaged in its midst: {LOST}");
    }
    if good < length {
        tracing::warn!(path = %path.display(), bytes = length - good,
            "the end of the cache's journal is damaged and was cut off: {LOST}");
        file.set_len(good)?;
    }
    file.seek(SeekFrom::Start(good))?;
    Ok(Loaded { file, length: good, secret, is_stale: removed || damaged > 0 })
}

/// Begins a file, under a secret of its own.
fn begin(path: &Path) -> io::Result<Loaded> {
    let secret = rand::random();
    let mut file = create(path)?;
    file.write_all(&Beginning::header(&secret))?;
    Ok(Loaded { file, length: HEADER as u64, secret, is_stale: false })
}

/// For people.
const LOST: &str = "what was there is lost, removals of entries too; clear the cache if there were some that must \
    not be undone";

/// What was found in a file.
struct Replayed {
    /// Where the last record ends, without the header.
    good: u64,
    /// Bytes before that which are no record.
    damaged: u64,
    /// Whether any record removes something.
    removed: bool,
}

/// Applies the records.
fn replay(store: &MemoryStore, file: &File, length: u64, now_ms: i64) -> io::Result<Replayed> {
    let mut reader = Reader::new(BufReader::with_capacity(1 << 20, file), length);
    let (mut at, mut good, mut damaged, mut removed) = (0, 0, 0, false);
    loop {
        let record = match reader.next()? {
            Next::Record(record, took) => {
                damaged += at - good;
                at += took;
                good = at;
                record
            }
            // One that was written behind it shows whether its length can be believed.
            Next::Unsound(took) => {
                at += took;
                continue;
            }
            Next::End => return Ok(Replayed { good, damaged, removed }),
        };
        match record {
            Record::Put(entry, vector) if entry.expires_ms > now_ms => {
                store.put_as(entry, vector, true);
            }
            Record::Put(entry, _) => {
                store.clear(&Clear::One(entry.fingerprint));
            }
            Record::Clear(what) => {
                removed = true;
                store.clear(&what);
            }
        }
    }
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
