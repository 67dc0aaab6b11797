//! The audit trail beside the changes it tells of.
//!
//! Each version of a row that a client wrote is a change, and each has one row in the
//! log, which repeats the row. Both sides are read in one statement, at one moment.
//! Loaded rows are not audited; entries of a bad statement are the fault's, not the
//! trail's.

use uuid::Uuid;

use super::{ProbeError, ProbeTarget, ask, session};
use crate::{
    ledger::Key,
    observation::{AuditState, Change, Observation},
    postgres::query::{Cells, written_by},
    scenario::{model::Audit, plan::LiveTable},
};

/// What is audited, and where.
#[derive(Clone, Debug)]
pub struct Trail<'a> {
    /// The database that it is in.
    pub database: &'a str,
    pub audit: &'a Audit,
    /// The tables that it tells of, as clients write them.
    pub tables: Vec<&'a LiveTable>,
    /// The upper half of the drill's keys.
    pub nonce: u64,
}

const CHANGES: &str = "
SELECT '{table}' AS name, r.request_id, version, CASE WHEN version = r.last THEN r.content END AS content
FROM (SELECT t.{key}::text AS request_id, to_jsonb(t) AS content, {last} AS last
  FROM {table} t WHERE t.{key} IS NOT NULL) r, generate_series(0, r.last) version";

const COMPARED: &str = "
WITH change AS ({changes}),
own AS (SELECT {table} AS name, {action} AS action, {key}::text AS request_id, {version} AS version,
    {row}::text AS content FROM {log} WHERE {key} IS NOT NULL AND NOT {faults}),
entry AS (SELECT name, request_id, version, count(*) AS times,
    min(content)::jsonb AS content FROM own WHERE action <> 'DELETE' GROUP BY 1, 2, 3),
deleted AS (SELECT DISTINCT name, request_id FROM own WHERE action = 'DELETE'),
compared AS (SELECT name AS \"table\", request_id, version,
    CASE WHEN entry.times IS NULL THEN 'missing'
      WHEN change.name IS NULL AND deleted.name IS NULL THEN 'unfounded'
      WHEN entry.times > 1 THEN 'repeated'
      WHEN entry.content IS NULL OR NOT change.content @> entry.content THEN 'different'
      ELSE 'right' END AS verdict
  FROM change FULL JOIN entry USING (name, request_id, version) LEFT JOIN deleted USING (name, request_id)),
numbered AS (SELECT *, row_number() OVER (PARTITION BY verdict ORDER BY \"table\", request_id, version) AS place FROM compared)
SELECT verdict, count(*), coalesce(jsonb_agg(to_jsonb(numbered) - '{verdict,place}'::text[] ORDER BY place)
  FILTER (WHERE verdict <> 'right' AND place <= 10000), '[]')::text
FROM numbered GROUP BY verdict";

/// Compares each trail with its tables.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    if target.audit.is_empty() {
        let nothing = "the data model has no audit trail".into();
        return Err(ProbeError::Other(nothing));
    }
    let mut state = AuditState::default();
    for trail in &target.audit {
        compare(trail, target, &mut state).await?;
    }
    Ok(Observation::Audit(state))
}

async fn compare(
    trail: &Trail<'_>,
    target: &ProbeTarget<'_>,
    state: &mut AuditState,
) -> Result<(), ProbeError> {
    let client = session(&target.access.within(trail.database)).await?;
    let compared = compared(trail, &target.fault_xids);
    for row in ask(&client, &compared, "compare the audit trail").await? {
        let count = row.cell::<i64>(1)?.unsigned_abs();
        let mut first = changes(row.cell(2)?, trail.nonce)?;
        for change in &mut first {
            change.table = target.plan.told(&change.table, trail.database);
        }
        let sum = match row.cell(0)? {
            "missing" => &mut state.missing,
            "unfounded" => &mut state.unfounded,
            "repeated" => &mut state.repeated,
            "different" => &mut state.different,
            _ => {
                state.right += count;
                continue;
            }
        };
        sum.count += count;
        sum.first.extend(first);
    }
    Ok(())
}

fn changes(json: &str, nonce: u64) -> Result<Vec<Change>, ProbeError> {
    let read: Result<Vec<Change>, _> = serde_json::from_str(json);
    let mut changes = read.map_err(|cause| ProbeError::Other(format!("read `{json}`: {cause}")))?;
    for change in &mut changes {
        let uuid = Uuid::parse_str(&change.request_id).ok();
        change.key = uuid.and_then(|uuid| Some(Key::from_uuid(uuid, nonce)?.0));
    }
    Ok(changes)
}

fn compared(trail: &Trail<'_>, fault_xids: &[u64]) -> String {
    let changes: Vec<String> = trail.tables.iter().map(|table| changes_of(table)).collect();
    let columns = &trail.audit.columns;
    let filled_in = [
        ("{changes}", changes.join(" UNION ALL ")),
        ("{log}", trail.audit.log.clone()),
        ("{faults}", written_by(fault_xids)),
        ("{table}", columns.table.clone()),
        ("{action}", columns.action.clone()),
        ("{key}", columns.key.clone()),
        ("{version}", columns.version.clone()),
        ("{row}", columns.row.clone()),
    ];
    let texts = filled_in.iter();
    texts.fold(COMPARED.to_owned(), |sql, (name, text)| {
        sql.replace(name, text)
    })
}

fn changes_of(table: &LiveTable) -> String {
    let last = table.version.as_ref();
    let last = last.map_or("0".to_owned(), |version| {
        format!("coalesce(t.{version}::int, 0)")
    });
    CHANGES
        .replace("{table}", &table.name)
        .replace("{key}", &table.key)
        .replace("{last}", &last)
}
