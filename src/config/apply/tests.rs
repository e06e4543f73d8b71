use super::*;
use crate::config::json::{MeterUsage, virtual_key_to_json};
use serde_json::{Value, json};

fn ids() -> IdSource {
    IdSource::new(&Configuration::default())
}

fn input(body: &Value) -> VirtualKeyInput {
    VirtualKeyInput::from_json(body).unwrap()
}

fn create(body: &Value) -> VirtualKeyConfig {
    let mut input = input(body);
    input.id.get_or_insert("vk-prod".to_owned());
    apply_virtual_key(None, input, &mut ids(), 1).unwrap()
}

fn update(old: &VirtualKeyConfig, body: &Value) -> VirtualKeyConfig {
    apply_virtual_key(Some(old), input(body), &mut ids(), 2).unwrap()
}

fn problems(old: Option<&VirtualKeyConfig>, body: &Value) -> Vec<String> {
    let result = match VirtualKeyInput::from_json(body) {
        Ok(input) => apply_virtual_key(old, input, &mut ids(), 2).map(|_| ()),
        Err(problems) => Err(problems.0),
    };
    result.unwrap_err().iter().map(Problem::to_string).collect()
}

fn article() -> VirtualKeyConfig {
    create(&json!({
        "provider_configs": [
            {"provider": "openai", "weight": 0.5, "allowed_models": ["gpt-4o-mini"],
             "budget": {"max_limit": 100, "reset_duration": "1M"},
             "rate_limit": {"token_max_limit": 1000, "token_reset_duration": "1h",
                            "request_max_limit": 10, "request_reset_duration": "1m"}},
            {"provider": "google", "weight": 0.2, "allowed_models": ["gemini-1.5-flash"]},
        ],
        "budget": {"max_limit": 500.25, "reset_duration": "1M"},
    }))
}

#[test]
fn a_key_made_by_put_has_its_id_as_name_and_secret() {
    let key = article();
    assert_eq!((key.name.as_str(), key.secret_is_id), ("vk-prod", true));
    assert_eq!(key.secret_hash, secret_hash("vk-prod"));
    assert_eq!(key.budgets[0].max_limit, 500_250_000_000);
    let bindings = key.provider_configs.unwrap();
    assert_eq!(bindings[1].provider, "gemini");
    assert_eq!((bindings[0].id, bindings[1].id), (1, 2));
    assert_eq!(bindings[0].weight, Some(0.5));
}

#[test]
fn a_generated_secret_is_returned_once_and_kept_as_a_hash() {
    let mut input = input(&json!({"name": "prod"}));
    let secret = input.generate_value(&mut ids());
    assert!(secret.starts_with("sk-bf-"));
    let key = apply_virtual_key(None, input, &mut ids(), 1).unwrap();
    assert_eq!(key.secret_hash, secret_hash(&secret));
    assert!(!key.secret_is_id && !key.secret_masked.contains(&secret));
    assert_ne!(key.id, "prod");
}

#[test]
fn scalars_that_are_absent_stay() {
    let old = create(&json!({"name": "a", "description": "d", "is_active": false}));
    let new = update(&old, &json!({"description": "e"}));
    assert_eq!(new, VirtualKeyConfig { description: "e".into(), updated_at: 2, ..old });
}

#[test]
fn an_empty_budget_removes_it_and_missing_fields_keep_theirs() {
    let old = article();
    let new = update(&old, &json!({"budget": {"max_limit": 600}}));
    assert_eq!(new.budgets.len(), 1);
    assert_eq!(
        new.budgets[0],
        BudgetConfig { max_limit: 600_000_000_000, updated_at: 2, ..old.budgets[0].clone() }
    );
    assert!(update(&old, &json!({"budget": {}})).budgets.is_empty());
    assert!(update(&old, &json!({"budgets": []})).budgets.is_empty());
    assert_eq!(update(&old, &json!({"budget": null})).budgets, old.budgets);
}

#[test]
fn several_budgets_are_matched_by_id_or_window() {
    let old = create(&json!({"budgets": [
        {"max_limit": 1, "reset_duration": "1d"}, {"max_limit": 10, "reset_duration": "1M"}
    ]}));
    let new = update(
        &old,
        &json!({"budgets": [
            {"max_limit": 20, "reset_duration": "1M"}, {"max_limit": 5, "reset_duration": "1w"}
        ]}),
    );
    assert_eq!(new.budgets[0].id, old.budgets[1].id);
    assert!(old.budgets.iter().all(|budget| budget.id != new.budgets[1].id));
    let problems = problems(Some(&old), &json!({"budget": {"max_limit": 2}}));
    assert_eq!(problems, ["budget: several budgets are set; give all of them as `budgets`"]);
}

#[test]
fn both_spellings_may_come_back_when_they_agree() {
    let old = article();
    let usage = |_: &str| Some(MeterUsage { used: 5, window_start: 7 });
    let shown = virtual_key_to_json(&old, &usage, None);
    let echoed = update(&old, &shown);
    assert_eq!(echoed, VirtualKeyConfig { updated_at: 2, ..old.clone() });
    let mut shown = shown;
    shown["budget"]["max_limit"] = json!(1);
    assert_eq!(
        problems(Some(&old), &shown),
        ["budget: `budget` and `budgets` differ; give one of them"]
    );
}

#[test]
fn providers_are_replaced_and_keep_their_limits_by_id_or_name() {
    let old = article();
    let new = update(
        &old,
        &json!({"provider_configs": [
            {"provider": "gemini"},
            {"provider": "openai", "weight": null, "budget": {"max_limit": 50}},
            {"provider": "mistral"},
        ]}),
    );
    let (old, new) = (old.provider_configs.unwrap(), new.provider_configs.unwrap());
    assert_eq!((new[0].id, new[1].id), (old[1].id, old[0].id));
    assert_eq!(new[1].budgets[0].id, old[0].budgets[0].id);
    assert_eq!(new[1].budgets[0].max_limit, 50_000_000_000);
    assert_eq!(new[1].rate_limit, old[0].rate_limit);
    assert_eq!((new[1].weight, new[2].weight), (None, Some(1.0)));
    assert_eq!(new[0].allowed_models, AccessList::Unrestricted);
}

#[test]
fn null_providers_are_every_provider_and_none_are_none() {
    let old = article();
    assert_eq!(update(&old, &json!({"provider_configs": null})).provider_configs, None);
    assert_eq!(update(&old, &json!({"provider_configs": ["*"]})).provider_configs, None);
    let mixed = json!({"provider_configs": ["*", {"provider": "openai"}]});
    assert_eq!(problems(Some(&old), &mixed).len(), 2);
    assert_eq!(update(&old, &json!({"provider_configs": []})).provider_configs, Some(vec![]));
}

#[test]
fn a_rate_limit_changes_by_halves() {
    let old = create(&json!({"rate_limit": {
        "token_max_limit": 1000, "token_reset_duration": "1h",
        "request_max_limit": 10, "request_reset_duration": "1m",
    }}));
    let limit = old.rate_limit.clone().unwrap();
    let new = update(&old, &json!({"rate_limit": {"request_max_limit": 20}})).rate_limit.unwrap();
    assert_eq!(
        new,
        RateLimitConfig { request_max_limit: Some(20), updated_at: 2, ..limit.clone() }
    );
    let gone = json!({"rate_limit": {"request_max_limit": null, "request_reset_duration": null,
                                     "token_max_limit": 5}});
    let new = update(&old, &gone).rate_limit.unwrap();
    assert_eq!((new.id, new.request_max_limit), (limit.id, None));
    assert_eq!(update(&old, &json!({"rate_limit": {}})).rate_limit, None);
    assert_eq!(
        problems(Some(&old), &json!({"rate_limit": {"token_max_limit": 0}})),
        ["rate_limit.token_max_limit: must be above 0"]
    );
}

#[test]
fn a_limit_needs_its_duration_and_a_duration_its_limit() {
    let body = json!({"name": "a", "rate_limit": {"token_max_limit": 5}});
    assert_eq!(
        problems(None, &body),
        ["rate_limit.token_reset_duration: missing: a limit needs its duration"]
    );
    let body = json!({"name": "a", "rate_limit": {"token_reset_duration": "1h"}});
    assert_eq!(problems(None, &body).len(), 1);
}

#[test]
fn teams_and_customers_are_kept_set_or_detached() {
    let old = create(&json!({"team_id": "t"}));
    assert_eq!(update(&old, &json!({"name": "x"})).team_id.as_deref(), Some("t"));
    assert_eq!(update(&old, &json!({"team_id": null})).team_id, None);
    let moved = update(&old, &json!({"customer_id": "c"}));
    assert_eq!((moved.team_id, moved.customer_id.as_deref()), (None, Some("c")));
    assert_eq!(problems(Some(&old), &json!({"team_id": "a", "customer_id": "b"})).len(), 1);
}

#[test]
fn every_problem_is_named_with_its_path() {
    let body = json!({
        "name": "a",
        "budgett": {},
        "budget": {"max_limit": -1, "reset_duration": "1 month"},
        "provider_configs": [
            {"provider": "openai", "weight": -1, "allowed_models": ["*", "gpt-4o"]},
            {"weight": "x", "budget": {"max_limit": 1, "reset_duration": "5h", "calendar_aligned": 1}},
        ],
        "mcp_configs": [{"mcp_client_name": "weather"}],
    });
    assert_eq!(
        problems(None, &body),
        [
            "provider_configs[0].allowed_models: `*` is everything and cannot stand beside other entries",
            "provider_configs[0].weight: a weight is a number from 0 up",
            "provider_configs[1].provider: missing",
            "provider_configs[1].weight: must be a number, not a string",
            "provider_configs[1].budget.calendar_aligned: must be true or false, not a number",
            "budget.max_limit: must be above 0 dollars",
            "mcp_configs: `mcp_configs` is not supported yet",
            "budgett: unknown field `budgett`; did you mean `budget`?",
        ]
    );
    let body = json!({"name": "a", "budget": {"max_limit": 1, "reset_duration": "5h",
                                              "calendar_aligned": true}});
    assert!(problems(None, &body)[0].starts_with("budget.reset_duration: a calendar-aligned"));
    assert_eq!(problems(None, &json!({})), ["name: missing"]);
}

#[test]
fn a_value_stays_unless_a_new_one_is_given() {
    let old = create(&json!({"name": "a", "value": "sk-bf-0123456789"}));
    assert!(!old.secret_is_id);
    let masked = old.secret_masked.clone();
    assert_eq!(update(&old, &json!({"value": masked})).secret_hash, old.secret_hash);
    let new = update(&old, &json!({"value": "sk-bf-another-one"}));
    assert_eq!(new.secret_hash, secret_hash("sk-bf-another-one"));
    let mask = format!("sk-x{}abcd", "*".repeat(24));
    assert_eq!(problems(Some(&old), &json!({"value": mask})).len(), 1);
    assert_eq!(problems(Some(&old), &json!({"value": "env.X"})).len(), 1);
}

#[test]
fn what_is_shown_has_bifrost_s_shape() {
    let key = article();
    let usage = |id: &str| {
        let used = if id.ends_with(":tokens") { 7 } else { 1_500_000_000 };
        Some(MeterUsage { used, window_start: 1_764_547_200 })
    };
    let shown = virtual_key_to_json(&key, &usage, Some("secret"));
    assert_eq!(shown["value"], "secret");
    assert_eq!(shown["budget"]["current_usage"], 1.5);
    assert_eq!(shown["budget"]["last_reset"], "2025-12-01T00:00:00Z");
    assert_eq!(shown["budgets"][0], shown["budget"]);
    let openai = &shown["provider_configs"][0];
    assert_eq!(openai["rate_limit"]["token_current_usage"], 7);
    assert_eq!(openai["key_ids"], json!(["*"]));
    assert_eq!(openai["allowed_models"], json!(["gpt-4o-mini"]));
    assert_eq!(openai["virtual_key_id"], "vk-prod");
    let everything = virtual_key_to_json(&create(&json!({})), &usage, None);
    assert_eq!(everything["provider_configs"], json!(["*"]));
}

#[test]
fn the_id_of_a_limit_alone_limits_nothing_and_is_refused() {
    let body = json!({"name": "a", "budget_id": "b",
                      "provider_configs": [{"provider": "openai", "rate_limit_id": "r"}]});
    assert_eq!(
        problems(None, &body),
        [
            "provider_configs[0].rate_limit_id: sets no rate limit; give the `rate_limit` itself",
            "budget_id: sets no budget; give the `budget` itself",
        ]
    );
}
