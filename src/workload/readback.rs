//! Reading back what the workloads wrote, in the ledger's own form.
//!
//! Each row that is present becomes one record: key, version, digest, tenant, `xmin`. The
//! columns selected here, in this order, are the payload as `payload::digest` takes it.

use std::{path::Path, pin::pin};

use futures_util::TryStreamExt;
use tokio_postgres::{Client, Row, types::ToSql};
use uuid::Uuid;

use super::{agent, oa, payload};
use crate::{
    history::files,
    ledger::{Key, Outcome, Record, Writer},
    postgres::{
        PgError,
        query::{Cells, WITHOUT_INDEXES},
    },
    scenario::plan::{CustomWorkload, Plan, REQUEST_ID, WorkloadKind},
};

/// A table that workloads of one kind write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTable {
    /// Schema-qualified name.
    pub name: String,
    /// Its index in keys.
    pub index: u8,
    /// Expression of the row's version.
    version: String,
    /// Expression of the tenant, 0 where there is none.
    tenant: String,
    /// The column that holds the key.
    key: String,
    /// Expressions of the payload, each as the server prints it.
    payload: Vec<String>,
}

/// A failure to read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadbackError {
    #[error(transparent)]
    Server(#[from] PgError),
    #[error("readback: {0}")]
    File(#[from] std::io::Error),
}

/// The tables that workloads of this kind write.
pub fn tables(kind: &WorkloadKind) -> Vec<LiveTable> {
    match kind {
        WorkloadKind::Oa => oa_tables(),
        WorkloadKind::Agent => agent_tables(),
        WorkloadKind::Custom(custom) => vec![custom_table(custom)],
    }
}

fn oa_tables() -> Vec<LiveTable> {
    let table = |name: &str, index, version: &str, payload: &[&str]| {
        LiveTable::of("internal_oa", name, index, version, "0", payload)
    };
    let users = [
        "department_id",
        "email",
        "display_name",
        "phone",
        "password_hash",
    ];
    let approvals = [
        "document_id",
        "requested_by",
        "amount",
        "reason",
        "status",
        "decided_by",
    ];
    vec![
        table("users", oa::USERS, "row_version", &users),
        table(
            "documents",
            oa::DOCUMENTS,
            "0",
            &["owner_id", "title", "body"],
        ),
        table("approvals", oa::APPROVALS, "row_version", &approvals),
        table(
            "login_sessions",
            oa::LOGIN_SESSIONS,
            "0",
            &["user_id", "token_hash"],
        ),
    ]
}

fn agent_tables() -> Vec<LiveTable> {
    let table = |name: &str, index, version: &str, payload: &[&str]| {
        LiveTable::of("external_agent", name, index, version, "tenant_id", payload)
    };
    let conversations = ["tenant_id", "agent_id", "title", "metadata"];
    let messages = ["tenant_id", "conversation_id", "role", "body", "tokens"];
    let agent_data = [
        "tenant_id",
        "agent_id",
        "external_id",
        "payload",
        "content",
        "labels",
        "scores",
        "cost",
        "note",
    ];
    vec![
        table("conversations", agent::CONVERSATIONS, "0", &conversations),
        table("messages", agent::MESSAGES, "0", &messages),
        table("agent_data", agent::AGENT_DATA, "row_version", &agent_data),
    ]
}

fn custom_table(custom: &CustomWorkload) -> LiveTable {
    LiveTable {
        name: custom.table.clone(),
        index: 0,
        version: "0".into(),
        tenant: "0".into(),
        key: custom.key.clone(),
        payload: vec![custom.payload.clone()],
    }
}

impl LiveTable {
    fn of(
        schema: &str,
        name: &str,
        index: u8,
        version: &str,
        tenant: &str,
        payload: &[&str],
    ) -> Self {
        Self {
            name: format!("{schema}.{name}"),
            index,
            version: version.into(),
            tenant: tenant.into(),
            key: REQUEST_ID.into(),
            payload: payload.iter().map(|&column| column.to_owned()).collect(),
        }
    }

    /// Selects key, version, tenant, `xmin` and the payload of every row that a workload wrote.
    pub fn sql(&self) -> String {
        let payload: Vec<String> = self.payload.iter().map(|c| format!("{c}::text")).collect();
        format!(
            "SELECT {key}::text, ({version})::int8, ({tenant})::int8, xmin::text::int8, {payload} FROM {table} WHERE {key} IS NOT NULL",
            key = self.key,
            version = self.version,
            tenant = self.tenant,
            payload = payload.join(", "),
            table = self.name,
        )
    }

    /// Whose a row is by its key, which a row that nobody wrote is given too; none when
    /// another workload wrote it: two may share a table.
    fn own(&self, text: &str, workload: u8, nonce: u64, nobodys: &mut u64) -> Option<Key> {
        let uuid = Uuid::parse_str(text).ok();
        let Some(key) = uuid.and_then(|uuid| Key::from_uuid(uuid, nonce)) else {
            *nobodys += 1;
            return Some(Key::of_nobody(workload, self.index, *nobodys));
        };
        (key.workload() == workload && key.table() == self.index).then_some(key)
    }

    /// The record of a row of [`LiveTable::sql`] that is there as `key`.
    fn record(row: &Row, key: Key) -> Result<Record, PgError> {
        let payload = (4..row.len()).map(|at| row.cell::<Option<&str>>(at));
        let payload = payload.collect::<Result<Vec<_>, _>>()?;
        Ok(Record {
            key,
            version: row.cell::<i64>(1)? as u32,
            outcome: Outcome::Ok,
            workload: key.workload(),
            tenant: row.cell::<i64>(2)? as u32,
            digest: payload::digest(payload),
            intended_us: 0,
            sent_us: 0,
            acked_us: 0,
            lsn: 0,
            xid: row.cell::<i64>(3)? as u32,
        })
    }
}

/// The file of the rows read back from a server, in the drill's directory.
pub fn file_name(server: &str) -> String {
    format!("{}-{server}", files::READBACK)
}

/// Reads every row that has a key, of the tables that the plan's workloads write, into
/// `file`, a ledger, and returns how many there are. A table that is gone has none. `client` must be a
/// superuser's: row-level security would hide rows. Memory is constant.
///
/// # Errors
/// When the server refuses (a damaged page, say) or the file can't be written.
pub async fn read(
    client: &Client,
    plan: &Plan,
    nonce: u64,
    file: &Path,
) -> Result<u64, ReadbackError> {
    let mut writer = Writer::create(file)?;
    let prepared = client.batch_execute(WITHOUT_INDEXES).await;
    prepared.map_err(|cause| PgError::new("prepare a session", &cause))?;
    let mut rows = 0;
    for (index, workload) in plan.workloads.values().enumerate() {
        for table in tables(&workload.kind) {
            if exists(client, &table.name).await? {
                rows += read_table(client, &table, index as u8, nonce, &mut writer).await?;
            }
        }
    }
    writer.flush()?;
    Ok(rows)
}

async fn exists(client: &Client, table: &str) -> Result<bool, PgError> {
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let row = client.query_one(sql, &[&table]).await;
    let row = row.map_err(|cause| PgError::new(format!("look for {table}"), &cause))?;
    row.cell(0)
}

async fn read_table(
    client: &Client,
    table: &LiveTable,
    workload: u8,
    nonce: u64,
    writer: &mut Writer,
) -> Result<u64, ReadbackError> {
    let failed = |cause| PgError::new(format!("read back {}", table.name), &cause);
    let none: [&(dyn ToSql + Sync); 0] = [];
    let stream = client.query_raw(&table.sql(), none).await.map_err(failed)?;
    let mut stream = pin!(stream);
    let (mut rows, mut nobodys) = (0, 0);
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        if let Some(key) = table.own(row.cell(0)?, workload, nonce, &mut nobodys) {
            writer.append(&LiveTable::record(&row, key)?)?;
            rows += 1;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_with_key_version_tenant_and_payload() {
        let messages = &tables(&WorkloadKind::Agent)[1];
        assert_eq!(
            messages.sql(),
            "SELECT request_id::text, (0)::int8, (tenant_id)::int8, xmin::text::int8, tenant_id::text, \
             conversation_id::text, role::text, body::text, tokens::text \
             FROM external_agent.messages WHERE request_id IS NOT NULL"
        );
    }

    #[test]
    fn rows_of_another_workload_are_not_its_own_and_those_of_none_are_nobodys() {
        let documents = &tables(&WorkloadKind::Oa)[1];
        let mut nobodys = 0;
        let mut own = |text: &str| documents.own(text, 2, 99, &mut nobodys);
        let key = |workload, table| Key::new(workload, table, 3, 7);
        let written = |key: Key, nonce| key.to_uuid(nonce).to_string();
        let mine = key(2, oa::DOCUMENTS);
        assert_eq!(own(&written(mine, 99)), Some(mine));
        assert_eq!(own(&written(key(1, oa::DOCUMENTS), 99)), None);
        assert_eq!(own(&written(key(2, oa::USERS), 99)), None);
        let first = own(&written(mine, 98)).unwrap();
        let second = own("A-1017").unwrap();
        assert!(first.is_of_nobody() && second.is_of_nobody() && first != second);
    }
}
