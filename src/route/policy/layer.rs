//! A policy around an application.

use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::Policy;
use crate::apps::{Application, Layer};
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::route::entrance::Entrance;

/// An application behind a policy, from [`Layered::layer`](crate::apps::Layered::layer): it gets the
/// handshakes of those who are let in.
#[derive(Debug)]
pub struct Guarded<A> {
    application: Arc<A>,
    entrance: Arc<Entrance>,
}

/// A policy goes around one application, where [`Site::with_policies`](crate::Site::with_policies) has it for
/// a whole site, ordinary requests included.
impl<A: Application, P: Policy> Layer<A> for P {
    type Out = Guarded<A>;

    fn layer(self, inner: A) -> Guarded<A> {
        Guarded {
            application: Arc::new(inner),
            entrance: Arc::new(Entrance::new(vec![Box::new(self)])),
        }
    }
}

impl<A: Application> Application for Guarded<A> {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let (application, entrance) = (Arc::clone(&self.application), Arc::clone(&self.entrance));
        Box::pin(async move {
            match entrance.let_in(handshake).await {
                Some(handshake) => application.serve(handshake).await,
                None => Ok(()),
            }
        })
    }
}
