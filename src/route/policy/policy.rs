//! A condition of a site for clients.

use std::fmt;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use polysock_protocols::Rejection;

use super::{Admitted, Visitor};

/// A condition of a site for clients, in addition to their origin: a network, a time of day, a
/// password, a token that is looked up. The policy is checked once for each opening handshake,
/// before the application receives it, and once for each ordinary request.
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Admits a client, or returns the refusal. For an opening handshake the check may take up to
    /// the handshake timeout. For an ordinary request only the policy itself limits the time.
    ///
    /// # Errors
    ///
    /// The client is refused.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped if the client disconnects meanwhile.
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>>;

    /// Returns the values in a request's target that the log replaces with `***`, in addition to
    /// those that look like secrets: credentials in a parameter. By default there are none.
    fn secrets(&self, visitor: Visitor<'_>) -> Vec<ByteString> {
        let _ = visitor;
        Vec::new()
    }
}
