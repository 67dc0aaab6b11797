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
    probe::row_images::{self, Counters, Imaging, Looked},
    scenario::plan::{Action, CheckKind},
};

/// What looks at rows have found out so far.
#[derive(Debug, Default)]
pub struct RowImages {
    /// The first transaction that may be a client's, by cluster.
    since: BTreeMap<String, u64>,
    identities: BTreeMap<String, String>,
    whole: BTreeSet<String>,
    taken: u32,
    /// What clients did not do, by server.
    others: BTreeMap<String, Others>,
}

/// What was done on a server, before any fault, that clients did not do.
#[derive(Debug, Default)]
struct Others {
    /// Rows deleted from each table.
    deleted: BTreeMap<String, u64>,
    /// From which transaction to which steps ran that may harm rows.
    steps: Vec<(u64, u64)>,
    /// The counters at the last look, until the step after it is over.
    looked: Option<Counters>,
}

impl Others {
    /// A step is over that may have harmed rows: what was done since the look is not the clients'.
    fn step_over(&mut self, looked: &Counters, now: Counters) {
        self.steps.push((looked.next_xid, now.next_xid));
        for (table, count) in now.deleted {
            let before = looked.deleted.get(&table).copied().unwrap_or_default();
            *self.deleted.entry(table).or_default() += count.saturating_sub(before);
        }
    }
}

impl RowImages {
    /// A server is given up: what one of that name counts from now on begins anew.
    pub fn forget(&mut self, server: &str) {
        self.others.remove(server);
    }
}

impl Drill {
    /// From now on transactions may be the clients', and deletions.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn begin_images(&mut self, server: &Server) -> Result<(), StepError> {
        let now = row_images::counters(&server.access().await?, &self.plan).await;
        let now = now.map_err(|error| StepError::Missing(error.to_string()))?;
        let since = &mut self.row_images.since;
        since.insert(server.name.clone(), now.next_xid);
        let others = self.row_images.others.entry(server.name.clone());
        others.or_default().deleted = now.deleted;
        Ok(())
    }

    /// After a step that may have harmed rows, where no fault came yet. A server that does not
    /// answer tells nothing: what was done there passes for the clients' own.
    pub async fn image_step_over(&mut self, action: &Action) {
        if !action.may_harm_rows() || self.faults.newest().is_some() {
            return;
        }
        for (name, others) in &mut self.row_images.others {
            let (Some(looked), Some(server)) = (others.looked.take(), self.servers.get(name))
            else {
                continue;
            };
            let Ok(access) = server.access().await else {
                continue;
            };
            if let Ok(now) = row_images::counters(&access, &self.plan).await {
                others.step_over(&looked, now);
            }
        }
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
            since: self.images_since(name),
            began_us,
            ..ImageRecord::default()
        };
        match looked {
            Ok(looked) => self.learn(&mut record, looked),
            Err(error) => record.error = error.to_string(),
        }
        self.recorder.record(EventKind::RowsImaged(record));
    }

    fn images_since(&self, server: &str) -> u64 {
        let since = self.row_images.since.get(self.plan.cluster_of(server));
        since.copied().unwrap_or_default()
    }

    async fn look_at_rows(
        &self,
        moment: Moment,
        server: &Server,
        file: &str,
    ) -> Result<Looked, StepError> {
        // After a fault, whoever brings rows back writes new ones, too.
        let found_out = self.faults.newest().is_some() || moment == Moment::After;
        let imaging = Imaging {
            plan: &self.plan,
            identities: &self.row_images.identities,
            whole: &self.row_images.whole,
            since: (!found_out).then(|| self.images_since(&server.name)),
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
        let others = self.row_images.others.entry(record.server.clone());
        let others = others.or_default();
        record.rows = looked.rows;
        record.steps.clone_from(&others.steps);
        record.tables = looked.tables;
        for table in &mut record.tables {
            let deleted = others.deleted.get(&table.name).copied();
            table.deleted_by_others = deleted.unwrap_or_default();
        }
        others.looked = Some(looked.counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_did_is_not_the_clients() {
        let counters = |next_xid, deleted| Counters {
            next_xid,
            deleted: BTreeMap::from([("app.notes".to_owned(), deleted)]),
        };
        let mut others = Others {
            deleted: counters(0, 5).deleted,
            ..Others::default()
        };
        others.step_over(&counters(100, 8), counters(110, 20));
        others.step_over(&counters(200, 21), counters(200, 21));
        assert_eq!(others.deleted["app.notes"], 17);
        assert_eq!(others.steps, [(100, 110), (200, 200)]);
    }
}
