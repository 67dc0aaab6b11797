//! The external agent product: many writes of many tenants that never see each other.

use rand::RngExt;

use super::{
    business::{Business, Memory, Transaction, call},
    payload::{Content, digest},
    wire::Statement,
};
use crate::ledger::Key;

/// Index of `external_agent.conversations` in keys.
pub const CONVERSATIONS: u8 = 0;
/// Index of `external_agent.messages` in keys.
pub const MESSAGES: u8 = 1;
/// Index of `external_agent.agent_data` in keys.
pub const AGENT_DATA: u8 = 2;

const SET_TENANT: usize = 0;
const START_CONVERSATION: usize = 1;
const WRITE_MESSAGE: usize = 2;
const KEEP_DATA: usize = 3;
const CHANGE_DATA: usize = 4;
const ERASE_CONVERSATION: usize = 5;
const READ: usize = 6;

/// The statements of the agent product's clients, by index.
pub fn statements() -> Vec<Statement> {
    vec![
        Statement::of("SELECT set_config('app.tenant_id', $1, true)"),
        Statement::writing_one(
            "INSERT INTO external_agent.conversations (request_id, tenant_id, agent_id, title, \
               metadata) VALUES ($1, $2, $3, $4, $5)",
        ),
        Statement::writing_one(
            "INSERT INTO external_agent.messages (request_id, tenant_id, conversation_id, role, \
               body, tokens) VALUES ($1, $2, $3, $4, $5, $6)",
        ),
        Statement::writing_one(
            "INSERT INTO external_agent.agent_data (request_id, tenant_id, agent_id, \
               external_id, payload, content, labels, scores, cost, note) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        ),
        Statement::writing_one(
            "UPDATE external_agent.agent_data SET payload = $3, row_version = row_version + 1 \
               WHERE request_id = $1 AND row_version = $2",
        ),
        Statement::writing_one("DELETE FROM external_agent.conversations WHERE request_id = $1"),
        Statement::of(
            "SELECT id, role, body FROM external_agent.messages WHERE tenant_id = $1 \
               AND conversation_id = $2 ORDER BY created_at DESC LIMIT 20",
        ),
    ]
}

/// The next transaction: of a hundred, 67 messages, 2 conversations begun and 1 erased,
/// 11 changes of the client's own data, 4 new data, 15 reads.
pub fn next(business: &Business, memory: &mut Memory) -> Transaction {
    match memory.rng.random_range(0..100) {
        0..67 => write_message(business, memory),
        67..69 => start_conversation(business, memory),
        69 => erase_conversation(business, memory),
        70..81 => change_data(business, memory),
        81..85 => keep_data(business, memory),
        _ => read(business, memory),
    }
}

/// The tenant that a loaded conversation, agent or datum belongs to, as the model has it.
fn tenant_of(business: &Business, id: u64) -> u64 {
    id % business.count("external_agent.tenants") + 1
}

fn read(business: &Business, memory: &mut Memory) -> Transaction {
    let conversations = business.count("external_agent.conversations");
    let conversation = memory.rng.random_range(1..=conversations);
    let tenant = tenant_of(business, conversation);
    let parameters = [tenant, conversation].map(|id| Some(id.to_string()));
    let read = Transaction::read(0, vec![call(READ, parameters)]);
    read.of_tenant(SET_TENANT, tenant as u32)
}

fn write_message(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, MESSAGES);
    let mut content = business.content(key, 0);
    let conversation = content.one_of(business.count("external_agent.conversations"));
    let tenant = tenant_of(business, conversation);
    let role = ["user", "assistant", "tool"][content.one_of(3) as usize - 1];
    let payload = [
        tenant.to_string(),
        conversation.to_string(),
        role.to_owned(),
        content.text(50, 1200),
        content.one_of(400).to_string(),
    ];
    let insert = Transaction::insert(business, key, WRITE_MESSAGE, &payload);
    insert.of_tenant(SET_TENANT, tenant as u32)
}

/// A conversation's tenant, and what else is random in it.
fn conversation(business: &Business, key: Key) -> (u64, Content) {
    let mut content = business.content(key, 0);
    let tenant = content.one_of(business.count("external_agent.tenants"));
    (tenant, content)
}

/// A tenant erases a conversation of its own; it holds no message, as those go to loaded ones.
fn erase_conversation(business: &Business, memory: &mut Memory) -> Transaction {
    let Some(own) = memory.take_own(CONVERSATIONS, u32::MAX) else {
        return start_conversation(business, memory);
    };
    let (tenant, _) = conversation(business, own.key);
    let erase = Transaction::erase(business, own, ERASE_CONVERSATION);
    erase.of_tenant(SET_TENANT, tenant as u32)
}

fn start_conversation(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, CONVERSATIONS);
    let (tenant, mut content) = conversation(business, key);
    // Loaded agent n belongs to tenant n.
    let payload = [
        tenant.to_string(),
        tenant.to_string(),
        content.text(20, 80),
        content.object(30, 120),
    ];
    let insert = Transaction::insert(business, key, START_CONVERSATION, &payload);
    insert.of_tenant(SET_TENANT, tenant as u32)
}

/// A datum's columns: tenant, agent, external id, payload, content, labels, scores, cost,
/// note. Only the payload differs between versions.
fn datum(business: &Business, key: Key, version: u32) -> (u32, [String; 9]) {
    let mut fixed = business.content(key, 0);
    let tenant = fixed.one_of(business.count("external_agent.tenants"));
    let id = uuid::Builder::from_random_bytes((u128::from(key.0) << 64).to_be_bytes());
    let bytes = 2 * fixed.one_of(2048) as usize;
    let label = fixed.hex(8);
    let columns = [
        tenant.to_string(),
        tenant.to_string(),
        id.into_uuid().to_string(),
        business.content(key, version + 1).object(200, 900),
        format!("\\x{}", fixed.hex(bytes)),
        format!("{{live,l{label}}}"),
        format!("{{{},{}}}", fixed.one_of(1000), fixed.one_of(1000)),
        fixed.amount(4),
        fixed.text(20, 200),
    ];
    (tenant as u32, columns)
}

fn keep_data(business: &Business, memory: &mut Memory) -> Transaction {
    let key = business.new_key(memory, AGENT_DATA);
    let (tenant, columns) = datum(business, key, 0);
    let insert = Transaction::insert(business, key, KEEP_DATA, &columns);
    insert.of_tenant(SET_TENANT, tenant)
}

fn change_data(business: &Business, memory: &mut Memory) -> Transaction {
    let Some(own) = memory.take_own(AGENT_DATA, u32::MAX) else {
        return keep_data(business, memory);
    };
    let version = own.version + 1;
    let (tenant, columns) = datum(business, own.key, version);
    let changed = [
        business.request_id(own.key),
        own.version.to_string(),
        columns[3].clone(),
    ];
    let change = Transaction {
        key: own.key,
        version,
        tenant,
        digest: digest(columns.iter().map(|column| Some(column.as_str()))),
        calls: vec![call(CHANGE_DATA, changed.map(Some))],
    };
    change.of_tenant(SET_TENANT, tenant)
}
