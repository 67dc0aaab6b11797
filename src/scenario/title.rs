//! What a step and a target are called, in one line.

use super::plan::{
    Action, PRIMARY, Restore, RunFor, Salvage, SalvageBy, Target, TargetTimeline, TargetType,
};
use crate::text::line;

/// Every step's word, as a scenario writes it and as the id of its finding, and what may stand beside
/// it: a step that acts in one database has it named there, one on a server that server.
macro_rules! words {
    ($($step:ident = $word:literal $([$($beside:literal),+])?,)*) => {
        impl Action {
            /// In the order of the variants.
            pub const WORDS: &[&str] = &[$($word),*];

            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$step { .. } => $word,)*
                }
            }

            /// What may stand beside a step of this word.
            pub fn beside(word: &str) -> &'static [&'static str] {
                match word {
                    $($word => &[$($($beside),+)?],)*
                    _ => &[],
                }
            }
        }
    };
}

words! {
    Backup = "backup" ["server"],
    Run = "run",
    Checkpoint = "checkpoint" ["server"],
    SwitchWal = "switch-wal" ["server"],
    RestorePoint = "restore-point" ["server"],
    Inject = "inject" ["server", "database", "as"],
    Heal = "heal",
    Freeze = "freeze" ["server"],
    Thaw = "thaw" ["server"],
    StopWorkload = "stop-workload",
    StartWorkload = "start-workload",
    Restore = "restore",
    Salvage = "salvage" ["database"],
    Reindex = "reindex" ["server", "database"],
    Start = "start",
    Promote = "promote",
    CutOver = "cut-over",
    Verify = "verify",
    Age = "age",
    Expire = "expire",
    Wait = "wait" ["server", "database"],
    Sql = "sql" ["server", "database"],
    Command = "command" ["server"],
}

impl Action {
    /// What it does, in one line. `server`: the one that it acts on where it names none.
    pub fn title(&self, server: &str) -> String {
        match self {
            Self::Backup(backup) => {
                let kind = backup.kind().unwrap_or_default().word();
                format!("{kind} backup {} of {server}", backup.of())
            }
            Self::Run(RunFor::Time(time)) => format!("run for {time}"),
            Self::Run(RunFor::Transactions { transactions }) => {
                format!("run {transactions} transactions")
            }
            Self::Checkpoint {} => format!("checkpoint on {server}"),
            Self::SwitchWal {} => format!("switch WAL on {server}"),
            Self::RestorePoint(name) => format!("restore point {name} on {server}"),
            Self::Inject(fault) => format!("inject {} on {server}", fault.title()),
            Self::Heal(fault) => format!("heal {fault}"),
            Self::Freeze(workload) => format!("freeze {workload}"),
            Self::Thaw(workload) => format!("thaw {workload}"),
            Self::StopWorkload(workload) => format!("stop {workload}"),
            Self::StartWorkload(workload) => format!("start {workload}"),
            Self::Restore(restore) => restore.title(),
            Self::Salvage(salvage) => salvage.title(),
            Self::Reindex(object) => format!("reindex {object} on {server}"),
            Self::Start(server) => format!("start {server}"),
            Self::Promote(server) => format!("promote {server}"),
            Self::CutOver(cut_over) => {
                let workloads = cut_over.workloads().join(", ");
                format!("cut {workloads} over to {}", cut_over.to)
            }
            Self::Verify(server) => format!("verify {server}"),
            Self::Age(time) => format!("make the backups {time} older"),
            Self::Expire {} => "apply the retention".into(),
            Self::Wait(wait) => format!("wait on {server} until {}", line(&wait.until)),
            Self::Sql(sql) => format!("SQL on {server}: {}", line(sql)),
            Self::Command(command) => format!("command on {server}: {}", line(command)),
        }
    }
}

impl Restore {
    fn title(&self) -> String {
        let place = if self.in_place { "in place on" } else { "into" };
        let of = Some(self.of()).filter(|of| *of != PRIMARY);
        let beside = [
            self.backup.as_ref().map(|label| format!(" ({label})")),
            self.nth
                .map(|nth| format!(" (number {nth} from the newest)")),
            alone(&[self.databases.as_slice(), &self.schemas, &self.tables]),
            of.map(|of| format!(" of {of}")),
            self.store.as_ref().map(|store| format!(" in {store}")),
        ];
        let from = self.from().to_owned() + &beside.into_iter().flatten().collect::<String>();
        let along = self.timeline.map(|timeline| match timeline {
            TargetTimeline::Latest => " along the latest timeline".to_owned(),
            TargetTimeline::Current => " along the backup's timeline".to_owned(),
            TargetTimeline::Number(number) => format!(" along timeline {number}"),
        });
        let target = self.target.title() + &along.unwrap_or_default();
        format!("restore {from} {target} {place} {}", self.into)
    }
}

/// `, medusa_production, public.payment alone,`; none: all.
fn alone(some: &[&[String]]) -> Option<String> {
    let some = some.concat().join(", ");
    (!some.is_empty()).then(|| format!(", {some} alone,"))
}

impl Salvage {
    fn title(&self) -> String {
        let what = [self.tables.as_slice(), &self.schemas].concat().join(", ");
        let how = match self.by {
            SalvageBy::Rows => "",
            SalvageBy::Swap => " by swap",
        };
        format!(
            "salvage {what} from {} into {}{how}",
            self.from(),
            self.into()
        )
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
            Self::Before {
                fault,
                by: None,
                kind,
                ..
            } => match kind {
                TargetType::Lsn => format!("to just before {fault}"),
                TargetType::Xid => format!("to just before the transaction of {fault}"),
            },
            Self::Before {
                fault,
                by: Some(time),
                zone,
                ..
            } => {
                let told = zone.as_ref().map(|zone| format!(", as told in {zone}"));
                format!("to {time} before {fault}{}", told.unwrap_or_default())
            }
        }
    }
}
