//! How much a client may ask for.

/// How much one client may ask for. One that asks for more is closed with 1008.
///
/// How long a message may be is a setting of the site, or of [`tcp`](crate::apps::component::tcp).
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
    /// Bytes of the name of a prefix.
    pub prefix_name: usize,
    /// Bytes of a URI, also of one that a prefix stands for a part of.
    pub uri: usize,
    /// Topics that a client may be subscribed to at a time.
    pub subscriptions: usize,
    /// Calls that may wait for their answers, where these are given [later](super::CallId::later).
    pub calls: usize,
    /// Bytes of the id of a call, as it is written.
    pub call_id: usize,
    /// Arguments of a call.
    pub arguments: usize,
    /// Sessions in a list of those that an event is not for, or is for.
    pub ids: usize,
    /// Lists and objects within each other.
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
