//! Nodes and what runs on them: clocks, standbys, and the backups that are taken elsewhere than on
//! the server's own node.

use super::Check;
use crate::{
    runtime::Clock,
    scenario::{file::StrategyChoice, format, plan::PRIMARY, problem::Problem},
};

impl Check<'_> {
    pub(super) fn nodes(&mut self) {
        for (name, node) in &self.file.nodes {
            self.name_of_node(name);
            self.clock(&node.clock, &["nodes", name, "clock"]);
        }
        for (name, server) in &self.file.servers {
            self.clock(&server.node.clock, &["servers", name, "clock"]);
            if let Some(of) = &server.standby_of {
                self.standby(name, of);
            }
        }
        self.taken_elsewhere();
    }

    fn name_of_node(&mut self, name: &str) {
        let path = ["nodes", name];
        if let Err(message) = format::check("name", name) {
            self.wrong_key(&path, message);
        }
        if name == PRIMARY || self.file.servers.contains_key(name) {
            let message = format!("`{name}` is a server, which has a node of its own");
            self.wrong_key(
                &path,
                Problem::nowhere(message).help("call the node otherwise"),
            );
        }
    }

    fn clock(&mut self, clock: &Clock, path: &[&str]) {
        if clock.ahead.is_some() && clock.behind.is_some() {
            let path = [path, &["behind"]].concat();
            self.wrong_key(&path, "a clock is `ahead` or `behind`, not both".to_owned());
        }
        if let Some(problem) = clock.zone.as_ref().and_then(|zone| no_zone(zone)) {
            self.wrong(&[path, &["zone"]].concat(), problem);
        }
    }

    /// A standby copies a server that has data of its own.
    fn standby(&mut self, name: &str, of: &str) {
        let path = ["servers", name, "standby-of"];
        if name == PRIMARY {
            let problem = Problem::nowhere("`primary` is nobody's standby");
            let help = "name another server, and have that one be the standby";
            return self.wrong_key(&path, problem.help(help));
        }
        self.there_at_first(of, &path);
        let stated = self.file.servers.get(name);
        if stated.is_some_and(|one| !one.settings.is_empty()) {
            let message = format!("`{name}` is a standby: it has the settings of `{of}`");
            let problem = Problem::nowhere(message).help("take them out");
            self.wrong_key(&["servers", name, "settings"], problem);
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
            let tool = backup.tool.abilities();
            let problem = if on == PRIMARY || self.file.servers.contains_key(on) {
                let message = format!("`{on}` is a server: a backup is taken on its own by itself");
                Problem::nowhere(message).help("take `on` out")
            } else if !self.file.nodes.contains_key(on) {
                let message = format!("there is no node `{on}` for the backup `{name}`");
                let problem = Problem::nowhere(message).known(on, self.file.nodes.keys());
                problem.help(format!("add `nodes: {{ {on}: {{}} }}`"))
            } else if !tool.from_elsewhere {
                let message = format!("{} takes a backup on the server's own node only", tool.tool);
                Problem::nowhere(message).help("take `on` out")
            } else if self.clusters() > 1 {
                let message = format!("the node `{on}` sees the stores of `primary` alone");
                let help = "a scenario with several clusters takes its backups on the servers";
                Problem::nowhere(message).help(help)
            } else {
                continue;
            };
            match inline {
                true => self.wrong(&["strategy", "backups", name, "on"], problem),
                false => self.wrong(&["strategy"], problem),
            }
        }
    }

    pub(super) fn clusters(&self) -> usize {
        let servers = self.file.servers.iter();
        let others = servers.filter(|(name, one)| *name != PRIMARY && one.standby_of.is_none());
        1 + others.count()
    }
}

/// What is wrong with a time zone, if it is none.
pub(super) fn no_zone(zone: &str) -> Option<Problem> {
    let help = "its name stands in the tz database: `Asia/Shanghai`";
    let problem = || Problem::nowhere(format!("no time zone `{zone}`")).help(help);
    jiff::tz::TimeZone::get(zone).is_err().then(problem)
}
