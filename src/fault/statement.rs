//! Bad statements: what somebody with the right password types into the wrong window.
//!
//! The commit's own LSN is read back with `pg_waldump`, so that recovery can stop
//! exactly before it.

use tokio_postgres::Client;

use super::{Before, FaultError, before};
use crate::{
    event::{BoundaryKind, FaultRecord},
    history::Recorder,
    postgres::{
        DATABASE_TEMPLATE, PgError, Server, ServerError, lsn,
        query::{one_value, run_sql},
    },
    runtime::Exec,
    scenario::plan::Fault,
};

/// A bad statement and what shows its bite.
struct Statement {
    sql: String,
    shown_by: ShownBy,
}

/// What shows that a statement bit.
enum ShownBy {
    /// What this query counts, before and, in the statement's own transaction, after it.
    Count(String),
    /// What the statement itself returns: how many rows it hit, their digest as they were,
    /// and as it left them.
    Digests,
}

fn statement(fault: &Fault) -> Option<Statement> {
    let (sql, count) = match fault {
        Fault::DropTable(table) => (
            format!("drop table {table} cascade"),
            format!("select (to_regclass({}) is not null)::int", literal(table)),
        ),
        Fault::DropSchema(schema) => (
            format!("drop schema {schema} cascade"),
            format!(
                "select (to_regnamespace({}) is not null)::int",
                literal(schema)
            ),
        ),
        Fault::DeleteRows { table, r#where } => (
            format!("delete from {table} where {where}"),
            format!("select count(*) from {table} where {where}"),
        ),
        Fault::UpdateRows {
            table,
            set,
            r#where,
        } => {
            return Some(Statement {
                sql: updating(table, set, r#where),
                shown_by: ShownBy::Digests,
            });
        }
        Fault::Truncate(table) => (
            format!("truncate {table} cascade"),
            format!("select count(*) from (select from {table} limit 1) rows"),
        ),
        Fault::DropDatabase(database) => (
            format!("drop database {database} with (force)"),
            format!(
                "select count(*) from pg_database where datname = {}",
                folded(database)
            ),
        ),
        Fault::RevokeGrants { role, schema } => (revoking(role, schema), privileges(role, schema)),
        Fault::DamageIndex(_)
        | Fault::DamageTable(_)
        | Fault::CrashServer
        | Fault::LoseServer
        | Fault::StopArchiving => return None,
    };
    let shown_by = ShownBy::Count(count);
    Some(Statement { sql, shown_by })
}

/// Lost grants lose no transaction; every other bad statement draws the boundary itself.
fn boundary(fault: &Fault) -> BoundaryKind {
    match fault {
        Fault::RevokeGrants { .. } => BoundaryKind::None,
        _ => BoundaryKind::Statement,
    }
}

/// A name as the catalog has it: folded unless it is quoted.
fn folded(name: &str) -> String {
    format!("(parse_ident({}))[1]", literal(name))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An UPDATE that tells what it did to the values. The rows are locked before they are
/// digested, so these are the very versions that it then changes, whatever clients do.
fn updating(table: &str, set: &str, predicate: &str) -> String {
    format!(
        "with hit as ( \
           select count(*) as rows, coalesce(sum(hashtextextended(content, 0)), 0) as digest \
           from (select ({table}.*)::text as content from {table} where ({predicate}) for update) locked \
         ), changed as ( \
           update {table} set {set} where ({predicate}) and (select rows from hit) > 0 \
           returning ({table}.*)::text as content \
         ) \
         select rows || ' ' || digest || ' ' || \
           (select coalesce(sum(hashtextextended(content, 0)), 0) from changed) from hit"
    )
}

/// Takes everything from a role in a schema, and from the groups it gets it through.
fn revoking(role: &str, schema: &str) -> String {
    format!(
        "revoke all on all tables in schema {schema} from {role} cascade; \
         revoke all on all sequences in schema {schema} from {role} cascade; \
         revoke all on all functions in schema {schema} from {role} cascade; \
         revoke all on schema {schema} from {role} cascade"
    )
}

fn privileges(role: &str, schema: &str) -> String {
    let (role, schema) = (literal(role), literal(schema));
    format!(
        "select (select count(*) from pg_class c, aclexplode(c.relacl) a \
                  where c.relnamespace = {schema}::regnamespace and a.grantee = {role}::regrole) \
              + (select count(*) from pg_namespace n, aclexplode(n.nspacl) a \
                  where n.oid = {schema}::regnamespace and a.grantee = {role}::regrole)"
    )
}

pub(super) async fn inject(
    server: &Server,
    fault: &Fault,
    recorder: &Recorder,
) -> Result<FaultRecord, FaultError> {
    let statement = statement(fault).expect("the caller passes statement faults only");
    let hit = match &statement.shown_by {
        ShownBy::Count(query) => maintenance_value(server, query).await?,
        ShownBy::Digests => String::new(),
    };
    let before = before(server, fault, recorder).await?;
    let (mut record, shown) = if matches!(fault, Fault::DropDatabase(_)) {
        outside_transaction(server, &statement, before, recorder).await?
    } else {
        in_transaction(server, &statement, before, recorder).await?
    };
    record.boundary = boundary(fault);
    (record.bit, record.evidence) = match &statement.shown_by {
        ShownBy::Count(query) => fell(query, &hit, &shown),
        ShownBy::Digests => differs(&shown),
    };
    Ok(record)
}

/// Whether a count fell, and the evidence.
fn fell(query: &str, before: &str, after: &str) -> (bool, String) {
    let number = |text: &str| text.parse::<i64>().unwrap_or_default();
    let evidence = format!("`{query}` returned {before} before and {after} after");
    (number(after) < number(before), evidence)
}

/// Whether any value differs (number of rows, digest before, digest after), and the evidence.
fn differs(shown: &str) -> (bool, String) {
    let mut words = shown.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (rows, before, after) = (word(), word(), word());
    if before == after {
        return (
            false,
            format!("rows hit: {rows}; none of their values changed"),
        );
    }
    let evidence =
        format!("rows hit: {rows}; digest of their values {before} before and {after} after");
    (true, evidence)
}

impl Statement {
    /// Performs it; returns what shows its bite.
    async fn perform(&self, client: &Client) -> Result<String, PgError> {
        match &self.shown_by {
            ShownBy::Count(query) => {
                run_sql(client, &self.sql).await?;
                one_value(client, query).await
            }
            ShownBy::Digests => one_value(client, &self.sql).await,
        }
    }
}

/// A value asked through the maintenance database, when the other may be gone.
async fn maintenance_value(server: &Server, query: &str) -> Result<String, ServerError> {
    match server.connect().await {
        Ok(client) => Ok(one_value(&client, query).await?),
        Err(_) => {
            let client = maintenance(server).await?;
            Ok(one_value(&client, query).await?)
        }
    }
}

async fn maintenance(server: &Server) -> Result<Client, ServerError> {
    let mut access = server.access().await?;
    access.database = DATABASE_TEMPLATE.into();
    Ok(access.connect("pgdrill").await?)
}

/// Performs it; returns the record and what shows its bite, as its own transaction saw it.
async fn in_transaction(
    server: &Server,
    statement: &Statement,
    before: Before,
    recorder: &Recorder,
) -> Result<(FaultRecord, String), FaultError> {
    let client = server.connect().await?;
    // Where it deadlocks with a client, the client is the one that gives way.
    run_sql(&client, "begin; set local deadlock_timeout = '10min'").await?;
    let shown = statement.perform(&client).await?;
    let xid = one_value(&client, "select pg_current_xact_id()").await?;
    run_sql(&client, "commit").await?;
    let mut record = before.record(server, recorder);
    record.xid = xid.parse().ok();
    record.commit_lsn = commit_lsn(server, record.lsn, &xid).await?;
    Ok((record, shown))
}

/// The same for what PostgreSQL refuses to do in a transaction.
async fn outside_transaction(
    server: &Server,
    statement: &Statement,
    before: Before,
    recorder: &Recorder,
) -> Result<(FaultRecord, String), FaultError> {
    let client = maintenance(server).await?;
    let shown = statement.perform(&client).await?;
    let record = before.record(server, recorder);
    Ok((record, shown))
}

/// Where the transaction's commit record begins, found as a DBA finds it.
async fn commit_lsn(server: &Server, from: u64, xid: &str) -> Result<Option<u64>, FaultError> {
    let wal = server
        .node
        .layout()
        .data
        .join("pg_wal")
        .display()
        .to_string();
    let xid = xid.parse::<u64>().unwrap_or_default() & 0xffff_ffff;
    let timeline = server.value("select ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int").await?;
    let arguments = [
        server.program("pg_waldump"),
        format!("--path={wal}"),
        format!("--timeline={timeline}"),
        format!("--start={}", lsn::show(from)),
        "--rmgr=Transaction".into(),
        format!("--xid={xid}"),
    ];
    // It always ends with an error where the WAL ends.
    let output = server.node.exec(Exec::new(arguments).allow(1)).await?;
    Ok(commit_in(&output.text()))
}

fn commit_in(dump: &str) -> Option<u64> {
    let line = dump.lines().find(|line| line.contains("desc: COMMIT"))?;
    let position = line.split("lsn: ").nth(1)?.split(',').next()?;
    lsn::parse(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_record_is_found_in_a_dump() {
        let dump = "rmgr: Transaction len (rec/tot): 46/46, tx: 740, lsn: 0/0154D9A8, prev 0/0154D968, desc: COMMIT 2026-01-01 00:00:00 UTC";
        assert_eq!(commit_in(dump), Some(0x0154_D9A8));
        assert_eq!(commit_in("rmgr: Heap"), None);
    }

    #[test]
    fn a_count_bites_when_it_falls() {
        assert!(fell("select …", "3", "0").0);
        assert!(!fell("select …", "3", "3").0);
        assert!(!fell("select …", "0", "0").0);
    }

    #[test]
    fn an_update_bites_when_a_value_differs() {
        assert!(differs("2 17 18").0);
        let (bit, evidence) = differs("2 17 17");
        assert!(!bit);
        assert_eq!(evidence, "rows hit: 2; none of their values changed");
        assert!(!differs("0 0 0").0);
    }

    /// `"My Schema"` is quoted in SQL and not in the catalog.
    #[test]
    fn a_quoted_name_is_looked_up_as_sql_reads_it() {
        let shown = |fault: &Fault| match statement(fault).unwrap().shown_by {
            ShownBy::Count(query) => query,
            ShownBy::Digests => String::new(),
        };
        let schema = shown(&Fault::DropSchema("\"My Schema\"".into()));
        assert!(
            schema.contains("to_regnamespace('\"My Schema\"')"),
            "{schema}"
        );
        let database = shown(&Fault::DropDatabase("Shop".into()));
        assert!(database.contains("parse_ident('Shop')"), "{database}");
    }

    #[test]
    fn every_statement_fault_has_a_statement() {
        let fault = Fault::DeleteRows {
            table: "t".into(),
            r#where: "id > 3".into(),
        };
        assert_eq!(statement(&fault).unwrap().sql, "delete from t where id > 3");
        assert!(statement(&Fault::LoseServer).is_none());
    }
}
