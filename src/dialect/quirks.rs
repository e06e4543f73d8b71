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
    /// The word for "some tool must be called": Mistral says `any` where OpenAI says `required`, also
    /// for a choice that names the tool.
    pub tool_choice_required: &'static str,
    /// Top-level request fields that have another name: Fireworks tells sessions apart by `user`
    /// where OpenAI has `prompt_cache_key`.
    pub rename_params: &'static [(&'static str, &'static str)],
    /// Fields that only some of the provider's models refuse: xAI's reasoning models.
    pub model_drops: &'static [ModelDrop],
    /// The beginning of bare model names and what stands before them: Groq calls OpenAI's open models
    /// `openai/gpt-…`.
    pub model_prefix: Option<(&'static str, &'static str)>,
    /// Whether `reasoning {effort, max_tokens}` is understood as it is, as by OpenRouter; others get
    /// `reasoning_effort`.
    pub reasoning_object: bool,
    /// Whether answers say what they cost (`usage.cost`, US dollars): OpenRouter and Perplexity.
    pub reports_cost: bool,
}

/// Request fields that some models of a provider refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelDrop {
    /// Parts of names; one of them makes the rule concern a model.
    pub models: &'static [&'static str],
    /// Parts of names that take a model out of the rule.
    pub except: &'static [&'static str],
    /// The fields.
    pub params: &'static [&'static str],
}

impl ModelDrop {
    /// Whether `model` refuses the fields.
    pub fn concerns(&self, model: &str) -> bool {
        let has = |parts: &[&str]| parts.iter().any(|part| model.contains(part));
        has(self.models) && !has(self.except)
    }

    /// Whether `model` refuses this field.
    pub fn refuses(&self, model: &str, param: &str) -> bool {
        self.params.contains(&param) && self.concerns(model)
    }
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
        rename_params: &[],
        model_drops: &[],
        model_prefix: None,
        reasoning_object: false,
        reports_cost: false,
    };

    /// What stands before a bare model name in requests; mostly nothing.
    pub fn prefix_of(&self, model: &str) -> &'static str {
        match self.model_prefix {
            Some((start, prefix)) if model.starts_with(start) => prefix,
            _ => "",
        }
    }
}
