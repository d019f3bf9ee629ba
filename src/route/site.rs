//! What is served: an application, the pages beside it, and how both treat their clients.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hyper::{Request, Response};
use polysock_protocols::{CloseCode, Rejection};

use super::entrance::Entrance;
use super::places::Places;
use super::{Answering, Policy, SiteSettings, Unanswered};
use crate::apps::{Application, Pages};
use crate::connection::Shutdown;
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::http::{Body, Service};
use crate::transport::{Peer, Permit};

/// What one site of a port is.
pub struct Site {
    settings: SiteSettings,
    application: Box<dyn Application>,
    http: Arc<dyn Service>,
    entrance: Arc<Entrance>,
    /// Its connections, where they are to be reached.
    open: Shutdown,
    /// How many they are, where that is limited.
    places: Arc<Places>,
}

impl Site {
    /// A site with default settings, which answers ordinary requests with the advice to upgrade.
    pub fn new(application: impl Application) -> Self {
        Self {
            settings: SiteSettings::default(),
            application: Box::new(application),
            http: Arc::new(Pages::default()),
            entrance: Arc::default(),
            open: Shutdown::default(),
            places: Arc::new(Places::new()),
        }
    }

    /// The same site in the place of another: the connections of both are counted together, where this
    /// one's are limited.
    #[must_use]
    pub fn in_place_of(self, other: &Self) -> Self {
        Self {
            places: Arc::clone(&other.places),
            ..self
        }
    }

    /// The same site with other settings.
    #[must_use]
    pub fn with_settings(self, settings: SiteSettings) -> Self {
        Self { settings, ..self }
    }

    /// The same site, where this answers ordinary requests.
    #[must_use]
    pub fn with_http(self, service: impl Service) -> Self {
        Self {
            http: Arc::new(service),
            ..self
        }
    }

    /// The same site, which lets in only those that all these policies let in, asked in this order.
    #[must_use]
    pub fn with_policies(self, policies: Vec<Box<dyn Policy>>) -> Self {
        Self {
            entrance: Arc::new(Entrance::new(policies)),
            ..self
        }
    }

    /// How it treats its connections.
    pub fn settings(&self) -> &SiteSettings {
        &self.settings
    }

    /// What answers its ordinary requests.
    pub fn http(&self) -> &Arc<dyn Service> {
        &self.http
    }

    /// Asks its connections to close, with 1001 or its like in their protocol: those that are there one
    /// after the other, spread over this time, and those to come at once. They close as after a
    /// shutdown of the gateway, and nobody waits for them.
    ///
    /// Nothing happens where [`SiteSettings::closable`] is not set.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: those that were not asked yet are asked no more.
    pub async fn close(&self, over: Duration) {
        self.open.drain(CloseCode::GOING_AWAY, over).await;
    }

    /// Has an ordinary request answered, if its client is let in.
    pub(crate) fn serve_request(
        &self,
        request: Request<Body>,
    ) -> BoxFuture<'static, Response<Body>> {
        self.entrance.serve(request, &self.http)
    }

    /// Has the log show no secrets of a request that its policies know of; whether there are any.
    pub(crate) fn hide_secrets(&self, request: &Request<Body>, peer: &mut Arc<Peer>) -> bool {
        !self.entrance.is_open() && self.entrance.hide_secrets(request, peer)
    }

    /// Has the application answer a handshake, and do whatever it does afterwards, if the client is
    /// let in and there is room for it.
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
        if self.entrance.is_open() {
            return self.application.serve(handshake);
        }
        let site = Arc::clone(self);
        Box::pin(async move { site.entrance.guard(handshake, &*site.application).await })
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("settings", &self.settings)
            .field("entrance", &self.entrance)
            .finish_non_exhaustive()
    }
}
