//! TLS 1.0 and 1.1, and the suites of old clients, by s2n-tls.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use s2n_tls::callbacks::VerifyHostNameCallback;
use s2n_tls::cert_chain::{Builder as ChainBuilder, CertificateChain};
use s2n_tls::config::{Builder, Config};
use s2n_tls::connection::Connection;
use s2n_tls::enums::ClientAuthType;
use s2n_tls::error::{Error, ErrorType};
use s2n_tls::security::Policy;
use s2n_tls_tokio::{TlsAcceptor, TlsStream};

use super::certificate::CertificateFields;
use super::choice::Beginning;
use super::encryption::Agreed;
use super::pem::{CERTIFICATE, PemError, key_to_pem, read_certificates, read_key, to_pem};
use super::settings::{ClientCertificates, IdentityFiles, ServerSettings};
use super::version::Version;
use crate::random::entropy;
use crate::transport::io::Io;

/// TLS 1.0 to 1.3 with the suites of 2014: AES and 3DES in CBC mode, key exchange by RSA. TLS 1.3
/// is included so that clients that support it detect a downgrade by an attacker (RFC 8446 §4.1.3).
const POLICY: &str = "CloudFront-TLS-1-0-2014";

/// The longest delay, in seconds, before the client is notified of a failure. The delay hides the
/// failure's reason from timing.
const MAX_BLINDING: u32 = 2;

/// The lifetime of session tickets, and of the keys that encrypt them.
const TICKETS: Duration = Duration::from_secs(6 * 60 * 60);

/// The s2n-tls configuration of a port.
#[derive(Debug)]
pub(super) struct LegacyServer {
    config: Config,
}

/// A key that encrypts session tickets.
#[derive(Clone)]
pub(super) struct TicketKey {
    name: [u8; 16],
    key: [u8; 32],
    since: SystemTime,
}

impl LegacyServer {
    /// Reads the files that the settings name; blocks.
    pub(super) fn read(settings: &ServerSettings, keys: &[TicketKey]) -> Result<Self, PemError> {
        let chains = chains(settings)?;
        let trusted = settings
            .clients
            .trusted()
            .map(|path| read_certificates(path));
        let trusted = trusted.transpose()?;
        let config = || {
            let mut builder = builder()?;
            builder.set_application_protocol_preference(["http/1.1"])?;
            // For clients that name no host: the certificate for old clients, or the first of each
            // key type.
            let mut defaults: Vec<&Chain> = Vec::new();
            for chain in &chains {
                // Of several for one host with keys of the same type, the first is used.
                builder.load_chain(chain.chain.clone())?;
                let is_same = |other: &&Chain| other.key_algorithm == chain.key_algorithm;
                if defaults.is_empty() || settings.legacy.is_none() && !defaults.iter().any(is_same)
                {
                    defaults.push(chain);
                }
            }
            builder.set_default_chains(defaults.into_iter().map(|chain| chain.chain.clone()))?;
            for key in keys {
                builder.add_session_ticket_key(&key.name, &key.key, key.since)?;
            }
            builder.set_ticket_key_encrypt_decrypt_lifetime(TICKETS)?;
            builder.set_ticket_key_decrypt_lifetime(TICKETS)?;
            if let Some(trusted) = trusted {
                for certificate in trusted {
                    builder.trust_pem(to_pem(CERTIFICATE, &certificate).as_bytes())?;
                }
                builder.set_verify_host_callback(AnyName)?;
                builder.set_client_auth_type(match settings.clients {
                    ClientCertificates::Required(_) => ClientAuthType::Required,
                    _ => ClientAuthType::Optional,
                })?;
            }
            builder.build()
        };
        match config() {
            Ok(config) => Ok(Self { config }),
            Err(error) => Err(PemError::Legacy {
                reason: error.message().to_owned(),
            }),
        }
    }

    /// Performs a handshake. If it fails, the client is notified, and the transport is returned.
    ///
    /// # Errors
    ///
    /// The handshake fails, or the client disconnects.
    pub(super) async fn accept(
        &self,
        mut transport: Beginning,
    ) -> Result<(Io, Agreed), (io::Error, Beginning)> {
        let acceptor = TlsAcceptor::new(self.config.clone());
        match acceptor.accept(&mut transport).await {
            Ok(stream) => {
                let (connection, _) = stream.into_parts();
                let agreed = agreed(&connection);
                Ok((
                    Io::new(TlsStream::from_parts(connection, transport)),
                    agreed,
                ))
            }
            Err(error) => {
                let error = match error.kind() {
                    ErrorType::ConnectionClosed | ErrorType::IOError => error.into(),
                    _ => io::Error::new(io::ErrorKind::InvalidData, error),
                };
                Err((error, transport))
            }
        }
    }
}

impl TicketKey {
    pub(super) fn new() -> Self {
        let (mut name, mut key) = ([0; 16], [0; 32]);
        entropy(&mut name);
        entropy(&mut key);
        Self {
            name,
            key,
            since: SystemTime::now(),
        }
    }

    /// True if new tickets need a newer key.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed().is_ok_and(|age| age >= TICKETS)
    }
}

/// Returns the settings common to clients and servers.
pub(super) fn builder() -> Result<Builder, Error> {
    let mut builder = Builder::new();
    builder.set_security_policy(&Policy::from_version(POLICY)?)?;
    builder.set_max_blinding_delay(MAX_BLINDING)?;
    builder.with_system_certs(false)?;
    Ok(builder)
}

/// A chain of certificates, and the type of its key.
struct Chain {
    chain: CertificateChain<'static>,
    key_algorithm: Option<String>,
}

/// Reads the certificate for old clients, and after it the usable ones for all clients.
fn chains(settings: &ServerSettings) -> Result<Vec<Chain>, PemError> {
    let mut chains = Vec::new();
    if let Some(legacy) = &settings.legacy {
        chains.push(Chain::read(legacy)?);
    }
    // Old clients do not support keys of Ed25519.
    let others = settings.identities.iter().map(Chain::read);
    let (others, errors): (Vec<_>, Vec<_>) = others.partition(Result::is_ok);
    chains.extend(others.into_iter().flatten());
    match errors.into_iter().find_map(Result::err) {
        Some(error) if chains.is_empty() => Err(error),
        _ => Ok(chains),
    }
}

impl Chain {
    fn read(files: &IdentityFiles) -> Result<Self, PemError> {
        let certificates = read_certificates(&files.certificate)?;
        let key = read_key(&files.key)?;
        let key = key_to_pem(&key);
        let said = certificates
            .first()
            .and_then(|first| CertificateFields::by(first));
        let chain = || {
            let mut builder = ChainBuilder::new()?;
            let certificates = certificates.iter().map(|der| to_pem(CERTIFICATE, der));
            builder.load_pem(certificates.collect::<String>().as_bytes(), key.as_bytes())?;
            builder.build()
        };
        let chain = chain().map_err(|error: Error| PemError::UnusableForLegacy {
            path: files.certificate.clone(),
            reason: error.message().to_owned(),
        })?;
        Ok(Self {
            chain,
            key_algorithm: said.map(|said| said.key_algorithm),
        })
    }
}

/// Returns the result of a handshake.
fn agreed(connection: &Connection) -> Agreed {
    let version = match connection.actual_protocol_version() {
        Ok(s2n_tls::enums::Version::TLS13) => Version::Tls13,
        Ok(s2n_tls::enums::Version::TLS12) => Version::Tls12,
        Ok(s2n_tls::enums::Version::TLS11) => Version::Tls11,
        _ => Version::Tls10,
    };
    let alpn = connection.application_protocol();
    let alpn = alpn.map(|name| String::from_utf8_lossy(name).into());
    // The client's own certificate is the first. Each has its length in three bytes in front.
    let chain = connection.client_cert_chain_bytes().ok().flatten();
    let client = chain.map(|chain| {
        let first = chain.split_at_checked(3).and_then(|(len, rest)| {
            let len = len
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            rest.get(..len)
        });
        let said = first.and_then(CertificateFields::by);
        said.map_or_else(Default::default, |said| said.subject)
    });
    Agreed {
        version,
        cipher_suite: connection.cipher_suite().map_or("", registered),
        server_name: connection.server_name().map(Into::into),
        alpn,
        is_resumed: connection.resumed(),
        client,
    }
}

/// Returns the IANA name of a suite of the policy.
fn registered(name: &str) -> &'static str {
    match name {
        "ECDHE-ECDSA-AES128-GCM-SHA256" => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384" => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-SHA256" => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-ECDSA-AES256-SHA384" => "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
        "ECDHE-ECDSA-AES128-SHA" => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "ECDHE-ECDSA-AES256-SHA" => "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "ECDHE-RSA-AES128-GCM-SHA256" => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384" => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-AES128-SHA256" => "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-RSA-AES256-SHA384" => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        "ECDHE-RSA-AES128-SHA" => "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "ECDHE-RSA-AES256-SHA" => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "AES128-GCM-SHA256" => "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "AES256-GCM-SHA384" => "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "AES128-SHA256" => "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "AES128-SHA" => "TLS_RSA_WITH_AES_128_CBC_SHA",
        "AES256-SHA" => "TLS_RSA_WITH_AES_256_CBC_SHA",
        "DES-CBC3-SHA" => "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        _ => "",
    }
}

/// Accepts any name in a client's certificate: only its signature matters.
struct AnyName;

impl VerifyHostNameCallback for AnyName {
    fn verify_host_name(&self, _: &str) -> bool {
        true
    }
}

/// Keys are secrets.
impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}
