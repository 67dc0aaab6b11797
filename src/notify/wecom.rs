//! WeCom's group robots (WeCom's documentation, "Group robot configuration").

use serde_json::json;

use super::{Message, Request, Target, code};

/// Bytes of a message.
const LIMIT: usize = 2048;

pub(super) fn request(target: &Target, message: &Message) -> Request {
    Request {
        url: target.url.clone(),
        body: json!({ "msgtype": "text", "text": { "content": message.text(LIMIT) } }),
    }
}

pub(super) fn refusal(answer: &str) -> Option<String> {
    code(answer, "errcode", "errmsg")
}
