//! The internal OA: few writes, in bursts; log-ins and log-outs, documents, approvals, users.

use rand::RngExt;

use super::{
    business::{Business, Memory, Transaction, call},
    payload::digest,
    wire::Statement,
};
use crate::ledger::Key;

/// Index of `internal_oa.users` in keys.
pub const USERS: u8 = 0;
/// Index of `internal_oa.documents` in keys.
pub const DOCUMENTS: u8 = 1;
/// Index of `internal_oa.approvals` in keys.
pub const APPROVALS: u8 = 2;
/// Index of `internal_oa.login_sessions` in keys.
pub const LOGIN_SESSIONS: u8 = 3;

const ADD_USER: usize = 0;
const CHANGE_USER: usize = 1;
const WRITE_DOCUMENT: usize = 2;
const ASK_APPROVAL: usize = 3;
const DECIDE_APPROVAL: usize = 4;
const LOG_IN: usize = 5;
const LOG_OUT: usize = 6;
const READ: usize = 7;

/// The statements of the OA's clients, by index.
pub fn statements() -> Vec<Statement> {
    vec![
        Statement::writing_one(
            "INSERT INTO internal_oa.users (request_id, department_id, email, display_name, \
               phone, password_hash) VALUES ($1, $2, $3, $4, $5, $6)",
        ),
        Statement::writing_one(
            "UPDATE internal_oa.users SET display_name = $3, phone = $4, \
               row_version = row_version + 1 WHERE request_id = $1 AND row_version = $2",
        ),
        Statement::writing_one(
            "INSERT INTO internal_oa.documents (request_id, owner_id, title, body) \
               VALUES ($1, $2, $3, $4)",
        ),
        Statement::writing_one(
            "INSERT INTO internal_oa.approvals (request_id, document_id, requested_by, amount, \
               reason) VALUES ($1, $2, $3, $4, $5)",
        ),
        Statement::writing_one(
            "UPDATE internal_oa.approvals SET status = $3, decided_by = $4, \
               decided_at = clock_timestamp(), row_version = row_version + 1 \
               WHERE request_id = $1 AND row_version = $2",
        ),
        Statement::writing_one(
            "INSERT INTO internal_oa.login_sessions (request_id, user_id, token_hash) \
               VALUES ($1, $2, $3)",
        ),
        Statement::writing_one("DELETE FROM internal_oa.login_sessions WHERE request_id = $1"),
        Statement::of(
            "SELECT d.title, u.display_name, u.department FROM internal_oa.documents d \
               JOIN internal_oa.user_directory u ON u.id = d.owner_id WHERE d.id = $1",
        ),
    ]
}

/// The next transaction: of a hundred, 27 log-ins and 8 log-outs, 25 reads, 15 approvals asked for and 10
/// decided, 5 documents, 4 users added and 6 changed.
pub fn next(business: &Business, memory: &mut Memory) -> Transaction {
    match memory.rng.random_range(0..100) {
        0..27 => log_in(business, memory),
        27..35 => log_out(business, memory),
        35..60 => read(business, memory),
        60..75 => ask_approval(business, memory),
        75..85 => decide_approval(business, memory),
        85..90 => write_document(business, memory),
        90..94 => add_user(business, memory),
        _ => change_user(business, memory),
    }
}

fn read(business: &Business, memory: &mut Memory) -> Transaction {
    let documents = business.count("internal_oa.documents");
    let document = memory.rng.random_range(1..=documents);
    Transaction::read(0, vec![call(READ, [Some(document.to_string())])])
}

fn log_in(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, LOGIN_SESSIONS);
    let mut content = business.content(key, 0);
    let user = content.one_of(business.count("internal_oa.users"));
    let payload = [user.to_string(), content.hex(64)];
    Transaction::insert(business, key, LOG_IN, &payload)
}

/// A session ends: its row goes.
fn log_out(business: &Business, memory: &mut Memory) -> Transaction {
    match memory.take_own(LOGIN_SESSIONS, u32::MAX) {
        Some(own) => Transaction::erase(business, own, LOG_OUT),
        None => log_in(business, memory),
    }
}

fn write_document(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, DOCUMENTS);
    let mut content = business.content(key, 0);
    let owner = content.one_of(business.count("internal_oa.users"));
    let payload = [
        owner.to_string(),
        content.text(20, 80),
        content.text(200, 1800),
    ];
    Transaction::insert(business, key, WRITE_DOCUMENT, &payload)
}

fn add_user(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, USERS);
    let columns = user(business, key, 0);
    Transaction::insert(business, key, ADD_USER, &columns)
}

/// A user's payload: department, email, display name, phone, password hash.
fn user(business: &Business, key: Key, version: u32) -> [String; 5] {
    let mut fixed = business.content(key, 0);
    let department = fixed.one_of(business.count("internal_oa.departments"));
    let hash = fixed.hex(64);
    let mut varying = business.content(key, version + 1);
    let phone = format!("+49 30 {:07}", varying.one_of(9_999_999));
    [
        department.to_string(),
        format!("live.{:016x}.{:016x}@login.invalid", business.nonce, key.0),
        varying.name(),
        phone,
        hash,
    ]
}

fn change_user(business: &Business, memory: &mut Memory) -> Transaction {
    let Some(own) = memory.take_own(USERS, u32::MAX) else {
        return add_user(business, memory);
    };
    let version = own.version + 1;
    let columns = user(business, own.key, version);
    let [_, _, name, phone, _] = columns.clone();
    let changed = [
        business.request_id(own.key),
        own.version.to_string(),
        name,
        phone,
    ];
    Transaction {
        key: own.key,
        version,
        tenant: 0,
        digest: digest(columns.iter().map(|column| Some(column.as_str()))),
        calls: vec![call(CHANGE_USER, changed.map(Some))],
    }
}

/// What is asked for: document, who asks, amount, reason.
fn asked(business: &Business, key: Key) -> [String; 4] {
    let mut content = business.content(key, 0);
    let document = content.one_of(business.count("internal_oa.documents"));
    let user = content.one_of(business.count("internal_oa.users"));
    [
        document.to_string(),
        user.to_string(),
        content.amount(2),
        content.text(20, 200),
    ]
}

fn ask_approval(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, APPROVALS);
    let asked = asked(business, key);
    let mut transaction = Transaction::insert(business, key, ASK_APPROVAL, &asked);
    transaction.digest = approval(&asked, "pending", None);
    transaction
}

/// Digest of an approval: what was asked for, status, who decided.
fn approval(asked: &[String; 4], status: &str, decided_by: Option<&str>) -> u64 {
    let asked = asked.iter().map(|column| Some(column.as_str()));
    digest(asked.chain([Some(status), decided_by]))
}

fn decide_approval(business: &Business, memory: &mut Memory) -> Transaction {
    let Some(own) = memory.take_own(APPROVALS, 1) else {
        return ask_approval(business, memory);
    };
    let mut content = business.content(own.key, 1);
    let status = ["approved", "rejected"][content.one_of(2) as usize - 1];
    let name = content.name();
    let decided = [
        business.request_id(own.key),
        own.version.to_string(),
        status.to_owned(),
        name.clone(),
    ];
    Transaction {
        key: own.key,
        version: 1,
        tenant: 0,
        digest: approval(&asked(business, own.key), status, Some(&name)),
        calls: vec![call(DECIDE_APPROVAL, decided.map(Some))],
    }
}
