//! The servers' logs: kept in the drill's directory, and read for what nothing explains.
//!
//! The history gets those lines alone: of a business that is frozen, or whose table is gone,
//! there are thousands that are as they must be.

use super::state::{Drill, StepError};
use crate::{
    event::EventKind,
    history::files,
    postgres::Server,
    probe::server_log::{scan, unexplained},
};

impl Drill<'_> {
    /// Why something failed, with what the servers said that gave up themselves: whoever
    /// talked to one of them only saw the connection end.
    pub async fn explained(&self, error: &StepError) -> String {
        let mut why = error.to_string();
        for server in self.servers.values() {
            let Ok(log) = server.node.get(&server.log()).await else {
                continue;
            };
            let lines = scan(&String::from_utf8_lossy(&log));
            let panic = lines.iter().rfind(|line| line.severity == "PANIC");
            if let Some(line) = panic.filter(|line| !why.contains(&line.message)) {
                let name = &server.name;
                why.push_str(&format!("; `{name}` gave up: PANIC: {}", line.message));
            }
        }
        why
    }

    /// Copies a server's log into the drill's directory and records what it did not
    /// expect to find in it.
    pub async fn keep_log(&mut self, server: &Server) {
        if !self.logs_kept.insert(server.name.clone()) {
            return;
        }
        let Ok(log) = server.node.get(&server.log()).await else {
            return;
        };
        let file = self
            .dir
            .join(files::LOGS)
            .join(format!("{}.log", server.name));
        if let Err(cause) = std::fs::write(&file, &log) {
            self.recorder.record(EventKind::Note {
                text: format!("cannot write {}: {cause}", file.display()),
            });
        }
        self.tell_log(&server.name, &String::from_utf8_lossy(&log));
    }

    /// Records the lines that neither the fault nor a step explains.
    fn tell_log(&self, server: &str, log: &str) {
        for line in unexplained(server, scan(log), &self.excuses.all()) {
            self.recorder.record(EventKind::ServerLog {
                server: server.to_owned(),
                severity: line.severity,
                sqlstate: line.sqlstate,
                role: line.role,
                message: line.message,
            });
        }
        self.recorder.record(EventKind::ServerLogRead {
            server: server.to_owned(),
            lines: log.lines().count() as u64,
        });
    }
}
