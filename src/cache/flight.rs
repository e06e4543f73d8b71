//! Identical requests in flight: one is sent, the others wait for its answer.

use super::entry::{Entry, Fingerprint};
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::watch;

/// How far a flight is.
#[derive(Debug, Clone)]
enum State {
    Running,
    Landed(Arc<Entry>),
    /// It failed, or its answer is not for others.
    Lost,
}

/// The requests that are being answered.
#[derive(Debug, Default)]
pub struct Flights(Arc<Mutex<InFlight>>);

/// For each request how far it is, and whether it streams.
type InFlight = HashMap<Fingerprint, (watch::Receiver<State>, bool)>;

/// The one that is sent. Dropped before it has landed, it is lost, and the others go by themselves.
#[derive(Debug)]
pub struct Leader {
    fingerprint: Fingerprint,
    state: watch::Sender<State>,
    flights: Weak<Mutex<InFlight>>,
}

/// One that waits.
#[derive(Debug)]
pub struct Follower {
    state: watch::Receiver<State>,
    /// Whether the leader's answer is a stream, which lands only when it is complete.
    pub streams: bool,
}

/// Which of the two a request is.
#[derive(Debug)]
pub enum Role {
    /// Nobody asks the same.
    Leader(Leader),
    /// Somebody does.
    Follower(Follower),
}

impl Flights {
    /// Joins the flight of `fingerprint`, or begins it; `streams` says whether that would be a stream.
    pub fn join(&self, fingerprint: Fingerprint, streams: bool) -> Role {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((state, streams)) = flights.get(&fingerprint) {
            return Role::Follower(Follower { state: state.clone(), streams: *streams });
        }
        let (state, receiver) = watch::channel(State::Running);
        flights.insert(fingerprint, (receiver, streams));
        let flights = Arc::downgrade(&self.0);
        Role::Leader(Leader { fingerprint, state, flights })
    }
}

impl Leader {
    /// The answer is there: for those that wait, and from now on in the store.
    pub fn land(self, entry: Arc<Entry>) {
        self.state.send_replace(State::Landed(entry));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(flights) = self.flights.upgrade() {
            flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.fingerprint);
        }
        self.state.send_if_modified(|state| {
            let running = matches!(state, State::Running);
            if running {
                *state = State::Lost;
            }
            running
        });
    }
}

impl Follower {
    /// The answer of the leader; `None` when it has none for others.
    pub async fn landed(mut self) -> Option<Arc<Entry>> {
        let state = self.state.wait_for(|state| !matches!(state, State::Running)).await.ok()?;
        match &*state {
            State::Landed(entry) => Some(entry.clone()),
            State::Running | State::Lost => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::entry::fixture::entry;

    const ONE: Fingerprint = Fingerprint([1; 16]);

    fn lead(flights: &Flights) -> Leader {
        match flights.join(ONE, false) {
            Role::Leader(leader) => leader,
            Role::Follower(_) => panic!("somebody leads already"),
        }
    }

    fn follow(flights: &Flights) -> Follower {
        match flights.join(ONE, false) {
            Role::Follower(follower) => follower,
            Role::Leader(_) => panic!("nobody leads"),
        }
    }

    #[tokio::test]
    async fn those_who_wait_get_the_leaders_answer() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let (first, second) = (follow(&flights), follow(&flights));
        let answer = Arc::new(entry(1));
        leader.land(answer.clone());
        assert_eq!(first.landed().await, Some(answer.clone()));
        assert_eq!(second.landed().await, Some(answer));
        lead(&flights);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_leader_that_is_gone() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let follower = follow(&flights);
        drop(leader);
        assert_eq!(follower.landed().await, None);
        lead(&flights);
    }
}
