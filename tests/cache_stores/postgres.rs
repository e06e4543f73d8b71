use crate::proxy::{Mode, Proxy};
use crate::{NOW, captured_log, connected, entry, server, timed};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollbridge::cache::breaker::{StoreError, StoreState};
use tollbridge::cache::postgres::{PostgresSettings, PostgresStore};
use tollbridge::cache::{Clear, Entry, Fill, Partition};
use tollbridge::provider::Secret;

/// A database of a test's own.
struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Named after the test; made anew. `None` when no server is given.
    async fn create(name: &str) -> Option<Self> {
        let server = server("TOLLBRIDGE_TEST_POSTGRES_URL")?;
        let name = format!("test_{name}");
        let mut admin = PgConnection::connect(&server).await.unwrap();
        for statement in [
            format!("drop database if exists {name} with (force)"),
            format!("create database {name}"),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
        }
        Some(Database { server, name })
    }

    /// Its URL, for this account and this address instead of the server's.
    fn url(&self, account: Option<&str>, addr: Option<&str>) -> String {
        let (scheme, rest) = self.server.split_once("://").unwrap();
        let (own_account, rest) = rest.split_once('@').unwrap();
        let (own_addr, rest) = rest.split_once('/').unwrap();
        let parameters = rest.split_once('?').map_or("", |(_, parameters)| parameters);
        let (account, addr) = (account.unwrap_or(own_account), addr.unwrap_or(own_addr));
        format!("{scheme}://{account}@{addr}/{}?{parameters}", self.name)
    }

    fn addr(&self) -> String {
        let rest = self.server.split_once('@').unwrap().1;
        rest.split_once('/').unwrap().0.to_owned()
    }

    /// Times that a busy machine keeps: what is tested with them is not speed.
    fn settings(&self) -> PostgresSettings {
        PostgresSettings {
            url: Secret::new(self.url(None, None)),
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            ..PostgresSettings::default()
        }
    }

    async fn open(&self) -> PostgresStore {
        let store = PostgresStore::open(&self.settings()).unwrap();
        connected(|| store.state()).await;
        store
    }

    async fn execute(&self, statement: &'static str) -> u64 {
        let mut admin = PgConnection::connect(&self.url(None, None)).await.unwrap();
        sqlx::query(statement).execute(&mut admin).await.unwrap().rows_affected()
    }
}

async fn has(store: &PostgresStore, entry: &Entry) -> bool {
    match store.exact(&entry.fingerprint, NOW).await {
        Some(found) => {
            assert_eq!(*found, *entry);
            true
        }
        None => false,
    }
}

#[tokio::test]
async fn an_entry_is_found_by_its_fingerprint_until_it_expires() {
    let Some(database) = Database::create("exact").await else { return };
    let store = database.open().await;
    let kept = entry(1, "virtual_key:a", "k");
    assert!(!has(&store, &kept).await);
    store.put(&kept, None).await;
    assert!(has(&store, &kept).await);
    assert!(!has(&store, &entry(2, "virtual_key:a", "k")).await);
    assert!(store.exact(&kept.fingerprint, kept.expires_ms - 1).await.is_some());
    assert_eq!(store.exact(&kept.fingerprint, kept.expires_ms).await, None);
}

#[tokio::test]
async fn the_newest_of_two_nodes_answers_wins() {
    let Some(database) = Database::create("upsert").await else { return };
    let (one, two) = (database.open().await, database.open().await);
    let newer = Entry { created_ms: NOW + 1, answer: "newer".into(), ..entry(1, "s", "") };
    let older = Entry { created_ms: NOW, answer: "older".into(), ..newer.clone() };
    one.put(&older, Some(&[1.0, 0.0])).await;
    two.put(&newer, Some(&[0.0, 1.0, 0.0])).await;
    one.put(&older, Some(&[1.0, 0.0])).await;
    assert!(has(&one, &newer).await && has(&two, &newer).await);
    let nearest = one.nearest(&newer.partition, &[0.0, 1.0, 0.0], 5, 0.9, NOW).await;
    assert_eq!(nearest.len(), 1);
    assert!(one.nearest(&newer.partition, &[1.0, 0.0], 5, 0.0, NOW).await.is_empty());
    assert_eq!(one.fill().await.map(|fill| fill.entries), Some(1));
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

/// As many vectors as wanted, without the nearly equal similarities that have no order.
fn vectors(count: usize, dimensions: usize) -> Vec<Vec<f32>> {
    let vector = proptest::collection::vec(-1.0..1.0f32, dimensions);
    let mut runner = TestRunner::default();
    proptest::collection::vec(vector, count).new_tree(&mut runner).unwrap().current()
}

#[tokio::test]
async fn the_nearest_come_first_and_none_below_the_floor() {
    let Some(database) = Database::create("nearest").await else { return };
    let store = database.open().await;
    let vectors = vectors(60, 8);
    let (asked, kept) = vectors.split_first().unwrap();
    for (id, vector) in (0..).zip(kept) {
        store.put(&entry(id, "s", ""), Some(vector)).await;
    }
    // None of these may answer: expired, of another size, without a vector, without a direction.
    let expired = Entry { expires_ms: NOW, ..entry(1000, "s", "") };
    store.put(&expired, Some(asked)).await;
    store.put(&entry(1001, "s", ""), Some(&asked[..7])).await;
    store.put(&entry(1002, "s", ""), None).await;
    store.put(&entry(1003, "s", ""), Some(&[0.0; 8])).await;

    let mut expected: Vec<(u16, f32)> =
        (0..).zip(kept).map(|(id, vector)| (id, cosine(asked, vector))).collect();
    expected.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (limit, floor) in [(5, -1.0), (100, -1.0), (100, 0.3), (3, 0.3), (0, -1.0), (5, 1.1)] {
        let found = store.nearest(&entry(0, "s", "").partition, asked, limit, floor, NOW).await;
        let wanted: Vec<_> =
            expected.iter().take(limit).filter(|(_, similarity)| *similarity >= floor).collect();
        assert_eq!(found.len(), wanted.len(), "limit {limit}, floor {floor}");
        for ((found, similarity), (id, expected)) in found.iter().zip(wanted) {
            assert_eq!(**found, entry(*id, "s", ""));
            assert!((similarity - expected).abs() < 1e-5, "{similarity} {expected}");
        }
    }
    assert!(store.nearest(&Partition([1; 16]), &[f32::NAN; 8], 5, -1.0, NOW).await.is_empty());
}

#[tokio::test]
async fn no_answer_crosses_a_partition() {
    let Some(database) = Database::create("partitions").await else { return };
    let store = database.open().await;
    let vectors = vectors(200, 16);
    let of = |partition: usize| Partition([u8::try_from(partition).unwrap(); 16]);
    for (id, vector) in vectors.iter().enumerate() {
        let kept = entry(u16::try_from(id).unwrap(), "s", "");
        store.put(&Entry { partition: of(id * 7 % 10), ..kept }, Some(vector)).await;
    }
    // More often than the driver's server plans anew, so that its general plan is used too.
    for (round, asked) in vectors.iter().enumerate().take(30) {
        let partition = of(round % 11);
        let found = store.nearest(&partition, asked, 200, -1.0, NOW).await;
        assert!(found.iter().all(|(entry, _)| entry.partition == partition));
        assert_eq!(found.len(), if round % 11 == 10 { 0 } else { 20 });
    }
}

#[tokio::test]
async fn two_nodes_see_each_others_entries_and_clears() {
    let Some(database) = Database::create("clear").await else { return };
    let (one, two) = (database.open().await, database.open().await);
    let entries: Vec<Entry> =
        [("a", "x"), ("a", "y"), ("a", "y"), ("b", "x"), ("b", ""), ("c%", "")]
            .iter()
            .zip(1..)
            .map(|((scope, key), id)| entry(id, scope, key))
            .collect();
    for entry in &entries {
        one.put(entry, Some(&[1.0, 2.0])).await;
    }
    let left = async || {
        let mut left = Vec::new();
        for (entry, id) in entries.iter().zip(1..) {
            if has(&two, entry).await {
                left.push(id);
            }
        }
        left
    };
    assert_eq!(left().await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(one.clear(&Clear::One(entries[5].fingerprint)).await, Ok(1));
    assert_eq!(one.clear(&Clear::One(entries[5].fingerprint)).await, Ok(0));
    assert_eq!(left().await, [1, 2, 3, 4, 5]);
    assert_eq!(one.clear(&Clear::CacheKey("y".into())).await, Ok(2));
    assert_eq!(left().await, [1, 4, 5]);
    assert_eq!(one.clear(&Clear::Scope("b".into())).await, Ok(2));
    assert_eq!(left().await, [1]);
    assert_eq!(one.clear(&Clear::Scope("%".into())).await, Ok(0));
    assert_eq!(one.clear(&Clear::Everything).await, Ok(1));
    assert_eq!(left().await, [0; 0]);
    assert!(two.nearest(&entries[0].partition, &[1.0, 2.0], 5, 0.0, NOW).await.is_empty());
}

#[tokio::test]
async fn what_has_expired_and_the_oldest_beyond_the_cap_are_removed() {
    let Some(database) = Database::create("removal").await else { return };
    let settings = PostgresSettings { max_entries: 4, ..database.settings() };
    let store = PostgresStore::open(&settings).unwrap();
    connected(|| store.state()).await;
    let entries: Vec<Entry> = (0..10)
        .map(|id| {
            let age = i64::from(id);
            let expires_ms = if id < 3 { NOW } else { NOW + 60_000 };
            Entry { created_ms: NOW - age, expires_ms, ..entry(id, "s", "") }
        })
        .collect();
    for entry in &entries {
        store.put(entry, Some(&[0.5; 100])).await;
    }
    let bytes: usize = entries.iter().map(|entry| entry.size() + 400).sum();
    let fill = Fill { entries: 10, bytes: u64::try_from(bytes).unwrap() };
    assert_eq!(store.fill().await, Some(fill));
    // 3 have expired, and of the other 7 the youngest 4 stay.
    assert_eq!(store.remove_expired(NOW).await, 6);
    for (id, entry) in entries.iter().enumerate() {
        assert_eq!(has(&store, entry).await, (3..7).contains(&id), "{id}");
    }
    assert_eq!(store.remove_expired(NOW).await, 0);
}

/// A store behind a proxy, with times as in production.
async fn behind_proxy(database: &Database) -> (Proxy, PostgresStore) {
    let proxy = Proxy::start(&database.addr()).await;
    let addr = proxy.addr.to_string();
    let url = Secret::new(database.url(Some("postgres:s3cret"), Some(&addr)));
    let read_timeout = Duration::from_millis(300);
    let settings = PostgresSettings { url, read_timeout, ..PostgresSettings::default() };
    let store = PostgresStore::open(&settings).unwrap();
    connected(|| store.state()).await;
    (proxy, store)
}

const CONNECTIONS: &str = "select from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend'";

/// At once: nothing was asked over the network.
const AT_ONCE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_server_that_dies_means_misses_at_once_until_it_is_back() {
    let Some(database) = Database::create("killed").await else { return };
    let (_guard, log) = captured_log();
    let (proxy, store) = behind_proxy(&database).await;
    let kept = entry(1, "s", "");
    store.put(&kept, Some(&[1.0])).await;
    assert!(has(&store, &kept).await);

    proxy.set(Mode::Closed);
    let (took, found) = timed(store.exact(&kept.fingerprint, NOW)).await;
    assert_eq!(found, None);
    assert!(took < Duration::from_millis(400), "{took:?}");
    for _ in 0..50 {
        let (took, found) = timed(store.nearest(&kept.partition, &[1.0], 5, 0.0, NOW)).await;
        assert!(found.is_empty() && took < AT_ONCE, "{took:?}");
    }
    assert!(matches!(store.state(), StoreState::Away(..)), "{:?}", store.state());
    assert_eq!(store.clear(&Clear::Everything).await, Err(StoreError::Away));
    assert_eq!((store.fill().await, store.remove_expired(NOW).await), (None, 0));
    // Long enough for tries that fail.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(store.exact(&kept.fingerprint, NOW).await, None);

    proxy.set(Mode::Pass);
    connected(|| store.state()).await;
    assert!(has(&store, &kept).await);
    assert_eq!(log.count("the shared cache is away"), 1, "{}", log.text());
    assert_eq!(log.count("the shared cache is back"), 1, "{}", log.text());
    assert!(!log.text().contains("s3cret"), "{}", log.text());
    assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_one_time_out() {
    let Some(database) = Database::create("slow").await else { return };
    let (proxy, store) = behind_proxy(&database).await;
    let kept = entry(1, "s", "");
    store.put(&kept, Some(&[1.0])).await;
    assert!(has(&store, &kept).await);

    proxy.set(Mode::Swallow);
    let (took, found) = timed(store.exact(&kept.fingerprint, NOW)).await;
    assert_eq!(found, None);
    assert!((200..450).contains(&took.as_millis()), "{took:?}");
    for _ in 0..50 {
        let (took, found) = timed(store.exact(&kept.fingerprint, NOW)).await;
        assert!(found.is_none() && took < AT_ONCE, "{took:?}");
        let (took, ()) = timed(store.put(&kept, None)).await;
        assert!(took < AT_ONCE, "{took:?}");
    }
    // The tries to reach it again do not answer either, and no request waits for them.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let (took, found) = timed(store.exact(&kept.fingerprint, NOW)).await;
        assert!(found.is_none() && took < AT_ONCE, "{took:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    proxy.set(Mode::Closed);
    proxy.set(Mode::Pass);
    connected(|| store.state()).await;
    assert!(has(&store, &kept).await);
}

#[tokio::test]
async fn connections_that_the_server_ends_are_replaced() {
    let Some(database) = Database::create("ended").await else { return };
    let store = database.open().await;
    let kept = entry(1, "s", "");
    store.put(&kept, None).await;
    let ended = database
        .execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    assert!(ended >= 1, "no connection was kept");
    assert!(!has(&store, &kept).await);
    connected(|| store.state()).await;
    assert!(has(&store, &kept).await);
    // The same for a table that somebody has removed: it is made again.
    database.execute("drop table cache_entries").await;
    assert!(!has(&store, &kept).await);
    connected(|| store.state()).await;
    store.put(&kept, Some(&[1.0])).await;
    assert!(has(&store, &kept).await);
    assert_eq!(store.nearest(&kept.partition, &[1.0], 1, 0.5, NOW).await.len(), 1);
}

#[tokio::test]
async fn without_the_extension_exact_entries_are_kept_and_the_log_names_it() {
    let Some(database) = Database::create("plain").await else { return };
    let (_guard, log) = captured_log();
    // Not a superuser: it may make tables and not this extension.
    database
        .execute(
            "do $$ begin
               if not exists (select from pg_roles where rolname = 'plain') then
                 create role plain login;
               end if;
             end $$",
        )
        .await;
    database.execute("alter database test_plain owner to plain").await;
    let url = Secret::new(database.url(Some("plain"), None));
    let store = PostgresStore::open(&PostgresSettings { url, ..database.settings() }).unwrap();
    connected(|| store.state()).await;
    let kept = entry(1, "s", "");
    store.put(&kept, Some(&[1.0])).await;
    assert!(has(&store, &kept).await && !store.has_vectors());
    assert!(store.nearest(&kept.partition, &[1.0], 1, 0.5, NOW).await.is_empty());
    assert_eq!(log.count("create extension vector"), 1, "{}", log.text());
    assert_eq!(store.clear(&Clear::Everything).await, Ok(1));

    // Once an administrator has installed it, the next connection finds it.
    database.execute("create extension vector").await;
    let store = PostgresStore::open(&PostgresSettings {
        url: Secret::new(database.url(Some("plain"), None)),
        ..database.settings()
    });
    let store = store.unwrap();
    connected(|| store.state()).await;
    store.put(&kept, Some(&[1.0])).await;
    assert_eq!(store.nearest(&kept.partition, &[1.0], 1, 0.5, NOW).await.len(), 1);
}

#[tokio::test]
async fn what_the_server_refuses_is_one_miss_and_the_store_stays() {
    let Some(database) = Database::create("refused").await else { return };
    let store = database.open().await;
    let kept = entry(1, "s", "");
    // PostgreSQL's texts cannot hold a zero.
    store.put(&entry(2, "s\0", ""), None).await;
    assert!(matches!(store.state(), StoreState::Connected(_)));
    store.put(&kept, None).await;
    assert!(has(&store, &kept).await);
    let refused = store.clear(&Clear::Scope("s\0".into())).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert!(has(&store, &kept).await);
    // A record that somebody has damaged, and one of a version that is not known.
    database.execute("update cache_entries set record = set_byte(record, 30, 0)").await;
    assert!(!has(&store, &kept).await);
    store.put(&kept, None).await;
    database.execute("update cache_entries set record = set_byte(record, 0, 99)").await;
    assert!(!has(&store, &kept).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_runtimes_ask_many_at_a_time() {
    let Some(database) = Database::create("runtimes").await else { return };
    let store = Arc::new(database.open().await);
    let kept = entry(1, "s", "");
    store.put(&kept, Some(&[1.0])).await;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, kept) = (Arc::clone(&store), kept.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    let asking: Vec<_> = (0..50)
                        .map(|_| {
                            let (store, kept) = (Arc::clone(&store), kept.clone());
                            tokio::spawn(async move { has(&store, &kept).await })
                        })
                        .collect();
                    for asked in asking {
                        assert!(asked.await.unwrap());
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    }
    // No more connections than allowed, besides the one that asks.
    let connections = database.execute(CONNECTIONS).await;
    assert!((2..=9).contains(&connections), "{connections}");
}
