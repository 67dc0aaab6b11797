//! What a step, a fault and a target are called, in one line.

use super::plan::{Action, Fault, RunFor, SalvageBy, Target};

impl Action {
    /// Every step's word, in the order of the variants.
    pub const WORDS: [&str; 19] = [
        "backup",
        "run",
        "checkpoint",
        "switch-wal",
        "restore-point",
        "inject",
        "freeze",
        "thaw",
        "restore",
        "salvage",
        "reindex",
        "start",
        "cut-over",
        "verify",
        "age",
        "expire",
        "wait",
        "sql",
        "command",
    ];

    /// The word a scenario uses for it, which is also the id of its finding.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Backup { .. } => "backup",
            Self::Run(_) => "run",
            Self::Checkpoint { .. } => "checkpoint",
            Self::SwitchWal { .. } => "switch-wal",
            Self::RestorePoint { .. } => "restore-point",
            Self::Inject { .. } => "inject",
            Self::Freeze { .. } => "freeze",
            Self::Thaw { .. } => "thaw",
            Self::Restore { .. } => "restore",
            Self::Salvage { .. } => "salvage",
            Self::Reindex { .. } => "reindex",
            Self::Start { .. } => "start",
            Self::CutOver { .. } => "cut-over",
            Self::Verify { .. } => "verify",
            Self::Age(_) => "age",
            Self::Expire => "expire",
            Self::Wait { .. } => "wait",
            Self::Sql { .. } => "sql",
            Self::Command { .. } => "command",
        }
    }

    /// What it does, in one line.
    pub fn title(&self) -> String {
        match self {
            Self::Backup { server, of, kind } => format!("{} backup {of} of {server}", kind.word()),
            Self::Run(RunFor::Time(time)) => format!("run for {time}"),
            Self::Run(RunFor::Transactions(count)) => format!("run {count} transactions"),
            Self::Checkpoint { server } => format!("checkpoint on {server}"),
            Self::SwitchWal { server } => format!("switch WAL on {server}"),
            Self::RestorePoint { server, name } => format!("restore point {name} on {server}"),
            Self::Inject { server, fault } => format!("inject {} on {server}", fault.title()),
            Self::Freeze { workload, .. } => format!("freeze {workload}"),
            Self::Thaw { workload, .. } => format!("thaw {workload}"),
            Self::Restore {
                from,
                into,
                in_place,
                target,
                ..
            } => {
                let place = if *in_place { "in place on" } else { "into" };
                format!("restore {from} {} {place} {into}", target.title())
            }
            Self::Salvage {
                from,
                into,
                tables,
                schemas,
                by,
            } => {
                let what = [tables.as_slice(), schemas.as_slice()].concat().join(", ");
                let how = match by {
                    SalvageBy::Rows => "",
                    SalvageBy::Swap => " by swap",
                };
                format!("salvage {what} from {from} into {into}{how}")
            }
            Self::Reindex { server, object } => format!("reindex {object} on {server}"),
            Self::Start { server } => format!("start {server}"),
            Self::CutOver { workloads, to } => format!("cut {} over to {to}", workloads.join(", ")),
            Self::Verify { server } => format!("verify {server}"),
            Self::Age(time) => format!("make the backups {time} older"),
            Self::Expire => "apply the retention".into(),
            Self::Wait { server, until } => format!("wait on {server} until {}", line(until)),
            Self::Sql { server, sql } => format!("SQL on {server}: {}", line(sql)),
            Self::Command { server, command } => format!("command on {server}: {}", line(command)),
        }
    }
}

impl Fault {
    /// Its name in a scenario.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropTable(_) => "drop-table",
            Self::DropSchema(_) => "drop-schema",
            Self::DeleteRows { .. } => "delete-rows",
            Self::UpdateRows { .. } => "update-rows",
            Self::Truncate(_) => "truncate",
            Self::DropDatabase(_) => "drop-database",
            Self::RevokeGrants { .. } => "revoke-grants",
            Self::DamageIndex(_) => "damage-index",
            Self::DamageTable(_) => "damage-table",
            Self::CrashServer => "crash-server",
            Self::LoseServer => "lose-server",
            Self::StopArchiving => "stop-archiving",
        }
    }

    /// What it hits, as the scenario names it; empty for the whole server.
    pub fn object(&self) -> String {
        match self {
            Self::DropTable(name)
            | Self::DropSchema(name)
            | Self::Truncate(name)
            | Self::DropDatabase(name)
            | Self::DamageIndex(name)
            | Self::DamageTable(name)
            | Self::DeleteRows { table: name, .. }
            | Self::UpdateRows { table: name, .. } => name.clone(),
            Self::RevokeGrants { role, schema } => format!("{role} in {schema}"),
            Self::CrashServer | Self::LoseServer | Self::StopArchiving => String::new(),
        }
    }

    /// In one line, with its particulars.
    pub fn title(&self) -> String {
        let base = format!("{} {}", self.name(), self.object());
        match self {
            Self::DeleteRows { r#where, .. } => format!("{base} where {}", line(r#where)),
            Self::UpdateRows { set, r#where, .. } => {
                format!("{base} set {} where {}", line(set), line(r#where))
            }
            Self::DropTable(_)
            | Self::DropSchema(_)
            | Self::Truncate(_)
            | Self::DropDatabase(_)
            | Self::RevokeGrants { .. }
            | Self::DamageIndex(_)
            | Self::DamageTable(_)
            | Self::CrashServer
            | Self::LoseServer
            | Self::StopArchiving => base.trim_end().to_owned(),
        }
    }
}

impl Target {
    /// In one phrase.
    pub fn title(&self) -> String {
        match self {
            Self::Latest => "to the latest".into(),
            Self::Immediate => "to consistency".into(),
            Self::Time(time) => format!("to {time}"),
            Self::Lsn(lsn) => format!("to LSN {lsn}"),
            Self::Xid(xid) => format!("to transaction {xid}"),
            Self::Name(name) => format!("to restore point {name}"),
            Self::BeforeFault => "to just before the fault".into(),
            Self::BeforeFaultBy(time) => format!("to {time} before the fault"),
        }
    }
}

/// The text on one line, shortened to what a terminal shows.
fn line(text: &str) -> String {
    const SHOWN: usize = 60;
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().count() <= SHOWN {
        return joined;
    }
    joined.chars().take(SHOWN - 1).chain(['…']).collect()
}
