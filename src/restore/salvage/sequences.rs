//! Sequences: set ahead of what either server had given out, and of their columns.

use std::collections::BTreeMap;

use super::{SalvageError, literal, objects::Wanted, session::Session};

/// Sequences of these schemas, and those that columns of these tables own.
const SEQUENCES: &str = "
SELECT DISTINCT format('%I.%I', n.nspname, s.relname) FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
LEFT JOIN pg_class t ON t.oid = d.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE s.relkind = 'S' AND ";

const OWNERS: &str = "
SELECT format('%I.%I', tn.nspname, t.relname), quote_ident(a.attname) FROM pg_depend d
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.objid = ";

/// Sequence → the value that it must not give out less than.
pub(super) type Positions = BTreeMap<String, i64>;

/// Where the sequences of what is wanted stand, the further of both servers.
pub(super) async fn positions(
    scratch: &Session<'_>,
    home: &Session<'_>,
    wanted: &Wanted,
) -> Result<Positions, SalvageError> {
    let mut positions = Positions::new();
    for server in [scratch, home] {
        for name in names(server, wanted).await? {
            let next = next(server, &name).await?;
            let position = positions.entry(name).or_insert(next);
            *position = next.max(*position);
        }
    }
    Ok(positions)
}

async fn names(server: &Session<'_>, wanted: &Wanted) -> Result<Vec<String>, SalvageError> {
    let list = |names: &[String]| {
        let names = names
            .iter()
            .map(|name| literal(name))
            .collect::<Vec<_>>()
            .join(", ");
        format!("ARRAY[{names}]::text[]")
    };
    let sql = format!(
        "{SEQUENCES} (quote_ident(n.nspname) = ANY ({}) OR format('%I.%I', tn.nspname, t.relname) = ANY ({}))",
        list(&wanted.schemas),
        list(&wanted.tables)
    );
    Ok(server
        .query(&sql)
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect())
}

async fn next(server: &Session<'_>, name: &str) -> Result<i64, SalvageError> {
    let sql = format!(
        "SELECT s.last_value + CASE WHEN s.is_called THEN p.seqincrement ELSE 0 END
         FROM {name} s, pg_sequence p WHERE p.seqrelid = {}::regclass",
        literal(name)
    );
    Ok(server.one(&sql).await?.get(0))
}

/// Sets each sequence to its position, or beyond its column where that is further.
pub(super) async fn advance(home: &Session<'_>, positions: &Positions) -> Result<(), SalvageError> {
    for (name, &position) in positions {
        let there = format!("SELECT to_regclass({}) IS NOT NULL", literal(name));
        if !home.one(&there).await?.get::<_, bool>(0) {
            continue;
        }
        let mut needed = position.max(next(home, name).await?);
        for owner in home
            .query(&format!("{OWNERS}{}::regclass", literal(name)))
            .await?
        {
            let (table, column): (String, String) = (owner.get(0), owner.get(1));
            let max = format!("SELECT coalesce(max({column})::bigint, 0) + 1 FROM {table}");
            needed = needed.max(home.one(&max).await?.get(0));
        }
        home.run(&format!(
            "SELECT setval({}, {needed}, false)",
            literal(name)
        ))
        .await?;
    }
    Ok(())
}
