//! The latest routing decisions, so that an answer's `x-tollbridge-decision-id` can be looked up.

use super::LeftOut;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many decisions are remembered.
const REMEMBERED: usize = 1000;

/// The latest decisions, newest last.
#[derive(Debug, Default)]
pub struct Decisions {
    ring: Mutex<VecDeque<Arc<Decision>>>,
}

/// A target as a decision names it: provider, model, why.
pub type Considered = (Arc<str>, Arc<str>, &'static str);

/// Why a request went where it went.
#[derive(Debug, Clone)]
pub struct Decision {
    /// As in the answer's header.
    pub id: Arc<str>,
    /// The request's id.
    pub request_id: Arc<str>,
    /// The model that the client asked for.
    pub model_requested: Arc<str>,
    /// Targets in the order in which they were to be tried.
    pub targets: SmallVec<[Considered; 2]>,
    /// Who was left out.
    pub left_out: Vec<LeftOut>,
}

impl Decisions {
    /// Remembers a decision.
    pub fn remember(&self, decision: Decision) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == REMEMBERED {
            ring.pop_front();
        }
        ring.push_back(Arc::new(decision));
    }

    /// Adds a target that was passed over on the way, while the decision is remembered.
    pub fn leave_out(&self, id: &str, left_out: LeftOut) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decision) = ring.iter_mut().rev().find(|decision| *decision.id == *id) {
            Arc::make_mut(decision).left_out.push(left_out);
        }
    }

    /// The decision of that id, while it is remembered.
    pub fn find(&self, id: &str) -> Option<Arc<Decision>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().rev().find(|decision| *decision.id == *id).cloned()
    }
}
