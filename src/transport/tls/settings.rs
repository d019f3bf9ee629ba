//! How a port speaks TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::version::Version;
use crate::transport::trusted::Trusted;

/// How a port speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// The certificates, of which each client gets the one for the host that it names (SNI), by the
    /// alternative names in it; `*.` stands for one label. The first is for clients that name none, or one
    /// that is nobody's. Where several are for one host, as with keys of RSA and of ECDSA, it is
    /// the first that the client understands.
    pub identities: Vec<IdentityFiles>,
    /// The least version, for clients and sites for which nothing else is said.
    pub min_version: Version,
    /// The same for some clients, by their address: the first network with it counts.
    pub networks: Vec<NetworkVersion>,
    /// A version that is less, with which a client gets as far as to its site:
    /// [`SiteSettings::tls_min_version`](crate::SiteSettings::tls_min_version) says which sites take it.
    pub site_version: Option<Version>,
    /// The certificate for clients that speak a version before TLS 1.2, or TLS 1.2 only without forward secrecy or
    /// authenticated encryption, which others of 2012 and later do: one of RSA that goes back to a root of
    /// then. They get it where they name no host, or one of its. Where it is `None`, they get those for all;
    /// those of TLS 1.2 are let in only where it is given, or an older version is.
    #[cfg(feature = "legacy-tls")]
    pub legacy: Option<IdentityFiles>,
    /// Whether clients prove who they are.
    pub clients: ClientCertificates,
}

/// The least version for the clients of some networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkVersion {
    /// The networks.
    pub networks: Trusted,
    /// The least version that their clients may speak.
    pub min_version: Version,
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
        #[cfg(feature = "legacy-tls")]
        let identities = identities.chain(&self.legacy);
        let identities = identities.flat_map(|files| [&files.certificate, &files.key]);
        identities.chain(self.clients.trusted())
    }

    /// The least version that a client at this address may speak where its site says nothing else.
    pub(super) fn min_version_for(&self, client: Option<SocketAddr>) -> Version {
        let mut networks = self.networks.iter();
        let own = networks.find(|own| own.networks.includes(client));
        own.map_or(self.min_version, |own| own.min_version)
    }

    /// The least version with which its handshake succeeds.
    pub(super) fn least_version(&self, client: Option<SocketAddr>) -> Version {
        let min_version = self.min_version_for(client);
        self.site_version.unwrap_or(min_version).min(min_version)
    }

    /// The least version that is spoken to anybody.
    pub(super) fn oldest_version(&self) -> Version {
        let networks = self.networks.iter().map(|own| own.min_version);
        let versions = networks.chain(self.site_version);
        versions.fold(self.min_version, Version::min)
    }

    /// Whether suites without forward secrecy or authenticated encryption are spoken to a client at this address.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn takes_old(&self, client: Option<SocketAddr>) -> bool {
        self.legacy.is_some() || self.least_version(client) < Version::Tls12
    }

    /// Whether they are spoken to anybody.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn takes_old_of_any(&self) -> bool {
        self.legacy.is_some() || self.oldest_version() < Version::Tls12
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
