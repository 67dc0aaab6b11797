//! Salvage: bring lost or damaged rows, tables and schemas home from a scratch server,
//! in one transaction on the server that has the loss.
//!
//! `objects` reads what there was, `wanted` finds in it what was asked for and `lost` what is
//! missing of that and hung on it; `definition` has it created as `pg_dump` describes it, but for
//! what `pg_dump` takes for granted or tells only inside of something else (`public`, `columns`,
//! `defaults`). `rows` brings rows home, `swap` builds all of a damaged table anew, while `rules`
//! has triggers rest; `large_objects`, `grants`, `sequences` and `foreign_keys` see to the rest.
//! What the rows should have been is judged in `check/`.
//!
//! A row that differs from the scratch server's is replaced when the bad statement wrote
//! it, or when the scratch server, too, knows its transaction as committed: then its bytes
//! were damaged. Otherwise it was changed after the recovery target and survives
//! (`transactions`): so does all that differs from a dump, which knows no transaction. A row that
//! is missing comes back, whoever deleted it: what a business erased since the target, too, unless
//! it was frozen. All this asks that nobody writes to the scratch server.

mod columns;
mod defaults;
mod definition;
mod foreign_keys;
mod grants;
mod large_objects;
mod lost;
mod objects;
mod public;
mod rows;
mod rules;
mod sequences;
mod session;
mod swap;
mod transactions;
mod wanted;

use std::collections::BTreeSet;

use crate::{
    event::SalvagedTable,
    history::Recorder,
    postgres::{PgError, Server, literal},
    probe::ProbeError,
    runtime::RuntimeError,
    scenario::plan::SalvageBy,
};

use columns::Column;
use definition::Dump;
use lost::Lost;
use objects::Catalog;
use rows::Table;
use session::Session;
use transactions::Horizon;
use wanted::Wanted;

#[derive(Clone, Debug, Default)]
pub struct SalvageRequest {
    /// Tables, schema-qualified.
    pub tables: Vec<String>,
    /// Whole schemas: all their tables, whatever is missing in them, and missing grants.
    pub schemas: Vec<String>,
    pub by: SalvageBy,
    /// Whether the scratch server was made of a dump: another cluster, with other transactions.
    pub logical: bool,
    /// Transactions of bad statements: rows they wrote are replaced.
    pub fault_xids: Vec<u64>,
    /// Those of them that this undoes: the scratch server must not have them.
    pub undone_xids: Vec<u64>,
    /// Group roles whose memberships are left alone: those of frozen businesses.
    pub frozen: Vec<String>,
    /// Tables that frozen businesses of the scenario's own must not write to when they are home.
    pub frozen_tables: Vec<FrozenTable>,
}

/// A table that a role must not write to for now.
#[derive(Clone, Debug)]
pub struct FrozenTable {
    /// The table, as in SQL.
    pub table: String,
    /// The role, as in SQL.
    pub role: String,
}

/// Why nothing was brought home: the transaction was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(
        "the scratch server has no {kind} `{name}` (hint: is its recovery target before the fault?)"
    )]
    NotThere {
        /// `table` or `schema`.
        kind: &'static str,
        name: String,
    },
    #[error(
        "{orphans} rows violate foreign key `{constraint}` of {table} (hint: salvage {referenced} as well)"
    )]
    Orphans {
        constraint: String,
        table: String,
        referenced: String,
        orphans: u64,
    },
    #[error(
        "the target lies after the fault: the scratch server has transaction {0} of the bad statement (hint: restore with `target: {{ before: fault }}`)"
    )]
    AfterFault(u64),
    #[error("{table} can't be swapped: {cause} (hint: `by: rows`)")]
    Swap { table: String, cause: &'static str },
    #[error("`pg_restore --list` printed `{0}`, which is no entry")]
    Entry(String),
}

impl From<ProbeError> for SalvageError {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Postgres(error) => error.into(),
            ProbeError::Runtime(error) => error.into(),
            ProbeError::Other(message) => PgError {
                doing: "look at a server".into(),
                message,
                sqlstate: None,
            }
            .into(),
        }
    }
}

/// Brings what is asked for home. Either all of it is there afterwards, or nothing changed.
///
/// # Errors
/// When a server or a tool refuses, or when rows would be left without what they refer to.
pub async fn salvage(
    from: &Server,
    into: &Server,
    request: &SalvageRequest,
    recorder: &Recorder,
) -> Result<Vec<SalvagedTable>, SalvageError> {
    let scratch = Session::open(from, recorder).await?;
    let home = Session::open(into, recorder).await?;
    let catalog = Catalog::read(&scratch).await?;
    home.run("BEGIN").await?;
    // The rows come with what triggers once made of them: triggers must not fire again.
    home.run(
        "SET LOCAL session_replication_role = replica; SET LOCAL lock_timeout = '60s'; \
              SET LOCAL deadlock_timeout = '10min'",
    )
    .await?;
    let work = Work {
        from,
        scratch: &scratch,
        home: &home,
        request,
        catalog,
    };
    match work.perform().await {
        Ok(tables) => {
            home.run("COMMIT").await?;
            Ok(tables)
        }
        Err(error) => {
            // The session ends in any case; the first error is the one to show.
            let _ = home.run("ROLLBACK").await;
            Err(error)
        }
    }
}

struct Work<'a> {
    from: &'a Server,
    scratch: &'a Session<'a>,
    home: &'a Session<'a>,
    request: &'a SalvageRequest,
    catalog: Catalog,
}

impl Work<'_> {
    async fn perform(&self) -> Result<Vec<SalvagedTable>, SalvageError> {
        let catalog = &self.catalog;
        let wanted = catalog.wanted(self.request)?;
        let positions = self.positions(&wanted).await?;
        let horizon = Horizon::of(self.scratch, self.request).await?;
        let present = objects::identities(self.home).await?;
        let (mut salvaged, referring) = self.swap(&wanted, &present, &horizon).await?;
        let older = grants::objects(self.home).await?;
        let lost = catalog.lost(&wanted, &present);
        let columns = self.lost_columns(&wanted.roots).await?;
        let dump = match lost.objects.is_empty() && columns.is_empty() {
            true => None,
            false => Some(Dump::take(self.from).await?),
        };
        if let Some(dump) = &dump {
            self.create(&lost, &columns, dump).await?;
        }
        self.fill(&wanted, &lost, &horizon, &mut salvaged).await?;
        self.bring_large_objects(&salvaged).await?;
        let mut left = self.fill_columns(&columns).await?;
        if let Some(dump) = &dump {
            let made = catalog.made_along(&lost, &objects::identities(self.home).await?);
            self.home
                .run(&dump.after_rows(&lost.objects, &made).await?)
                .await?;
        }
        for key in &referring {
            self.home.run(key).await?;
        }
        left.extend(self.make_defaults(&lost.objects).await?);
        self.refresh(&lost).await?;
        sequences::advance(self.home, &positions).await?;
        self.settle_grants(&older).await?;
        self.freeze().await?;
        foreign_keys::validate(self.home, &salvaged).await?;
        self.analyze(&salvaged).await?;
        self.tell(&wanted, &present, &columns, left).await?;
        Ok(salvaged)
    }

    /// Creates what is missing, as far as it need not wait for rows. What hangs on a table that
    /// lost columns waits for these.
    async fn create(
        &self,
        lost: &Lost,
        columns: &[Column],
        dump: &Dump<'_>,
    ) -> Result<(), SalvageError> {
        self.create_public(lost).await?;
        let tables = columns.iter().map(|column| column.of).collect();
        let waiting = &self.catalog.hanging_on(&tables) & &lost.objects;
        let first = &lost.objects - &waiting;
        self.home.run(&dump.before_rows(&first).await?).await?;
        self.add_columns(columns).await?;
        let tags: Vec<&str> = columns.iter().map(|column| column.tag.as_str()).collect();
        self.home.run(&dump.tagged(&tags).await?).await?;
        self.home.run(&dump.before_rows(&waiting).await?).await
    }

    /// Brings rows home, but of tables that were swapped.
    async fn fill(
        &self,
        wanted: &Wanted,
        lost: &Lost,
        horizon: &Horizon,
        salvaged: &mut Vec<SalvagedTable>,
    ) -> Result<(), SalvageError> {
        let swapped: BTreeSet<String> = salvaged.iter().map(|done| done.table.clone()).collect();
        let fill = self.catalog.tables_to_fill(wanted, lost);
        for name in fill.difference(&swapped) {
            let created = lost.tables.contains(name);
            let table = Table::of(self, name).await?;
            salvaged.push(table.bring_home(created, horizon).await?);
        }
        Ok(())
    }

    /// Names what hung on what was asked for and went with it: what came home, and what did not.
    async fn tell(
        &self,
        wanted: &Wanted,
        before: &BTreeSet<objects::Identity>,
        columns: &[Column],
        mut left: Vec<String>,
    ) -> Result<(), SalvageError> {
        let (catalog, now) = (&self.catalog, objects::identities(self.home).await?);
        let went = catalog.went_along(&wanted.roots, before).into_iter();
        let (missing, home): (Vec<_>, Vec<_>) = went.partition(|id| catalog.is_missing(id, &now));
        let columns = columns.iter().map(Column::told);
        let came: Vec<String> = home
            .iter()
            .map(|id| catalog.told(id))
            .chain(columns)
            .collect();
        left.extend(missing.iter().map(|id| catalog.told(id)));
        for (what, names) in [("came home", came), ("did not come home", left)] {
            if !names.is_empty() {
                let names = names.join(", ");
                self.home.say(format!(
                    "what went with the tables and schemas asked for and {what}: {names}"
                ));
            }
        }
        Ok(())
    }

    /// Builds tables anew that are there and were asked to be swapped. Returns also the
    /// statements that let others refer to them again.
    async fn swap(
        &self,
        wanted: &Wanted,
        present: &BTreeSet<objects::Identity>,
        horizon: &Horizon,
    ) -> Result<(Vec<SalvagedTable>, Vec<String>), SalvageError> {
        let (mut salvaged, mut referring) = (Vec::new(), Vec::new());
        let there = |table: &&String| present.contains(&("table".to_owned(), (*table).clone()));
        let tables = match self.request.by {
            SalvageBy::Swap => wanted.tables.iter().filter(there).collect(),
            SalvageBy::Rows => Vec::new(),
        };
        for table in tables {
            let (swapped, again) = Table::of(self, table).await?.swap(horizon).await?;
            salvaged.push(swapped);
            referring.extend(again);
        }
        Ok((salvaged, referring))
    }

    /// A view's query runs as its owner, whom row-level security may concern.
    async fn refresh(&self, lost: &Lost) -> Result<(), SalvageError> {
        for view in &lost.populated_views {
            let refresh = format!("SET row_security = on; REFRESH MATERIALIZED VIEW {view}");
            self.home.run(&refresh).await?;
        }
        Ok(())
    }

    /// What came home with its grants stays frozen until the thaw.
    async fn freeze(&self) -> Result<(), SalvageError> {
        for FrozenTable { table, role } in &self.request.frozen_tables {
            if self.home.has(table).await? {
                let revoke =
                    format!("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {role}");
                self.home.run(&revoke).await?;
            }
        }
        Ok(())
    }

    async fn analyze(&self, salvaged: &[SalvagedTable]) -> Result<(), SalvageError> {
        for table in salvaged.iter().filter(|table| table.created) {
            self.home.run(&format!("ANALYZE {}", table.table)).await?;
        }
        Ok(())
    }
}

fn array(texts: &[String]) -> String {
    let literals: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    format!("ARRAY[{}]::text[]", literals.join(", "))
}
