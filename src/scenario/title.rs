//! What a step and a target are called, in one line.

use super::plan::{Action, PRIMARY, RunFor, SalvageBy, Target};
use crate::text::{cut, on_one_line};

/// Every step's word, as a scenario writes it and as the id of its finding.
macro_rules! words {
    ($($step:ident = $word:literal,)*) => {
        impl Action {
            /// In the order of the variants.
            pub const WORDS: &[&str] = &[$($word),*];

            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$step { .. } => $word,)*
                }
            }
        }
    };
}

words! {
    Backup = "backup",
    Run = "run",
    Checkpoint = "checkpoint",
    SwitchWal = "switch-wal",
    RestorePoint = "restore-point",
    Inject = "inject",
    Heal = "heal",
    Freeze = "freeze",
    Thaw = "thaw",
    Restore = "restore",
    Salvage = "salvage",
    Reindex = "reindex",
    Start = "start",
    Promote = "promote",
    CutOver = "cut-over",
    Verify = "verify",
    Age = "age",
    Expire = "expire",
    Wait = "wait",
    Sql = "sql",
    Command = "command",
}

impl Action {
    /// What it does, in one line.
    pub fn title(&self) -> String {
        match self {
            Self::Backup { server, of, kind } => format!("{} backup {of} of {server}", kind.word()),
            Self::Run(RunFor::Time(time)) => format!("run for {time}"),
            Self::Run(RunFor::Transactions(count)) => format!("run {count} transactions"),
            Self::Checkpoint { server } => format!("checkpoint on {server}"),
            Self::SwitchWal { server } => format!("switch WAL on {server}"),
            Self::RestorePoint { server, name } => format!("restore point {name} on {server}"),
            Self::Inject { server, fault, .. } => {
                format!("inject {} on {server}", fault.title())
            }
            Self::Heal { fault } => format!("heal {fault}"),
            Self::Freeze { workload, .. } => format!("freeze {workload}"),
            Self::Thaw { workload, .. } => format!("thaw {workload}"),
            Self::Restore {
                from,
                of,
                store,
                into,
                in_place,
                target,
                ..
            } => {
                let place = if *in_place { "in place on" } else { "into" };
                let store = store.iter().map(|store| format!(" in {store}"));
                let of = Some(of).filter(|of| *of != PRIMARY);
                let of = of.iter().map(|of| format!(" of {of}"));
                let from = from.clone() + &of.chain(store).collect::<String>();
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
            Self::Promote { server } => format!("promote {server}"),
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

impl Target {
    pub fn title(&self) -> String {
        match self {
            Self::Latest => "to the latest".into(),
            Self::Immediate => "to consistency".into(),
            Self::Time(time) => format!("to {time}"),
            Self::Lsn(lsn) => format!("to LSN {lsn}"),
            Self::Xid(xid) => format!("to transaction {xid}"),
            Self::Name(name) => format!("to restore point {name}"),
            Self::Before { fault, by: None } => format!("to just before {fault}"),
            Self::Before {
                fault,
                by: Some(time),
            } => format!("to {time} before {fault}"),
        }
    }
}

/// The text on one line, shortened to what a terminal shows.
pub fn line(text: &str) -> String {
    const SHOWN: usize = 60;
    cut(&on_one_line(text), SHOWN)
}
