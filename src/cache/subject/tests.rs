use super::normal::{SLACK, escape, fold, fold_each, fold_simple, normalise};
use super::*;
use crate::cache::SECRET;
use crate::cache::digest::fixture::with_and_without_gmac;
use crate::cache::policy::fixture::policy;
use crate::dialect::ClientDialect;
use crate::dialect::openai_chat::OpenaiChat;
use crate::dialect::openai_chat::raw::RawRequest;
use crate::llm::Extra;
use crate::llm::{Operation, Wire};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static OWN: LazyLock<Digests> = LazyLock::new(|| Digests::of_secret(&[1; SECRET]));

fn asking(policy: &Policy) -> Asking<'_> {
    let (provider, model, embedding_model) = ("openai", "gpt-4o-mini", "minilm");
    Asking { policy, digests: &OWN, provider, model, embedding_model }
}

fn request(body: &Value) -> Request {
    let body = body.to_string();
    OpenaiChat.decode_request(Operation::Chat, body.as_bytes()).unwrap()
}

fn subject(body: &Value) -> Result<Subject, Bypass> {
    Subject::of(&request(body), &asking(&policy()))
}

fn place(body: &Value) -> Place {
    subject(body).unwrap().place
}

fn chat(text: &str) -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]})
}

#[test]
fn case_white_space_and_how_it_is_delivered_make_no_other_request() {
    let first = place(&chat("When are you open?"));
    assert_eq!(place(&chat("  when ARE   you open?\n")), first);
    let mut other = chat("When are you open?");
    other["stream"] = json!(true);
    other["stream_options"] = json!({"include_usage": true});
    other["metadata"] = json!({"run": "7"});
    other["messages"][0]["content"] = json!([{"type": "text", "text": "When are you open?"}]);
    assert_eq!(place(&other), first);
}

#[test]
fn white_space_of_code_counts() {
    let code = |indent: &str| place(&chat(&format!("What does this print?\n{indent}print(1)")));
    assert_ne!(code("  ").fingerprint, code("    ").fingerprint);
}

#[test]
fn another_question_is_another_request_in_the_same_place() {
    let (first, second) = (place(&chat("When are you open?")), place(&chat("Where are you?")));
    assert_ne!(first.fingerprint, second.fingerprint);
    assert_eq!(first.partition, second.partition);
}

#[test]
fn every_parameter_and_everything_said_before_is_a_hard_filter() {
    let first = place(&chat("When are you open?"));
    let changes = [
        ("temperature", json!(0.5)),
        ("top_p", json!(0.5)),
        ("max_tokens", json!(10)),
        ("seed", json!(1)),
        ("stop", json!(["x"])),
        ("user", json!("someone")),
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", json!(0.5)),
        ("response_format", json!({"type": "json_object"})),
        ("reasoning_effort", json!("low")),
        ("verbosity", json!("low")),
        ("web_search_options", json!({})),
    ];
    let mut seen = vec![first];
    for (name, value) in changes {
        let mut other = chat("When are you open?");
        other[name] = value;
        let place = place(&other);
        assert!(!seen.iter().any(|one| one.partition == place.partition), "{name}");
        seen.push(place);
    }
    let mut other = chat("When are you open?");
    let messages = other["messages"].as_array_mut().unwrap();
    messages.insert(0, json!({"role": "system", "content": "You are a bank."}));
    assert_ne!(place(&other).partition, first.partition);
}

#[test]
fn scope_key_provider_model_and_embedding_model_are_hard_filters() {
    let request = request(&chat("When are you open?"));
    let place = |asking: Asking| Subject::of(&request, &asking).unwrap().place;
    let usual = policy();
    let first = place(asking(&usual));
    let scope = Policy { scope: "virtual_key:b".into(), ..policy() };
    let key = Policy { cache_key: "b".into(), ..policy() };
    for other in [
        asking(&scope),
        asking(&key),
        Asking { provider: "anthropic", ..asking(&usual) },
        Asking { model: "gpt-4o", ..asking(&usual) },
    ] {
        assert_ne!(place(other).partition, first.partition);
        assert_ne!(place(other).fingerprint, first.fingerprint);
    }
    let other = place(Asking { embedding_model: "other", ..asking(&usual) });
    assert_ne!(other.partition, first.partition);
    assert_eq!(other.fingerprint, first.fingerprint, "an exact hit needs no embedding");
    let none = place(Asking { embedding_model: "", ..asking(&usual) });
    assert_eq!((none.partition, none.fingerprint), (Partition([0; 16]), first.fingerprint));
    // Lengths stand before texts, so that nothing can be moved from one filter to the next.
    let shifted = Policy { scope: "virtual_key:".into(), cache_key: "a".into(), ..policy() };
    assert_ne!(place(asking(&shifted)).partition, first.partition);
}

#[test]
fn what_is_not_cached_unless_asked_for_says_why() {
    let with = |name: &str, value: Value| {
        let mut body = chat("When are you open?");
        body[name] = value;
        subject(&body).err()
    };
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    assert_eq!(with("tools", tool), Some(Bypass::Tools));
    assert_eq!(with("temperature", json!(1.2)), Some(Bypass::Temperature));
    assert_eq!(with("temperature", json!(0.7)), None);
    assert_eq!(with("n", json!(2)), Some(Bypass::Choices));
    assert_eq!(with("logprobs", json!(true)), Some(Bypass::Logprobs));
    let turn = json!({"role": "user", "content": "And on Sunday?"});
    assert_eq!(with("messages", json!([turn, turn, turn, turn])), Some(Bypass::History));
    assert_eq!(with("messages", json!([{"role": "user", "content": "  "}])), Some(Bypass::Empty));
}

#[test]
fn a_picture_is_answered_exactly_or_not_at_all() {
    let picture = |url: &str| {
        let parts = json!([{"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": url}}]);
        json!({"model": "m", "messages": [{"role": "user", "content": parts}]})
    };
    let cat = subject(&picture("https://example.com/cat.png")).unwrap();
    assert_eq!(cat.question(), Question::NONE);
    let (cat, dog) = (
        place(&picture("https://example.com/cat.png")),
        place(&picture("https://example.com/dog.png")),
    );
    assert_ne!(cat.fingerprint, dog.fingerprint);
    assert_ne!(cat.partition, dog.partition);
}

#[test]
fn texts_to_embed_are_compared_as_they_are() {
    let place = |text: &str| {
        let body = json!({"model": "m", "input": text}).to_string();
        let request = OpenaiChat.decode_request(Operation::Embedding, body.as_bytes()).unwrap();
        Subject::of(&request, &asking(&policy())).unwrap().place
    };
    assert_eq!(place("One"), place("One"));
    assert_ne!(place("One").fingerprint, place("one").fingerprint);
}

/// What is a hard filter of a request, as text that tries to look like its neighbour.
fn filters() -> impl Strategy<Value = [String; 7]> {
    let text = || prop_oneof!["", "[ab:]{1,3}", "virtual_key:[ab]", "system", "user", "stop"];
    [text(), text(), text(), text(), text(), text(), text()]
}

fn placed([scope, key, provider, model, system, user, stop]: &[String; 7]) -> Place {
    let text = |text: &str| Message {
        role: Role::User,
        parts: vec![Part::text(text)],
        name: None,
        extra: Extra::default(),
    };
    let instructions = Message { role: Role::System, ..text(system) };
    let chat = ChatRequest {
        messages: vec![instructions, text("When are you open?")],
        user: Some(user.clone()).filter(|user| !user.is_empty()),
        stop: vec![stop.clone()],
        ..ChatRequest::default()
    };
    let request = Request::Chat(Box::new(chat));
    let policy =
        Policy { scope: scope.as_str().into(), cache_key: key.as_str().into(), ..policy() };
    Subject::of(&request, &Asking { provider, model, ..asking(&policy) }).unwrap().place
}

proptest! {
    #[test]
    fn two_requests_share_a_place_only_if_every_filter_is_equal(one in filters(), other in filters()) {
        let (first, second) = (placed(&one), placed(&other));
        prop_assert_eq!(first.partition == second.partition, one == other);
        prop_assert_eq!(first.fingerprint == second.fingerprint, one == other);
        prop_assert_eq!(placed(&one), first);
    }
}

#[test]
fn a_question_cannot_be_written_so_that_it_looks_like_a_conversation() {
    let message = |role, name: Option<&str>, text: &str| Message {
        role,
        parts: vec![Part::text(text)],
        name: name.map(str::to_owned),
        extra: Extra::default(),
    };
    let place = |messages: Vec<Message>| {
        let chat = ChatRequest { messages, ..ChatRequest::default() };
        Subject::of(&Request::Chat(Box::new(chat)), &asking(&policy())).unwrap().place
    };
    let long = "x".repeat(2_100);
    let mut said = message(Role::Assistant, None, "It opens at nine.");
    let Value::Object(fields) = json!({"a": [], "b": {}}) else { panic!("an object") };
    said.extra = Extra::new(Wire::OpenaiChat, fields);
    let conversation = place(vec![said, message(Role::User, None, &long)]);
    // What stands behind the assistant's empty name and the first byte of the count of its fields.
    let mut bytes = vec![0; 7];
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    bytes.extend(["a", "[]", "b", "{}"].map(text).concat());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(["text", "It opens at nine.", ""].map(text).concat());
    bytes.extend(0_u64.to_le_bytes());
    bytes.push(2);
    bytes.extend_from_slice(long.as_bytes());
    let question = String::from_utf8(bytes).unwrap();
    let alone = place(vec![message(Role::User, Some("assistant"), &question)]);
    assert_ne!(alone.fingerprint, conversation.fingerprint);
}

#[test]
fn who_asks_belongs_to_the_question() {
    let named = |name: &str| {
        let mut body = chat("What is my name?");
        body["messages"][0]["name"] = json!(name);
        place(&body)
    };
    assert_eq!(named("Alice"), named("Alice"));
    assert_ne!(named("Alice").fingerprint, named("Bob").fingerprint);
    assert_ne!(named("Alice").partition, named("Bob").partition);
}

#[test]
fn what_only_some_vendors_know_is_a_filter_too() {
    let with = |name: &str, value: Value| {
        let mut body = chat("When are you open?");
        body[name] = value;
        place(&body).partition
    };
    let reasoning = |value: Value| with("reasoning", value);
    assert_ne!(reasoning(json!({"enabled": true})), reasoning(json!({"enabled": false})));
    let schema = |text: &str| {
        let schema = json!({"name": "a", "description": text, "schema": {"type": "object"}});
        with("response_format", json!({"type": "json_schema", "json_schema": schema}))
    };
    assert_ne!(schema("one"), schema("two"));
    let mut old = chat("What is the weather?");
    old["functions"] = json!([{"name": "weather"}]);
    assert_eq!(subject(&old).err(), Some(Bypass::Tools));
}

#[test]
fn a_long_question_is_answered_exactly_or_not_at_all() {
    let long = "word ".repeat(500);
    let read = subject(&chat(&long)).unwrap();
    assert_eq!(read.question(), Question::NONE);
    assert_eq!(place(&chat(&long)), place(&chat(&format!(" {long}\n"))));
    assert_ne!(
        place(&chat(&long)).fingerprint,
        place(&chat(&long.replacen("word", "Word", 1))).fingerprint
    );
}

/// Names that stores have: the first half of BLAKE3 where nodes share them, and those of a secret with and without
/// GMAC.
#[test]
fn names_of_long_requests_stay_as_they_are() {
    let [fast, plain] = with_and_without_gmac(7);
    let policy = policy();
    let said = |system: &str, question: &str| {
        let system = json!({"role": "system", "content": system});
        let question = json!({"role": "user", "content": question});
        let body = json!({"model": "gpt-4o-mini", "messages": [system, question]}).to_string();
        let request = RawRequest::parse(Operation::Chat, body.into()).unwrap();
        [&Digests::Shared, &plain, &fast].map(|digests| {
            let asking = Asking { digests, ..asking(&policy) };
            let outline = request.outline().unwrap();
            let subject = Subject::of_outline(outline, &asking).unwrap().unwrap();
            subject.place.fingerprint.to_id()
        })
    };
    let (brief, long) = ("Be brief.", "a".repeat(2_048));
    let shared = "965adc5c-31fd-4176-f542-8b36e1a4bd3d";
    let own = "1674e318-6db4-d0ff-7cba-bbc7f30b36c0";
    assert_eq!(said(brief, &long[..2_001]), [shared, own, own]);
    let shared = "61a5c645-69dc-520d-f418-6b0463e8eae2";
    let own = ["6f26b5f6-06b5-b689-9ba2-a0dade7e1220", "225370aa-d952-5ee7-48cd-50c914247590"];
    assert_eq!(said(brief, &long), [shared, own[0], own[1]]);
    let shared = "d516c2ce-b2b2-d505-f07a-937932b816c3";
    let own = ["aa535c2f-4c8e-52cc-21f9-3925d21ec13b", "9adc4836-9070-38a1-eb37-7f309e910aea"];
    assert_eq!(said(&long, "When?"), [shared, own[0], own[1]]);
}

#[test]
fn all_counts_that_was_said_before_however_long_it_is() {
    let ask = |system: &str, question: &str| {
        let body = json!({"model": "m", "messages": [
            {"role": "system", "content": system}, {"role": "user", "content": question},
        ]});
        [subject(&body).unwrap(), outlined(&body.to_string()).unwrap().unwrap()]
    };
    let long = "a".repeat(1 << 20);
    let (first, other) = (ask(&long, "When?"), ask(&long.replacen('a', "b", 1), "When?"));
    for (first, other) in first.iter().zip(&other) {
        assert_ne!(first.place.partition, other.place.partition);
        assert_ne!(first.place.fingerprint, other.place.fingerprint);
    }
    for (first, other) in first.iter().zip(ask(&long, "Where?")) {
        assert_eq!(first.place.partition, other.place.partition);
        assert_ne!(first.place.fingerprint, other.place.fingerprint);
    }
}

fn plainly_normalised(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

proptest! {
    #[test]
    fn normalising_is_folding_case_and_white_space(text in "[a-zA-ZÄßΣσ .\t\n\u{b}\u{a0}\u{3000}]{0,60}") {
        let is_code = text.trim().lines().any(|line| line.starts_with([' ', '\t']));
        let expected = if is_code { text.trim().to_owned() } else { plainly_normalised(&text) };
        let mut bytes = Vec::new();
        normalise(&text, |part| bytes.extend_from_slice(part));
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}

/// What the quick way makes of a question in JSON, which is the same byte by byte and 64 at once, and what every other
/// question is made.
fn both_ways(json: &str) -> (Option<Vec<u8>>, Vec<u8>) {
    let (mut room, mut other) = (vec![0xff; json.len() + SLACK], vec![0xff; json.len()]);
    let one_by_one = fold_each(json.as_bytes(), &mut other).map(|end| &other[..end]);
    let at_once = fold(json.as_bytes(), &mut room).map(|end| &room[..end]);
    assert_eq!(one_by_one, at_once, "{json:?}");
    let text: String = serde_json::from_str(&format!("\"{json}\"")).unwrap();
    assert_eq!(Question::Json(json.as_bytes()).text(), text);
    let mut expected = Vec::new();
    normalise(&text, |part| escape(part, |part| expected.extend_from_slice(part)));
    (fold_simple(json.as_bytes(), &mut room).map(<[u8]>::to_vec), expected)
}

proptest! {
    #[test]
    fn what_is_simple_is_normalised_as_everything_else(
        words in prop::collection::vec(prop_oneof![
            30 => "[a-zA-Z0-9.~/@\\[{]{1,9}", 10 => "[\"\\\\]{1,3}", 1 => "[`\u{e9}\u{1}\u{8}\u{c}]",
        ], 0..90),
        spaces in prop::collection::vec(prop_oneof![
            20 => "[ \n]?", 1 => "[ \n]{0,2}|[ \r\n\t]{1,2}",
        ], 1..9),
        first in "[ \n\t]?",
        (slash, letters) in (any::<bool>(), prop::bool::weighted(0.1)),
    ) {
        let mut text = first;
        for (number, word) in words.iter().enumerate() {
            text.push_str(word);
            text.push_str(&spaces[number % spaces.len()]);
        }
        let mut json = json!(text).to_string();
        if slash {
            json = json.replace('/', "\\/");
        }
        if letters {
            json = json.replace('~', "\\u007e");
        }
        let (folded, expected) = both_ways(&json[1..json.len() - 1]);
        if let Some(folded) = folded {
            prop_assert_eq!(folded, expected);
        } else {
            let odd = text.trim().is_empty() || text.contains("  ");
            let odd = odd || text.contains(['`', '\u{e9}', '\u{1}', '\u{8}', '\u{c}']);
            let gaps = ["\n ", "\t ", "\r ", "\t\t", "\n\t", "\r\t"];
            let odd = odd || gaps.iter().any(|two| text.contains(two));
            prop_assert!(odd || letters && text.contains('~'), "{text:?}");
        }
    }
}

#[test]
fn what_is_looked_at_together_is_folded_as_byte_by_byte() {
    let pieces = [
        " ",
        "  ",
        " a ",
        "A",
        "Z",
        "[",
        "@",
        "{",
        "`",
        "```",
        "```A  b",
        "\u{7f}",
        "\u{e9}",
        "\\\"",
        "\\\\",
        "\\\\n",
        "\\\\\\n",
        "\\/",
        "\\/ ",
        "\\n",
        " \\n",
        "\\n ",
        "\\n A",
        "\\n\\n",
        "\\n\\tA",
        "\\r\\n",
        " \\t",
        "\\b",
        "\\f",
        "\\u0041",
        "\\\"\\n\\\"",
        " \\\" ",
    ];
    let mut folded = 0;
    for before in (0..4).chain(58..68).chain(122..132) {
        for (first, second) in pieces.iter().flat_map(|one| pieces.map(|two| (*one, two))) {
            for (between, after) in [(0, 0), (1, 70), (60, 1), (62, 3)] {
                let a = |count| "a".repeat(count);
                let json = [&a(before), first, &a(between), second, &a(after)].concat();
                if let (Some(quick), other) = both_ways(&json) {
                    assert_eq!(quick, other, "{json:?}");
                    assert!(!quick.is_empty(), "{json:?}");
                    folded += 1;
                }
            }
        }
    }
    assert!(folded > 20_000, "{folded}");
}

#[test]
fn a_question_is_the_same_however_its_letters_are_written() {
    let ask = |json: &str| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{json}"}}]}}"#);
        outlined(&body).map(|subject| subject.unwrap().place)
    };
    for (usual, other) in [
        (r#"Say \"Hi\" \\ now"#, r#"\u0053ay \u0022hi\" \\ now "#),
        (r"a\\n\nb", r"\u0061\\n \nb"),
        (r"a/b", r"A\/\u0062"),
    ] {
        assert_eq!(ask(usual).unwrap(), ask(other).unwrap(), "{usual} {other}");
    }
    // What is escaped in one is written out in the other.
    assert_ne!(ask(r#"a\"b"#).unwrap(), ask(r#"\u0061\\\"b"#).unwrap());
    assert_ne!(ask(r#"\u0061\"b"#).unwrap(), ask(r#"a\\\"b"#).unwrap());
    assert_ne!(ask(r"a\nb").unwrap(), ask(r"a\\nb").unwrap());
    assert_eq!(ask(" ").unwrap_err(), Bypass::Empty);
    assert_eq!(ask(r"\n").unwrap_err(), Bypass::Empty);
}

#[test]
fn however_messages_are_written_they_are_told_apart() {
    let body = |messages: &str| format!(r#"{{"model":"m","messages":[{messages}]}}"#);
    let usual = r#"{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"When?"}"#;
    let place = |messages: &str| outlined(&body(messages)).unwrap().unwrap().place;
    let spaced = usual.replace(':', ": ").replace("\",\"", "\", \"").replace("},{", "}, {");
    assert_ne!(spaced, usual);
    assert_eq!(place(&spaced), place(usual));
    let turned = r#"{"content":"Be \"brief\".","role":"system"},{"content":"When?","role":"user"}"#;
    assert_eq!(place(turned), place(usual));
    for (from, to) in [
        ("When", "Where"),
        ("brief", "bright"),
        ("system", "developer"),
        ("\"}", "\",\"name\":\"Bo\"}"),
    ] {
        let other = usual.replacen(from, to, 1);
        assert_ne!(place(&other).partition == place(usual).partition, from != "When", "{other}");
        assert_ne!(place(&other).fingerprint, place(usual).fingerprint, "{other}");
    }
}

/// What the request in pieces says of itself.
fn outlined(body: &str) -> Result<Option<Subject>, Bypass> {
    let request = RawRequest::parse(Operation::Chat, body.to_owned().into()).unwrap();
    Subject::of_outline(request.outline().unwrap(), &asking(&policy()))
}

#[test]
fn a_parameter_that_stands_twice_is_looked_at_more_closely() {
    let messages = r#""model":"m","messages":[{"role":"user","content":"When?"}]"#;
    let once = format!(r#"{{{messages},"seed":1,"top_p":1}}"#);
    assert!(outlined(&once).unwrap().is_some());
    let twice = format!(r#"{{{messages},"seed":1,"seed":2}}"#);
    assert!(outlined(&twice).unwrap().is_none());
}

#[test]
fn how_long_a_question_is_does_not_depend_on_how_it_is_written() {
    let question = |text: &str| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        outlined(&body).unwrap().unwrap().question().text().into_owned()
    };
    assert_eq!(question(&"\\u4e2d".repeat(600)).chars().count(), 600);
    assert_eq!(question(&"\\n\\u0041".repeat(900)).len(), 1_800);
    assert_eq!(&*question(&"a".repeat(2_001)), "");
    assert_eq!(&*question(&"\\u0041".repeat(2_001)), "");
    for (piece, most) in [("\\\"a", 1_000), ("word\\nx", 333), ("aaaa aaaa\\na", 181)] {
        let unescaped = piece.len() - 1;
        assert_eq!(question(&piece.repeat(most)).len(), unescaped * most, "{piece}");
        assert_eq!(&*question(&piece.repeat(most + 1)), "", "{piece}");
    }
}
