//! A TCP server: `tcp://HOST:PORT`.

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::Request;
use tokio::net::TcpStream;

use super::raw::{connection, subprotocol};
use super::{Client, Upstream, UpstreamError, UpstreamSettings, UrlError};
use crate::connection::Connection;

/// A TCP server.
#[derive(Clone, Debug)]
pub struct TcpUpstream {
    address: String,
    settings: UpstreamSettings,
}

impl TcpUpstream {
    /// Reads `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Host or port is missing.
    pub fn parse(address: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let error = |problem| UrlError::Address {
            url: format!("tcp://{address}"),
            problem,
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address
            .rsplit_once(':')
            .ok_or(error("the port is missing: write tcp://HOST:PORT"))?;
        if host.is_empty() {
            return Err(error("the host is missing: write tcp://HOST:PORT"));
        }
        if port.parse::<u16>().is_err() {
            return Err(error("the port is not a number up to 65535"));
        }
        Ok(Self {
            address: address.to_owned(),
            settings,
        })
    }
}

impl Upstream for TcpUpstream {
    fn connect<'a>(
        &'a self,
        _client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connection, UpstreamError>> {
        Box::pin(async move {
            let stream = self.settings.in_time(connect(&self.address)).await?;
            Ok(connection(stream, &self.settings))
        })
    }

    fn subprotocol(&self, request: &Request, _connection: &Connection) -> Option<ByteString> {
        subprotocol(request)
    }
}

/// Connects to `HOST:PORT`.
pub(super) async fn connect(address: &str) -> Result<TcpStream, UpstreamError> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| UpstreamError::Connect {
        address: address.to_owned(),
        error,
    })?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
