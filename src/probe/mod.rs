//! Probes: each looks at a running server and says what it saw.
//!
//! One file a probe; all return an [`Observation`], none judges. What differs between
//! two observations, and whether that matters, is `check/`. The digest of a stream of
//! rows is `digest`, what reads many of them `readers`, lines of a server's log are `server_log`.

pub mod access;
pub mod amcheck;
pub mod archive;
pub mod audit;
pub mod business;
pub mod catalog;
pub mod collations;
pub mod databases;
pub mod definitions;
pub mod digest;
mod indexes;
pub mod large_objects;
pub mod performance;
pub mod privileges;
pub mod readers;
pub mod row_images;
pub mod sequences;
pub mod server;
pub mod server_log;
pub mod settings;
pub mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use futures_util::StreamExt;
use tokio_postgres::{Client, Row};

use crate::{
    backup::WalArchive,
    event::{EventKind, Moment},
    history::Recorder,
    observation::{Observation, Probe},
    postgres::{Access, PgError, copy::CopyReader, query::WITHOUT_INDEXES},
    runtime::{Exec, Node, POSTGRES_PORT, RuntimeError},
    scenario::plan::{CheckKind, Plan},
    secret::Secret,
    store::Mirrors,
};

/// Probes that look at the same time.
const CONCURRENT: usize = 2;

#[derive(Clone, Debug)]
pub struct ProbeTarget<'a> {
    pub server: &'a str,
    pub access: Access,
    /// Passwords of the roles that business checks log in as.
    pub passwords: &'a BTreeMap<String, Secret>,
    pub node: &'a Node,
    pub archive: Option<&'a WalArchive>,
    /// Stores of the archive that have to be mirrored.
    pub mirrors: Mirrors,
    /// What is in its databases, and what they are called.
    pub plan: &'a Plan,
    pub business: &'a [business::Operation],
    pub audit: Vec<audit::Trail<'a>>,
    /// Transactions of bad statements: rows they wrote (audit rows, say) are no loaded rows.
    pub fault_xids: Vec<u64>,
}

impl ProbeTarget<'_> {
    /// One of PostgreSQL's programs in the node, over the server's Unix socket.
    fn tool(&self, program: &str, arguments: &[&str]) -> Exec {
        let layout = self.node.layout();
        let program = layout.program(program);
        Exec::new(std::iter::once(program.as_str()).chain(arguments.iter().copied()))
            .env("PGHOST", layout.run.display().to_string())
            .env("PGPORT", self.node.port(POSTGRES_PORT).to_string())
            .env("PGUSER", &self.access.user)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Something that no server ever says.
    #[error("{0}")]
    Other(String),
}

/// None: not looked at here. Workloads' rows are read with the ledger's ledger at hand
/// (`workload::readback`).
async fn look(probe: Probe, target: &ProbeTarget<'_>) -> Option<Result<Observation, ProbeError>> {
    Some(match probe {
        Probe::Server => server::look(target).await,
        Probe::Tables => tables::look(target).await,
        Probe::LargeObjects => large_objects::look(target).await,
        Probe::Privileges => privileges::look(target).await,
        Probe::Definitions => definitions::look(target).await,
        Probe::Catalog => catalog::look(target).await,
        Probe::Settings => settings::look(target).await,
        Probe::Access => access::look(target).await,
        Probe::Sequences => sequences::look(target).await,
        Probe::Business => business::look(target).await,
        Probe::Audit => audit::look(target).await,
        Probe::Archive => archive::look(target).await,
        Probe::Collations => collations::look(target).await,
        Probe::Amcheck => amcheck::look(target).await,
        Probe::Performance => performance::look(target).await,
        Probe::Readback | Probe::All => return None,
    })
}

/// The errors that looking provokes, as role and SQLSTATE: what must be refused is tried, and of
/// what is permitted the performance probe finds out in a read-only transaction whether it writes.
pub fn expected_errors(business: &[business::Operation]) -> BTreeSet<(&str, &str)> {
    let expected = business.iter().map(|one| {
        let sqlstate = one.refused.as_deref().unwrap_or(performance::READ_ONLY);
        (one.role.as_str(), sqlstate)
    });
    expected.collect()
}

/// Makes every probe that the checks need and records what each saw, or why it could not
/// look. Never fails: a probe that can't look makes its checks `unknown`.
pub async fn observe(
    moment: Moment,
    target: &ProbeTarget<'_>,
    which: &[CheckKind],
    recorder: &Recorder,
) {
    let needed = which.iter().flat_map(|&check| Probe::needed_by(check));
    let mut probes: BTreeSet<Probe> = needed.copied().collect();
    let alone = probes.remove(&Probe::Performance);
    futures_util::stream::iter(probes)
        .for_each_concurrent(CONCURRENT, |probe| make(probe, moment, target, recorder))
        .await;
    if alone {
        make(Probe::Performance, moment, target, recorder).await;
    }
}

async fn make(probe: Probe, moment: Moment, target: &ProbeTarget<'_>, recorder: &Recorder) {
    let began = Instant::now();
    let server = target.server.to_owned();
    let Some(seen) = look(probe, target).await else {
        return;
    };
    let kind = match seen {
        Ok(observation) => EventKind::Observed {
            moment,
            server,
            took_us: began.elapsed().as_micros() as u64,
            observation,
        },
        Err(error) => EventKind::ProbeFailed {
            moment,
            server,
            probe,
            error: error.to_string(),
        },
    };
    recorder.record(kind);
}

const APPLICATION: &str = "pgdrill probe";
const SESSION: &str = "SET search_path = ''; SET row_security = off; SET statement_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0; \
     SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; \
     SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET lock_timeout = '30s'";

/// Limits that PostgreSQL has since 17. A session that keeps a snapshot idles in its transaction.
const SESSION_17: &str = "SELECT set_config('transaction_timeout', '0', false) \
     WHERE current_setting('server_version_num')::int >= 170000";

/// For reading the user's own tables: planning may need functions that are found by the role's own
/// path, as for any client. Names in such queries are qualified.
const OWN_PATH: &str = "RESET search_path";

/// A session in which names are shown in full and values always in the same words.
async fn session(access: &Access) -> Result<Client, ProbeError> {
    let client = access.connect(APPLICATION).await?;
    prepare(&client, &[SESSION, SESSION_17]).await?;
    Ok(client)
}

async fn prepare(client: &Client, settings: &[&str]) -> Result<(), ProbeError> {
    for settings in settings {
        let prepared = client.batch_execute(settings).await;
        prepared.map_err(pg("prepare a session"))?;
    }
    Ok(())
}

/// The rows that a query answers with; `doing` is for its error.
async fn ask(client: &Client, sql: &str, doing: impl Into<String>) -> Result<Vec<Row>, ProbeError> {
    client.query(sql, &[]).await.map_err(pg(doing))
}

/// The same for reading many rows.
async fn reading_session(access: &Access) -> Result<CopyReader, ProbeError> {
    let mut reader = CopyReader::connect(access, APPLICATION).await?;
    for settings in [SESSION, SESSION_17, OWN_PATH, WITHOUT_INDEXES] {
        reader.read(settings, |_data, _ends| ()).await?;
    }
    Ok(reader)
}

fn pg(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> ProbeError {
    |error| PgError::new(doing, &error).into()
}
