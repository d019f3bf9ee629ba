//! An application behind a policy.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::Policy;
use super::policy_chain::PolicyChain;
use crate::apps::{Application, Layer};
use crate::error::BoxError;
use crate::handshake::Handshake;

/// An application behind a policy, made by [`Layered::layer`](crate::apps::Layered::layer). Only
/// clients that the policy admits reach the application.
pub struct Guarded<A> {
    policy_chain: Arc<PolicyChain>,
    application: Arc<A>,
}

/// Applies a policy to one application. [`Site::with_policies`](crate::Site::with_policies) applies
/// policies to a whole site, ordinary requests included.
impl<A: Application, P: Policy> Layer<A> for P {
    type Out = Guarded<A>;

    fn layer(self, inner: A) -> Guarded<A> {
        Guarded {
            policy_chain: Arc::new(PolicyChain::new(vec![Box::new(self)])),
            application: Arc::new(inner),
        }
    }
}

impl<A: Application> Application for Guarded<A> {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let (policy_chain, application) = (
            Arc::clone(&self.policy_chain),
            Arc::clone(&self.application),
        );
        Box::pin(async move { policy_chain.guard(handshake, &*application).await })
    }
}

impl<A> fmt::Debug for Guarded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("entrance", &self.policy_chain)
            .finish_non_exhaustive()
    }
}
