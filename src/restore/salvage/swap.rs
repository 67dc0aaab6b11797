//! A damaged table's rows built anew beside it, then put into its place.
//!
//! The table may be unreadable in part: of it, only rows written after the recovery target are
//! wanted, and they are read in ranges that shrink around what can't be read. Then it is
//! truncated, which gives it, its indexes and its TOAST table new files, and keeps everything
//! that it is and that hangs on it. Only foreign keys that refer to it forbid that: they go, and
//! come back when all rows are there. The table is locked only meanwhile.

use std::collections::VecDeque;

use super::{
    SalvageError, array, literal,
    rows::{self, Columns},
    rules,
    session::Session,
    transactions::Horizon,
};
use crate::{
    event::SalvagedTable,
    postgres::query::{Cells, texts},
};

/// Line pointers per page, more than there ever are: addresses are block × this + line.
const LINES: u64 = 512;
const RANGE: u64 = 128;
/// A transaction that was still in progress at the target may have begun so many earlier.
const IN_PROGRESS: u64 = 100_000;

/// Where the table's rows are built anew.
const ANEW: &str = "pg_temp.pgdrill_anew";
/// Where its own rows wait that were written since.
const KEPT: &str = "pg_temp.pgdrill_kept";

const PAGES: &str =
    "SELECT pg_relation_size({table}::regclass) / current_setting('block_size')::int";

/// How to drop each foreign key that refers to a table from another, and how to add it again.
const REFERRING: &str = "
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
  format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
    || coalesce(format('; COMMENT ON CONSTRAINT %I ON %s IS ', k.conname, k.conrelid::regclass) || quote_literal(obj_description(k.oid, 'pg_constraint')), '')
FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> k.confrelid AND k.confrelid = ";

pub(super) struct Swapped {
    pub table: SalvagedTable,
    /// Statements that let other tables refer to it again.
    pub referring: Vec<String>,
}

/// Builds a table's rows anew from the scratch server's and its own later ones.
///
/// # Errors
/// When it is partitioned or has no primary key, or a server refuses.
pub(super) async fn swap(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    horizon: &Horizon,
) -> Result<Swapped, SalvageError> {
    let columns = Columns::of(scratch, table).await?;
    swappable(table, &columns)?;
    home.run(&columns.like("pgdrill_anew", "")).await?;
    let mut rows = rows::copy(scratch, home, ANEW, &columns).await?;
    let own = &columns.own;
    home.run(&format!("LOCK TABLE {own} IN ACCESS EXCLUSIVE MODE"))
        .await?;
    rows += keep_later(scratch, home, table, &columns, horizon).await?;
    let referring = release(home, table).await?;
    put_in_place(home, table, &columns).await?;
    let table = SalvagedTable {
        table: table.to_owned(),
        created: true,
        inserted: rows,
        replaced: 0,
    };
    Ok(Swapped { table, referring })
}

fn swappable(table: &str, columns: &Columns) -> Result<(), SalvageError> {
    let cause = match (columns.is_partitioned(), columns.key.is_empty()) {
        (true, _) => "it is partitioned",
        (_, true) => "it has no primary key to tell its rows apart",
        _ => return Ok(()),
    };
    Err(SalvageError::Swap {
        table: table.to_owned(),
        cause,
    })
}

/// Carries over the rows that were written after the recovery target. Returns how many
/// of them the scratch server did not have.
async fn keep_later(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
    horizon: &Horizon,
) -> Result<u64, SalvageError> {
    let lost = read_later(home, table, columns, horizon).await?;
    home.note(
        &format!("-- rows of {table} written since the recovery target were read; line pointers that can't be read: {lost}"),
        std::time::Instant::now(),
        None,
        "",
    );
    let xmins = home
        .query(&format!("SELECT DISTINCT pgdrill_xmin FROM {KEPT}"))
        .await?;
    let xmins = texts(&xmins)?;
    let later = horizon.later(scratch, &xmins).await?;
    let later = format!("k.pgdrill_xmin = ANY ({})", array(&later));
    let same = columns.same_key("n.", "k.");
    let older = format!("DELETE FROM {ANEW} n USING {KEPT} k WHERE {same} AND {later}");
    let older = home.count(&older).await?;
    let (list, from) = (columns.list(""), columns.list("k."));
    let newer = format!("INSERT INTO {ANEW} ({list}) SELECT {from} FROM {KEPT} k WHERE {later}");
    let newer = home.count(&newer).await?;
    home.quietly(&format!("DROP TABLE {KEPT}")).await?;
    Ok(newer.saturating_sub(older))
}

/// Sets aside the rows that may have been written after the recovery target. Returns how many
/// addresses could not be read.
async fn read_later(
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
    horizon: &Horizon,
) -> Result<u64, SalvageError> {
    home.run(&columns.like("pgdrill_kept", ", xmin::text AS pgdrill_xmin"))
        .await?;
    let pages = PAGES.replace("{table}", &literal(table));
    let pages: i64 = home.one(&pages).await?.cell(0)?;
    let oldest = horizon.next.saturating_sub(IN_PROGRESS).max(3) as u32;
    let (list, own) = (columns.list(""), &columns.own);
    read(home, pages.unsigned_abs(), |from, to| {
        format!(
            "INSERT INTO {KEPT} SELECT {list}, xmin::text FROM {own} \
             WHERE ctid >= '{from}' AND ctid < '{to}' AND age(xmin) <= age('{oldest}'::xid)"
        )
    })
    .await
}

/// Reads a table in ranges of addresses, each halved until what can't be read is alone.
/// Returns how many addresses could not be read.
async fn read(
    home: &Session<'_>,
    pages: u64,
    sql: impl Fn(String, String) -> String,
) -> Result<u64, SalvageError> {
    let ranges = (0..pages).step_by(RANGE as usize);
    let ranges = ranges.map(|page| (page * LINES, (page + RANGE).min(pages) * LINES));
    let mut open: VecDeque<(u64, u64)> = ranges.collect();
    let mut unreadable = 0;
    let address = |at: u64| format!("({},{})", at / LINES, at % LINES);
    while let Some((from, to)) = open.pop_front() {
        home.quietly("SAVEPOINT pgdrill_read").await?;
        match home.quietly(&sql(address(from), address(to))).await {
            Ok(()) => home.quietly("RELEASE pgdrill_read").await?,
            Err(error) if !damaged(&error) => return Err(error),
            Err(_) => {
                home.quietly("ROLLBACK TO pgdrill_read; RELEASE pgdrill_read")
                    .await?;
                match halves(from, to) {
                    Some(parts) => open.extend(parts),
                    None => unreadable += 1,
                }
            }
        }
    }
    Ok(unreadable)
}

/// Data corrupted, index corrupted, or what damaged bytes look like to the server.
fn damaged(error: &SalvageError) -> bool {
    let SalvageError::Postgres(error) = error else {
        return false;
    };
    let code = error.sqlstate.as_deref().unwrap_or_default();
    code.starts_with("XX") || code.starts_with("22") || code.starts_with("58")
}

fn halves(from: u64, to: u64) -> Option<[(u64, u64); 2]> {
    let middle = from + (to - from) / 2;
    // Whole pages first: most damage hits one of them.
    let middle = match to - from > LINES {
        true => middle.next_multiple_of(LINES).min(to - LINES),
        false => middle,
    };
    (from < middle && middle < to).then_some([(from, middle), (middle, to)])
}

/// Drops the foreign keys that refer to a table; returns what brings them back.
async fn release(home: &Session<'_>, table: &str) -> Result<Vec<String>, SalvageError> {
    let mut again = Vec::new();
    let referring = format!("{REFERRING}{}::regclass ORDER BY 1", literal(table));
    for row in home.query(&referring).await? {
        home.run(row.cell(0)?).await?;
        again.push(row.cell(1)?);
    }
    Ok(again)
}

/// New files for the table, with the rows that were built anew.
async fn put_in_place(
    home: &Session<'_>,
    table: &str,
    columns: &Columns,
) -> Result<(), SalvageError> {
    let (own, list) = (&columns.own, columns.list(""));
    let resting = rules::rest(home, table).await?;
    home.run(&format!("TRUNCATE {own}")).await?;
    let insert =
        format!("INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM {ANEW}");
    home.count(&insert).await?;
    home.quietly(&format!("DROP TABLE {ANEW}")).await?;
    resting.wake(home).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_halved_down_to_one_address_without_a_gap() {
        let mut open = vec![(0, 5 * LINES)];
        let mut single = Vec::new();
        while let Some((from, to)) = open.pop() {
            match halves(from, to) {
                Some(parts) => open.extend(parts),
                None => single.push((from, to)),
            }
        }
        single.sort_unstable();
        assert!(
            single
                .iter()
                .enumerate()
                .all(|(at, &range)| range == (at as u64, at as u64 + 1))
        );
        assert_eq!(single.len() as u64, 5 * LINES);
    }
}
