//! How servers are met by TLS.

use super::authorities::Authorities;
use super::identity::Identity;
use super::key_pin::KeyPin;
use super::server_name::ServerName;
use super::version::Version;

/// How servers are met by TLS.
#[derive(Clone, Debug)]
pub struct ClientTlsSettings {
    /// The authorities of whom one has to have signed the certificate of a server; `None`, the default: those
    /// of the system.
    pub authorities: Option<Authorities>,
    /// The keys of which a server has to have one, beside that; none, the default: any.
    pub pins: Vec<KeyPin>,
    /// What is shown to a server that asks for a certificate; `None`, the default: nothing.
    pub identity: Option<Identity>,
    /// The name that a server is asked for (SNI, RFC 6066 §3), and that its certificate has to have;
    /// `None`, the default: the host of its URL. A server is asked for no address.
    pub server_name: Option<ServerName>,
    /// The least version.
    pub min_version: Version,
    /// Whether it matters who has signed the certificate of a server, for which name, and until when. Where it
    /// does not, which is unsafe, a server has to have one of the keys that are pinned, if any are.
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
