//! Plain byte streams: `tcp://HOST:PORT` and `unix:PATH`.

use std::path::PathBuf;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{RawCodec, Request, Role};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::{Upstream, UpstreamError, UpstreamSettings, UrlError};
use crate::connection::{Connection, ConnectionOptions};
use crate::transport::Io;

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
        _request: &'a Request,
    ) -> BoxFuture<'a, Result<Connection, UpstreamError>> {
        Box::pin(async move {
            let stream = connect_tcp(&self.address, &self.settings).await?;
            Ok(raw(Io::Tcp(stream), &self.settings))
        })
    }

    fn subprotocol(&self, request: &Request, _connection: &Connection) -> Option<ByteString> {
        bytes_subprotocol(request)
    }
}

/// A server on a Unix socket.
#[derive(Clone, Debug)]
pub struct UnixUpstream {
    path: PathBuf,
    settings: UpstreamSettings,
}

impl UnixUpstream {
    /// Reads the path.
    ///
    /// # Errors
    ///
    /// It is missing.
    pub fn parse(path: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        // `unix:///run/app.sock` is the same as `unix:/run/app.sock`.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(UrlError::Address {
                url: "unix:".into(),
                problem: "the path is missing: write unix:PATH",
            });
        }
        Ok(Self {
            path: path.into(),
            settings,
        })
    }
}

impl Upstream for UnixUpstream {
    fn connect<'a>(
        &'a self,
        _request: &'a Request,
    ) -> BoxFuture<'a, Result<Connection, UpstreamError>> {
        Box::pin(async move {
            let connecting = timeout(
                self.settings.connect_timeout,
                UnixStream::connect(&self.path),
            );
            let stream = connecting.await.map_err(|_| UpstreamError::Timeout)?;
            let stream = stream.map_err(|error| UpstreamError::Connect {
                address: self.path.display().to_string(),
                error,
            })?;
            Ok(raw(Io::new(stream), &self.settings))
        })
    }

    fn subprotocol(&self, request: &Request, _connection: &Connection) -> Option<ByteString> {
        bytes_subprotocol(request)
    }
}

/// Connects to `HOST:PORT` within the connect timeout.
pub(super) async fn connect_tcp(
    address: &str,
    settings: &UpstreamSettings,
) -> Result<TcpStream, UpstreamError> {
    let connecting = timeout(settings.connect_timeout, TcpStream::connect(address));
    let stream = connecting.await.map_err(|_| UpstreamError::Timeout)?;
    let stream = stream.map_err(|error| UpstreamError::Connect {
        address: address.to_owned(),
        error,
    })?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn raw(transport: Io, settings: &UpstreamSettings) -> Connection {
    let options = ConnectionOptions {
        session: settings.session,
        ..ConnectionOptions::new("raw", Role::Client)
    };
    Connection::new(transport, RawCodec::boxed(), options)
}

/// What a client of a byte stream is answered with: the first of what it offers, but `base64`, the
/// convention of websockify, where its protocol has no binary messages.
fn bytes_subprotocol(request: &Request) -> Option<ByteString> {
    let text_only = !request.protocol.capabilities().binary;
    let offered = &request.subprotocols;
    let base64 = offered
        .iter()
        .find(|name| text_only && &***name == "base64");
    base64.or(offered.first()).cloned()
}
