//! A fixture's files, and its judgement by way of them.

use std::{collections::BTreeSet, path::Path};

use pgdrill::{
    check::{Judgement, judge},
    event::{Event, EventKind},
    history::files,
    ledger::{Record, Writer},
    measure::drill_history::DrillHistory,
    observation::Observation,
    row_images,
    workload::readback,
};

use super::HistoryFixture;

impl HistoryFixture {
    /// Writes the drill's directory.
    pub fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        let plan = serde_json::to_string_pretty(&self.plan).unwrap();
        std::fs::write(dir.join(files::PLAN), plan).unwrap();
        let lines = self.events.iter().map(|event| {
            let event = self.counted(event.clone());
            serde_json::to_string(&event).unwrap() + "\n"
        });
        std::fs::write(dir.join(files::HISTORY), lines.collect::<String>()).unwrap();
        write_records(&dir.join(files::LEDGER), &self.ledger);
        for server in self.read_back() {
            let rows = self.rows_on(server);
            write_records(&dir.join(readback::file_name(server)), &rows);
        }
        for (file, rows) in &self.images {
            let mut writer = row_images::Writer::create(&dir.join(file)).unwrap();
            rows.iter().for_each(|row| writer.append(row).unwrap());
            writer.flush().unwrap();
        }
    }

    pub(super) fn rows_on(&self, server: &str) -> Vec<Record> {
        let here = |one: &&Record| self.served(one.workload, None) == server;
        self.readback.iter().filter(here).copied().collect()
    }

    /// An event that tells as many rows read back, or imaged, as there are.
    fn counted(&self, mut event: Event) -> Event {
        if let EventKind::Observed {
            server,
            observation: Observation::Readback { rows, .. },
            ..
        } = &mut event.kind
        {
            *rows = self.rows_on(server).len() as u64;
        }
        if let EventKind::RowsImaged(record) = &mut event.kind {
            let images = self.images.iter().find(|(file, _)| *file == record.file);
            record.rows = images.map_or(0, |(_, rows)| rows.len() as u64);
        }
        event
    }

    /// Servers whose rows were read back.
    fn read_back(&self) -> BTreeSet<&str> {
        let servers = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Observed {
                server,
                observation: Observation::Readback { .. },
                ..
            } => Some(server.as_str()),
            _other => None,
        });
        servers.collect()
    }

    /// The server that serves a workload just before an instant; none: at the end.
    pub(super) fn served(&self, workload: u8, until_us: Option<u64>) -> &str {
        let history = DrillHistory::new(&self.plan, &self.events);
        let name = self.plan.workloads.keys().nth(usize::from(workload));
        history.server_before(name.unwrap(), until_us)
    }

    /// Judges it by way of its files.
    pub fn judge(&self) -> Judgement {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        judge(dir.path()).unwrap()
    }
}

fn write_records(path: &Path, records: &[Record]) {
    let mut writer = Writer::create(path).unwrap();
    for record in records {
        writer.append(record).unwrap();
    }
    writer.flush().unwrap();
}
