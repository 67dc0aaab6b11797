//! Nodes and what runs on them: clocks, standbys, and the backups that are taken elsewhere than on
//! the server's own node.

use super::Check;
use crate::scenario::{
    file::{ClockFile, StrategyChoice},
    format,
    plan::PRIMARY,
    problem::Problem,
};

impl Check<'_> {
    pub(super) fn nodes(&mut self) {
        for (name, node) in &self.file.nodes {
            self.name_of_node(name);
            self.clock(node.clock.as_ref(), &["nodes", name, "clock"]);
        }
        for (name, server) in &self.file.servers {
            self.clock(server.clock.as_ref(), &["servers", name, "clock"]);
            if let Some(of) = &server.standby_of {
                self.standby(name, of);
            }
        }
        self.taken_elsewhere();
    }

    fn name_of_node(&mut self, name: &str) {
        let place = self.key_place(&["nodes", name]);
        if let Err(message) = format::check("name", name) {
            self.problem(Problem::at(place, message));
        }
        if name == PRIMARY || self.file.servers.contains_key(name) {
            let message = format!("`{name}` is a server, which has a node of its own");
            self.problem(Problem::at(place, message).help("call the node otherwise"));
        }
    }

    fn clock(&mut self, clock: Option<&ClockFile>, path: &[&str]) {
        let Some(clock) = clock else {
            return;
        };
        let at = |key| [path, &[key]].concat();
        if clock.ahead.is_some() && clock.behind.is_some() {
            let place = self.key_place(&at("behind"));
            self.problem(Problem::at(
                place,
                "a clock is `ahead` or `behind`, not both",
            ));
        }
        let unknown = |zone: &&String| jiff::tz::TimeZone::get(zone).is_err();
        if let Some(zone) = clock.zone.as_ref().filter(unknown) {
            let problem = Problem::at(self.place(&at("zone")), format!("no time zone `{zone}`"));
            self.problem(problem.help("its name stands in the tz database: `Asia/Shanghai`"));
        }
    }

    /// A standby copies a server that has data of its own.
    fn standby(&mut self, name: &str, of: &str) {
        let path = ["servers", name, "standby-of"];
        if name == PRIMARY {
            let place = self.key_place(&path);
            let help = "name another server, and have that one be the standby";
            let problem = Problem::at(place, "`primary` is nobody's standby");
            return self.problem(problem.help(help));
        }
        self.there_at_first(of, &path);
        let settings = self.file.servers.get(name).map(|one| &one.settings);
        if settings.is_some_and(|settings| !settings.is_empty()) {
            let place = self.key_place(&["servers", name, "settings"]);
            let message = format!("`{name}` is a standby: it has the settings of `{of}`");
            self.problem(Problem::at(place, message).help("take them out"));
        }
    }

    /// Backups that a strategy has taken on a node of the scenario.
    fn taken_elsewhere(&mut self) {
        let Some(strategy) = self.strategy else {
            return;
        };
        let inline = matches!(self.file.strategy, StrategyChoice::Inline(_));
        for (name, backup) in &strategy.backups {
            let Some(on) = &backup.on else {
                continue;
            };
            let place = match inline {
                true => self.place(&["strategy", "backups", name, "on"]),
                false => self.place(&["strategy"]),
            };
            let tool = backup.tool.abilities();
            if !self.file.nodes.contains_key(on) {
                let nodes = self.file.nodes.keys().map(String::as_str);
                let nodes: Vec<&str> = nodes.collect();
                let message = format!("there is no node `{on}` for the backup `{name}`");
                let problem = Problem::at(place, message).known(on, nodes);
                self.problem(problem.help(format!("add `nodes: {{ {on}: {{}} }}`")));
            } else if !tool.from_elsewhere {
                let message = format!("{} takes a backup on the server's own node only", tool.tool);
                self.problem(Problem::at(place, message).help("take `on` out"));
            } else if self.clusters() > 1 {
                let message = format!("the node `{on}` sees the stores of `primary` alone");
                let help = "a scenario with several clusters takes its backups on the servers";
                self.problem(Problem::at(place, message).help(help));
            }
        }
    }

    fn clusters(&self) -> usize {
        let servers = self.file.servers.iter();
        let others = servers.filter(|(name, one)| *name != PRIMARY && one.standby_of.is_none());
        1 + others.count()
    }
}
