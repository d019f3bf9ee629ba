//! Limits on the requests of a client.

/// Limits on the requests of one client. A client that exceeds a limit is closed with 1008.
///
/// The limit of the message size is a setting of the site, or of
/// [`tcp`](crate::apps::component::tcp).
///
/// ```
/// use polysock::apps::wamp::{Broker, Limits, WampServer};
///
/// let mut limits = Limits::default();
/// limits.subscriptions = 16;
/// let server = WampServer::new(Broker).limits(limits);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Prefixes that a client may define.
    pub prefixes: usize,
    /// The length of a prefix name, in bytes.
    pub prefix_name: usize,
    /// The length of a URI before and after its prefix is resolved, in bytes.
    pub uri: usize,
    /// Topics to which a client may be subscribed at the same time.
    pub subscriptions: usize,
    /// Calls that may wait for their answers, if these are given [later](super::CallId::later).
    pub calls: usize,
    /// The length of a call id as it is written, in bytes.
    pub call_id: usize,
    /// Arguments of a call.
    pub arguments: usize,
    /// Sessions in a list of excluded or eligible sessions.
    pub ids: usize,
    /// The nesting depth of lists and objects.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            prefixes: 64,
            prefix_name: 256,
            uri: 2048,
            subscriptions: 1024,
            calls: 64,
            call_id: 64,
            arguments: 1024,
            ids: 1024,
            depth: 128,
        }
    }
}
