//! Looking at a server, keeping its log, and removing everything.

use std::collections::BTreeSet;

use super::state::{Drill, StepError};
use crate::{
    event::{EventKind, FaultRecord, Moment},
    history::files,
    model::{BusinessCheck, Expectation, Model},
    observation::{Observation, Probe},
    postgres::Server,
    probe::{
        self,
        audit::Trail,
        business::{Operation, Tenants},
        server_log::{Excuse, scan, unexplained},
    },
    scenario::plan::{CheckKind, PRIMARY, Plan},
    workload::readback,
};

impl Drill<'_> {
    /// Has the probes that these checks need look at a server.
    pub async fn look(&self, moment: Moment, name: &str, kinds: &[CheckKind]) {
        let Some(server) = self.servers.get(name) else {
            return;
        };
        let looked = async {
            let model = self.model()?;
            let target = probe::ProbeTarget {
                server: name,
                access: server.access().await?,
                passwords: &self.passwords,
                node: &server.node,
                business: &operations(&model, self.plan),
                audit: model.manifest.audit.as_ref().map(|audit| Trail {
                    log: &audit.log,
                    tables: &audit.tables,
                    nonce: self.nonce,
                }),
                keys: &self.plan.own_keys(),
                // On another server, or a new timeline, the number is another transaction's.
                fault_xid: (self.fault.as_ref())
                    .filter(|fault| fault.server == name)
                    .and_then(|fault| fault.xid),
            };
            probe::observe(moment, &target, kinds, &self.recorder).await;
            Ok::<(), StepError>(())
        };
        if let Err(error) = looked.await {
            self.could_not_look(moment, name, Probe::All, &error);
        }
        if moment == Moment::After && kinds.contains(&CheckKind::Ledger) {
            self.read_back(server).await;
        }
    }

    fn could_not_look(
        &self,
        moment: Moment,
        server: &str,
        probe: Probe,
        error: &dyn std::fmt::Display,
    ) {
        self.recorder.record(EventKind::ProbeFailed {
            moment,
            server: server.to_owned(),
            probe,
            error: error.to_string(),
        });
    }

    /// Reads every row that the clients wrote, for the ledger to be held against.
    async fn read_back(&self, server: &Server) {
        let began_us = self.recorder.now_us();
        let file = readback::file_name(&server.name);
        let path = self.dir.join(&file);
        let read = async {
            let client = server.connect().await?;
            Ok::<u64, StepError>(readback::read(&client, self.plan, self.nonce, &path).await?)
        };
        match read.await {
            Ok(rows) => self.recorder.record(EventKind::Observed {
                moment: Moment::After,
                server: server.name.clone(),
                took_us: self.recorder.now_us() - began_us,
                observation: Observation::Readback { file, rows },
            }),
            Err(error) => self.could_not_look(Moment::After, &server.name, Probe::Readback, &error),
        }
    }

    /// Ends the clients and records what became of them.
    pub async fn stop_workloads(&mut self) {
        self.watch = None;
        let Some(workloads) = self.workloads.take() else {
            return;
        };
        if let Err(error) = workloads.stop().await {
            let text = format!("the ledger is no evidence: {error}");
            self.recorder.record(EventKind::Note { text });
        }
    }

    /// Looks at every server that serves at the end.
    pub async fn look_after(&self) {
        let mut serving: BTreeSet<&str> = self.serving.values().map(String::as_str).collect();
        if serving.is_empty() {
            serving.insert(PRIMARY);
        }
        for name in serving {
            self.look(Moment::After, name, &self.plan.checks).await;
        }
    }

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
        self.judge_log(&server.name, &String::from_utf8_lossy(&log));
    }

    /// What business checks provoke on purpose, a frozen business (42501), and the fault.
    fn excuses(&self) -> Vec<Excuse> {
        let operations = self.model().map(|model| operations(&model, self.plan));
        let refusals = operations
            .unwrap_or_default()
            .into_iter()
            .filter_map(|operation| operation.refused);
        let faults = self
            .fault
            .iter()
            .flat_map(excused_by)
            .map(|sqlstate| (*sqlstate).to_owned());
        refusals
            .chain(["42501".to_owned()])
            .chain(faults)
            .map(Excuse::Sqlstate)
            .collect()
    }

    /// Records the lines that neither the fault nor a step explains.
    fn judge_log(&self, server: &str, log: &str) {
        for line in unexplained(scan(log), &self.excuses()) {
            self.recorder.record(EventKind::ServerLog {
                server: server.to_owned(),
                severity: line.severity,
                sqlstate: line.sqlstate,
                message: line.message,
            });
        }
        self.recorder.record(EventKind::ServerLogRead {
            server: server.to_owned(),
            lines: log.lines().count() as u64,
        });
    }

    /// Keeps the logs and removes the rest; returns what could not be removed.
    async fn remove(&mut self) -> Vec<String> {
        for server in self.servers.clone().values() {
            self.keep_log(server).await;
        }
        self.runtime.close_drill(&self.plan.drill).await
    }

    /// Ends the drill: clients, logs, and everything that was created.
    pub async fn close(mut self, reason: String) {
        self.stop_workloads().await;
        let (leaked, unanswered) = match self.runtime.answers().await {
            Ok(()) => (self.remove().await, String::new()),
            Err(error) => (Vec::new(), error.to_string()),
        };
        self.account();
        self.recorder.record(EventKind::DrillEnded {
            completed: reason.is_empty(),
            reason,
            leaked,
            unanswered,
        });
    }
}

/// The data model's business checks as operations to try.
fn operations(model: &Model, plan: &Plan) -> Vec<Operation> {
    let rows = model.manifest.rows(plan.data.size);
    let count = rows.get(model.manifest.tenants.as_str()).copied();
    let tenants = |setting: &String| Tenants {
        setting: setting.clone(),
        count: count.unwrap_or_default(),
    };
    let operation = |(business, check): (&str, &BusinessCheck)| Operation {
        name: check.name.clone(),
        role: check.role.clone(),
        tenants: model
            .manifest
            .businesses
            .get(business)
            .filter(|_| check.tenant)
            .and_then(|business| business.tenant_setting.as_ref())
            .map(tenants),
        sql: check.sql.clone(),
        refused: match &check.expect {
            Expectation::Rows => None,
            Expectation::Error(sqlstate) => Some(sqlstate.clone()),
        },
    };
    model.business().map(operation).collect()
}

/// What a fault makes clients run into. 40P01: a statement that locks many tables under
/// live traffic may deadlock with a client, which then gives way.
fn excused_by(fault: &FaultRecord) -> &'static [&'static str] {
    match fault.fault.as_str() {
        // XX000: "cache lookup failed" in a session whose object has just gone.
        "drop-table" | "drop-schema" => &["42P01", "3F000", "42883", "42704", "XX000", "40P01"],
        "drop-database" => &["3D000"],
        "delete-rows" | "truncate" | "update-rows" => &["23503", "40P01"],
        "damage-index" | "damage-table" => &["XX001", "XX002", "40P01"],
        // The postmaster is killed with its processes; one that sees it die first says so.
        "crash-server" | "lose-server" => &["57P01"],
        _ => &[],
    }
}
