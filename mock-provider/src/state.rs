//! What a running mock provider remembers: the script, the requests, the counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use serde::Serialize;

use crate::call::{Call, Op};
use crate::rule::{Facts, Reply, Rule};

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// The provider label: the first path segment before the API's own path.
    pub provider: String,
    /// The credential sent; empty when there was none.
    pub key: String,
    /// The model asked for; empty when there was none.
    pub model: String,
    /// The path.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The method.
    pub method: Method,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Milliseconds since the server started.
    pub at_ms: u64,
    /// Whether the client left before the answer was sent.
    pub aborted: bool,
    /// The HTTP version it came in.
    pub http_version: Version,
}

/// How much one credential of one provider was used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The provider label.
    pub provider: String,
    /// The credential; empty when there was none.
    pub key: String,
    /// The requests that came in.
    pub requests: u64,
    /// The answers, not errors, that were sent to their end.
    pub answered: u64,
    /// The input tokens of those answers.
    pub input_tokens: u64,
    /// The output tokens of those answers.
    pub output_tokens: u64,
}

#[derive(Default)]
struct Inner {
    rules: Vec<Rule>,
    received: VecDeque<(u64, Received)>,
    next: u64,
    listed: Vec<Received>,
    counts: BTreeMap<(String, String), Count>,
}

/// The memory shared by all connections.
pub(crate) struct State {
    inner: Mutex<Inner>,
    started: Instant,
    keep: usize,
    defaults: Reply,
}

impl State {
    /// An empty memory of at most so many requests, with delays for every reply.
    pub(crate) fn new(keep: usize, defaults: Reply) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner::default()),
            started: Instant::now(),
            keep,
            defaults,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn script(&self, rules: impl IntoIterator<Item = Rule>) {
        self.lock().rules.extend(rules);
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.lock().rules.clone()
    }

    pub(crate) fn clear_rules(&self) {
        self.lock().rules.clear();
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.lock().received.iter().map(|(_, received)| received.clone()).collect()
    }

    pub(crate) fn clear_received(&self) {
        let mut inner = self.lock();
        inner.received.clear();
        inner.listed.clear();
    }

    pub(crate) fn counts(&self) -> Vec<Count> {
        self.lock().counts.values().cloned().collect()
    }

    pub(crate) fn clear_counts(&self) {
        self.lock().counts.clear();
    }

    /// Notes a request and finds its reply.
    pub(crate) fn enter(self: &Arc<Self>, call: &Call, version: Version) -> (Reply, Ticket) {
        let key = call.key.clone().unwrap_or_default();
        let mut inner = self.lock();
        if call.op == Op::Models {
            let received = self.record(call, key, version);
            return self.enter_list(&mut inner, call, received);
        }
        let number = inner.next;
        inner.next += 1;
        let owner = (call.label.clone(), key.clone());
        let count = inner.counts.entry(owner.clone()).or_insert_with(|| Count {
            provider: call.label.clone(),
            key: key.clone(),
            ..Count::default()
        });
        count.requests += 1;
        if self.keep > 0 {
            while inner.received.len() >= self.keep {
                inner.received.pop_front();
            }
            let received = self.record(call, key.clone(), version);
            inner.received.push_back((number, received));
        }
        let facts = Facts {
            provider: &call.label,
            key: &key,
            model: &call.model,
            path: &call.path,
            body: &call.raw,
            stream: call.stream,
        };
        let reply = self.reply(&mut inner.rules, &facts);
        drop(inner);
        let state = Arc::clone(self);
        (reply, Ticket { state, number, owner, tokens: None, open: true })
    }

    /// Clients fetch lists of models whenever they like: these are remembered apart, and only a rule
    /// whose `path_contains` speaks of models answers them.
    fn enter_list(
        self: &Arc<Self>,
        inner: &mut Inner,
        call: &Call,
        received: Received,
    ) -> (Reply, Ticket) {
        let facts = Facts {
            provider: &call.label,
            key: &received.key,
            model: "",
            path: &call.path,
            body: &call.raw,
            stream: false,
        };
        let meant = |rule: &Rule| {
            rule.when.path_contains.as_deref().is_some_and(|piece| piece.contains("models"))
        };
        let rules = inner.rules.iter_mut();
        let mut fitting =
            rules.filter(|rule| meant(rule) && rule.times != Some(0) && rule.when.fits(&facts));
        let reply = fitting.next().map(|rule| {
            rule.times = rule.times.map(|left| left - 1);
            rule.reply.clone()
        });
        if inner.listed.len() < self.keep {
            inner.listed.push(received);
        }
        let owner = (String::new(), String::new());
        let ticket =
            Ticket { state: Arc::clone(self), number: 0, owner, tokens: None, open: false };
        (reply.unwrap_or_default(), ticket)
    }

    pub(crate) fn listed(&self) -> Vec<Received> {
        self.lock().listed.clone()
    }

    fn reply(&self, rules: &mut [Rule], facts: &Facts<'_>) -> Reply {
        let rule = rules.iter_mut().find(|rule| rule.times != Some(0) && rule.when.fits(facts));
        let mut reply = match rule {
            Some(rule) => {
                rule.times = rule.times.map(|left| left - 1);
                rule.reply.clone()
            }
            None => Reply::default(),
        };
        reply.delay_headers_ms = reply.delay_headers_ms.or(self.defaults.delay_headers_ms);
        reply.delay_between_ms = reply.delay_between_ms.or(self.defaults.delay_between_ms);
        reply
    }

    fn record(&self, call: &Call, key: String, version: Version) -> Received {
        Received {
            provider: call.label.clone(),
            key,
            model: call.model.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            method: call.method.clone(),
            headers: call.headers.clone(),
            body: call.raw.clone(),
            at_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            aborted: false,
            http_version: version,
        }
    }
}

/// A request under way. Dropped before it is complete or cut, the client left.
pub(crate) struct Ticket {
    state: Arc<State>,
    number: u64,
    owner: (String, String),
    tokens: Option<(u64, u64)>,
    open: bool,
}

impl Ticket {
    /// What the answer tells, once it is sent; errors have none.
    pub(crate) fn tells(&mut self, tokens: Option<(u64, u64)>) {
        self.tokens = tokens;
    }

    /// The response was sent to its end.
    pub(crate) fn complete(mut self) {
        self.open = false;
        if let Some((input, output)) = self.tokens {
            let mut inner = self.state.lock();
            if let Some(count) = inner.counts.get_mut(&self.owner) {
                count.answered += 1;
                count.input_tokens += input;
                count.output_tokens += output;
            }
        }
    }

    /// The script had the connection dropped.
    pub(crate) fn cut(mut self) {
        self.open = false;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let mut inner = self.state.lock();
        let number = self.number;
        if let Some((_, received)) = inner.received.iter_mut().rev().find(|(n, _)| *n == number) {
            received.aborted = true;
        }
    }
}
