//! Who is let in.

use std::fmt;

use futures_core::future::BoxFuture;
use polysock_protocols::{Rejection, Request};

use crate::transport::Peer;

/// A condition that a site has for clients, beside their origin: a network, a time of day, a token
/// that is looked up. It is asked once, before the application gets the handshake.
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Lets a client in, or says what it is answered with. It may await anything, up to the
    /// handshake timeout.
    ///
    /// # Errors
    ///
    /// The client is not let in.
    fn check<'a>(
        &'a self,
        request: &'a Request,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<(), Rejection>>;
}
