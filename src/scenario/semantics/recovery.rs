//! Whether the steps of a recovery find what they need: backup, WAL, scratch server.

use super::{
    Check,
    nodes::no_zone,
    steps::{Server, State},
};
use crate::{
    backup::Abilities,
    fault::Need,
    scenario::{
        expand,
        plan::{CutOver, Nature, Restore, Salvage, Target, TargetType, Wal, is_scratch},
        problem::{Problem, one_of},
    },
    units::Time,
};

impl Check<'_> {
    pub(super) fn restore(&mut self, restore: &Restore, state: &mut State) {
        self.restored_from(restore, state);
        if let Some(of) = &restore.of {
            let number = (state.step - 1).to_string();
            self.there_at_first(of, &["steps", &number, "restore", "of"]);
        }
        self.target(restore, state);
        self.timeline(restore, state);
        self.some_databases(restore, state);
        self.some_tables(restore, state);
        match restore.in_place {
            true => self.in_place(restore, state),
            false => self.as_new(restore, state),
        }
        state.servers.insert(restore.into.clone(), Server::Up);
        if is_scratch(&restore.into) {
            state.scratch = Some(restore.into.clone());
        }
    }

    fn as_new(&mut self, restore: &Restore, state: &State) {
        let (into, help) = (&restore.into, "give the new server another name");
        if state.servers.contains_key(into) {
            let problem = Problem::nowhere(format!("server `{into}` exists already"));
            let help = format!("{help}, or say `in-place: true`");
            self.here(state, "restore.into", problem.help(help));
        } else if self.file.nodes.contains_key(into) {
            let problem = Problem::nowhere(format!("`{into}` is a node of `nodes`"));
            self.here(state, "restore.into", problem.help(help));
        }
    }

    /// A server that is there, also one that is down, by a tool that replaces its files.
    fn in_place(&mut self, restore: &Restore, state: &State) {
        match state.servers.get(&restore.into) {
            Some(Server::Up | Server::Down(_)) => {}
            Some(Server::Standby) => {
                let problem = Problem::nowhere(format!("`{}` is a standby", restore.into));
                let help = "what streams from another server is not restored";
                self.here(state, "restore.into", problem.help(help));
            }
            Some(Server::Lost(step)) => {
                let message = format!("`{}` is lost since step {step}", restore.into);
                let problem = Problem::nowhere(message);
                let help = "its storage is gone: restore into a new server";
                self.here(state, "restore.into", problem.help(help));
            }
            None => {
                let problem = Problem::nowhere(format!("there is no server `{}`", restore.into));
                let problem = problem.known(&restore.into, state.servers.keys());
                self.here(state, "restore.into", problem);
            }
        }
        let tool = self.restoring_tool(restore);
        if let Some(abilities) = tool.filter(|abilities| !abilities.in_place) {
            let message = format!("{} does not restore in place", abilities.tool);
            let problem = Problem::nowhere(message).help("restore into a new server");
            self.here(state, "restore.in-place", problem);
        }
    }

    fn some_databases(&mut self, restore: &Restore, state: &State) {
        for (index, name) in restore.databases.iter().enumerate() {
            let path = format!("restore.databases.{index}");
            self.there(Need::Database(name), &path, state);
        }
        if restore.databases.is_empty() {
            return;
        }
        let path = "restore.databases";
        let tool = self.restoring_tool(restore);
        if let Some(tool) = tool.filter(|tool| !tool.some_databases) {
            let message = format!("{} restores all databases", tool.tool);
            self.here(state, path, Problem::nowhere(message).help("leave it out"));
        } else if !is_scratch(&restore.into) {
            let message = "a server without some of its databases serves nobody";
            let help = "restore into `scratch`, and `salvage` from there";
            self.here(state, path, Problem::nowhere(message).help(help));
        }
    }

    fn some_tables(&mut self, restore: &Restore, state: &State) {
        let (schemas, tables) = (&restore.schemas, &restore.tables);
        let path = match (schemas.is_empty(), tables.is_empty()) {
            (true, true) => return,
            (false, _) => "restore.schemas",
            (true, false) => "restore.tables",
        };
        let tool = self.restoring_tool(restore);
        if let Some(tool) = tool.filter(|tool| !tool.some_tables) {
            let message = format!("{} restores whole databases", tool.tool);
            let help = "leave it out, and `salvage` what is wanted";
            self.here(state, path, Problem::nowhere(message).help(help));
        } else if !is_scratch(&restore.into) {
            let message = "a server without some of its rows serves nobody";
            let help = "restore into `scratch`, and `salvage` from there";
            self.here(state, path, Problem::nowhere(message).help(help));
        } else if restore.databases.len() != 1
            && self.databases.is_some_and(|all| all.iter().count() > 1)
        {
            let message = "of several databases it is not said of which";
            let help = "`databases: [NAME]` names the one";
            self.here(state, path, Problem::nowhere(message).help(help));
        }
    }

    fn restoring_tool(&self, restore: &Restore) -> Option<Abilities> {
        let strategy = self.strategy?;
        let name = expand::restored_from(restore, strategy)?;
        Some(strategy.backups.get(name)?.tool.abilities())
    }

    /// The backup that a restore begins from: there is one, of a whole cluster, taken before.
    fn restored_from(&mut self, restore: &Restore, state: &State) {
        let Some(strategy) = self.strategy else {
            return;
        };
        let Some(name) = expand::restored_from(restore, strategy) else {
            let all = strategy.backups.iter();
            let whole = all.filter(|(_, plan)| plan.tool.abilities().restores);
            let names: Vec<&str> = whole.map(|(name, _)| name.as_str()).collect();
            let problem = match names.is_empty() {
                true => Problem::nowhere("no backup of the strategy holds a whole cluster"),
                false => Problem::nowhere("several backups hold a whole cluster")
                    .help(format!("say which: `from:` {}", one_of(&names))),
            };
            return self.here(state, "restore", problem);
        };
        let Some(plan) = self.planned(name, "restore.from", state) else {
            return;
        };
        if restore.backup.is_some() && restore.nth.is_some() {
            let problem = Problem::nowhere("`backup` and `nth` both say which");
            self.here(state, "restore.nth", problem.help("leave one out"));
        }
        if let Some(store) = restore
            .store
            .as_ref()
            .filter(|store| !plan.to.contains(store))
        {
            let message = format!("no backup `{name}` goes to the store `{store}`");
            let problem = Problem::nowhere(message).known(store, &plan.to);
            self.here(state, "restore.store", problem);
        }
        match plan.tool.abilities() {
            tool if tool.restores => self.taken_before(name, tool.takes_label, restore, state),
            _part => {
                let message = format!(
                    "`{name}` holds a part of a cluster: no server can be restored from it"
                );
                self.here(state, "restore.from", message);
            }
        }
    }

    /// A label that a tool takes is the backup's name and how many were taken by then, of any name.
    fn taken_before(&mut self, name: &str, takes_label: bool, restore: &Restore, state: &State) {
        let of = self.restored(restore);
        if !state.servers.contains_key(&of) {
            return;
        }
        let taken = state.backed_up.iter().enumerate();
        let taken = taken.filter(|(_, (cluster, backup))| *cluster == of && backup == name);
        let labels: Vec<String> = taken.map(|(at, _)| format!("{name}-{}", at + 1)).collect();
        let label = restore.backup.as_ref().filter(|_| takes_label);
        if labels.is_empty() {
            let of = match self.clusters() {
                1 => String::new(),
                _ => format!(" of `{of}`"),
            };
            let message = format!("nothing to restore: no backup `{name}`{of} comes before");
            let help = format!("`- backup: {name}` comes first");
            self.here(state, "restore", Problem::nowhere(message).help(help));
        } else if let Some(label) = label.filter(|label| !labels.contains(label)) {
            let problem = Problem::nowhere(format!("no backup `{label}` comes before"));
            self.here(state, "restore.backup", problem.known(label, labels));
        }
    }

    /// The cluster whose backup is restored.
    fn restored(&self, restore: &Restore) -> String {
        let cluster = match restore.in_place {
            true => self.file.cluster_of(&restore.into),
            false => restore.of(),
        };
        cluster.to_owned()
    }

    /// A point before a fault is one in the WAL of the cluster that it hit.
    fn hit_by(&mut self, fault: &str, restore: &Restore, state: &State) {
        let name = state.meant(fault);
        let (Some(fault), of) = (state.faults.get(name), self.restored(restore)) else {
            return;
        };
        let (hit, cluster) = (&fault.server, self.file.cluster_of(&fault.server));
        if cluster != of {
            let message = format!("`{name}` hit `{hit}`, and a backup of `{of}` is restored");
            let help = format!("`of: {cluster}` restores what it hit; a fault can be named");
            let problem = Problem::nowhere(message).help(help);
            self.here(state, "restore.target.before", problem);
        }
    }

    fn target(&mut self, restore: &Restore, state: &State) {
        let tool = self.restoring_tool(restore);
        let dumper = tool.filter(|tool| tool.nature == Nature::Logical);
        let what = match &restore.target {
            Target::Before { .. } if state.faults.is_empty() => {
                let message = "no fault is injected before this step";
                return self.here(state, "restore.target.before", message);
            }
            Target::Before {
                fault,
                by,
                kind,
                zone,
            } => {
                self.told_by(fault, *by, *kind, zone.as_deref(), state);
                if fault != expand::NEWEST {
                    let path = "restore.target.before";
                    self.injected(fault, path, &[expand::NEWEST], state);
                }
                self.hit_by(fault, restore, state);
                // Also the newest dump from before the fault is a state from before it.
                if by.is_none() && dumper.is_some() {
                    return;
                }
                match by {
                    Some(_) => "a time before the fault",
                    None => "before the fault",
                }
            }
            Target::Latest | Target::Immediate => return,
            Target::Time(_) => "a point in time",
            Target::Lsn(_) => "a WAL position",
            Target::Xid(_) => "a transaction",
            Target::Name(name) => {
                let of = self.restored(restore);
                let points = state.restore_points.iter();
                let points = points.filter(|(cluster, _)| *cluster == of);
                let known: Vec<&String> = points.map(|(_, name)| name).collect();
                if !known.contains(&name) {
                    let problem =
                        Problem::nowhere(format!("no restore point `{name}` comes before"));
                    let problem = problem.known(name, known);
                    self.here(state, "restore.target.name", problem);
                }
                "a restore point"
            }
        };
        match dumper {
            Some(abilities) => self.no_point_in_time(what, abilities.tool, state),
            None => self.archives(what, "restore.target", state),
        }
    }

    /// What tells of a point before a fault: its position, its transaction, or a time.
    fn told_by(
        &mut self,
        fault: &str,
        by: Option<Time>,
        kind: TargetType,
        zone: Option<&str>,
        state: &State,
    ) {
        let name = state.meant(fault);
        let is_statement = state.faults.get(name).is_none_or(|one| one.is_statement);
        let by_transaction = kind == TargetType::Xid;
        if by_transaction && by.is_some() {
            let problem = Problem::nowhere("a point `by` some time is told by no transaction");
            self.here(state, "restore.target.type", problem.help("leave one out"));
        } else if by_transaction && !is_statement {
            let problem = Problem::nowhere(format!("`{name}` is no statement: no transaction"));
            let help = "`type: lsn` is before whatever it is";
            self.here(state, "restore.target.type", problem.help(help));
        }
        if zone.is_some() && by.is_none() {
            let problem = Problem::nowhere("no time is told, and so no zone");
            let help = "`by: 1m` is a point in time";
            self.here(state, "restore.target.zone", problem.help(help));
        } else if let Some(problem) = zone.and_then(no_zone) {
            self.here(state, "restore.target.zone", problem);
        }
    }

    /// A dump is as of its snapshot.
    fn no_point_in_time(&mut self, what: &str, tool: &str, state: &State) {
        let message =
            format!("{tool} restores a backup as of its snapshot: {what} is out of reach");
        let help =
            "it reaches `latest`, and `{ before: fault }` by the newest backup from before it";
        let problem = Problem::nowhere(message).help(help);
        self.here(state, "restore.target", problem);
    }

    /// A timeline is one of the WAL that leads on from a backup.
    fn timeline(&mut self, restore: &Restore, state: &State) {
        if restore.timeline.is_none() {
            return;
        }
        let (what, path) = ("a timeline", "restore.timeline");
        if restore.target == Target::Immediate {
            let message = "consistency is reached on the timeline that the backup was taken on";
            self.here(state, path, Problem::nowhere(message).help("leave it out"));
        }
        let tool = self.restoring_tool(restore);
        match tool.filter(|tool| tool.nature == Nature::Logical) {
            Some(dumper) => {
                let message = format!("{} restores a backup as of its snapshot", dumper.tool);
                let help = "no WAL leads on from there, and so no timeline: leave it out";
                self.here(state, path, Problem::nowhere(message).help(help));
            }
            None => self.archives(what, path, state),
        }
    }

    /// What needs a WAL archive.
    pub(super) fn archives(&mut self, what: &str, path: &str, state: &State) {
        if self.strategy.is_some_and(|s| s.wal == Wal::None) {
            let name = self.strategy.map_or("", |s| s.name.as_str());
            let message = format!("the strategy `{name}` archives no WAL: {what} is out of reach");
            let help = "it reaches `latest` and `immediate`: the end of the full backup";
            self.here(state, path, Problem::nowhere(message).help(help));
        }
    }

    /// `server`: the one with the loss where the step names none.
    pub(super) fn salvage(&mut self, salvage: &Salvage, server: &str, state: &State) {
        let into = salvage.into.as_deref().unwrap_or(server);
        self.up(into, "salvage.into", state);
        self.salvaged_from(salvage, into, state);
        if salvage.tables.is_empty() && salvage.schemas.is_empty() {
            let problem = Problem::nowhere("salvage of nothing");
            let problem = problem.expected("`tables`, `schemas` or both");
            self.here(state, "salvage", problem);
        }
        for (index, table) in salvage.tables.iter().enumerate() {
            let path = format!("salvage.tables.{index}");
            self.there(Need::Table(table), &path, state);
        }
        for (index, schema) in salvage.schemas.iter().enumerate() {
            let path = format!("salvage.schemas.{index}");
            self.there(Need::Schema(schema), &path, state);
        }
        let number = (state.step - 1).to_string();
        self.twice(&salvage.tables, &["steps", &number, "salvage", "tables"]);
        self.twice(&salvage.schemas, &["steps", &number, "salvage", "schemas"]);
    }

    fn salvaged_from(&mut self, salvage: &Salvage, into: &str, state: &State) {
        let from = salvage.from.as_ref().or(state.scratch.as_ref());
        let clusters = from.map(|from| (self.file.cluster_of(from), self.file.cluster_of(into)));
        match (&salvage.from, &state.scratch) {
            (None, None) => {
                let problem = Problem::nowhere("nothing to salvage from: no scratch server");
                let help = "`- restore: { into: scratch, target: { before: fault } }` comes first";
                self.here(state, "salvage", problem.help(help));
            }
            (Some(from), _) if !is_scratch(from) || !state.servers.contains_key(from) => {
                let problem = Problem::nowhere(format!("`{from}` is no scratch server"));
                let scratches = state.servers.keys();
                let scratches = scratches.filter(|s| is_scratch(s));
                self.here(state, "salvage.from", problem.known(from, scratches));
            }
            (_, _) if clusters.is_some_and(|(from, into)| from != into) => {
                let (of, other) = clusters.unwrap_or_default();
                let from = from.map_or("", String::as_str);
                let message = format!("`{from}` is of `{of}`, and `{into}` of `{other}`");
                let help = format!("`restore: {{ of: {other}, into: … }}` comes first");
                self.here(state, "salvage", Problem::nowhere(message).help(help));
            }
            (_, _) => {}
        }
    }

    pub(super) fn cut_over(&mut self, cut_over: &CutOver, state: &State) {
        self.up(&cut_over.to, "cut-over.to", state);
        let number = (state.step - 1).to_string();
        self.somebody_writes("cut-over", &["steps", &number, "cut-over"]);
        if is_scratch(&cut_over.to) {
            let problem = Problem::nowhere("a scratch server never serves clients");
            let help = "restore into a server of another name";
            self.here(state, "cut-over.to", problem.help(help));
        }
        for (index, workload) in cut_over.workloads().iter().enumerate() {
            let path = format!("cut-over.workloads.{index}");
            self.workload(workload, &path, state);
            self.same_cluster(workload, &cut_over.to, &path, state);
        }
    }
}
