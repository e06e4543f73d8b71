//! The providers, one row each.

use super::{Auth, Endpoint, ProviderSpec};
use crate::dialect::{MaxTokensField, ModelDrop, Quirks};
use crate::llm::{Operation, Wire};

/// The row of `name`. `google` is accepted for `gemini`.
pub fn find(name: &str) -> Option<&'static ProviderSpec> {
    let name = canonical_name(name);
    PROVIDERS.iter().find(|spec| spec.name == name)
}

/// The name under which a provider is known, for a name that means it.
pub fn canonical_name(name: &str) -> &str {
    if name == "google" { "gemini" } else { name }
}

/// Every provider that is known without configuration.
pub const PROVIDERS: &[ProviderSpec] = &[
    ProviderSpec {
        base_url_variable: Some("OPENAI_BASE_URL"),
        header_variables: &[
            ("OPENAI_ORG_ID", "openai-organization"),
            ("OPENAI_PROJECT", "openai-project"),
            ("OPENAI_PROJECT_ID", "openai-project"),
        ],
        key_variables: &["OPENAI_API_KEY", "OPENAI_KEY"],
        quirks: Quirks::NONE,
        ..openai_like("openai", "https://api.openai.com", &[])
    },
    ProviderSpec {
        name: "anthropic",
        base_url: "https://api.anthropic.com",
        auth: Auth::Anthropic,
        keyless: false,
        endpoints: &[
            endpoint(Operation::Chat, Wire::Anthropic, "/v1/messages"),
            endpoint(Operation::ListModels, Wire::Anthropic, "/v1/models?limit=1000"),
        ],
        quirks: Quirks::NONE,
        header_variables: &[],
        key_variables: &["ANTHROPIC_API_KEY", "ANTHROPIC_KEY", "ANTHROPIC_AUTH_TOKEN"],
        base_url_variable: Some("ANTHROPIC_BASE_URL"),
    },
    ProviderSpec {
        name: "gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        auth: Auth::Google,
        keyless: false,
        endpoints: &[
            Endpoint {
                operation: Operation::Chat,
                wire: Wire::Gemini,
                path: "/models/{model}:generateContent",
                stream_path: "/models/{model}:streamGenerateContent?alt=sse",
            },
            endpoint(Operation::Embedding, Wire::Gemini, "/models/{model}:batchEmbedContents"),
            endpoint(Operation::ListModels, Wire::Gemini, "/models?pageSize=1000"),
        ],
        quirks: Quirks::NONE,
        header_variables: &[],
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        base_url_variable: Some("GOOGLE_GEMINI_BASE_URL"),
    },
    ProviderSpec {
        quirks: Quirks { model_prefix: Some(("gpt-", "openai/")), ..COMPATIBLE },
        ..openai_like("groq", "https://api.groq.com/openai", &["GROQ_API_KEY"])
    },
    ProviderSpec {
        quirks: Quirks {
            max_tokens_field: MaxTokensField::MaxTokens,
            stream_options: false,
            tool_choice_required: "any",
            ..COMPATIBLE
        },
        ..openai_like("mistral", "https://api.mistral.ai", &["MISTRAL_API_KEY", "MISTRAL_KEY"])
    },
    openai_like("cerebras", "https://api.cerebras.ai", &["CEREBRAS_API_KEY"]),
    ProviderSpec {
        quirks: Quirks { reasoning_object: true, reports_cost: true, ..COMPATIBLE },
        ..openai_like("openrouter", "https://openrouter.ai/api", &["OPENROUTER_API_KEY"])
    },
    ProviderSpec {
        quirks: Quirks { reports_cost: true, ..COMPATIBLE },
        endpoints: &[endpoint(Operation::Chat, Wire::OpenaiChat, "/chat/completions")],
        ..openai_like(
            "perplexity",
            "https://api.perplexity.ai",
            &["PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"],
        )
    },
    ProviderSpec {
        // Fireworks understands `prediction`, which the other compatible providers refuse.
        quirks: Quirks {
            drop_params: FIREWORKS_UNKNOWN,
            rename_params: &[("prompt_cache_key", "user")],
            ..COMPATIBLE
        },
        ..openai_like(
            "fireworks",
            "https://api.fireworks.ai/inference",
            &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"],
        )
    },
    openai_like(
        "together",
        "https://api.together.xyz",
        &["TOGETHER_API_KEY", "TOGETHERAI_API_KEY"],
    ),
    ProviderSpec {
        endpoints: &[
            endpoint(Operation::Chat, Wire::OpenaiChat, "/chat/completions"),
            endpoint(Operation::ListModels, Wire::OpenaiChat, "/models"),
        ],
        quirks: Quirks { max_tokens_field: MaxTokensField::MaxTokens, ..COMPATIBLE },
        ..openai_like("deepseek", "https://api.deepseek.com", &["DEEPSEEK_API_KEY"])
    },
    ProviderSpec {
        quirks: Quirks { model_drops: GROK_REFUSES, ..COMPATIBLE },
        ..openai_like("xai", "https://api.x.ai", &["XAI_API_KEY"])
    },
    openai_like("nebius", "https://api.tokenfactory.nebius.com", &["NEBIUS_API_KEY"]),
    openai_like(
        "nvidia",
        "https://integrate.api.nvidia.com",
        &["NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"],
    ),
    openai_like("sambanova", "https://api.sambanova.ai", &["SAMBANOVA_API_KEY"]),
    openai_like("hyperbolic", "https://api.hyperbolic.xyz", &["HYPERBOLIC_API_KEY"]),
    openai_like("moonshot", "https://api.moonshot.ai", &["MOONSHOT_API_KEY"]),
    openai_like(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode",
        &["DASHSCOPE_API_KEY"],
    ),
    ProviderSpec {
        endpoints: &[
            endpoint(Operation::Chat, Wire::OpenaiChat, "/chat/completions"),
            endpoint(Operation::Embedding, Wire::OpenaiChat, "/embeddings"),
            endpoint(Operation::ListModels, Wire::OpenaiChat, "/models"),
        ],
        ..openai_like("zai", "https://api.z.ai/api/paas/v4", &["ZAI_API_KEY"])
    },
    openai_like("parasail", "https://api.parasail.io", &["PARASAIL_API_KEY"]),
    openai_like(
        "huggingface",
        "https://router.huggingface.co",
        &["HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGING_FACE_API_KEY"],
    ),
    self_hosted("ollama", "OLLAMA_HOST"),
    self_hosted("vllm", "VLLM_BASE_URL"),
    self_hosted("sgl", "SGL_BASE_URL"),
];

/// A provider that speaks OpenAI's format at `base_url` and needs a key.
pub const fn openai_like(
    name: &'static str,
    base_url: &'static str,
    key_variables: &'static [&'static str],
) -> ProviderSpec {
    ProviderSpec {
        name,
        base_url,
        auth: Auth::Bearer,
        keyless: false,
        endpoints: OPENAI_ENDPOINTS,
        quirks: COMPATIBLE,
        key_variables,
        header_variables: &[],
        base_url_variable: None,
    }
}

/// A server that the operator runs, so that only the operator knows where it is.
const fn self_hosted(name: &'static str, base_url_variable: &'static str) -> ProviderSpec {
    ProviderSpec {
        keyless: true,
        base_url_variable: Some(base_url_variable),
        ..openai_like(name, "", &[])
    }
}

const fn endpoint(operation: Operation, wire: Wire, path: &'static str) -> Endpoint {
    Endpoint { operation, wire, path, stream_path: path }
}

const OPENAI_ENDPOINTS: &[Endpoint] = &[
    endpoint(Operation::Chat, Wire::OpenaiChat, "/v1/chat/completions"),
    endpoint(Operation::Embedding, Wire::OpenaiChat, "/v1/embeddings"),
    endpoint(Operation::ListModels, Wire::OpenaiChat, "/v1/models"),
];

/// What the compatible providers have in common: fields that only OpenAI knows are refused by some
/// of them, and `minimal` is no effort to any.
pub const COMPATIBLE: Quirks =
    Quirks { drop_params: OPENAI_ONLY, minimal_effort: false, ..Quirks::NONE };

const OPENAI_ONLY: &[&str] = &[
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "verbosity",
    "store",
    "web_search_options",
];

/// What xAI's reasoning models refuse (<https://docs.x.ai/docs/models>).
const GROK_REFUSES: &[ModelDrop] = &[
    ModelDrop { models: GROK, except: GROK_PLAIN, params: &["presence_penalty"] },
    ModelDrop { models: &["grok-3-mini"], except: &[], params: &["frequency_penalty", "stop"] },
    ModelDrop {
        models: GROK,
        except: &["grok-3", "non-reasoning", "grok-2"],
        params: &["frequency_penalty", "stop"],
    },
    ModelDrop {
        models: GROK,
        except: &["grok-3-mini", "non-reasoning", "grok-2"],
        params: &["reasoning_effort"],
    },
];
const GROK: &[&str] = &["grok-3", "grok-4", "grok-code"];
const GROK_PLAIN: &[&str] = &["non-reasoning", "grok-2"];

const FIREWORKS_UNKNOWN: &[&str] =
    &["prompt_cache_key", "prompt_cache_retention", "verbosity", "store", "web_search_options"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_row_offers_chat() {
        for (at, spec) in PROVIDERS.iter().enumerate() {
            assert!(PROVIDERS[..at].iter().all(|other| other.name != spec.name), "{}", spec.name);
            assert!(spec.endpoint(Operation::Chat).is_some(), "{}", spec.name);
            assert!(!spec.base_url.ends_with('/') && !spec.base_url.ends_with("/v1"));
            assert!(!spec.base_url.is_empty() || spec.base_url_variable.is_some());
        }
        assert_eq!(find("google").map(|spec| spec.name), Some("gemini"));
    }
}
