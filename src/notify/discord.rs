//! Discord's webhooks (Discord's documentation, "Execute Webhook").

use serde_json::json;

use super::{Message, Request, Target};

/// Characters of a message.
const LIMIT: usize = 2000;

pub(super) fn request(target: &Target, message: &Message) -> Request {
    // Nobody is called by a name that stands in a message.
    let mentions = json!({ "parse": [] });
    Request {
        url: target.url.clone(),
        body: json!({ "content": message.text(LIMIT), "allowed_mentions": mentions }),
    }
}

/// By its status alone.
pub(super) fn refusal(_answer: &str) -> Option<String> {
    None
}
