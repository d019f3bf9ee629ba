//! The transport to a TCP server: its address, the PROXY header, and TLS.

use std::time::Duration;

use polysock_protocols::{ProxyVersion, hide_secrets};
use tokio::net::TcpStream;

use super::address::Address;
use super::location::Location;
use super::proxying::announce;
use super::{UpstreamError, UpstreamSettings, UrlError};
#[cfg(feature = "tls")]
use crate::transport::tls::{ClientTls, ServerName, TlsError};
use crate::transport::{Alpn, Io, Peer};

/// The transport to a TCP server. Clones share the results of look-ups.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    address: Address,
    keep_alive: Duration,
    /// The PROXY header at the beginning of a connection, if any.
    proxy_protocol: Option<ProxyVersion>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// The TLS settings of a transport.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
struct Tls {
    client: ClientTls,
    /// The name of the server in the URL.
    name: ServerName,
    alpn: Alpn,
}

#[cfg(feature = "tls")]
impl Connector {
    /// Creates the transport to the server in a URL. `alpn` is the protocol that is spoken over
    /// TLS.
    ///
    /// # Errors
    ///
    /// The URL asks for TLS, and its host cannot be in a certificate.
    pub(super) fn new(
        url: &str,
        location: &Location,
        settings: &UpstreamSettings,
        alpn: Alpn,
    ) -> Result<Self, UrlError> {
        let tls = location.is_tls().then(|| {
            Ok(Tls {
                client: settings.tls.clone(),
                name: location.name().parse().map_err(|_| UrlError::Address {
                    url: hide_secrets(url).into_owned(),
                    problem: "the host is not valid in a certificate",
                })?,
                alpn,
            })
        });
        Ok(Self {
            tls: tls.transpose()?,
            ..Self::without_tls(location, settings)
        })
    }

    /// Connects on behalf of a client, or for Polysock itself if `peer` is `None`. Connecting has
    /// no time limit.
    pub(super) async fn connect(&self, peer: Option<&Peer>) -> Result<Io, UpstreamError> {
        let stream = self.begin(peer).await?;
        let Some(Tls { client, name, alpn }) = &self.tls else {
            return Ok(Io::new(stream));
        };
        let connected = client.connect(stream, name, *alpn).await;
        connected.map_err(|error| self.no_tls(error))
    }

    /// Returns the number of the current TLS settings, which changes when they are replaced.
    pub(super) fn tls_number(&self) -> u64 {
        self.tls.as_ref().map_or(0, |tls| tls.client.number())
    }

    /// Returns a TLS error if TLS caused this error, else the error unchanged. A server may refuse
    /// a client's certificate only after the handshake.
    pub(super) fn as_tls_error(&self, error: UpstreamError) -> UpstreamError {
        match &error {
            UpstreamError::Io(cause) => TlsError::within(cause),
            UpstreamError::Http(cause) => {
                let source = std::error::Error::source(cause);
                let source = source.and_then(|source| source.downcast_ref());
                source.and_then(TlsError::within)
            }
            _ => None,
        }
        .map_or(error, |error| self.no_tls(error))
    }

    fn no_tls(&self, error: TlsError) -> UpstreamError {
        UpstreamError::Tls {
            address: self.address.text().to_owned(),
            error,
        }
    }
}

#[cfg(not(feature = "tls"))]
impl Connector {
    /// Creates the transport to the server in a URL.
    ///
    /// # Errors
    ///
    /// The URL asks for TLS.
    pub(super) fn new(
        url: &str,
        location: &Location,
        settings: &UpstreamSettings,
        _alpn: Alpn,
    ) -> Result<Self, UrlError> {
        match location.is_tls() {
            true => Err(UrlError::Tls(hide_secrets(url).into_owned())),
            false => Ok(Self::without_tls(location, settings)),
        }
    }

    /// Connects on behalf of a client, or for Polysock itself if `peer` is `None`. Connecting has
    /// no time limit.
    pub(super) async fn connect(&self, peer: Option<&Peer>) -> Result<Io, UpstreamError> {
        Ok(Io::new(self.begin(peer).await?))
    }

    /// Returns 0: there is no TLS.
    pub(super) fn tls_number(&self) -> u64 {
        0
    }

    /// Returns the error unchanged.
    pub(super) fn as_tls_error(&self, error: UpstreamError) -> UpstreamError {
        error
    }
}

impl Connector {
    fn without_tls(location: &Location, settings: &UpstreamSettings) -> Self {
        Self {
            address: Address::new(location.address(), settings.allow.clone()),
            keep_alive: settings.keep_alive,
            proxy_protocol: settings.proxy_protocol,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    async fn begin(&self, peer: Option<&Peer>) -> Result<TcpStream, UpstreamError> {
        let mut stream = self.address.connect(self.keep_alive).await?;
        announce(&mut stream, self.proxy_protocol, peer).await?;
        Ok(stream)
    }
}
