//! An outage in the midst of what clients do: it begins once so much has passed, and ends by itself.

use std::{convert::Infallible, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::sleep};

use super::{conduct::Conduct, tally::Counted};

/// Looks so often at how much has passed.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// Once so much has passed since it was told, in both directions together.
    pub after_bytes: u64,
    pub for_ms: u64,
}

/// Interrupts whenever it is told to.
pub async fn interrupt(told: &watch::Sender<Conduct>, counted: &Counted) -> Infallible {
    let mut conduct = told.subscribe();
    loop {
        let coming = conduct.wait_for(|conduct| conduct.interruption.is_some());
        // The sender is there: it is `told`.
        let coming = coming.await.ok().and_then(|conduct| conduct.interruption);
        let Some(coming) = coming else { continue };
        counted.count(|tally| tally.interrupted = 0);
        let until = counted.passed() + coming.after_bytes;
        while told.borrow().interruption == Some(coming) {
            if counted.passed() >= until {
                happens(told, counted, coming).await;
            }
            sleep(PAUSE).await;
        }
    }
}

async fn happens(told: &watch::Sender<Conduct>, counted: &Counted, it: Interruption) {
    counted.count(|tally| tally.interrupted += 1);
    told.send_modify(|conduct| {
        conduct.interruption = None;
        conduct.outage = true;
    });
    sleep(Duration::from_millis(it.for_ms)).await;
    told.send_modify(|conduct| conduct.outage = false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_begins_once_so_much_has_passed_and_ends_by_itself() {
        let it = Interruption {
            after_bytes: 100,
            for_ms: 1,
        };
        let (told, counted) = (watch::Sender::new(Conduct::default()), Counted::default());
        let mut seen = told.subscribe();
        let clients = async {
            told.send_modify(|conduct| conduct.interruption = Some(it));
            while !told.borrow().outage && told.borrow().interruption.is_some() {
                counted.count(|tally| tally.sent += 1);
                sleep(Duration::from_millis(1)).await;
            }
            assert!(counted.passed() >= 100);
            let over = seen.wait_for(|conduct| !conduct.outage).await.unwrap();
            assert_eq!(over.interruption, None);
        };
        tokio::select! {
            _never = interrupt(&told, &counted) => {}
            () = clients => {}
        }
    }
}
