//! What providers themselves say that they serve: their lists of models, as they came last.

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::watch;

/// The lists of all providers. Readers see one immutable state; whoever fetches lists swaps it.
#[derive(Debug, Default)]
pub struct Offers {
    lists: ArcSwap<Lists>,
    changes: watch::Sender<()>,
}

type Lists = HashMap<Arc<str>, Offer, foldhash::fast::RandomState>;

/// Names of models in their order.
pub type ModelNames = Arc<BTreeSet<Box<str>>>;

#[derive(Debug, Clone)]
struct Offer {
    /// The last list that came; empty when none has come yet.
    models: ModelNames,
    /// Names the settings with which the provider was asked last.
    asked_as: u64,
}

impl Offers {
    /// Whether the provider lists `model`. A name without a tag means `:latest`, as in Ollama.
    pub fn list(&self, provider: &str, model: &str) -> bool {
        let lists = self.lists.load();
        let Some(offer) = lists.get(provider) else { return false };
        if offer.models.contains(model) {
            return true;
        }
        let from = (Bound::Included(model), Bound::Unbounded);
        let mut longer =
            offer.models.range::<str, _>(from).map_while(|name| name.strip_prefix(model));
        longer.any(|tag| tag == ":latest")
    }

    /// The models that the provider lists.
    pub fn models(&self, provider: &str) -> ModelNames {
        self.lists.load().get(provider).map(|offer| offer.models.clone()).unwrap_or_default()
    }

    /// Whether the provider was asked with these settings, whatever it answered.
    pub fn was_asked(&self, provider: &str, asked_as: u64) -> bool {
        self.lists.load().get(provider).is_some_and(|offer| offer.asked_as == asked_as)
    }

    /// Takes over an answer. `None` is a failure, which leaves the list as it was.
    pub fn answered(&self, provider: &Arc<str>, asked_as: u64, models: Option<BTreeSet<Box<str>>>) {
        let models = models.map(Arc::new);
        self.lists.rcu(|lists| {
            let mut lists = Lists::clone(lists);
            let old = lists.get(provider).map(|offer| offer.models.clone());
            let models = models.clone().or(old).unwrap_or_default();
            lists.insert(provider.clone(), Offer { models, asked_as });
            lists
        });
        self.changes.send_replace(());
    }

    /// Forgets the providers that are not `known` any more.
    pub fn retain(&self, known: impl Fn(&str) -> bool) {
        if self.lists.load().keys().all(|name| known(name)) {
            return;
        }
        self.lists.rcu(|lists| {
            let mut lists = Lists::clone(lists);
            lists.retain(|name, _| known(name));
            lists
        });
    }

    /// Says when an answer has come.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_never_empties_a_list() {
        let offers = Offers::default();
        let ollama: Arc<str> = "ollama".into();
        assert!(!offers.was_asked("ollama", 1));
        let names = ["llama3:latest", "llama3:70b", "qwen3:8b", "llama3.2:latest"];
        offers.answered(&ollama, 1, Some(names.map(Box::from).into()));
        offers.answered(&ollama, 2, None);
        assert!(offers.was_asked("ollama", 2));
        assert!(offers.list("ollama", "llama3") && offers.list("ollama", "llama3:70b"));
        assert!(!offers.list("ollama", "qwen3") && !offers.list("ollama", "llama"));
        offers.retain(|name| name != "ollama");
        assert!(offers.models("ollama").is_empty());
    }
}
