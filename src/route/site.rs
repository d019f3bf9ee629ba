//! A site: an application, its pages, and the settings for both.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hyper::{Request, Response};
use polysock_protocols::{CloseCode, Rejection};

use super::places::Places;
use super::policy_chain::PolicyChain;
use super::{Answering, Policy, SiteSettings, Unanswered};
use crate::apps::{Application, Pages};
use crate::connection::Shutdown;
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::http::{Body, Service};
use crate::transport::{Peer, Permit};

/// An application, a service for ordinary requests, and the settings and policies for both.
pub struct Site {
    settings: SiteSettings,
    application: Box<dyn Application>,
    http: Arc<dyn Service>,
    policy_chain: Arc<PolicyChain>,
    /// The open connections, where [`SiteSettings::closable`] is set.
    open: Shutdown,
    /// The number of connections, where it is limited.
    places: Arc<Places>,
}

impl Site {
    /// Creates a site with default settings that answers ordinary requests with the advice to
    /// upgrade.
    pub fn new(application: impl Application) -> Self {
        Self {
            settings: SiteSettings::default(),
            application: Box::new(application),
            http: Arc::new(Pages::default()),
            policy_chain: Arc::default(),
            open: Shutdown::default(),
            places: Arc::new(Places::new()),
        }
    }

    /// Puts the site in the place of another: the connections of both are counted together, where
    /// this site limits them.
    #[must_use]
    pub fn in_place_of(self, other: &Self) -> Self {
        Self {
            places: Arc::clone(&other.places),
            ..self
        }
    }

    /// Replaces the settings.
    #[must_use]
    pub fn with_settings(self, settings: SiteSettings) -> Self {
        Self { settings, ..self }
    }

    /// Replaces the service for ordinary requests.
    #[must_use]
    pub fn with_http(self, service: impl Service) -> Self {
        Self {
            http: Arc::new(service),
            ..self
        }
    }

    /// Replaces the policies. They are checked in this order, and only clients that all of them
    /// admit are served.
    #[must_use]
    pub fn with_policies(self, policies: Vec<Box<dyn Policy>>) -> Self {
        Self {
            policy_chain: Arc::new(PolicyChain::new(policies)),
            ..self
        }
    }

    /// The settings for connections.
    pub fn settings(&self) -> &SiteSettings {
        &self.settings
    }

    /// The service for ordinary requests.
    pub fn http(&self) -> &Arc<dyn Service> {
        &self.http
    }

    /// Asks the connections to close, with 1001 or its equivalent in their protocol: the open ones
    /// one after the other, spread over this time, and new ones immediately. They close as after a
    /// shutdown of the gateway. The future does not wait for their end.
    ///
    /// Does nothing unless [`SiteSettings::closable`] is set.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: connections that have not been asked by then are not asked any more.
    pub async fn close(&self, over: Duration) {
        self.open.drain(CloseCode::GOING_AWAY, over).await;
    }

    /// Answers an ordinary request, if its client is admitted.
    pub(crate) fn serve_request(
        &self,
        request: Request<Body>,
    ) -> BoxFuture<'static, Response<Body>> {
        self.policy_chain.serve(request, &self.http)
    }

    /// Has the log mask the secrets that the policies find in a request. Returns true if there are
    /// any.
    pub(crate) fn hide_secrets(&self, request: &Request<Body>, peer: &mut Arc<Peer>) -> bool {
        !self.policy_chain.is_open() && self.policy_chain.hide_secrets(request, peer)
    }

    /// Runs the application for a handshake, if the client is admitted and the limit on connections
    /// is not reached.
    pub(crate) fn serve(self: &Arc<Self>, handshake: Handshake) -> Unanswered {
        Unanswered {
            signal: handshake.shutdown(),
            timeout: self.settings.handshake_timeout,
            answering: Answering {
                client: handshake.peer().address,
                work: self.answer(handshake),
            },
        }
    }

    fn answer(
        self: &Arc<Self>,
        mut handshake: Handshake,
    ) -> BoxFuture<'static, Result<(), BoxError>> {
        let (request, peer) = handshake.admitted();
        if let Err(rejection) = self.settings.admit(request, peer) {
            handshake.reject(rejection);
            return Box::pin(async { Ok(()) });
        }
        match self
            .places
            .take(self.settings.connections, handshake.peer())
        {
            Ok(None) => {}
            Ok(Some(place)) => handshake.keep(Permit::new(place)),
            Err(full) => {
                handshake.reject(Rejection::unavailable(full));
                return Box::pin(async { Ok(()) });
            }
        }
        if self.settings.closable {
            self.open.add(&handshake.shutdown());
        }
        if self.policy_chain.is_open() {
            return self.application.serve(handshake);
        }
        let site = Arc::clone(self);
        Box::pin(async move { site.policy_chain.guard(handshake, &*site.application).await })
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("settings", &self.settings)
            .field("entrance", &self.policy_chain)
            .finish_non_exhaustive()
    }
}
