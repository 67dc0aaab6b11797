//! The user's own SQL: one statement a transaction, `$1` the key, `$2` the payload.

use super::{
    business::{Business, Memory, Transaction},
    wire::Statement,
};
use crate::scenario::plan::CustomWorkload;

/// The one statement.
pub fn statements(custom: &CustomWorkload) -> Vec<Statement> {
    vec![Statement::of(&custom.sql)]
}

/// The next transaction: always a new row.
pub fn next(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, 0);
    let payload = business.content(key, 0).text(20, 200);
    Transaction::insert(business, key, 0, &[payload])
}
