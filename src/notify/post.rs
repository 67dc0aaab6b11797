//! A request to a channel, by HTTPS (or HTTP, to a service of one's own), and again where that may help.

use std::time::Duration;

use http::{Method, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio_rustls::rustls::RootCertStore;

use super::Request;
use crate::tls;

/// An answer comes within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// Bytes of an answer that are read.
const ANSWER: usize = 64 << 10;

/// Why an attempt failed, and whether another one may help.
struct Failed {
    why: String,
    again: bool,
}

/// Posts until it is taken. Each attempt makes its request anew: signatures bear the time.
pub(super) async fn post(
    request: impl Fn() -> Request,
    refusal: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let mut pauses = PAUSES.iter();
    loop {
        let failed = match once(request(), &refusal).await {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        match pauses.next().filter(|_| failed.again) {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => return Err(failed.why),
        }
    }
}

async fn once(request: Request, refusal: impl Fn(&str) -> Option<String>) -> Result<(), Failed> {
    let answered = tokio::time::timeout(PATIENCE, answered(request)).await;
    let late = |_| Failed {
        why: format!("no answer within {}s", PATIENCE.as_secs()),
        again: true,
    };
    let (status, answer) = answered.map_err(late)??;
    if !status.is_success() {
        let first = answer.lines().next().unwrap_or_default();
        return Err(Failed {
            why: format!("{status}: {}", crate::text::cut(first, 120)),
            again: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        });
    }
    match refusal(&answer) {
        None => Ok(()),
        Some(why) => Err(Failed { why, again: false }),
    }
}

async fn answered(request: Request) -> Result<(StatusCode, String), Failed> {
    let failed = |why: String| Failed { why, again: true };
    let mut trusted = RootCertStore::empty();
    // Whoever posts to a service of their own by HTTP needs none.
    trusted.add_parsable_certificates(tls::of_this_machine().unwrap_or_default());
    let config = tls::trusting(trusted).map_err(|cause| failed(cause.to_string()))?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let body = Full::new(Bytes::from(request.body.to_string()));
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(request.url.reveal())
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        // It may hold the address, which is a secret.
        .map_err(|_| failed("its address can't be posted to".into()))?;
    let answer = client.request(request).await;
    let (head, body) = answer.map_err(|cause| failed(causes(&cause)))?.into_parts();
    let body = Limited::new(body, ANSWER).collect().await;
    let body = body.map_err(|cause| failed(cause.to_string()))?.to_bytes();
    Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
}

/// An error with its causes, of which none names the path of the address.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
