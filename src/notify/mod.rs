//! Telling people of a run where they are: in a group chat, by a webhook.
//!
//! A channel is one file and one line in the list below: how it wants a message, and what in its answer is
//! a refusal. `message` is what is told, `post` how it gets there. Whether and when a run tells is the
//! command line's business; secrets come from the environment.

mod dingtalk;
mod discord;
mod feishu;
mod message;
mod post;
mod slack;
mod webhook;
mod wecom;

use std::env;

use clap::ValueEnum;
use serde_json::Value;

use crate::secret::Secret;

pub use message::{Event, Message};

/// A request to a channel.
#[derive(Debug)]
struct Request {
    url: Secret,
    body: Value,
}

/// Where a channel is, and what requests to it are signed with.
#[derive(Debug)]
struct Target {
    url: Secret,
    secret: Option<Secret>,
}

/// The channels, each with what makes a request and what reads the answer.
macro_rules! channels {
    ($($(#[doc = $doc:literal])+ $channel:ident($file:ident)),+ $(,)?) => {
        /// Where a run is told of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub enum Channel {
            $($(#[doc = $doc])+ $channel),+
        }

        impl Channel {
            fn word(self) -> &'static str {
                match self { $(Self::$channel => stringify!($file)),+ }
            }

            fn request(self, target: &Target, message: &Message) -> Request {
                match self { $(Self::$channel => $file::request(target, message)),+ }
            }

            /// What an answer that is no error by its status refuses; none: nothing.
            fn refusal(self, answer: &str) -> Option<String> {
                match self { $(Self::$channel => $file::refusal(answer)),+ }
            }
        }
    };
}

channels! {
    /// Any service: JSON
    Webhook(webhook),
    /// Slack, Mattermost
    Slack(slack),
    /// Discord
    Discord(discord),
    /// Feishu, Lark
    Feishu(feishu),
    /// DingTalk
    Dingtalk(dingtalk),
    /// WeCom
    Wecom(wecom),
}

/// A channel that can be told: its address is known.
#[derive(Debug)]
pub struct Told {
    channel: Channel,
    target: Target,
}

impl Told {
    /// Takes the address of a channel from the environment: `PGDRILL_NOTIFY_FEISHU_URL`, and with what
    /// its requests are signed, if at all, `PGDRILL_NOTIFY_FEISHU_SECRET`.
    ///
    /// # Errors
    /// When there is no address, or none that can be posted to.
    pub fn find(channel: Channel) -> Result<Self, String> {
        let variable = |what: &str| {
            let channel = channel.word().to_uppercase();
            format!("PGDRILL_NOTIFY_{channel}_{what}")
        };
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let name = variable("URL");
        let url = set(&name).ok_or_else(|| {
            let hint = format!("export {name}=https://…, or leave the channel out");
            format!(
                "the channel `{}` has no address\n  hint: {hint}",
                channel.word()
            )
        })?;
        // Never told with the address: that is what lets anybody post there.
        if url
            .parse::<http::Uri>()
            .is_ok_and(|uri| uri.host().is_some() && uri.scheme().is_some())
        {
            let secret = set(&variable("SECRET")).map(Secret::new);
            let target = Target {
                url: Secret::new(url),
                secret,
            };
            return Ok(Self { channel, target });
        }
        Err(format!(
            "{name} is no URL\n  hint: https://HOST/PATH, as the channel shows it"
        ))
    }

    /// Tells it, again and again where that may help.
    ///
    /// # Errors
    /// When it did not take the message, with why.
    pub async fn tell(&self, message: &Message) -> Result<(), String> {
        let refusal = |answer: &str| self.channel.refusal(answer);
        let request = || self.channel.request(&self.target, message);
        let posted = post::post(request, refusal).await;
        posted.map_err(|why| format!("`{}` was not told: {why}", self.channel.word()))
    }
}

/// The code of an answer like `{"errcode": 0, "errmsg": "ok"}`, where it is none of success.
fn code(answer: &str, code: &str, message: &str) -> Option<String> {
    let said: Value = match serde_json::from_str(answer) {
        Ok(said) => said,
        Err(_) => return Some("its answer is no JSON".into()),
    };
    match said.get(code).and_then(Value::as_i64) {
        Some(0) => None,
        Some(number) => {
            let why = said
                .get(message)
                .and_then(Value::as_str)
                .unwrap_or_default();
            Some(format!("{code} {number}: {why}"))
        }
        None => Some(format!("its answer has no `{code}`")),
    }
}

/// HMAC-SHA256, in base64.
fn signature(key: &[u8], text: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(text);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::message::testing::message;

    fn target() -> Target {
        Target {
            url: Secret::new("https://chat.example/hook?access_token=x"),
            secret: Some(Secret::new("SECshared")),
        }
    }

    #[test]
    fn each_channel_is_told_in_its_own_form() {
        for channel in Channel::value_variants() {
            let request = channel.request(
                &Target {
                    secret: None,
                    ..target()
                },
                &message(),
            );
            assert_eq!(request.url, target().url);
            insta::assert_json_snapshot!(channel.word(), request.body);
        }
    }

    #[test]
    fn signed_requests_bear_the_time_and_a_signature_of_it() {
        let feishu = Channel::Feishu.request(&target(), &message()).body;
        let time = feishu["timestamp"].as_str().unwrap();
        let key = format!("{time}\nSECshared");
        assert_eq!(feishu["sign"], signature(key.as_bytes(), b""));
        let dingtalk = Channel::Dingtalk.request(&target(), &message()).url;
        let (url, signed) = dingtalk.reveal().split_once("&timestamp=").unwrap();
        assert_eq!(url, target().url.reveal());
        let (time, sign) = signed.split_once("&sign=").unwrap();
        let expected = signature(b"SECshared", format!("{time}\nSECshared").as_bytes());
        let sign: String = form_urlencoded::parse(format!("s={sign}").as_bytes())
            .next()
            .unwrap()
            .1
            .into();
        assert_eq!(sign, expected);
    }

    /// RFC 4231, test case 2.
    #[test]
    fn a_signature_is_hmac_sha256_in_base64() {
        let signed = signature(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(signed, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }

    #[test]
    fn an_answer_of_200_may_refuse() {
        let refused = json!({"errcode": 310_000, "errmsg": "sign not match"}).to_string();
        let why = Channel::Dingtalk.refusal(&refused);
        assert_eq!(why.unwrap(), "errcode 310000: sign not match");
        let refused = json!({"code": 19_021, "msg": "sign match fail"}).to_string();
        assert!(Channel::Feishu.refusal(&refused).unwrap().contains("19021"));
        assert_eq!(
            Channel::Wecom.refusal(r#"{"errcode":0,"errmsg":"ok"}"#),
            None
        );
        assert_eq!(Channel::Slack.refusal("ok"), None);
        assert!(Channel::Wecom.refusal("<html>").is_some());
    }
}
