//! An application behind policies.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::Policy;
use super::entrance::Entrance;
use crate::apps::Application;
use crate::error::BoxError;
use crate::handshake::Handshake;

/// An application that gets only the clients that policies let in. A [`Site`](crate::Site) has policies of
/// its own, which also let in ordinary requests; this is for an application among several of a site.
pub struct Guarded<A> {
    entrance: Arc<Entrance>,
    application: Arc<A>,
}

impl<A: Application> Guarded<A> {
    /// The application behind these policies, which are asked in this order.
    pub fn new(policies: Vec<Box<dyn Policy>>, application: A) -> Self {
        Self {
            entrance: Arc::new(Entrance::new(policies)),
            application: Arc::new(application),
        }
    }
}

impl<A: Application> Application for Guarded<A> {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let (entrance, application) = (Arc::clone(&self.entrance), Arc::clone(&self.application));
        Box::pin(async move { entrance.guard(handshake, &*application).await })
    }
}

impl<A> fmt::Debug for Guarded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("entrance", &self.entrance)
            .finish_non_exhaustive()
    }
}
