//! Fixtures that end badly.

use pgdrill::{event::Moment, observation::Observation};

use super::testing::{HistoryFixture, SECOND, lost_server, salvage};

/// A server lost when nothing had been archived for 8 s, which is 8 min at scale 60.
pub fn no_archive_timeout() -> HistoryFixture {
    let mut fixture = lost_server();
    fixture.plan.drill = "as-written-no-archive-timeout-pg17".into();
    fixture.plan.scenario = "as-written-no-archive-timeout".into();
    fixture.plan.about = "As the runbook has it, without `archive_timeout`: the OA's last \
        segment was still open when the server was lost."
        .into();
    fixture.plan.strategy.settings.clear();
    fixture.plan.strategy.name = "no-archive-timeout".into();
    fixture.plan.objectives.remove("agent");
    let fail = [
        ("rpo.oa", "objective 5m"),
        ("projected-rpo.oa", "no `archive_timeout`"),
        ("ledger.agent", "no RPO objective"),
    ];
    fixture.plan.expect.fail = fail
        .into_iter()
        .map(|(id, text)| (id.to_owned(), text.to_owned()))
        .collect();
    fixture
        .readback
        .retain(|one| one.acked_us <= 4 * SECOND || one.acked_us > 121 * SECOND / 10);
    // One row in a hundred as fast: WAL that takes hours to fill a segment.
    for record in &mut fixture.ledger {
        record.lsn = 0x200_0000 + record.acked_us / 100_000 * 8;
    }
    fixture
}

/// A salvage after which things are wrong.
pub fn careless() -> HistoryFixture {
    let mut fixture = salvage().bend(Moment::After, |seen| match seen {
        Observation::Tables(tables) => {
            tables.get_mut("app.users").unwrap().rows = 187;
            tables.get_mut("app.users").unwrap().digest = "0e".into();
        }
        Observation::Privileges(lines) => {
            lines.remove(0);
        }
        Observation::Business(results) => {
            results[0].got = "42501 permission denied for table users".into()
        }
        Observation::Sequences(sequences) => sequences[0].next = 12,
        _other => {}
    });
    fixture.plan.drill = "agent-rows-deleted-pg17".into();
    fixture.plan.scenario = "agent-rows-deleted".into();
    fixture.readback.truncate(fixture.readback.len() - 12);
    fixture
}

/// A restore that the server refused.
pub fn restore_failed() -> HistoryFixture {
    let why = "`pg_ctl start` in scratch failed with exit code 1\nlast lines of the log:\n\
        FATAL:  using recovery command file \"recovery.conf\" is not supported\n\
        hint: recovery is asked for by `recovery.signal` from version 12 on";
    let mut fixture = salvage().failing_at(4, why);
    fixture.plan.drill = "as-written-recovery-conf-pg17".into();
    fixture
}
