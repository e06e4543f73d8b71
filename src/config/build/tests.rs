use super::*;
use crate::config::file::File;
use crate::provider::Proxy;
use serde_json::{Value, json};

fn snapshot(file: &Value, environment: &Environment) -> Result<Snapshot, Problems> {
    let configuration = File::from_json(file)?.into_configuration(environment)?;
    build(&configuration, &Catalog::builtin(), environment, 3)
}

fn empty() -> Environment {
    Environment::of(&[])
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn an_unset_variable_disables_its_key_only() {
    let file = json!({"providers": {"openai": {"keys": [
        {"name": "a", "value": "env.UNSET", "weight": 1}, {"name": "b", "value": "sk-b", "weight": 1},
    ]}}});
    let snapshot = snapshot(&file, &empty()).unwrap();
    let keys = &snapshot.provider("openai").unwrap().keys;
    assert_eq!((keys[0].enabled, keys[1].enabled), (false, true));
    assert_eq!(
        texts(&snapshot.warnings),
        [
            "providers.openai.keys[0].value: environment variable `UNSET` is not set; the key `a` is not used"
        ]
    );
}

#[test]
fn every_problem_at_once() {
    let file = json!({
        "providers": {
            "openai": {"keys": [{"name": "a", "value": ""}]},
            "groq": {"keys": [{"name": "a", "value": "x"}],
                     "network_config": {"base_url": "ftp://x", "extra_headers": {"bad name": "x"}}},
            "vllm": {},
            "mine": {},
            "azure": {},
            "own": {"custom_provider_config": {"base_provider_type": "openai",
                    "allowed_requests": {"chat": true}}},
        },
        "governance": {
            "auth_config": {"is_enabled": true, "admin_username": "admin", "admin_password": "env.NO"},
            "virtual_keys": [
                {"id": "a", "name": "n", "value": "same", "provider_configs": [
                    {"provider": "openai"}, {"provider": "openai"}]},
                {"id": "b", "name": "n", "value": "same"},
            ],
        },
    });
    let problems = snapshot(&file, &empty()).unwrap_err();
    assert_eq!(
        texts(&problems.0),
        [
            "governance.auth_config.admin_password: environment variable `NO` is not set",
            "providers.azure: the provider `azure` is not supported yet",
            "providers.groq.network_config.base_url: `ftp://x` is no http or https URL",
            "providers.groq.network_config.extra_headers.bad name: not a valid HTTP header",
            "providers.mine: no provider `mine` is known; a custom one needs a `custom_provider_config` with a `base_provider_type`",
            "providers.openai.keys[0].name: the name `a` is taken by another key",
            "providers.openai.keys[0].value: the key `a` has no value",
            "providers.own.network_config.base_url: `own` needs the URL of its API",
            "providers.own.custom_provider_config.allowed_requests.chat: no such operation",
            "providers.vllm.network_config.base_url: `vllm` needs the URL of its API",
            "governance.virtual_keys[a].provider_configs[1].provider: `openai` is listed twice",
            "governance.virtual_keys[b].name: the name `n` is taken by another virtual key",
            "governance.virtual_keys[b].value: another virtual key has the same value",
        ]
    );
}

#[test]
fn a_binding_passes_its_own_meters_and_the_key_s_in_the_order_of_ids() {
    let file = json!({"governance": {"virtual_keys": [{
        "id": "vk", "value": "s",
        "budget": {"id": "m", "max_limit": 5, "reset_duration": "1M"},
        "provider_configs": [{"provider": "openai",
            "budget": {"id": "a", "max_limit": 1, "reset_duration": "1d"},
            "rate_limit": {"id": "z", "token_max_limit": 9, "token_reset_duration": "1h"}}],
    }]}});
    let snapshot = snapshot(&file, &empty()).unwrap();
    let key = snapshot.virtual_key(&crate::config::secret_hash("s")).unwrap();
    let ids =
        |meters: &[MeterSpec]| meters.iter().map(|meter| meter.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&key.meters), ["m"]);
    let binding = &key.bindings.as_ref().unwrap()[0];
    assert_eq!(ids(&binding.meters), ["a", "m", "z:tokens"]);
    assert_eq!(&*binding.meters[0].scope, "openai");
    assert_eq!(&*binding.meters[1].scope, "virtual_key");
    assert_eq!(binding.meters[2].unit, Unit::Tokens);
    assert_eq!(snapshot.warnings.len(), 1, "openai is not configured");
}

#[test]
fn disjoint_models_are_a_split_and_shared_ones_are_not() {
    let split = |substitution: &str, models: &[&[&str]]| {
        let bindings: Vec<_> = models
            .iter()
            .zip(["openai", "anthropic", "gemini"])
            .map(|(models, provider)| json!({"provider": provider, "allowed_models": models}))
            .collect();
        let file = json!({"governance": {"virtual_keys": [{
            "id": "vk", "model_substitution": substitution, "provider_configs": bindings}]}});
        snapshot(&file, &empty()).unwrap().virtual_keys[0].split_across_models
    };
    assert!(split(
        "auto",
        &[&["gpt-4o-mini"], &["claude-3-5-haiku-20241022"], &["gemini-1.5-flash"]]
    ));
    assert!(!split("off", &[&["a"], &["b"]]));
    assert!(!split("auto", &[&["a"], &["a", "b"]]));
    assert!(!split("auto", &[&["a"], &["*"]]));
    assert!(!split("auto", &[&["a"], &[]]));
    assert!(!split("auto", &[&["a"]]));
}

#[test]
fn custom_and_self_hosted_providers() {
    let environment = Environment::of(&[("OLLAMA_HOST", "127.0.0.1:11434"), ("P", "p w")]);
    let file = json!({"providers": {
        "own": {"network_config": {"base_url": "https://llm.example/"},
                "proxy_config": {"type": "socks5", "url": "proxy:1080", "username": "u", "password": "env.P"},
                "custom_provider_config": {"base_provider_type": "openai", "is_key_less": true,
                    "allowed_requests": {"chat_completion": true, "embedding": false},
                    "request_path_overrides": {"chat_completion": "/chat"}}},
        "ollama": {"network_config": {"base_url": "env.OLLAMA_HOST"}},
    }});
    let snapshot = snapshot(&file, &environment).unwrap();
    let own = snapshot.provider("own").unwrap();
    assert_eq!(
        (own.base_url.as_str(), own.spec.name, own.keyless),
        ("https://llm.example", "openai", true)
    );
    assert_eq!(own.allowed_operations.as_ref().unwrap().len(), 1);
    assert_eq!(own.network.proxy, Some(Proxy::Url(Secret::new("socks5://u:p%20w@proxy:1080"))));
    assert_eq!(snapshot.provider("ollama").unwrap().base_url, "http://127.0.0.1:11434");
}

#[test]
fn the_environment_of_the_vendors_own_tools_is_understood() {
    let environment = Environment::of(&[
        ("ANTHROPIC_AUTH_TOKEN", "token"),
        ("GEMINI_API_KEY", "key"),
        ("GOOGLE_GEMINI_BASE_URL", "https://google.example/"),
        ("OPENAI_API_KEY", "sk-1"),
        ("OPENAI_ORG_ID", "org-1"),
    ]);
    let mut configuration = Configuration::default();
    for provider in environment.providers() {
        configuration.providers.insert(provider.name.clone(), Arc::new(provider));
    }
    let snapshot = build(&configuration, &Catalog::builtin(), &environment, 1).unwrap();
    let anthropic = snapshot.provider("anthropic").unwrap();
    assert_eq!(anthropic.keys[0].value.expose(), "Bearer token");
    let gemini = snapshot.provider("gemini").unwrap();
    assert_eq!(gemini.base_url, "https://google.example/v1beta");
    assert_eq!(gemini.keys[0].value.expose(), "key");
    let (name, value) = &snapshot.provider("openai").unwrap().network.extra_headers[0];
    assert_eq!((name.as_str(), value.as_bytes()), ("openai-organization", &b"org-1"[..]));
}

#[test]
fn time_outs_derive_from_the_requests() {
    let network = |more: Value| {
        let openai = json!({"keys": [{"name": "a", "value": "sk-1"}], "network_config": more});
        let snapshot = snapshot(&json!({"providers": {"openai": openai}}), &empty()).unwrap();
        snapshot.provider("openai").unwrap().network.clone()
    };
    let seconds = |network: &crate::provider::Network| {
        let all = [
            network.connect_timeout,
            network.header_timeout,
            network.stream_header_timeout,
            network.first_token_timeout,
            network.idle_timeout,
            network.total_timeout,
        ];
        all.map(|time| time.as_secs())
    };
    let plain = network(json!({}));
    assert_eq!(seconds(&plain), [10, 30, 60, 60, 60, 30]);
    assert_eq!(plain.stream_total_timeout, None);
    let short = network(json!({"default_request_timeout_in_seconds": 1}));
    assert_eq!(seconds(&short), [10, 1, 2, 2, 60, 1]);
    let all = network(json!({
        "connect_timeout_in_seconds": 1,
        "header_timeout_in_seconds": 2,
        "first_token_timeout_in_seconds": 3,
        "stream_idle_timeout_in_seconds": 4,
        "total_timeout_in_seconds": 5,
        "stream_total_timeout_in_seconds": 6,
    }));
    assert_eq!(seconds(&all), [1, 2, 2, 3, 4, 5]);
    assert_eq!(all.stream_total_timeout.map(|time| time.as_secs()), Some(6));
}
