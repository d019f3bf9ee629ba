//! How a connection is encrypted.

use std::sync::Arc;

use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use super::certificate::{CertificateSubject, Said};
use super::version::Version;

/// How the connection of a client is encrypted, and who it has proved to be: in the
/// [extensions](crate::Peer::extensions) of its peer where TLS ends here. Clones are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    agreed: Arc<Agreed>,
    /// The least version for this client where its site says nothing else.
    min_version: Version,
}

/// What a handshake has agreed on.
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
    /// By a handshake of rustls that is complete, for this host.
    pub(super) fn of(state: &CommonState, server_name: Option<&str>) -> Self {
        let alpn = state.alpn_protocol();
        let alpn = alpn.map(|name| String::from_utf8_lossy(name).into());
        let suite = state.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str());
        let client = state.peer_certificates().and_then(<[_]>::first);
        let client = client.map(|certificate| Said::by(certificate));
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
    /// What was agreed on, where the port wants this version at least.
    pub(super) fn new(agreed: Agreed, min_version: Version) -> Self {
        Self {
            agreed: Arc::new(agreed),
            min_version,
        }
    }

    /// Whether the version is older than it may be for a site that wants this one at least, or none in particular.
    pub(crate) fn is_too_old(&self, min_version: Option<Version>) -> bool {
        self.agreed.version < min_version.unwrap_or(self.min_version)
    }

    /// The version of TLS, as `1.3`.
    pub fn version(&self) -> &'static str {
        self.agreed.version.as_str()
    }

    /// The cipher suite, by the name that IANA has registered, as `TLS13_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> &'static str {
        self.agreed.cipher_suite
    }

    /// The host that the client named (SNI, RFC 6066 §3).
    pub fn server_name(&self) -> Option<&str> {
        self.agreed.server_name.as_deref()
    }

    /// The protocol that was agreed on by ALPN (RFC 7301), as `h2`.
    pub fn alpn(&self) -> Option<&str> {
        self.agreed.alpn.as_deref()
    }

    /// Whether an earlier session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.agreed.is_resumed
    }

    /// Whose certificate the client has proved to have. It was checked, and is of one that the port
    /// trusts.
    pub fn client(&self) -> Option<&CertificateSubject> {
        self.agreed.client.as_ref()
    }
}
