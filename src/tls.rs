//! TLS of the harness's own connections as a client: one configuration, whomever it trusts.

use std::sync::Arc;

use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, Error, RootCertStore, WantsVerifier,
    client::danger::ServerCertVerifier, crypto::ring, pki_types::CertificateDer,
};

/// The certificates of the authorities that this machine trusts.
///
/// # Errors
/// When there are none.
pub fn of_this_machine() -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found = rustls_native_certs::load_native_certs().certs;
    match found.is_empty() {
        true => Err("this machine trusts no authority"),
        false => Ok(found),
    }
}

/// Trusts what these authorities signed, under the name that it was signed for.
///
/// # Errors
/// Where the library has no version of TLS in common with its cryptography.
pub fn trusting(authorities: RootCertStore) -> Result<ClientConfig, Error> {
    let verified = begun()?.with_root_certificates(authorities);
    Ok(verified.with_no_client_auth())
}

/// Trusts whom the verifier does.
///
/// # Errors
/// As [`trusting`].
pub fn verified_by(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Error> {
    let verified = begun()?.dangerous();
    let verified = verified.with_custom_certificate_verifier(verifier);
    Ok(verified.with_no_client_auth())
}

fn begun() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}
