//! The process environment: the only place that reads it.

use super::entity::{KeyConfig, NetworkConfig, ProviderConfig, SecretRef};
use super::problem::Problem;
use crate::provider::catalog::PROVIDERS;
use crate::provider::{AccessList, ProviderSpec, Secret};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Where `env.NAME` references and detected keys come from.
#[derive(Clone)]
pub struct Environment {
    read: Arc<Variables>,
    /// Host and port of this gateway.
    own: Option<(Arc<str>, u16)>,
}

type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Environment {
    /// The environment of this process.
    pub fn process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
        Environment::from_fn(|name| std::env::var(name).ok())
    }

    /// An environment that asks `read`.
    pub fn from_fn(read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Environment { read: Arc::new(read), own: None }
    }

    /// The same, of a gateway that serves at `host` and `port`. Its users export its address in the
    /// variables of the SDKs, where it must not be taken for a provider's.
    #[must_use]
    pub fn serving(mut self, host: &str, port: u16) -> Self {
        self.own = (port != 0).then(|| (host.to_ascii_lowercase().into(), port));
        self
    }

    /// An environment of exactly these variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let variables: HashMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Environment::from_fn(move |name| variables.get(name).cloned())
    }

    /// The value of a variable; an empty one counts as unset.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.read)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The value that a reference stands for. Nothing is the empty secret.
    pub fn resolve(&self, secret: &SecretRef) -> Result<Secret, String> {
        match secret {
            SecretRef::None => Ok(Secret::default()),
            SecretRef::Value(value) => Ok(Secret::new(value.as_str())),
            SecretRef::Env(name) => self
                .variable(name)
                .map(Secret::new)
                .ok_or_else(|| format!("environment variable `{name}` is not set")),
        }
    }

    /// Providers whose keys or URLs are in the environment, as references to it.
    pub fn providers(&self) -> Vec<ProviderConfig> {
        PROVIDERS.iter().filter_map(|spec| self.provider(spec)).collect()
    }

    /// Whether a URL, or a bare host and port, leads back to this gateway.
    pub fn is_own_address(&self, url: &str) -> bool {
        let Some((own_host, own_port)) = &self.own else { return false };
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let Ok(uri) = url.parse::<http::Uri>() else { return false };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port =
            uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let here = |host: &str| is_any(host) || is_this_machine(host);
        port == *own_port && (host == **own_host || (here(&host) && here(own_host)))
    }

    /// The variables that hold the address of this gateway, each with why it is ignored.
    pub fn own_addresses(&self) -> Vec<Problem> {
        let variables = PROVIDERS.iter().filter_map(|spec| spec.base_url_variable);
        let own = variables.filter_map(|name| {
            let url = self.variable(name).filter(|url| self.is_own_address(url))?;
            Some(Problem::new(name, own_address(&url)))
        });
        own.collect()
    }

    fn provider(&self, spec: &ProviderSpec) -> Option<ProviderConfig> {
        let usable =
            |name: &&str| self.variable(name).is_some_and(|url| !self.is_own_address(&url));
        let base_url = spec.base_url_variable.filter(usable);
        let first = spec.key_variables.iter().find(|name| self.variable(name).is_some());
        if first.is_none() && (base_url.is_none() || !spec.keyless) {
            return None;
        }
        let mut provider = ProviderConfig::new(spec.name);
        // Of several names for the same, the first that is set.
        let headers = spec.header_variables.iter().rev();
        let headers = headers.filter(|(name, _)| self.variable(name).is_some());
        provider.network = NetworkConfig {
            base_url: base_url.map(|name| format!("env.{name}")).unwrap_or_default(),
            extra_headers: headers
                .map(|(name, header)| ((*header).to_owned(), SecretRef::Env((*name).to_owned())))
                .collect(),
            ..NetworkConfig::default()
        };
        if let Some(first) = first {
            // `OPENAI_API_KEY_2` and so on are further keys; a gap in the numbers is no end.
            let further = (2..=MOST_KEYS).map(|number| format!("{first}_{number}"));
            let further = further.filter(|name| self.variable(name).is_some());
            provider.keys =
                std::iter::once((*first).to_owned()).chain(further).map(detected_key).collect();
        }
        Some(provider)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

const MOST_KEYS: u32 = 20;

/// Why a base URL is ignored that leads back to this gateway.
pub(super) fn own_address(url: &str) -> String {
    format!(
        "{url} is the address of this gateway, which clients have in it; ignored as a provider's"
    )
}

fn is_any(host: &str) -> bool {
    matches!(host, "0.0.0.0" | "::" | "[::]")
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "::1" | "[::1]") || host.starts_with("127.")
}

fn detected_key(variable: String) -> KeyConfig {
    KeyConfig {
        id: uuid::Uuid::new_v4().to_string(),
        name: variable.clone(),
        value: SecretRef::Env(variable),
        models: AccessList::Unrestricted,
        blacklisted_models: Vec::new(),
        weight: 1.0,
        enabled: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_urls_are_detected_as_references() {
        let environment = Environment::of(&[
            ("OPENAI_API_KEY", "sk-1"),
            ("OPENAI_API_KEY_2", "sk-2"),
            ("OPENAI_API_KEY_4", "sk-4"),
            ("OPENAI_ORG_ID", "org-1"),
            ("OPENAI_PROJECT", "proj-1"),
            ("OPENAI_PROJECT_ID", "proj-2"),
            ("ANTHROPIC_KEY", "sk-a"),
            ("GROQ_API_KEY", " "),
            ("OLLAMA_HOST", "127.0.0.1:11434"),
        ]);
        let providers = environment.providers();
        let names: Vec<_> = providers.iter().map(|provider| provider.name.as_str()).collect();
        assert_eq!(names, ["openai", "anthropic", "ollama"]);
        let keys: Vec<_> = providers[0].keys.iter().map(|key| key.value.clone()).collect();
        let expected = ["OPENAI_API_KEY", "OPENAI_API_KEY_2", "OPENAI_API_KEY_4"];
        assert_eq!(keys, expected.map(|name| SecretRef::Env(name.to_owned())));
        let headers = &providers[0].network.extra_headers;
        assert_eq!(headers["openai-organization"], SecretRef::Env("OPENAI_ORG_ID".into()));
        assert_eq!(headers["openai-project"], SecretRef::Env("OPENAI_PROJECT".into()));
        assert_eq!(providers[2].network.base_url, "env.OLLAMA_HOST");
    }

    #[test]
    fn the_gateways_own_address_is_no_providers() {
        let variables =
            [("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://localhost:8080/v1")];
        for (host, port, own) in [
            ("localhost", 8080, true),
            ("127.0.0.1", 8080, true),
            ("0.0.0.0", 8080, true),
            ("localhost", 8081, false),
            ("10.0.0.5", 8080, false),
            ("localhost", 0, false),
        ] {
            let environment = Environment::of(&variables).serving(host, port);
            let found = environment.providers().remove(0).network.base_url;
            assert_eq!(found.is_empty(), own, "{host}:{port}");
            let warned = environment.own_addresses();
            assert_eq!(warned.iter().any(|problem| problem.path == "OPENAI_BASE_URL"), own);
        }
        let environment = Environment::of(&[]).serving("gateway.internal", 80);
        assert!(environment.is_own_address("http://gateway.internal/v1"));
        assert!(!environment.is_own_address("https://gateway.internal/v1"));
        assert!(!environment.is_own_address("127.0.0.1:11434"));
    }

    #[test]
    fn an_unset_reference_says_its_name() {
        let environment = Environment::of(&[("SET", "x")]);
        assert_eq!(environment.resolve(&SecretRef::Env("SET".into())).unwrap().expose(), "x");
        let problem = environment.resolve(&SecretRef::Env("UNSET".into())).unwrap_err();
        assert!(problem.contains("`UNSET`"));
    }
}
