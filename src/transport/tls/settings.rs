//! The TLS settings of a port.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::version::Version;
use crate::transport::trusted::Trusted;

/// The TLS settings of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// The certificates. Each client gets the one whose alternative names contain the host that it
    /// names (SNI); `*.` stands for one label. The first is for clients that name no host, or an
    /// unknown one. If several match a host, for example with keys of RSA and of ECDSA, the first
    /// that the client supports is used.
    pub identities: Vec<IdentityFiles>,
    /// The minimum version, for clients and sites without one of their own.
    pub min_version: Version,
    /// The minimum versions for clients of some networks. The first network with the address
    /// counts.
    pub networks: Vec<NetworkVersion>,
    /// An older version that also completes the handshake, for sites that accept it:
    /// [`SiteSettings::tls_min_version`](crate::SiteSettings::tls_min_version). `None` if there is
    /// none.
    pub site_version: Option<Version>,
    /// The certificate for old clients: those with a version before TLS 1.2, or with TLS 1.2 but
    /// without forward secrecy or authenticated encryption, which clients from 2012 on usually
    /// have. It should be an RSA certificate under a root of that time. Old clients get it if they
    /// name no host, or one of its hosts. If it is `None`, they get the certificates for all
    /// clients. Old clients with TLS 1.2 are admitted only if it is set, or if an older version is
    /// permitted.
    #[cfg(feature = "legacy-tls")]
    pub legacy: Option<IdentityFiles>,
    /// The certificates that clients are requested to present.
    pub clients: ClientCertificates,
}

/// The minimum version for clients of some networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkVersion {
    /// The networks.
    pub networks: Trusted,
    /// The minimum version of their clients.
    pub min_version: Version,
}

/// Files in PEM form: the server's own certificate, its chain up to the root, which may be left
/// out, and the key. Both may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificates.
    pub certificate: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// The request for client certificates. A certificate that has expired, or is not signed by a
/// trusted authority, ends the handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No certificate is requested.
    #[default]
    None,
    /// A certificate is requested, but not required. The file in PEM form contains the certificates
    /// of the trusted authorities.
    Optional(PathBuf),
    /// A certificate is required. The file is the same as for [`Optional`](Self::Optional).
    Required(PathBuf),
}

impl ServerSettings {
    /// Creates settings for TLS 1.2 and 1.3 with one certificate.
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

    /// Returns the files that are read.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let identities = self.identities.iter();
        #[cfg(feature = "legacy-tls")]
        let identities = identities.chain(&self.legacy);
        let identities = identities.flat_map(|files| [&files.certificate, &files.key]);
        identities.chain(self.clients.trusted())
    }

    /// Returns the minimum version of a client at this address if its site sets none.
    pub(super) fn min_version_for(&self, client: Option<SocketAddr>) -> Version {
        let mut networks = self.networks.iter();
        let own = networks.find(|own| own.networks.includes(client));
        own.map_or(self.min_version, |own| own.min_version)
    }

    /// Returns the minimum version with which the handshake of a client succeeds.
    pub(super) fn least_version(&self, client: Option<SocketAddr>) -> Version {
        let min_version = self.min_version_for(client);
        self.site_version.unwrap_or(min_version).min(min_version)
    }

    /// Returns the oldest version that any client may use.
    pub(super) fn oldest_version(&self) -> Version {
        let networks = self.networks.iter().map(|own| own.min_version);
        let versions = networks.chain(self.site_version);
        versions.fold(self.min_version, Version::min)
    }

    /// True if a client at this address may use suites without forward secrecy or authenticated
    /// encryption.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn accepts_legacy(&self, client: Option<SocketAddr>) -> bool {
        self.legacy.is_some() || self.least_version(client) < Version::Tls12
    }

    /// True if any client may use them.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn takes_old_of_any(&self) -> bool {
        self.legacy.is_some() || self.oldest_version() < Version::Tls12
    }
}

impl ClientCertificates {
    /// Returns the file of the trusted authorities; `None` if no certificate is requested.
    pub(super) fn trusted(&self) -> Option<&PathBuf> {
        match self {
            Self::None => None,
            Self::Optional(trusted) | Self::Required(trusted) => Some(trusted),
        }
    }
}
