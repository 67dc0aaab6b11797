//! What a request is answered.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{
    Reports,
    query::{Page, WrongParameter, parameters},
};
use crate::secret::Secret;

pub(super) type Answer = Response<Full<Bytes>>;

/// The reports as they are known now; an error says why they are not.
pub(super) type Known = Result<Arc<Reports>, String>;

/// Answers one request. `token`: what it must bear; none: nothing.
pub(super) fn answer<B>(request: &Request<B>, token: Option<&Secret>, known: Known) -> Answer {
    if !token.is_none_or(|token| bears(request, token)) {
        let mut refused = error(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
        let scheme = HeaderValue::from_static("Bearer");
        refused.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        return refused;
    }
    let of = match request.uri().path() {
        "/api/admin/backup/latest" => latest,
        "/api/admin/backup/list" => list,
        _other => return error(StatusCode::NOT_FOUND, "there is nothing at this path"),
    };
    if request.method() != Method::GET {
        let mut refused = error(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here");
        let allowed = HeaderValue::from_static("GET");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    let query = request.uri().query().unwrap_or_default();
    match known {
        Ok(reports) => of(query, &reports).unwrap_or_else(|wrong| bad_request(&wrong)),
        Err(why) => error(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

/// Whether a request bears the token; how long it takes tells nothing of it but its length.
fn bears<B>(request: &Request<B>, token: &Secret) -> bool {
    let stated = request
        .headers()
        .get(AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    let stated = stated.and_then(|stated| stated.split_at_checked("Bearer ".len()));
    stated.is_some_and(|(scheme, stated)| {
        scheme.eq_ignore_ascii_case(b"Bearer ") && stated.ct_eq(token.reveal().as_bytes()).into()
    })
}

fn latest(query: &str, reports: &Reports) -> Result<Answer, WrongParameter> {
    parameters(query, &[])?;
    Ok(match reports.latest() {
        Some(report) => json(StatusCode::OK, &json!(report)),
        None => error(StatusCode::NOT_FOUND, "there is no report yet"),
    })
}

fn list(query: &str, reports: &Reports) -> Result<Answer, WrongParameter> {
    let page = Page::asked(query)?;
    let of_page = reports
        .ended(page.status)
        .skip(page.skips())
        .take(page.size);
    let items: Vec<_> = of_page.collect();
    Ok(json(
        StatusCode::OK,
        &json!({
            "total": reports.ended(page.status).count(),
            "pageNum": page.number,
            "pageSize": page.size,
            "items": items,
            "skipped": reports.skipped,
        }),
    ))
}

fn bad_request(wrong: &WrongParameter) -> Answer {
    let text = format!("`{}`: {}", wrong.name, wrong.why);
    let told = json!({ "error": text, "parameter": wrong.name });
    json(StatusCode::BAD_REQUEST, &told)
}

fn error(status: StatusCode, why: &str) -> Answer {
    json(status, &json!({ "error": why }))
}

fn json(status: StatusCode, content: &Value) -> Answer {
    let mut answer = Response::new(Full::from(content.to_string()));
    *answer.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(headers);
    answer
}
