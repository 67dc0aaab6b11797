//! Any service: the whole message as JSON, `docs/notifications.md` says which fields.

use super::{Message, Request, Target};

pub(super) fn request(target: &Target, message: &Message) -> Request {
    Request {
        url: target.url.clone(),
        body: message.json(),
    }
}

/// By its status alone.
pub(super) fn refusal(_answer: &str) -> Option<String> {
    None
}
