//! Writing rules in code: `Rule::for_provider("openai").status(429).retry_after(2.0)`.

use serde_json::Value;

use crate::rule::{Finish, Rule, ToolCall, UsageSpec};

impl Rule {
    /// A rule for every request, with the default answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A rule for the requests of one provider label.
    pub fn for_provider(label: impl Into<String>) -> Self {
        Self::new().when_provider(label)
    }

    /// A rule for the requests with one credential.
    pub fn for_key(key: impl Into<String>) -> Self {
        Self::new().when_key(key)
    }

    /// A rule for the requests for one model.
    pub fn for_model(model: impl Into<String>) -> Self {
        Self::new().when_model(model)
    }

    /// Only requests of this provider label.
    #[must_use]
    pub fn when_provider(mut self, label: impl Into<String>) -> Self {
        self.when.provider = Some(label.into());
        self
    }

    /// Only requests with this credential.
    #[must_use]
    pub fn when_key(mut self, key: impl Into<String>) -> Self {
        self.when.key = Some(key.into());
        self
    }

    /// Only requests for this model.
    #[must_use]
    pub fn when_model(mut self, model: impl Into<String>) -> Self {
        self.when.model = Some(model.into());
        self
    }

    /// Only requests whose path holds this.
    #[must_use]
    pub fn when_path_contains(mut self, piece: impl Into<String>) -> Self {
        self.when.path_contains = Some(piece.into());
        self
    }

    /// Only requests whose body holds this.
    #[must_use]
    pub fn when_body_contains(mut self, piece: impl Into<String>) -> Self {
        self.when.body_contains = Some(piece.into());
        self
    }

    /// Only requests that ask for a stream, or only those that do not.
    #[must_use]
    pub fn when_stream(mut self, stream: bool) -> Self {
        self.when.stream = Some(stream);
        self
    }

    /// Answers this many requests, then no more.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.reply.status = Some(status);
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.reply.headers.insert(name.into(), value.into());
        self
    }

    /// The body; a string is sent as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Value>) -> Self {
        self.reply.body = Some(body.into());
        self
    }

    /// The content type of the answer.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.reply.content_type = Some(content_type.into());
        self
    }

    /// Seconds to wait before trying again.
    #[must_use]
    pub fn retry_after(mut self, seconds: f64) -> Self {
        self.reply.retry_after = Some(seconds);
        self
    }

    /// Milliseconds before the response head.
    #[must_use]
    pub fn delay_headers_ms(mut self, millis: u64) -> Self {
        self.reply.delay_headers_ms = Some(millis);
        self
    }

    /// Milliseconds before the first delta.
    #[must_use]
    pub fn delay_first_token_ms(mut self, millis: u64) -> Self {
        self.reply.delay_first_token_ms = Some(millis);
        self
    }

    /// Milliseconds between two deltas.
    #[must_use]
    pub fn delay_between_ms(mut self, millis: u64) -> Self {
        self.reply.delay_between_ms = Some(millis);
        self
    }

    /// Drops the connection after so many events; unstreamed, after half the body.
    #[must_use]
    pub fn cut_after_events(mut self, events: usize) -> Self {
        self.reply.cut_after_events = Some(events);
        self
    }

    /// Never answers.
    #[must_use]
    pub fn never_answer(mut self) -> Self {
        self.reply.never_answer = true;
        self
    }

    /// Drops the connection instead of answering.
    #[must_use]
    pub fn close_before_headers(mut self) -> Self {
        self.reply.close_before_headers = true;
        self
    }

    /// Sends the vendor's in-band error after so many events.
    #[must_use]
    pub fn stream_error_after_events(mut self, events: usize) -> Self {
        self.reply.stream_error_after_events = Some(events);
        self
    }

    /// The text of the answer.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.reply.text = Some(text.into());
        self
    }

    /// A filler text of so many words.
    #[must_use]
    pub fn words(mut self, words: usize) -> Self {
        self.reply.words = Some(words);
        self
    }

    /// Thinking sent before the text.
    #[must_use]
    pub fn reasoning(mut self, reasoning: impl Into<String>) -> Self {
        self.reply.reasoning = Some(reasoning.into());
        self
    }

    /// A refusal in place of the text.
    #[must_use]
    pub fn refusal(mut self, refusal: impl Into<String>) -> Self {
        self.reply.refusal = Some(refusal.into());
        self
    }

    /// One more tool call.
    #[must_use]
    pub fn tool_call(mut self, name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        self.reply.tool_calls.push(ToolCall { name: name.into(), arguments: arguments.into() });
        self
    }

    /// Why the answer ended.
    #[must_use]
    pub fn finish_reason(mut self, finish: Finish) -> Self {
        self.reply.finish_reason = Some(finish);
        self
    }

    /// The input and output tokens told.
    #[must_use]
    pub fn usage(mut self, input_tokens: u64, output_tokens: u64) -> Self {
        let usage = self.reply.usage.get_or_insert_default();
        usage.input_tokens = Some(input_tokens);
        usage.output_tokens = Some(output_tokens);
        self
    }

    /// All token figures told.
    #[must_use]
    pub fn usage_spec(mut self, usage: UsageSpec) -> Self {
        self.reply.usage = Some(usage);
        self
    }

    /// Sends the body in pieces of so many bytes.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.reply.chunk_bytes = Some(bytes);
        self
    }
}
