//! The scratch server's objects, and what depends on what.
//!
//! Objects are compared by identity (`pg_identify_object`), since what was created anew
//! has other OIDs. Parts that live and die with another object (an index of a constraint,
//! a view's rule, an identity's sequence, a member of an extension) count as that object.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;

use super::{SalvageError, session::Session};
use crate::postgres::{PgError, query::Cells};

/// Class and OID on the scratch server.
pub(super) type Id = (u32, u32);
/// Type and identity, the same on every server.
pub(super) type Identity = (String, String);

// Objects that refer to nothing and are referred to by nothing are not in pg_depend. What initdb
// makes has lower OIDs and stays, except the schema public, which is like any other.
const OBJECTS: &str = "
SELECT o.classid, o.objid, i.type, i.identity FROM (
  SELECT classid, objid FROM pg_depend UNION SELECT refclassid, refobjid FROM pg_depend
  UNION SELECT tableoid, oid FROM pg_namespace UNION SELECT tableoid, oid FROM pg_publication
  UNION SELECT tableoid, oid FROM pg_extension UNION SELECT tableoid, oid FROM pg_language
  UNION SELECT tableoid, oid FROM pg_foreign_data_wrapper UNION SELECT tableoid, oid FROM pg_cast
  UNION SELECT tableoid, oid FROM pg_event_trigger UNION SELECT tableoid, oid FROM pg_am
) o CROSS JOIN LATERAL pg_identify_object(o.classid, o.objid, 0) i
WHERE (o.objid >= 16384 OR (o.classid = 'pg_namespace'::regclass AND o.objid = 2200))
  AND o.classid <> 'pg_largeobject'::regclass AND i.identity IS NOT NULL";

const EDGES: &str = "
SELECT DISTINCT classid, objid, refclassid, refobjid, deptype::text FROM pg_depend
WHERE objid >= 16384 AND (refobjid >= 16384 OR (refclassid = 'pg_namespace'::regclass AND refobjid = 2200))
  AND (classid, objid) <> (refclassid, refobjid)";

const RELATIONS: &str = "
SELECT c.oid, format('%I.%I', n.nspname, c.relname), quote_ident(n.nspname), c.relkind::text,
  coalesce((SELECT format('%I.%I', rn.nspname, r.relname) FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE r.oid = pg_partition_root(c.oid)), format('%I.%I', n.nspname, c.relname)), c.relispopulated, c.tableoid,
  ARRAY(WITH RECURSIVE above (oid) AS (SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid AND NOT c.relispartition
    UNION SELECT i.inhparent FROM pg_inherits i JOIN above ON i.inhrelid = above.oid) SELECT oid FROM above)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 2";

/// The scratch server's objects and what depends on what.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub identities: BTreeMap<Id, Identity>,
    /// A part → the object it is part of.
    whole: BTreeMap<Id, Id>,
    /// Dependent → what it refers to, both as wholes.
    pub refers: BTreeMap<Id, BTreeSet<Id>>,
    /// Dependent → what it is dropped with even without CASCADE, both as wholes.
    pub goes_with: BTreeMap<Id, BTreeSet<Id>>,
    pub relations: Vec<Relation>,
}

/// A table or a materialised view; names are qualified and quoted.
#[derive(Debug)]
pub(super) struct Relation {
    pub id: Id,
    pub name: String,
    pub schema: String,
    /// `pg_class.relkind`.
    pub kind: String,
    /// The table it is a partition of, at the top; its own name when it is none.
    pub root: String,
    pub populated: bool,
    /// OIDs of the tables that it inherits from, directly or not; none of a partition.
    pub ancestors: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bond {
    /// It needs it.
    Normal,
    /// It is dropped with it.
    Auto,
    Part,
}

impl Bond {
    fn of(kind: &str) -> Self {
        match kind {
            "i" | "e" => Self::Part,
            "a" => Self::Auto,
            _ => Self::Normal,
        }
    }
}

impl Relation {
    fn of(row: &Row) -> Result<Self, PgError> {
        Ok(Self {
            id: (row.cell(6)?, row.cell(0)?),
            name: row.cell(1)?,
            schema: row.cell(2)?,
            kind: row.cell(3)?,
            root: row.cell(4)?,
            populated: row.cell(5)?,
            ancestors: row.cell(7)?,
        })
    }

    pub fn is_table(&self) -> bool {
        self.kind != "m"
    }
}

pub(super) async fn identities(server: &Session<'_>) -> Result<BTreeSet<Identity>, SalvageError> {
    let rows = server.query(OBJECTS).await?;
    let identity = |row: &Row| Ok((row.cell(2)?, row.cell(3)?));
    rows.iter().map(identity).collect()
}

impl Catalog {
    pub async fn read(scratch: &Session<'_>) -> Result<Self, SalvageError> {
        let id = |row: &Row, at: usize| -> Result<Id, PgError> {
            Ok((row.cell(at)?, row.cell(at + 1)?))
        };
        let objects = scratch.query(OBJECTS).await?;
        let objects = objects
            .iter()
            .map(|row| Ok((id(row, 0)?, (row.cell(2)?, row.cell(3)?))))
            .collect::<Result<_, PgError>>()?;
        let edges = scratch.query(EDGES).await?;
        let edges = edges
            .iter()
            .map(|row| Ok((id(row, 0)?, id(row, 2)?, Bond::of(row.cell(4)?))))
            .collect::<Result<_, PgError>>()?;
        let mut catalog = Self::new(objects, edges);
        let relations = scratch.query(RELATIONS).await?;
        catalog.relations = relations
            .iter()
            .map(Relation::of)
            .collect::<Result<_, PgError>>()?;
        Ok(catalog)
    }

    /// `edges`: dependent, what it refers to, and how.
    pub fn new(identities: BTreeMap<Id, Identity>, edges: Vec<(Id, Id, Bond)>) -> Self {
        let parts = edges.iter().filter(|(.., bond)| *bond == Bond::Part);
        let mut catalog = Self {
            identities,
            whole: parts.map(|&(part, whole, _)| (part, whole)).collect(),
            ..Self::default()
        };
        for (from, to, bond) in edges {
            let (from, to) = (catalog.whole(from), catalog.whole(to));
            if from == to {
                continue;
            }
            catalog.refers.entry(from).or_default().insert(to);
            if bond == Bond::Auto {
                catalog.goes_with.entry(from).or_default().insert(to);
            }
        }
        catalog
    }

    /// An object as it is told: `view sales.open`.
    pub fn told(&self, id: &Id) -> String {
        let identity = self.identities.get(id);
        identity.map_or(String::new(), |(kind, name)| format!("{kind} {name}"))
    }

    /// The object that this one is a part of, or itself.
    pub fn whole(&self, id: Id) -> Id {
        let mut seen = BTreeSet::from([id]);
        let mut at = id;
        while let Some(&next) = self.whole.get(&at) {
            if !seen.insert(next) {
                break;
            }
            at = next;
        }
        at
    }
}
