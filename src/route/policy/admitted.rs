//! What is known of a client that a policy has let in.

use std::time::Duration;

use bytestring::ByteString;

use super::Watch;
use crate::transport::{Authenticated, Extensions};

/// What a policy has found out of a client that it lets in. The default is a client of whom nothing
/// more is known than before.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Who it is: in the [extensions](crate::Peer::extensions) of the peer from then on.
    pub authenticated: Option<Authenticated>,
    /// What else is known of it, by its type: among the [extensions](crate::Peer::extensions) of the peer
    /// from then on.
    pub extensions: Extensions,
    /// How long its connection may be open, where that is shorter than what the
    /// [terms](crate::Terms::max_age) of the site say.
    pub max_age: Option<Duration>,
    /// Subprotocols that were offered to carry credentials: no application and no upstream sees them
    /// offered. A client that is accepted without a subprotocol is told the first of them, as a browser
    /// fails where none of those is chosen that it offers.
    pub spent_subprotocols: Vec<ByteString>,
    /// What can end its connection while it is open. Ordinary requests have none.
    pub watch: Option<Watch>,
}
