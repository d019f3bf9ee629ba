//! Routes from requests to targets.

use bytestring::ByteString;
use polysock::{HostPattern, Origins, PathPattern, PathPatternError};
use serde_json::json;

use super::client::{Client, client};
use super::form::{List, Maybe, Word, quoted};
use super::key::Key;
use super::server::{Server, Servers};
use super::settings::Settings;
use super::target::{Target, Targets};
use super::tls;
use super::words::{OriginList, subprotocol, text};
use crate::flags::tls::MinVersion;

/// A route from requests to a target: a `[[route]]`. The first matching route is used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    /// The name in the log.
    pub(crate) name: Option<String>,
    pub(crate) matching: Matching,
    pub(crate) target: Target,
    /// The oldest TLS version; `None` for that of the listener.
    pub(crate) tls_min_version: Option<MinVersion>,
    /// The settings of the route, including those of `[defaults]`.
    pub(crate) settings: Settings,
}

/// The conditions of a route. A request must meet all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matching {
    /// The hosts; empty for any.
    pub(crate) hosts: Vec<HostPattern>,
    /// The paths; `None` for any.
    pub(crate) path: Option<PathPattern>,
    /// The kinds of clients; empty for any.
    pub(crate) clients: Vec<Client>,
    /// The origins. Requests of other origins are left to later routes.
    pub(crate) origins: Origins,
    /// The subprotocols, of which the client must offer one; empty for any, and for clients that
    /// offer none.
    pub(crate) subprotocols: Vec<ByteString>,
}

/// A route that is being read, without its settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) matching: Matching,
    target: Option<Target>,
    targets: Vec<Server>,
    tls_min_version: Option<MinVersion>,
}

impl Route {
    /// Returns a route for all requests.
    pub(crate) fn everything(target: Target, settings: Settings) -> Self {
        Self {
            name: None,
            matching: Matching::default(),
            target,
            tls_min_version: None,
            settings,
        }
    }

    /// The title of a policy rule in logs and warnings.
    pub(crate) fn rule_title(&self, index: usize) -> String {
        let name = self.settings.policy.get(index);
        let rule = match name.and_then(|rule| rule.name.as_ref()) {
            Some(name) => format!("rule `{name}`"),
            None => format!("rule {}", index + 1),
        };
        format!("{rule} of the policy of {}", self.title())
    }

    /// The title in logs and warnings: its name, or its path.
    pub(crate) fn title(&self) -> String {
        let path = self.matching.path.as_ref().map(ToString::to_string);
        let title = self.name.clone().or(path);
        title.unwrap_or_else(|| "/".to_owned())
    }
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            path: None,
            clients: Vec::new(),
            origins: Origins::Any,
            subprotocols: Vec::new(),
        }
    }
}

impl Draft {
    /// Completes the route with these settings.
    pub(super) fn finish(self, settings: Settings) -> Route {
        Route {
            name: self.name,
            matching: self.matching,
            target: self.target.unwrap_or(Target::Servers(self.targets)),
            tls_min_version: self.tls_min_version,
            settings,
        }
    }

    /// Returns the values to write for a route.
    pub(super) fn of(route: &Route) -> Self {
        let Route {
            name,
            matching,
            target,
            tls_min_version,
            ..
        } = route.clone();
        let (target, targets) = match target {
            Target::Servers(servers) => (None, servers),
            target => (Some(target), Vec::new()),
        };
        Self {
            name,
            matching,
            target,
            targets,
            tls_min_version,
        }
    }
}

/// The keys of a route that `[defaults]` does not have.
pub(super) fn keys() -> Vec<Key<Draft>> {
    vec![
        Key::new(
            "name",
            Maybe(text()),
            |draft: &mut Draft| &mut draft.name,
            "The name of the route in the log. Default: its path.",
        )
        .example("\"desktops\""),
        Key::new(
            "host",
            List(host()),
            |draft: &mut Draft| &mut draft.matching.hosts,
            "The hosts of requests that match: \"example.com\", or \"*.example.com\" for hosts with one more label. \
             Default: any.",
        )
        .example("[\"example.com\", \"*.example.com\"]"),
        Key::new(
            "path",
            Maybe(path()),
            |draft: &mut Draft| &mut draft.matching.path,
            "The paths of requests that match: \"/api\" for it and all paths below, \"=/chat\" for this path alone. \
             {name} stands for any single segment. Default: any.",
        )
        .example("\"/vnc/{token}\""),
        Key::new(
            "client",
            List(client()),
            |draft: &mut Draft| &mut draft.matching.clients,
            "The kinds of clients that match: \"websocket\", \"http\" (ordinary requests), or names of protocols. \
             Default: all.",
        )
        .example("[\"hixie-76\", \"hybi-10\"]"),
        Key::new(
            "origin",
            OriginList,
            |draft| &mut draft.matching.origins,
            "The origins of requests that match. Requests of other origins are left to the routes below, while \
             `origins` refuses them.",
        ),
        Key::new(
            "subprotocol",
            List(subprotocol()),
            |draft| &mut draft.matching.subprotocols,
            "The subprotocols of which a client must offer one to match. Other clients are left to the routes below. \
             Empty: any.",
        ),
        Key::new(
            "target",
            Maybe(Targets),
            |draft: &mut Draft| &mut draft.target,
            "The target: a URL (tcp:, unix:, ws:, ws+PROTOCOL:, ws+auto:, http:; over TLS tls:, wss:, wss+PROTOCOL:, \
             wss+auto:, https:), a web app that receives WebSockets as HTTP requests (http+grip:, https+grip:), \
             file:DIR, exec:COMMAND, app:chat, app:echo, app:broadcast, app:broadcast/CHANNEL, app:wamp, or the NAME \
             of an [upstream.NAME].",
        )
        .example("\"tcp://{token}\""),
        Key::new(
            "targets",
            List(Servers),
            |draft: &mut Draft| &mut draft.targets,
            "Several servers instead of `target`, as in an [upstream.NAME].",
        )
        .example("[\"ws://10.0.0.1:9000\", \"ws://10.0.0.2:9000\"]"),
        Key::new(
            "tls_min_version",
            Maybe(tls::version()),
            |draft: &mut Draft| &mut draft.tls_min_version,
            "The minimum TLS version of the route, which overrides `tls.min_version` of the listener. Clients with an \
             older version receive 403. Default: that of the listener.",
        )
        .example("\"1.3\""),
    ]
}

/// The form of a host pattern.
fn host() -> Word<HostPattern> {
    Word {
        read: |text| {
            text.parse()
                .map_err(|error: polysock::HostPatternError| error.to_string())
        },
        write: |host| Some(quoted(&host.to_string())),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a path pattern.
fn path() -> Word<PathPattern> {
    Word {
        read: |text| {
            text.parse().map_err(|error| match error {
                PathPatternError::Twice(name) => {
                    format!("two segments are named `{name}`: give each its own name")
                }
                other => other.to_string(),
            })
        },
        write: |path| Some(quoted(&path.to_string())),
        schema: || json!({ "type": "string", "pattern": "^=?/|\\$\\{" }),
    }
}
