use crate::proxy::{Mode, Proxy};
use crate::{NOW, captured_log, connected, entry, server, timed};
use redis::{Client, Cmd, FromRedisValue, cmd};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tollbridge::cache::breaker::{StoreError, StoreState};
use tollbridge::cache::redis::{RedisSettings, RedisStore};
use tollbridge::cache::{Clear, Entry};
use tollbridge::provider::Secret;

/// At once: nothing was asked over the network.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Times that a busy machine keeps: what is tested with them is not speed.
fn settings(addr: &str, namespace: &str) -> RedisSettings {
    RedisSettings {
        addr: Secret::new(addr),
        read_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(10),
        namespace: namespace.to_owned(),
        ..RedisSettings::default()
    }
}

async fn open(settings: &RedisSettings) -> RedisStore {
    let store = RedisStore::open(settings).unwrap();
    connected(|| store.state()).await;
    store
}

/// A store in a namespace of the test's own, emptied.
async fn store(namespace: &str) -> Option<RedisStore> {
    let store = open(&settings(&server("TOLLBRIDGE_TEST_REDIS_ADDR")?, namespace)).await;
    store.clear(&Clear::Everything).await.unwrap();
    Some(store)
}

async fn exact(store: &RedisStore, entry: &Entry, now_ms: i64) -> bool {
    match store.exact(&entry.fingerprint, &entry.scope, &entry.cache_key, now_ms).await {
        Some(found) => {
            assert_eq!(*found, *entry);
            true
        }
        None => false,
    }
}

async fn has(store: &RedisStore, entry: &Entry) -> bool {
    exact(store, entry, NOW).await
}

async fn ask<T: FromRedisValue>(addr: &str, command: &Cmd) -> T {
    let client = Client::open(format!("redis://{addr}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    command.query_async(&mut connection).await.unwrap()
}

/// A server of a test's own, ended with it.
struct Server {
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Server {
    /// `None` when no Redis is installed for the tests.
    fn start(arguments: &[&str]) -> Option<Self> {
        server("TOLLBRIDGE_TEST_REDIS_ADDR")?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let child = Self::spawn(port, &arguments);
        Some(Server { port, arguments, child })
    }

    fn spawn(port: u16, arguments: &[String]) -> Child {
        let mut command = Command::new("redis-server");
        if !arguments.iter().any(|argument| argument == "--tls-port") {
            command.args(["--port", &port.to_string()]);
        }
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let port = port.to_string();
        command.args(
            arguments.iter().map(|argument| if argument == "PORT" { &port } else { argument }),
        );
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::spawn(self.port, &self.arguments);
    }

    fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn an_entry_is_found_by_its_fingerprint_until_it_expires() {
    let Some(store) = store("exact").await else { return };
    let kept = entry(1, "virtual_key:a", "k");
    assert!(!has(&store, &kept).await);
    store.put(&kept).await;
    assert!(has(&store, &kept).await);
    assert!(!has(&store, &entry(2, "virtual_key:a", "k")).await);
    // The scope is a part of the question.
    assert_eq!(store.exact(&kept.fingerprint, "virtual_key:b", "k", NOW).await, None);
    assert_eq!(store.exact(&kept.fingerprint, "virtual_key:a", "", NOW).await, None);
    assert!(exact(&store, &kept, kept.expires_ms - 1).await);
    assert!(!exact(&store, &kept, kept.expires_ms).await);
    // Overwritten by what is put last.
    let newer = Entry { answer: "newer".into(), created_ms: NOW + 1, ..kept };
    store.put(&newer).await;
    assert!(has(&store, &newer).await);
}

#[tokio::test]
async fn the_server_removes_what_has_expired() {
    let Some(store) = store("expiry").await else { return };
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = i64::try_from(clock.as_millis()).unwrap();
    let short = Entry { created_ms: now, expires_ms: now + 1500, ..entry(1, "s", "") };
    let long = Entry { created_ms: now, expires_ms: now + 60_000, ..entry(2, "s", "") };
    store.put(&short).await;
    store.put(&long).await;
    assert!(exact(&store, &short, now).await);
    tokio::time::sleep(Duration::from_millis(1700)).await;
    // Asked as of before, so that it is the server that knows.
    assert!(!exact(&store, &short, now).await);
    assert!(exact(&store, &long, now).await);
    assert_eq!(store.clear(&Clear::Scope("s".into())).await, Ok(1));
}

#[tokio::test]
async fn two_nodes_see_each_others_entries_and_clears() {
    let Some(one) = store("clear[a-z]*").await else { return };
    let addr = server("TOLLBRIDGE_TEST_REDIS_ADDR").unwrap();
    let two = open(&settings(&addr, "clear[a-z]*")).await;
    let others = [store("clear[a-z]*:b").await.unwrap(), store("clearb*").await.unwrap()];
    let entries: Vec<Entry> =
        [("a", "x"), ("a", "y"), ("a", "y"), ("b", "x"), ("b", ""), ("c*", "")]
            .iter()
            .zip(1..)
            .map(|((scope, key), id)| entry(id, scope, key))
            .collect();
    for entry in &entries {
        one.put(entry).await;
        for other in &others {
            other.put(entry).await;
        }
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
    assert_eq!(one.clear(&Clear::Scope("*".into())).await, Ok(0));
    assert_eq!(one.clear(&Clear::Everything).await, Ok(1));
    assert_eq!(left().await, [0; 0]);
    // Other namespaces keep theirs, also those whose names begin with this one or fit it.
    for other in &others {
        assert_eq!(other.clear(&Clear::Everything).await, Ok(6));
    }
}

#[tokio::test]
async fn many_entries_are_counted_and_cleared() {
    // Not the common server: while others remove keys, a key may be counted twice.
    let Some(server) = Server::start(&[]) else { return };
    let store = open(&settings(&server.addr(), "many")).await;
    let mut bytes = 0;
    for id in 0..2500 {
        let entry = Entry { answer: "x".repeat(1000).into(), ..entry(id, "s", "") };
        bytes += 1000;
        store.put(&entry).await;
    }
    let fill = store.fill().await.unwrap();
    assert_eq!(fill.entries, 2500);
    assert!((bytes..2 * bytes).contains(&fill.bytes), "{fill:?}");
    assert_eq!(store.clear(&Clear::Scope("s".into())).await, Ok(2500));
    // Counted a moment ago, and not again.
    assert_eq!(store.fill().await, Some(fill));
}

#[tokio::test]
async fn a_server_that_dies_means_misses_at_once_until_it_is_back() {
    let Some(mut server) = Server::start(&["--requirepass", "s3cret"]) else { return };
    let (_guard, log) = captured_log();
    let settings = settings(&server.addr(), "killed");
    let store = open(&RedisSettings { password: Secret::new("s3cret"), ..settings }).await;
    let kept = entry(1, "s", "");
    store.put(&kept).await;
    assert!(has(&store, &kept).await);

    server.kill();
    let (took, found) = timed(has(&store, &kept)).await;
    assert!(!found && took < Duration::from_millis(200), "{took:?}");
    for _ in 0..50 {
        let (took, found) = timed(has(&store, &kept)).await;
        assert!(!found && took < AT_ONCE, "{took:?}");
    }
    assert!(matches!(store.state(), StoreState::Away(..)), "{:?}", store.state());
    assert_eq!(store.clear(&Clear::Everything).await, Err(StoreError::Away));
    assert_eq!(store.fill().await, None);
    // Long enough for tries that fail.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert!(!has(&store, &kept).await);

    server.restart();
    // The one log line of before was of the first connection, which may have been tried too early.
    let before = log.count("the shared cache is back");
    connected(|| store.state()).await;
    assert!(!has(&store, &kept).await);
    store.put(&kept).await;
    assert!(has(&store, &kept).await);
    assert_eq!(log.count("the shared cache is back"), before + 1, "{}", log.text());
    assert_eq!(log.count("the shared cache is away"), before + 1, "{}", log.text());
    assert!(!log.text().contains("s3cret"), "{}", log.text());
    assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_one_time_out() {
    let Some(addr) = server("TOLLBRIDGE_TEST_REDIS_ADDR") else { return };
    let proxy = Proxy::start(&addr).await;
    let read_timeout = Duration::from_millis(300);
    let settings = settings(&proxy.addr.to_string(), "slow");
    let store = open(&RedisSettings { read_timeout, ..settings }).await;
    let kept = entry(1, "s", "");
    store.put(&kept).await;
    assert!(has(&store, &kept).await);

    proxy.set(Mode::Swallow);
    let (took, found) = timed(has(&store, &kept)).await;
    assert!(!found);
    assert!((250..450).contains(&took.as_millis()), "{took:?}");
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let (took, found) = timed(has(&store, &kept)).await;
        assert!(!found && took < AT_ONCE, "{took:?}");
        let (took, ()) = timed(store.put(&kept)).await;
        assert!(took < AT_ONCE, "{took:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    proxy.set(Mode::Closed);
    proxy.set(Mode::Pass);
    connected(|| store.state()).await;
    assert!(has(&store, &kept).await);
}

#[tokio::test]
async fn a_wrong_password_is_a_store_that_is_away() {
    let Some(server) = Server::start(&["--requirepass", "right"]) else { return };
    let wrong =
        RedisSettings { password: Secret::new("wr0ng"), ..settings(&server.addr(), "auth") };
    let right = RedisSettings { password: Secret::new("right"), ..wrong.clone() };
    let right = open(&right).await;
    let wrong = RedisStore::open(&wrong).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while wrong.state() == StoreState::Connecting && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let state = wrong.state();
    assert!(
        matches!(&state, StoreState::Away(_, reason) if !reason.contains("wr0ng")),
        "{state:?}"
    );
    let kept = entry(1, "s", "");
    right.put(&kept).await;
    assert!(has(&right, &kept).await && !has(&wrong, &kept).await);
}

#[tokio::test]
async fn what_the_server_refuses_is_one_miss_and_the_store_stays() {
    let Some(server) = Server::start(&["--maxmemory-policy", "noeviction"]) else { return };
    let store = open(&settings(&server.addr(), "refused")).await;
    let (kept, refused) = (entry(1, "s", ""), entry(2, "s", ""));
    store.put(&kept).await;
    let () = ask(&server.addr(), cmd("CONFIG").arg("SET").arg("maxmemory").arg(1)).await;
    store.put(&refused).await;
    assert!(matches!(store.state(), StoreState::Connected(_)), "{:?}", store.state());
    assert!(has(&store, &kept).await && !has(&store, &refused).await);

    // What somebody has damaged, and a key of another kind.
    let () = ask(&server.addr(), cmd("CONFIG").arg("SET").arg("maxmemory").arg(0)).await;
    let keys: Vec<String> =
        ask(&server.addr(), cmd("KEYS").arg("tollbridge:cache:refused:*")).await;
    assert_eq!(keys.len(), 1);
    let _: i64 = ask(&server.addr(), cmd("SETRANGE").arg(&keys[0]).arg(40).arg("xyz")).await;
    assert!(!has(&store, &kept).await);
    let () = ask(&server.addr(), cmd("DEL").arg(&keys[0])).await;
    let () = ask(&server.addr(), cmd("LPUSH").arg(&keys[0]).arg("x")).await;
    assert!(!has(&store, &kept).await);
    assert!(matches!(store.state(), StoreState::Connected(_)), "{:?}", store.state());
}

/// A certificate of `127.0.0.1` and its key, made for this test.
fn certificate() -> (PathBuf, PathBuf) {
    let folder = std::env::temp_dir().join(format!("redis-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    (certificate, key)
}

#[tokio::test]
async fn tls_takes_the_named_authority_and_no_other() {
    if server("TOLLBRIDGE_TEST_REDIS_ADDR").is_none() {
        return;
    }
    let (certificate, key) = certificate();
    let (path, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let files = ["--tls-cert-file", path, "--tls-key-file", key, "--tls-auth-clients", "no"];
    let server = Server::start(&[&["--port", "0", "--tls-port", "PORT"][..], &files[..]].concat());
    let server = server.unwrap();
    let public = RedisSettings { tls: true, ..settings(&server.addr(), "tls") };
    let pem = std::fs::read_to_string(&certificate).unwrap();
    let named = open(&RedisSettings { ca_certificate: Some(pem), ..public.clone() }).await;
    let kept = entry(1, "s", "");
    named.put(&kept).await;
    assert!(has(&named, &kept).await);
    let public = RedisStore::open(&public).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while public.state() == StoreState::Connecting && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(public.state(), StoreState::Away(..)), "{:?}", public.state());
    std::fs::remove_dir_all(certificate.parent().unwrap()).unwrap();
}
