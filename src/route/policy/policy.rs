//! A condition that a site has for clients.

use std::fmt;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::Rejection;

use super::{Admitted, Visitor};

/// A condition that a site has for clients, beside their origin: a network, a time of day, a password,
/// a token that is looked up. It is asked once for each opening handshake, before the application gets
/// it, and once for each ordinary request.
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Lets a client in, or says what it is answered with. For an opening handshake it may await
    /// anything, up to the handshake timeout; for an ordinary request nothing but the policy bounds the
    /// time.
    ///
    /// # Errors
    ///
    /// The client is not let in.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped if the client hangs up meanwhile.
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>>;

    /// The values in the target of a request that the log has `***` for, beside those that look like
    /// secrets: credentials in a parameter. By default there are none.
    fn secrets(&self, visitor: Visitor<'_>) -> Vec<ByteString> {
        let _ = visitor;
        Vec::new()
    }
}
