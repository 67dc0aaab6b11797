//! Sequences: set ahead of what either server had given out, and of their columns.

use std::collections::BTreeMap;

use super::{SalvageError, Work, array, literal, session::Session, wanted::Wanted};
use crate::postgres::query::{Cells, texts};

/// Sequences of these schemas, and those that columns of these tables own.
const SEQUENCES: &str = "
SELECT DISTINCT format('%I.%I', n.nspname, s.relname) FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
LEFT JOIN (SELECT c.oid, format('%I.%I', tn.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace tn ON tn.oid = c.relnamespace) t
  ON t.oid = d.refobjid
WHERE s.relkind = 'S' AND ";

const OWNERS: &str = "
SELECT format('%I.%I', tn.nspname, t.relname), quote_ident(a.attname) FROM pg_depend d
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.objid = ";

/// Sequence → the value that it must not give out less than.
pub(super) type Positions = BTreeMap<String, i64>;

impl Work<'_> {
    /// Where the sequences of what is wanted stand, the further of both servers.
    pub(super) async fn positions(&self, wanted: &Wanted) -> Result<Positions, SalvageError> {
        let mut positions = Positions::new();
        for server in [self.scratch, self.home] {
            for name in names(server, wanted).await? {
                let next = next(server, &name).await?;
                let position = positions.entry(name).or_insert(next);
                *position = next.max(*position);
            }
        }
        Ok(positions)
    }
}

async fn names(server: &Session<'_>, wanted: &Wanted) -> Result<Vec<String>, SalvageError> {
    let sql = format!(
        "{SEQUENCES} (quote_ident(n.nspname) = ANY ({}) OR t.name = ANY ({}))",
        array(&wanted.schemas),
        array(&wanted.tables)
    );
    Ok(texts(&server.query(&sql).await?)?)
}

async fn next(server: &Session<'_>, name: &str) -> Result<i64, SalvageError> {
    let sql = format!(
        "SELECT s.last_value + CASE WHEN s.is_called THEN p.seqincrement ELSE 0 END
         FROM {name} s, pg_sequence p WHERE p.seqrelid = {}::regclass",
        literal(name)
    );
    Ok(server.one(&sql).await?.cell(0)?)
}

/// Brings each sequence that is behind to its position, or beyond its column where that is
/// further. Live clients go on drawing from those that are far enough.
pub(super) async fn advance(home: &Session<'_>, positions: &Positions) -> Result<(), SalvageError> {
    for (name, &position) in positions {
        if home.has(name).await? {
            bring(home, name, position).await?;
        }
    }
    Ok(())
}

async fn bring(home: &Session<'_>, name: &str, position: i64) -> Result<(), SalvageError> {
    // The sequence is read last: whatever its column shows has been drawn by then.
    let needed = position.max(beyond_column(home, name).await?);
    if next(home, name).await? >= needed {
        return Ok(());
    }
    // Between reading a sequence and setting it a client may draw, and what it drew would be
    // given out again. This changes nothing and holds such clients off until the commit.
    let increment = format!(
        "SELECT seqincrement FROM pg_sequence WHERE seqrelid = {}::regclass",
        literal(name)
    );
    let increment: i64 = home.one(&increment).await?.cell(0)?;
    home.run(&format!("ALTER SEQUENCE {name} INCREMENT BY {increment}"))
        .await?;
    let needed = needed.max(next(home, name).await?);
    home.run(&format!(
        "SELECT setval({}, {needed}, false)",
        literal(name)
    ))
    .await
}

/// One more than the greatest value in the columns that draw from it.
async fn beyond_column(home: &Session<'_>, name: &str) -> Result<i64, SalvageError> {
    let mut beyond = 0;
    let owners = format!("{OWNERS}{}::regclass", literal(name));
    for owner in home.query(&owners).await? {
        let (table, column): (String, String) = (owner.cell(0)?, owner.cell(1)?);
        let max = format!("SELECT coalesce(max({column})::bigint, 0) + 1 FROM {table}");
        beyond = beyond.max(home.one(&max).await?.cell(0)?);
    }
    Ok(beyond)
}
