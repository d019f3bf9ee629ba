//! The TLS settings of a listener.

use std::path::PathBuf;

use polysock::Trusted;
use serde_json::json;

use super::form::{Choice, List, Maybe, Word, quoted};
use super::key::{Key, Section};
use super::words::{Place, TrustedList};
use crate::flags::tls::{MinVersion, min_version};

/// The TLS settings of a listener: `tls` in a `[[listener]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The first certificate and its key.
    pub(crate) first: Identity,
    /// The certificates of further hosts.
    pub(crate) certificates: Vec<Identity>,
    pub(crate) min_version: MinVersion,
    /// Networks with a minimum version of their own.
    pub(crate) networks: Vec<Network>,
    /// The certificate for legacy clients.
    pub(crate) legacy: Option<Identity>,
    /// The file of the authorities that sign client certificates.
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) client_certificate: Option<ClientCertificate>,
}

/// The minimum version for the clients of some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) networks: Trusted,
    pub(crate) min_version: MinVersion,
}

/// The files of a certificate and its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate: Option<PathBuf>,
    /// `None` if the file of the certificate contains the key as well.
    pub(crate) key: Option<PathBuf>,
}

/// The requirement for client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientCertificate {
    Optional,
    Required,
}

impl Tls {
    /// All certificates, beginning with the first.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &Identity> {
        let first = Some(&self.first).filter(|first| first.certificate.is_some());
        first.into_iter().chain(&self.certificates)
    }
}

/// The form of `[listener.tls]`.
pub(super) fn table() -> Maybe<Section<Tls>> {
    Maybe(Section {
        title: "[listener.tls]",
        keys,
    })
}

fn keys() -> Vec<Key<Tls>> {
    vec![
        Key::new(
            "certificate",
            Maybe(Place),
            |tls: &mut Tls| &mut tls.first.certificate,
            "A PEM file with the certificate, followed by the certificates that signed it. Clients get it unless they \
             name the host of another certificate. The file is read again when it changes.",
        )
        .example("\"site.pem\""),
        Key::new(
            "key",
            Maybe(Place),
            |tls: &mut Tls| &mut tls.first.key,
            "The file of the certificate's key. Default: the file of the certificate.",
        )
        .example("\"site.key\""),
        Key::new(
            "certificates",
            List(Section {
                title: "certificates",
                keys: identity_keys,
            }),
            |tls: &mut Tls| &mut tls.certificates,
            "Certificates of further hosts. Each client gets the certificate of the host that it names (SNI).",
        )
        .example("[{ certificate = \"other.pem\", key = \"other.key\" }]"),
        Key::new(
            "min_version",
            version(),
            |tls| &mut tls.min_version,
            "The minimum TLS version: \"1.2\" or \"1.3\"; \"1.0\" or \"1.1\" for old clients, in a build with the \
             feature legacy-tls. A route may override it.",
        ),
        Key::new(
            "networks",
            List(Section {
                title: "networks",
                keys: network_keys,
            }),
            |tls: &mut Tls| &mut tls.networks,
            "The minimum TLS versions of clients in some networks. The first entry that contains the client's address \
             applies.",
        )
        .example("[{ networks = [\"10.0.0.0/8\"], min_version = \"1.2\" }]"),
        Key::new(
            "legacy",
            Maybe(Section {
                title: "legacy",
                keys: identity_keys,
            }),
            |tls: &mut Tls| &mut tls.legacy,
            "The certificate for old clients: those that speak only versions before TLS 1.2, and those of TLS 1.2 that \
             offer no cipher suite with forward secrecy and authenticated encryption. The latter are accepted only if \
             this key is set. The certificate should have an RSA key, and a root that such clients trust. This \
             requires a build with the feature legacy-tls.",
        )
        .example("{ certificate = \"old.pem\", key = \"old.key\" }"),
        Key::new(
            "client_ca",
            Maybe(Place),
            |tls: &mut Tls| &mut tls.client_ca,
            "A file with the certificates of the authorities that are trusted to sign client certificates.",
        )
        .example("\"clients.pem\""),
        Key::new(
            "client_certificate",
            Maybe(Choice(&[
                ("optional", ClientCertificate::Optional),
                ("required", ClientCertificate::Required),
            ])),
            |tls: &mut Tls| &mut tls.client_certificate,
            "The requirement for client certificates: \"optional\" or \"required\". Default: required if client_ca is \
             set; otherwise no certificate is requested.",
        )
        .example("\"required\""),
    ]
}

/// The form of a TLS version.
pub(super) fn version() -> Word<MinVersion> {
    Word {
        read: min_version,
        write: |version| Some(quoted(version.as_str())),
        schema: || json!({ "enum": ["1.0", "1.1", "1.2", "1.3"] }),
    }
}

fn network_keys() -> Vec<Key<Network>> {
    vec![
        Key::new(
            "networks",
            TrustedList,
            |network: &mut Network| &mut network.networks,
            "The networks of the clients.",
        ),
        Key::new(
            "min_version",
            version(),
            |network| &mut network.min_version,
            "The minimum TLS version of these clients.",
        ),
    ]
}

fn identity_keys() -> Vec<Key<Identity>> {
    vec![
        Key::new(
            "certificate",
            Maybe(Place),
            |identity: &mut Identity| &mut identity.certificate,
            "A file with the certificate.",
        ),
        Key::new(
            "key",
            Maybe(Place),
            |identity: &mut Identity| &mut identity.key,
            "The file of the certificate's key. Default: the file of the certificate.",
        ),
    ]
}
