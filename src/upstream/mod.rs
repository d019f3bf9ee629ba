//! What stands behind a gateway.

mod dial;
mod error;
mod location;
mod raw;
mod settings;
mod tcp;
mod unix;
mod url;
mod websocket;

use std::fmt;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::Request;

pub use self::dial::dial;
pub use self::error::{UpstreamError, UrlError};
pub use self::settings::UpstreamSettings;
pub use self::tcp::TcpUpstream;
pub use self::unix::UnixUpstream;
pub use self::url::parse;
pub use self::websocket::WebSocketUpstream;
use crate::connection::Connection;
use crate::transport::Peer;

/// A kind of thing that a gateway connects its clients to.
pub trait Upstream: fmt::Debug + Send + Sync + 'static {
    /// Connects, on behalf of a client, within the time that its settings give it.
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connection, UpstreamError>>;

    /// The subprotocol that the client is answered with: by default, what the upstream chose.
    fn subprotocol(&self, _request: &Request, connection: &Connection) -> Option<ByteString> {
        connection.subprotocol().cloned()
    }
}

/// For whom an upstream is connected.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// What it asks for.
    pub request: &'a Request,
    /// Where it is, and what else is known of it.
    pub peer: &'a Peer,
}
