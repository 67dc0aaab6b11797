//! Slack's incoming webhooks (Slack's documentation, "Sending messages using incoming webhooks"), which
//! Mattermost takes, too.

use serde_json::json;

use super::{Message, Request, Target};

/// Characters of a message; more are cut.
const LIMIT: usize = 4000;

pub(super) fn request(target: &Target, message: &Message) -> Request {
    let text = message.text(LIMIT);
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    Request {
        url: target.url.clone(),
        body: json!({ "text": escaped }),
    }
}

/// By its status alone.
pub(super) fn refusal(_answer: &str) -> Option<String> {
    None
}
