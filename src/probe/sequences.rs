//! Sequences of every database, once beside each column they feed.

use tokio_postgres::{Client, Row};

use super::{OWN_PATH, ProbeError, ProbeTarget, ask, databases, prepare, session};
use crate::{
    observation::{Observation, SequenceState},
    postgres::{PgError, literal, query::Cells},
};

/// Name, and each column of integers that it feeds: one that owns it, or whose default it is. Values
/// that a default makes of the sequence's (`nextval(…) * 10`) can't be held against it.
const SEQUENCES: &str = "
SELECT format('%I.%I', n.nspname, s.relname), fed.relation, fed.attribute
FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
LEFT JOIN (SELECT feeds.sequence, format('%I.%I', tn.nspname, t.relname) AS relation, quote_ident(a.attname) AS attribute
  FROM (SELECT objid, refobjid, refobjsubid FROM pg_depend
      WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0
    UNION SELECT d.refobjid, f.adrelid, f.adnum FROM pg_attrdef f
      JOIN pg_class l ON l.oid = f.adrelid AND NOT l.relispartition
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
      WHERE pg_get_expr(f.adbin, f.adrelid) ~ '^\\(?nextval\\(''[^'']+''::regclass\\)\\)?(::(smallint|integer))?$'
    ) AS feeds (sequence, relid, attnum)
  JOIN pg_class t ON t.oid = feeds.relid AND t.relkind IN ('r', 'p')
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = feeds.attnum
  JOIN pg_type y ON y.oid = a.atttypid
    AND coalesce(nullif(y.typbasetype, 0), y.oid) IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
  ) AS fed ON fed.sequence = s.oid
WHERE s.relkind = 'S' AND s.relpersistence <> 't' ORDER BY 1, 2, 3";

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let mut states = Vec::new();
    for database in databases::all(&client).await? {
        let client = session(&target.access.within(&database)).await?;
        let told = |name: String| target.plan.told(&name, &database);
        let all = of_database(&client).await?.into_iter();
        states.extend(all.map(|state| SequenceState {
            sequence: told(state.sequence),
            column: state.column.map(told),
            ..state
        }));
    }
    Ok(Observation::Sequences(states))
}

/// A database's. The session's `search_path` is its role's own afterwards.
pub async fn of_database(client: &Client) -> Result<Vec<SequenceState>, ProbeError> {
    let sequences = ask(client, SEQUENCES, "list the sequences").await?;
    let queries = sequences.iter().map(query);
    let queries: Vec<String> = queries.collect::<Result<_, _>>()?;
    if queries.is_empty() {
        return Ok(Vec::new());
    }
    prepare(client, &[OWN_PATH]).await?;
    let rows = ask(client, &queries.join("\nUNION ALL\n"), "read the sequences").await?;
    let state = |(sequence, row): (&Row, &Row)| {
        Ok(SequenceState {
            sequence: sequence.cell(0)?,
            next: row.cell(0)?,
            descends: row.cell(1)?,
            cycles: row.cell(2)?,
            column: column(sequence)?.map(|(table, column)| format!("{table}.{column}")),
            max: row.cell(3)?,
        })
    };
    sequences.iter().zip(&rows).map(state).collect()
}

fn column(sequence: &Row) -> Result<Option<(&str, &str)>, PgError> {
    let table: Option<&str> = sequence.cell(1)?;
    Ok(table.zip(sequence.cell(2)?))
}

/// What asks for one sequence's state. What `nextval` would return may be no bigint any more.
fn query(sequence: &Row) -> Result<String, PgError> {
    let name: &str = sequence.cell(0)?;
    let furthest = column(sequence)?.map(|(table, column)| {
        format!(
            "(SELECT CASE WHEN p.seqincrement < 0 THEN min({column}) ELSE max({column}) END::bigint FROM {table})"
        )
    });
    Ok(format!(
        "SELECT greatest(least(s.last_value::numeric + CASE WHEN s.is_called THEN p.seqincrement ELSE 0 END,
             9223372036854775807), -9223372036854775808)::bigint, p.seqincrement < 0, p.seqcycle, {}
         FROM {name} s, pg_sequence p WHERE p.seqrelid = {}::regclass",
        furthest.as_deref().unwrap_or("NULL::bigint"),
        literal(name)
    ))
}
