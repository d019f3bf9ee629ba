//! A server on a Unix socket: `unix:PATH`.

use std::path::PathBuf;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::Request;
use tokio::net::UnixStream;

use super::raw::{connection, subprotocol};
use super::{Client, Upstream, UpstreamError, UpstreamSettings, UrlError};
use crate::connection::Connection;

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
        _client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connection, UpstreamError>> {
        Box::pin(async move {
            let connecting = async {
                let stream = UnixStream::connect(&self.path).await;
                stream.map_err(|error| UpstreamError::Connect {
                    address: self.path.display().to_string(),
                    error,
                })
            };
            let stream = self.settings.in_time(connecting).await?;
            Ok(connection(stream, &self.settings))
        })
    }

    fn subprotocol(&self, request: &Request, _connection: &Connection) -> Option<ByteString> {
        subprotocol(request)
    }
}
