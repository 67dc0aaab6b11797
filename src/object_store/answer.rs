//! What a request is answered: by S3, or as the conduct has it.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use s3s::{Body, HttpError};

use super::{
    Tally,
    conduct::{Conduct, Refusal},
    pace::Paced,
    server::Shared,
};

/// What is answered so many bytes of nothing in particular, to whomever: no bucket is called so.
/// Where listings are out of date, it is answered that a new object is not listed (404).
pub const TRIAL: &str = "/.trial/";

/// Answers, when the time has come, and counts it.
///
/// # Errors
/// What ends the connection.
pub async fn answered(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Body>, HttpError> {
    let conduct = shared.conduct.borrow().clone();
    let method = request.method().clone();
    if conduct.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(conduct.latency_ms)).await;
    }
    let mut before = 0;
    (shared.counted).count(|tally| before = tally.requests.values().sum());
    let response = match refused(&conduct, &method, before) {
        Some((status, code)) => refusal(status, code),
        None => served(request, &conduct, shared).await?,
    };
    let what = format!("{method} {}", response.status().as_u16());
    let another = |tally: &mut Tally| *tally.requests.entry(what).or_default() += 1;
    shared.counted.count(another);
    Ok(response)
}

async fn served(
    request: Request<Incoming>,
    conduct: &Conduct,
    shared: &Shared,
) -> Result<Response<Body>, HttpError> {
    let trial = request.uri().path().strip_prefix(TRIAL);
    let response = match trial.and_then(|bytes| bytes.parse().ok()) {
        Some(_) if conduct.stale_listings && shared.stale.misses_new().await? => {
            refusal(StatusCode::NOT_FOUND, "NoSuchKey")
        }
        Some(bytes) => Response::new(Body::from(vec![0; bytes])),
        None => {
            let request = request.map(|body| received(body, conduct, shared));
            shared.s3.call(request).await?
        }
    };
    Ok(response.map(|body| sent(body, conduct, shared)))
}

/// The status, and S3's code of the error, that a request gets instead of an answer. `before`: the
/// requests until now.
fn refused(conduct: &Conduct, method: &Method, before: u64) -> Option<(StatusCode, &'static str)> {
    let every = u64::from(conduct.throttled);
    match conduct.refuses {
        Some(refusal) if refusal != Refusal::Writes || !reads(method) => Some(refusal.answer()),
        _ if every > 0 && (before + 1).is_multiple_of(every) => {
            Some((StatusCode::SERVICE_UNAVAILABLE, "SlowDown"))
        }
        _ => None,
    }
}

fn reads(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// The body of an error, by the S3 API reference, "Error responses".
fn refusal(status: StatusCode, code: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>as the drill wants it</Message></Error>"
    );
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response
}

fn received(body: Incoming, conduct: &Conduct, shared: &Shared) -> Body {
    let counted = Arc::clone(&shared.counted);
    let passed = move |bytes| counted.count(|tally| tally.received += bytes);
    paced(Body::from(body), conduct, None, passed, shared)
}

fn sent(body: Body, conduct: &Conduct, shared: &Shared) -> Body {
    let counted = Arc::clone(&shared.counted);
    let passed = move |bytes| counted.count(|tally| tally.sent += bytes);
    let left = Some(conduct.reset_after).filter(|&bytes| bytes > 0);
    paced(body, conduct, left, passed, shared)
}

fn paced(
    inner: Body,
    conduct: &Conduct,
    left: Option<u64>,
    passed: impl Fn(u64) + Send + Sync + 'static,
    shared: &Shared,
) -> Body {
    Body::http_body_unsync(Paced {
        inner,
        line: Arc::clone(&shared.line),
        bandwidth: conduct.bandwidth,
        left,
        passed: Box::new(passed),
        waiting: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(conduct: &Conduct, method: &Method, before: u64) -> Option<&'static str> {
        refused(conduct, method, before).map(|(_, code)| code)
    }

    #[test]
    fn a_refusal_is_of_everybody_of_writers_or_of_each_so_manieth() {
        let well = Conduct::default();
        assert_eq!(code(&well, &Method::PUT, 6), None);
        let revoked = Conduct {
            refuses: Some(Refusal::Credentials),
            ..well.clone()
        };
        assert_eq!(code(&revoked, &Method::GET, 0), Some("InvalidAccessKeyId"));
        let gone = Conduct {
            refuses: Some(Refusal::Bucket),
            ..well.clone()
        };
        assert_eq!(code(&gone, &Method::GET, 0), Some("NoSuchBucket"));
        let read_only = Conduct {
            refuses: Some(Refusal::Writes),
            ..well.clone()
        };
        assert_eq!(code(&read_only, &Method::HEAD, 0), None);
        assert_eq!(code(&read_only, &Method::DELETE, 0), Some("AccessDenied"));
        let throttled = Conduct {
            throttled: 3,
            ..well
        };
        let of_six = (0..6).filter(|before| code(&throttled, &Method::GET, *before).is_some());
        assert_eq!(of_six.collect::<Vec<_>>(), [2, 5]);
    }
}
