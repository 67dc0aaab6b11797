//! Sequences beside the columns they feed.

use tokio_postgres::Client;

use super::{OWN_PATH, ProbeError, ProbeTarget, pg, session};
use crate::observation::{Observation, SequenceState};

const SEQUENCES: &str = "
SELECT format('%I.%I', n.nspname, s.relname), format('%I.%I', tn.nspname, t.relname), quote_ident(a.attname)
FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid
  AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND n.nspname !~ '^pg_' ORDER BY 1";

/// Looks at every sequence that a column owns.
///
/// # Errors
/// When a sequence or its column can't be read.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let rows = client.query(SEQUENCES, &[]).await;
    let rows = rows.map_err(pg("list the sequences"))?;
    let own_path = client.batch_execute(OWN_PATH).await;
    own_path.map_err(pg("prepare a session"))?;
    let mut states = Vec::new();
    for row in rows {
        states.push(state(&client, row.get(0), row.get(1), row.get(2)).await?);
    }
    Ok(Observation::Sequences(states))
}

async fn state(
    client: &Client,
    sequence: String,
    table: &str,
    column: &str,
) -> Result<SequenceState, ProbeError> {
    let sql = format!(
        "SELECT s.last_value + CASE WHEN s.is_called THEN p.seqincrement ELSE 0 END,
           (SELECT max({column})::bigint FROM {table})
         FROM {sequence} s, pg_sequence p WHERE p.seqrelid = '{}'::regclass",
        sequence.replace('\'', "''")
    );
    let row = client.query_one(&sql, &[]).await;
    let row = row.map_err(pg(format!("read sequence {sequence}")))?;
    Ok(SequenceState {
        sequence,
        next: row.get(0),
        column: format!("{table}.{column}"),
        max: row.get(1),
    })
}
