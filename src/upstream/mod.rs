//! What stands behind a gateway.

mod address;
mod auto;
mod captures;
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
mod way;
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
pub(crate) use self::forwarding::Asking;
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

/// A kind of thing that a gateway connects its clients to.
pub trait Upstream: fmt::Debug + Send + Sync + 'static {
    /// Connects, on behalf of a client, within the time that its settings give it. A client that
    /// hangs up meanwhile ends it: the future is dropped.
    fn connect<'a>(&'a self, client: Client<'a>)
    -> BoxFuture<'a, Result<Connected, UpstreamError>>;
}

/// An upstream that is there, and what its client is answered with.
#[derive(Debug)]
pub struct Connected {
    /// The connection to it.
    pub connection: Connection,
    /// Where it leads, for the log: `tcp://127.0.0.1:5900`. Its secrets are hidden there.
    pub target: Option<Arc<str>>,
    /// The subprotocol for the client.
    pub subprotocol: Option<ByteString>,
    /// Further fields of the answer that accepts the client, such as `Set-Cookie`.
    pub fields: Fields,
    /// The place among the connections of one of several targets; to be kept as long as the connection.
    pub lease: Option<Lease>,
}

/// With the subprotocol that the upstream chose, and no fields.
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

/// For whom an upstream is connected.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// What it asks for.
    pub request: &'a Request,
    /// Where it is, and what else is known of it.
    pub peer: &'a Peer,
}
