//! The upstreams of a gateway.

mod address;
mod auto;
mod captures;
mod connector;
mod counted;
mod dial;
mod error;
mod exec;
mod forwarding;
mod group;
mod header_policy;
mod http;
mod location;
mod proxying;
mod raw;
mod refusal;
mod rewrite;
mod settings;
mod target;
mod tcp;
mod template;
mod tokens;
mod unix;
mod url;
mod websocket;

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::{Fields, Request};

pub use self::auto::AutoUpstream;
pub use self::captures::Captures;
pub use self::counted::Counted;
pub use self::dial::dial;
pub use self::error::{UpstreamError, UrlError};
pub use self::exec::{ExecSettings, ExecUpstream, ExitError, end_processes};
pub(crate) use self::forwarding::RequestOrigin;
pub use self::forwarding::{ForwardSettings, ForwardedStyle, HostSent};
pub use self::group::{
    Balance, Ejection, Group, GroupSettings, HashOf, HealthCheck, Key, Lease, Target,
};
pub use self::header_policy::{FieldError, HeaderPolicy};
pub use self::http::{HttpUpstream, NotAnswered};
pub use self::refusal::Refusal;
pub use self::rewrite::{PathPrefix, PathTemplate, Rewrite, RewriteError};
pub use self::settings::UpstreamSettings;
pub(crate) use self::target::query_values;
pub use self::tcp::TcpUpstream;
pub use self::template::Template;
pub use self::tokens::Tokens;
pub use self::unix::UnixUpstream;
pub use self::url::{parse, uses_tls};
pub use self::websocket::WebSocketUpstream;
use crate::connection::Connection;
use crate::transport::Peer;

/// A kind of server or process to which a gateway connects its clients.
pub trait Upstream: fmt::Debug + Send + Sync + 'static {
    /// Connects on behalf of a client, within the time in the upstream's settings. The future is
    /// dropped if the client disconnects meanwhile.
    fn connect<'a>(&'a self, client: Client<'a>)
    -> BoxFuture<'a, Result<Connected, UpstreamError>>;
}

/// A connected upstream, with its part of the answer for the client.
#[derive(Debug)]
pub struct Connected {
    /// The connection to the upstream.
    pub connection: Connection,
    /// The target for the log, with its secrets hidden: `tcp://127.0.0.1:5900`; `None` if it has no
    /// name.
    pub target: Option<Arc<str>>,
    /// The subprotocol for the client.
    pub subprotocol: Option<ByteString>,
    /// Further fields of the answer that accepts the client, such as `Set-Cookie`.
    pub fields: Fields,
    /// The lease of the target that was chosen, to be kept as long as the connection; `None`
    /// without a group.
    pub lease: Option<Lease>,
}

/// Takes the subprotocol that the upstream chose, and no fields.
impl From<Connection> for Connected {
    fn from(connection: Connection) -> Self {
        Self {
            target: None,
            subprotocol: connection.subprotocol().cloned(),
            fields: Fields::new(),
            lease: None,
            connection,
        }
    }
}

/// The client for which an upstream is connected.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The client's request.
    pub request: &'a Request,
    /// The client's address and other properties.
    pub peer: &'a Peer,
}
