//! The servers' logs: kept in the drill's directory, and every error in them recorded.

use std::path::PathBuf;

use super::state::{Drill, StepError};
use crate::{
    event::EventKind,
    history::files,
    postgres::Server,
    probe::server_log,
    runtime::{Exec, RuntimeError},
};

impl Drill {
    /// Why something failed, with what the servers said that gave up themselves: whoever
    /// talked to one of them only saw the connection end.
    pub async fn explained(&self, error: &StepError) -> String {
        let mut why = error.to_string();
        for server in self.servers.values() {
            let Ok(log) = server.node.get(&server.log()).await else {
                continue;
            };
            let log = server_log::read(&server.name, &String::from_utf8_lossy(&log));
            let panic = log.lines.iter().rfind(|line| line.severity == "PANIC");
            if let Some(line) = panic.filter(|line| !why.contains(&line.message)) {
                let name = &server.name;
                why.push_str(&format!("; `{name}` gave up: PANIC: {}", line.message));
            }
        }
        why
    }

    /// Copies a server's log into the drill's directory and records the errors in it.
    pub async fn keep_log(&mut self, server: &Server) {
        if !self.logs_kept.insert(server.name.clone()) {
            return;
        }
        let name = &server.name;
        match self.copy_log(server).await {
            Ok(Some(log)) => self.tell_log(name, &log),
            Ok(None) => {}
            Err(error) => self.recorder.record(EventKind::ServerLogRead {
                server: name.clone(),
                lines: 0,
                unread: error.to_string(),
            }),
        }
    }

    /// The log as copied, without secrets: servers may be told to log statements, and so
    /// passwords' hashes. None where the server was never started.
    async fn copy_log(&self, server: &Server) -> Result<Option<String>, RuntimeError> {
        let path = server.log().display().to_string();
        let there = Exec::shell(r#"[ ! -e "$0" ] || echo there"#).arg(path);
        if server
            .node
            .exec(there.unrecorded())
            .await?
            .text()
            .is_empty()
        {
            return Ok(None);
        }
        let log = server.node.get(&server.log()).await?;
        let log = self.recorder.redacted(&String::from_utf8_lossy(&log));
        let file = self.free_log_file(&server.name);
        if let Err(cause) = std::fs::write(&file, &log) {
            self.recorder.record(EventKind::Note {
                text: format!("cannot write {}: {cause}", file.display()),
            });
        }
        Ok(Some(log))
    }

    /// A server that was restored in place has had another log before.
    fn free_log_file(&self, server: &str) -> PathBuf {
        let logs = self.dir.join(files::LOGS);
        let first = logs.join(format!("{server}.log"));
        let further = (2..).map(|number| logs.join(format!("{server}-{number}.log")));
        let mut all = std::iter::once(first).chain(further);
        all.find(|file| !file.exists()).unwrap_or_default()
    }

    /// By the drill's clock, whatever the server's says.
    fn tell_log(&self, server: &str, log: &str) {
        let log = server_log::read(server, log);
        let ahead = self.ahead(server);
        for mut lines in log.lines {
            for at in [&mut lines.first, &mut lines.last] {
                *at -= ahead;
            }
            self.recorder.record(EventKind::ServerLog(lines));
        }
        self.recorder.record(EventKind::ServerLogRead {
            server: server.to_owned(),
            lines: log.read,
            unread: log.unread,
        });
    }
}
