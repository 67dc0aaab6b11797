//! What clients wrote before the harm: the ledger, images of the rows, and both again afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use pgdrill::{
    event::{ImageRecord, ImagedTable, Moment},
    history::{Recorder, files},
    ledger::{Reader, Record},
    postgres::Server,
    probe::{
        ProbeError,
        row_images::{Imaging, Looked, counters, look},
    },
    row_images::{self, Image},
    scenario::plan::{PRIMARY, Plan},
    secret::Secret,
    workload::{Workloads, readback},
};

/// The upper half of the clients' keys.
pub const NONCE: u64 = 0x0123_4567_89ab_cdef;
/// Every kind of transaction has been acknowledged by then.
const ACKNOWLEDGED: u64 = 600;
const DEADLINE: Duration = Duration::from_secs(60);
/// Nobody deletes by then what was inserted in between: the server's statistics tell of it.
const STATISTICS: &str =
    "select pg_stat_get_tuples_deleted('internal_oa.login_sessions'::regclass) > 0";

/// What clients left, as it was last seen.
pub struct Clients {
    pub ledger: Vec<Record>,
    pub before: Rows,
    since: u64,
    identities: BTreeMap<String, String>,
    whole: BTreeSet<String>,
}

/// One look at the rows.
pub struct Rows {
    pub record: ImageRecord,
    pub images: Vec<Image>,
}

impl Clients {
    /// Lets the plan's clients write for a while, and looks at what they left.
    pub async fn write(
        plan: &Plan,
        server: &Server,
        passwords: &BTreeMap<String, Secret>,
        recorder: &Recorder,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(files::LEDGER);
        let access = server.access().await.unwrap();
        let since = counters(&access, plan).await.unwrap().next_xid;
        let workloads =
            Workloads::start(plan, |_| access.clone(), passwords, recorder, &file, NONCE);
        let workloads = workloads.unwrap();
        let began = Instant::now();
        while workloads.acknowledged() < ACKNOWLEDGED {
            assert!(began.elapsed() < DEADLINE, "clients get no answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        workloads.stop().await.unwrap();
        let told = server.wait_until("telling of erasures", STATISTICS, DEADLINE);
        told.await.unwrap();
        let mut clients = Self {
            ledger: read(&file),
            before: Rows::default(),
            since,
            identities: BTreeMap::new(),
            whole: BTreeSet::new(),
        };
        let found_out = Some(since);
        let looked = clients.look(plan, server, found_out, dir.path()).await;
        let (looked, images) = looked.unwrap();
        clients.identities = looked.identities;
        let whole = looked.tables.iter().filter(|table| table.whole);
        clients.whole = whole.map(|table| table.name.clone()).collect();
        clients.before = Rows::told(Moment::Before, since, looked.tables, images);
        clients
    }

    /// The rows now, and the ledger's own read back.
    pub async fn look_again(
        &self,
        plan: &Plan,
        server: &Server,
    ) -> Result<(Rows, Vec<Record>), String> {
        let dir = tempfile::tempdir().unwrap();
        let looked = self.look(plan, server, None, dir.path()).await;
        let (looked, images) = looked.map_err(|error| error.to_string())?;
        let rows = Rows::told(Moment::After, self.since, looked.tables, images);
        let file = dir.path().join("readback");
        let access = server.access().await.map_err(|error| error.to_string())?;
        let read_back = readback::read(&access, PRIMARY, plan, NONCE, &file).await;
        read_back.map_err(|error| error.to_string())?;
        Ok((rows, read(&file)))
    }

    async fn look(
        &self,
        plan: &Plan,
        server: &Server,
        found_out: Option<u64>,
        dir: &Path,
    ) -> Result<(Looked, Vec<Image>), ProbeError> {
        let imaging = Imaging {
            plan,
            identities: &self.identities,
            whole: &self.whole,
            since: found_out,
        };
        let file = dir.join("images");
        let access = server.access().await?;
        let looked = look(&access, &imaging, &file).await?;
        let images = row_images::read(&file, looked.rows).unwrap();
        Ok((looked, images))
    }

    /// The tables in which clients left a row.
    pub fn tables(&self) -> Vec<String> {
        let theirs = |image: &&Image| image.xid >= self.since as u32;
        let places = self.before.images.iter().filter(theirs);
        let places: BTreeSet<u16> = places.map(|image| image.table).collect();
        let tables = &self.before.record.tables;
        let named = places.iter().map(|place| &tables[usize::from(*place)].name);
        named.cloned().collect()
    }

    /// The first transaction that may be a client's.
    pub fn since(&self) -> u64 {
        self.since
    }
}

impl Default for Rows {
    fn default() -> Self {
        Self::told(Moment::Before, 0, Vec::new(), Vec::new())
    }
}

impl Rows {
    /// As a drill tells of a look; which server and when is told by the fixture.
    fn told(moment: Moment, since: u64, tables: Vec<ImagedTable>, images: Vec<Image>) -> Self {
        let record = ImageRecord {
            moment,
            file: format!("{}-{moment:?}", files::IMAGES),
            since,
            tables,
            ..ImageRecord::default()
        };
        Self { record, images }
    }
}

fn read(file: &Path) -> Vec<Record> {
    let mut reader = Reader::open(file).unwrap();
    let records = reader.by_ref().collect();
    assert!(!reader.torn());
    records
}
