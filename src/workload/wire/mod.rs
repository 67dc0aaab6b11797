//! A client's connection: one whole transaction in one round trip.
//!
//! `BEGIN; statements; the transaction's id; COMMIT; where the WAL stands` goes out as one
//! pipeline of prepared statements with a single Sync, and the answers are read in
//! order: so it is known how far the server came when an answer is missing, which is
//! what `outcome` needs and no driver tells. Any other use of a server goes through
//! `postgres::Access`. How a client gets in is `login`.

mod login;

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::{
    IsNull,
    message::{
        backend::{DataRowBody, ErrorResponseBody, Message},
        frontend,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::outcome::Reached;
use crate::postgres::lsn;

/// A transaction that is not answered within this time is given up.
pub const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Statement {
    /// Its SQL; parameters are sent as text.
    pub sql: String,
    /// Whether it must write exactly one row.
    pub writes_one: bool,
}

impl Statement {
    /// One that may write nothing, or many rows.
    pub fn of(sql: &str) -> Self {
        Self {
            sql: sql.into(),
            writes_one: false,
        }
    }
}

/// A statement by its index, with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Index in the list given to [`Wire::connect`].
    pub statement: usize,
    pub parameters: Vec<Option<String>>,
}

/// What came back of a transaction that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub reached: Reached,
    /// The server's error, or why there was no answer; none when all went well.
    pub error: Option<Trouble>,
    /// `pg_current_wal_insert_lsn()` after the commit; 0 when not known.
    pub lsn: u64,
    /// The transaction's id without its epoch; 0 when it was not told.
    pub xid: u32,
    /// Whether a statement that must write one row did not.
    pub row_gone: bool,
    pub usable: bool,
}

/// An error of the server or of the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The SQLSTATE when the server spoke.
    pub sqlstate: Option<String>,
    pub message: String,
}

#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    statements: Arc<[Statement]>,
    prepared: Vec<bool>,
}

/// The frame of every transaction, after the caller's statements: its beginning and its end, and
/// of one that writes the transaction's id and where the WAL stands after it.
const FRAME: [&str; 4] = [
    "BEGIN",
    "COMMIT",
    "SELECT pg_catalog.pg_current_xact_id_if_assigned()::text",
    "SELECT pg_catalog.pg_current_wal_insert_lsn()",
];
const BEGIN: usize = 0;
const COMMIT: usize = 1;
const XID: usize = 2;
const LSN: usize = 3;

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Self {
        Self {
            sqlstate: None,
            message: cause.to_string(),
        }
    }
}

impl Trouble {
    fn said(body: &ErrorResponseBody) -> Self {
        let mut sqlstate = None;
        let mut message = String::new();
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => sqlstate = Some(text),
                b'M' => message = text,
                _ => {}
            }
        }
        Self { sqlstate, message }
    }
}

impl Wire {
    /// Whether the server has ended the connection while nothing was asked: then nothing
    /// needs to be sent to learn it, and no outcome is in doubt.
    pub fn is_dead(&mut self) -> bool {
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => true,
            // An error that nobody asked for is the server's farewell.
            Ok(_) => self.input.first() == Some(&b'E'),
            Err(cause) => cause.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Performs one transaction; of one that `writes`, asks for its id and where the WAL stands.
    pub async fn transact(&mut self, calls: &[Call], writes: bool) -> Answer {
        let mut answer = Answer::default();
        let asking = self.ask(calls, writes, &mut answer);
        let trouble = match tokio::time::timeout(DEADLINE, asking).await {
            Ok(Ok(())) => None,
            Ok(Err(cause)) => Some(Trouble::from(cause)),
            Err(_) => Some(io::Error::other("no answer within 5 s").into()),
        };
        answer.usable = trouble.is_none();
        // What the server said last is more than that it then hung up.
        answer.error = answer.error.take().or(trouble);
        if answer.error.is_some() {
            // Whatever it was (a table gone, a plan outdated), the next try begins afresh.
            self.prepared.fill(false);
        }
        answer
    }

    async fn ask(&mut self, calls: &[Call], writes: bool, answer: &mut Answer) -> io::Result<()> {
        let frame = self.statements.len();
        self.call(frame + BEGIN, &[])?;
        for call in calls {
            self.call(call.statement, &call.parameters)?;
        }
        if writes {
            self.call(frame + XID, &[])?;
        }
        self.call(frame + COMMIT, &[])?;
        if writes {
            self.call(frame + LSN, &[])?;
        }
        frontend::sync(&mut self.output);
        self.send().await?;
        let status = self.answers(calls, writes, answer).await?;
        if answer.error.is_none() {
            self.prepared_now(calls, writes);
        }
        if status != b'I' {
            self.roll_back().await?;
        }
        Ok(())
    }

    /// Prepares a statement where that is needed, and executes it.
    fn call(&mut self, statement: usize, parameters: &[Option<String>]) -> io::Result<()> {
        let name = statement.to_string();
        let out = &mut self.output;
        if !self.prepared[statement] {
            let sql = match self.statements.get(statement) {
                Some(known) => known.sql.as_str(),
                None => FRAME[statement - self.statements.len()],
            };
            frontend::close(b'S', &name, out)?;
            frontend::parse(&name, sql, [], out)?;
        }
        let bound = frontend::bind(
            "",
            &name,
            [],
            parameters,
            |value, buffer| {
                let Some(text) = value else {
                    return Ok(IsNull::Yes);
                };
                buffer.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            },
            [],
            out,
        );
        bound.map_err(|_| io::Error::other("a parameter is too long"))?;
        frontend::execute("", 0, out)
    }

    fn prepared_now(&mut self, calls: &[Call], writes: bool) {
        let frame = self.statements.len();
        for call in calls {
            self.prepared[call.statement] = true;
        }
        for (of_frame, used) in [(BEGIN, true), (COMMIT, true), (XID, writes), (LSN, writes)] {
            self.prepared[frame + of_frame] |= used;
        }
    }

    /// Reads answers up to ReadyForQuery; returns the transaction's status.
    async fn answers(
        &mut self,
        calls: &[Call],
        writes: bool,
        answer: &mut Answer,
    ) -> io::Result<u8> {
        let statements = calls.len() + usize::from(writes);
        let mut completed: usize = 0;
        loop {
            match self.receive().await? {
                Message::CommandComplete(body) => {
                    let tag = body.tag()?;
                    if let Some(call) = completed.checked_sub(1).and_then(|at| calls.get(at)) {
                        let one = self.statements[call.statement].writes_one;
                        answer.row_gone |= one && !tag.ends_with(" 1");
                    }
                    completed += 1;
                    answer.reached = reached(completed, statements, tag, answer.reached);
                }
                Message::DataRow(row) if answer.reached == Reached::Committed => {
                    answer.lsn = text(&row).and_then(lsn::parse).unwrap_or(0);
                }
                // The id is asked for after BEGIN and the statements.
                Message::DataRow(row) if writes && completed == statements => {
                    answer.xid = text(&row).and_then(xid).unwrap_or(0);
                }
                Message::ErrorResponse(body) => {
                    answer.error.get_or_insert(Trouble::said(&body));
                }
                Message::ReadyForQuery(body) => return Ok(body.status()),
                _ => {}
            }
        }
    }

    async fn roll_back(&mut self) -> io::Result<()> {
        frontend::query("ROLLBACK", &mut self.output)?;
        self.send().await?;
        while !matches!(self.receive().await?, Message::ReadyForQuery(_)) {}
        Ok(())
    }

    async fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.input)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::other("server closed the connection"));
            }
        }
    }
}

/// How far a transaction of BEGIN, so many statements and COMMIT has come.
fn reached(completed: usize, statements: usize, tag: &str, before: Reached) -> Reached {
    match completed.cmp(&(statements + 1)) {
        std::cmp::Ordering::Less => Reached::Statements,
        std::cmp::Ordering::Equal => Reached::Commit,
        std::cmp::Ordering::Greater if tag == "COMMIT" => Reached::Committed,
        std::cmp::Ordering::Greater => before,
    }
}

/// The first column of a row; none when it is NULL.
fn text(row: &DataRowBody) -> Option<&str> {
    let range = row.ranges().next().ok()??;
    let bytes = row.buffer().get(range?)?;
    std::str::from_utf8(bytes).ok()
}

/// An `xid8` without its epoch, as rows have it.
fn xid(text: &str) -> Option<u32> {
    text.parse::<u64>().ok().map(|full| full as u32)
}
