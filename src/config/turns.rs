//! One at a time: whoever came last and whoever has waited longest, in turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Hands out one turn at a time. A crowd that waits does not keep out who comes after it, and one that
/// goes on coming does not keep out who waits.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    taken: bool,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// Whether it is the turn of who has waited longest.
    oldest: bool,
}

/// A turn; dropping it passes it on.
#[derive(Debug)]
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// Waits for a turn. Whoever stops waiting loses nobody theirs.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Turn> {
        let turn = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if !queue.taken {
                queue.taken = true;
                return Some(Turn(self.clone()));
            }
            let (sender, turn) = oneshot::channel();
            queue.waiting.retain(|other| !other.is_closed());
            queue.waiting.push_back(sender);
            turn
        };
        turn.await.ok()
    }

    /// Who is next, or nobody, and then the turn is free.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.retain(|other| !other.is_closed());
        let next = match queue.oldest {
            true => queue.waiting.pop_front(),
            false => queue.waiting.pop_back(),
        };
        queue.taken = next.is_some();
        queue.oldest ^= queue.taken;
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(next) = self.0.next() {
            // Not taken up, the new turn is dropped in its turn, and so passed on again.
            drop(next.send(Turn(self.0.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_last_goes_first_and_who_leaves_blocks_nobody() {
        let turns = Arc::<Turns>::default();
        let first = turns.take().await.unwrap();
        let mut second = Box::pin(turns.take());
        let mut third = Box::pin(turns.take());
        let mut fourth = Box::pin(turns.take());
        for waiting in [&mut second, &mut third, &mut fourth] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(fourth);
        drop(first);
        assert!((&mut second).now_or_never().is_none());
        // It was handed the turn and never looks.
        drop(third);
        let second = second.now_or_never().unwrap().unwrap();
        drop(second);
        assert!(turns.take().now_or_never().is_some());
    }

    #[tokio::test]
    async fn those_who_go_on_coming_keep_nobody_out() {
        let turns = Arc::<Turns>::default();
        let mut turn = turns.take().await.unwrap();
        let mut patient = Box::pin(turns.take());
        assert!((&mut patient).now_or_never().is_none());
        for newer in 0.. {
            assert!(newer < 2, "the one that waits is passed over");
            let mut newest = Box::pin(turns.take());
            assert!((&mut newest).now_or_never().is_none());
            drop(turn);
            if (&mut patient).now_or_never().is_some() {
                break;
            }
            turn = newest.now_or_never().unwrap().unwrap();
        }
    }
}
