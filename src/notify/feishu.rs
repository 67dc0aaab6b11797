//! Feishu's and Lark's custom bots (Feishu's documentation, "Custom bot usage guide"). Signed: with the key
//! `timestamp\nsecret` over nothing, seconds.

use serde_json::json;

use super::{Message, Request, Target, code, signature};
use crate::units::wall_clock;

/// Bytes of a message, of 20 kB that a request may have.
const LIMIT: usize = 15_000;

pub(super) fn request(target: &Target, message: &Message) -> Request {
    let mut body = json!({ "msg_type": "text", "content": { "text": message.text(LIMIT) } });
    if let Some(secret) = &target.secret {
        let seconds = wall_clock().as_second();
        let key = format!("{seconds}\n{}", secret.reveal());
        body["timestamp"] = json!(seconds.to_string());
        body["sign"] = json!(signature(key.as_bytes(), b""));
    }
    Request {
        url: target.url.clone(),
        body,
    }
}

pub(super) fn refusal(answer: &str) -> Option<String> {
    code(answer, "code", "msg")
}
