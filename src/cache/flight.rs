//! Identical requests in flight: one is sent, the others wait for its answer.

use super::entry::{Entry, Fingerprint};
use hashbrown::{HashMap, hash_map};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The requests that are being answered.
#[derive(Debug, Default)]
pub struct Flights(Arc<Mutex<InFlight>>);

type InFlight = HashMap<Fingerprint, Flight, BuildHasherDefault<FirstBytes>>;

/// Fingerprints are hashes already.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        // Their length comes in another way.
        self.0 = bytes.first_chunk().map_or(self.0, |first| u64::from_le_bytes(*first));
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
struct Flight {
    streams: bool,
    /// Once somebody waits for it: most land alone.
    state: Option<watch::Sender<Option<Landing>>>,
}

/// How a flight has ended for those who have waited.
#[derive(Debug, Clone, PartialEq)]
pub enum Landing {
    /// With this answer.
    Landed(Arc<Entry>),
    /// It failed, or its answer is not for others: they go by themselves.
    Lost,
    /// Whoever led it went away: one of them may go on.
    Left,
}

/// The one that is sent. Dropped before it has ended, its client has gone away.
#[derive(Debug)]
pub struct Leader {
    fingerprint: Fingerprint,
    /// `None` when it has ended.
    flights: Option<Arc<Mutex<InFlight>>>,
}

/// One that waits.
#[derive(Debug)]
pub struct Follower {
    /// `None` while it runs.
    state: watch::Receiver<Option<Landing>>,
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
        match flights.entry(fingerprint) {
            hash_map::Entry::Occupied(mut flight) => {
                let Flight { streams, state } = flight.get_mut();
                let state = state.get_or_insert_with(|| watch::Sender::new(None));
                Role::Follower(Follower { state: state.subscribe(), streams: *streams })
            }
            hash_map::Entry::Vacant(place) => {
                place.insert(Flight { streams, state: None });
                Role::Leader(Leader { fingerprint, flights: Some(self.0.clone()) })
            }
        }
    }
}

impl Leader {
    /// The answer is there, and has been given to the store. `entry` makes it for those that have waited, if
    /// anybody has.
    pub fn land(mut self, entry: impl FnOnce() -> Arc<Entry>) {
        if let Some(state) = self.end() {
            state.send_replace(Some(Landing::Landed(entry())));
        }
    }

    /// It failed, or its answer is not for others.
    pub fn lose(mut self) {
        if let Some(state) = self.end() {
            state.send_replace(Some(Landing::Lost));
        }
    }

    /// Ends the flight, if it has not ended. What those wait for that wait.
    fn end(&mut self) -> Option<watch::Sender<Option<Landing>>> {
        let flights = self.flights.take()?;
        let flight =
            flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.fingerprint);
        flight?.state
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(state) = self.end() {
            state.send_replace(Some(Landing::Left));
        }
    }
}

impl Follower {
    /// Waits for the leader's end.
    pub async fn landed(mut self) -> Landing {
        let ended = self.state.wait_for(Option::is_some).await;
        ended.ok().and_then(|landing| landing.clone()).unwrap_or(Landing::Lost)
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
        leader.land(|| answer.clone());
        assert_eq!(first.landed().await, Landing::Landed(answer.clone()));
        assert_eq!(second.landed().await, Landing::Landed(answer));
        lead(&flights);
    }

    #[test]
    fn nothing_is_made_for_nobody() {
        let flights = Flights::default();
        lead(&flights).land(|| panic!("nobody has waited"));
        lead(&flights);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_leader_that_is_gone() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let follower = follow(&flights);
        drop(leader);
        assert_eq!(follower.landed().await, Landing::Left);
        let leader = lead(&flights);
        let follower = follow(&flights);
        leader.lose();
        assert_eq!(follower.landed().await, Landing::Lost);
        lead(&flights);
    }
}
