//! Looks at a server, as a role that need only be able to read.
//!
//! Of each database everything is seen at one snapshot: one session exports it and keeps it, all
//! others read within it.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use tokio_postgres::Client;

use super::{Baseline, DatabaseBaseline, FORMAT, Origin, Programs, Query, QueryError, QueryResult};
use crate::{
    check::count,
    observation::{LargeObjectsState, TableState},
    postgres::{
        Access, PgError,
        query::{Cells, identity},
    },
    probe::{
        ProbeError, catalog, databases, large_objects,
        privileges::{self, Privilege},
        readers::{Pace, Readers},
        sequences, settings,
        tables::{self, Table},
    },
    units::{Bytes, wall_clock},
};

/// No commit that the snapshot sees is later: asked for after it was taken.
const WHEN: &str = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
     ELSE pg_current_wal_insert_lsn() END)::text, pg_current_snapshot()::text, pg_is_in_recovery()";

/// What is to be recorded, and how.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The server, and the database that is recorded.
    pub access: Access,
    /// Every other database, too, that the role may connect to.
    pub every_database: bool,
    /// Rows of a thousand that digests are made of.
    pub sample: u32,
    pub pace: Option<Pace>,
    pub queries: Vec<Query>,
    /// Where `pg_dump` is; none: where it is usually found.
    pub pg_bin: Option<PathBuf>,
}

/// Why there is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// What could not be looked at so far, and why.
type NotRecorded = BTreeMap<String, String>;

/// Looks at everything. `tell` is told what comes next.
///
/// # Errors
/// When the server can't be reached any more, or a query of the user's is refused. What the role may
/// not see is no error, but told in the baseline.
pub async fn record(asked: &Recording, tell: impl Fn(&str)) -> Result<Baseline, RecordError> {
    let (began, clock) = (wall_clock(), Instant::now());
    let home = Readers::paced(&asked.access, asked.pace.as_ref()).await?;
    let (mut server, programs) = origin(home.keeper(), asked).await?;
    let mut not_recorded = NotRecorded::new();
    let programs = programs.map_err(|why| not_recorded.insert("definitions".into(), why));
    let programs = programs.ok();
    server.pg_dump = programs.as_ref().map(|programs| programs.version.clone());
    let mut held = BTreeMap::new();
    for name in names(asked, &home).await? {
        let other = match name == asked.access.database {
            true => None,
            false => Some(another(asked, &name).await?),
        };
        let mut recorder = Recorder {
            readers: other.as_ref().unwrap_or(&home),
            programs: programs.as_ref(),
            asked,
            name: &name,
            not_recorded: &mut not_recorded,
        };
        let database = recorder.database(&tell).await?;
        held.insert(name, database);
    }
    let mut whole = Refusals(&mut not_recorded);
    let globals = match &programs {
        Some(programs) => whole.unless("globals", programs.globals(&asked.access).await)?,
        None => None,
    };
    let client = home.session().await?;
    let shared = catalog::rows(&client, &asked.access.database, true).await;
    let shared = whole.unless("shared catalog", shared)?;
    let client = home.session().await?;
    let mut of_roles = whole.unless("settings of roles", settings::of_roles(&client).await)?;
    let mut settings = whole.unless("settings", settings::in_force(&client).await)?;
    let values = settings.iter_mut().flat_map(BTreeMap::values_mut);
    let values = values.map(|setting| &mut setting.value);
    values
        .chain(of_roles.iter_mut().flatten())
        .for_each(forget_secret);
    Ok(Baseline {
        format: FORMAT,
        pgdrill: env!("CARGO_PKG_VERSION").into(),
        began: began.to_string(),
        took_us: clock.elapsed().as_micros() as u64,
        sample: asked.sample,
        server,
        databases: held,
        globals,
        shared_catalog: shared.map(catalog::by_name),
        settings,
        settings_of_roles: of_roles,
        not_recorded,
    })
}

async fn another(asked: &Recording, database: &str) -> Result<Readers, ProbeError> {
    Readers::paced(&asked.access.within(database), asked.pace.as_ref()).await
}

/// The server, and the programs that write its definitions or why there are none.
async fn origin(
    client: &Client,
    asked: &Recording,
) -> Result<(Origin, Result<Programs, String>), RecordError> {
    let known = identity(client).await?;
    let (_, _, in_recovery) = when(client).await?;
    let programs = Programs::of(known.version / 10_000, asked.pg_bin.as_deref());
    let server = Origin {
        version: known.version,
        system_identifier: known.system_identifier,
        timeline: known.timeline,
        in_recovery,
        pg_dump: None,
    };
    Ok((server, programs))
}

async fn when(client: &Client) -> Result<(String, String, bool), PgError> {
    let row = client.query_one(WHEN, &[]).await;
    let row = row.map_err(|error| PgError::new("ask for the position of WAL", &error))?;
    Ok((row.cell(0)?, row.cell(1)?, row.cell(2)?))
}

/// The databases to be recorded. Those of PostgreSQL itself are none of a user's.
async fn names(asked: &Recording, home: &Readers) -> Result<Vec<String>, RecordError> {
    let own = asked.access.database.clone();
    if !asked.every_database {
        return Ok(vec![own]);
    }
    let mut all = databases::all(home.keeper()).await?;
    all.retain(|name| name != "template1" || *name == own);
    Ok(all)
}

/// Tells what the role may not see from what is an error.
struct Refusals<'r>(&'r mut NotRecorded);

impl Refusals<'_> {
    /// What was seen; none where the server, or a program, refused: then that is told.
    fn unless<T>(
        &mut self,
        what: &str,
        seen: Result<T, ProbeError>,
    ) -> Result<Option<T>, RecordError> {
        match seen {
            Ok(seen) => Ok(Some(seen)),
            Err(error) if is_refusal(&error) => {
                self.0.insert(what.to_owned(), error.to_string());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether somebody answered, and it is no connection that was lost.
fn is_refusal(error: &ProbeError) -> bool {
    match error {
        ProbeError::Postgres(error) => error.sqlstate.is_some(),
        ProbeError::Runtime(_) | ProbeError::Other(_) => true,
    }
}

/// Looks at one database.
struct Recorder<'r> {
    readers: &'r Readers,
    programs: Option<&'r Programs>,
    asked: &'r Recording,
    name: &'r str,
    not_recorded: &'r mut NotRecorded,
}

impl Recorder<'_> {
    async fn database(&mut self, tell: &impl Fn(&str)) -> Result<DatabaseBaseline, RecordError> {
        let (lsn, snapshot, _) = when(self.readers.keeper()).await?;
        let definitions = self.definitions().await?;
        let client = self.readers.session().await?;
        let catalog = catalog::rows(&client, self.name, false).await;
        let client = self.readers.session().await?;
        let privileges = privileges::all(&client).await;
        let client = self.readers.session().await?;
        let sequences = sequences::of_database(&client).await;
        let queries = self.queries().await?;
        let held = DatabaseBaseline {
            lsn,
            snapshot,
            definitions,
            catalog: self.unless("catalog", catalog)?.map(catalog::by_name),
            privileges: self.unless("privileges", privileges)?.map(told),
            sequences: self.unless("sequences", sequences)?,
            queries,
            large_objects: self.large_objects().await?,
            tables: self.tables(tell).await?,
        };
        // Whoever lost the snapshot meanwhile has not read to the end.
        when(self.readers.keeper()).await?;
        Ok(held)
    }

    fn unless<T>(
        &mut self,
        what: &str,
        seen: Result<T, ProbeError>,
    ) -> Result<Option<T>, RecordError> {
        let what = format!("{what} of database {}", self.name);
        Refusals(self.not_recorded).unless(&what, seen)
    }

    async fn definitions(&mut self) -> Result<Option<BTreeMap<String, String>>, RecordError> {
        let Some(programs) = self.programs else {
            return Ok(None);
        };
        let access = self.asked.access.within(self.name);
        let written = programs.schema(&access, self.readers.snapshot()).await;
        self.unless("definitions", written)
    }

    async fn large_objects(&mut self) -> Result<Option<LargeObjectsState>, RecordError> {
        let pages = vec![large_objects::PAGES.to_owned()];
        let Some(pages) = self.readers.read(pages).await?.pop() else {
            return Ok(None);
        };
        let client = self.readers.session().await?;
        let state = match pages {
            Ok(pages) => large_objects::state(&client, pages).await,
            Err(error) => Err(error),
        };
        self.unless("large objects", state)
    }

    async fn tables(
        &mut self,
        tell: &impl Fn(&str),
    ) -> Result<BTreeMap<String, TableState>, RecordError> {
        let all = tables::tables(self.readers.keeper(), &BTreeMap::new()).await?;
        let sampled = |table: Table| match self.asked.sample < super::ALL {
            true => table.sampled(self.asked.sample),
            false => table,
        };
        let all: Vec<Table> = all
            .into_iter()
            .map(Table::of_no_workload)
            .map(sampled)
            .collect();
        let bytes: u64 = all.iter().map(Table::bytes).sum();
        let tables = count(all.len(), "table");
        tell(&format!(
            "database {}: {tables}, {}",
            self.name,
            Bytes(bytes)
        ));
        Ok(tables::states(self.readers, &all, &[]).await?)
    }

    async fn queries(&self) -> Result<BTreeMap<String, QueryResult>, RecordError> {
        let mut answers = BTreeMap::new();
        if self.name != self.asked.access.database {
            return Ok(answers);
        }
        for query in &self.asked.queries {
            let client = self.readers.session().await?;
            let answer = query.ask(&client).await?;
            answers.insert(query.name.clone(), answer);
        }
        Ok(answers)
    }
}

/// Not even a digest is kept of a value that may hold a password: a file goes from hand to hand.
fn forget_secret(value: &mut String) {
    if value.starts_with(settings::NOT_SHOWN) {
        "(not recorded)".clone_into(value);
    }
}

fn told(privileges: Vec<Privilege>) -> Vec<String> {
    let told = privileges.into_iter().map(|one| one.told(str::to_owned));
    let kept = told.map(|line| match settings::without_secrets(&line) == line {
        true => line,
        false => line
            .split_once('=')
            .map_or(line.clone(), |(name, _)| format!("{name}=(not recorded)")),
    });
    let mut all: Vec<String> = kept.collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_may_hold_a_password_is_kept_by_its_name() {
        let one = |kind: &str, object: &str, right: &str| Privilege {
            role: "guest".into(),
            kind: kind.into(),
            object: object.into(),
            right: right.into(),
        };
        let all = vec![
            one("setting", "-", "app.password=p"),
            one("table", "public.passwords", "SELECT"),
        ];
        let kept = [
            "guest setting - app.password=(not recorded)",
            "guest table public.passwords SELECT",
        ];
        assert_eq!(told(all), kept);
    }
}
