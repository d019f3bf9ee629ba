//! The name of a route.

use std::fmt;
use std::sync::Arc;

/// The name of a client's route, for the log. The route stores it in the
/// [extensions](crate::Peer::extensions) of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteName(pub Arc<str>);

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
