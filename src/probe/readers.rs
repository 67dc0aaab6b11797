//! Connections that read rows at the same time and all see one moment of the database.
//!
//! One session exports its snapshot and keeps it; the others read within it, each in a
//! transaction a query, so that a query that fails leaves the next one untouched.

use std::{
    collections::BTreeMap,
    iter::Enumerate,
    sync::{Arc, Mutex, PoisonError},
    vec,
};

use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::{
    ProbeError,
    digest::{CopyDigest, Rows},
    pg, reading_session, session,
};
use crate::postgres::{Access, copy::CopyReader};

/// Connections that read at the same time.
const READERS: usize = 2;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// The connections.
#[derive(Debug)]
pub struct Readers {
    /// Its transaction is the snapshot's.
    keeper: Client,
    begin: String,
    connections: Vec<CopyReader>,
}

impl Readers {
    /// Logs in and takes the snapshot.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open(access: &Access) -> Result<Self, ProbeError> {
        let keeper = session(access).await?;
        let begun = keeper.batch_execute(BEGIN).await;
        begun.map_err(pg("begin to read"))?;
        let exported = keeper.query_one("SELECT pg_export_snapshot()", &[]).await;
        let snapshot: String = exported.map_err(pg("export a snapshot"))?.get(0);
        let connections = (0..READERS).map(|_| reading_session(access));
        Ok(Self {
            keeper,
            begin: format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'"),
            connections: try_join_all(connections).await?,
        })
    }

    /// The session that keeps the snapshot. A query that fails in it ends the snapshot.
    pub fn keeper(&self) -> &Client {
        &self.keeper
    }

    /// Reads queries' rows, each by the next connection that is free, in a task of its own:
    /// two threads take in what two servers' processes send. Answers are in the order of the
    /// queries.
    ///
    /// # Errors
    /// When a task crashed.
    pub async fn read(
        &mut self,
        queries: Vec<String>,
    ) -> Result<Vec<Result<Rows, ProbeError>>, ProbeError> {
        let queue = Arc::new(Mutex::new(queries.into_iter().enumerate()));
        let mut tasks = JoinSet::new();
        for connection in self.connections.drain(..) {
            tasks.spawn(read_some(connection, self.begin.clone(), queue.clone()));
        }
        let mut answers = BTreeMap::new();
        while let Some(task) = tasks.join_next().await {
            let crashed = |cause| ProbeError::Other(format!("a reader crashed: {cause}"));
            let (connection, read) = task.map_err(crashed)?;
            self.connections.push(connection);
            answers.extend(read);
        }
        Ok(answers.into_values().collect())
    }
}

/// Queries and their places.
type Queue = Arc<Mutex<Enumerate<vec::IntoIter<String>>>>;
/// Answers by the places of their queries.
type Answers = BTreeMap<usize, Result<Rows, ProbeError>>;

/// Takes queries from the queue until it is empty.
async fn read_some(
    mut connection: CopyReader,
    begin: String,
    queue: Queue,
) -> (CopyReader, Answers) {
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next()
    };
    let mut answers = Answers::new();
    while let Some((place, query)) = next() {
        answers.insert(place, read_in(&mut connection, &begin, &query).await);
    }
    (connection, answers)
}

/// Reads a query's rows in a transaction of its own.
async fn read_in(
    connection: &mut CopyReader,
    begin: &str,
    query: &str,
) -> Result<Rows, ProbeError> {
    connection.read(begin, |_data| ()).await?;
    let rows = digest(connection, query).await;
    let ended = connection.read("COMMIT", |_data| ()).await;
    let rows = rows?;
    ended?;
    Ok(rows)
}

/// Digest of a query's rows, read as a stream.
///
/// # Errors
/// When the query fails or its stream is torn.
pub async fn digest(connection: &mut CopyReader, query: &str) -> Result<Rows, ProbeError> {
    let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let mut digest = CopyDigest::default();
    let mut taken = Ok(());
    let read = connection.read(&copy, |data| {
        if taken.is_ok() {
            taken = digest.update(data);
        }
    });
    read.await?;
    let rows = taken.and_then(|()| digest.finish());
    rows.map_err(|cause| ProbeError::Other(format!("read `{query}`: {cause}")))
}
