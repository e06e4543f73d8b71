//! How providers that speak OpenAI's format deviate from it, as data.

/// Deviations from OpenAI's chat completions. Read by `openai_chat` only.
///
/// The default is OpenAI itself. Every field names the providers that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// How the bound of output tokens is spelled. Mistral knows only `max_tokens`.
    pub max_tokens_field: MaxTokensField,
    /// Top-level request fields that the provider refuses and that are left out.
    pub drop_params: &'static [&'static str],
    /// Whether `stream_options.include_usage` is understood; Mistral and others send usage unasked
    /// and refuse the field.
    pub stream_options: bool,
    /// Whether `reasoning_effort: "minimal"` is understood; most compatible providers know only
    /// `low`, `medium` and `high`, so `minimal` becomes `low`.
    pub minimal_effort: bool,
    /// The word for "some tool must be called": Mistral says `any` where OpenAI says `required`.
    pub tool_choice_required: &'static str,
}

/// How the bound of output tokens is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokensField {
    /// As the client wrote it.
    AsSent,
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

impl Quirks {
    /// No deviation.
    pub const NONE: Quirks = Quirks {
        max_tokens_field: MaxTokensField::AsSent,
        drop_params: &[],
        stream_options: true,
        minimal_effort: true,
        tool_choice_required: "required",
    };
}
