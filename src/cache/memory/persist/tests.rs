mod disk;

use super::super::tests::{ANSWER, Dice, REFUSAL, entry, fingerprint, unread};
use super::record::{Beginning, HEADER};
use super::*;
use crate::cache::Partition;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;

const ROOM: u64 = 1 << 40;
const QUICK: Pace = Pace {
    flush: Duration::from_millis(5),
    heal: Duration::from_millis(5),
    retry: Duration::ZERO,
    slack: 64 << 20,
    waiting: 64 << 20,
};

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("tollbridge-journal-{}-{name}", std::process::id()));
        let _absent = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("cache.journal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _absent = fs::remove_dir_all(&self.0);
    }
}

type Content = BTreeMap<Fingerprint, (Entry, Option<Vec<f32>>)>;

fn content(store: &MemoryStore) -> Content {
    let mut content = Content::new();
    store.each(|entry, vector| {
        content.insert(entry.fingerprint, ((**entry).clone(), vector.map(<[f32]>::to_vec)));
    });
    content
}

fn opened(path: &Path, now_ms: i64, pace: Pace) -> (Arc<MemoryStore>, Journal) {
    let store = Arc::new(MemoryStore::new(ROOM));
    let journal = Journal::open_at(&store, path, now_ms, pace).unwrap();
    (store, journal)
}

/// What a start with this file finds.
fn loaded(path: &Path, now_ms: i64) -> Content {
    content(&opened(path, now_ms, PACE).0)
}

fn put(store: &MemoryStore, number: u64, scope: &str, expires_ms: i64) {
    let vector = (!number.is_multiple_of(3)).then(|| Dice::new(number).vector(24).into());
    store.put(entry(number, (number % 2) as u8, scope, expires_ms).into(), vector);
}

/// One that is of use at once, and so is written down at once.
fn put_and_use(store: &MemoryStore, number: u64, scope: &str, expires_ms: i64) {
    put(store, number, scope, expires_ms);
    store.exact(&fingerprint(number), 0);
}

#[test]
fn a_restart_finds_what_was_there() {
    let folder = Folder::new("restart");
    let (store, journal) = opened(&folder.file(), 0, PACE);
    for number in 0..20 {
        put(&store, number, ["a", "b"][(number % 2) as usize], 100 + number as i64);
    }
    put(&store, 4, "c", 500);
    store.clear(&Clear::One(fingerprint(6)));
    store.clear(&Clear::Scope("b".into()));
    put(&store, 1, "b", 500);
    let before = content(&store);
    assert_eq!(before.len(), 10);
    journal.close();
    assert_eq!(loaded(&folder.file(), 0), before);
    let later = loaded(&folder.file(), 110);
    assert!(later.values().all(|(entry, _)| entry.expires_ms > 110));
    assert_eq!(later.len(), before.values().filter(|(e, _)| e.expires_ms > 110).count());
    assert_eq!(later.len(), 6);

    let (store, journal) = opened(&folder.file(), 0, PACE);
    store.clear(&Clear::CacheKey("".into()));
    drop(journal);
    assert_eq!(loaded(&folder.file(), 0), Content::new());
    let (store, journal) = opened(&folder.file(), 0, PACE);
    put(&store, 1, "a", 100);
    store.clear(&Clear::Everything);
    put(&store, 2, "a", 100);
    drop((store, journal));
    assert_eq!(loaded(&folder.file(), 0).into_keys().collect::<Vec<_>>(), [fingerprint(2)]);
}

#[test]
fn an_expired_successor_hides_what_it_replaced() {
    let folder = Folder::new("successor");
    let (store, journal) = opened(&folder.file(), 0, PACE);
    put(&store, 1, "a", 500);
    put(&store, 1, "a", 100);
    journal.close();
    assert_eq!(loaded(&folder.file(), 200), Content::new());
}

#[test]
fn the_file_is_for_the_owner_alone() {
    let folder = Folder::new("mode");
    let mode = || fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777;
    drop(opened(&folder.file(), 0, PACE));
    assert_eq!(mode(), 0o600);
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let (store, journal) = opened(&folder.file(), 0, Pace { slack: 0, ..QUICK });
    assert_eq!(mode(), 0o600);
    (0..50).for_each(|_| put_and_use(&store, 1, "a", 100));
    wait(|| fs::metadata(folder.file()).unwrap().len() < 1000);
    assert_eq!(mode(), 0o600);
    drop(journal);
}

/// The bytes of a journal of `count` entries, and where each record ends.
fn journal_of(folder: &Folder, count: u64) -> (Vec<u8>, Vec<usize>) {
    let mut ends = vec![HEADER];
    for number in 0..count {
        let (store, journal) = opened(&folder.file(), 0, PACE);
        put_and_use(&store, number, "a", 100);
        journal.close();
        ends.push(fs::metadata(folder.file()).unwrap().len() as usize);
    }
    (fs::read(folder.file()).unwrap(), ends)
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_is_torn() {
    let folder = Folder::new("torn");
    let (bytes, ends) = journal_of(&folder, 3);
    for end in ends[2]..bytes.len() {
        fs::write(folder.file(), &bytes[..end]).unwrap();
        let (store, journal) = opened(&folder.file(), 0, PACE);
        assert_eq!(content(&store).len(), 2, "{end}");
        put(&store, 7, "a", 100);
        journal.close();
        // What is written behind the cut is found again.
        let found: Vec<_> = loaded(&folder.file(), 0).into_keys().collect();
        let mut expected = [fingerprint(0), fingerprint(1), fingerprint(7)];
        expected.sort();
        assert_eq!(found, expected, "{end}");
    }
}

#[test]
fn an_unknown_version_is_kept_aside() {
    let folder = Folder::new("version");
    let (mut bytes, _) = journal_of(&folder, 1);
    bytes[7] = 200;
    fs::write(folder.file(), &bytes).unwrap();
    let (store, journal) = opened(&folder.file(), 42, PACE);
    assert_eq!(content(&store), Content::new());
    put(&store, 9, "a", 100);
    journal.close();
    assert_eq!(loaded(&folder.file(), 0).len(), 1);
    assert_eq!(fs::read(folder.0.join("cache.journal.42.aside")).unwrap(), bytes);
    // A secret that is not the one under which the entries have their names finds none of them.
    let mut bytes = fs::read(folder.file()).unwrap();
    bytes[8 + 3] ^= 1;
    fs::write(folder.file(), &bytes).unwrap();
    assert_eq!(loaded(&folder.file(), 44), Content::new());
    assert_eq!(fs::read(folder.0.join("cache.journal.44.aside")).unwrap(), bytes);
    // A header that was torn while it was first written is no version.
    let header = Beginning::header(&[7; SECRET]);
    for end in 0..HEADER {
        fs::write(folder.file(), &header[..end]).unwrap();
        assert_eq!(loaded(&folder.file(), 43), Content::new());
        let begun = Beginning::of(&fs::read(folder.file()).unwrap());
        assert!(matches!(begun, Beginning::Whole(secret) if secret != [7; SECRET]), "{end}");
        assert!(!folder.0.join("cache.journal.43.aside").exists(), "{end}");
    }
}

#[test]
fn the_names_of_entries_outlive_restarts_and_snapshots() {
    let folder = Folder::new("secret");
    let secret = |path: &Path| Beginning::of(&fs::read(path).unwrap());
    let (store, journal) = opened(&folder.file(), 0, Pace { slack: 0, ..QUICK });
    let first = secret(&folder.file());
    let Beginning::Whole(bytes) = first else { panic!("{first:?}") };
    let digest = |digests: Digests| {
        let mut digest = digests.begin();
        digest.append(b"a");
        digest.end()
    };
    assert_eq!(digest(journal.digests()), digest(Digests::of_secret(&bytes)));
    assert_ne!(digest(journal.digests()), digest(Digests::of_secret(&[7; SECRET])));
    (0..50).for_each(|_| put_and_use(&store, 1, "a", 100));
    wait(|| fs::metadata(folder.file()).unwrap().len() < 1000);
    journal.close();
    assert_eq!(secret(&folder.file()), first);
    drop(opened(&folder.file(), 0, PACE));
    assert_eq!(secret(&folder.file()), first);
    let other = folder.0.join("other.journal");
    drop(opened(&other, 0, PACE));
    assert_ne!(secret(&other), first);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_and_no_panic() {
    let folder = Folder::new("nowhere");
    let store = Arc::new(MemoryStore::new(ROOM));
    assert!(Journal::open(&store, &folder.0.join("absent/cache.journal"), 0).is_err());
    put(&store, 1, "a", 100);
    assert!(store.exact(&fingerprint(1), 0).is_some());
}

fn wait(mut until: impl FnMut() -> bool) {
    let start = Instant::now();
    while !until() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_snapshot_replaces_a_grown_file_and_loses_nothing() {
    let folder = Folder::new("snapshot");
    let pace = Pace { slack: 10_000, ..QUICK };
    let (store, journal) = opened(&folder.file(), 0, pace);
    let mut dice = Dice::new(1);
    let mut largest = 0;
    for _ in 0..60 {
        for _ in 0..50 {
            match dice.roll() % 30 {
                0 => drop(store.clear(&Clear::Scope("a".into()))),
                1 => drop(store.clear(&Clear::One(fingerprint(dice.roll() % 40)))),
                _ => put(&store, dice.roll() % 40, ["a", "b"][(dice.roll() % 2) as usize], 100),
            }
        }
        std::thread::sleep(Duration::from_millis(3));
        largest = largest.max(fs::metadata(folder.file()).unwrap().len());
    }
    let before = content(&store);
    journal.close();
    let end = fs::metadata(folder.file()).unwrap().len();
    // 3000 records of 200 to 300 bytes were written.
    assert!(end < 300_000, "{end} {largest}");
    assert!(!before.is_empty());
    assert_eq!(loaded(&folder.file(), 0), before);
    assert!(!folder.0.join("cache.journal.new").exists());
}

#[test]
fn what_was_dropped_is_made_up_for() {
    let folder = Folder::new("dropped");
    let (store, journal) = opened(&folder.file(), 0, Pace { waiting: 2000, ..QUICK });
    for number in 0..200 {
        put_and_use(&store, number, "a", 100);
    }
    let large = Entry { answer: vec![1; 5000].into(), ..entry(0, 0, "a", 100) };
    store.put(large.into(), None);
    store.exact(&fingerprint(0), 0);
    assert!(journal.dropped() > 0);
    let before = content(&store);
    // By a snapshot while it runs, without waiting for the end.
    wait(|| {
        let copy = folder.0.join("copy");
        fs::copy(folder.file(), &copy).unwrap();
        loaded(&copy, 0) == before
    });
    // And by one at the end.
    let large = Entry { answer: vec![2; 5000].into(), ..entry(1, 0, "a", 100) };
    store.put(large.into(), None);
    store.exact(&fingerprint(1), 0);
    let before = content(&store);
    journal.close();
    assert_eq!(loaded(&folder.file(), 0), before);
}

#[test]
fn the_cap_holds_at_a_start_and_evictions_are_remembered() {
    let folder = Folder::new("cap");
    let (store, journal) = opened(&folder.file(), 0, PACE);
    (0..100).for_each(|number| put(&store, number, "a", 100));
    journal.close();
    let cap = store.fill().bytes / 4;
    let small = Arc::new(MemoryStore::new(cap));
    let journal = Journal::open(&small, &folder.file(), 0).unwrap();
    assert!(small.fill().bytes <= cap && small.fill().entries > 20);
    put(&small, 200, "a", 100);
    assert!(small.fill().bytes <= cap);
    journal.close();
    let again = Arc::new(MemoryStore::new(cap));
    let _journal = Journal::open(&again, &folder.file(), 0).unwrap();
    assert!(again.fill().bytes <= cap);
    assert!(again.exact(&fingerprint(200), 0).is_some());
}

#[test]
fn what_is_worth_it_is_on_disk_within_a_moment_without_closing() {
    let folder = Folder::new("moment");
    let (store, journal) = opened(&folder.file(), 0, PACE);
    // 1 has a vector, 3 and 6 have none.
    (1..=3).for_each(|count| put(&store, count * (count + 1) / 2, "a", 100));
    let start = Instant::now();
    store.exact(&fingerprint(3), 0);
    let copy = folder.0.join("copy");
    let found = || {
        fs::copy(folder.file(), &copy).unwrap();
        loaded(&copy, 0).into_keys().collect::<std::collections::BTreeSet<_>>()
    };
    wait(|| found() == [fingerprint(1), fingerprint(3)].into());
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    journal.close();
    assert_eq!(found(), [fingerprint(1), fingerprint(3), fingerprint(6)].into());
}

#[test]
fn what_goes_after_a_snapshot_does_not_come_back() {
    let folder = Folder::new("replaced");
    let (store, journal) = opened(&folder.file(), 0, Pace { slack: 0, ..QUICK });
    put(&store, 3, "a", 100);
    put(&store, 6, "a", 100);
    let held = store.exact.get(&fingerprint(3)).unwrap();
    // The removals make the file longer than what is alive, and so a snapshot due.
    wait(|| {
        store.clear(&Clear::One(fingerprint(9)));
        held.is_written()
    });
    put(&store, 3, "b", 100);
    let copy = folder.0.join("copy");
    wait(|| {
        fs::copy(folder.file(), &copy).unwrap();
        loaded(&copy, 0).into_keys().eq([fingerprint(6)])
    });
    drop(journal);
}

#[test]
fn what_went_before_it_was_of_use_leaves_nothing_behind() {
    let folder = Folder::new("forgotten");
    let (store, journal) = opened(&folder.file(), 0, PACE);
    put(&store, 3, "a", 100);
    let held = store.exact.get(&fingerprint(3)).unwrap();
    store.clear(&Clear::One(fingerprint(3)));
    // Somebody had found it just before.
    store.used(&held);
    put_and_use(&store, 6, "a", 100);
    put(&store, 6, "b", 100);
    journal.close();
    let found = loaded(&folder.file(), 0);
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[&fingerprint(6)].0.scope, "b");
}

/// In the order of the numbers: settled and used, unread, not for others.
fn put_unread(store: &MemoryStore) {
    for (number, answer) in [(1, ANSWER), (2, ANSWER), (3, REFUSAL)] {
        store.put_unread(&unread(number, answer));
    }
    let found = store.exact(&fingerprint(1), 0).unwrap();
    store.settle(&found, found.read().as_ref());
    // Found, and not read yet.
    store.exact(&fingerprint(2), 0).unwrap();
    store.exact(&fingerprint(3), 0).unwrap();
}

#[test]
fn what_is_written_has_been_read() {
    let folder = Folder::new("unread");
    let (store, journal) = opened(&folder.file(), 0, QUICK);
    put_unread(&store);
    journal.close();
    let at_the_end = loaded(&folder.file(), 0);
    let (file, _length) = write_snapshot(&store, &folder.0.join("snapshot"), &[7; SECRET]).unwrap();
    drop(file);
    let snapshot = loaded(&folder.0.join("snapshot"), 0);
    for (content, numbers) in [(at_the_end, &[1, 2][..]), (snapshot, &[1])] {
        assert!(content.keys().copied().eq(numbers.iter().copied().map(fingerprint)));
        for (entry, _vector) in content.values() {
            assert_eq!((entry.unread, &*entry.answer), (None, ANSWER.as_bytes()));
        }
    }
}

#[test]
fn what_was_of_use_is_not_pushed_out_at_a_start_by_what_was_not() {
    let folder = Folder::new("unread-full");
    let room = 200_000;
    let store = Arc::new(MemoryStore::new(room));
    let journal = Journal::open_at(&store, &folder.file(), 0, QUICK).unwrap();
    (0..20).for_each(|number| put_and_use(&store, number, "a", 100));
    (100..3_000).for_each(|number| store.put_unread(&unread(number, ANSWER)));
    assert!((0..20).all(|number| store.exact(&fingerprint(number), 0).is_some()));
    journal.close();
    let again = Arc::new(MemoryStore::new(room));
    let journal = Journal::open_at(&again, &folder.file(), 0, QUICK).unwrap();
    assert!((0..20).all(|number| again.exact(&fingerprint(number), 0).is_some()));
    // And the newest of the others.
    assert!((2_950..3_000).all(|number| again.exact(&fingerprint(number), 0).is_some()));
    assert!(again.fill().bytes <= room && again.get(&fingerprint(100)).is_none());
    drop(journal);
}

#[test]
fn what_is_read_after_a_snapshot_and_cleared_does_not_come_back() {
    let folder = Folder::new("unread-snapshot");
    let (store, journal) = opened(&folder.file(), 0, QUICK);
    store.put_unread(&unread(1, ANSWER));
    store.put_unread(&unread(2, ANSWER));
    // Not written down by it, since they have not been read.
    let (_file, _length) =
        write_snapshot(&store, &folder.0.join("snapshot"), &[7; SECRET]).unwrap();
    for number in [1, 2] {
        let found = store.exact(&fingerprint(number), 0).unwrap();
        store.settle(&found, found.read().as_ref());
    }
    store.clear(&Clear::One(fingerprint(1)));
    journal.close();
    let left: Vec<_> = loaded(&folder.file(), 0).into_keys().collect();
    assert_eq!(left, [fingerprint(2)]);
}

#[test]
fn all_partitions_and_numbers_survive() {
    let folder = Folder::new("numbers");
    let (store, journal) = opened(&folder.file(), i64::MIN, PACE);
    let odd = Entry {
        partition: Partition([255; 16]),
        scope: "virtual_key:ü".into(),
        cost: i64::MIN,
        latency_us: u64::MAX,
        tokens: (u64::MAX, 0),
        created_ms: -1,
        answer: vec![0, 255, 10].into(),
        ..entry(1, 0, "a", i64::MAX)
    };
    store.put(odd.clone().into(), Some([f32::MIN_POSITIVE, -1.0].as_slice().into()));
    journal.close();
    let expected = Some(vec![f32::MIN_POSITIVE, -1.0]);
    assert_eq!(loaded(&folder.file(), 0)[&fingerprint(1)], (odd, expected));
}
