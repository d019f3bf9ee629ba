//! The routes of a port, in their order.

use std::sync::{Arc, PoisonError, RwLock};

use polysock_protocols::http::DotSegment;
use polysock_protocols::{FlashDomain, Rejection};

use super::flash::flash_domains;
use super::host::name_of;
use super::route_query::RouteQuery;
use super::{Route, Site};
use crate::telemetry::{Masked, RouteName};
use crate::transport::Peer;
use crate::upstream::Captures;

/// The sites of a port. Replacing them does not affect open connections: each keeps the site that
/// accepted it.
#[derive(Debug)]
pub struct Sites {
    table: RwLock<Arc<Table>>,
}

/// The site for a request.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) site: Arc<Site>,
    /// The name of the route in the log; `None` for none.
    pub(crate) name: Option<Arc<str>>,
    captures: Captures,
}

/// The reason why there is no site for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// No route matches.
    Route,
    /// The path has a dot segment, so an upstream might read another path.
    Path,
}

impl Sites {
    /// Creates a table with one site for all requests.
    pub fn single(site: Site) -> Self {
        Self::new(vec![Route::new(Arc::new(site))])
    }

    /// Creates a table of routes. The first that matches a request is used. If none matches, the
    /// answer is 404.
    pub fn new(routes: Vec<Route>) -> Self {
        Self {
            table: RwLock::new(Arc::new(Table::new(routes))),
        }
    }

    /// Replaces the routes for new requests. Returns the sites that no longer have a route.
    pub fn replace(&self, routes: Vec<Route>) -> Vec<Arc<Site>> {
        let new = Arc::new(Table::new(routes));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *table, Arc::clone(&new));
        drop(table);
        let mut gone: Vec<Arc<Site>> = Vec::new();
        for Route { site, .. } in &old.routes {
            let is_same = |other: &Arc<Site>| Arc::ptr_eq(site, other);
            if !new.routes.iter().any(|route| is_same(&route.site)) && !gone.iter().any(is_same) {
                gone.push(Arc::clone(site));
            }
        }
        gone
    }

    /// Returns the domains whose Flash movies every route admits; `None` for all. See
    /// [`Origins::flash_domains`](super::Origins::flash_domains).
    pub fn flash_domains(&self) -> Option<Vec<FlashDomain>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let routes = table.routes.iter();
        flash_domains(routes.flat_map(|route| [&route.origins, &route.site.settings().origins]))
    }

    /// Finds the site for a request.
    pub(crate) fn find(&self, route_query: &RouteQuery<'_>) -> Result<Found, NotFound> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        // An upstream that resolves the segment would serve a path that the route is not for.
        if table.has_paths && DotSegment::find(route_query.path).is_some() {
            return Err(NotFound::Path);
        }
        table.find(route_query)
    }
}

impl Found {
    /// Adds the name of the route, the captures and their secrets to the peer.
    pub(crate) fn annotate(&self, peer: &mut Peer) {
        if let Some(name) = &self.name {
            peer.extensions.insert(RouteName(Arc::clone(name)));
        }
        if !self.captures.is_empty() {
            let secrets: Vec<_> = self.captures.secrets().cloned().collect();
            if !secrets.is_empty() {
                peer.extensions.insert(Masked(secrets));
            }
            peer.extensions.insert(self.captures.clone());
        }
    }

    /// True if there is more to add to a peer than the name of the route.
    pub(crate) fn has_captures(&self) -> bool {
        !self.captures.is_empty()
    }
}

impl NotFound {
    /// Returns the refusal for the client.
    pub(crate) fn rejection(self) -> Rejection {
        match self {
            Self::Route => Rejection::new(404, "nothing is served here"),
            Self::Path => Rejection::new(400, "the path has a segment `.` or `..`"),
        }
    }
}

/// Routes, and keys that exclude most non-matching routes without a closer check.
#[derive(Debug)]
struct Table {
    routes: Vec<Route>,
    keys: Vec<Key>,
    has_paths: bool,
}

/// The hashes of the host (upper half) and of the first path segment (lower half).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    hashes: u64,
    /// The mask of the halves that are compared. A half is zero if the route matches several
    /// values.
    counts: u64,
}

impl Table {
    fn new(routes: Vec<Route>) -> Self {
        let key = |route: &Route| {
            let host = route.host.as_ref().and_then(|host| host.exact());
            let segment = route.path.as_ref().and_then(|path| path.first());
            Key::new(host.map(str::as_bytes), segment.map(str::as_bytes))
        };
        Self {
            keys: routes.iter().map(key).collect(),
            has_paths: routes.iter().any(|route| route.path.is_some()),
            routes,
        }
    }

    fn find(&self, route_query: &RouteQuery<'_>) -> Result<Found, NotFound> {
        let key = match &*self.routes {
            [_] => Key::ANY,
            _ => Key::of(route_query),
        };
        let may_be = |(of_route, _): &(&Key, _)| of_route.may_be(key);
        for (_, route) in self.keys.iter().zip(&self.routes).filter(may_be) {
            if let Some(captures) = route.captures(route_query) {
                return Ok(Found {
                    site: Arc::clone(&route.site),
                    name: route.name.clone(),
                    captures,
                });
            }
        }
        Err(NotFound::Route)
    }
}

impl Key {
    /// A key that no route excludes.
    const ANY: Self = Self {
        hashes: 0,
        counts: 0,
    };

    fn new(host: Option<&[u8]>, segment: Option<&[u8]>) -> Self {
        let half = |text: Option<&[u8]>| text.map_or((0, 0), |text| (hash(text), u32::MAX));
        let ((host, has_host), (segment, has_segment)) = (half(host), half(segment));
        let both = |upper: u32, lower: u32| u64::from(upper) << 32 | u64::from(lower);
        Self {
            hashes: both(host, segment),
            counts: both(has_host, has_segment),
        }
    }

    fn of(route_query: &RouteQuery<'_>) -> Self {
        let path = route_query
            .path
            .strip_prefix(b"/")
            .unwrap_or(route_query.path);
        let segment = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        // Routes compare segments with percent-encoding themselves.
        let segment = Some(segment).filter(|segment| !segment.contains(&b'%'));
        Self::new(Some(name_of(route_query.host.unwrap_or_default())), segment)
    }

    fn may_be(self, route_query: Self) -> bool {
        (self.hashes ^ route_query.hashes) & self.counts & route_query.counts == 0
    }
}

/// FNV-1a of the text in lower case.
fn hash(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    };
    bytes.iter().fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;
    use crate::apps::echo;

    fn route(host: &str, path: &str) -> Route {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Route {
            host: given(host).map(|host| host.parse().unwrap()),
            path: given(path).map(|path| path.parse().unwrap()),
            ..Route::new(Arc::new(Site::new(echo)))
        }
    }

    #[test]
    fn the_first_route_that_is_for_a_request_has_it() {
        let routes = [
            ("a.example", "=/chat"),
            ("*.b.example", "/chat"),
            ("", "/vnc/{token}"),
            ("", "/vnc"),
            ("a.example", ""),
            ("", "/%63hat"),
        ];
        let table = Table::new(routes.map(|(host, path)| route(host, path)).into());
        for (host, path, expected) in [
            ("a.example", "/chat", Some(0)),
            ("A.example:8080", "/ch%61t", Some(0)),
            ("a.example", "/chat/", Some(4)),
            ("x.b.example", "/chat/1", Some(1)),
            ("b.example", "/vnc/desk", Some(2)),
            ("a.example", "/vnc/desk/more", Some(2)),
            ("b.example", "/vnc/", Some(3)),
            ("b.example", "/%76nc", Some(3)),
            ("c.example", "/%63hat", Some(5)),
            ("c.example", "/chats", None),
            ("c.example", "/", None),
        ] {
            let request = Request::builder().uri(path).header("host", host);
            let request = request.body(()).unwrap();
            let found = table.find(&RouteQuery::request(&request, false)).ok();
            let is_it = |site: &Arc<Site>| {
                let is_same = |route: &Route| Arc::ptr_eq(&route.site, site);
                table.routes.iter().position(is_same)
            };
            let found = found.and_then(|found| is_it(&found.site));
            assert_eq!(found, expected, "{host} {path}");
        }
    }

    #[test]
    fn replacing_the_sites_returns_the_removed_ones() {
        let (kept, gone) = (route("", "/a"), route("", "/b"));
        let sites = Sites::new(vec![kept.clone(), gone.clone(), gone.clone(), kept.clone()]);
        let removed = sites.replace(vec![route("", "/c"), kept]);
        assert_eq!(removed.len(), 1);
        assert!(removed.iter().all(|site| Arc::ptr_eq(site, &gone.site)));
    }
}
