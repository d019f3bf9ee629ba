//! The verification of servers.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use thiserror::Error;

use super::key_pin::KeyPin;
use super::provider;

/// A verifier of servers: by the signature of the certificate, by the key, or both.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The verifier of signatures; `None` if they are not verified.
    pub(super) chain: Option<Arc<WebPkiServerVerifier>>,
    /// The keys that the server may have; empty allows any.
    pub(super) pins: Vec<KeyPin>,
}

/// An error of a certificate that rustls does not have.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum Unverified {
    /// The key is not one of the pinned keys.
    #[error("its key is {0}")]
    Pin(KeyPin),
    /// The certificate is an authority's, with this key.
    #[error("it is an authority's, with the key {0}")]
    Authority(KeyPin),
}

/// The error of webpki for an authority's certificate that a server uses as its own.
const OF_AN_AUTHORITY: &str = "CaUsedAsEndEntity";

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            let verified = chain.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
            verified.map_err(|error| match error {
                Error::InvalidCertificate(CertificateError::Other(other))
                    if other.to_string() == OF_AN_AUTHORITY =>
                {
                    KeyPin::of(end_entity)
                        .map_or_else(|error| error, |pin| unverified(Unverified::Authority(pin)))
                }
                error => error,
            })?;
        }
        if !self.pins.is_empty() {
            let pin = KeyPin::of(end_entity)?;
            if !self.pins.contains(&pin) {
                return Err(unverified(Unverified::Pin(pin)));
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.takes_anybody() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.takes_anybody() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl Verifier {
    /// True if nothing is verified. Old devices have certificates of version 1, which cannot be
    /// parsed.
    fn takes_anybody(&self) -> bool {
        self.chain.is_none() && self.pins.is_empty()
    }
}

fn unverified(what: Unverified) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(what))))
}
