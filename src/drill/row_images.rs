//! Images of the rows that clients wrote: before each step that may harm them, and at the end.
//!
//! What an image shows is a fact from before the step: nothing else tells what a client's
//! transaction left in further tables, or in columns that the ledger does not know. A server
//! that does not answer is told of, and leaves no images.

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Drill, StepError};
use crate::{
    event::{EventKind, ImageRecord, Moment},
    history::files,
    postgres::Server,
    probe::row_images::{self, Imaging, Looked},
    scenario::plan::{Action, CheckKind},
    workload::readback,
};

/// What looks at rows have found out so far.
#[derive(Debug, Default)]
pub struct RowImages {
    /// The first transaction that may be a client's.
    since: u64,
    identities: BTreeMap<String, String>,
    whole: BTreeSet<String>,
    taken: u32,
}

impl Drill<'_> {
    /// From now on transactions may be the clients'. What tells a row is as it is now.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn begin_images(&mut self, server: &Server) -> Result<(), StepError> {
        let next = row_images::next_xid(&server.access().await?).await;
        self.row_images.since = next.map_err(|error| StepError::Missing(error.to_string()))?;
        Ok(())
    }

    /// Before a step that may harm rows: images of every server that serves.
    pub async fn image_before(&mut self, action: &Action) {
        if !action.may_harm_rows() {
            return;
        }
        let serving: BTreeSet<String> = self.serving.values().cloned().collect();
        for name in serving {
            self.image(Moment::Before, &name).await;
        }
    }

    /// Takes images of a server's rows, where they are judged.
    pub async fn image(&mut self, moment: Moment, name: &str) {
        let judged = self.plan.checks.contains(&CheckKind::ClientRows);
        let Some(server) = self.servers.get(name).cloned().filter(|_| judged) else {
            return;
        };
        self.row_images.taken += 1;
        let file = format!("{}-{}-{name}", files::IMAGES, self.row_images.taken);
        let began_us = self.recorder.now_us();
        let looked = self.look_at_rows(moment, &server, &file).await;
        let mut record = ImageRecord {
            server: name.to_owned(),
            moment,
            file,
            since: self.row_images.since,
            began_us,
            ..ImageRecord::default()
        };
        match looked {
            Ok(looked) => self.learn(&mut record, looked),
            Err(error) => record.error = error.to_string(),
        }
        self.recorder.record(EventKind::RowsImaged(record));
    }

    async fn look_at_rows(
        &self,
        moment: Moment,
        server: &Server,
        file: &str,
    ) -> Result<Looked, StepError> {
        let kinds = self.plan.workloads.values().map(|workload| &workload.kind);
        let tables = kinds.flat_map(readback::tables).map(|table| table.name);
        let ledgered: Vec<String> = tables.collect();
        // After a fault, whoever brings rows back writes new ones, too.
        let found_out = self.faults.newest().is_some() || moment == Moment::After;
        let imaging = Imaging {
            ledgered: &ledgered,
            keys: &self.plan.own_keys(),
            identities: &self.row_images.identities,
            whole: &self.row_images.whole,
            since: (!found_out).then_some(self.row_images.since),
        };
        let access = server.access().await?;
        let looked = row_images::look(&access, &imaging, &self.dir.join(file)).await;
        looked.map_err(|error| StepError::Missing(error.to_string()))
    }

    fn learn(&mut self, record: &mut ImageRecord, looked: Looked) {
        let whole = looked.tables.iter().filter(|table| table.whole);
        self.row_images
            .whole
            .extend(whole.map(|table| table.name.clone()));
        for (name, identity) in looked.identities {
            self.row_images.identities.entry(name).or_insert(identity);
        }
        record.rows = looked.rows;
        record.tables = looked.tables;
    }
}
