//! Streams never lie: what broke off is not ended as if it were complete.

use crate::support::Gateway;
use mock_provider::Rule;

#[tokio::test]
async fn a_stream_that_breaks_off_ends_in_an_error() {
    let gateway = Gateway::start().await;
    for (provider, model) in [
        ("openai", "openai/gpt-4o-mini"),
        ("anthropic", "anthropic/claude-haiku-4-5"),
        ("gemini", "gemini/gemini-2.5-flash"),
    ] {
        gateway.mock.clear();
        gateway.mock.script(Rule::for_provider(provider).words(50).cut_after_events(20));
        let ask = format!(
            r#"{{"model":"{model}","stream":true,"stream_options":{{"include_usage":true}},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let answer = gateway.chat(ask).await;
        assert_eq!(answer.status, 200);
        let (chunks, done) = answer.chunks();
        assert!(!done, "{provider}: [DONE] after a stream that broke off");
        let last = chunks.last().unwrap();
        assert_eq!(last["error"]["code"], "stream_truncated", "{provider}: {last}");
        assert!(chunks.iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_usage_chunk_comes_once_and_only_when_asked() {
    let gateway = Gateway::start().await;
    for model in ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"] {
        for asked in [true, false] {
            let options = if asked { r#","stream_options":{"include_usage":true}"# } else { "" };
            let ask = format!(
                r#"{{"model":"{model}","stream":true{options},"messages":[{{"role":"user","content":"hi"}}]}}"#
            );
            let (chunks, done) = gateway.chat(ask).await.chunks();
            assert!(done);
            let with_usage = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
            assert_eq!(with_usage, usize::from(asked), "{model}");
            let last = chunks.last().unwrap();
            assert!(last["extra_fields"]["cost"].is_number(), "{model}: {last}");
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn every_cut_of_the_wire_gives_the_same_stream() {
    let gateway = Gateway::start().await;
    let text = |answer: &crate::support::Answer| -> String {
        let (chunks, done) = answer.chunks();
        assert!(done);
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect()
    };
    for model in ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"] {
        let ask = format!(
            r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"grüße 😀"}}]}}"#
        );
        gateway.mock.clear();
        let whole = text(&gateway.chat(ask.clone()).await);
        for size in [1, 3, 7] {
            gateway.mock.clear();
            gateway.mock.script(Rule::default().chunk_bytes(size));
            assert_eq!(
                text(&gateway.chat(ask.clone()).await),
                whole,
                "{model} in pieces of {size}"
            );
        }
    }
    gateway.stop().await;
}
