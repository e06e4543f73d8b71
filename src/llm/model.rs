//! Model names.

/// A model name as a client writes it: `provider/model` or a bare name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelRef<'a> {
    /// The provider, if the name has a known one in front.
    pub provider: Option<&'a str>,
    /// The model without the provider.
    pub model: &'a str,
}

impl<'a> ModelRef<'a> {
    /// Splits at the first `/` if what stands before it is a provider; otherwise the whole string is
    /// the model, so that `meta-llama/Llama-3` stays in one piece.
    pub fn parse(name: &'a str, is_provider: impl Fn(&str) -> bool) -> Self {
        match name.split_once('/') {
            Some((provider, model)) if !model.is_empty() && is_provider(provider) => {
                ModelRef { provider: Some(provider), model }
            }
            _ => ModelRef { provider: None, model: name },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_only_at_a_known_provider() {
        let known = |name: &str| name == "openrouter";
        let nested = ModelRef::parse("openrouter/anthropic/claude-3.7-sonnet", known);
        assert_eq!(nested.provider, Some("openrouter"));
        assert_eq!(nested.model, "anthropic/claude-3.7-sonnet");
        let bare = ModelRef::parse("meta-llama/Llama-3", known);
        assert_eq!(bare, ModelRef { provider: None, model: "meta-llama/Llama-3" });
        assert_eq!(ModelRef::parse("openrouter/", known).provider, None);
    }
}
