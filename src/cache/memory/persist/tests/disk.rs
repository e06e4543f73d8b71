//! A disk that is damaged, full or away, and what whoever clears is told.

use super::*;

#[test]
fn a_damaged_byte_costs_one_record_or_what_follows_if_it_is_in_its_length() {
    let folder = Folder::new("damaged");
    let (bytes, ends) = journal_of(&folder, 4);
    let whole = loaded(&folder.file(), 0);
    assert_eq!(whole.len(), 4);
    for at in ends[1]..ends[2] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(folder.file(), &damaged).unwrap();
        let (store, journal) = opened(&folder.file(), 0, PACE);
        let found = content(&store);
        journal.close();
        let in_length = at < ends[1] + 4;
        let left = if in_length { &[0][..] } else { &[0, 2, 3] };
        assert!(found.keys().copied().eq(sorted(left.iter().copied().map(fingerprint))), "{at}");
        assert!(found.iter().all(|(name, entry)| whole[name] == *entry), "{at}");
        // It is not damaged any more: its end has been cut off, or a snapshot is in its place.
        let now = fs::read(folder.file()).unwrap();
        assert!(if in_length { now == bytes[..ends[1]] } else { now.len() < bytes.len() }, "{at}");
        assert_eq!(loaded(&folder.file(), 0), found, "{at}");
    }
}

#[test]
fn a_clear_behind_a_damaged_byte_counts() {
    let folder = Folder::new("damaged-clear");
    let (_, ends) = journal_of(&folder, 2);
    let (store, journal) = opened(&folder.file(), 0, PACE);
    store.clear(&Clear::One(fingerprint(0)));
    journal.close();
    let mut bytes = fs::read(folder.file()).unwrap();
    bytes[ends[1] + 20] ^= 1;
    fs::write(folder.file(), &bytes).unwrap();
    assert_eq!(loaded(&folder.file(), 0), Content::new());
}

#[tokio::test]
async fn what_was_cleared_is_so_on_disk_when_that_is_told() {
    let folder = Folder::new("told");
    // Nothing is written by itself.
    let pace = Pace { flush: Duration::from_secs(3600), ..PACE };
    let (store, journal) = opened(&folder.file(), 0, pace);
    let copy = folder.0.join("copy");
    let written = async || {
        told(&journal).await.unwrap();
        fs::copy(folder.file(), &copy).unwrap();
        loaded(&copy, 0).into_keys().collect::<Vec<_>>()
    };
    put_and_use(&store, 1, "a", 100);
    put_and_use(&store, 2, "b", 100);
    assert_eq!(written().await, sorted([fingerprint(1), fingerprint(2)]));
    store.clear(&Clear::Scope("a".into()));
    assert_eq!(written().await, [fingerprint(2)]);
    journal.close();
    assert!(told(&journal).await.is_err());
}

/// What somebody is told who waits for the disk.
async fn told(journal: &Journal) -> Result<(), String> {
    let told = tokio::time::timeout(Duration::from_secs(20), journal.written(false)).await;
    told.expect("nobody was told")
}

#[tokio::test]
async fn what_was_removed_leaves_the_file_also_after_a_kill() {
    let folder = Folder::new("erased");
    let slow = Pace { flush: Duration::from_secs(3600), heal: Duration::from_secs(3600), ..PACE };
    let (store, journal) = opened(&folder.file(), 0, slow);
    put_and_use(&store, 1, "a", 100);
    put_and_use(&store, 2, "b", 100);
    journal.written(false).await.unwrap();
    let copy = folder.0.join("copy");
    let stands_in = |path: &Path| {
        let question = store.get(&fingerprint(2)).unwrap().question.replace('2', "1");
        fs::read(path).unwrap().windows(question.len()).any(|text| text == question.as_bytes())
    };
    assert!(stands_in(&folder.file()));
    store.clear(&Clear::Scope("a".into()));
    journal.written(false).await.unwrap();
    fs::copy(folder.file(), &copy).unwrap();
    // As a start after a kill finds it.
    assert!(stands_in(&copy));
    let (again, its) = opened(&copy, 0, QUICK);
    wait(|| !stands_in(&copy));
    assert!(content(&again).into_keys().eq([fingerprint(2)]));
    drop(its);
    // And while it goes on.
    journal.written(true).await.unwrap();
    wait(|| !stands_in(&folder.file()));
    drop(journal);
}

#[tokio::test]
async fn nobody_waits_for_a_thread_that_has_panicked() {
    let folder = Folder::new("panic");
    // What makes a snapshot due is no number any more as soon as something is alive.
    let (store, journal) = opened(&folder.file(), 0, Pace { slack: u64::MAX, ..QUICK });
    put_and_use(&store, 1, "a", 100);
    wait(|| journal.feed.0.records.lock().closed);
    assert!(told(&journal).await.unwrap_err().contains("restart"));
    journal.close();
    // One who was waiting.
    let waiting = waiting();
    let (tell, mut told) = oneshot::channel();
    waiting.records.lock().askers.push(tell);
    drop(End(waiting));
    assert_eq!(told.try_recv(), Err(oneshot::error::TryRecvError::Closed));
}

fn waiting() -> Arc<Waiting> {
    Arc::new(Waiting {
        records: Mutex::default(),
        most: 0,
        dropped: AtomicU64::new(0),
        writer: OnceLock::new(),
    })
}

impl Keeper {
    /// One that writes to a device.
    fn of(store: &Arc<MemoryStore>, path: &Path, device: &str, retry: Duration) -> Keeper {
        Keeper {
            store: Arc::downgrade(store),
            path: path.to_owned(),
            secret: [7; SECRET],
            waiting: waiting(),
            taken: Vec::new(),
            pace: Pace { retry, ..PACE },
            file: Some(OpenOptions::new().write(true).open(device).unwrap()),
            length: 0,
            healed: None,
            failed: None,
            stale: false,
        }
    }

    /// What is told of a clear.
    fn told(&mut self) -> Result<(), String> {
        let (tell, mut told) = oneshot::channel();
        {
            let mut records = self.waiting.records.lock();
            append_clear(&mut records.bytes, &Clear::One(fingerprint(2)));
            records.askers.push(tell);
        }
        assert!(self.append_what_waits());
        told.try_recv().unwrap()
    }
}

#[test]
fn what_could_not_be_written_is_told_and_made_up_for() {
    let folder = Folder::new("full");
    let store = Arc::new(MemoryStore::new(ROOM));
    put(&store, 1, "a", 100);
    // The one takes nothing, the other cannot say that it has it for good.
    for device in ["/dev/full", "/dev/null"] {
        let path = folder.0.join(&device[5..]).join("cache.journal");
        let mut keeper = Keeper::of(&store, &path, device, Duration::ZERO);
        assert!(keeper.told().is_err(), "{device}");
        fs::create_dir(path.parent().unwrap()).unwrap();
        assert_eq!(keeper.told(), Ok(()), "{device}");
        assert!(loaded(&path, 0).into_keys().eq([fingerprint(1)]), "{device}");
    }
}

#[test]
fn a_snapshot_that_fails_is_not_tried_at_once_again_and_leaves_nothing() {
    let folder = Folder::new("pace");
    let store = Arc::new(MemoryStore::new(ROOM));
    // Nothing can take its name.
    fs::create_dir(folder.file()).unwrap();
    let mut keeper = Keeper::of(&store, &folder.file(), "/dev/full", Duration::from_secs(3600));
    let first = keeper.told().unwrap_err();
    assert!(!folder.0.join("cache.journal.new").exists());
    fs::remove_dir(folder.file()).unwrap();
    assert_eq!(keeper.told().unwrap_err(), first);
    keeper.pace.retry = Duration::ZERO;
    assert_eq!(keeper.told(), Ok(()));
}

#[test]
fn no_record_is_empty_or_very_long() {
    let folder = Folder::new("lengths");
    let (bytes, _) = journal_of(&folder, 1);
    let mut record = Vec::new();
    append_clear(&mut record, &Clear::Everything);
    for length in [0, 16 << 20] {
        let mut unsound = vec![0; 8 + length];
        unsound[..4].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        fs::write(folder.file(), [&bytes[..], &unsound, &record].concat()).unwrap();
        assert_eq!(loaded(&folder.file(), 0).len(), 1, "{length}");
        assert_eq!(fs::read(folder.file()).unwrap(), bytes, "{length}");
    }
    // Behind one that may be a record the clear counts.
    fs::write(folder.file(), [&bytes[..], &[1, 0, 0, 0, 0, 0, 0, 0, 0], &record].concat()).unwrap();
    assert_eq!(loaded(&folder.file(), 0), Content::new());
}

fn sorted(names: impl IntoIterator<Item = Fingerprint>) -> Vec<Fingerprint> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort();
    names
}
