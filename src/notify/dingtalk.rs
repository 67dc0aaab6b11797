//! DingTalk's custom robots (DingTalk's documentation, "Custom robot access"). Signed: with the secret over
//! `timestamp\nsecret`, milliseconds, in the address.

use serde_json::json;

use super::{Message, Request, Target, code, signature};
use crate::{secret::Secret, units::wall_clock};

/// Bytes of a message, of 20 kB that a request may have.
const LIMIT: usize = 15_000;

pub(super) fn request(target: &Target, message: &Message) -> Request {
    let url = target.url.reveal();
    let signed = target.secret.as_ref().map(|secret| {
        let (milliseconds, secret) = (wall_clock().as_millisecond(), secret.reveal());
        let text = format!("{milliseconds}\n{secret}");
        let sign = signature(secret.as_bytes(), text.as_bytes());
        let sign: String = form_urlencoded::byte_serialize(sign.as_bytes()).collect();
        let separator = if url.contains('?') { '&' } else { '?' };
        Secret::new(format!(
            "{url}{separator}timestamp={milliseconds}&sign={sign}"
        ))
    });
    Request {
        url: signed.unwrap_or_else(|| target.url.clone()),
        body: json!({ "msgtype": "text", "text": { "content": message.text(LIMIT) } }),
    }
}

pub(super) fn refusal(answer: &str) -> Option<String> {
    code(answer, "errcode", "errmsg")
}
