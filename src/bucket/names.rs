//! How a scenario names a bucket, and the names of what is not written into scenarios: credentials.

use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Access, BucketError, THIS_MACHINE};
use crate::{tls, units::is_default};

const HTTPS_PORT: u16 = 443;

/// Where it is, and which variables of the environment hold its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub struct Bucket {
    /// Where its service answers: `https://ACCOUNT.r2.cloudflarestorage.com`, with a port if it is
    /// another than 443.
    pub endpoint: String,
    /// The bucket's name. It is there already.
    pub name: String,
    /// Its region. Default: `us-east-1`; R2 has `auto`.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// Whether the bucket's name is part of an address' path or of its host. OSS wants `host`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub uri_style: UriStyle,
    /// File with the certificates of the authorities to trust, PEM. Default: those that this machine
    /// trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Variable of the environment that holds the access key. Default: `AWS_ACCESS_KEY_ID`.
    #[serde(default = "access_key")]
    pub access_key: String,
    /// The same of its secret. Default: `AWS_SECRET_ACCESS_KEY`.
    #[serde(default = "secret_key")]
    pub secret_key: String,
    /// The same of the token that temporary credentials come with. Default: none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
}

/// How an object is addressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum UriStyle {
    /// `https://HOST/BUCKET/OBJECT`
    #[default]
    Path,
    /// `https://BUCKET.HOST/OBJECT`
    Host,
}

fn us_east_1() -> String {
    "us-east-1".into()
}

fn access_key() -> String {
    "AWS_ACCESS_KEY_ID".into()
}

fn secret_key() -> String {
    "AWS_SECRET_ACCESS_KEY".into()
}

impl Bucket {
    /// What is wrong with how it is named: the field, and why.
    pub fn wrong(&self) -> Option<(&'static str, BucketError)> {
        let whole = "`https://HOST` or `https://HOST:PORT`, without the bucket's name";
        let wrong = |cause: &str| Some(("endpoint", BucketError::new(cause, whole)));
        let Some((_, rest)) = self.endpoint.split_once("https://") else {
            return wrong("backups travel over TLS alone: it must begin with `https://`");
        };
        let further = rest.trim_end_matches('/').contains(['/', '?', '#', '@']);
        let uri: Option<Uri> = self.endpoint.parse().ok();
        if further || uri.is_none_or(|uri| uri.host().is_none_or(str::is_empty)) {
            return wrong("this is no address of a service");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let fits = !self.name.is_empty() && self.name.chars().all(fits);
        let letters = "letters, digits, `.`, `-` and `_`";
        (!fits).then(|| {
            (
                "name",
                BucketError::new("no bucket can be called so", letters),
            )
        })
    }

    /// Host and port of its service.
    pub fn address(&self) -> (String, u16) {
        let uri: Uri = self.endpoint.parse().unwrap_or_default();
        let host = uri.host().unwrap_or_default().to_owned();
        (host, uri.port_u16().unwrap_or(HTTPS_PORT))
    }

    /// Whether its service is on this machine, and other machines would look for it on themselves.
    pub fn is_loopback(&self) -> bool {
        let (host, _) = self.address();
        let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        host == "localhost" || address.is_some_and(|address| address.is_loopback())
    }

    /// Whether it is named as containers name what runs on this machine.
    pub fn is_of_this_machine(&self) -> bool {
        self.address().0 == THIS_MACHINE
    }

    /// With what it is reached: credentials from the environment, and whom to trust.
    ///
    /// # Errors
    /// When a variable is not set, or the authorities can't be read.
    pub fn access(&self, prefix: &str) -> Result<Access, BucketError> {
        Ok(Access {
            bucket: self.clone(),
            prefix: prefix.to_owned(),
            access_key: variable("access-key", &self.access_key)?,
            secret_key: variable("secret-key", &self.secret_key)?,
            session_token: match &self.session_token {
                Some(name) => Some(variable("session-token", name)?),
                None => None,
            },
            authorities: match &self.ca {
                Some(file) => authorities_of(file)?,
                None => authorities_of_this_machine()?,
            },
        })
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the bucket `{}` at {}", self.name, self.endpoint)
    }
}

fn variable(what: &str, name: &str) -> Result<String, BucketError> {
    let set = std::env::var(name).ok().filter(|value| !value.is_empty());
    set.ok_or_else(|| {
        let cause = format!("the environment has no variable `{name}`, its `{what}`");
        BucketError::new(cause, format!("export {name}=…, or name another variable"))
    })
}

fn authorities_of(file: &str) -> Result<String, BucketError> {
    let wrong = |cause: String| {
        let cause = format!("its `ca`, the file `{file}`, is of no use: {cause}");
        BucketError::new(cause, "the authorities' certificates are wanted, PEM")
    };
    let text = std::fs::read_to_string(file).map_err(|cause| wrong(cause.to_string()))?;
    let all = pem::parse_many(&text).map_err(|cause| wrong(cause.to_string()))?;
    match all.iter().any(|one| one.tag() == "CERTIFICATE") {
        true => Ok(text),
        false => Err(wrong("it holds no certificate".into())),
    }
}

fn authorities_of_this_machine() -> Result<String, BucketError> {
    let found = tls::of_this_machine().map_err(|cause| {
        let help = "install Debian's package ca-certificates, or state the store's `ca`";
        BucketError::new(cause, help)
    })?;
    let encode = |der: &[u8]| pem::encode(&pem::Pem::new("CERTIFICATE", der));
    Ok(found.iter().map(|one| encode(one)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> Bucket {
        Bucket {
            endpoint: endpoint.into(),
            name: "backups".into(),
            region: us_east_1(),
            uri_style: UriStyle::Path,
            ca: None,
            access_key: access_key(),
            secret_key: "PGDRILL_TEST_NOT_SET".into(),
            session_token: None,
        }
    }

    #[test]
    fn an_endpoint_is_a_host_over_tls_and_nothing_else() {
        for good in [
            "https://a.example",
            "https://a.example:9000",
            "https://[::1]:9000/",
        ] {
            assert!(at(good).wrong().is_none(), "{good}");
        }
        for wrong in [
            "a.example",
            "http://a.example",
            "https://",
            "https://a.example/bucket",
            "https://key:secret@a.example",
            "https://a b",
        ] {
            assert!(at(wrong).wrong().is_some(), "{wrong}");
        }
        let nameless = Bucket {
            name: "../x".into(),
            ..at("https://a.example")
        };
        assert_eq!(nameless.wrong().unwrap().0, "name");
    }

    #[test]
    fn an_address_has_a_port_and_may_be_this_machine_s() {
        assert_eq!(at("https://a.example").address(), ("a.example".into(), 443));
        assert_eq!(at("https://a.example:9000").address().1, 9000);
        assert!(at("https://localhost:9000").is_loopback());
        assert!(at("https://127.0.0.1").is_loopback());
        assert!(at("https://[::1]:9000").is_loopback());
        assert!(!at("https://a.example").is_loopback());
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = at("https://a.example").access("p").err().unwrap();
        assert!(error.cause.contains("AWS_ACCESS_KEY_ID") || error.cause.contains("NOT_SET"));
    }

    #[test]
    fn a_file_without_certificates_is_no_authority() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "nothing").unwrap();
        let error = authorities_of(&file.path().display().to_string()).unwrap_err();
        assert!(error.cause.contains("no certificate"), "{error}");
        assert!(authorities_of("/nonexistent").is_err());
    }
}
