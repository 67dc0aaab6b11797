//! Asks the object store, as a client that has no credentials: whether it answers, and how soon.

use std::{fmt, fs, io, sync::Arc, time::Duration};

use http::{Request, header::HOST};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::{CA, Settings, answer::TRIAL};
use crate::tls;

/// No answer within this is none.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP's status; none: no answer came.
    pub status: Option<u16>,
    /// Why not.
    pub error: String,
    /// Until all of it was there.
    pub took_ms: u64,
}

impl Answer {
    /// Whether it is what was asked for.
    pub fn is_good(&self) -> bool {
        self.status == Some(200)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status} after {}ms", self.took_ms),
            None => write!(f, "nothing, after {}ms: {}", self.took_ms, self.error),
        }
    }
}

/// Asks once for so many bytes, from where the store is.
pub async fn ask(settings: &Settings, bytes: u64) -> Answer {
    let began = Instant::now();
    let asked = tokio::time::timeout(PATIENCE, answered(settings, bytes)).await;
    let asked = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let error = asked.as_ref().err().map(ToString::to_string);
    Answer {
        status: asked.ok(),
        error: error.unwrap_or_default(),
        took_ms: began.elapsed().as_millis() as u64,
    }
}

async fn answered(settings: &Settings, bytes: u64) -> io::Result<u16> {
    let port = settings.listen.rsplit(':').next().unwrap_or_default();
    let socket = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    let name = ServerName::try_from(settings.host.clone()).map_err(io::Error::other)?;
    let stream = connector(settings)?.connect(name, socket).await?;
    let connected = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let request = Request::put(format!("{TRIAL}{bytes}")).header(HOST, &settings.host);
    let request = request.body(String::new()).map_err(io::Error::other)?;
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(io::Error::other)?;
    let (status, mut body) = (answer.status().as_u16(), answer.into_body());
    while let Some(frame) = body.frame().await {
        frame.map_err(io::Error::other)?;
    }
    connection.abort();
    Ok(status)
}

fn connector(settings: &Settings) -> io::Result<TlsConnector> {
    let pem = fs::read(settings.state().join(CA))?;
    let authority = CertificateDer::from_pem_slice(&pem).map_err(io::Error::other)?;
    let mut trusted = RootCertStore::empty();
    trusted.add(authority).map_err(io::Error::other)?;
    let config = tls::trusting(trusted).map_err(io::Error::other)?;
    Ok(TlsConnector::from(Arc::new(config)))
}
