//! Old versions of TLS on the client side, by s2n-tls.

use s2n_tls::config::Config;
use s2n_tls::connection::ModifiedBuilder;
use s2n_tls::error::{Error, ErrorType};
use s2n_tls_tokio::TlsConnector;

use super::authorities::Authorities;
use super::client_error::ClientTlsError;
use super::client_settings::ClientTlsSettings;
use super::failure::TlsError;
use super::key_pin::KeyPin;
use super::legacy::builder;
use super::pem::{CERTIFICATE, key_to_pem, to_pem};
use crate::transport::io::Io;
use crate::transport::{Alpn, Transport};

/// TLS 1.0 to 1.3 on the client side.
#[derive(Debug)]
pub(super) struct LegacyClient {
    config: Config,
    /// The keys that the server may have; empty allows any.
    pins: Vec<KeyPin>,
}

impl LegacyClient {
    /// Creates the configuration for these settings.
    pub(super) fn new(settings: &ClientTlsSettings) -> Result<Self, ClientTlsError> {
        // s2n-tls can disable verification only through `unsafe` Rust.
        if !settings.verify {
            return Err(ClientTlsError::UnverifiedOld);
        }
        let authorities = match &settings.authorities {
            Some(authorities) => authorities.clone(),
            None => Authorities::of_system()?,
        };
        let config = || {
            let mut builder = builder()?;
            for certificate in &*authorities.certificates {
                // Certificates that s2n-tls cannot parse are no loss: they have signed nothing of
                // use.
                let _ = builder.trust_pem(to_pem(CERTIFICATE, certificate).as_bytes());
            }
            if let Some(identity) = &settings.identity {
                let chain = identity.certified.cert.iter();
                let chain: String = chain.map(|der| to_pem(CERTIFICATE, der)).collect();
                builder.load_pem(chain.as_bytes(), key_to_pem(&identity.key).as_bytes())?;
            }
            builder.build()
        };
        let config =
            config().map_err(|error: Error| ClientTlsError::Unusable(error.message().to_owned()));
        Ok(Self {
            config: config?,
            pins: settings.pins.clone(),
        })
    }

    /// Performs a handshake with the server `name`.
    pub(super) async fn connect(
        &self,
        transport: impl Transport,
        name: &str,
        alpn: Alpn,
    ) -> Result<Io, TlsError> {
        let connector = ModifiedBuilder::new(self.config.clone(), |connection| match alpn {
            Alpn::Http => connection.set_application_protocol_preference(["http/1.1"]),
            Alpn::Unsaid => Ok(connection),
        });
        let connector = TlsConnector::new(connector);
        let stream = connector.connect(name, transport).await.map_err(told)?;
        if !self.pins.is_empty() {
            let chain = stream.as_ref().peer_cert_chain().map_err(told)?;
            let first = chain.iter().next().ok_or(TlsError::HungUp)?.map_err(told)?;
            let pin = KeyPin::of(&first.der().map_err(told)?.into());
            let pin =
                pin.map_err(|error| TlsError::Certificate(format!("cannot be read: {error}")))?;
            if !self.pins.contains(&pin) {
                return Err(TlsError::other_key(pin));
            }
        }
        Ok(Io::new(stream))
    }
}

/// Converts an error of s2n-tls.
fn told(error: Error) -> TlsError {
    let is_of_certificate = error.name().starts_with("S2N_ERR_CERT");
    match error.kind() {
        ErrorType::ConnectionClosed => TlsError::HungUp,
        ErrorType::IOError => TlsError::Io(error.into()),
        ErrorType::Alert => TlsError::Alert(error.message().to_owned()),
        _ if is_of_certificate => {
            TlsError::Certificate(format!("cannot be verified: {}", error.message()))
        }
        _ => TlsError::Protocol(error.message().to_owned()),
    }
}
