//! What was asked for, found on the scratch server.

use std::collections::BTreeSet;

use super::{
    SalvageError, SalvageRequest,
    objects::{Catalog, Id},
};

/// What was asked for, resolved on the scratch server.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Tables (roots of partitions), qualified and quoted.
    pub tables: Vec<String>,
    /// Schemas, quoted.
    pub schemas: Vec<String>,
    /// The tables and schemas asked for themselves.
    pub roots: BTreeSet<Id>,
}

impl Catalog {
    pub fn wanted(&self, request: &SalvageRequest) -> Result<Wanted, SalvageError> {
        let mut wanted = Wanted::default();
        for name in &request.schemas {
            let schema = self.schema(name)?;
            wanted.roots.insert(schema);
            let name = self.identities[&schema].1.clone();
            let inside = self
                .relations
                .iter()
                .filter(|r| r.schema == name && r.is_table());
            let roots = inside.filter(|r| r.root == r.name).map(|r| r.name.clone());
            wanted.tables.extend(roots);
            wanted.schemas.push(name);
        }
        for name in &request.tables {
            let found = self
                .relations
                .iter()
                .find(|r| r.is_table() && same_name(&r.name, name));
            let found = found.ok_or_else(|| not_there("table", name))?;
            // A table's name stands for those that inherit from it, too, as it does in SQL.
            let heirs = self.relations.iter();
            let heirs = heirs.filter(|r| r.ancestors.contains(&found.id.1));
            for table in heirs.chain([found]) {
                wanted.roots.insert(table.id);
                wanted.tables.push(table.root.clone());
            }
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
