//! How a port speaks TLS.

use std::path::PathBuf;

use super::version::Version;

/// How a port speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// The certificates, of which each client gets the one for the host that it names (SNI), by the
    /// alternative names in it; `*.` stands for one label. The first is for clients that name none, or one
    /// that is nobody's. Where several are for one host, as with keys of RSA and of ECDSA, it is
    /// the first that the client understands.
    pub identities: Vec<IdentityFiles>,
    /// The oldest version that is spoken.
    pub min_version: Version,
    /// Whether clients prove who they are.
    pub clients: ClientCertificates,
}

/// Files in PEM form: certificates from the server's own up to the root, which may be left out, and the
/// key of the first. Both may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificates.
    pub certificate: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// Whether clients prove by a certificate who they are. One that is expired, or of nobody that is
/// trusted, ends the handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked to.
    #[default]
    None,
    /// They are asked, and may have none. A file in PEM form has the certificates of those that are trusted
    /// to sign theirs.
    Optional(PathBuf),
    /// They have to.
    Required(PathBuf),
}

impl ServerSettings {
    /// TLS 1.2 and 1.3 with one certificate.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let identity = IdentityFiles {
            certificate: certificate.into(),
            key: key.into(),
        };
        Self {
            identities: vec![identity],
            ..Self::default()
        }
    }

    /// The files that are read.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let identities = self.identities.iter();
        let identities = identities.flat_map(|files| [&files.certificate, &files.key]);
        identities.chain(self.clients.trusted())
    }
}

impl ClientCertificates {
    /// The file of those that are trusted.
    pub(super) fn trusted(&self) -> Option<&PathBuf> {
        match self {
            Self::None => None,
            Self::Optional(trusted) | Self::Required(trusted) => Some(trusted),
        }
    }
}
