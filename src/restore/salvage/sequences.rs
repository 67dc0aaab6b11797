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

/// Sequence → how far it must be at least.
pub(super) type Positions = BTreeMap<String, Position>;

/// A value of a sequence, and by how much it goes on: below zero it descends.
#[derive(Clone, Copy)]
pub(super) struct Position {
    value: i64,
    increment: i64,
}

impl Position {
    /// It, or this value where that is further.
    fn or(self, value: i64) -> Self {
        let value = match self.increment < 0 {
            true => self.value.min(value),
            false => self.value.max(value),
        };
        Self { value, ..self }
    }
}

impl Work<'_> {
    /// Where the sequences of what is wanted stand, the further of both servers.
    pub(super) async fn positions(&self, wanted: &Wanted) -> Result<Positions, SalvageError> {
        let mut positions = Positions::new();
        for server in [self.scratch, self.home] {
            for name in names(server, wanted).await? {
                let next = next(server, &name).await?;
                let position = positions.entry(name).or_insert(next);
                *position = next.or(position.value);
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

async fn next(server: &Session<'_>, name: &str) -> Result<Position, SalvageError> {
    let sql = format!(
        "SELECT s.last_value + CASE WHEN s.is_called THEN p.seqincrement ELSE 0 END, p.seqincrement
         FROM {name} s, pg_sequence p WHERE p.seqrelid = {}::regclass",
        literal(name)
    );
    let row = server.one(&sql).await?;
    let (value, increment) = (row.cell(0)?, row.cell(1)?);
    Ok(Position { value, increment })
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

async fn bring(home: &Session<'_>, name: &str, position: Position) -> Result<(), SalvageError> {
    // The sequence is read last: whatever its column shows has been drawn by then.
    let needed = beyond_column(home, name, position).await?;
    let there = next(home, name).await?;
    if there.or(needed.value).value == there.value {
        return Ok(());
    }
    // Between reading a sequence and setting it a client may draw, and what it drew would be
    // given out again. This changes nothing and holds such clients off until the commit.
    let increment = there.increment;
    home.run(&format!("ALTER SEQUENCE {name} INCREMENT BY {increment}"))
        .await?;
    let value = next(home, name).await?.or(needed.value).value;
    home.run(&format!("SELECT setval({}, {value}, false)", literal(name)))
        .await
}

/// The position, or one beyond the furthest value in the columns that draw from the sequence.
async fn beyond_column(
    home: &Session<'_>,
    name: &str,
    mut position: Position,
) -> Result<Position, SalvageError> {
    let beyond = match position.increment < 0 {
        true => "min({column})::bigint - 1",
        false => "max({column})::bigint + 1",
    };
    let owners = format!("{OWNERS}{}::regclass", literal(name));
    for owner in home.query(&owners).await? {
        let (table, column): (String, String) = (owner.cell(0)?, owner.cell(1)?);
        let beyond = beyond.replace("{column}", &column);
        let beyond: Option<i64> = home
            .one(&format!("SELECT {beyond} FROM {table}"))
            .await?
            .cell(0)?;
        position = beyond.map_or(position, |value| position.or(value));
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_sequence_that_descends_is_further_the_lower_it_is() {
        let further = |increment, value| {
            Position {
                value: 7,
                increment,
            }
            .or(value)
            .value
        };
        assert_eq!((further(1, 9), further(1, -9)), (9, 7));
        assert_eq!((further(-1, 9), further(-1, -9)), (7, -9));
    }
}
