//! The faults injected so far: which of them the current recovery answers, and which
//! transactions of theirs a server holds.
//!
//! What they did to clients is judged on the history alone: `measure::recovery`.

use std::collections::BTreeMap;

use crate::event::{FaultRecord, RestoreRecord};

/// The faults of a drill so far.
#[derive(Debug, Default)]
pub struct Faults {
    all: Vec<FaultRecord>,
    /// Where those of the current recovery begin.
    current: usize,
    /// Whether the current recovery is over: the next fault begins another.
    over: bool,
    /// For each server that was restored: from whose backup, and the first transaction id that
    /// was not recovered.
    restored: BTreeMap<String, (String, u64)>,
}

impl Faults {
    /// One was injected.
    pub fn injected(&mut self, fault: FaultRecord) {
        if std::mem::take(&mut self.over) {
            self.current = self.all.len();
        }
        self.all.push(fault);
    }

    /// A server that may serve was looked at through a gate, or clients were moved.
    pub fn recovered(&mut self) {
        self.over = true;
    }

    /// A server was restored from a backup of `source`.
    pub fn restored(&mut self, restore: &RestoreRecord, source: &str) {
        if restore.in_place {
            // What was not recovered never was: its ids are given out again.
            let own = self
                .all
                .iter_mut()
                .filter(|one| one.server == restore.server);
            let gone = own.filter(|one| one.xid.is_some_and(|xid| xid >= restore.next_xid));
            return gone.for_each(|fault| fault.xid = None);
        }
        let recovered = (source.to_owned(), restore.next_xid);
        self.restored.insert(restore.server.clone(), recovered);
    }

    /// The newest one.
    pub fn newest(&self) -> Option<&FaultRecord> {
        self.all.last()
    }

    /// Those that the current recovery answers, in order.
    pub fn current(&self) -> &[FaultRecord] {
        &self.all[self.current..]
    }

    /// The bad statements' transactions that a server holds: its own, and those that it recovered
    /// from the server it was restored from. Of another timeline's the same number is another
    /// transaction.
    pub fn transactions(&self, server: &str) -> Vec<u64> {
        let mut held = Vec::new();
        let (mut server, mut before) = (server, u64::MAX);
        for _generation in 0..=self.restored.len() {
            let own = self.all.iter().filter(|fault| fault.server == server);
            held.extend(own.filter_map(|fault| fault.xid.filter(|xid| *xid < before)));
            let Some((source, next_xid)) = self.restored.get(server) else {
                break;
            };
            (server, before) = (source, before.min(*next_xid));
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::salvage;

    fn fault(server: &str, xid: Option<u64>) -> FaultRecord {
        let fixture = salvage();
        FaultRecord {
            server: server.into(),
            xid,
            ..fixture.history().faults().next().unwrap().clone()
        }
    }

    fn restore(server: &str, next_xid: u64) -> RestoreRecord {
        let fixture = salvage();
        RestoreRecord {
            server: server.into(),
            next_xid,
            ..fixture.history().restores().next().unwrap().1.clone()
        }
    }

    #[test]
    fn a_restored_server_holds_the_transactions_that_it_recovered() {
        let mut faults = Faults::default();
        faults.injected(fault("primary", Some(700)));
        faults.injected(fault("primary", None));
        faults.injected(fault("primary", Some(900)));
        faults.restored(&restore("second", 800), "primary");
        faults.injected(fault("second", Some(850)));
        faults.restored(&restore("third", 840), "second");
        assert_eq!(faults.transactions("primary"), [700, 900]);
        assert_eq!(faults.transactions("second"), [850, 700]);
        assert_eq!(faults.transactions("third"), [700]);
    }

    #[test]
    fn a_server_restored_in_place_holds_what_it_recovered_of_its_own() {
        let mut faults = Faults::default();
        faults.injected(fault("primary", Some(700)));
        faults.injected(fault("primary", Some(900)));
        let in_place = RestoreRecord {
            in_place: true,
            ..restore("primary", 800)
        };
        faults.restored(&in_place, "primary");
        assert_eq!(faults.transactions("primary"), [700]);
    }

    #[test]
    fn a_fault_after_a_recovery_begins_another() {
        let mut faults = Faults::default();
        faults.injected(fault("primary", Some(700)));
        faults.injected(fault("primary", Some(701)));
        assert_eq!(faults.current().len(), 2);
        faults.recovered();
        assert_eq!(faults.current().len(), 2);
        faults.injected(fault("primary", Some(900)));
        assert_eq!(faults.current().len(), 1);
    }
}
