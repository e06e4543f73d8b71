use super::*;
use crate::config::entity::Configuration;
use crate::config::json::provider_to_json;
use serde_json::{Value, json};

fn apply(old: Option<&ProviderConfig>, body: &Value) -> Result<ProviderConfig, Vec<String>> {
    let texts = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
    let input = ProviderInput::from_json(body).map_err(|problems| texts(problems.0))?;
    apply_provider(old, input, &mut IdSource::new(&Configuration::default())).map_err(texts)
}

fn openai() -> ProviderConfig {
    apply(
        None,
        &json!({"provider": "openai", "keys": [
            {"name": "a", "value": "sk-1-not-for-show-abcd", "weight": 0.7, "models": ["gpt-4o"]},
            {"name": "b", "value": "env.OPENAI_API_KEY"},
        ]}),
    )
    .unwrap()
}

#[test]
fn a_new_provider_has_the_defaults() {
    let provider = openai();
    assert_eq!((provider.concurrency, provider.buffer_size), (1000, 5000));
    assert_eq!(provider.keys[0].value, SecretRef::Value("sk-1-not-for-show-abcd".into()));
    assert_eq!(provider.keys[1].value, SecretRef::Env("OPENAI_API_KEY".into()));
    assert_eq!((provider.keys[0].weight, provider.keys[1].weight), (0.7, 1.0));
    assert_eq!(apply(None, &json!({"provider": "google"})).unwrap().name, "gemini");
    assert_eq!(apply(None, &json!({})).unwrap_err(), ["provider: missing"]);
}

#[test]
fn what_was_shown_may_be_sent_back() {
    let mut old = openai();
    old.network.extra_headers.insert("x-a".into(), SecretRef::Value("0123-nor-this-9abc".into()));
    old.proxy = Some(ProxyConfig {
        kind: "http".into(),
        url: SecretRef::Value("http://proxy:3128".into()),
        username: SecretRef::Value("user".into()),
        password: SecretRef::Value("a long password".into()),
    });
    let shown = provider_to_json(&old);
    let text = shown.to_string();
    // Words, which no id that is drawn can contain.
    for secret in ["not-for-show", "nor-this", "long password"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(apply(Some(&old), &shown).unwrap(), old);
}

#[test]
fn an_object_that_is_given_is_the_whole_of_it() {
    let network = json!({"base_url": "http://a", "default_request_timeout_in_seconds": 1,
        "max_retries": 3, "extra_headers": {"x-a": "secret value 1"}});
    let proxy = json!({"type": "http", "url": "http://proxy:3128", "username": "user",
        "password": "a long password"});
    let old = apply(
        Some(&openai()),
        &json!({"network_config": network, "proxy_config": proxy,
            "concurrency_and_buffer_size": {"concurrency": 3, "buffer_size": 4}}),
    )
    .unwrap();

    let same = apply(Some(&old), &json!({"send_back_raw_request": false})).unwrap();
    assert_eq!(same, old);

    let body = json!({"network_config": {"base_url": "http://b"},
        "concurrency_and_buffer_size": {"concurrency": 7}});
    let new = apply(Some(&old), &body).unwrap();
    let base_url = "http://b".to_owned();
    assert_eq!(new.network, NetworkConfig { base_url, ..NetworkConfig::default() });
    assert_eq!((new.concurrency, new.buffer_size), (7, 5000));
    assert_eq!((new.proxy, new.keys), (old.proxy.clone(), old.keys.clone()));

    let masked = provider_to_json(&old)["network_config"]["extra_headers"].clone();
    let body = json!({"network_config": {"base_url": "http://b", "extra_headers": masked}});
    let new = apply(Some(&old), &body).unwrap();
    assert_eq!(new.network.extra_headers, old.network.extra_headers);
}

#[test]
fn a_password_stays_with_its_proxy() {
    let old = json!({"proxy_config": {"type": "http", "url": "http://a:1", "username": "user",
        "password": "a long password"}});
    let old = apply(Some(&openai()), &old).unwrap();
    let password = |proxy: Value| {
        let new = apply(Some(&old), &json!({"proxy_config": proxy})).unwrap();
        new.proxy.unwrap().password
    };
    let kept = SecretRef::Value("a long password".into());
    assert_eq!(password(json!({"type": "http", "url": "http://a:1", "username": "user"})), kept);
    let other = json!({"type": "http", "url": "http://evil:1", "username": "user"});
    assert_eq!(password(other), SecretRef::None);
    let mask = old.proxy.as_ref().unwrap().password.masked();
    for (url, user) in [("http://evil:1", "user"), ("http://a:1", "other")] {
        let masked = json!({"type": "http", "url": url, "username": user, "password": mask});
        let problems = apply(Some(&old), &json!({"proxy_config": masked})).unwrap_err();
        let why =
            "proxy_config.password: is the masked form of a password that was given for another";
        assert!(problems.len() == 1 && problems[0].starts_with(why), "{problems:?}");
    }
    let removed = json!({"type": "http", "url": "http://a:1", "username": "user", "password": ""});
    assert_eq!(password(removed), SecretRef::None);
}

#[test]
fn keys_are_kept_when_absent_and_replaced_when_given() {
    let old = openai();
    let new = apply(Some(&old), &json!({"send_back_raw_request": true})).unwrap();
    assert_eq!(new.keys, old.keys);
    let body = json!({"keys": [{"name": "b", "weight": 0}, {"name": "c", "value": "sk-c"}]});
    let new = apply(Some(&old), &body).unwrap();
    assert_eq!(new.keys[0], KeyConfig { weight: 0.0, ..old.keys[1].clone() });
    assert_eq!(new.keys.len(), 2);
    let body = json!({"keys": [{"id": old.keys[0].id, "name": "renamed"}]});
    let new = apply(Some(&old), &body).unwrap();
    assert_eq!(new.keys, [KeyConfig { name: "renamed".into(), ..old.keys[0].clone() }]);
}

#[test]
fn an_unknown_mask_is_no_secret() {
    let mask = format!("sk-9{}zzzz", "*".repeat(24));
    let body = json!({"keys": [{"name": "a", "value": mask}, {"name": "n", "value": "********"}]});
    let problems = apply(Some(&openai()), &body).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(problems[0].starts_with("keys[0].value: is the masked form"));
}

#[test]
fn fields_without_effect_are_accepted_and_others_refused() {
    let accepted = json!({"provider": "openai", "pricing_overrides": [], "openai_config": {},
        "store_raw_request_response": true, "provider_status": "active", "config_hash": "x",
        "keys": [{"name": "a", "value": "v", "azure_key_config": {"endpoint": ""},
                  "use_for_batch_api": true, "bedrock_key_config": null}],
        "network_config": {"beta_header_overrides": {}}});
    apply(None, &accepted).unwrap();
    let refused = json!({"provider": "openai", "pricing_overrides": [{"model_pattern": "*"}],
        "keys": [{"name": "a", "value": "v", "azure_key_config": {"endpoint": "https://x"}, "wieght": 1}],
        "network_config": {"max_retrys": 1, "retry_backoff_max": 10, "default_request_timeout_in_seconds": "30"}});
    assert_eq!(
        apply(None, &refused).unwrap_err(),
        [
            "keys[0].azure_key_config: `azure_key_config` is not supported yet",
            "keys[0].wieght: unknown field `wieght`; did you mean `weight`?",
            "network_config.default_request_timeout_in_seconds: must be a whole number from 0 up, not a string",
            "network_config.retry_backoff_max: must be 100 to 1000000 milliseconds",
            "network_config.max_retrys: unknown field `max_retrys`; did you mean `max_retries`?",
            "pricing_overrides: `pricing_overrides` is not supported yet",
        ]
    );
}

#[test]
fn a_url_per_key_is_the_provider_s_url() {
    let body = json!({"provider": "ollama", "keys": [
        {"name": "a", "ollama_key_config": {"url": "http://127.0.0.1:11434"}}]});
    assert_eq!(apply(None, &body).unwrap().network.base_url, "http://127.0.0.1:11434");
    let body = json!({"provider": "ollama", "keys": [
        {"name": "a", "ollama_key_config": {"url": "http://a"}},
        {"name": "b", "ollama_key_config": {"url": "http://b"}}]});
    assert_eq!(apply(None, &body).unwrap_err().len(), 1);
}

#[test]
fn a_proxy_of_type_none_is_none() {
    let body = json!({"provider": "openai", "proxy_config": {"type": "none", "url": ""}});
    assert_eq!(apply(None, &body).unwrap().proxy, None);
    let body = json!({"provider": "openai", "proxy_config": {"type": "ftp", "url": "x"}});
    assert_eq!(apply(None, &body).unwrap_err().len(), 1);
}
