//! The reasons for refusals other than invalid handshakes: the labels of a metric.

/// All connections are being closed.
pub(super) const DRAINING: &str = "draining";

/// A limit on number, memory or rate is reached.
pub(super) const LIMIT: &str = "limit";

/// The network of the client is not allowed.
pub(super) const NETWORK: &str = "network";

/// No route matches.
pub(super) const NO_ROUTE: &str = "no-route";

/// The protocol is not enabled.
pub(super) const NOT_ENABLED: &str = "not-enabled";

/// The client sent plain text, but only TLS is accepted.
pub(super) const PLAIN_TEXT: &str = "plain-text";

/// A trusted proxy sent no valid PROXY header.
pub(super) const PROXY_HEADER: &str = "proxy-header";

/// The first request was not complete in time.
pub(super) const TIMEOUT: &str = "timeout";

/// The TLS handshake failed.
#[cfg(feature = "tls")]
pub(super) const TLS: &str = "tls";
