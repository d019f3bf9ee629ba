//! An application inside an axum site.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::response::IntoResponse;
use bytes::BytesMut;
use futures_core::future::BoxFuture;
use hyper::ext::Protocol as StreamProtocol;
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use polysock_protocols::http::{Head, HeadLimits};
use polysock_protocols::{
    DEFAULT_PROTOCOLS, Negotiated, Negotiation, Opening, Protocol, Recognised, Rejection,
};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use super::carrier::Carrier;
use crate::apps::Application;
use crate::connection::{Budget, Registry, ShutdownSignal};
use crate::handshake::{Handshake, Pending};
use crate::http::{Body, rejected};
use crate::random::entropy;
use crate::route::Site;
use crate::transport::Peer;

/// An application inside an axum site, as a service that a router mounts:
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use polysock::apps::Chat;
/// use polysock::axum::Mounted;
///
/// let router: Router = Router::new()
///     .route("/", get(|| async { "a page" }))
///     .route_service("/chat", Mounted::new(Chat::new()));
/// # let _ = router;
/// ```
///
/// The protocols are those that a connection of hyper can carry: the HyBi drafts, RFC 6455 (also
/// over HTTP/2 if the server has extended CONNECT enabled, RFC 8441), and hixie-76. Clients of
/// hixie-75 compare the lines of the answer byte by byte, and hyper writes those lines here: such
/// clients are refused (501).
///
/// An opening handshake is read and refused as on a Polysock port. The tasks of a port are axum's:
/// the limit on connections, TLS, shutdown. [`Site::close`] closes the connections of a
/// [closable](crate::SiteSettings::closable) site.
#[derive(Clone)]
pub struct Mounted {
    site: Arc<Site>,
    protocols: Arc<[&'static dyn Protocol]>,
    peer: Arc<dyn Fn(&Parts) -> Peer + Send + Sync>,
    /// The registry of its connections, which is not exposed.
    registry: Registry,
}

impl Mounted {
    /// Mounts an application with the default settings of a site.
    pub fn new(application: impl Application) -> Self {
        Self::of(Arc::new(Site::new(application)))
    }

    /// Mounts a site, whose settings and policies apply to opening handshakes. An ordinary request
    /// is answered with 426 (404 over HTTP/2), unless the site has a [service](Site::with_http) for
    /// it.
    pub fn of(site: Arc<Site>) -> Self {
        let peer = |parts: &Parts| {
            let peer = parts.extensions.get::<Arc<Peer>>();
            peer.map_or_else(Peer::default, |peer| Peer::clone(peer))
        };
        Self {
            site,
            protocols: DEFAULT_PROTOCOLS.into(),
            peer: Arc::new(peer),
            registry: Registry::default(),
        }
    }

    /// Sets the supported protocols. The default is [`DEFAULT_PROTOCOLS`].
    #[must_use]
    pub fn protocols(self, protocols: &[&'static dyn Protocol]) -> Self {
        Self {
            protocols: protocols.into(),
            ..self
        }
    }

    /// Sets how the client is determined from the request: by `ConnectInfo`, for example, if the
    /// service is made with it. By default nothing is known of a client on an axum port.
    #[must_use]
    pub fn peer(self, peer: impl Fn(&Parts) -> Peer + Send + Sync + 'static) -> Self {
        Self {
            peer: Arc::new(peer),
            ..self
        }
    }

    /// Reads the opening handshake from a request. `None` if it is an ordinary request.
    fn recognise(&self, parts: &Parts) -> Result<Option<Recognised>, Rejection> {
        let of = |error| Rejection::of(&error, &self.protocols);
        let limits = HeadLimits::default();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let fields = parts.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        if parts.extensions.get::<StreamProtocol>().is_some() {
            let authority = parts.uri.authority().map(|host| host.as_str().as_bytes());
            let head = Head::of_connect(authority, path.as_bytes(), fields, &limits).map_err(of)?;
            return Negotiation::recognise_stream(&self.protocols, head)
                .map(Some)
                .map_err(of);
        }
        let mut text = BytesMut::new();
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| text.extend_from_slice(part));
        let method = parts.method.as_str().as_bytes();
        put(&[method, b" ", path.as_bytes(), b" HTTP/1.1\r\n"]);
        fields.for_each(|(name, value)| put(&[name, b": ", value, b"\r\n"]));
        put(&[b"\r\n"]);
        let mut negotiation = Negotiation::new(&self.protocols, limits);
        match negotiation.advance(&mut text) {
            Ok(Some(Negotiated::WebSocket(recognised))) => Ok(Some(recognised)),
            Ok(Some(Negotiated::Http(_)) | None) => Ok(None),
            Err(error) => Err(of(error)),
        }
    }

    /// Validates a handshake against the settings of the site.
    fn open(&self, recognised: Recognised, peer: &Peer) -> Result<Opening, Rejection> {
        let of = |error| Rejection::of(&error, &self.protocols);
        let settings = self.site.settings();
        let recognised = match &settings.protocols {
            Some(spoken) => recognised.among(spoken).map_err(of)?,
            None => recognised,
        };
        if recognised.protocol.literal_lines() > 0 {
            let name = recognised.protocol.name();
            let reason = format_args!(
                "{name} is not supported here: its clients compare the answer byte by byte"
            );
            return Err(Rejection::new(501, reason));
        }
        let context = settings.context(peer.secure, entropy);
        recognised.open(&context).map_err(of)
    }

    /// Answers a request. The application answers a handshake, in a task of its own.
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let peer = (self.peer)(&parts);
        let opened = match self.recognise(&parts) {
            Ok(Some(recognised)) => self.open(recognised, &peer),
            Err(rejection) => Err(rejection),
            Ok(None) => {
                let mut request = Request::from_parts(parts, body);
                request.extensions_mut().insert(Arc::new(peer));
                return self.site.serve_request(request).await;
            }
        };
        let Opening { request, responder } = match opened {
            Ok(opening) => opening,
            Err(rejection) => return rejected(&rejection),
        };
        let mut extensions = parts.extensions;
        let Some(upgrade) = extensions.remove::<OnUpgrade>() else {
            return rejected(&Rejection::new(
                501,
                "this connection cannot become a WebSocket",
            ));
        };
        let (answer, answered) = oneshot::channel();
        let reply = Carrier {
            responder,
            answer,
            upgrade,
        };
        let settings = self.site.settings();
        let pending = Pending {
            request,
            peer,
            reply: Box::new(reply),
            treatment: settings.treatment(),
            budget: Budget::default(),
            registry: self.registry.clone(),
            began: Instant::now(),
            deadline: Instant::now() + settings.handshake_timeout,
            shutdown: ShutdownSignal::default(),
            permit: None,
            messages: None,
            served_by: None,
            fallback_subprotocol: None,
            has_disconnected: false,
        };
        let unanswered = self.site.serve(Handshake::new(pending));
        tokio::spawn(async move {
            if let Err(error) = unanswered.answered().await.work.await {
                debug!(error, "an application has failed");
            }
        });
        match answered.await {
            Ok(response) => response,
            Err(_) => rejected(&Rejection::new(500, "the application did not answer")),
        }
    }
}

impl<B> tower_service::Service<Request<B>> for Mounted
where
    B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<crate::error::BoxError>,
{
    type Response = axum_core::response::Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mounted = self.clone();
        let request = request.map(Body::new);
        Box::pin(async move {
            let response = mounted.answer(request).await;
            Ok(response.map(axum_core::body::Body::new).into_response())
        })
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}
