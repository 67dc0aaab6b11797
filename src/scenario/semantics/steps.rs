//! Whether the steps can be performed in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, faults::Injected};
use crate::backup::Abilities;
use crate::scenario::{
    expand,
    plan::{Action, BackupKind, BackupPlan, BackupStep, PRIMARY, RunFor},
    problem::Problem,
    step_file::StepFile,
};
use crate::units::Time;

/// What became of a server by the steps so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// Running.
    Up,
    /// Running, and read-only: it streams another's WAL.
    Standby,
    /// Stopped by the step of this number (from 1), its storage there.
    Down(usize),
    /// Gone with its storage since the step of this number.
    Lost(usize),
}

/// What the steps so far left behind.
pub(super) struct State {
    /// Number of the step, from 1.
    pub(super) step: usize,
    pub(super) servers: BTreeMap<String, Server>,
    /// The scratch server restored last.
    pub(super) scratch: Option<String>,
    /// Backups taken, in order: the cluster, and the backup's name in the strategy.
    pub(super) backed_up: Vec<(String, String)>,
    /// The faults injected, by name.
    pub(super) faults: BTreeMap<String, Injected>,
    /// The name of the fault injected last.
    pub(super) newest: String,
    pub(super) healed: BTreeSet<String>,
    /// Workloads that are frozen or stopped.
    held: BTreeSet<(&'static str, String)>,
    /// The cluster, and what it is called.
    pub(super) restore_points: BTreeSet<(String, String)>,
    /// All SQL run so far, that of `create` first: what it names may exist.
    pub(super) sql: String,
}

impl State {
    /// The name of a fault as a step gives it, where one may stand for the newest.
    pub(super) fn meant<'s>(&'s self, fault: &'s str) -> &'s str {
        match fault {
            expand::NEWEST => &self.newest,
            named => named,
        }
    }

    pub(super) fn becomes(&mut self, server: &str, what: Server) {
        self.servers.insert(server.to_owned(), what);
    }
}

impl<'a> Check<'a> {
    pub(super) fn steps(&mut self) {
        let existing = self.file.servers.iter();
        let existing = existing.map(|(name, server)| match server.standby_of {
            Some(_) => (name.clone(), Server::Standby),
            None => (name.clone(), Server::Up),
        });
        let mut state = State {
            step: 0,
            servers: existing.chain([(PRIMARY.to_owned(), Server::Up)]).collect(),
            scratch: None,
            backed_up: Vec::new(),
            faults: BTreeMap::new(),
            newest: String::new(),
            healed: BTreeSet::new(),
            held: BTreeSet::new(),
            restore_points: BTreeSet::new(),
            sql: self.creating(),
        };
        self.strategy_tables();
        self.custom_tables();
        self.never_zero("deadline", self.file.deadline, &["deadline"]);
        for (index, step) in self.file.steps.iter().enumerate() {
            state.step = index + 1;
            self.step(step, &mut state);
        }
        self.never_shown(&mut state);
        let (runs, deadline) = (Time(expand::running(self.file)), self.file.deadline);
        if let Some(deadline) = deadline.filter(|deadline| runs >= *deadline) {
            let message =
                format!("the clients run for {runs}, and the drill ends after {deadline}");
            self.wrong(&["deadline"], message);
        }
    }

    fn step(&mut self, step: &StepFile, state: &mut State) {
        let number = (state.step - 1).to_string();
        self.never_zero("deadline", step.deadline, &["steps", &number, "deadline"]);
        self.database_of(step, &number);
        let meant = self.databases.map(|all| all.server_of(self.file, step));
        let server = meant.or(step.server.as_deref()).unwrap_or(PRIMARY);
        let looks_only = matches!(step.action, Action::Wait(_) | Action::Command(_));
        let is_standby = state.servers.get(server) == Some(&Server::Standby);
        let acts_on_it = Action::beside(step.action.word()).contains(&"server");
        if acts_on_it && !(looks_only && is_standby) {
            self.up(server, "server", state);
        }
        match &step.action {
            Action::Backup(backup) => self.backup(backup, server, state),
            Action::Run(RunFor::Time(time)) => {
                self.never_zero("run", Some(*time), &["steps", &number, "run"]);
                let deadline = expand::deadline_of(step);
                if *time >= deadline && !deadline.0.is_zero() {
                    let message = format!("a run of {time} does not end within {deadline}");
                    self.here(state, "deadline", message);
                }
            }
            Action::Run(RunFor::Transactions { .. }) => {
                self.somebody_writes("run", &["steps", &number, "run"]);
            }
            Action::Age(_) => self.age(state),
            Action::Checkpoint {} | Action::SwitchWal {} | Action::Expire {} => {}
            Action::Wait(_) | Action::Command(_) => {}
            Action::RestorePoint(name) => {
                let cluster = self.file.cluster_of(server).to_owned();
                state.restore_points.insert((cluster, name.clone()));
            }
            Action::Sql(sql) => state.sql.push_str(sql),
            Action::Inject(fault) => self.inject(fault, server, state),
            Action::Heal(fault) => self.heal(fault, state),
            Action::Freeze(workload) => self.hold(workload, ("freeze", "frozen"), state),
            Action::Thaw(workload) => self.release(workload, ("thaw", "frozen", "freeze"), state),
            Action::StopWorkload(workload) => {
                self.hold(workload, ("stop-workload", "stopped"), state);
            }
            Action::StartWorkload(workload) => {
                let words = ("start-workload", "stopped", "stop-workload");
                self.release(workload, words, state);
            }
            Action::Restore(restore) => self.restore(restore, state),
            Action::Salvage(salvage) => self.salvage(salvage, server, state),
            Action::Reindex(object) => self.relation(object, "reindex", state),
            Action::Start(server) => self.start(server, state),
            Action::Promote(server) => self.promote(server, state),
            Action::CutOver(cut_over) => self.cut_over(cut_over, state),
            Action::Verify(server) => self.up(server, "verify", state),
        }
    }

    /// A problem of the current step, at the value that the path leads to; points part its keys.
    pub(super) fn here(&mut self, state: &State, path: &str, problem: impl Into<Problem>) {
        let number = (state.step - 1).to_string();
        let step = ["steps", number.as_str()].into_iter();
        let path: Vec<&str> = step.chain(path.split('.')).collect();
        self.wrong(&path, problem);
    }

    fn never_zero(&mut self, what: &str, time: Option<Time>, path: &[&str]) {
        if time.is_some_and(|t| t.0.is_zero()) {
            self.wrong(path, format!("`{what}` cannot be 0s"));
        }
    }

    /// The server must exist and run. `key`: where the step names it.
    pub(super) fn up(&mut self, server: &str, key: &str, state: &State) {
        let problem = match state.servers.get(server) {
            Some(Server::Up) => return,
            Some(Server::Standby) => Problem::nowhere(format!("`{server}` is a standby"))
                .help(format!("have it take over first: `promote: {server}`")),
            Some(Server::Down(step)) => {
                Problem::nowhere(format!("`{server}` is down since step {step}"))
                    .help(format!("start it again: `start: {server}`"))
            }
            Some(Server::Lost(step)) => {
                Problem::nowhere(format!("`{server}` is lost since step {step}"))
                    .help("name a server that was restored since")
            }
            None => unknown_server(server, state),
        };
        self.here(state, key, problem);
    }

    /// A backup of the strategy, of a kind that its tool can take.
    fn backup(&mut self, backup: &BackupStep, server: &str, state: &mut State) {
        let (name, kind) = (backup.of(), backup.kind());
        let key = match backup {
            BackupStep::Named(_) => "backup",
            BackupStep::Of(_) => "backup.of",
        };
        let Some(plan) = self.planned(name, key, state) else {
            return;
        };
        let abilities = plan.tool.abilities();
        let taken = (self.file.cluster_of(server).to_owned(), name.to_owned());
        let is_first = !state.backed_up.contains(&taken);
        state.backed_up.push(taken);
        if let Some(kind) = kind.filter(|kind| !abilities.kinds.contains(kind)) {
            let message = format!("{} takes no {} backup", abilities.tool, kind.word());
            let kinds: Vec<&str> = abilities.kinds.iter().map(|kind| kind.word()).collect();
            let problem = Problem::nowhere(message).expected(kinds.join(", "));
            return self.here(state, "backup.kind", problem);
        }
        let builds_on = matches!(kind, Some(BackupKind::Diff | BackupKind::Incr));
        if builds_on && is_first {
            let message = format!("no full backup of `{name}` comes before");
            self.here(state, "backup.kind", message);
        }
    }

    /// The backup of this name; a problem at the step's key where there is none.
    pub(super) fn planned(
        &mut self,
        name: &str,
        key: &str,
        state: &State,
    ) -> Option<&'a BackupPlan> {
        let strategy = self.strategy?;
        let plan = strategy.backups.get(name);
        if plan.is_none() {
            let message = format!("the strategy `{}` has no backup `{name}`", strategy.name);
            let problem = Problem::nowhere(message).known(name, strategy.backups.keys());
            self.here(state, key, problem);
        }
        plan
    }

    /// Backups whose age is not that of their files can't be made older.
    fn age(&mut self, state: &State) {
        let backups = self.strategy.into_iter().flat_map(|one| one.backups.iter());
        let mut abilities = backups.map(|(_, backup)| backup.tool.abilities());
        let kept = abilities.find(|one| !one.aged_by_files);
        if let Some(Abilities { tool, .. }) = kept {
            let message =
                format!("{tool} keeps the times of its backups itself: they can't be made older");
            self.here(state, "age", message);
        }
    }

    /// A step that holds a workload's clients back, and how they are then.
    fn hold(&mut self, workload: &str, words: (&str, &'static str), state: &mut State) {
        let (step, how) = words;
        self.workload(workload, step, state);
        if !state.held.insert((how, workload.to_owned())) {
            self.here(state, step, format!("`{workload}` is {how} already"));
        }
    }

    /// A step that lets them go on, how they are before it, and the step that made them so.
    fn release(&mut self, workload: &str, words: (&str, &'static str, &str), state: &mut State) {
        let (step, how, by) = words;
        self.workload(workload, step, state);
        let held = state.held.remove(&(how, workload.to_owned()));
        if !held && self.file.workloads.contains_key(workload) {
            let problem = Problem::nowhere(format!("`{workload}` is not {how}"));
            let help = format!("`{by}: {workload}` comes first");
            self.here(state, step, problem.help(help));
        }
    }

    fn start(&mut self, server: &str, state: &mut State) {
        let problem = match state.servers.get(server) {
            Some(Server::Down(_)) => return state.becomes(server, Server::Up),
            Some(Server::Up | Server::Standby) => {
                Problem::nowhere(format!("`{server}` runs already"))
                    .help("`start` comes after `inject: crash-server`")
            }
            Some(Server::Lost(step)) => {
                let message = format!("`{server}` is lost with its storage since step {step}");
                Problem::nowhere(message).help("restore into a new server")
            }
            None => unknown_server(server, state),
        };
        self.here(state, "start", problem);
    }

    fn promote(&mut self, server: &str, state: &mut State) {
        let problem = match state.servers.get(server) {
            Some(Server::Standby) => return state.becomes(server, Server::Up),
            Some(_) => Problem::nowhere(format!("`{server}` is no standby")).help(
                "one has `standby-of`, until it is promoted; what waits at its target goes on by \
                 `sql: select pg_promote()`",
            ),
            None => unknown_server(server, state),
        };
        self.here(state, "promote", problem);
    }

    pub(super) fn workload(&mut self, workload: &str, path: &str, state: &State) {
        if !self.file.workloads.contains_key(workload) {
            let problem = Problem::unknown("workload", workload, self.file.workloads.keys());
            self.here(state, path, problem);
        }
    }
}

fn unknown_server(server: &str, state: &State) -> Problem {
    let problem = Problem::nowhere(format!("no server `{server}` exists at this step"));
    problem.known(server, state.servers.keys())
}
