//! Transports, which carry bytes. Nothing here depends on frames.

mod alpn;
mod authenticated;
mod hop;
mod io;
mod keep_alive;
mod linger;
mod network;
mod peer;
mod permit;
mod rewind;
mod session_variables;
mod shared_writer;
#[cfg(feature = "tls")]
pub mod tls;
mod trusted;

use std::fmt;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use self::alpn::Alpn;
pub use self::authenticated::Authenticated;
pub use self::hop::TrustedHop;
pub(crate) use self::io::Io;
pub(crate) use self::keep_alive::watch;
pub(crate) use self::linger::{CloseOrder, LINGER, Lingering, close_lingering, linger};
pub(crate) use self::network::network;
pub use self::peer::{Extensions, Peer};
pub(crate) use self::peer::{VARIABLES, is_variable};
pub(crate) use self::permit::Permit;
pub(crate) use self::rewind::Rewind;
pub use self::session_variables::SessionVariables;
pub(crate) use self::shared_writer::{Grant, Published, SharedWriter};
pub use self::trusted::{Trusted, TrustedError};

/// A byte stream with two directions: TCP, a Unix socket, TLS, or memory in tests.
pub trait Transport: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static> Transport for T {}
