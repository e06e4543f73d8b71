use super::*;
use crate::config::window::Window;
use proptest::prelude::*;

fn meter(id: &str, unit: Unit, limit: i64, window: &str) -> MeterSpec {
    MeterSpec {
        id: id.into(),
        unit,
        limit,
        window: Window::parse(window, false, None).unwrap(),
        scope: "virtual_key".into(),
        unpriced_allowed: false,
        reserve: true,
    }
}

fn estimate(cost: i64) -> Estimate {
    Estimate { cost, tokens: 0 }
}

#[test]
fn a_reservation_is_settled_or_given_back() {
    let ledger = Ledger::load(Vec::new());
    let path = [meter("b", Unit::Cost, 100, "1h"), meter("r", Unit::Requests, 10, "1m")];
    let ticket = ledger.admit(&path, estimate(40), 0).unwrap();
    assert_eq!(ledger.usage(&path[0], 0), MeterUsage { window_start: 0, used: 0, held: 40 });
    ticket.settle(Cost(7), 0);
    assert_eq!(ledger.usage(&path[0], 0), MeterUsage { window_start: 0, used: 7, held: 0 });
    assert_eq!(ledger.usage(&path[1], 0).used, 1);
    drop(ledger.admit(&path, estimate(40), 0).unwrap());
    assert_eq!(ledger.usage(&path[0], 0), MeterUsage { window_start: 0, used: 7, held: 0 });
    assert_eq!(ledger.usage(&path[1], 0).used, 1);
}

#[test]
fn nothing_is_taken_when_one_meter_is_closed() {
    let ledger = Ledger::load(Vec::new());
    let path = [meter("a", Unit::Cost, 100, "1h"), meter("b", Unit::Requests, 1, "1h")];
    ledger.admit(&path, estimate(10), 0).unwrap().settle(Cost(10), 0);
    let refusal = ledger.admit(&path, estimate(10), 0).unwrap_err();
    assert_eq!(&*refusal.meter.id, "b");
    assert_eq!(refusal.resets_at, 3600);
    assert!(!refusal.by_holds());
    assert_eq!(ledger.usage(&path[0], 0).held, 0);
}

#[test]
fn an_estimate_larger_than_what_is_left_starves_nobody() {
    let ledger = Ledger::load(Vec::new());
    let path = [meter("a", Unit::Cost, 100, "1h")];
    let first = ledger.admit(&path, estimate(500), 0).unwrap();
    assert!(ledger.admit(&path, estimate(500), 0).unwrap_err().by_holds());
    first.settle(Cost(99), 0);
    ledger.admit(&path, estimate(500), 0).unwrap().settle(Cost(5), 0);
    assert!(ledger.admit(&path, estimate(0), 0).is_err());
    assert_eq!(ledger.usage(&path[0], 0).used, 104);
}

#[test]
fn a_new_window_begins_with_nothing_used_and_old_deltas_are_gone() {
    let ledger = Ledger::load(Vec::new());
    let path = [meter("a", Unit::Cost, 100, "1m")];
    ledger.admit(&path, estimate(1), 0).unwrap().settle(Cost(100), 0);
    assert!(ledger.admit(&path, estimate(1), 59).is_err());
    assert!(ledger.admit(&path, estimate(1), 61).is_ok());
    assert_eq!(ledger.usage(&path[0], 61), MeterUsage { window_start: 61, used: 0, held: 0 });
    assert!(ledger.take_deltas().is_empty());
}

#[test]
fn what_could_not_be_stored_is_kept() {
    let ledger = Ledger::load(Vec::new());
    let path = [meter("a", Unit::Cost, 100, "1h")];
    ledger.admit(&path, estimate(1), 0).unwrap().settle(Cost(3), 0);
    let deltas = ledger.take_deltas();
    assert_eq!((deltas.len(), deltas[0].amount), (1, 3));
    assert!(ledger.take_deltas().is_empty());
    ledger.return_deltas(deltas);
    assert_eq!(ledger.take_deltas()[0].amount, 3);
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_for_holds_but_not_for_real_use() {
    let ledger = Ledger::load(Vec::new());
    let path = [meter("a", Unit::Cost, 100, "1h")];
    let first = ledger.admit(&path, estimate(100), 0).unwrap();
    let (other, spec) = (ledger.clone(), path[0].clone());
    let waiting = tokio::spawn(async move {
        let patience = Duration::from_secs(2);
        other.admit_or_wait(&[spec], patience, || estimate(50), || 0).await.map(|_ticket| ())
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    first.settle(Cost(10), 0);
    assert_eq!(waiting.await.unwrap(), Ok(()));
    let _held = ledger.admit(&path, estimate(90), 0).unwrap();
    let refused = ledger
        .admit_or_wait(&path, Duration::from_secs(2), || estimate(50), || 0)
        .await
        .map(|_ticket| ());
    assert!(refused.unwrap_err().by_holds());
}

proptest! {
    /// Against a model: whatever the order of admissions, settlements and refunds, what is used is
    /// the sum of what was settled, nothing is held in the end, and a limit is overshot by one
    /// request at most where estimates are no less than what is used.
    #[test]
    fn the_books_balance(steps in prop::collection::vec((0_i64..30, any::<bool>(), 0_usize..4), 1..200)) {
        let ledger = Ledger::load(Vec::new());
        let path = [meter("a", Unit::Cost, 300, "1h"), meter("b", Unit::Requests, 150, "1h")];
        let mut open: Vec<(Ticket, i64)> = Vec::new();
        let (mut spent, mut requests) = (0, 0);
        for (cost, settle, which) in steps {
            if let Ok(ticket) = ledger.admit(&path, estimate(cost), 0) {
                open.push((ticket, cost));
            }
            if open.len() > which {
                let (ticket, cost) = open.swap_remove(which);
                if settle {
                    ticket.settle(Cost(cost), 0);
                    (spent, requests) = (spent + cost, requests + 1);
                }
            }
        }
        drop(open);
        prop_assert_eq!(ledger.usage(&path[0], 0), MeterUsage { window_start: 0, used: spent, held: 0 });
        prop_assert_eq!(ledger.usage(&path[1], 0).used, requests);
        prop_assert!(spent <= 300 + 30);
        let flushed: i64 = ledger.take_deltas().iter().filter(|d| d.id == "a").map(|d| d.amount).sum();
        prop_assert_eq!(flushed, spent);
    }
}
