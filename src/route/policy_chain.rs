//! The check of clients by the policies of a site.

use std::sync::Arc;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use hyper::{Request, Response};
use polysock_protocols::Rejection;
use tracing::debug;

use super::{Admitted, Policy, Visitor, Watch};
use crate::apps::Application;
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::http::{Body, Service, rejected};
use crate::telemetry::Masked;
use crate::transport::Peer;

/// The policies of a site.
#[derive(Debug, Default)]
pub(super) struct PolicyChain {
    policies: Vec<Box<dyn Policy>>,
}

impl PolicyChain {
    /// Creates a chain that checks the policies in this order.
    pub(super) fn new(policies: Vec<Box<dyn Policy>>) -> Self {
        Self { policies }
    }

    /// True if there are no policies, so that every client is admitted.
    pub(super) fn is_open(&self) -> bool {
        self.policies.is_empty()
    }

    /// Checks the policies for an opening handshake, and runs the application if the client is
    /// admitted.
    pub(super) async fn guard(
        &self,
        handshake: Handshake,
        application: &dyn Application,
    ) -> Result<(), BoxError> {
        let Some((handshake, watches)) = self.let_in(handshake).await else {
            return Ok(());
        };
        let connection = handshake.shutdown();
        let watch = |serving, watch: Watch| watch.over(serving, connection.clone());
        let serving = application.serve(handshake);
        watches.into_iter().fold(serving, watch).await
    }

    /// Checks the policies for an opening handshake; `None` if the client was refused or
    /// disconnected.
    async fn let_in(&self, mut handshake: Handshake) -> Option<(Handshake, Vec<Watch>)> {
        let mut watches = Vec::new();
        for policy in &self.policies {
            let (request, peer, gone) = handshake.watched();
            let visitor = Visitor::of_handshake(request, peer);
            let secrets = policy.secrets(visitor);
            let checked = tokio::select! {
                biased;
                checked = policy.check(visitor) => checked,
                () = gone => return None,
            };
            mask(handshake.peer_mut(), secrets);
            match checked {
                Ok(Admitted {
                    authenticated,
                    extensions,
                    max_age,
                    spent_subprotocols,
                    watch,
                }) => {
                    if let Some(authenticated) = authenticated {
                        handshake.peer_mut().extensions.insert(authenticated);
                    }
                    handshake.peer_mut().extensions.extend(extensions);
                    watches.extend(watch);
                    if let Some(max_age) = max_age {
                        handshake.limit_age(max_age);
                    }
                    handshake.consume_subprotocols(spent_subprotocols);
                }
                Err(rejection) => {
                    handshake.reject(rejection);
                    return None;
                }
            }
        }
        Some((handshake, watches))
    }

    /// Checks the policies for an ordinary request, and calls the service if the client is
    /// admitted.
    pub(super) fn serve(
        self: &Arc<Self>,
        request: Request<Body>,
        service: &Arc<dyn Service>,
    ) -> BoxFuture<'static, Response<Body>> {
        if self.is_open() {
            return service.call(request);
        }
        let (policy_chain, service) = (Arc::clone(self), Arc::clone(service));
        Box::pin(async move {
            let mut request = request;
            let peer = request.extensions().get::<Arc<Peer>>();
            let mut peer = peer.map_or_else(Arc::default, Arc::clone);
            for policy in &policy_chain.policies {
                let visitor = Visitor::of_request(&request, &peer);
                match policy.check(visitor).await {
                    Ok(Admitted {
                        authenticated,
                        extensions,
                        ..
                    }) => {
                        if let Some(authenticated) = authenticated {
                            Arc::make_mut(&mut peer).extensions.insert(authenticated);
                        }
                        if !extensions.is_empty() {
                            Arc::make_mut(&mut peer).extensions.extend(extensions);
                        }
                    }
                    Err(rejection) => return refused(&rejection),
                }
            }
            request.extensions_mut().insert(peer);
            service.call(request).await
        })
    }

    /// Has the log mask the secrets of a request. Returns true if the request has any.
    pub(super) fn hide_secrets(&self, request: &Request<Body>, peer: &mut Arc<Peer>) -> bool {
        let visitor = Visitor::of_request(request, peer);
        let policies = self.policies.iter();
        let secrets: Vec<_> = policies
            .flat_map(|policy| policy.secrets(visitor))
            .collect();
        let has_some = !secrets.is_empty();
        if has_some {
            mask(Arc::make_mut(peer), secrets);
        }
        has_some
    }
}

/// Adds secrets to those that the log masks already.
fn mask(peer: &mut Peer, secrets: Vec<ByteString>) {
    if secrets.is_empty() {
        return;
    }
    let known = peer.extensions.get::<Masked>();
    let known = known.into_iter().flat_map(|Masked(known)| known.clone());
    let all = known.chain(secrets).collect();
    peer.extensions.insert(Masked(all));
}

/// Logs a refusal, and turns it into the response.
fn refused(rejection: &Rejection) -> Response<Body> {
    let (status, reason) = (rejection.status, rejection.reason());
    debug!(status, reason, "request refused");
    rejected(rejection)
}
