//! Whether faults find what they need, are told apart, and are healed as they can be.

use super::{
    Check,
    steps::{Server, State},
};
use crate::{
    backup::WalArchive,
    bucket::Bucket,
    event::BoundaryKind,
    fault::{Facts, Fault, ServerAfter},
    scenario::{expand, problem::Problem},
};

/// A fault that was injected.
#[derive(Clone)]
pub(super) struct Injected {
    pub(super) server: String,
    /// Whether it can be undone by itself.
    heals: bool,
    /// The step, if it is seen only by its being healed that it took effect.
    shown_by_heal: Option<usize>,
    /// Whether it is of a store, which every server of the cluster sees.
    of_store: bool,
    /// Whether it is a statement, whose transaction is known.
    pub(super) is_statement: bool,
}

impl Check<'_> {
    pub(super) fn inject(&mut self, fault: &Fault, server: &str, state: &mut State) {
        let facts = fault.facts();
        for need in &facts.needs {
            let path = format!("inject.{fault}.{}", need.word());
            self.there(*need, &path, state);
        }
        if facts.needs_archive {
            self.archives(fault.word(), "inject", state);
        }
        let stores = self.strategy.map(|strategy| &strategy.stores);
        let hit = stores.and_then(|stores| stores.get(facts.store()?));
        if let Some(bucket) = self.external(&facts) {
            self.not_ours(fault, &bucket, state);
        } else if facts.needs_size && hit.is_some_and(|store| store.size().0 == 0) {
            let message = "this store holds as much as the disk: it cannot be filled up";
            let help = "give it a size: `directory: { size: 64MB }`";
            self.here(state, "inject", Problem::nowhere(message).help(help));
        }
        if facts.needs_s3 && hit.is_some_and(|store| !store.is_object_storage()) {
            let message =
                format!("`{fault}` hits object storage alone, and this store is a directory");
            let help = "a store of objects: `{ s3: embedded }`";
            self.here(state, "inject", Problem::nowhere(message).help(help));
        }
        match facts.server_after {
            ServerAfter::Up | ServerAfter::Restarted => {}
            ServerAfter::Down => state.becomes(server, Server::Down(state.step)),
            ServerAfter::Lost => state.becomes(server, Server::Lost(state.step)),
        }
        let name = &expand::fault_names(self.file)[state.step - 1];
        state.newest.clone_from(name);
        let hit = Injected {
            server: server.to_owned(),
            heals: facts.heals,
            shown_by_heal: facts.shown_by_heal.then_some(state.step),
            of_store: facts.store().is_some(),
            is_statement: facts.boundary == BoundaryKind::Statement,
        };
        if state.faults.insert(name.clone(), hit).is_some() {
            self.here(state, "as", format!("another fault is called `{name}`"));
        }
        if name == expand::NEWEST {
            let problem = Problem::nowhere(format!("`{name}` stands for the newest fault"));
            self.here(state, "as", problem.help("call it otherwise"));
        }
    }

    /// The bucket, not the drill's own, whose service a fault would have to hit.
    fn external(&self, facts: &Facts<'_>) -> Option<Bucket> {
        let strategy = self.strategy.filter(|_| !facts.loses_store)?;
        let archive = strategy.archive().filter(|_| facts.needs_archive);
        let archived = archive.iter().flat_map(WalArchive::stores);
        let mut hit = archived.chain(facts.store());
        hit.find_map(|store| strategy.stores.get(store)?.external().cloned())
    }

    fn not_ours(&mut self, fault: &Fault, bucket: &Bucket, state: &mut State) {
        let message =
            format!("`{fault}` cannot be done to {bucket}: its service is not the drill's");
        let help = "`lose-store` deletes what the drill put there; `{ s3: embedded }` misbehaves in \
                    every way";
        self.here(state, "inject", Problem::nowhere(message).help(help));
    }

    pub(super) fn heal(&mut self, fault: &str, state: &mut State) {
        let Some(hit) = self.injected(fault, "heal", &[], state) else {
            return;
        };
        if !hit.heals {
            let problem = Problem::nowhere(format!("`{fault}` is not undone by itself"));
            let help = "a recovery does it: `restore`, `salvage`, `reindex` or `start`";
            self.here(state, "heal", problem.help(help));
        } else if !state.healed.insert(fault.to_owned()) {
            self.here(state, "heal", format!("`{fault}` is healed already"));
        } else if !hit.of_store || !self.one_is_up(&hit.server, state) {
            self.up(&hit.server, "heal", state);
        }
    }

    /// Faults of which it is seen only by their being healed that they took effect, and that no step
    /// heals.
    pub(super) fn never_shown(&mut self, state: &mut State) {
        let faults = state.faults.clone();
        for (name, step) in faults
            .iter()
            .filter_map(|(n, it)| Some((n, it.shown_by_heal?)))
        {
            if !state.healed.contains(name) {
                state.step = step;
                let problem = Problem::nowhere(format!("nobody sees whether `{name}` took effect"));
                let help = format!("`heal: {name}` later shows it");
                self.here(state, "inject", problem.help(help));
            }
        }
    }

    /// Whether any server of a server's cluster runs.
    fn one_is_up(&self, server: &str, state: &State) -> bool {
        let cluster = self.file.cluster_of(server);
        let mut up = state.servers.iter().filter(|(_, it)| **it == Server::Up);
        up.any(|(other, _)| self.file.cluster_of(other) == cluster)
    }

    /// The fault of this name; none, and a problem, where none of the steps before injects it. `also`:
    /// what else could stand there.
    pub(super) fn injected(
        &mut self,
        fault: &str,
        path: &str,
        also: &[&str],
        state: &State,
    ) -> Option<Injected> {
        let injected = state.faults.get(fault).cloned();
        if injected.is_none() {
            let known = also.iter().copied();
            let known = known.chain(state.faults.keys().map(String::as_str));
            let message = format!("no fault `{fault}` is injected before this step");
            self.here(state, path, Problem::nowhere(message).known(fault, known));
        }
        injected
    }
}
