//! The drill in which a look at the planted server is judged: a server lost and restored, as
//! `check::testing` tells it, in which everything that was seen is what the probes saw here.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pgdrill::{
    event::{Cause, Event, EventKind, ExpectedError, Moment},
    ledger::Record,
    model::Model,
    observation::Observation,
    probe::{access, server_log::Log},
    scenario::plan::{PRIMARY, Plan},
    units::{Bytes, Rate},
};

use super::{
    clients::{Clients, Rows},
    testing::{HistoryFixture, SECOND, lost_server},
};

/// The server of the fixture that is looked at afterwards.
pub const RESTORED: &str = "replacement";
/// The clients of the fixture write from then until then; right after it comes the fault.
const CLIENTS_US: (u64, u64) = (4 * SECOND, 11_500_000);
const STEADY_US: u64 = 9 * SECOND;
const IMAGED_US: u64 = 11_900_000;
const LOOKED_US: u64 = 26 * SECOND;

/// One look at the restored server.
pub struct Seen {
    /// What the probes said.
    pub events: Vec<EventKind>,
    /// The clients' rows, or why they could not be read.
    pub rows: Result<(Rows, Vec<Record>), String>,
    /// What stands in its log, or why it could not be read.
    pub log: Result<Log, String>,
    /// When the look began, and how long it took.
    pub began: Timestamp,
    pub took_us: u64,
}

/// The plan: what its clients do, and what its server is made with.
pub fn plan() -> Plan {
    let mut plan = lost_server().plan;
    let database = plan.databases.get_mut("postgres").unwrap();
    database.size = Bytes(10_000_000);
    let model = Model::named(&database.model).unwrap();
    database.rows = model.rows(database.size);
    for (name, workload) in &mut plan.workloads {
        workload.business = model.manifest.businesses[name].clone();
        workload.rate = Rate::PerSecond(100.0);
    }
    let settings = [
        ("archive_mode", "on"),
        // No segment ends while the server is looked at.
        ("archive_timeout", "3600s"),
        ("autovacuum", "off"),
        ("max_wal_size", "64MB"),
        ("min_wal_size", "32MB"),
    ];
    plan.strategy.settings = settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    plan
}

/// The fixture of a drill that saw this before and after.
pub fn fixture(plan: &Plan, before: &[EventKind], clients: &Clients, seen: Seen) -> HistoryFixture {
    let mut fixture = lost_server();
    fixture.plan = plan.clone();
    let real: BTreeSet<String> = before.iter().filter_map(kind_of).collect();
    fixture.events.retain(|event| !is_replaced(event, &real));
    let after_us = LOOKED_US + seen.took_us;
    move_the_end(&mut fixture, seen.began, after_us);
    for kind in before {
        fixture.tell(STEADY_US, kind.clone());
    }
    write(&mut fixture, clients);
    look(&mut fixture, seen, after_us);
    fixture.in_order()
}

/// What this look tells anew.
fn is_replaced(event: &Event, real: &BTreeSet<String>) -> bool {
    match &event.kind {
        EventKind::Observed { .. } => kind_of(&event.kind).is_some_and(|kind| real.contains(&kind)),
        EventKind::ServerLogRead { server, .. } => server == RESTORED,
        EventKind::RowsImaged(_)
        | EventKind::WorkloadBegan { .. }
        | EventKind::Throughput(_)
        | EventKind::WorkloadEnded(_) => true,
        _other => false,
    }
}

/// The look took its time, and the fixture's clock is that of the server's log.
fn move_the_end(fixture: &mut HistoryFixture, began: Timestamp, after_us: u64) {
    for event in &mut fixture.events {
        match &mut event.kind {
            EventKind::Observed {
                moment: Moment::After,
                ..
            } => event.at_us = after_us,
            EventKind::DrillEnded { .. } => event.at_us = after_us + SECOND,
            EventKind::DrillStarted { wall, .. } => {
                let since = SignedDuration::from_micros(LOOKED_US as i64);
                *wall = (began - since).to_string();
            }
            _other => {}
        }
    }
}

/// What the clients did, within the fixture's time.
fn write(fixture: &mut HistoryFixture, clients: &Clients) {
    let first = clients.ledger.iter().map(|one| one.intended_us).min();
    let last = clients.ledger.iter().map(|one| one.acked_us).max();
    let (first, last) = (first.unwrap(), last.unwrap());
    let told = |at_us: &mut u64| {
        let share = (*at_us - first) as f64 / (last - first) as f64;
        *at_us = CLIENTS_US.0 + ((CLIENTS_US.1 - CLIENTS_US.0) as f64 * share) as u64;
    };
    fixture.ledger.clone_from(&clients.ledger);
    for record in &mut fixture.ledger {
        told(&mut record.intended_us);
        told(&mut record.sent_us);
        told(&mut record.acked_us);
    }
    fixture.tell_traffic(LOOKED_US);
    fixture.images.clear();
    tell_rows(fixture, IMAGED_US, PRIMARY, &clients.before);
}

fn tell_rows(fixture: &mut HistoryFixture, at_us: u64, server: &str, rows: &Rows) {
    let mut record = rows.record.clone();
    record.server = server.to_owned();
    record.began_us = at_us;
    fixture
        .images
        .push((record.file.clone(), rows.images.clone()));
    fixture.tell(at_us, EventKind::RowsImaged(record));
}

/// What was seen of the restored server, and the errors that looking provokes in its log.
fn look(fixture: &mut HistoryFixture, seen: Seen, after_us: u64) {
    let errors = access::REFUSED.map(|sqlstate| ExpectedError {
        sqlstate: sqlstate.into(),
        server: Some(RESTORED.into()),
        role: None,
    });
    let (cause, errors) = (Cause::Look, errors.into());
    fixture.tell(LOOKED_US, EventKind::ErrorsExpected { cause, errors });
    let cause = Cause::Look;
    fixture.tell(after_us, EventKind::ErrorsOver { cause });
    for kind in seen.events {
        fixture.tell(after_us, kind);
    }
    match seen.rows {
        Ok((rows, read_back)) => {
            fixture.readback = read_back;
            tell_rows(fixture, after_us, RESTORED, &rows);
        }
        // As a drill that could not read back.
        Err(_) => fixture.events.retain(|event| {
            !matches!(
                &event.kind,
                EventKind::Observed {
                    observation: Observation::Readback { .. },
                    ..
                }
            )
        }),
    }
    if let Ok(log) = seen.log {
        for lines in log.lines {
            fixture.tell(after_us, EventKind::ServerLog(lines));
        }
        let read = EventKind::ServerLogRead {
            server: RESTORED.into(),
            lines: log.read,
            unread: log.unread,
        };
        fixture.tell(after_us, read);
    }
}

/// Which observation an event is, by its name in the history.
fn kind_of(event: &EventKind) -> Option<String> {
    let EventKind::Observed { observation, .. } = event else {
        return None;
    };
    let value = serde_json::to_value(observation).unwrap();
    value.as_object()?.keys().next().cloned()
}
