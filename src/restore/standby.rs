//! Standbys: a copy of a server that streams its WAL, and what it is once it is promoted.

use std::time::Duration;

use super::replay::reached;
use crate::{
    backup::tablespaces,
    event::{EventKind, RestoreRecord},
    history::Recorder,
    postgres::{Server, ServerError, server::write_passfile},
    runtime::{Exec, exec::quoted},
    scenario::plan::Phase,
};

const STREAMING: Duration = Duration::from_secs(60);

/// Makes a standby of a server that runs: it streams its WAL through a slot of its own.
///
/// # Errors
/// When the copy fails, the standby does not start, or does not stream within a minute.
pub async fn follow(
    standby: &Server,
    primary: &Server,
    within: Duration,
) -> Result<(), ServerError> {
    let node = &standby.node;
    write_passfile(node, &standby.passwords).await?;
    let copy = Exec::new(["sh", "-s"])
        .stdin(copying(standby, primary).await?)
        .envs(primary.environment_on(node))
        .within(within);
    node.exec(copy).await?;
    standby.start(within).await?;
    let streams = format!(
        "select count(*) = 1 from pg_stat_replication \
         where application_name = '{}' and state = 'streaming'",
        standby.name
    );
    let what = format!("streaming by `{}`", standby.name);
    primary.wait_until(&what, &streams, STREAMING).await
}

/// The script that copies. Tablespaces lie in places of the standby's own, by their OIDs.
async fn copying(standby: &Server, primary: &Server) -> Result<String, ServerError> {
    let layout = standby.node.layout();
    let own = layout.tablespaces.display();
    let spaces = tablespaces::of(primary).await?;
    let spaces = spaces.iter().map(|space| {
        let to = format!("{}={own}/{}", space.location, space.oid);
        format!(" -T {}", quoted(&to))
    });
    Ok(format!(
        "set -eu\nexport PGAPPNAME={name}\nrm -rf {data}\n\
         {program} -D {data} -X stream -c fast -R --create-slot --slot={slot}{spaces}\n",
        name = quoted(&standby.name),
        data = layout.data.display(),
        program = standby.program("pg_basebackup"),
        slot = standby.name.replace('-', "_"),
        spaces = spaces.collect::<String>(),
    ))
}

/// Ends a standby's recovery where what it has received ends, and has it forget whose standby it
/// was. It is recorded as a restore without a backup: what it reached says what was lost.
///
/// # Errors
/// When it does not leave recovery.
pub async fn promote(
    standby: &Server,
    within: Duration,
    recorder: &Recorder,
) -> Result<RestoreRecord, ServerError> {
    recorder.record(EventKind::PhaseBegan {
        phase: Phase::Promote,
    });
    standby.pg_ctl(&["promote"], within).await?;
    let identity = standby.announce(recorder).await?;
    for name in ["primary_conninfo", "primary_slot_name"] {
        standby.sql(&format!("alter system reset {name}")).await?;
    }
    standby.sql("select pg_reload_conf()").await?;
    let log = standby.node.get(&standby.log()).await?;
    let (reached_lsn, reached_time) = reached(&String::from_utf8_lossy(&log));
    let record = RestoreRecord {
        server: standby.name.clone(),
        target: "all WAL that it has received".into(),
        timeline: identity.timeline,
        next_xid: identity.next_xid,
        reached_lsn,
        reached_time,
        ..RestoreRecord::default()
    };
    recorder.record(EventKind::Restored(record.clone()));
    Ok(record)
}
