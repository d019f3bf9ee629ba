//! The TLS settings of connections to servers.

use std::path::PathBuf;

use polysock::tls::{KeyPin, ServerName};
use serde_json::json;

use super::form::{List, Maybe, Switch, Word, quoted};
use super::key::Key;
use super::tls;
use super::words::Place;
use crate::flags::tls::MinVersion;

/// The TLS settings of connections to servers whose URLs request TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamTls {
    /// The file of the authorities; `None` for those of the system.
    pub(crate) ca: Option<PathBuf>,
    /// The public keys of which a server must have one; empty for any.
    pub(crate) pins: Vec<KeyPin>,
    /// The file of the client certificate, for servers that request one.
    pub(crate) certificate: Option<PathBuf>,
    /// The file of its key; `None` for that of the certificate.
    pub(crate) key: Option<PathBuf>,
    /// The name that servers are verified against and that SNI sends; `None` for the hosts of their
    /// URLs.
    pub(crate) server_name: Option<ServerName>,
    pub(crate) min_version: MinVersion,
    /// True if certificates are verified.
    pub(crate) verify: bool,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self {
            ca: None,
            pins: Vec::new(),
            certificate: None,
            key: None,
            server_name: None,
            min_version: MinVersion::default(),
            verify: true,
        }
    }
}

/// The keys of [`UpstreamTls`].
pub(super) fn keys() -> Vec<Key<UpstreamTls>> {
    vec![
        Key::new(
            "ca",
            Maybe(Place),
            |tls: &mut UpstreamTls| &mut tls.ca,
            "A PEM file with the authorities that are trusted to sign server certificates. Default: those of the \
             system.",
        )
        .example("\"/etc/polysock/ca.pem\""),
        Key::new(
            "pin",
            List(pin()),
            |tls: &mut UpstreamTls| &mut tls.pins,
            "The public keys of which a server must have one in addition: \"sha256/\" and the base64 of the SHA-256 of \
             its SubjectPublicKeyInfo. Empty: any.",
        ),
        Key::new(
            "certificate",
            Maybe(Place),
            |tls: &mut UpstreamTls| &mut tls.certificate,
            "A PEM file with the certificate for servers that request one, followed by the certificates that signed \
             it. Default: none.",
        )
        .example("\"/etc/polysock/client.pem\""),
        Key::new(
            "key",
            Maybe(Place),
            |tls: &mut UpstreamTls| &mut tls.key,
            "The file of the certificate's key. Default: the file of the certificate.",
        )
        .example("\"/etc/polysock/client.key\""),
        Key::new(
            "server_name",
            Maybe(server_name()),
            |tls: &mut UpstreamTls| &mut tls.server_name,
            "The name that is sent to a server (SNI), and that its certificate must contain. Default: the host of its \
             URL.",
        )
        .example("\"app.example\""),
        Key::new(
            "min_version",
            tls::version(),
            |tls: &mut UpstreamTls| &mut tls.min_version,
            "The minimum TLS version: \"1.2\" or \"1.3\"; \"1.0\" or \"1.1\" for old servers, in a build with the \
             feature legacy-tls.",
        ),
        Key::new(
            "verify",
            Switch,
            |tls: &mut UpstreamTls| &mut tls.verify,
            "Whether the signature, the name and the validity period of server certificates are verified. Otherwise \
             only `pin` distinguishes a server from an attacker in between.",
        ),
    ]
}

fn pin() -> Word<KeyPin> {
    Word {
        read: |text| {
            let pin = text.parse();
            pin.map_err(|error: polysock::tls::KeyPinError| error.to_string())
        },
        write: |pin| Some(quoted(&pin.to_string())),
        schema: || json!({ "type": "string", "pattern": "^sha256/|\\$\\{" }),
    }
}

fn server_name() -> Word<ServerName> {
    Word {
        read: |text| {
            let name = text.parse();
            name.map_err(|error: polysock::tls::ServerNameError| error.to_string())
        },
        write: |name| Some(quoted(&name.to_string())),
        schema: || json!({ "type": "string" }),
    }
}
