//! Connections that read rows at the same time and all see one moment of the database.
//!
//! One session exports its snapshot and keeps it; the others read within it, each in a
//! transaction a query, so that a query that fails leaves the next one untouched.

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::{
    runtime::Builder,
    sync::{
        Mutex,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    task::spawn_blocking,
    time::sleep_until,
};
use tokio_postgres::Client;

use super::{
    ProbeError,
    digest::{CopyDigest, Rows},
    pg, reading_session, session,
};
use crate::{
    bandwidth::Line,
    meter::Meter,
    postgres::{Access, copy::CopyReader},
};

/// Connections that read at the same time.
const READERS: usize = 2;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

#[derive(Debug)]
pub struct Readers {
    access: Access,
    /// Its transaction is the snapshot's.
    keeper: Client,
    /// As the server calls it.
    snapshot: String,
    /// What the connections are to read; they end with it.
    requests: UnboundedSender<Request>,
}

/// A query, and where its answer goes.
#[derive(Debug)]
struct Request {
    query: String,
    answer: oneshot::Sender<Result<Rows, ProbeError>>,
}

/// How fast rows are read, by all connections together.
#[derive(Clone, Debug)]
pub struct Pace {
    pub line: Arc<Line>,
    /// Bytes a second.
    pub bandwidth: u64,
}

/// Requests that no connection has taken yet.
type Queue = Arc<Mutex<UnboundedReceiver<Request>>>;

impl Readers {
    pub async fn open(access: &Access) -> Result<Self, ProbeError> {
        Self::paced(access, None).await
    }

    /// The same, no faster than the pace.
    pub async fn paced(access: &Access, pace: Option<&Pace>) -> Result<Self, ProbeError> {
        let keeper = session(access).await?;
        let begun = keeper.batch_execute(BEGIN).await;
        begun.map_err(pg("begin to read"))?;
        let exported = keeper.query_one("SELECT pg_export_snapshot()", &[]).await;
        let snapshot: String = exported.map_err(pg("export a snapshot"))?.get(0);
        let (requests, queue) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        let begin = within(&snapshot);
        let connections = (0..READERS).map(|_| connection(access, &begin, pace, &queue));
        try_join_all(connections).await?;
        Ok(Self {
            access: access.clone(),
            keeper,
            snapshot,
            requests,
        })
    }

    /// The snapshot's name, by which PostgreSQL's programs read within it, too.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// A session more, in a transaction that sees the snapshot and can't write.
    pub async fn session(&self) -> Result<Client, ProbeError> {
        let client = session(&self.access).await?;
        let begun = client.batch_execute(&within(&self.snapshot)).await;
        begun.map_err(pg("read within a snapshot"))?;
        Ok(client)
    }

    /// The session that keeps the snapshot. A query that fails in it ends the snapshot.
    pub fn keeper(&self) -> &Client {
        &self.keeper
    }

    /// Reads queries' rows, each by the next connection that is free. Answers are in the
    /// order of the queries.
    pub async fn read(
        &self,
        queries: Vec<String>,
    ) -> Result<Vec<Result<Rows, ProbeError>>, ProbeError> {
        let answers = queries.into_iter().map(|query| {
            let (answer, answered) = oneshot::channel();
            // Nobody there to take it: then the answer's channel ends too.
            let _ = self.requests.send(Request { query, answer });
            answered
        });
        try_join_all(answers).await.map_err(crashed)
    }
}

fn within(snapshot: &str) -> String {
    format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'")
}

/// Logs in on a thread with an event loop of its own, which then reads until there are no more
/// requests. Tasks of one loop would wait for each other's wake-ups.
async fn connection(
    access: &Access,
    begin: &str,
    pace: Option<&Pace>,
    queue: &Queue,
) -> Result<(), ProbeError> {
    let (access, begin, queue) = (access.clone(), begin.to_owned(), queue.clone());
    let pace = pace.cloned();
    let (login, logged_in) = oneshot::channel();
    let serving = async move {
        match reading_session(&access).await {
            Ok(connection) => {
                let _ = login.send(Ok(()));
                serve(connection, &begin, pace.as_ref(), &queue).await;
            }
            Err(error) => drop(login.send(Err(error))),
        }
    };
    let alone = Builder::new_current_thread().enable_all().build();
    let alone = alone
        .map_err(|cause| ProbeError::Other(format!("start a reader's event loop: {cause}")))?;
    let meter = Meter::current();
    spawn_blocking(move || match meter {
        Some(meter) => alone.block_on(meter.over(serving)),
        None => alone.block_on(serving),
    });
    logged_in.await.map_err(crashed)?
}

fn crashed(_: oneshot::error::RecvError) -> ProbeError {
    ProbeError::Other("a reader crashed".into())
}

/// Answers requests until there are no more, or until who asked has gone meanwhile.
async fn serve(mut connection: CopyReader, begin: &str, pace: Option<&Pace>, queue: &Queue) {
    let next = async || queue.lock().await.recv().await;
    while let Some(Request { query, mut answer }) = next().await {
        let read = async {
            let (rows, bytes) = read_in(&mut connection, begin, &query).await?;
            if let Some(Pace { line, bandwidth }) = pace {
                sleep_until(line.passes(bytes, *bandwidth)).await;
            }
            Ok(rows)
        };
        tokio::select! {
            rows = read => drop(answer.send(rows)),
            () = answer.closed() => return,
        }
    }
}

/// Reads a query's rows in a transaction of its own, and how many bytes came.
async fn read_in(
    connection: &mut CopyReader,
    begin: &str,
    query: &str,
) -> Result<(Rows, u64), ProbeError> {
    connection.read(begin, |_data, _ends| ()).await?;
    let rows = counted(connection, query).await;
    let ended = connection.read("COMMIT", |_data, _ends| ()).await;
    let rows = rows?;
    ended?;
    Ok(rows)
}

pub async fn digest(connection: &mut CopyReader, query: &str) -> Result<Rows, ProbeError> {
    let (rows, _bytes) = counted(connection, query).await?;
    Ok(rows)
}

async fn counted(connection: &mut CopyReader, query: &str) -> Result<(Rows, u64), ProbeError> {
    let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let mut digest = CopyDigest::default();
    let (mut taken, mut bytes) = (Ok(()), 0);
    let read = connection.read(&copy, |data, ends| {
        bytes += data.len() as u64;
        if taken.is_ok() {
            taken = digest.update(data, ends);
        }
    });
    read.await?;
    let rows = taken.and_then(|()| Ok((digest.finish()?, bytes)));
    rows.map_err(|cause| ProbeError::Other(format!("read `{query}`: {cause}")))
}
