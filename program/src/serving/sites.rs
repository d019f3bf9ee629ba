//! The sites of a configuration, and the configuration each was made from.

use std::sync::Arc;
use std::time::Duration;

use polysock::protocols::http::HeadLimits;
use polysock::upstream::Group;
use polysock::{Channels, Clients, Registry, Route, Site};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::session::session_of;
use super::site::{site, targets};
use super::tls::UpstreamsTls;
use crate::config::Config;
use crate::config::client::Client;
use crate::config::publish::PublishSection;
use crate::config::route;
use crate::config::server::Server;
use crate::config::session::Session;
use crate::config::target::Target;
use crate::config::upstream::Upstream;

/// The sites of a configuration, in the order of its routes.
#[derive(Debug, Default)]
pub(super) struct SiteSet {
    sites: Vec<BuiltSite>,
}

/// A site and the configuration that it was made from. A reload keeps the site if that is
/// unchanged.
#[derive(Clone, Debug)]
struct BuiltSite {
    of: SiteSource,
    site: Arc<Site>,
    group: Option<MadeGroup>,
    tls: UpstreamsTls,
    /// The TLS settings from files that have changed but are not in force yet; `None` if unchanged.
    new_tls: Option<UpstreamsTls>,
}

#[derive(Clone, Debug, PartialEq)]
struct SiteSource {
    /// The route, without the servers that it lists.
    route: route::Route,
    /// The upstream that the route names or lists, without its servers.
    upstream: Option<Upstream>,
    /// The session that the route names.
    session: Option<Session>,
    head: HeadLimits,
    /// The publish settings that a GRIP app shares with us; `None` for other targets.
    publish: Option<PublishSection>,
}

/// A group of servers. Its servers may change while its site stays.
#[derive(Clone, Debug)]
struct MadeGroup {
    group: Group,
    servers: Vec<Server>,
    /// The task of the health checks, aborted when the last clone is dropped.
    _watch: Arc<AbortOnDropHandle<()>>,
}

impl SiteSet {
    /// Makes the sites of a configuration. Unchanged sites of `before` are kept. Health checks run
    /// as tasks of this runtime.
    ///
    /// # Errors
    ///
    /// A route has a target that cannot be served.
    pub(super) fn of(
        config: &Config,
        before: &Self,
        runtime: &Handle,
        registry: &Registry,
        channels: &Channels,
    ) -> Result<Self, String> {
        let mut left: Vec<&BuiltSite> = before.sites.iter().collect();
        let head = head_limits(config);
        let sites = config.routes.iter().map(|route| {
            let upstream = upstream_of(route, config);
            let servers = upstream.as_ref().map(|upstream| upstream.targets.clone());
            let of = SiteSource {
                route: without_servers(route),
                upstream: upstream.clone().map(|upstream| Upstream {
                    targets: Vec::new(),
                    ..upstream
                }),
                session: session_of(route, config),
                head,
                publish: match &route.target {
                    Target::Grip(_) => Some(config.publish.clone()),
                    _ => None,
                },
            };
            let tls = UpstreamsTls::of(route, upstream.as_ref())?;
            let same = left.iter().position(|made| made.of == of);
            if let Some(made) = same.map(|at| left.swap_remove(at)) {
                let mut made = made.clone();
                (made.tls, made.new_tls) = made.tls.renewed(tls);
                if let (Some(group), Some(servers)) = (&mut made.group, servers) {
                    // A bad URL must fail before anything changes.
                    targets(upstream.as_ref(), route, head, &made.tls)?;
                    group.servers = servers;
                }
                return Ok(made);
            }
            let (site, group) = site(
                route,
                upstream.as_ref(),
                of.session.as_ref(),
                head,
                &tls,
                registry,
                (channels, &config.publish),
            )?;
            let changed = before.sites.iter().find(|made| {
                let (old, new) = (&made.of.route, route);
                (&old.name, &old.matching) == (&new.name, &new.matching)
            });
            let site = match changed {
                Some(made) => site.in_place_of(&made.site),
                None => site,
            };
            let watched = group.map(|group| MadeGroup {
                _watch: Arc::new(AbortOnDropHandle::new(runtime.spawn(group.watch()))),
                servers: servers.unwrap_or_default(),
                group,
            });
            let site = Arc::new(site);
            Ok(BuiltSite {
                of,
                site,
                group: watched,
                tls,
                new_tls: None,
            })
        });
        Ok(Self {
            sites: sites.collect::<Result<_, String>>()?,
        })
    }

    /// Applies the new TLS files and the new servers to the sites that were kept. The connections
    /// of removed servers are closed by tasks of this runtime.
    pub(super) fn settle_servers(&self, before: &Self, runtime: &Handle) {
        for made in &self.sites {
            if let Some(new) = &made.new_tls {
                made.tls.enforce(new);
            }
            let (Some(group), Some(upstream)) = (&made.group, &made.of.upstream) else {
                continue;
            };
            let old = before.find(&made.site).and_then(|old| old.group.as_ref());
            if old.is_none_or(|old| old.servers == group.servers) {
                continue;
            }
            let upstream_of_now = Upstream {
                targets: group.servers.clone(),
                ..upstream.clone()
            };
            let (route, head) = (&made.of.route, made.of.head);
            let targets = targets(Some(&upstream_of_now), route, head, &made.tls);
            if let Ok(targets) = targets {
                runtime.spawn(group.group.set_targets(targets, upstream.drain));
            }
        }
    }

    /// The routes to these sites, one for each host.
    pub(super) fn routes(&self) -> Vec<Route> {
        let routes = self.sites.iter().flat_map(|made| {
            let of = &made.of.route;
            let matching = &of.matching;
            let route = Route {
                name: name(of).map(Into::into),
                host: None,
                path: matching.path.clone(),
                clients: matching.clients.iter().map(clients).collect(),
                origins: matching.origins.clone(),
                subprotocols: matching.subprotocols.clone(),
                site: Arc::clone(&made.site),
            };
            let hosts = matching.hosts.iter().cloned().map(Some);
            let any = matching.hosts.is_empty().then_some(None);
            hosts.chain(any).map(move |host| Route {
                host,
                ..route.clone()
            })
        });
        routes.collect()
    }

    /// The titles of the routes that use TLS upstream without verifying certificates.
    pub(super) fn open_names(&self) -> impl Iterator<Item = String> {
        let open = self.sites.iter().filter(|made| made.tls.is_open);
        open.map(|made| made.of.route.title())
    }

    /// The time over which the connections of a removed site are closed.
    pub(super) fn drain_of(&self, site: &Arc<Site>) -> Duration {
        let made = self.find(site);
        made.map_or(Duration::ZERO, |made| made.of.route.settings.drain)
    }

    /// The number of these sites that were kept from `before`.
    pub(super) fn kept_from(&self, before: &Self) -> usize {
        let is_old = |made: &&BuiltSite| before.find(&made.site).is_some();
        self.sites.iter().filter(is_old).count()
    }

    /// The number of sites.
    pub(super) fn count(&self) -> usize {
        self.sites.len()
    }

    fn find(&self, site: &Arc<Site>) -> Option<&BuiltSite> {
        self.sites.iter().find(|made| Arc::ptr_eq(&made.site, site))
    }
}

/// The name of a route in the log.
fn name(route: &route::Route) -> Option<String> {
    let path = route.matching.path.as_ref().map(ToString::to_string);
    route.name.clone().or(path)
}

/// The group of servers of a route; `None` if it has no group.
fn upstream_of(route: &route::Route, config: &Config) -> Option<Upstream> {
    match &route.target {
        Target::Upstream(name) => config.upstreams.get(name).cloned(),
        Target::Servers(servers) => Some(Upstream {
            targets: servers.clone(),
            ..Upstream::default()
        }),
        Target::Url(_)
        | Target::Grip(_)
        | Target::Files(_)
        | Target::Exec(_)
        | Target::App(_)
        | Target::Broadcast(_) => None,
    }
}

fn without_servers(route: &route::Route) -> route::Route {
    let mut route = route.clone();
    if let Target::Servers(servers) = &mut route.target {
        servers.clear();
    }
    route
}

/// The limits of the head of an upstream's answer: those of a request's.
fn head_limits(config: &Config) -> HeadLimits {
    let heads = config.listeners.iter().map(|listener| listener.max_head);
    HeadLimits {
        head: heads.max().unwrap_or(HeadLimits::default().head),
        ..HeadLimits::default()
    }
}

fn clients(client: &Client) -> Clients {
    match client {
        Client::WebSocket => Clients::WebSocket,
        Client::Http => Clients::Http,
        Client::Protocol(protocol) => Clients::Protocol(*protocol),
    }
}
