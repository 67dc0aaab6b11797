//! Which objects are missing: what was wanted, what that needs, and what hung on it.

use std::collections::BTreeSet;

use super::{
    objects::{Catalog, Id, Identity, Relation},
    wanted::Wanted,
};

#[derive(Debug, Default)]
pub(super) struct Lost {
    pub objects: BTreeSet<Id>,
    /// Missing materialised views that have content.
    pub populated_views: Vec<String>,
    pub tables: BTreeSet<String>,
}

impl Catalog {
    /// What is missing of what is wanted, of what that needs, and of what hangs on it.
    pub fn lost(&self, wanted: &Wanted, present: &BTreeSet<Identity>) -> Lost {
        let missing = |id: &Id| self.is_missing(id, present);
        let mut wholes = self.needed(&wanted.roots, missing);
        self.add_dependents(&wanted.roots, missing, &mut wholes);
        let belongs = |id: &Id| wholes.contains(&self.whole(*id));
        let all = self.identities.keys().copied().filter(missing);
        self.described(all.filter(belongs).collect())
    }

    pub fn is_missing(&self, id: &Id, present: &BTreeSet<Identity>) -> bool {
        let identity = self.identities.get(id);
        identity.is_some_and(|identity| !present.contains(identity))
    }

    /// What is lost, with the relations among it by name.
    fn described(&self, objects: BTreeSet<Id>) -> Lost {
        let names = |which: fn(&Relation) -> bool| {
            let created = self.relations.iter().filter(|r| objects.contains(&r.id));
            created.filter(move |r| which(r)).map(|r| r.name.clone())
        };
        Lost {
            tables: names(Relation::is_table).collect(),
            populated_views: names(|r| !r.is_table() && r.populated).collect(),
            objects,
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

    /// What went along: missing objects that hung on the roots, but for what is in them, what is
    /// theirs (an index, say), and what belongs to another one of these.
    pub fn went_along(&self, roots: &BTreeSet<Id>, present: &BTreeSet<Identity>) -> BTreeSet<Id> {
        let missing = |id: &Id| self.is_missing(id, present);
        let is_schema = |id: &&Id| self.identities[*id].0 == "schema";
        let schemas: BTreeSet<Id> = roots.iter().filter(is_schema).copied().collect();
        let refers = |id: &Id, to: &BTreeSet<Id>| {
            let refers = self.refers.get(id);
            refers.is_some_and(|refers| !refers.is_disjoint(to))
        };
        let with_another = |id: &Id| {
            let mut with = self.goes_with.get(id).into_iter().flatten();
            with.any(|other| roots.contains(other) || missing(other))
        };
        let hanging = self.hanging_on(roots).into_iter();
        hanging
            .filter(|id| missing(id) && !roots.contains(id))
            .filter(|id| !refers(id, &schemas) && !with_another(id))
            .collect()
    }

    /// Everything that depends on the roots, directly or not, and they themselves.
    pub fn hanging_on(&self, roots: &BTreeSet<Id>) -> BTreeSet<Id> {
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
        let created = created.filter(|r| r.is_table() && lost.objects.contains(&r.id));
        let created = created.map(|relation| relation.root.clone());
        wanted.tables.iter().cloned().chain(created).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::objects::Bond, *};

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
            (USERS, SCHEMA, Bond::Normal),
            (USERS, KIND, Bond::Normal),
            (TEAMS, SCHEMA, Bond::Normal),
            (DOCUMENTS, SCHEMA, Bond::Normal),
            (RULE, VIEW, Bond::Part),
            (RULE, USERS, Bond::Normal),
            (RULE, TEAMS, Bond::Normal),
            (KEY, USERS, Bond::Auto),
            (FOREIGN_KEY, KEY, Bond::Normal),
            (FOREIGN_KEY, DOCUMENTS, Bond::Auto),
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
        let lost = catalog.lost(&wanted, &present);
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
    fn what_went_along_is_neither_inside_nor_a_part() {
        let catalog = catalog();
        let went = |root: Id, missing: &[Id]| -> Vec<Id> {
            let there = catalog.identities.iter();
            let there = there.filter(|(id, _)| !missing.contains(id));
            let present = there.map(|(_, identity)| identity.clone()).collect();
            let went = catalog.went_along(&BTreeSet::from([root]), &present);
            went.into_iter().collect()
        };
        let hung = [USERS, VIEW, RULE, KEY, FOREIGN_KEY];
        assert_eq!(went(USERS, &hung), [VIEW, FOREIGN_KEY]);
        let all = [
            SCHEMA,
            USERS,
            TEAMS,
            DOCUMENTS,
            VIEW,
            RULE,
            KEY,
            FOREIGN_KEY,
        ];
        assert_eq!(went(SCHEMA, &all), [VIEW]);
    }

    #[test]
    fn what_is_there_is_left_alone_and_its_lost_key_comes_back() {
        assert_eq!(lost(&[USERS], &[KEY, FOREIGN_KEY]), [KEY, FOREIGN_KEY]);
        assert_eq!(lost(&[TEAMS], &[KEY, FOREIGN_KEY]), []);
    }
}
