//! The databases of a scenario: the data model in each, and which of them is meant where nobody
//! says.

use std::collections::BTreeMap;

use super::{
    Document,
    file::{DataFile, DatabaseFile, ScenarioFile, WorkloadFile},
    model::{Catalog, Manifest, Model},
    of,
    plan::{Action, CheckKind, PRIMARY},
    problem::Problems,
    select,
    step_file::StepFile,
    yaml::Node,
};
use crate::{postgres::server::DATABASE, units::Bytes};

/// The model where a scenario names none.
pub const DEFAULT_MODEL: &str = "dual-tenant";

/// A database that a scenario makes.
#[derive(Clone, Debug)]
pub struct Database {
    pub model: Model,
    pub size: Option<Bytes>,
    /// The server that it is on at the beginning.
    pub server: String,
}

/// All of them, by name; one at least.
#[derive(Clone, Debug)]
pub struct Databases(BTreeMap<String, Database>);

impl Databases {
    /// Reads the models that a scenario names.
    ///
    /// # Errors
    /// All problems: of a model in its own file, of its name where that stands.
    pub fn open(document: &Document<ScenarioFile>) -> Result<Self, Problems> {
        let data = document.root.get("data").unwrap_or(&document.root);
        let (mut databases, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, file) in stated(&document.typed.data) {
            let node = name.map_or(Some(data), |name| data.get("databases")?.get(name));
            let opened = open(document, &file, node.unwrap_or(data));
            let Some(model) = Problems::noted(opened, &mut problems) else {
                continue;
            };
            let own = || model.manifest.database.clone();
            let name = name.map_or_else(own, str::to_owned);
            let database = Database {
                model,
                size: file.size,
                server: file.server.unwrap_or(PRIMARY.to_owned()),
            };
            databases.insert(name, database);
        }
        Problems::unless(problems, Self(databases))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Database)> {
        let all = self.0.iter();
        all.map(|(name, database)| (name.as_str(), database))
    }

    /// The first of a cluster: the one of a step that names none.
    pub fn home(&self, cluster: &str) -> &str {
        let mut all = self.iter();
        let first = all.find(|(_, database)| database.server == cluster);
        first.map_or(DATABASE, |(name, _)| name)
    }

    /// The server that a database is on at the beginning.
    pub fn server(&self, database: &str) -> Option<&str> {
        let database = self.0.get(database);
        database.map(|database| database.server.as_str())
    }

    /// The server that a workload begins on: its database's.
    pub fn server_of_workload(&self, name: &str, workload: &WorkloadFile) -> Option<&str> {
        self.server(self.of_workload(name, workload)?)
    }

    /// The server that a step acts on where it names none: its workload's, its database's, or the
    /// primary.
    pub fn server_of<'s>(&'s self, file: &'s ScenarioFile, step: &'s StepFile) -> &'s str {
        let meant = || match &step.action {
            Action::Freeze(name) | Action::Thaw(name) => {
                self.server_of_workload(name, file.workloads.get(name)?)
            }
            _other => self.server(step.database.as_deref()?),
        };
        step.server.as_deref().or_else(meant).unwrap_or(PRIMARY)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        let all = self.0.values();
        all.map(|database| database.model.manifest.as_ref())
    }

    /// What no model has and a check needs.
    pub fn lacks(&self, check: CheckKind) -> Option<&'static str> {
        let lacks = self.manifests().map(|model| model.lacks(check));
        lacks.min().flatten()
    }

    /// The roles that the models make.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let catalogs = self.0.values().map(|database| &database.model.catalog);
        catalogs.flat_map(|catalog| catalog.roles.iter().map(String::as_str))
    }

    pub fn model(&self, name: &str) -> Option<&Model> {
        self.0.get(name).map(|database| &database.model)
    }

    pub fn catalog(&self, name: &str) -> Option<&Catalog> {
        self.model(name).map(|model| model.catalog.as_ref())
    }

    /// The one that is meant: the only one where none is stated; none where that leaves it open.
    pub fn meant<'s>(&'s self, stated: Option<&'s str>) -> Option<&'s str> {
        let mut names = self.names();
        let only = || names.next().filter(|_| names.next().is_none());
        stated.or_else(only)
    }

    /// The one that a workload works in: as stated, the only one, or the only one whose model has
    /// its business.
    pub fn of_workload<'s>(&'s self, name: &str, workload: &'s WorkloadFile) -> Option<&'s str> {
        let business = workload.business.as_deref().unwrap_or(name);
        let has = |(_, database): &(&str, &Database)| {
            let businesses = &database.model.manifest.businesses;
            workload.custom.is_none() && businesses.contains_key(business)
        };
        let mut having = self.iter().filter(has);
        let mut alone = || having.next().filter(|_| having.next().is_none());
        self.meant(workload.database.as_deref())
            .or_else(|| alone().map(|(name, _)| name))
    }
}

/// What a scenario states, by name; without one where the model names its only database.
pub fn stated(data: &DataFile) -> Vec<(Option<&str>, DatabaseFile)> {
    let Some(several) = &data.databases else {
        let only = DatabaseFile {
            model: data.model.clone(),
            size: data.size,
            server: None,
        };
        return vec![(None, only)];
    };
    let stated = several.iter();
    let stated = stated.map(|(name, file)| (Some(name.as_str()), file.clone()));
    stated.collect()
}

fn open(
    document: &Document<ScenarioFile>,
    file: &DatabaseFile,
    node: &Node,
) -> Result<Model, Problems> {
    let name = file.model.as_deref().unwrap_or(DEFAULT_MODEL);
    let beside = select::beside(&document.source.path, name);
    let beside = beside.display().to_string();
    let name = if name.contains('/') { &beside } else { name };
    Model::open(name).map_err(|Problems(problems)| {
        let place = node.get("model").unwrap_or(node).place;
        let placed = problems.into_iter().map(|problem| match problem.source {
            Some(_) => problem,
            None => of(&document.source, problem.placed(place)),
        });
        Problems(placed.collect())
    })
}
