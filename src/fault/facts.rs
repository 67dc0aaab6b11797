//! What is known of a fault without doing it. Whoever else asks is told here, and knows no
//! particular fault.

use crate::event::{BoundaryKind, ExpectedError};

/// All of it.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What it hits, as the scenario names it; empty for the whole server.
    pub object: String,
    /// What a title says beside the object.
    pub particulars: String,
    /// What there must be, beside a server that is up.
    pub needs: Vec<Need<'a>>,
    /// Whether it needs a WAL archive.
    pub needs_archive: bool,
    /// Whether its store must be one that holds so much and no more.
    pub needs_size: bool,
    /// Whether its store must be object storage.
    pub needs_s3: bool,
    pub boundary: BoundaryKind,
    /// SQLSTATEs of the errors that clients of its server run into while it lasts.
    pub errors: &'static [&'static str],
    /// The role whose errors these are; none: anybody's.
    pub role: Option<&'a str>,
    /// What becomes of its server.
    pub server_after: ServerAfter,
    /// Whether recovery time begins with it: it takes something from clients.
    pub is_outage: bool,
    /// Whether pages on disk are wrong after it.
    pub damages_pages: bool,
    /// Whether its store holds nothing after it.
    pub loses_store: bool,
    /// Whether nobody reads or writes its store while it lasts.
    pub closes_store: bool,
    /// Whether it can be undone by itself: `heal`.
    pub heals: bool,
    /// Whether nobody sees before it is healed that it took effect.
    pub shown_by_heal: bool,
    /// The steps that heal it, beside those that bring clients back.
    pub healed_by: &'static [&'static str],
}

/// Something that a fault needs to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need<'a> {
    Table(&'a str),
    Index(&'a str),
    Schema(&'a str),
    Role(&'a str),
    Database(&'a str),
    Store(&'a str),
}

impl Need<'_> {
    /// What it is, which is also the key that names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::Index(_) => "index",
            Self::Schema(_) => "schema",
            Self::Role(_) => "role",
            Self::Database(_) => "database",
            Self::Store(_) => "store",
        }
    }

    pub fn name(&self) -> &str {
        let (Self::Table(name)
        | Self::Index(name)
        | Self::Schema(name)
        | Self::Role(name)
        | Self::Database(name)
        | Self::Store(name)) = self;
        name
    }
}

/// What becomes of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerAfter {
    /// It runs on.
    Up,
    /// It was stopped and started again: clients find it elsewhere.
    Restarted,
    /// It is down, its storage there.
    Down,
    /// It is gone with its storage.
    Lost,
}

impl<'a> Facts<'a> {
    /// Those of a bad statement: it draws the boundary itself.
    pub(super) fn of_statement(need: Need<'a>) -> Self {
        Self {
            boundary: BoundaryKind::Statement,
            ..Self::of_object(need)
        }
    }

    /// Those of what harms an object and nothing else.
    pub(super) fn of_object(need: Need<'a>) -> Self {
        Self {
            object: need.name().to_owned(),
            needs: vec![need],
            healed_by: &["salvage"],
            ..Self::of_server()
        }
    }

    /// Those of what hits a store: it takes nothing from clients by itself.
    pub(super) fn of_store(store: &'a str) -> Self {
        Self {
            object: store.to_owned(),
            needs: vec![Need::Store(store)],
            is_outage: false,
            ..Self::of_server()
        }
    }

    /// Those of object storage that misbehaves.
    pub(super) fn of_object_store(store: &'a str) -> Self {
        Self {
            needs_s3: true,
            heals: true,
            ..Self::of_store(store)
        }
    }

    /// Those of what hits a whole server.
    pub(super) fn of_server() -> Self {
        Self {
            object: String::new(),
            particulars: String::new(),
            needs: Vec::new(),
            needs_archive: false,
            needs_size: false,
            needs_s3: false,
            boundary: BoundaryKind::None,
            errors: &[],
            role: None,
            server_after: ServerAfter::Up,
            is_outage: true,
            damages_pages: false,
            loses_store: false,
            closes_store: false,
            heals: false,
            shown_by_heal: false,
            healed_by: &[],
        }
    }

    /// The errors that clients of this server run into.
    pub fn expected_errors(&self, server: &str) -> Vec<ExpectedError> {
        let error = |sqlstate: &&str| ExpectedError {
            sqlstate: (*sqlstate).into(),
            server: Some(server.into()),
            role: self.role.map(str::to_owned),
        };
        self.errors.iter().map(error).collect()
    }

    /// Whether it ends the sessions of those it hits, and with them every transaction that was going
    /// on.
    pub fn ends_sessions(&self) -> bool {
        let database = |need: &Need<'_>| matches!(need, Need::Database(_));
        self.server_after != ServerAfter::Up || self.needs.iter().any(database)
    }

    /// Whether it hits something inside of one database.
    pub fn is_within_database(&self) -> bool {
        let inside = |need: &Need<'_>| {
            let (Need::Table(_) | Need::Index(_) | Need::Schema(_)) = need else {
                return false;
            };
            true
        };
        self.needs.iter().any(inside)
    }

    /// The store that it hits, if it hits one.
    pub fn store(&self) -> Option<&'a str> {
        self.needs.iter().find_map(|need| match need {
            Need::Store(store) => Some(*store),
            _other => None,
        })
    }

    /// Whether its object is one of these tables, or in one of these schemas.
    pub fn hits(&self, tables: &[String], schemas: &[String]) -> bool {
        let within = |schema: &String| {
            let rest = self.object.strip_prefix(schema.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        tables.contains(&self.object) || schemas.iter().any(within)
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::{CloseStore, DamageTable, DropDatabase, DropTable, Fault};

    #[test]
    fn sessions_end_where_their_server_or_their_database_goes() {
        let ends = |fault: Fault| fault.facts().ends_sessions();
        assert!(ends(Fault::CrashServer));
        assert!(ends(Fault::DamageTable(DamageTable("t".into()))));
        assert!(ends(Fault::DropDatabase(DropDatabase("shop".into()))));
        assert!(!ends(Fault::DropTable(DropTable("t".into()))));
        assert!(!ends(Fault::CloseStore(CloseStore("offsite".into()))));
    }
}
