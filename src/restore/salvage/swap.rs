//! A damaged table's rows built anew beside it, then put into its place.
//!
//! The table may be unreadable in part: of it, only rows written after the recovery target are
//! wanted, and they are read in ranges that shrink around what can't be read. Then it is
//! truncated, which gives it, its indexes and its TOAST table new files, and keeps everything
//! that it is and that hangs on it. Only foreign keys that refer to it forbid that: they go, and
//! come back when all rows are there. The table is locked only meanwhile.

use std::collections::VecDeque;

use super::{
    SalvageError, array, literal, rows::Table, rules, session::Session, transactions::Horizon,
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

impl Table<'_> {
    /// Builds its rows anew from the scratch server's and its own later ones. Returns also the
    /// statements that let other tables refer to it again.
    ///
    /// # Errors
    /// When it is partitioned or has no primary key, or a server refuses.
    pub async fn swap(
        &self,
        horizon: &Horizon,
    ) -> Result<(SalvagedTable, Vec<String>), SalvageError> {
        self.swappable()?;
        self.home
            .run(&self.columns.like("pgdrill_anew", ""))
            .await?;
        let mut rows = self.copy(ANEW).await?;
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.columns.own);
        self.home.run(&lock).await?;
        rows += self.keep_later(horizon).await?;
        let referring = self.release().await?;
        self.put_in_place().await?;
        let table = SalvagedTable {
            table: self.name.to_owned(),
            created: true,
            inserted: rows,
            replaced: 0,
        };
        Ok((table, referring))
    }

    fn swappable(&self) -> Result<(), SalvageError> {
        let cause = match (self.columns.is_partitioned(), self.columns.key.is_empty()) {
            (true, _) => "it is partitioned",
            (_, true) => "it has no primary key to tell its rows apart",
            _ => return Ok(()),
        };
        Err(SalvageError::Swap {
            table: self.name.to_owned(),
            cause,
        })
    }

    /// Carries over the rows that were written after the recovery target. Returns how many
    /// of them the scratch server did not have.
    async fn keep_later(&self, horizon: &Horizon) -> Result<u64, SalvageError> {
        let lost = self.read_later(horizon).await?;
        let Self { home, columns, .. } = self;
        home.note(
            &format!("-- rows of {} written since the recovery target were read; line pointers that can't be read: {lost}", self.name),
            std::time::Instant::now(),
            None,
            "",
        );
        let xmins = format!("SELECT DISTINCT pgdrill_xmin FROM {KEPT}");
        let xmins = texts(&home.query(&xmins).await?)?;
        let later = horizon.later(self.scratch, &xmins).await?;
        let later = format!("k.pgdrill_xmin = ANY ({})", array(&later));
        let same = columns.same_key("n.", "k.");
        let older = format!("DELETE FROM {ANEW} n USING {KEPT} k WHERE {same} AND {later}");
        let older = home.count(&older).await?;
        let (list, from) = (columns.list(""), columns.list("k."));
        let newer =
            format!("INSERT INTO {ANEW} ({list}) SELECT {from} FROM {KEPT} k WHERE {later}");
        let newer = home.count(&newer).await?;
        home.quietly(&format!("DROP TABLE {KEPT}")).await?;
        Ok(newer.saturating_sub(older))
    }

    /// Sets aside the rows that may have been written after the recovery target. Returns how many
    /// addresses could not be read.
    async fn read_later(&self, horizon: &Horizon) -> Result<u64, SalvageError> {
        let kept = self
            .columns
            .like("pgdrill_kept", ", xmin::text AS pgdrill_xmin");
        self.home.run(&kept).await?;
        let pages = PAGES.replace("{table}", &literal(self.name));
        let pages: i64 = self.home.one(&pages).await?.cell(0)?;
        let oldest = horizon.next.saturating_sub(IN_PROGRESS).max(3) as u32;
        let (list, own) = (self.columns.list(""), &self.columns.own);
        read(self.home, pages.unsigned_abs(), |from, to| {
            format!(
                "INSERT INTO {KEPT} SELECT {list}, xmin::text FROM {own} \
                 WHERE ctid >= '{from}' AND ctid < '{to}' AND age(xmin) <= age('{oldest}'::xid)"
            )
        })
        .await
    }

    /// Drops the foreign keys that refer to it; returns what brings them back.
    async fn release(&self) -> Result<Vec<String>, SalvageError> {
        let mut again = Vec::new();
        let referring = format!("{REFERRING}{}::regclass ORDER BY 1", literal(self.name));
        for row in self.home.query(&referring).await? {
            self.home.run(row.cell(0)?).await?;
            again.push(row.cell(1)?);
        }
        Ok(again)
    }

    /// New files for it, with the rows that were built anew.
    async fn put_in_place(&self) -> Result<(), SalvageError> {
        let (home, name, list) = (self.home, self.name, self.columns.list(""));
        let resting = rules::rest(home, name).await?;
        home.run(&format!("TRUNCATE {}", self.columns.own)).await?;
        let insert = format!(
            "INSERT INTO {name} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM {ANEW}"
        );
        home.count(&insert).await?;
        home.quietly(&format!("DROP TABLE {ANEW}")).await?;
        resting.wake(home).await
    }
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
