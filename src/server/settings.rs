//! The settings of a port, which apply before the site of a connection is known.

use std::num::NonZeroU32;
use std::time::Duration;

use polysock_protocols::http::HeadLimits;
use polysock_protocols::{DEFAULT_PROTOCOLS, Protocol};

use super::Networks;
use crate::connection::{Budget, Registry};
use crate::transport::Trusted;
#[cfg(feature = "tls")]
use crate::transport::tls;

/// The settings of a port, which apply until the site of a connection is known.
#[derive(Clone, Debug)]
pub struct PortSettings {
    /// The enabled protocols.
    pub protocols: Vec<&'static dyn Protocol>,
    /// The limits on request heads.
    pub head: HeadLimits,
    /// The limits on the number of connections.
    pub connections: ConnectionLimits,
    /// The silence after which the kernel probes a TCP client. A client whose kernel answers
    /// nothing for twice as long, or accepts no data for twice as long, is disconnected.
    pub keep_alive: Duration,
    /// The time that an opening handshake may take, from the acceptance of the connection.
    pub handshake_timeout: Duration,
    /// The limit on the memory that connections hold, together with other ports that have the same
    /// budget. By default there is no limit.
    pub budget: Budget,
    /// The registry of open connections and metrics.
    pub registry: Registry,
    /// Whether HTTP/2 is spoken, with WebSockets on its streams (RFC 8441).
    pub http2: bool,
    /// Whether Flash's socket policy requests are answered.
    pub flash_policy: bool,
    /// Whether clients see `wss://` because a proxy in front terminates TLS. The report of a
    /// trusted proxy takes precedence.
    pub secure: bool,
    /// The acceptor for clients that begin with TLS, on the same port as all others; `None` for no
    /// TLS.
    #[cfg(feature = "tls")]
    pub tls: Option<tls::Acceptor>,
    /// Whether clients may use plain text although TLS is enabled. By default ordinary requests in
    /// plain text are redirected to `https://`, WebSockets are refused (403), and HTTP/2 is closed,
    /// except for clients that a trusted proxy reports as secure. Flash's socket policy exists in
    /// plain text only.
    #[cfg(feature = "tls")]
    pub plain: bool,
    /// The networks whose clients may connect. Other clients are closed before a byte is read. If a
    /// trusted proxy names a client, the check applies to that client and not to the proxy. A
    /// client that is named in a field of its request receives 403.
    pub networks: Networks,
    /// The proxies that must begin each connection with a PROXY header, which names the client. A
    /// connection without the header is closed. From other peers the header is not accepted, and is
    /// not a valid request.
    pub proxy_protocol: Trusted,
    /// The proxies whose `Forwarded`, `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `X-Real-IP`
    /// are trusted in each request. They must set these fields, or remove those that clients have
    /// forged.
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
    /// True if TLS is enabled.
    pub(super) fn speaks_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        let speaks_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let speaks_tls = false;
        speaks_tls
    }

    /// True if clients may use plain text.
    pub(super) fn takes_plain(&self) -> bool {
        #[cfg(feature = "tls")]
        let takes_plain = self.plain || self.tls.is_none();
        #[cfg(not(feature = "tls"))]
        let takes_plain = true;
        takes_plain
    }
}

/// The limits on the connections of a port. A WebSocket on a stream of HTTP/2 counts as a
/// connection, and so does the HTTP/2 connection that carries it. By default there is no limit but
/// that of the system on file descriptors, and clients beyond that one receive no answer.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The maximum number in total. Further connections receive 503, or GOAWAY in HTTP/2. Up to 64
    /// more may exist while they are closed or refused.
    pub connections: usize,
    /// The maximum number from one address, or one /64 of IPv6. Those from this machine are not
    /// counted.
    pub per_address: usize,
    /// The maximum number of connections whose first request is not complete. The next connection
    /// displaces the oldest of them, also when the limit on all connections is reached.
    pub handshakes: usize,
    /// The limits on rates.
    pub rates: RateLimits,
}

/// The maximum numbers per second, over all ports that share these limits; `None`, the default, for
/// no limit. A second's worth may arrive together. Addresses are counted as for
/// [`ConnectionLimits::per_address`]: a /64 of IPv6 is one, and this machine is not counted. Up to
/// 32,768 addresses that were active within a second are tracked; clients at others count only in
/// total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Connections. Further ones receive 429, or GOAWAY in HTTP/2, if they begin with a request.
    pub connections: Option<NonZeroU32>,
    /// Connections from one address: that of the client, if a PROXY header names it.
    pub connections_per_address: Option<NonZeroU32>,
    /// Opening handshakes, those on streams of HTTP/2 included. Further ones receive 429.
    pub handshakes: Option<NonZeroU32>,
    /// Opening handshakes from one address.
    pub handshakes_per_address: Option<NonZeroU32>,
    /// Messages from one address, over all of its connections together. A connection on which the
    /// limit is found to be exceeded is closed with 1008.
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
