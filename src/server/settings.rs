//! What a port can be told, before anybody knows which site a connection is for.

use std::num::NonZeroU32;
use std::time::Duration;

use polysock_protocols::http::HeadLimits;
use polysock_protocols::{DEFAULT_PROTOCOLS, Protocol};

use super::Networks;
use crate::connection::{Budget, Registry};
use crate::transport::Trusted;
#[cfg(feature = "tls")]
use crate::transport::tls;

/// How a port treats connections until it is known which site they are for.
#[derive(Clone, Debug)]
pub struct PortSettings {
    /// The protocols that are spoken.
    pub protocols: Vec<&'static dyn Protocol>,
    /// What a request head may take.
    pub head: HeadLimits,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// After how much silence the kernel asks a TCP client whether it is there. One whose kernel answers
    /// nothing for twice as long, or has no room for what is sent to it for twice as long, is cut off.
    pub keep_alive: Duration,
    /// How long an opening handshake may take, from the accepted connection on.
    pub handshake_timeout: Duration,
    /// How much memory its connections may hold, those of other ports with the same budget included.
    /// By default there is no limit.
    pub budget: Budget,
    /// Where its connections are known while they are open, and what is counted of them.
    pub registry: Registry,
    /// Whether HTTP/2 is spoken, with WebSockets on its streams (RFC 8441).
    pub http2: bool,
    /// Whether Flash's socket policy requests are answered.
    pub flash_policy: bool,
    /// Whether a page that asks sees `wss://`, because a proxy in front ends TLS. What a proxy says that
    /// is trusted goes before it.
    pub secure: bool,
    /// What TLS is spoken with, where it is: to clients that begin with it, on the same port as all else.
    #[cfg(feature = "tls")]
    pub tls: Option<tls::Acceptor>,
    /// Whether clients may do without TLS where it is spoken. By default ordinary requests in plain text are
    /// sent to `https://`, WebSockets are refused (403), and HTTP/2 is closed; but for clients that a
    /// trusted proxy says are secure. Flash's socket policy has no other form than plain text.
    #[cfg(feature = "tls")]
    pub plain: bool,
    /// From where clients may come: whoever may not is closed before a byte of theirs is read. What is
    /// looked at is the client that a trusted proxy names, as soon as it does, and not the proxy; one
    /// that is named in a field of its request is told 403.
    pub networks: Networks,
    /// Whose connections begin with a header of the PROXY protocol, which says for whom they are: each
    /// that does not is closed. From others a header is not looked for, and is no request.
    pub proxy_protocol: Trusted,
    /// Whose `Forwarded`, `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `X-Real-IP` are believed, of
    /// each request. They have to set these, or remove those that clients have made up.
    pub forwarded: Trusted,
}

impl Default for PortSettings {
    fn default() -> Self {
        Self {
            protocols: DEFAULT_PROTOCOLS.to_vec(),
            head: HeadLimits::default(),
            connections: ConnectionLimits::default(),
            keep_alive: Duration::from_secs(25),
            handshake_timeout: Duration::from_secs(10),
            budget: Budget::default(),
            registry: Registry::default(),
            http2: true,
            flash_policy: false,
            secure: false,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            plain: false,
            networks: Networks::default(),
            proxy_protocol: Trusted::default(),
            forwarded: Trusted::default(),
        }
    }
}

impl PortSettings {
    /// Whether TLS is spoken.
    pub(super) fn speaks_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        let speaks_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let speaks_tls = false;
        speaks_tls
    }

    /// Whether clients may do without TLS.
    pub(super) fn takes_plain(&self) -> bool {
        #[cfg(feature = "tls")]
        let takes_plain = self.plain || self.tls.is_none();
        #[cfg(not(feature = "tls"))]
        let takes_plain = true;
        takes_plain
    }
}

/// How many connections a port may have. A WebSocket on a stream of HTTP/2 is a connection here, and so
/// is what carries it. By default there is no limit but that of the system on descriptors, and who
/// meets that one is told nothing.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// How many in all. The next are told 503, or GOAWAY in HTTP/2. Up to 64 more are on their way
    /// out, or being told.
    pub connections: usize,
    /// How many from one address, or one /64 of IPv6. Those from this machine are not counted.
    pub per_address: usize,
    /// How many whose first request has not come yet. The oldest gives way to the next, and so it
    /// does where there are as many connections as there may be.
    pub handshakes: usize,
    /// How fast they may come.
    pub rates: RateLimits,
}

/// How many may come within a second, of what is counted over all ports that share it; `None`, the default, for
/// any number. A second's worth may come at once. An address is counted as for
/// [`ConnectionLimits::per_address`]: a /64 of IPv6 is one, and this machine is not counted. Up to 32,768 of
/// them are known that came within a second; those above are counted in all alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Connections. The next are told 429, or GOAWAY in HTTP/2, as far as they begin with one of them.
    pub connections: Option<NonZeroU32>,
    /// Connections from one address: the client's, where a PROXY header says it.
    pub connections_per_address: Option<NonZeroU32>,
    /// Opening handshakes, be they on streams of HTTP/2. The next are told 429.
    pub handshakes: Option<NonZeroU32>,
    /// Opening handshakes from one address.
    pub handshakes_per_address: Option<NonZeroU32>,
    /// Messages from one address, over all of its connections together. The one that is found to be over it is
    /// closed with 1008.
    pub messages_per_address: Option<NonZeroU32>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: usize::MAX,
            per_address: usize::MAX,
            handshakes: usize::MAX,
            rates: RateLimits::default(),
        }
    }
}
