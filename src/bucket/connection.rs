//! Connections to a bucket's service: by TLS, trusting the stated authorities and nobody else.

use std::{io, net::SocketAddr, task, time::Duration};

use ::object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
        HttpResponse, HttpResponseBody, HttpService,
    },
};
use async_trait::async_trait;
use futures_util::{FutureExt, future::BoxFuture};
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{self, dns::Name},
    },
    rt::TokioExecutor,
};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tower_service::Service;

use super::{Access, BucketError};
use crate::tls;

/// What containers call the machine that their engine runs on.
pub const THIS_MACHINE: &str = "host.docker.internal";

/// An answer begins within this.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// Makes connections with this configuration.
#[derive(Clone, Debug)]
pub(super) struct Connections(ClientConfig);

impl Connections {
    /// Those that trust the authorities of this access.
    pub fn of(access: &Access) -> Result<Self, BucketError> {
        let mut trusted = RootCertStore::empty();
        let authorities = CertificateDer::pem_slice_iter(access.authorities.as_bytes());
        trusted.add_parsable_certificates(authorities.filter_map(Result::ok));
        let config = tls::trusting(trusted);
        let config = config.map_err(|cause| BucketError::new(format!("TLS: {cause}"), ""))?;
        Ok(Self(config))
    }
}

impl HttpConnector for Connections {
    fn connect(&self, _options: &ClientOptions) -> ::object_store::Result<HttpClient> {
        let mut tcp = connect::HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECTED_WITHIN));
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(self.0.clone())
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(tls);
        Ok(HttpClient::new(Connected(client)))
    }
}

#[derive(Debug)]
struct Connected(Client<HttpsConnector<connect::HttpConnector<Resolver>>, HttpRequestBody>);

#[async_trait]
impl HttpService for Connected {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = tokio::time::timeout(PATIENCE, self.0.request(request)).await;
        let answer = asked.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let failed = |error: hyper_util::client::legacy::Error| {
            let kind = match error.is_connect() {
                true => HttpErrorKind::Connect,
                false => HttpErrorKind::Interrupted,
            };
            HttpError::new(kind, error)
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// As the system resolves names, but for the one by which containers know this machine.
#[derive(Clone, Debug)]
struct Resolver;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _context: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        resolved(name).boxed()
    }
}

async fn resolved(name: Name) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    let found = tokio::net::lookup_host((name.as_str(), 0)).await;
    let found = match found {
        Err(_) if name.as_str() == THIS_MACHINE => {
            return Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))].into_iter());
        }
        found => found?,
    };
    Ok(found.collect::<Vec<_>>().into_iter())
}
