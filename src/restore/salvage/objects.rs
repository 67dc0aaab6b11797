//! Which objects are missing: the scratch server's catalog held against production's.
//!
//! Objects are compared by identity (`pg_identify_object`), since what was created anew
//! has other OIDs. Parts that live and die with another object (an index of a constraint,
//! a view's rule, an identity's sequence, a member of an extension) count as that object.

use std::collections::{BTreeMap, BTreeSet};

use super::{SalvageError, SalvageRequest, session::Session};

/// Class and OID on the scratch server.
pub(super) type Id = (u32, u32);
/// Type and identity, the same on every server.
pub(super) type Identity = (String, String);

// Objects that refer to nothing and are referred to by nothing are not in pg_depend.
const OBJECTS: &str = "
SELECT o.classid, o.objid, i.type, i.identity FROM (
  SELECT classid, objid FROM pg_depend UNION SELECT refclassid, refobjid FROM pg_depend
  UNION SELECT tableoid, oid FROM pg_namespace UNION SELECT tableoid, oid FROM pg_publication
  UNION SELECT tableoid, oid FROM pg_extension UNION SELECT tableoid, oid FROM pg_language
  UNION SELECT tableoid, oid FROM pg_foreign_data_wrapper UNION SELECT tableoid, oid FROM pg_cast
  UNION SELECT tableoid, oid FROM pg_event_trigger UNION SELECT tableoid, oid FROM pg_am
) o CROSS JOIN LATERAL pg_identify_object(o.classid, o.objid, 0) i
WHERE o.objid >= 16384 AND o.classid <> 'pg_largeobject'::regclass AND i.identity IS NOT NULL";

const EDGES: &str = "
SELECT DISTINCT classid, objid, refclassid, refobjid, deptype IN ('i', 'e') FROM pg_depend
WHERE objid >= 16384 AND refobjid >= 16384 AND (classid, objid) <> (refclassid, refobjid)";

const RELATIONS: &str = "
SELECT c.oid, format('%I.%I', n.nspname, c.relname), quote_ident(n.nspname), c.relkind::text,
  coalesce((SELECT format('%I.%I', rn.nspname, r.relname) FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE r.oid = pg_partition_root(c.oid)), format('%I.%I', n.nspname, c.relname)), c.relispopulated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 2";

/// The scratch server's objects and what depends on what.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    identities: BTreeMap<Id, Identity>,
    /// A part → the object it is part of.
    whole: BTreeMap<Id, Id>,
    /// Dependent → what it refers to, both as wholes.
    refers: BTreeMap<Id, BTreeSet<Id>>,
    relations: Vec<Relation>,
}

#[derive(Debug)]
struct Relation {
    id: Id,
    name: String,
    schema: String,
    kind: String,
    root: String,
    populated: bool,
}

/// What was asked for, resolved on the scratch server.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Tables (roots of partitions), qualified and quoted.
    pub tables: Vec<String>,
    /// Schemas, quoted.
    pub schemas: Vec<String>,
    roots: BTreeSet<Id>,
}

/// What has to be created.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Missing objects.
    pub objects: BTreeSet<Id>,
    /// Tables that were built anew by other means: what hangs on them is missing.
    pub rebuilt: BTreeSet<Id>,
    /// Missing materialised views that have content.
    pub populated_views: Vec<String>,
    pub tables: BTreeSet<String>,
}

impl Lost {
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.rebuilt.is_empty()
    }

    pub fn creates_table(&self, table: &str) -> bool {
        self.tables.contains(table)
    }
}

/// Identities of a server's objects.
pub(super) async fn identities(server: &Session<'_>) -> Result<BTreeSet<Identity>, SalvageError> {
    let rows = server.query(OBJECTS).await?;
    Ok(rows.iter().map(|row| (row.get(2), row.get(3))).collect())
}

impl Catalog {
    /// Reads the scratch server's.
    pub async fn read(scratch: &Session<'_>) -> Result<Self, SalvageError> {
        let class = scratch.one("SELECT 'pg_class'::regclass::oid").await?;
        let class: u32 = class.get(0);
        let objects = scratch.query(OBJECTS).await?;
        let edges = scratch.query(EDGES).await?;
        let relations = scratch.query(RELATIONS).await?;
        let edges = edges.iter().map(|row| {
            let (from, to) = ((row.get(0), row.get(1)), (row.get(2), row.get(3)));
            (from, to, row.get(4))
        });
        let objects = objects
            .iter()
            .map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3))));
        let mut catalog = Self::new(objects.collect(), edges.collect());
        catalog.relations = relations
            .iter()
            .map(|row| Relation {
                id: (class, row.get(0)),
                name: row.get(1),
                schema: row.get(2),
                kind: row.get(3),
                root: row.get(4),
                populated: row.get(5),
            })
            .collect();
        Ok(catalog)
    }

    /// `edges`: dependent, what it refers to, whether it is a part of that.
    fn new(identities: BTreeMap<Id, Identity>, edges: Vec<(Id, Id, bool)>) -> Self {
        let parts = edges.iter().filter(|(.., part)| *part);
        let mut catalog = Self {
            identities,
            whole: parts.map(|&(part, whole, _)| (part, whole)).collect(),
            ..Self::default()
        };
        for (from, to, _) in edges {
            let (from, to) = (catalog.whole(from), catalog.whole(to));
            if from != to {
                catalog.refers.entry(from).or_default().insert(to);
            }
        }
        catalog
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

    /// Resolves what was asked for.
    pub fn wanted(&self, request: &SalvageRequest) -> Result<Wanted, SalvageError> {
        let mut wanted = Wanted::default();
        for name in &request.schemas {
            let schema = self.schema(name)?;
            wanted.roots.insert(schema);
            let name = self.identities[&schema].1.clone();
            let inside = self
                .relations
                .iter()
                .filter(|r| r.schema == name && r.kind != "m");
            let roots = inside.filter(|r| r.root == r.name).map(|r| r.name.clone());
            wanted.tables.extend(roots);
            wanted.schemas.push(name);
        }
        for name in &request.tables {
            let found = self
                .relations
                .iter()
                .find(|r| r.kind != "m" && same_name(&r.name, name));
            let found = found.ok_or_else(|| not_there("table", name))?;
            wanted.roots.insert(found.id);
            wanted.tables.push(found.root.clone());
        }
        wanted.tables.sort();
        wanted.tables.dedup();
        Ok(wanted)
    }

    fn schema(&self, name: &str) -> Result<Id, SalvageError> {
        let found = self
            .identities
            .iter()
            .find(|(_, (kind, identity))| kind == "schema" && same_name(identity, name));
        found
            .map(|(&id, _)| id)
            .ok_or_else(|| not_there("schema", name))
    }

    /// What is missing of what is wanted, of what that needs, and of what hangs on it.
    pub fn lost(
        &self,
        wanted: &Wanted,
        present: &BTreeSet<Identity>,
        rebuilt: &BTreeSet<String>,
    ) -> Lost {
        let missing = |id: &Id| {
            let identity = self.identities.get(id);
            identity.is_some_and(|identity| !present.contains(identity))
        };
        let mut wholes = self.needed(&wanted.roots, missing);
        self.add_dependents(&wanted.roots, missing, &mut wholes);
        let rebuilt: BTreeSet<Id> = self
            .relations
            .iter()
            .filter(|relation| rebuilt.contains(&relation.name))
            .map(|relation| relation.id)
            .collect();
        let all = self.identities.keys().copied().filter(missing);
        let objects: BTreeSet<Id> = all
            .filter(|&id| {
                let whole = self.whole(id);
                wholes.contains(&whole) || rebuilt.contains(&whole)
            })
            .collect();
        let created = |relation: &&Relation| objects.contains(&relation.id);
        let created: Vec<&Relation> = self.relations.iter().filter(created).collect();
        Lost {
            tables: created
                .iter()
                .map(|relation| relation.name.clone())
                .collect(),
            populated_views: created
                .iter()
                .filter(|relation| relation.kind == "m" && relation.populated)
                .map(|relation| relation.name.clone())
                .collect(),
            objects,
            rebuilt,
        }
    }

    /// Lost objects that came along by themselves when tables were created: the indexes,
    /// constraints and triggers that a partition gets from its parent.
    pub fn made_along(&self, lost: &Lost, present: &BTreeSet<Identity>) -> BTreeSet<Id> {
        let made = lost.objects.iter().copied().filter(|id| {
            let identity = &self.identities[id];
            ["index", "table constraint", "trigger"].contains(&identity.0.as_str())
                && present.contains(identity)
        });
        made.collect()
    }

    /// Missing roots, missing contents of root schemas, and whatever missing these refer to.
    fn needed(&self, roots: &BTreeSet<Id>, missing: impl Fn(&Id) -> bool) -> BTreeSet<Id> {
        let is_schema = |id: &Id| {
            self.identities
                .get(id)
                .is_some_and(|(kind, _)| kind == "schema")
        };
        let contained = self
            .refers
            .iter()
            .filter(|(_, refers)| refers.iter().any(|to| roots.contains(to) && is_schema(to)));
        let contained = contained.map(|(&id, _)| id);
        let mut open: Vec<Id> = roots.iter().copied().chain(contained).collect();
        let mut needed = BTreeSet::new();
        while let Some(id) = open.pop() {
            if missing(&id) && needed.insert(id) {
                open.extend(self.refers.get(&id).into_iter().flatten());
            }
        }
        needed
    }

    /// Missing objects that hang on the roots and can be created with what there will be.
    fn add_dependents(
        &self,
        roots: &BTreeSet<Id>,
        missing: impl Fn(&Id) -> bool,
        wholes: &mut BTreeSet<Id>,
    ) {
        let hanging: Vec<Id> = self
            .hanging_on(roots)
            .into_iter()
            .filter(&missing)
            .collect();
        loop {
            let before = wholes.len();
            for id in &hanging {
                let refers = self.refers.get(id).into_iter().flatten();
                if refers
                    .filter(|to| missing(to))
                    .all(|to| wholes.contains(to))
                {
                    wholes.insert(*id);
                }
            }
            if wholes.len() == before {
                return;
            }
        }
    }

    /// Everything that depends on the roots, directly or not.
    fn hanging_on(&self, roots: &BTreeSet<Id>) -> BTreeSet<Id> {
        let mut found = roots.clone();
        loop {
            let before = found.len();
            let more = self.refers.iter();
            let more = more.filter(|(_, refers)| !refers.is_disjoint(&found));
            let more: Vec<Id> = more.map(|(&id, _)| id).collect();
            found.extend(more);
            if found.len() == before {
                return found;
            }
        }
    }

    /// Tables (roots of partitions) whose rows have to be looked at.
    pub fn tables_to_fill(&self, wanted: &Wanted, lost: &Lost) -> BTreeSet<String> {
        let created = self.relations.iter();
        let created = created.filter(|r| r.kind != "m" && lost.objects.contains(&r.id));
        let created = created.map(|relation| relation.root.clone());
        wanted.tables.iter().cloned().chain(created).collect()
    }
}

fn not_there(kind: &'static str, name: &str) -> SalvageError {
    SalvageError::NotThere {
        kind,
        name: name.into(),
    }
}

/// Names in scenarios may be quoted or not.
fn same_name(quoted: &str, name: &str) -> bool {
    quoted == name || quoted.replace('"', "") == name.replace('"', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Id = (1, 1);
    const USERS: Id = (2, 1);
    const TEAMS: Id = (2, 2);
    const DOCUMENTS: Id = (2, 3);
    const VIEW: Id = (2, 4);
    const RULE: Id = (3, 1);
    const KEY: Id = (4, 1);
    const FOREIGN_KEY: Id = (4, 2);
    const KIND: Id = (5, 1);

    fn catalog() -> Catalog {
        let names = [
            (SCHEMA, "schema"),
            (USERS, "users"),
            (TEAMS, "teams"),
            (DOCUMENTS, "documents"),
            (VIEW, "view"),
            (RULE, "rule"),
            (KEY, "key"),
            (FOREIGN_KEY, "foreign key"),
            (KIND, "kind"),
        ];
        let names = names.map(|(id, name)| (id, (name.to_owned(), name.to_owned())));
        let edges = [
            (USERS, SCHEMA, false),
            (USERS, KIND, false),
            (TEAMS, SCHEMA, false),
            (DOCUMENTS, SCHEMA, false),
            (RULE, VIEW, true),
            (RULE, USERS, false),
            (RULE, TEAMS, false),
            (KEY, USERS, false),
            (FOREIGN_KEY, KEY, false),
            (FOREIGN_KEY, DOCUMENTS, false),
        ];
        Catalog::new(names.into(), edges.to_vec())
    }

    /// What comes back for these roots when these are missing.
    fn lost(roots: &[Id], missing: &[Id]) -> Vec<Id> {
        let catalog = catalog();
        let wanted = Wanted {
            roots: roots.iter().copied().collect(),
            ..Wanted::default()
        };
        let there = catalog
            .identities
            .iter()
            .filter(|(id, _)| !missing.contains(id));
        let present = there.map(|(_, identity)| identity.clone()).collect();
        let lost = catalog.lost(&wanted, &present, &BTreeSet::new());
        lost.objects.into_iter().collect()
    }

    #[test]
    fn a_table_comes_with_what_hung_on_it() {
        let missing = [USERS, VIEW, RULE, KEY, FOREIGN_KEY];
        assert_eq!(lost(&[USERS], &missing), missing);
    }

    #[test]
    fn what_needs_other_missing_tables_stays_away() {
        let missing = [USERS, TEAMS, DOCUMENTS, VIEW, RULE, KEY, FOREIGN_KEY];
        assert_eq!(lost(&[USERS], &missing), [USERS, KEY]);
    }

    #[test]
    fn what_a_table_needs_comes_first() {
        assert_eq!(
            lost(&[USERS], &[SCHEMA, USERS, KIND]),
            [SCHEMA, USERS, KIND]
        );
    }

    #[test]
    fn a_schema_comes_with_all_in_it() {
        let missing = [
            SCHEMA,
            USERS,
            TEAMS,
            DOCUMENTS,
            VIEW,
            RULE,
            KEY,
            FOREIGN_KEY,
        ];
        assert_eq!(lost(&[SCHEMA], &missing), missing);
    }

    #[test]
    fn what_is_there_is_left_alone_and_its_lost_key_comes_back() {
        assert_eq!(lost(&[USERS], &[KEY, FOREIGN_KEY]), [KEY, FOREIGN_KEY]);
        assert_eq!(lost(&[TEAMS], &[KEY, FOREIGN_KEY]), []);
    }
}
