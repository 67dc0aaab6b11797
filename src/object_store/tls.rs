//! A certificate for this one store, by an authority that is made for it and forgotten: its key is
//! kept nowhere.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::ObjectStoreError;

/// What accepts connections, and the authority's certificate in PEM.
///
/// # Errors
/// When the host is no name of one.
pub fn acceptor(host: &str) -> Result<(TlsAcceptor, String), ObjectStoreError> {
    let authority_key = KeyPair::generate().map_err(failed(host))?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let name = &mut authority.distinguished_name;
    name.push(DnType::CommonName, "pgdrill, of one drill");
    let authority_certificate = authority
        .self_signed(&authority_key)
        .map_err(failed(host))?;
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().map_err(failed(host))?;
    let mut own = CertificateParams::new([host.to_owned()]).map_err(failed(host))?;
    own.distinguished_name.push(DnType::CommonName, host);
    let own = own.signed_by(&key, &issuer).map_err(failed(host))?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed(host))?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .map_err(failed(host))?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Ok((acceptor, authority_certificate.pem()))
}

fn failed<C: std::fmt::Display>(host: &str) -> impl FnOnce(C) -> ObjectStoreError {
    ObjectStoreError::new(format!("make a certificate for `{host}`"))
}
