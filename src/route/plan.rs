//! The plan: targets in the order in which they are tried.

use super::fallback::{serves, stand_in, unknown_offer};
use super::{Offers, draw};
use crate::config::{Binding, Snapshot, VirtualKey};
use crate::llm::{Failure, FailureKind, ModelRef, Operation, Source};
use crate::provider::{Endpoint, Provider, catalog};
use rand::Rng;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::sync::Arc;

/// What is asked of the router.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The operation.
    pub operation: Operation,
    /// The model as the client wrote it.
    pub model: &'a str,
    /// The request's `fallbacks`; `None` when the body has none, which is not the same as an empty
    /// list: that one switches automatic fallbacks off.
    pub fallbacks: Option<&'a [String]>,
    /// The caller's virtual key.
    pub virtual_key: Option<&'a Arc<VirtualKey>>,
    /// What the providers themselves list.
    pub offers: &'a Offers,
}

/// Targets in the order in which they are tried, and who was left out.
#[derive(Debug, Default)]
pub struct Plan {
    /// Never empty in an `Ok` plan.
    pub targets: SmallVec<[Target; 3]>,
    /// Candidates that are no target, in no special order.
    pub left_out: Vec<LeftOut>,
}

/// One provider and the model that it is asked for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The provider.
    pub provider: Arc<Provider>,
    /// Where and how the operation is asked of it.
    pub endpoint: &'static Endpoint,
    /// The model's name without a prefix.
    pub model: Arc<str>,
    /// Which of the virtual key's bindings it is.
    pub binding: Option<usize>,
    /// Why it stands here, for `explain`.
    pub reason: &'static str,
}

impl Target {
    /// The binding of `virtual_key` that this target belongs to.
    pub fn binding<'a>(&self, virtual_key: Option<&'a Arc<VirtualKey>>) -> Option<&'a Binding> {
        virtual_key?.bindings.as_ref()?.get(self.binding?)
    }
}

/// A candidate that is no target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The provider.
    pub provider: Arc<str>,
    /// The model, when one was in question.
    pub model: Option<String>,
    /// Why, in plain words.
    pub reason: String,
}

/// Plans `ask`. `closed` says why a binding's own limits admit nothing now, if so.
///
/// # Errors
/// 403 when the virtual key allows no target, 404 when nobody serves the model, 400 when a provider
/// does not offer the operation.
pub fn plan(
    snapshot: &Snapshot,
    ask: Ask,
    closed: impl Fn(&Binding) -> Option<String>,
    rng: &mut impl Rng,
) -> Result<Plan, (Failure, Vec<LeftOut>)> {
    let is_provider =
        |name: &str| snapshot.provider(name).is_some() || catalog::find(name).is_some();
    let model = ModelRef::parse(ask.model, is_provider);
    let mut planner = Planner { snapshot, ask, plan: Plan::default() };
    let bindings = ask.virtual_key.and_then(|key| Some((key, key.bindings.as_ref()?)));
    let first = match (bindings, model.provider) {
        (Some((key, bindings)), None) => planner.balance(key, bindings, model.model, closed, rng),
        (_, Some(provider)) => planner.named(provider, model.model, "named by the request"),
        (None, None) => planner.resolve(model.model),
    };
    if let Err(failure) = first {
        return Err((failure, planner.plan.left_out));
    }
    planner.requested_fallbacks();
    Ok(planner.plan)
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    ask: Ask<'a>,
    plan: Plan,
}

/// A binding that can answer, and how.
struct Candidate {
    at: usize,
    weight: Option<f64>,
    target: Target,
}

impl<'a> Planner<'a> {
    /// A bare name and a virtual key with bindings: draw among those that serve it, then fall back.
    fn balance(
        &mut self,
        key: &'a VirtualKey,
        bindings: &'a [Binding],
        model: &str,
        closed: impl Fn(&Binding) -> Option<String>,
        rng: &mut impl Rng,
    ) -> Result<(), Failure> {
        let split = key.split_across_models
            && bindings.iter().any(|binding| binding.allowed_models.allows(model));
        let nobody_known = !bindings.iter().any(|binding| {
            let provider = self.snapshot.provider(&binding.provider);
            provider.is_some_and(|provider| self.serves(provider, model))
        });
        let (mut eligible, mut others): (SmallVec<[Candidate; 4]>, SmallVec<[usize; 4]>) =
            Default::default();
        let mut refused = None;
        for (at, binding) in bindings.iter().enumerate() {
            match self.candidate(key, at, binding, model, split, nobody_known) {
                Ok(Some(candidate)) => match closed(binding) {
                    None => eligible.push(candidate),
                    Some(reason) => {
                        // The limit that is met decides how the caller is answered when nobody is
                        // left, so it stays as the last resort and is refused at admission.
                        self.leave_out(&binding.provider, Some(model), reason);
                        refused.get_or_insert(candidate);
                    }
                },
                Ok(None) => others.push(at),
                Err(reason) => self.leave_out(&binding.provider, Some(model), reason),
            }
        }
        if eligible.is_empty()
            && let Some(candidate) = refused
        {
            eligible.push(candidate);
        }
        if eligible.is_empty() {
            return Err(self.nobody_allowed(key, bindings, model));
        }
        self.order(eligible, rng);
        if self.ask.fallbacks.is_none() {
            self.stand_ins(key, bindings, &others, model);
        }
        Ok(())
    }

    /// Whether the binding at `at` answers a request for `model` by itself: `Ok(None)` when it can
    /// only stand in.
    fn candidate(
        &self,
        key: &VirtualKey,
        at: usize,
        binding: &Binding,
        model: &str,
        split: bool,
        nobody_known: bool,
    ) -> Result<Option<Candidate>, String> {
        let provider = self.configured(&binding.provider)?;
        let endpoint = self.endpoint(&provider)?;
        let listed = match &binding.allowed_models {
            crate::provider::AccessList::Only(_) => binding.allowed_models.allows(model),
            crate::provider::AccessList::Unrestricted => {
                self.serves(&provider, model)
                    || unknown_offer(self.snapshot, &provider)
                    || nobody_known
            }
        };
        let (model, reason): (Arc<str>, _) = match (listed, split) {
            (true, _) => (model.into(), "serves the requested model"),
            (false, true) => (
                stand_in(self.snapshot, key, binding, &provider, model)?,
                "takes its share with its own model",
            ),
            (false, false) => return Ok(None),
        };
        let target = Target { provider, endpoint, model, binding: Some(at), reason };
        Ok(Some(Candidate { at, weight: binding.weight, target }))
    }

    /// The drawn candidate first, the others behind it by weight, heaviest first. With a
    /// `fallbacks` list in the body the others are left to that list.
    fn order(&mut self, mut eligible: SmallVec<[Candidate; 4]>, rng: &mut impl Rng) {
        let weights = eligible.iter().map(|candidate| candidate.weight.unwrap_or(0.0));
        let first = draw(weights, rng).unwrap_or(0);
        let first = eligible.remove(first);
        self.plan.targets.push(first.target);
        if self.ask.fallbacks.is_some() {
            for candidate in eligible {
                let provider = candidate.target.provider.name.clone();
                let model = candidate.target.model.to_string();
                self.leave_out(
                    &provider,
                    Some(&model),
                    "not drawn, and the request names its own fallbacks".into(),
                );
            }
            return;
        }
        eligible.sort_by(|a, b| {
            let weight = |candidate: &Candidate| candidate.weight.unwrap_or(0.0);
            weight(b).partial_cmp(&weight(a)).unwrap_or(Ordering::Equal).then(a.at.cmp(&b.at))
        });
        self.plan.targets.extend(eligible.into_iter().map(|candidate| candidate.target));
    }

    /// Bindings that do not serve the model but can answer with another one, heaviest first.
    fn stand_ins(&mut self, key: &VirtualKey, bindings: &[Binding], others: &[usize], model: &str) {
        let mut others: SmallVec<[(usize, &Binding); 4]> =
            others.iter().filter_map(|&at| Some((at, bindings.get(at)?))).collect();
        others.sort_by(|a, b| {
            let weight = |binding: &Binding| binding.weight.unwrap_or(0.0);
            weight(b.1).partial_cmp(&weight(a.1)).unwrap_or(Ordering::Equal)
        });
        for (at, binding) in others {
            let found = self.configured(&binding.provider).and_then(|provider| {
                let endpoint = self.endpoint(&provider)?;
                let model = stand_in(self.snapshot, key, binding, &provider, model)?;
                Ok(Target {
                    provider,
                    endpoint,
                    model,
                    binding: Some(at),
                    reason: "stands in with an equivalent model",
                })
            });
            match found {
                Ok(target) => self.plan.targets.push(target),
                Err(reason) => self.leave_out(&binding.provider, Some(model), reason),
            }
        }
    }

    /// A model with its provider in front.
    fn named(&mut self, provider: &str, model: &str, reason: &'static str) -> Result<(), Failure> {
        let Some(provider) = self.snapshot.provider(provider).cloned() else {
            let message = format!(
                "The provider '{provider}' is not configured. Add it with POST /api/providers, or \
                 use one of: {}",
                self.provider_names()
            );
            return Err(Failure::new(Source::Client, FailureKind::NotFound, message)
                .with_code("provider_not_found")
                .with_param("model"));
        };
        let binding = self.allowed_binding(&provider.name, model)?;
        let endpoint = self.endpoint(&provider).map_err(Failure::unsupported)?;
        self.plan.targets.push(Target { provider, endpoint, model: model.into(), binding, reason });
        Ok(())
    }

    /// The binding through which the virtual key may ask `provider` for `model`.
    fn allowed_binding(&self, provider: &str, model: &str) -> Result<Option<usize>, Failure> {
        let Some((key, bindings)) =
            self.ask.virtual_key.and_then(|key| Some((key, key.bindings.as_ref()?)))
        else {
            return Ok(None);
        };
        let mut of_provider =
            bindings.iter().enumerate().filter(|(_, binding)| *binding.provider == *provider);
        if of_provider.clone().next().is_none() {
            let message = format!(
                "Provider '{provider}' is not allowed for this virtual key ('{}')",
                key.name
            );
            return Err(Failure::new(Source::Client, FailureKind::Permission, message)
                .with_code("provider_blocked"));
        }
        match of_provider.find(|(_, binding)| binding.allowed_models.allows(model)) {
            Some((at, _)) => Ok(Some(at)),
            None => Err(model_blocked(key, model)),
        }
    }

    /// A bare name without bindings: a configured provider that the catalogue or a key says serves it.
    fn resolve(&mut self, model: &str) -> Result<(), Failure> {
        let providers = &self.snapshot.providers;
        // The vendors of the models themselves stand before those that resell them.
        let vendors = ["openai", "anthropic", "gemini"];
        let rank = |provider: &Provider| {
            vendors.iter().position(|name| **name == *provider.name).unwrap_or(vendors.len())
        };
        let serving = providers.iter().filter(|provider| self.serves(provider, model));
        let usable = serving.filter(|provider| self.endpoint(provider).is_ok());
        let Some(provider) = usable.min_by_key(|provider| rank(provider)) else {
            return Err(self.unknown_model(model));
        };
        let endpoint = self.endpoint(provider).map_err(Failure::unsupported)?;
        self.plan.targets.push(Target {
            provider: provider.clone(),
            endpoint,
            model: model.into(),
            binding: None,
            reason: "the catalogue, a key or the provider's own list says that it serves the model",
        });
        Ok(())
    }

    /// The request's own fallbacks; one that cannot be used is left out, not an error.
    fn requested_fallbacks(&mut self) {
        let Some(names) = self.ask.fallbacks else { return };
        for name in names {
            let is_provider = |name: &str| self.snapshot.provider(name).is_some();
            let model = ModelRef::parse(name, is_provider);
            let found = match model.provider {
                Some(provider) => self.named(provider, model.model, "named in fallbacks"),
                None => Err(Failure::invalid("it names no configured provider")),
            };
            if let Err(failure) = found {
                self.leave_out(&name.as_str().into(), None, failure.message);
            }
        }
    }

    /// Whether `provider` serves `model` as far as anybody can tell beforehand.
    fn serves(&self, provider: &Provider, model: &str) -> bool {
        serves(self.snapshot, provider, model) || self.ask.offers.list(&provider.name, model)
    }

    fn configured(&self, name: &str) -> Result<Arc<Provider>, String> {
        let provider = self.snapshot.provider(name).cloned();
        provider.ok_or_else(|| "is not configured; add it with POST /api/providers".to_owned())
    }

    fn endpoint(&self, provider: &Provider) -> Result<&'static Endpoint, String> {
        let operation = self.ask.operation;
        let allowed = provider.allowed_operations.as_ref();
        let switched_on = allowed.is_none_or(|operations| operations.contains(&operation));
        let endpoint = provider.spec.endpoint(operation).filter(|_| switched_on);
        endpoint.ok_or_else(|| {
            format!("{} is not supported by {} provider", operation.as_str(false), provider.name)
        })
    }

    fn leave_out(&mut self, provider: &Arc<str>, model: Option<&str>, reason: String) {
        let model = model.map(str::to_owned);
        self.plan.left_out.push(LeftOut { provider: provider.clone(), model, reason });
    }

    fn nobody_allowed(&self, key: &VirtualKey, bindings: &[Binding], model: &str) -> Failure {
        if bindings.iter().any(|binding| binding.allowed_models.allows(model)) {
            let reasons: Vec<String> = (self.plan.left_out.iter())
                .map(|left| format!("{} {}", left.provider, left.reason))
                .collect();
            let message = format!(
                "No provider of the virtual key '{}' can serve '{model}': {}",
                key.name,
                reasons.join("; ")
            );
            return Failure::new(Source::Client, FailureKind::NotFound, message)
                .with_code("no_provider_available")
                .with_param("model");
        }
        model_blocked(key, model)
    }

    fn unknown_model(&self, model: &str) -> Failure {
        let message = format!(
            "The model '{model}' is not served by any configured provider; model should be in \
             provider/model format, with one of these providers: {}",
            self.provider_names()
        );
        Failure::new(Source::Client, FailureKind::NotFound, message)
            .with_code("model_not_found")
            .with_param("model")
    }

    fn provider_names(&self) -> String {
        let names: Vec<&str> = self.snapshot.providers.iter().map(|p| &*p.name).collect();
        if names.is_empty() { "(none is configured yet)".to_owned() } else { names.join(", ") }
    }
}

fn model_blocked(key: &VirtualKey, model: &str) -> Failure {
    let message = format!("Model '{model}' is not allowed for this virtual key ('{}')", key.name);
    Failure::new(Source::Client, FailureKind::Permission, message)
        .with_code("model_blocked")
        .with_param("model")
}
