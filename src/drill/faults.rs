//! The faults injected so far: which of them the current recovery answers, which are healed, and
//! which transactions of theirs a server holds.
//!
//! What they did to clients is judged on the history alone: `measure::recovery`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    event::{FaultRecord, RestoreRecord},
    scenario::plan::{Action, Nature, Step, Target},
};

/// The faults of a drill so far.
#[derive(Debug, Default)]
pub struct Faults {
    all: Vec<FaultRecord>,
    /// Where those of the current recovery begin.
    current: usize,
    /// Whether the current recovery is over: the next fault begins another.
    over: bool,
    /// Names of those that a step healed.
    healed: BTreeSet<String>,
    /// For each server that was restored: from whose backup, and the first transaction id that
    /// was not recovered.
    restored: BTreeMap<String, (String, u64)>,
}

/// The first transaction id that was not recovered where a dump was restored: it holds none.
const NONE_RECOVERED: u64 = 0;

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
        let next_xid = match restore.nature {
            Nature::Physical => restore.next_xid,
            Nature::Logical => NONE_RECOVERED,
        };
        let recovered = (source.to_owned(), next_xid);
        self.restored.insert(restore.server.clone(), recovered);
    }

    /// Whether a server was made of a dump.
    pub fn is_logical(&self, server: &str) -> bool {
        let restored = self.restored.get(server);
        restored.is_some_and(|(_, next_xid)| *next_xid == NONE_RECOVERED)
    }

    /// The newest one.
    pub fn newest(&self) -> Option<&FaultRecord> {
        self.all.last()
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&FaultRecord> {
        self.all.iter().find(|fault| fault.name == name)
    }

    /// The one that a target is before.
    pub fn aimed_at(&self, target: &Target) -> Option<&FaultRecord> {
        match target {
            Target::Before { fault, .. } => self.named(fault),
            _other => None,
        }
    }

    /// Those that the current recovery answers, in order.
    pub fn current(&self) -> &[FaultRecord] {
        &self.all[self.current..]
    }

    /// The names of those that a step heals, as far as can be told: those that hit what it
    /// repairs, or, where it names nothing that one hit, each that such a step can heal. One of
    /// the current recovery may be healed by one step after the other.
    pub fn healed_by(&mut self, step: &Step) -> Vec<String> {
        let open =
            self.all.iter().enumerate().filter(|(index, fault)| {
                *index >= self.current || !self.healed.contains(&fault.name)
            });
        let mut healed: Vec<&FaultRecord> = open.map(|(_, fault)| fault).collect();
        healed.retain(|fault| heals(&step.action, fault));
        if healed.iter().any(|fault| names(step, fault)) {
            healed.retain(|fault| names(step, fault));
        }
        let healed: Vec<String> = healed.iter().map(|fault| fault.name.clone()).collect();
        self.healed.extend(healed.iter().cloned());
        healed
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

/// Whether a step of this kind can heal a fault. Service that comes back says that all is well.
fn heals(action: &Action, fault: &FaultRecord) -> bool {
    let can = fault.fault.facts().healed_by.contains(&action.word());
    match action {
        Action::Thaw(_) | Action::CutOver(_) => true,
        Action::Heal(name) => fault.name == *name,
        Action::Start(server) => can && fault.server == *server,
        _other => can,
    }
}

/// Whether what a step repairs is what a fault hit.
fn names(step: &Step, fault: &FaultRecord) -> bool {
    let (facts, here) = (fault.fault.facts(), fault.database == step.database);
    match &step.action {
        Action::Salvage(salvage) => here && facts.hits(&salvage.tables, &salvage.schemas),
        Action::Reindex(object) => here && facts.object == *object,
        _other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::testing::salvage,
        fault::{DropTable, Fault},
        scenario::plan::{Salvage, SalvageBy},
    };

    fn fault(server: &str, xid: Option<u64>) -> FaultRecord {
        let fixture = salvage();
        FaultRecord {
            server: server.into(),
            xid,
            ..fixture.history().faults().next().unwrap().clone()
        }
    }

    fn step(action: Action) -> Step {
        Step {
            action,
            ..salvage().plan.steps[0].clone()
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
    fn a_server_made_of_a_dump_holds_no_transaction_of_its_source() {
        let mut faults = Faults::default();
        faults.injected(fault("primary", Some(700)));
        let dumped = RestoreRecord {
            nature: Nature::Logical,
            ..restore("scratch", 800)
        };
        faults.restored(&dumped, "primary");
        assert!(faults.is_logical("scratch") && !faults.is_logical("primary"));
        assert_eq!(faults.transactions("scratch"), [0u64; 0]);
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
    fn what_heals_one_fault_does_not_heal_another() {
        let mut faults = Faults::default();
        for name in ["users", "roles"] {
            let fault = Fault::DropTable(DropTable(format!("app.{name}")));
            let name = name.to_owned();
            let other = super::tests::fault("primary", None);
            faults.injected(FaultRecord {
                name,
                fault,
                ..other
            });
        }
        let mut salvaged = |table: &str| {
            faults.healed_by(&step(Action::Salvage(Salvage {
                from: Some("scratch".into()),
                into: None,
                tables: vec![table.into()],
                schemas: vec![],
                by: SalvageBy::Rows,
            })))
        };
        assert_eq!(salvaged("app.roles"), ["roles"]);
        assert_eq!(salvaged("app.users"), ["users"]);
        assert_eq!(salvaged("app.elsewhere"), ["users", "roles"]);
        let start = Action::Start("primary".into());
        assert!(faults.healed_by(&step(start)).is_empty());
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
