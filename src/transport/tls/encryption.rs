//! The encryption of a connection.

use std::sync::Arc;

use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use super::certificate::{CertificateFields, CertificateSubject};
use super::version::Version;

/// The encryption of a client's connection, and the identity that the client has proved. It is in
/// the [extensions](crate::Peer::extensions) of the peer if TLS ends here. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    agreed: Arc<Agreed>,
    /// The minimum version for this client if its site sets none.
    min_version: Version,
}

/// The result of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) version: Version,
    pub(super) cipher_suite: &'static str,
    pub(super) server_name: Option<Box<str>>,
    pub(super) alpn: Option<Box<str>>,
    pub(super) is_resumed: bool,
    pub(super) client: Option<CertificateSubject>,
}

impl Agreed {
    /// Returns the result of a complete rustls handshake for this host.
    pub(super) fn of(state: &CommonState, server_name: Option<&str>) -> Self {
        let alpn = state.alpn_protocol();
        let alpn = alpn.map(|name| String::from_utf8_lossy(name).into());
        let suite = state.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str());
        let client = state.peer_certificates().and_then(<[_]>::first);
        let client = client.map(|certificate| CertificateFields::by(certificate));
        let client =
            client.map(|said| said.map_or_else(CertificateSubject::default, |said| said.subject));
        Self {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
                _ => Version::Tls12,
            },
            cipher_suite: suite.unwrap_or_default(),
            server_name: server_name.map(Into::into),
            alpn,
            is_resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            client,
        }
    }
}

impl Encryption {
    /// Creates the encryption of a connection. `min_version` is the minimum of the port.
    pub(super) fn new(agreed: Agreed, min_version: Version) -> Self {
        Self {
            agreed: Arc::new(agreed),
            min_version,
        }
    }

    /// True if the version is older than the site's minimum, or the port's if the site has none.
    pub(crate) fn is_too_old(&self, min_version: Option<Version>) -> bool {
        self.agreed.version < min_version.unwrap_or(self.min_version)
    }

    /// Returns the version of TLS, as `1.3`.
    pub fn version(&self) -> &'static str {
        self.agreed.version.as_str()
    }

    /// Returns the IANA name of the cipher suite, as `TLS13_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> &'static str {
        self.agreed.cipher_suite
    }

    /// Returns the host that the client named (SNI, RFC 6066 §3); `None` if it named none.
    pub fn server_name(&self) -> Option<&str> {
        self.agreed.server_name.as_deref()
    }

    /// Returns the protocol agreed by ALPN (RFC 7301), as `h2`; `None` if there is none.
    pub fn alpn(&self) -> Option<&str> {
        self.agreed.alpn.as_deref()
    }

    /// True if an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.agreed.is_resumed
    }

    /// Returns the subject of the client's certificate; `None` if the client sent none. The
    /// certificate was verified, and is signed by an authority that the port trusts.
    pub fn client(&self) -> Option<&CertificateSubject> {
        self.agreed.client.as_ref()
    }
}
