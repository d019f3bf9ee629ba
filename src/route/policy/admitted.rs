//! The result of a policy that admits a client.

use std::time::Duration;

use bytestring::ByteString;

use super::Watch;
use crate::transport::{Authenticated, Extensions};

/// The facts that a policy has found out about a client that it admits. The default is no facts.
#[derive(Debug, Default)]
pub struct Admitted {
    /// The client's identity, kept in the [extensions](crate::Peer::extensions) of the peer; `None`
    /// if the policy has not established it.
    pub authenticated: Option<Authenticated>,
    /// Further facts by their type, added to the [extensions](crate::Peer::extensions) of the peer.
    pub extensions: Extensions,
    /// The maximum age of the connection, where it is shorter than in the site's
    /// [terms](crate::Terms::max_age); `None` for no further limit.
    pub max_age: Option<Duration>,
    /// Offered subprotocols that carried credentials. Applications and upstreams do not see them.
    /// If the client is accepted without a subprotocol, the answer selects the first of these,
    /// because browsers fail a connection if none of the subprotocols that they offer is selected.
    pub spent_subprotocols: Vec<ByteString>,
    /// A future that can close the connection while it is open; `None` for none. Ordinary requests
    /// ignore it.
    pub watch: Option<Watch>,
}
