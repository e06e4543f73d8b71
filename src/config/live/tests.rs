use super::*;
use crate::config::entity::{AuthConfig, ProviderConfig};
use crate::config::{IdSource, ProviderInput, VirtualKeyInput, apply_provider, apply_virtual_key};
use futures_util::FutureExt;
use serde_json::{Value, json};

fn file(json: &Value) -> Option<File> {
    Some(File::from_json(json).unwrap())
}

async fn open(file: Option<File>, store: &Db) -> Live {
    Live::open(file, Environment::of(&[]), store.clone()).await.unwrap()
}

fn full() -> Value {
    json!({
        "client": {"enforce_auth_on_inference": true, "allowed_origins": ["https://a"]},
        "providers": {
            "openai": {
                "keys": [{"name": "a", "value": "sk-a", "weight": 0.25, "models": ["gpt-4o"],
                          "blacklisted_models": ["gpt-4"], "enabled": false}],
                "network_config": {"extra_headers": {"x-a": "1"}, "max_retries": 3,
                                   "first_token_timeout_in_seconds": 5},
                "proxy_config": {"type": "http", "url": "http://p:1", "username": "u", "password": "p"},
            },
            "own": {"network_config": {"base_url": "https://x"},
                    "custom_provider_config": {"base_provider_type": "anthropic"}},
        },
        "governance": {
            "auth_config": {"is_enabled": true, "admin_username": "a", "admin_password": "b"},
            "virtual_keys": [{
                "id": "vk-prod", "name": "prod", "value": "sk-bf-1", "customer_id": "c",
                "budget": {"max_limit": 10, "reset_duration": "1M", "calendar_aligned": true,
                           "time_zone": "Europe/Berlin", "unpriced": "allow", "reserve": false},
                "provider_configs": [
                    {"provider": "openai", "weight": null, "allowed_models": [], "key_ids": ["a"],
                     "fallback_model": "gpt-4o",
                     "budgets": [{"max_limit": 1, "reset_duration": "1h"},
                                 {"max_limit": 2, "reset_duration": "1d"}],
                     "rate_limit": {"token_max_limit": 9, "token_reset_duration": "1m"}},
                    {"provider": "own"},
                ],
            }, {"id": "all", "provider_configs": null}, {"id": "none", "provider_configs": []}],
        },
    })
}

#[tokio::test]
async fn a_base_url_that_is_gone_stops_no_start() {
    let store = Db::memory().await.unwrap();
    let variables = [
        ("OPENAI_API_KEY", "sk-1"),
        ("OPENAI_BASE_URL", "http://proxy/v1"),
        ("OLLAMA_HOST", "127.0.0.1:11434"),
    ];
    let live = Live::open(None, Environment::of(&variables), store.clone()).await.unwrap();
    let base_url = |live: &Live, name| {
        let snapshot = live.snapshot();
        snapshot.provider(name).map(|provider| provider.base_url.clone())
    };
    assert_eq!(base_url(&live, "openai").unwrap(), "http://proxy/v1");

    let environment = Environment::of(&variables[..1]);
    let live = Live::open(None, environment, store.clone()).await.unwrap();
    assert_eq!(base_url(&live, "openai").unwrap(), "https://api.openai.com");
    assert_eq!(base_url(&live, "ollama"), None);
    let warnings = live.snapshot().warnings.iter().map(Problem::to_string).collect::<Vec<_>>();
    assert_eq!(
        warnings,
        [
            "providers.ollama.network_config.base_url: environment variable `OLLAMA_HOST` is not set; the provider `ollama` is left out",
            "providers.openai.network_config.base_url: environment variable `OPENAI_BASE_URL` is not set; https://api.openai.com is used",
        ]
    );

    // What its users export for their SDKs is no address of a provider.
    let own = [("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://localhost:8080/v1")];
    let environment = Environment::of(&own).serving("0.0.0.0", 8080);
    let live = Live::open(None, environment, store).await.unwrap();
    assert_eq!(base_url(&live, "openai").unwrap(), "https://api.openai.com");
    let warnings = live.snapshot().warnings.clone();
    let why = "http://localhost:8080/v1 is the address of this gateway";
    assert!(warnings.iter().any(|warning| warning.message.starts_with(why)), "{warnings:?}");
}

#[tokio::test]
async fn everything_wrong_is_said_at_once() {
    let json = json!({
        "client": {"max_request_body_size_mb": "much"},
        "providers": {"groq": {"network_config": {"base_url": "ftp://x"}}},
        "governance": {"virtual_keys": [
            {"id": "a", "rate_limit": {"request_max_limit": 1}}]},
    });
    let path = std::env::temp_dir().join(format!("tollbridge-bad-{}.json", std::process::id()));
    std::fs::write(&path, json.to_string()).unwrap();
    let file = crate::config::file::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let store = Db::memory().await.unwrap();
    let problems = Live::open(file, Environment::of(&[]), store).await.unwrap_err();
    let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "client.max_request_body_size_mb",
            "governance.virtual_keys[0].rate_limit.request_reset_duration",
            "providers.groq.network_config.base_url",
        ]
    );
}

#[tokio::test]
async fn what_is_stored_is_read_back_the_same() {
    let store = Db::memory().await.unwrap();
    let first = open(file(&full()), &store).await;
    let second = open(None, &store).await;
    let (first, second) = (first.configuration(), second.configuration());
    assert_eq!(first.client, second.client);
    // Of the password there is a hash; see `the_admin_password_is_stored_as_a_hash`.
    let hash = second.auth.as_ref().unwrap().admin_password.clone();
    let auth = AuthConfig { admin_password: hash, ..(**first.auth.as_ref().unwrap()).clone() };
    assert_eq!(second.auth.as_deref(), Some(&auth));
    assert_eq!(first.providers, second.providers);
    assert_eq!(first.virtual_keys, second.virtual_keys);
    let first = Configuration { auth: second.auth.clone(), ..(*first).clone() };
    assert!(stored::is_empty(&stored::difference(&first, &second)));
}

#[tokio::test]
async fn a_change_that_fails_changes_nothing() {
    let store = Db::memory().await.unwrap();
    let live = open(file(&full()), &store).await;
    let (snapshot, rows) = (live.snapshot(), store.load_config().await.unwrap());
    let invalid: Result<(), _> = live
        .change(|configuration| {
            configuration.virtual_keys.clear();
            configuration.providers.insert("x".into(), Arc::new(ProviderConfig::new("x")));
            Ok(())
        })
        .await;
    assert!(matches!(invalid, Err(ChangeError::Invalid(_))));
    let refused: Result<(), _> = live
        .change(|configuration| {
            configuration.providers.clear();
            Err(ChangeError::NotFound("gone".into()))
        })
        .await;
    assert!(matches!(refused, Err(ChangeError::NotFound(_))));
    assert!(Arc::ptr_eq(&snapshot, &live.snapshot()));
    assert_eq!(rows, store.load_config().await.unwrap());
}

#[tokio::test]
async fn a_change_is_written_and_published() {
    let store = Db::memory().await.unwrap();
    let live = open(file(&full()), &store).await;
    let mut versions = live.subscribe();
    let before = live.snapshot().version;
    let budget = live.configuration().virtual_keys["vk-prod"].budgets[0].id.clone();
    let delta = store::MeterDelta { id: budget, window_start: 1, amount: 5 };
    store.add_meters(&[delta]).await.unwrap();
    live.change(|configuration| {
        let mut ids = IdSource::new(configuration);
        let mut input = VirtualKeyInput::from_json(&json!({"name": "new"}))?;
        input.generate_value(&mut ids);
        let key = apply_virtual_key(None, input, &mut ids, 1)?;
        configuration.virtual_keys.remove("vk-prod");
        configuration.virtual_keys.insert(key.id.clone(), Arc::new(key));
        let body = json!({"provider": "openai", "keys": [{"name": "z", "value": "sk-z"}]});
        let old = configuration.providers.get("openai").cloned();
        let input = ProviderInput::from_json(&body)?;
        let provider = apply_provider(old.as_deref(), input, &mut ids)?;
        configuration.providers.insert("openai".into(), Arc::new(provider));
        Ok(())
    })
    .await
    .unwrap();
    assert!(versions.has_changed().unwrap());
    assert_eq!(*versions.borrow_and_update(), before + 1);
    assert_eq!(live.snapshot().version, before + 1);
    assert_eq!(&*live.snapshot().provider("openai").unwrap().keys[0].name, "z");
    assert_eq!(store.load_meters().await.unwrap(), [], "the deleted key's counter is gone");
    let again = open(None, &store).await;
    assert_eq!(again.configuration().virtual_keys, live.configuration().virtual_keys);
    assert_eq!(again.snapshot().version, before + 1);
}

#[tokio::test]
async fn two_keys_may_swap_their_names() {
    let store = Db::memory().await.unwrap();
    let live = open(file(&full()), &store).await;
    live.change(|configuration| {
        for (id, name) in [("all", "none"), ("none", "all")] {
            let key = configuration.virtual_keys.get_mut(id).map(Arc::make_mut);
            key.unwrap().name = name.to_owned();
        }
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(open(None, &store).await.configuration().virtual_keys["all"].name, "none");
}

#[tokio::test]
async fn an_edit_survives_until_the_file_changes() {
    let store = Db::memory().await.unwrap();
    let live = open(file(&full()), &store).await;
    let created = live.configuration().virtual_keys["vk-prod"].clone();
    live.change(|configuration| {
        let old = configuration.virtual_keys["vk-prod"].clone();
        let mut ids = IdSource::new(configuration);
        let input = VirtualKeyInput::from_json(&json!({"budget": {"max_limit": 77}}))?;
        let key = apply_virtual_key(Some(&old), input, &mut ids, 2)?;
        configuration.virtual_keys.insert(key.id.clone(), Arc::new(key));
        Ok(())
    })
    .await
    .unwrap();
    let limit = |live: &Live| live.configuration().virtual_keys["vk-prod"].budgets[0].max_limit;
    assert_eq!(limit(&open(file(&full()), &store).await), 77_000_000_000);
    let mut edited = full();
    edited["governance"]["virtual_keys"][0]["budget"]["max_limit"] = json!(20);
    let live = open(file(&edited), &store).await;
    assert_eq!(limit(&live), 20_000_000_000);
    let key = &live.configuration().virtual_keys["vk-prod"];
    assert_eq!(key.budgets[0].id, created.budgets[0].id, "usage belongs to the id");
    let ids = |key: &crate::config::entity::VirtualKeyConfig| {
        let bindings = key.provider_configs.iter().flatten();
        bindings.map(|binding| binding.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(key), ids(&created));
    let unchanged = live.snapshot().version;
    assert_eq!(open(file(&edited), &store).await.snapshot().version, unchanged);
}

#[tokio::test]
async fn providers_come_from_the_environment_when_nothing_names_one() {
    let store = Db::memory().await.unwrap();
    let environment = Environment::of(&[("OPENAI_API_KEY", "sk-secret-value")]);
    let live = Live::open(None, environment, store.clone()).await.unwrap();
    let snapshot = live.snapshot();
    assert_eq!(snapshot.provider("openai").unwrap().keys[0].value.expose(), "sk-secret-value");
    assert_eq!(store.load_config().await.unwrap().keys[0].value, "env.OPENAI_API_KEY");
}

#[tokio::test]
async fn secrets_that_are_gone_are_remembered() {
    let store = Db::memory().await.unwrap();
    let live = open(None, &store).await;
    let put = |configuration: &mut Configuration| {
        let input = VirtualKeyInput::from_json(&json!({"id": "vk-a"})).unwrap();
        let mut ids = IdSource::new(configuration);
        let key = apply_virtual_key(None, input, &mut ids, 1)?;
        configuration.virtual_keys.insert(key.id.clone(), Arc::new(key));
        Ok(())
    };
    live.change(put).await.unwrap();
    let hash = crate::config::secret_hash("vk-a");
    assert!(!live.snapshot().is_no_secret(&hash));
    let delete = |configuration: &mut Configuration| {
        configuration.virtual_keys.clear();
        Ok(())
    };
    live.change(delete).await.unwrap();
    assert!(live.snapshot().is_no_secret(&hash));

    let live = open(None, &store).await;
    assert!(live.snapshot().is_no_secret(&hash));
    live.change(put).await.unwrap();
    assert!(!live.snapshot().is_no_secret(&hash));
    assert!(!open(None, &store).await.snapshot().is_no_secret(&hash));
}

#[tokio::test]
async fn the_admin_password_is_stored_as_a_hash() {
    let store = Db::memory().await.unwrap();
    let auth = json!({"is_enabled": true, "admin_username": "a", "admin_password": "readable"});
    let json = json!({"governance": {"auth_config": auth}});
    let first = open(file(&json), &store).await;
    let row = store.load_config().await.unwrap().auth.unwrap();
    assert!(row.admin_password.starts_with("$pbkdf2-sha256$"), "{row:?}");
    let second = open(file(&json), &store).await;
    assert_eq!(store.load_config().await.unwrap().auth.unwrap(), row, "hashed anew");
    // `a:readable`.
    let value = http::HeaderValue::from_static("Basic YTpyZWFkYWJsZQ==");
    let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    for live in [first, second] {
        let verdict = live.snapshot().admin.as_ref().unwrap().judge(&headers).await;
        assert_eq!(verdict, crate::config::Verdict::Right);
    }
}

#[tokio::test]
async fn a_new_admin_password_does_not_hold_up_the_thread() {
    let live = open(file(&full()), &Db::memory().await.unwrap()).await;
    let timed = |work: &mut dyn FnMut()| {
        let began = std::time::Instant::now();
        work();
        began.elapsed()
    };
    let hashing = (0..3).map(|_| timed(&mut || drop(crate::config::password::hash("x"))));
    let hashing = hashing.min().unwrap();
    // The shortest of several: another process may take the processor at any time.
    let mut shortest = hashing;
    for at in 0..5 {
        let mut change = std::pin::pin!(live.change(|configuration| {
            let auth = configuration.auth.as_mut().map(Arc::make_mut).unwrap();
            auth.admin_password = SecretRef::Value(format!("password-{at}"));
            Ok(())
        }));
        let step = timed(&mut || assert!(change.as_mut().now_or_never().is_none()));
        shortest = shortest.min(step);
        change.await.unwrap();
    }
    assert!(shortest < hashing / 2, "{shortest:?} of {hashing:?}");
}

#[tokio::test]
async fn secrets_are_sealed_under_a_key_and_opened_with_it_alone() {
    let store = Db::memory().await.unwrap();
    let open = async |file: Option<File>, key: &str| {
        let environment = Environment::of(&[("BIFROST_ENCRYPTION_KEY", key)]);
        Live::open(file, environment, store.clone()).await
    };
    let stored = async || format!("{:?}", store.load_config().await.unwrap());
    let mut json = full();
    json["providers"]["openai"]["keys"][0]["value"] = json!("sk-a-readable-secret");
    json["governance"]["auth_config"]["admin_password"] = json!("a-readable-password");

    let plain = open(file(&json), "").await.unwrap();
    assert!(plain.has_plain_secrets());
    assert!(stored().await.contains("sk-a-readable-secret"));

    // A key that comes later seals what is there.
    let sealed = open(None, "correct horse battery").await.unwrap();
    assert!(!sealed.has_plain_secrets());
    assert!(!stored().await.contains("readable"), "{}", stored().await);
    let version = sealed.snapshot().version;
    let again = open(None, "correct horse battery").await.unwrap();
    assert_eq!(again.snapshot().version, version, "sealed values were written anew");
    assert_eq!(again.configuration().providers, plain.configuration().providers);

    let change = |configuration: &mut Configuration| {
        let old = configuration.providers["openai"].clone();
        let input = ProviderInput::from_json(
            &json!({"provider": "openai", "keys": [{"name": "b", "value": "another-readable-one"}]}),
        )?;
        let provider = apply_provider(Some(&old), input, &mut IdSource::new(configuration))?;
        configuration.providers.insert("openai".to_owned(), Arc::new(provider));
        Ok(())
    };
    again.change(change).await.unwrap();
    assert!(!stored().await.contains("readable"));

    for (key, why) in [("", "is encrypted: "), ("another passphrase", "under another key")] {
        let problems = open(None, key).await.unwrap_err().to_string();
        assert!(
            problems.contains(why) && problems.contains("BIFROST_ENCRYPTION_KEY"),
            "{problems}"
        );
    }
}

#[tokio::test]
async fn a_key_leaves_nothing_readable_in_the_files() {
    let path = std::env::temp_dir().join(format!("tollbridge-{}.db", uuid::Uuid::new_v4()));
    let wal = path.with_extension("db-wal");
    let holds = |text: &str| {
        let bytes = [&path, &wal].map(|path| std::fs::read(path).unwrap_or_default()).concat();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    let open = async |file: Option<File>, key: &str, store: &Db| {
        let environment = Environment::of(&[("BIFROST_ENCRYPTION_KEY", key)]);
        Live::open(file, environment, store.clone()).await.unwrap()
    };
    let mut json = full();
    json["providers"]["openai"]["keys"][0]["value"] = json!("sk-a-readable-secret");
    for closed in [true, false] {
        let store = Db::open(&path).await.unwrap();
        open(file(&json), "", &store).await;
        assert!(holds("sk-a-readable-secret"));
        // After a crash the write-ahead log is there still.
        if closed {
            store.close().await;
        }
        let again = Db::open(&path).await.unwrap();
        open(None, "correct horse battery", &again).await;
        assert!(!holds("sk-a-readable-secret"), "closed: {closed}");
        again.close().await;
        store.close().await;
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn what_could_not_be_scrubbed_is_scrubbed_at_the_next_start() {
    use sqlx::Connection;
    let path = std::env::temp_dir().join(format!("tollbridge-{}.db", uuid::Uuid::new_v4()));
    let store = Db::open(&path).await.unwrap();
    let holds = |text: &str| {
        let files =
            [&path, &path.with_extension("db-wal")].map(|path| std::fs::read(path).unwrap());
        files.concat().windows(text.len()).any(|window| window == text.as_bytes())
    };
    let open = async |file: Option<File>, key: &str| {
        let environment = Environment::of(&[("BIFROST_ENCRYPTION_KEY", key)]);
        Live::open(file, environment, store.clone()).await.unwrap().snapshot().version
    };
    let is_due = async || store.load_file_hashes().await.unwrap().contains(&seed::scrub_due());
    let mut json = full();
    json["providers"]["openai"]["keys"][0]["value"] = json!("sk-a-readable-secret");
    open(file(&json), "").await;
    // Somebody who reads keeps SQLite from cleaning up.
    let url = format!("sqlite://{}", path.display());
    let mut reader = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for sql in ["begin", "select * from providers"] {
        sqlx::query(sql).execute(&mut reader).await.unwrap();
    }
    let version = open(None, "correct horse battery").await;
    assert!(is_due().await && holds("sk-a-readable-secret"));
    reader.close().await.unwrap();
    assert_eq!(open(None, "correct horse battery").await, version);
    assert!(!is_due().await && !holds("sk-a-readable-secret"));
    store.close().await;
    std::fs::remove_file(path).unwrap();
}

/// What `hash` of an earlier version made of `auth_config`.
fn former_row(auth: &Value) -> FileHashRow {
    use sha2::{Digest, Sha256};
    let hash: [u8; 32] = Sha256::digest([auth.to_string().as_bytes(), &[0]].concat()).into();
    FileHashRow { entity: "auth_config".to_owned(), hash: stored::hex(&hash) }
}

#[tokio::test]
async fn the_store_has_no_fast_hash_of_the_admin_password() {
    let path = std::env::temp_dir().join(format!("tollbridge-{}.db", uuid::Uuid::new_v4()));
    let store = Db::open(&path).await.unwrap();
    let auth = |password: &str| json!({"is_enabled": true, "admin_username": "a", "admin_password": password});
    let json = |auth: &Value| json!({"governance": {"auth_config": auth}});
    let (first, second) = (auth("readable"), auth("another"));
    let row = async || {
        let rows = store.load_file_hashes().await.unwrap();
        rows.into_iter().find(|row| row.entity == "auth_config").unwrap()
    };
    let password = |live: &Live| live.configuration().auth.as_ref().unwrap().admin_password.clone();
    let holds = |text: &str| {
        let files =
            [&path, &path.with_extension("db-wal")].map(|path| std::fs::read(path).unwrap());
        files.concat().windows(text.len()).any(|window| window == text.as_bytes())
    };

    open(file(&json(&first)), &store).await;
    let written = row().await;
    assert!(!holds(&former_row(&first).hash) && written.hash.contains("$pbkdf2-sha256$"));
    // An edit stays while the file says the same, and goes when the file changes its mind.
    let live = open(file(&json(&first)), &store).await;
    assert_eq!(row().await, written);
    let edit = |configuration: &mut Configuration| {
        let auth = configuration.auth.as_mut().map(Arc::make_mut).unwrap();
        auth.admin_password = SecretRef::Value("edited".to_owned());
        Ok(())
    };
    live.change(edit).await.unwrap();
    let is_edited = |live: &Live| {
        let text = password(live).to_text();
        crate::config::password::verify(&Secret::new(text), b"edited")
    };
    assert!(is_edited(&open(file(&json(&first)), &store).await));

    // What an earlier version wrote is overwritten, and the edit stays.
    for (file, forgotten) in [(file(&json(&first)), false), (None, true)] {
        let former = former_row(&first);
        let change =
            store::ConfigChange { file_hashes: vec![former.clone()], ..Default::default() };
        store.write_config(&change).await.unwrap();
        assert!(holds(&former.hash));
        assert!(is_edited(&open(file, &store).await));
        assert!(!holds(&former.hash));
        assert_eq!(row().await.hash.is_empty(), forgotten);
    }
    let live = open(file(&json(&second)), &store).await;
    assert_eq!(password(&live), SecretRef::Value("another".to_owned()));
    store.close().await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn inference_that_is_open_though_there_is_a_password_is_warned_of() {
    let is_warned_of = |live: &Live| {
        let path = "governance.auth_config.disable_auth_on_inference";
        live.snapshot().warnings.iter().any(|warning| warning.path == path)
    };
    let json = |client: Value, flag: Value| {
        let mut auth = json!({"is_enabled": true, "admin_username": "a", "admin_password": "b"});
        if flag.is_boolean() {
            auth["disable_auth_on_inference"] = flag;
        }
        json!({"client": client, "governance": {"auth_config": auth}})
    };
    let warned = async |client: Value, flag: Value| {
        let file = file(&json(client, flag));
        is_warned_of(&open(file, &Db::memory().await.unwrap()).await)
    };
    assert!(warned(json!({}), Value::Null).await);
    assert!(!warned(json!({}), json!(true)).await && !warned(json!({}), json!(false)).await);
    assert!(!warned(json!({"enforce_auth_on_inference": true}), Value::Null).await);

    // What was changed since counts, not what the file says still.
    let silent = || file(&json(json!({"enforce_auth_on_inference": true}), Value::Null));
    let store = Db::memory().await.unwrap();
    let live = open(silent(), &store).await;
    let enforce = async |live: &Live, enforced: bool| {
        let change = |configuration: &mut Configuration| {
            Arc::make_mut(&mut configuration.client).enforce_auth_on_inference = enforced;
            Ok(())
        };
        live.change(change).await.unwrap();
    };
    enforce(&live, false).await;
    let live = open(silent(), &store).await;
    assert!(is_warned_of(&live));
    enforce(&live, true).await;
    assert!(!is_warned_of(&open(silent(), &store).await));
    let live = open(silent(), &store).await;
    let ask = |configuration: &mut Configuration| {
        Arc::make_mut(&mut configuration.client).enforce_auth_on_inference = false;
        let auth = configuration.auth.as_mut().map(Arc::make_mut).unwrap();
        auth.disable_auth_on_inference = false;
        Ok(())
    };
    live.change(ask).await.unwrap();
    assert!(!is_warned_of(&open(silent(), &store).await));
}
