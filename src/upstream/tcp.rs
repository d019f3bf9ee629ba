//! A TCP server: `tcp://HOST:PORT`, or over TLS: `tls://HOST:PORT`.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use polysock_protocols::hide_secrets;

use super::connector::Connector;
use super::location::{Location, problem_of, strip_scheme};
use super::raw::connected;
use super::{Client, Connected, Upstream, UpstreamError, UpstreamSettings, UrlError};
use crate::transport::Alpn;

/// A TCP server, over TLS or not.
#[derive(Clone, Debug)]
pub struct TcpUpstream {
    connector: Connector,
    settings: UpstreamSettings,
    /// The URL with its secrets hidden, for the log.
    shown: Arc<str>,
}

impl TcpUpstream {
    /// Reads `tcp://HOST:PORT`, or `tls://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// The host or the port is missing, or the URL has a user, a path or a query.
    pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        let schemes = [("tcp://", false), ("tls://", true)];
        let mut schemes = schemes.into_iter();
        let location =
            schemes.find_map(|(scheme, is_tls)| Some((strip_scheme(scheme, url)?, is_tls)));
        let (rest, is_tls) =
            location.ok_or_else(|| UrlError::Scheme(hide_secrets(url).into_owned()))?;
        let location = Location::read(url, rest, is_tls)?;
        if location.port().is_none() {
            let problem = "the port is missing: write tcp://HOST:PORT, or tls://";
            return Err(problem_of(url, problem));
        }
        if location.has_user() || location.target().is_some() {
            let problem = "the URL of a byte stream has no user, path or query: write tcp://HOST:PORT, or tls://";
            return Err(problem_of(url, problem));
        }
        Ok(Self {
            connector: Connector::new(url, &location, &settings, Alpn::Unsaid)?,
            settings,
            shown: hide_secrets(url).into(),
        })
    }
}

impl Upstream for TcpUpstream {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        Box::pin(async move {
            let connecting = self.connector.connect(Some(client.peer));
            Ok(Connected {
                target: Some(Arc::clone(&self.shown)),
                ..connected(connecting, &self.settings, client).await?
            })
        })
    }
}
