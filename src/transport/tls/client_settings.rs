//! The settings of TLS for clients.

use super::authorities::Authorities;
use super::identity::Identity;
use super::key_pin::KeyPin;
use super::server_name::ServerName;
use super::version::Version;

/// The settings of TLS for clients.
#[derive(Clone, Debug)]
pub struct ClientTlsSettings {
    /// The authorities, one of which must have signed the server's certificate. `None`, the
    /// default, means those of the system.
    pub authorities: Option<Authorities>,
    /// The keys, one of which the server must have in addition. Empty, the default, allows any.
    pub pins: Vec<KeyPin>,
    /// The certificate for servers that request one. `None`, the default, is no certificate.
    pub identity: Option<Identity>,
    /// The name that is sent to the server (SNI, RFC 6066 §3), and that its certificate must
    /// contain. `None`, the default, is the host of the URL. An IP address is not sent.
    pub server_name: Option<ServerName>,
    /// The minimum version.
    pub min_version: Version,
    /// Whether the server's certificate is verified: its signature, its name and its validity.
    /// Disabling this is unsafe. A server must then still have one of the pinned keys, if there are
    /// any.
    pub verify: bool,
}

impl Default for ClientTlsSettings {
    fn default() -> Self {
        Self {
            authorities: None,
            pins: Vec::new(),
            identity: None,
            server_name: None,
            min_version: Version::default(),
            verify: true,
        }
    }
}
