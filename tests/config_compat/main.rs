//! Every released form of config.json stays readable, and a bad one says everything that is wrong.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use tollbridge::config::entity::{Configuration, SecretRef};
use tollbridge::config::file::{File, load};
use tollbridge::config::pricing::Catalog;
use tollbridge::config::{Environment, Problem, build, secret_hash};
use tollbridge::provider::AccessList;

fn read(name: &str) -> Result<File, Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    let file = load(&path).map_err(|problems| texts(&problems.0))?;
    let file = file.expect("the sample is there");
    if file.problems.is_empty() { Ok(file) } else { Err(texts(&file.problems)) }
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

fn environment() -> Environment {
    Environment::of(&[
        ("OPENAI_API_KEY", "sk-openai"),
        ("GEMINI_API_KEY", "gemini"),
        ("ADMIN_PASSWORD", "secret"),
        ("VK_TWO", "sk-bf-two"),
        ("TOLLBRIDGE_VIRTUAL_KEY_PRODUCTION", "sk-bf-production"),
    ])
}

fn configuration(name: &str) -> Configuration {
    read(name).unwrap().into_configuration(&environment()).unwrap()
}

#[test]
fn v14() {
    let file = read("tests/config_compat/v14.json").unwrap();
    assert_eq!(
        texts(&file.warnings),
        [
            "client.enable_litellm_fallbacks: not supported yet; ignored",
            "governance.budgets[2]: limits nothing: no virtual key names it",
            "governance.customers[0]: customers are not supported yet; ignored",
        ]
    );
    assert_eq!(file.config_store.path.as_deref(), Some(Path::new("./config.db")));
    assert!(file.config_store.enabled && !file.logs_store.enabled);
    let reference = SecretRef::Env("BIFROST_ENCRYPTION_KEY".into());
    assert_eq!(file.encryption_key, Some(reference));
    let configuration = configuration("tests/config_compat/v14.json");
    let client = &configuration.client;
    assert!(client.drop_excess_requests && client.enforce_auth_on_inference);
    assert_eq!(client.required_headers, ["x-tenant"]);
    assert_eq!(client.max_request_body_size_mb, 50);
    let openai = &configuration.providers["openai"];
    assert_eq!(openai.keys[0].value, SecretRef::Env("OPENAI_API_KEY".into()));
    assert_eq!((openai.network.retry_backoff_initial, openai.concurrency), (100, 3));
    let key = &configuration.virtual_keys["vk-1"];
    assert_eq!(key.secret_hash, secret_hash("sk-bf-0000-0000"));
    assert_eq!((key.budgets[0].id.as_str(), key.budgets[0].max_limit), ("b-vk", 1_500_000_000));
    assert_eq!(key.rate_limit.as_ref().unwrap().request_max_limit, Some(100));
    let bindings = key.provider_configs.as_ref().unwrap();
    assert_eq!(bindings[0].key_ids, AccessList::Only(vec!["openai-1".into()]));
    assert_eq!(bindings[0].budgets[0].id, "b-openai");
    assert_eq!((bindings[1].weight, &bindings[1].key_ids), (None, &AccessList::Unrestricted));
    let snapshot = build(&configuration, &Catalog::builtin(), &environment(), 1).unwrap();
    assert_eq!(snapshot.admin.as_ref().unwrap().password.expose(), "secret");
    assert_eq!(snapshot.virtual_keys[0].meters.len(), 3);
}

#[test]
fn v15() {
    assert_eq!(read("tests/config_compat/v15.json").unwrap().warnings, []);
    let configuration = configuration("tests/config_compat/v15.json");
    assert_eq!(configuration.providers["gemini"].keys[0].models, AccessList::Unrestricted);
    assert_eq!(configuration.providers["vllm"].network.base_url, "http://vllm:8000");
    let key = &configuration.virtual_keys["vk-2"];
    assert_eq!((key.budgets.len(), key.budgets[1].calendar_aligned), (2, true));
    assert_eq!(key.secret_hash, secret_hash("sk-bf-two"));
    let bindings = key.provider_configs.as_ref().unwrap();
    assert_eq!((bindings[0].weight, bindings[1].weight), (None, Some(1.0)));
    assert_eq!(bindings[1].allowed_models, AccessList::Only(vec![]));
    let none = &configuration.virtual_keys["vk-none"];
    assert!(none.secret_is_id && none.provider_configs.as_ref().unwrap().is_empty());
    build(&configuration, &Catalog::builtin(), &environment(), 1).unwrap();
}

#[test]
fn the_example_can_be_used_as_it_is() {
    assert_eq!(read("config.example.json").unwrap().warnings, []);
    let configuration = configuration("config.example.json");
    let snapshot = build(&configuration, &Catalog::builtin(), &environment(), 1).unwrap();
    // Only the variables that the example names and nobody set.
    let warnings = texts(&snapshot.warnings);
    assert!(warnings.iter().all(|warning| warning.contains("is not set")), "{warnings:?}");
}

#[test]
fn a_bad_file_lists_everything_that_is_wrong() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/config_compat/bad.json");
    let file = load(&path).unwrap().expect("the sample is there");
    assert_eq!(
        texts(&file.check(&environment()).unwrap_err().0),
        [
            "client.max_request_body_size_mb: must be a whole number from 0 up, not a string",
            "governance.budgets[0].id: missing",
            "governance.virtual_keys[0].limits: unknown field `limits`",
            "governance.virtual_keys[0].budget_id: no budget in governance.budgets has the id `nowhere`",
            "governance.virtual_keys[1].provider_configs[0].allowed_model: unknown field `allowed_model`; did you mean `allowed_models`?",
            "governance.virtual_keys[1]: needs an `id` or a `name`",
            "governance.teams[0]: limits of teams are not supported yet",
            "governance.routing_rules: `routing_rules` are not supported yet",
            "providers.google: `google` is another name of `gemini`",
            "providers.groq.network_config.max_retires: unknown field `max_retires`; did you mean `max_retries`?",
            "providers.openai.keys[0].value: must be a string, `env.NAME` or {value, env_var, from_env}, not a number",
            "providers.openai.keys[0].weight: a weight is a number from 0 up",
            "providers.openai.netwrok_config: unknown field `netwrok_config`; did you mean `network_config`?",
            "config_store.type: `postgres` is not supported yet; use `sqlite`",
            "logs_store.type: `postgres` is not supported yet; use `sqlite`",
            // What only the later stages see.
            "providers.openai.keys[0].name: missing",
            "governance.virtual_keys[2].budget.reset_duration: `soon` is no duration such as `30s`, `5m`, `1h30m`, `1d`, `1w`, `1M`, `1Q`, `1Y`",
            "providers.groq.network_config.base_url: `http://not a url` is no http or https URL",
        ]
    );
}

#[test]
fn the_log_store_may_say_how_long_rows_are_kept() {
    let read = |text: &str| File::from_json(&serde_json::from_str(text).unwrap()).unwrap();
    let days = |file: &File| file.client.as_ref().unwrap().value.log_retention_days;

    let file = read(r#"{"logs_store": {"enabled": true, "retention_days": 7}}"#);
    assert_eq!((days(&file), texts(&file.warnings)), (7, vec![]));

    let file =
        read(r#"{"client": {"log_retention_days": 30}, "logs_store": {"retention_days": 7}}"#);
    assert_eq!(days(&file), 30);
    assert_eq!(
        texts(&file.warnings),
        ["logs_store.retention_days: has no effect: client.log_retention_days says 30"]
    );
}

#[test]
fn a_missing_file_is_none_and_broken_json_a_problem() {
    assert!(load(Path::new("/nowhere/config.json")).unwrap().is_none());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert!(load(&path).unwrap_err().to_string().contains("is not JSON"));
}
