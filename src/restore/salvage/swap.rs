//! A damaged table built anew beside the old one, then put into its place.
//!
//! The old table may be unreadable in part: of it, only rows written after the recovery
//! target are wanted, and they are read in ranges that shrink around what can't be read.
//! It is locked only for that and for the swap itself. What hung on it (keys, indexes,
//! triggers, policies, grants, views) goes with it and is created again by the caller.

use std::collections::VecDeque;

use super::{
    SalvageError, array, literal,
    rows::{self, Columns},
    session::Session,
    transactions::Horizon,
};
use crate::event::SalvagedTable;

/// Line pointers per page, more than there ever are: addresses are block × this + line.
const LINES: u64 = 512;
/// Pages read at once.
const RANGE: u64 = 128;
/// A transaction that was still in progress at the target may have begun so many earlier.
const IN_PROGRESS: u64 = 100_000;

const KEPT: &str = "pg_temp.pgdrill_kept";

const FACTS: &str = "
SELECT c.relkind::text, c.relispartition, c.relforcerowsecurity, c.relpersistence::text, pg_get_userbyid(c.relowner)::text,
  array_to_string(c.reloptions, ', '), quote_ident(s.spcname), pg_relation_size(c.oid) / current_setting('block_size')::int
FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = ";

const OWNED: &str = "
SELECT format('%I.%I', n.nspname, s.relname), quote_ident(a.attname) FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'a' AND d.refobjid = ";

/// Builds a table anew from the scratch server's rows and its own later ones.
///
/// # Errors
/// When it is partitioned, a partition or has no primary key, or a server refuses.
pub(super) async fn swap(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    horizon: &Horizon,
) -> Result<SalvagedTable, SalvageError> {
    let refused = |cause| SalvageError::Swap {
        table: table.to_owned(),
        cause,
    };
    let facts = home
        .one(&format!("{FACTS}{}::regclass", literal(table)))
        .await?;
    if facts.get::<_, &str>(0) != "r" || facts.get(1) {
        return Err(refused("it is partitioned or a partition"));
    }
    let columns = Columns::of(scratch, table).await?;
    if columns.key.is_empty() {
        return Err(refused("it has no primary key to tell its rows apart"));
    }
    let beside = beside(table);
    home.run(&create(table, &beside, &facts)).await?;
    let mut rows = rows::copy(scratch, home, table, &beside, &columns).await?;
    home.run(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        .await?;
    let pages: i64 = facts.get(7);
    rows += keep_later(
        scratch,
        home,
        table,
        &beside,
        &columns,
        horizon,
        pages.unsigned_abs(),
    )
    .await?;
    put_in_place(home, table, &beside).await?;
    Ok(SalvagedTable {
        table: table.to_owned(),
        created: true,
        inserted: rows,
        replaced: 0,
    })
}

/// The name of the new table until it takes the old one's.
fn beside(table: &str) -> String {
    match table.strip_suffix('"') {
        Some(open) => format!("{open}_salvage\""),
        None => format!("{table}_salvage"),
    }
}

fn create(table: &str, beside: &str, facts: &tokio_postgres::Row) -> String {
    let unlogged = if facts.get::<_, &str>(3) == "u" {
        "UNLOGGED "
    } else {
        ""
    };
    let options: Option<String> = facts.get(5);
    let options = options.map_or(String::new(), |options| format!(" WITH ({options})"));
    let tablespace: Option<String> = facts.get(6);
    let tablespace = tablespace.map_or(String::new(), |name| format!(" TABLESPACE {name}"));
    let owner: String = facts.get(4);
    let owner = format!("\"{}\"", owner.replace('"', "\"\""));
    let forced = match facts.get(2) {
        true => format!("; ALTER TABLE {beside} FORCE ROW LEVEL SECURITY"),
        false => String::new(),
    };
    format!(
        "CREATE {unlogged}TABLE {beside} (LIKE {table} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS \
         INCLUDING STORAGE INCLUDING COMPRESSION){options}{tablespace}; ALTER TABLE {beside} OWNER TO {owner}{forced}"
    )
}

/// Carries over the rows that were written after the recovery target. Returns how many
/// of them the scratch server did not have.
async fn keep_later(
    scratch: &Session<'_>,
    home: &Session<'_>,
    table: &str,
    beside: &str,
    columns: &Columns,
    horizon: &Horizon,
    pages: u64,
) -> Result<u64, SalvageError> {
    let list = columns.list("");
    home.run(&format!(
        "CREATE TEMP TABLE pgdrill_kept AS SELECT {list}, xmin::text AS pgdrill_xmin FROM {table} WITH NO DATA"
    ))
    .await?;
    let oldest = horizon.next.saturating_sub(IN_PROGRESS).max(3) as u32;
    let lost = read(home, pages, |from, to| {
        format!(
            "INSERT INTO {KEPT} SELECT {list}, xmin::text FROM {table} \
             WHERE ctid >= '{from}' AND ctid < '{to}' AND age(xmin) <= age('{oldest}'::xid)"
        )
    })
    .await?;
    home.note(
        &format!("-- rows of {table} written since the recovery target were read; line pointers that can't be read: {lost}"),
        std::time::Instant::now(),
        None,
        "",
    );
    let xmins = home
        .query(&format!("SELECT DISTINCT pgdrill_xmin FROM {KEPT}"))
        .await?;
    let xmins: Vec<String> = xmins.iter().map(|row| row.get(0)).collect();
    let later = horizon.later(scratch, &xmins).await?;
    let later = format!("k.pgdrill_xmin = ANY ({})", array(&later));
    let same = columns.same_key("n.", "k.");
    let older = format!("DELETE FROM {beside} n USING {KEPT} k WHERE {same} AND {later}");
    let older = home.count(&older).await?;
    let from = columns.list("k.");
    let newer = format!(
        "INSERT INTO {beside} ({list}) OVERRIDING SYSTEM VALUE SELECT {from} FROM {KEPT} k WHERE {later}"
    );
    let newer = home.count(&newer).await?;
    home.quietly(&format!("DROP TABLE {KEPT}")).await?;
    Ok(newer.saturating_sub(older))
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

/// Sequences that columns own by `serial` move over; the old table goes, with all that
/// hangs on it, and the new one takes its name.
async fn put_in_place(home: &Session<'_>, table: &str, beside: &str) -> Result<(), SalvageError> {
    for owned in home
        .query(&format!("{OWNED}{}::regclass", literal(table)))
        .await?
    {
        let (sequence, column): (String, String) = (owned.get(0), owned.get(1));
        home.run(&format!(
            "ALTER SEQUENCE {sequence} OWNED BY {beside}.{column}"
        ))
        .await?;
    }
    let name = format!(
        "(SELECT quote_ident(relname) FROM pg_class WHERE oid = {}::regclass)",
        literal(table)
    );
    let name: String = home.one(&format!("SELECT {name}")).await?.get(0);
    home.run(&format!(
        "DROP TABLE {table} CASCADE; ALTER TABLE {beside} RENAME TO {name}"
    ))
    .await
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

    #[test]
    fn quoted_names_stay_quoted() {
        assert_eq!(beside("a.b"), "a.b_salvage");
        assert_eq!(beside("a.\"B c\""), "a.\"B c_salvage\"");
    }
}
