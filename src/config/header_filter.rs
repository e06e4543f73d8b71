//! Which headers of a client reach a provider, as the request path asks it.

use super::entity::HeaderFilterConfig;
use super::problem::Problems;
use http::HeaderName;

/// `client.header_filter_config`, ready to be asked. The default lists nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFilter {
    allow: Names,
    deny: Names,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    exact: Vec<HeaderName>,
    prefixes: Vec<String>,
}

impl HeaderFilter {
    /// Reads the lists.
    ///
    /// # Errors
    /// Each entry that is no header's name.
    pub(super) fn new(config: &HeaderFilterConfig, problems: &mut Problems) -> Self {
        let mut names = |list: &[String], name: &str| {
            Names::new(list, &format!("client.header_filter_config.{name}"), problems)
        };
        HeaderFilter {
            allow: names(&config.allowlist, "allowlist"),
            deny: names(&config.denylist, "denylist"),
        }
    }

    /// Whether the header passes under its own name.
    pub fn allows(&self, name: &HeaderName) -> bool {
        self.allow.contain(name) && !self.deny.contain(name)
    }

    /// Whether the header passes when the client names it explicitly (`x-bf-eh-<name>`).
    pub fn allows_named(&self, name: &HeaderName) -> bool {
        (self.allow.is_empty() || self.allow.contain(name)) && !self.deny.contain(name)
    }

    /// Whether the header never passes.
    pub fn denies(&self, name: &HeaderName) -> bool {
        self.deny.contain(name)
    }
}

impl Names {
    fn new(list: &[String], path: &str, problems: &mut Problems) -> Self {
        let mut names = Names::default();
        for (at, entry) in list.iter().enumerate() {
            let entry = entry.trim().to_ascii_lowercase();
            match (entry.strip_suffix('*'), HeaderName::try_from(&entry)) {
                (Some(prefix), _) if !prefix.contains('*') => {
                    names.prefixes.push(prefix.to_owned());
                }
                (None, Ok(name)) => names.exact.push(name),
                _ => problems.add(
                    format!("{path}[{at}]"),
                    format!("`{entry}` is no header name, nor the beginning of one with a `*`"),
                ),
            }
        }
        names
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    fn contain(&self, name: &HeaderName) -> bool {
        !self.is_empty()
            && (self.exact.contains(name)
                || self.prefixes.iter().any(|prefix| name.as_str().starts_with(prefix)))
    }
}
