//! Why a client is refused, beside what its handshake breaks: the labels of a metric.

/// The server goes out of service.
pub(super) const DRAINING: &str = "draining";

/// There is no room, or it comes too fast.
pub(super) const LIMIT: &str = "limit";

/// It comes from where nobody may.
pub(super) const NETWORK: &str = "network";

/// No site is for it.
pub(super) const NO_ROUTE: &str = "no-route";

/// It speaks what is not enabled.
pub(super) const NOT_ENABLED: &str = "not-enabled";

/// It speaks plain text where TLS is wanted.
pub(super) const PLAIN_TEXT: &str = "plain-text";

/// It is a trusted proxy that does not say for whom it connects.
pub(super) const PROXY_HEADER: &str = "proxy-header";

/// It did not say in time what it wants.
pub(super) const TIMEOUT: &str = "timeout";

/// Its handshake of TLS failed.
#[cfg(feature = "tls")]
pub(super) const TLS: &str = "tls";
