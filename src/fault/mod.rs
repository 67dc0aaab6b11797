//! Faults: one file each, which says all there is to know of it ([`Facts`]) and injects it.
//!
//! Another fault is another file and another line in the list below. An injection without effect
//! is no error: its record says so, and the drill can then tell nothing. What a fault may cost is
//! judged in `measure/`.

mod damage;
mod facts;
mod injection;
mod misbehaving;
mod sql;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use facts::{Facts, Need, ServerAfter};
pub use injection::{FaultError, Injection};

use crate::{
    event::{BoundaryKind, FaultRecord},
    object_store::Answer,
    postgres::{Server, literal, server::RESTART},
    runtime::Exec,
    text::line,
    units::{Bytes, Time},
};
use injection::Effect;
use misbehaving::{behave_again, misbehave};
use sql::{BadStatement, ShownBy, Statement};

/// What each file says of its fault, and how it does it.
trait Kind {
    fn facts(&self) -> Facts<'_>;

    /// Does it, and shows whether it took effect.
    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError>;

    /// Undoes it on its server, and shows that it is undone. Object storage serves as ever again.
    async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
        match self.facts() {
            facts if facts.needs_s3 => behave_again(injection).await,
            _facts => unreachable!("its facts say that it is not undone by itself"),
        }
    }
}

/// The faults with particulars, and those of a whole server.
macro_rules! faults {
    (
        particular { $($(#[$of_doc:meta])* $of:ident: $Of:ident = $of_word:literal,)* }
        whole { $($(#[$whole_doc:meta])* $whole:ident: $Whole:ident = $whole_word:literal,)* }
    ) => {
        $(mod $of; pub use $of::$Of;)*
        $(mod $whole; use $whole::$Whole;)*

        /// A fault.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub enum Fault {
            $($(#[$of_doc])* #[serde(rename = $of_word)] $Of($Of),)*
            $($(#[$whole_doc])* #[serde(rename = $whole_word)] $Whole,)*
        }

        impl Fault {
            /// Its word in a scenario.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$Of(_) => $of_word,)*
                    $(Self::$Whole => $whole_word,)*
                }
            }

            /// All that is to be known of it without doing it.
            pub fn facts(&self) -> Facts<'_> {
                match self {
                    $(Self::$Of(fault) => Kind::facts(fault),)*
                    $(Self::$Whole => Kind::facts(&$Whole),)*
                }
            }

            /// Undoes it on its server, where its facts say that it can be.
            ///
            /// # Errors
            /// When it is not shown to be undone.
            pub async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
                match self {
                    $(Self::$Of(fault) => fault.heal(injection).await,)*
                    $(Self::$Whole => $Whole.heal(injection).await,)*
                }
            }

            /// Injects it and returns its record.
            ///
            /// # Errors
            /// When the injection itself could not be made.
            pub async fn inject(
                &self,
                injection: &Injection<'_>,
            ) -> Result<FaultRecord, FaultError> {
                match self {
                    $(Self::$Of(fault) => fault.inject(injection).await,)*
                    $(Self::$Whole => $Whole.inject(injection).await,)*
                }
            }
        }
    };
}

faults! {
    particular {
        /// `DROP TABLE … CASCADE`.
        drop_table: DropTable = "drop-table",
        /// `DROP SCHEMA … CASCADE`.
        drop_schema: DropSchema = "drop-schema",
        /// `DELETE FROM table WHERE predicate`.
        delete_rows: DeleteRows = "delete-rows",
        /// `UPDATE table SET set WHERE predicate`.
        update_rows: UpdateRows = "update-rows",
        /// `TRUNCATE … CASCADE`.
        truncate: Truncate = "truncate",
        /// `DROP DATABASE … WITH (FORCE)`.
        drop_database: DropDatabase = "drop-database",
        /// Revoke everything a role may do in a schema.
        revoke_grants: RevokeGrants = "revoke-grants",
        /// Bytes of an index page on disk.
        damage_index: DamageIndex = "damage-index",
        /// Bytes of a heap page on disk.
        damage_table: DamageTable = "damage-table",
        /// Everything in this store is gone: an empty one stands in its place.
        lose_store: LoseStore = "lose-store",
        /// This store can be neither read nor written, until `heal`.
        close_store: CloseStore = "close-store",
        /// This store, which has a `size`, is full, until `heal`.
        fill_store: FillStore = "fill-store",
        /// This store, which is object storage, is slow, until `heal`.
        slow_store: SlowStore = "slow-store",
        /// This store, which is object storage, tells clients to slow down (503), until `heal`.
        throttle_store: ThrottleStore = "throttle-store",
        /// This store, which is object storage, refuses clients (403, 404), until `heal`.
        refuse_store: RefuseStore = "refuse-store",
        /// Answers of this store, which is object storage, break off, until `heal`.
        reset_store: ResetStore = "reset-store",
        /// This store, which is object storage, is out of reach for a while, in the midst of what its
        /// clients do.
        interrupt_store: InterruptStore = "interrupt-store",
        /// Listings of this store, which is object storage, tell what there was, until `heal`.
        stale_listings: StaleListings = "stale-listings",
        /// Files of this store are gone, break off in their midst, or hold other bytes.
        damage_files: DamageFiles = "damage-files",
    }
    whole {
        /// kill -9 of every server process.
        crash_server: CrashServer = "crash-server",
        /// kill -9, and its storage gone.
        lose_server: LoseServer = "lose-server",
        /// The WAL archive refuses everything, in every store, until `heal`.
        stop_archiving: StopArchiving = "stop-archiving",
    }
}

impl Fault {
    /// In one line, with its particulars.
    pub fn title(&self) -> String {
        let facts = self.facts();
        let words = [self.word(), &facts.object, &facts.particulars];
        let words = words.into_iter().filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
