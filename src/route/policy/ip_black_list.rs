//! A policy that refuses clients from some networks.

use futures_core::future::BoxFuture;
use polysock_protocols::Rejection;

use super::{Admitted, Policy, Visitor};
use crate::transport::{Trusted, TrustedError};

/// Refuses clients from some networks with 403. The check is made once, when a client connects; a
/// client that is admitted stays. The address is the client's own, also behind a
/// [trusted](crate::PortSettings::forwarded) proxy.
///
/// [`PortSettings::networks`](crate::PortSettings::networks) closes such connections before a byte
/// is read.
///
/// ```
/// use polysock::apps::{Layered, echo};
/// use polysock::{Application, IpBlackList};
///
/// fn application() -> Result<impl Application, polysock::TrustedError> {
///     Ok(echo.layer(IpBlackList::new().block("203.0.113.0/24")?.block("2001:db8::7")?))
/// }
/// # application().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct IpBlackList {
    blocked: Trusted,
}

impl IpBlackList {
    /// Creates a list that blocks no client.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a network, an address, or `unix` for clients without an address.
    ///
    /// # Errors
    ///
    /// The text is none of these.
    pub fn block(mut self, network: &str) -> Result<Self, TrustedError> {
        self.blocked.add(network)?;
        Ok(self)
    }
}

impl Policy for IpBlackList {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        let admitted = match self.blocked.includes(visitor.peer().address) {
            true => Err(Rejection::new(403, "this client is not served here")),
            false => Ok(Admitted::default()),
        };
        Box::pin(std::future::ready(admitted))
    }
}
