//! Connections that read rows at the same time and all see one moment of the database.
//!
//! One session exports its snapshot and keeps it; the others read within it, each in a
//! transaction a query, so that a query that fails leaves the next one untouched.

use std::sync::{Mutex, PoisonError};

use futures_util::future::{join_all, try_join_all};
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

    /// Reads queries' rows, each by the next connection that is free. Answers are in the
    /// order of the queries.
    pub async fn read<'a>(
        &mut self,
        queries: impl Iterator<Item = &'a str>,
    ) -> Vec<Result<Rows, ProbeError>> {
        let queue = Mutex::new(queries.enumerate());
        let (queue, begin) = (&queue, self.begin.as_str());
        let connections = self.connections.iter_mut();
        let parts = join_all(connections.map(|it| read_some(it, begin, queue))).await;
        let mut answers: Vec<_> = parts.into_iter().flatten().collect();
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// Takes queries and their places from the queue until it is empty.
async fn read_some<'a>(
    connection: &mut CopyReader,
    begin: &str,
    queue: &Mutex<impl Iterator<Item = (usize, &'a str)>>,
) -> Vec<(usize, Result<Rows, ProbeError>)> {
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next()
    };
    let mut answers = Vec::new();
    while let Some((place, query)) = next() {
        answers.push((place, read_in(connection, begin, query).await));
    }
    answers
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
