//! The way to a server on TCP: its address, what a connection begins with, and TLS.

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

/// The way to a server on TCP. Clones share what was looked up.
#[derive(Clone, Debug)]
pub(super) struct Way {
    address: Address,
    keep_alive: Duration,
    /// The header that a connection begins with.
    proxy_protocol: Option<ProxyVersion>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// TLS on the way.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
struct Tls {
    client: ClientTls,
    /// What the URL calls the server.
    name: ServerName,
    alpn: Alpn,
}

#[cfg(feature = "tls")]
impl Way {
    /// The way to where a URL points, over which this is spoken.
    ///
    /// # Errors
    ///
    /// It asks for TLS, and its host is no name of a server.
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
                    problem: "no certificate can have this host",
                })?,
                alpn,
            })
        });
        Ok(Self {
            tls: tls.transpose()?,
            ..Self::without_tls(location, settings)
        })
    }

    /// Connects on behalf of a client, or on our own. No time is bounded here.
    pub(super) async fn connect(&self, peer: Option<&Peer>) -> Result<Io, UpstreamError> {
        let stream = self.begin(peer).await?;
        let Some(Tls { client, name, alpn }) = &self.tls else {
            return Ok(Io::new(stream));
        };
        let connected = client.connect(stream, name, *alpn).await;
        connected.map_err(|error| self.no_tls(error))
    }

    /// Which TLS is spoken at present, of those that take each other's place.
    pub(super) fn tls_number(&self) -> u64 {
        self.tls.as_ref().map_or(0, |tls| tls.client.number())
    }

    /// The same error, where TLS has to do with it as such: a server may refuse a client's certificate only
    /// when its handshake is over.
    pub(super) fn told(&self, error: UpstreamError) -> UpstreamError {
        match &error {
            UpstreamError::Io(told) => TlsError::within(told),
            UpstreamError::Http(told) => {
                let source = std::error::Error::source(told);
                let source = source.and_then(|source| source.downcast_ref());
                source.and_then(TlsError::within)
            }
            _ => None,
        }
        .map_or(error, |told| self.no_tls(told))
    }

    fn no_tls(&self, error: TlsError) -> UpstreamError {
        UpstreamError::Tls {
            address: self.address.text().to_owned(),
            error,
        }
    }
}

#[cfg(not(feature = "tls"))]
impl Way {
    /// The way to where a URL points.
    ///
    /// # Errors
    ///
    /// It asks for TLS.
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

    /// Connects on behalf of a client, or on our own. No time is bounded here.
    pub(super) async fn connect(&self, peer: Option<&Peer>) -> Result<Io, UpstreamError> {
        Ok(Io::new(self.begin(peer).await?))
    }

    /// Which TLS is spoken: always the same, none.
    pub(super) fn tls_number(&self) -> u64 {
        0
    }

    /// The same error.
    pub(super) fn told(&self, error: UpstreamError) -> UpstreamError {
        error
    }
}

impl Way {
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
