//! A router that chooses an application by path and host.

use std::fmt;

use futures_core::future::BoxFuture;
use polysock_protocols::http::DotSegment;
use thiserror::Error;

use super::table::NotFound;
use super::{HostPattern, HostPatternError, PathPattern, PathPatternError};
use crate::apps::Application;
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::upstream::Captures;

/// Chooses an application by the path and the host that a client requests. The first matching route
/// receives the handshake. If none matches, the client receives 404. Captured segments of the path
/// are in the [extensions](crate::Peer::extensions) of the peer, as [`Captures`], separate from the
/// parameters of the client's query.
///
/// A gateway has [`Sites`](crate::Sites) for routes that differ in more than the application:
/// settings, pages, policies.
///
/// ```
/// use polysock::apps::component::{Client, Component, ws};
/// use polysock::apps::{Chat, echo};
/// use polysock::upstream::Captures;
/// use polysock::{BoxError, Message, Router};
///
/// struct Rooms;
///
/// impl Component for Rooms {
///     async fn on_message(&self, from: &Client, _: Message) -> Result<(), BoxError> {
///         let captures: Captures = from.get().ok_or("a room is asked for")?;
///         from.send(captures.get("room").unwrap_or_default());
///         Ok(())
///     }
/// }
///
/// let router = Router::new()
///     .route("=/chat", Chat::new())
///     .route("/room/{room}", ws(Rooms))
///     .route_of("*.example.com", "/", echo);
/// ```
#[derive(Default)]
pub struct Router {
    routes: Vec<RouterEntry>,
}

struct RouterEntry {
    host: Option<HostPattern>,
    path: PathPattern,
    application: Box<dyn Application>,
}

/// The reason why a route is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouterError {
    /// The host is not a pattern.
    #[error(transparent)]
    Host(#[from] HostPatternError),
    /// The path is not a pattern.
    #[error(transparent)]
    Path(#[from] PathPatternError),
}

impl Router {
    /// Creates a router without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an application for paths that match a [pattern](PathPattern), on any host: `/chat` with
    /// everything below it, `=/chat` alone, `/room/{room}`.
    ///
    /// # Panics
    ///
    /// Panics if the path is not a pattern. [`try_route`](Self::try_route) returns an error
    /// instead.
    #[must_use]
    pub fn route(self, path: &str, application: impl Application) -> Self {
        match self.try_route(None, path, application) {
            Ok(router) => router,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Adds an application for paths that match a pattern, on hosts that match
    /// [another](HostPattern): `example.com`, `*.example.com`.
    ///
    /// # Panics
    ///
    /// Panics if the host or the path is not a pattern.
    #[must_use]
    pub fn route_of(self, host: &str, path: &str, application: impl Application) -> Self {
        match self.try_route(Some(host), path, application) {
            Ok(router) => router,
            Err(error) => panic!("{host}{path}: {error}"),
        }
    }

    /// Adds an application like [`route`](Self::route), or with a host like
    /// [`route_of`](Self::route_of). For patterns that are not constants of the program.
    ///
    /// # Errors
    ///
    /// The host or the path is not a pattern.
    pub fn try_route(
        mut self,
        host: Option<&str>,
        path: &str,
        application: impl Application,
    ) -> Result<Self, RouterError> {
        self.routes.push(RouterEntry {
            host: host.map(str::parse).transpose()?,
            path: path.parse()?,
            application: Box::new(application),
        });
        Ok(self)
    }

    /// Finds the application for a path on a host, and the captures of the path.
    fn find(&self, host: &str, path: &str) -> Result<(&dyn Application, Captures), NotFound> {
        // An application might resolve the segment and read another path.
        if DotSegment::find(path.as_bytes()).is_some() {
            return Err(NotFound::Path);
        }
        let mut routes = self.routes.iter();
        let found = routes.find_map(|route| {
            let mut hosts = route.host.iter();
            if !hosts.all(|pattern| pattern.matches(host.as_bytes())) {
                return None;
            }
            let captures = route.path.captures(path.as_bytes())?;
            Some((&*route.application, captures))
        });
        found.ok_or(NotFound::Route)
    }
}

impl Application for Router {
    fn serve(&self, mut handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let request = handshake.request();
        match self.find(&request.host, request.path()) {
            Ok((application, captures)) => {
                if !captures.is_empty() {
                    handshake.peer_mut().extensions.insert(captures);
                }
                application.serve(handshake)
            }
            Err(not_found) => {
                handshake.reject(not_found.rejection());
                Box::pin(async { Ok(()) })
            }
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| (&route.host, &route.path));
        f.debug_list().entries(routes).finish()
    }
}
