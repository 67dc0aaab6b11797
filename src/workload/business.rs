//! What a client does: the next transaction, and what it learns from the outcome.
//!
//! A client changes and erases only rows that it made itself and whose state it knows; it
//! refers only to loaded rows, so no transaction depends on another client's. Keys are never
//! used twice, and an erased row is forgotten.

use std::{collections::BTreeMap, sync::Arc};

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{
    WorkloadError, agent, custom, oa,
    payload::{Content, digest},
    wire::{Call, Statement},
};
use crate::{
    ledger::{Key, Outcome, Record},
    model::Model,
    scenario::plan::{Plan, WorkloadKind},
};

/// A client remembers so many of its own rows that it may change.
const REMEMBERED: usize = 64;

/// Everything the clients of one workload have in common.
#[derive(Debug)]
pub struct Business {
    /// Which operations.
    pub kind: WorkloadKind,
    /// The role they log in as.
    pub role: String,
    /// The statements they use, by index.
    pub statements: Arc<[Statement]>,
    /// Rows loaded, by table.
    pub loaded: BTreeMap<String, u64>,
    /// The drill's nonce.
    pub nonce: u64,
    /// The plan's seed.
    pub seed: u64,
    /// Index of the workload in the plan.
    pub workload: u8,
}

/// A transaction to be performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The row it writes; [`Key::NONE`] when it only reads.
    pub key: Key,
    /// The row's version after it.
    pub version: u32,
    /// The tenant; 0 where there is none.
    pub tenant: u32,
    /// Digest of the row after it; [`Record::GONE`] when it erases it.
    pub digest: u64,
    /// Its statements.
    pub calls: Vec<Call>,
}

/// What one client knows.
#[derive(Debug)]
pub struct Memory {
    /// Which client of the workload.
    pub client: u16,
    /// Its choices.
    pub rng: ChaCha12Rng,
    numbers: [u64; 8],
    own: Vec<Own>,
}

/// A row that the client made, its state known.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// The row.
    pub key: Key,
    pub version: u32,
}

impl Business {
    /// Prepares a workload of the plan.
    ///
    /// # Errors
    /// When the plan's data model does not know the business.
    pub fn new(plan: &Plan, name: &str, index: u8, nonce: u64) -> Result<Self, WorkloadError> {
        let kind = plan.workloads[name].kind.clone();
        let model = Model::named(&plan.data.model)?;
        let rows = model.manifest.rows(plan.data.size);
        let app_role = |business: &str| {
            let known = model.manifest.businesses.get(business);
            let role = known.map(|known| known.app_role.clone());
            role.ok_or_else(|| WorkloadError::NoBusiness {
                workload: name.to_owned(),
                business: business.to_owned(),
            })
        };
        let (role, statements) = match &kind {
            WorkloadKind::Oa => (app_role("oa")?, oa::statements()),
            WorkloadKind::Agent => (app_role("agent")?, agent::statements()),
            WorkloadKind::Custom(custom) => (custom.role.clone(), custom::statements(custom)),
        };
        Ok(Self {
            kind,
            role,
            statements: statements.into(),
            loaded: rows.into_iter().map(|(t, n)| (t.to_owned(), n)).collect(),
            nonce,
            seed: plan.seed,
            workload: index,
        })
    }

    /// The next transaction of a client.
    pub fn next(&self, memory: &mut Memory) -> Transaction {
        match &self.kind {
            WorkloadKind::Oa => oa::next(self, memory),
            WorkloadKind::Agent => agent::next(self, memory),
            WorkloadKind::Custom(_) => custom::next(self, memory),
        }
    }

    /// Rows loaded into a table.
    pub fn count(&self, table: &str) -> u64 {
        self.loaded.get(table).copied().unwrap_or(1)
    }

    /// A key for a new row of this client.
    pub fn new_key(&self, memory: &mut Memory, table: u8) -> Key {
        let number = &mut memory.numbers[usize::from(table)];
        *number += 1;
        Key::new(self.workload, table, memory.client, *number)
    }

    /// The random content of a version of a row.
    pub fn content(&self, key: Key, version: u32) -> Content {
        Content::of(self.seed ^ self.nonce, key, version)
    }

    /// A row's `request_id` as text.
    pub fn request_id(&self, key: Key) -> String {
        key.to_uuid(self.nonce).to_string()
    }
}

impl Transaction {
    /// One that only reads.
    pub fn read(tenant: u32, calls: Vec<Call>) -> Self {
        Self {
            key: Key::NONE,
            version: 0,
            tenant,
            digest: 0,
            calls,
        }
    }

    /// One that inserts a row of this payload; `$1` is the key, the payload follows.
    pub fn insert(business: &Business, key: Key, statement: usize, payload: &[String]) -> Self {
        let columns = payload.iter().map(|column| Some(column.as_str()));
        let parameters = std::iter::once(Some(business.request_id(key)));
        let parameters = parameters.chain(payload.iter().cloned().map(Some));
        Self {
            key,
            version: 0,
            tenant: 0,
            digest: digest(columns),
            calls: vec![call(statement, parameters)],
        }
    }

    /// One that erases a row of the client's own; `$1` is the key.
    pub fn erase(business: &Business, own: Own, statement: usize) -> Self {
        Self {
            key: own.key,
            version: own.version + 1,
            tenant: 0,
            digest: Record::GONE,
            calls: vec![call(statement, [Some(business.request_id(own.key))])],
        }
    }

    /// The same for a tenant, which `setter` names first.
    #[must_use]
    pub fn of_tenant(mut self, setter: usize, tenant: u32) -> Self {
        let named = call(setter, [Some(tenant.to_string())]);
        self.calls.insert(0, named);
        self.tenant = tenant;
        self
    }
}

/// A statement with its parameters.
pub fn call(statement: usize, parameters: impl IntoIterator<Item = Option<String>>) -> Call {
    Call {
        statement,
        parameters: parameters.into_iter().collect(),
    }
}

impl Memory {
    /// Of a client that has done nothing yet.
    pub fn new(client: u16, rng: ChaCha12Rng) -> Self {
        Self {
            client,
            rng,
            numbers: [0; 8],
            own: Vec::new(),
        }
    }

    /// Takes out one of its own rows of a table; it comes back by [`Memory::learn`] when
    /// the change is acknowledged, and never when its state is no longer known.
    pub fn take_own(&mut self, table: u8, older_than: u32) -> Option<Own> {
        let fits = |own: &Own| own.key.table() == table && own.version < older_than;
        let first = self.rng.random_range(0..REMEMBERED);
        let count = self.own.len();
        let mut places = (0..count).map(|at| (at + first) % count);
        let at = places.find(|at| fits(&self.own[*at]))?;
        Some(self.own.swap_remove(at))
    }

    /// Remembers a row that may be changed later.
    pub fn learn(&mut self, transaction: &Transaction, outcome: Outcome) {
        let nothing = transaction.key == Key::NONE || transaction.digest == Record::GONE;
        if nothing || outcome != Outcome::Ok {
            return;
        }
        if self.own.len() == REMEMBERED {
            let forgotten = self.rng.random_range(0..REMEMBERED);
            self.own.swap_remove(forgotten);
        }
        self.own.push(Own {
            key: transaction.key,
            version: transaction.version,
        });
    }
}
