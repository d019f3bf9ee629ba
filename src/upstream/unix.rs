//! A server on a Unix socket: `unix:PATH`.

use std::os::unix::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use polysock_protocols::hide_secrets;
use tokio::net::UnixStream;

use super::location::{problem_of, strip_scheme};
use super::proxying::announce;
use super::raw::connected;
use super::{Client, Connected, Upstream, UpstreamError, UpstreamSettings, UrlError};
use crate::transport::Io;

/// A server on a Unix socket.
#[derive(Clone, Debug)]
pub struct UnixUpstream {
    path: PathBuf,
    settings: UpstreamSettings,
    /// The URL with its secrets hidden, for the log.
    shown: Arc<str>,
}

impl UnixUpstream {
    /// Reads `unix:PATH`.
    ///
    /// # Errors
    ///
    /// The path is missing, or too long for a socket.
    pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let rest = strip_scheme("unix:", url);
        let rest = rest.ok_or_else(|| UrlError::Scheme(hide_secrets(url).into_owned()))?;
        // `unix:///run/app.sock` is the same as `unix:/run/app.sock`.
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() {
            return Err(problem_of(url, "the path is missing: write unix:PATH"));
        }
        if SocketAddr::from_pathname(path).is_err() {
            return Err(problem_of(url, "the path is too long for a socket"));
        }
        Ok(Self {
            path: path.into(),
            settings,
            shown: hide_secrets(url).into(),
        })
    }
}

impl Upstream for UnixUpstream {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        let connecting = async {
            let stream = UnixStream::connect(&self.path).await;
            let mut stream = stream.map_err(|error| UpstreamError::Connect {
                address: self.path.display().to_string(),
                error,
            })?;
            let proxy_protocol = self.settings.proxy_protocol;
            announce(&mut stream, proxy_protocol, Some(client.peer)).await?;
            Ok(Io::new(stream))
        };
        Box::pin(async move {
            Ok(Connected {
                target: Some(Arc::clone(&self.shown)),
                ..connected(connecting, &self.settings, client).await?
            })
        })
    }
}
