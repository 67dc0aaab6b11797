//! What is asked of a bucket, and what an answer that is none means.

use std::time::Duration;

use ::object_store::{
    BackoffConfig, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use futures_util::{StreamExt, TryStreamExt};

use super::{Access, BucketError, UriStyle, connection::Connections};

/// In the prefix: the object with which it is tried out.
const TRIAL: &str = "trial";
const CONTENT: &[u8] = b"pgdrill tries out whether it can write here, and deletes this.";

/// An access with its connections.
pub(super) struct Client<'a> {
    pub store: AmazonS3,
    access: &'a Access,
}

/// How patient a client is with a service that fails.
#[derive(Clone, Copy)]
pub(super) enum Retries {
    None,
    Some,
}

impl<'a> Client<'a> {
    pub fn new(access: &'a Access, retries: Retries) -> Result<Self, BucketError> {
        let bucket = &access.bucket;
        let builder = AmazonS3Builder::new()
            .with_endpoint(endpoint(access))
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_virtual_hosted_style_request(bucket.uri_style == UriStyle::Host)
            .with_access_key_id(&access.access_key)
            .with_secret_access_key(&access.secret_key)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: match retries {
                    Retries::None => 0,
                    Retries::Some => 5,
                },
                retry_timeout: Duration::from_secs(60),
            })
            .with_http_connector(Connections::of(access)?);
        let builder = match &access.session_token {
            Some(token) => builder.with_token(token),
            None => builder,
        };
        let store = builder.build().map_err(|error| access.failed(&error))?;
        Ok(Self { store, access })
    }

    /// Every object below the prefix.
    pub async fn list(&self) -> Result<Vec<ObjectMeta>, BucketError> {
        let listed = self.store.list(Some(&self.prefix()));
        let listed = listed.try_collect().await;
        listed.map_err(|error| self.access.failed(&error))
    }

    /// An object's content; none: there is no such object.
    pub async fn get(&self, path: &Path) -> Result<Option<bytes::Bytes>, BucketError> {
        let got = async { self.store.get(path).await?.bytes().await };
        match got.await {
            Ok(content) => Ok(Some(content)),
            Err(::object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.access.failed(&error)),
        }
    }

    fn prefix(&self) -> Path {
        Path::from(self.access.prefix.as_str())
    }
}

/// Whether it is there and answers, knows the credentials and lets them list.
///
/// # Errors
/// When it does not, with what to do.
pub async fn look(access: &Access) -> Result<(), BucketError> {
    Client::new(access, Retries::None)?.list().await.map(drop)
}

/// Whether it lets the credentials write, read and delete.
///
/// # Errors
/// When it does not, with what to do.
pub async fn try_out(access: &Access) -> Result<(), BucketError> {
    let client = Client::new(access, Retries::None)?;
    let trial = client.prefix().join(TRIAL);
    let written = client.store.put(&trial, CONTENT.into()).await;
    written.map_err(|error| access.failed(&error))?;
    let read = client.get(&trial).await;
    let deleted = client.store.delete(&trial).await;
    deleted.map_err(|error| access.failed(&error))?;
    match read?.as_deref() == Some(CONTENT) {
        true => Ok(()),
        false => Err(BucketError::new(
            format!(
                "{} gave back something else than what was written",
                access.bucket
            ),
            "",
        )),
    }
}

/// Deletes everything below the prefix; how many objects.
///
/// # Errors
/// When one can't be deleted.
pub async fn empty(access: &Access) -> Result<usize, BucketError> {
    let client = Client::new(access, Retries::Some)?;
    let all = client.list().await?;
    let count = all.len();
    let names = futures_util::stream::iter(all).map(|object| Ok(object.location));
    let deleted = client.store.delete_stream(names.boxed());
    let deleted: Result<Vec<Path>, _> = deleted.try_collect().await;
    deleted.map_err(|error| access.failed(&error))?;
    Ok(count)
}

/// As the client wants it: in its style.
fn endpoint(access: &Access) -> String {
    let endpoint = access.bucket.endpoint.trim_end_matches('/');
    match access.bucket.uri_style {
        UriStyle::Path => endpoint.to_owned(),
        UriStyle::Host => endpoint.replacen("://", &format!("://{}.", access.bucket.name), 1),
    }
}

impl Access {
    /// What an error means, by what the service answered or why it did not.
    fn failed(&self, error: &dyn std::error::Error) -> BucketError {
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let further = error.to_string();
            if !said.contains(&further) {
                said = format!("{said}: {further}");
            }
            cause = error.source();
        }
        let bucket = &self.bucket;
        let (why, help) = match code(&said) {
            Some("NoSuchBucket") => ("is not there", "create it, or name another"),
            Some(
                "InvalidAccessKeyId" | "NotSignedUp" | "SignatureDoesNotMatch" | "InvalidSecurity",
            ) => (
                "refuses the credentials",
                "look at the variables that hold them, and at the region",
            ),
            Some("AccessDenied") => (
                "refuses what was asked",
                "its credentials must list, read, write and delete objects",
            ),
            Some(_) => ("refuses what was asked", ""),
            None if said.contains("UnknownIssuer") || said.contains("CaUsedAsEndEntity") => (
                "has a certificate that is not trusted",
                "state the authority that signed it: `ca: FILE`",
            ),
            None if said.contains("invalid peer certificate") => {
                ("has a certificate that is of no use", "")
            }
            None => (
                "does not answer",
                "look at the endpoint, its port and the network",
            ),
        };
        let said = self.without_secrets(&short(&said));
        BucketError::new(format!("{bucket} {why}: {said}"), help)
    }

    fn without_secrets(&self, said: &str) -> String {
        let secrets = [Some(&self.secret_key), self.session_token.as_ref()];
        let secrets = secrets
            .into_iter()
            .flatten()
            .filter(|secret| !secret.is_empty());
        secrets.fold(said.to_owned(), |said, secret| {
            said.replace(secret.as_str(), "***")
        })
    }
}

/// The code of S3's answer: its error's `Code` element.
fn code(said: &str) -> Option<&str> {
    element(said, "Code")
}

fn element<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0)
}

/// Of an answer its code and message, of anything else the end: causes stand last.
fn short(said: &str) -> String {
    match code(said) {
        Some(code) => match element(said, "Message") {
            Some(message) if !message.is_empty() => format!("{code}: {message}"),
            _ => code.to_owned(),
        },
        None => said
            .rsplit(": ")
            .take(2)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join(": "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_its_code_and_message_are_told() {
        let answer = "Server returned non-2xx status code: 404: <?xml?><Error><Code>NoSuchBucket</Code>\
            <Message>The specified bucket does not exist</Message></Error>";
        assert_eq!(code(answer), Some("NoSuchBucket"));
        let told = "NoSuchBucket: The specified bucket does not exist";
        assert_eq!(short(answer), told);
        assert_eq!(
            short("a: b: client error (Connect): refused"),
            "client error (Connect): refused"
        );
    }
}
