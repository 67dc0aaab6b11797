//! TLS of a connection, asked for as PostgreSQL's clients do (`SSLRequest`; PostgreSQL's manual,
//! "SSL Session Encryption" of the frontend/backend protocol), and whose certificate counts.

use std::{io, sync::Arc};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
        SignatureScheme,
        client::{
            WebPkiServerVerifier,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
            verify_server_name,
        },
        crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
        server::ParsedCertificate,
    },
};
use tokio_util::either::Either;

use crate::tls;

/// A connection that is not protected yet.
pub(super) type Socket = Either<TcpStream, UnixStream>;
/// A connection, protected or not.
pub(super) type Stream = Either<Socket, Box<TlsStream<Socket>>>;

/// Whether a connection is protected. Sockets of this machine never are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// It is not, as to servers of drills.
    #[default]
    Off,
    /// Where the server can (`sslmode=prefer`).
    Preferred,
    /// Or there is none (`require`, `verify-ca`, `verify-full`).
    Demanded(Verified),
}

/// What must be right with a server's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verified {
    /// Nothing (`require`).
    #[default]
    Nothing,
    /// One of these signed it, or it is one of them (`verify-ca`).
    Authority(Vec<CertificateDer<'static>>),
    /// And it is for the host's name (`verify-full`).
    Name(Vec<CertificateDer<'static>>),
}

/// Protects a connection to this host as it is to be, before anything else is sent over it.
pub(super) async fn protected(tls: &Tls, host: &str, mut socket: Socket) -> io::Result<Stream> {
    let (demanded, verified) = match tls {
        Tls::Off => return Ok(Either::Left(socket)),
        Tls::Preferred => (false, &Verified::Nothing),
        Tls::Demanded(verified) => (true, verified),
    };
    if matches!(socket, Either::Right(_)) {
        return Ok(Either::Left(socket));
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    // One byte and no more: what follows it is the handshake's.
    match socket.read_u8().await? {
        b'S' => {}
        b'N' if !demanded => return Ok(Either::Left(socket)),
        b'N' => return Err(io::Error::other("the server does not offer TLS")),
        _ => return Err(io::Error::other("the server does not know TLS")),
    }
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config = config(verified).map_err(io::Error::other)?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, socket);
    let stream = connected.await.map_err(|cause| said("TLS", &cause))?;
    Ok(Either::Right(Box::new(stream)))
}

fn said(what: &str, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{what}: {cause}"))
}

fn config(verified: &Verified) -> Result<ClientConfig, Error> {
    tls::verified_by(Arc::new(Verifier::new(verified)?))
}

/// Verifies as much as is demanded.
#[derive(Debug)]
struct Verifier {
    verified: Verified,
    /// None where nothing is, or nobody is trusted.
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(verified: &Verified) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let mut trusted = RootCertStore::empty();
        trusted.add_parsable_certificates(verified.authorities().iter().cloned());
        let chain = match trusted.is_empty() {
            true => None,
            false => {
                let chain = WebPkiServerVerifier::builder_with_provider(trusted.into(), provider);
                let chain = chain.build();
                Some(chain.map_err(|cause| Error::General(cause.to_string()))?)
            }
        };
        Ok(Self {
            verified: verified.clone(),
            chain,
            algorithms,
        })
    }
}

impl Tls {
    /// `sslmode` and the authorities' certificates (PEM), for PostgreSQL's own programs.
    pub fn stated(&self) -> (&'static str, String) {
        match self {
            Self::Off => ("disable", String::new()),
            Self::Preferred => ("prefer", String::new()),
            Self::Demanded(verified) => (verified.mode(), verified.pem()),
        }
    }
}

impl Verified {
    fn mode(&self) -> &'static str {
        match self {
            Self::Nothing => "require",
            Self::Authority(_) => "verify-ca",
            Self::Name(_) => "verify-full",
        }
    }

    fn pem(&self) -> String {
        let encode = |der: &CertificateDer<'_>| pem::encode(&pem::Pem::new("CERTIFICATE", &**der));
        self.authorities().iter().map(encode).collect()
    }

    fn authorities(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::Nothing => &[],
            Self::Authority(authorities) | Self::Name(authorities) => authorities,
        }
    }
}

impl ServerCertVerifier for Verifier {
    /// A certificate that is trusted by itself need not be one that signs: a server's own, stated
    /// as its authority, is what many have.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let good = Ok(ServerCertVerified::assertion());
        let by_name = match self.verified {
            Verified::Nothing => return good,
            Verified::Authority(_) => false,
            Verified::Name(_) => true,
        };
        if self.verified.authorities().contains(end_entity) {
            return match by_name {
                true => {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, name).and(good)
                }
                false => good,
            };
        }
        let chain = self.chain.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !by_name => good,
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
