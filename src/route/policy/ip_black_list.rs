//! From which networks nobody may connect.

use futures_core::future::BoxFuture;
use polysock_protocols::Rejection;

use super::{Admitted, Policy, Visitor};
use crate::transport::{Trusted, TrustedError};

/// Lets nobody in from some networks; they are told 403. Whoever is let in stays: it is asked once, when a
/// client connects. The address is the client's own, also behind a proxy that is
/// [trusted](crate::PortSettings::forwarded).
///
/// [`PortSettings::networks`](crate::PortSettings::networks) closes them before a byte is read.
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
    /// One that blocks nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks a network too, or an address, or `unix` for those who have none.
    ///
    /// # Errors
    ///
    /// It is none of them.
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
