//! Checks of a configuration whose single values are valid.

#[cfg(feature = "tls")]
use std::ops::Range;

use polysock::Trusted;

use super::check_sessions::sessions;
use super::document::Document;
use super::key::alike;
use super::listener::{Address, Listener};
use super::node::Node;
use super::policy::Rule;
use super::problem::Problems;
use super::route::{Matching, Route};
use super::settings::Settings;
use super::target::Target;
#[cfg(feature = "tls")]
use super::upstream_tls::UpstreamTls;
use super::url::names;

/// Records every inconsistency.
pub(super) fn check(document: &Document<'_>, problems: &mut Problems) {
    listeners(document, problems);
    times(document, problems);
    policies(document, problems);
    #[cfg(feature = "auth")]
    auth(document, problems);
    routes(document, problems);
    upstreams(document, problems);
    sessions(document, settings(document), problems);
}

/// Checks the TLS settings of a listener.
fn tls(node: Node<'_>, listener: &Listener, problems: &mut Problems) {
    let Some(tls) = &listener.tls else {
        if listener.plain {
            let what = "`plain` has no effect: the listener has no TLS";
            problems.error(
                node.at("plain"),
                what,
                "leave it out, or give the listener `tls`",
            );
        }
        return;
    };
    let at = node.at("tls");
    if cfg!(not(feature = "tls")) {
        let what = "this program was built without TLS";
        problems.error(at.clone(), what, "build it with the feature `tls`");
    }
    if tls.identities().next().is_none() {
        let mend = "add certificate = \"site.pem\" and key = \"site.key\"";
        problems.error(at.clone(), "`tls` has no certificate", mend);
    }
    let lonely = tls.first.key.is_some() && tls.first.certificate.is_none();
    let mut further = tls.certificates.iter();
    if lonely || further.any(|identity| identity.certificate.is_none()) {
        let what = "`tls` has a key without a certificate";
        let mend = "add certificate = \"site.pem\" next to it";
        problems.error(at.clone(), what, mend);
    }
    if let Some(legacy) = &tls.legacy {
        if cfg!(not(feature = "legacy-tls")) {
            let what = "this build has no TLS for old clients";
            problems.error(
                at.clone(),
                what,
                "leave `legacy` out, or build it with the feature `legacy-tls`",
            );
        } else if legacy.certificate.is_none() {
            let what = "`legacy` has no certificate";
            problems.error(
                at.clone(),
                what,
                "add certificate = \"old.pem\" and key = \"old.key\"",
            );
        }
    }
    if tls
        .networks
        .iter()
        .any(|network| network.networks == Trusted::default())
    {
        let what = "an entry of `tls.networks` has no networks";
        problems.error(at.clone(), what, "add networks = [\"10.0.0.0/8\"] to it");
    }
    if tls.client_certificate.is_some() && tls.client_ca.is_none() {
        let what = "client certificates cannot be verified without a `client_ca`";
        let mend = "add client_ca = \"clients.pem\"";
        problems.error(at, what, mend);
    }
    if listener.secure && !listener.plain {
        let what = "`secure` means that a proxy in front terminates TLS, but with `tls` the listener refuses the proxy's plain text";
        problems.error(
            node.at("secure"),
            what,
            "add `plain = true`, or leave `secure` out",
        );
    }
}

fn listeners(document: &Document<'_>, problems: &mut Problems) {
    let listeners = document.listeners.iter().zip(&document.config.listeners);
    for (index, (node, listener)) in listeners.enumerate() {
        let before = document.config.listeners.iter().take(index);
        let is_any_port = matches!(listener.address, Address::Tcp(address) if address.port() == 0);
        let is_same = |other: &Address| *other == listener.address && !is_any_port;
        if before.map(|other| &other.address).any(is_same) {
            let what = format!("two listeners have the address {}", listener.address);
            problems.error(node.at("address"), what, "leave one of them out");
        }
        tls(*node, listener, problems);
        let (what, mend) = match listener.address {
            _ if listener.mode.is_none() => continue,
            Address::Unix(_) => continue,
            Address::Tcp(_) => (
                "`mode` is for Unix sockets",
                "leave it out, or listen at unix:PATH",
            ),
            Address::Systemd(_) => (
                "`mode` applies only to Unix sockets that Polysock creates",
                "leave it out: SocketMode= in the socket's unit sets the permissions",
            ),
        };
        problems.error(node.at("mode"), what, mend);
    }
}

/// The settings of `[defaults]` and of each route, and their places in the file.
fn settings<'a>(document: &'a Document<'a>) -> impl Iterator<Item = (Node<'a>, &'a Settings)> {
    let defaults = document.defaults.iter();
    let defaults = defaults.map(|node| (*node, &document.config.defaults));
    let routes = document.routes.iter().zip(&document.config.routes);
    let routes = routes.map(|(node, route)| (*node, &route.settings));
    defaults.chain(routes)
}

/// Checks `shutdown_drain` against `shutdown_timeout`, and pong timeouts against ping intervals.
fn times(document: &Document<'_>, problems: &mut Problems) {
    let process = &document.config.process;
    let drain = process.shutdown_drain;
    if !drain.is_zero() && drain >= process.shutdown_timeout {
        let what = format!(
            "`shutdown_drain` leaves no time to close: `shutdown_timeout` is {}s",
            process.shutdown_timeout.as_secs_f32()
        );
        let mend = "make it shorter, or `shutdown_timeout` longer";
        problems.error(document.root.at("shutdown_drain"), what, mend);
    }
    for (node, settings) in settings(document) {
        let Settings {
            ping_interval: Some(interval),
            pong_timeout,
            ..
        } = settings
        else {
            continue;
        };
        if node.has("pong_timeout") && pong_timeout > interval {
            let what = format!(
                "`pong_timeout` is longer than `ping_interval`, which is {}s",
                interval.as_secs_f32()
            );
            let mend = "make it shorter, or `ping_interval` longer";
            problems.error(node.at("pong_timeout"), what, mend);
        }
    }
}

/// Warns of rules that follow a rule for everybody.
fn policies(document: &Document<'_>, problems: &mut Problems) {
    for (node, settings) in settings(document) {
        let is_for_all = |rule: &Rule| rule.is_for_all() && !rule.log_only;
        let last = settings.policy.iter().position(is_for_all);
        if let Some(last) = last.filter(|last| last + 1 < settings.policy.len())
            && node.has("policy")
        {
            let what = format!(
                "the rules after rule {} of `policy` are never used, because it matches every client",
                last + 1
            );
            problems.warn(node.at("policy"), what, "move it to the end");
        }
    }
}

/// Checks that `auth` names exactly one method, with its values.
#[cfg(feature = "auth")]
fn auth(document: &Document<'_>, problems: &mut Problems) {
    for (node, settings) in settings(document) {
        if let Some(auth) = settings.auth.as_ref().filter(|_| node.has("auth"))
            && let Some((what, mend)) = super::auth::problem(auth)
        {
            problems.error(node.at("auth"), what, mend);
        }
    }
}

fn routes(document: &Document<'_>, problems: &mut Problems) {
    let config = &document.config;
    if config.routes.is_empty() {
        let mend = "add [[route]] and a line as target = \"ws://127.0.0.1:9000\"";
        let what = "there is no route, so no request would be served";
        problems.error(0..0, what, mend);
    }
    for (index, (node, route)) in document.routes.iter().zip(&config.routes).enumerate() {
        target(*node, route, document, problems);
        let before = config.routes.iter().take(index).zip(&document.routes);
        for (other, _) in before.clone() {
            if route.name.is_some() && route.name == other.name {
                let what = "another route has this name";
                problems.error(node.at("name"), what, "give each route its own name");
            }
        }
        let mut before = before.map(|(other, node)| (&other.matching, node));
        if let Some((_, other)) = before.find(|(other, _)| covers(other, &route.matching)) {
            let line = problems.line(other.span().start);
            let what =
                "this route is never used, because an earlier one matches all of its requests";
            let mend = format!("move it above the route on line {line}");
            problems.warn(node.span(), what, mend);
        }
    }
}

/// True if a route with these conditions matches every request that the other matches.
fn covers(matching: &Matching, other: &Matching) -> bool {
    let Matching {
        hosts,
        path,
        clients,
        origins,
        subprotocols,
    } = matching;
    let has_hosts = other.hosts.iter().all(|host| hosts.contains(host)) && !other.hosts.is_empty();
    let has_paths = match (path, &other.path) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(path), Some(other)) => {
            let other = other.to_string();
            match other.strip_prefix('=') {
                Some(exact) => path.captures(exact.as_bytes()).is_some(),
                None => [&*other, &format!("{other}/.")]
                    .iter()
                    .all(|other| path.captures(other.as_bytes()).is_some()),
            }
        }
    };
    let has_clients =
        other.clients.iter().all(|client| clients.contains(client)) && !other.clients.is_empty();
    (hosts.is_empty() || has_hosts)
        && has_paths
        && (clients.is_empty() || has_clients)
        && (*origins == polysock::Origins::Any || *origins == other.origins)
        && (subprotocols.is_empty() || *subprotocols == other.subprotocols)
}

/// Checks the target of a route against its path.
fn target(node: Node<'_>, route: &Route, document: &Document<'_>, problems: &mut Problems) {
    let upstreams = &document.config.upstreams;
    let at = match node.has("target") {
        true => node.at("target"),
        false => node.at("targets"),
    };
    let mut urls: Vec<&str> = Vec::new();
    match &route.target {
        Target::Url(url) => urls.push(url),
        Target::Servers(servers) if servers.is_empty() => {
            problems.error(at.clone(), "the route has no targets", "list at least one");
        }
        Target::Servers(servers) => urls.extend(servers.iter().map(|server| &*server.url)),
        Target::Upstream(name) => match upstreams.get(name) {
            Some(upstream) => urls.extend(upstream.targets.iter().map(|server| &*server.url)),
            None => {
                let names: Vec<&str> = upstreams.keys().map(String::as_str).collect();
                let mend = match alike(name, &names) {
                    Some(alike) => format!("did you mean `{alike}`?"),
                    None => format!("add [upstream.{name}] with its targets, or write a URL"),
                };
                problems.error(at.clone(), format!("there is no upstream `{name}`"), mend);
            }
        },
        Target::Grip(_)
        | Target::Files(_)
        | Target::Exec(_)
        | Target::App(_)
        | Target::Broadcast(_) => {}
    }
    let path = route.matching.path.as_ref();
    let captured: Vec<&str> = path.iter().flat_map(|path| path.names()).collect();
    let rewrite = route.settings.rewrite.as_ref();
    let rewritten = rewrite.iter().flat_map(|rewrite| rewrite.path.names());
    let needed = urls.iter().flat_map(|url| names(url));
    // A token that is not in the path comes from the query.
    let needed = needed.filter(|name| *name != TOKEN);
    let needed = needed.map(|name| (name, at.clone()));
    let rewritten = rewritten.map(|name| (name, node.at("rewrite")));
    for (name, at) in needed.chain(rewritten) {
        if !captured.contains(&name) {
            let what = format!("no segment of the path is named `{name}`");
            let mend = format!("give the route a path as \"/app/{{{name}}}\"");
            problems.error(at, what, mend);
        }
    }
    let Settings { tokens, allow, .. } = &route.settings;
    let is_open = |url: &&&str| {
        let mut chosen = chosen_by_client(url).into_iter();
        allow.is_empty() && chosen.any(|name| name != TOKEN || tokens.is_none())
    };
    if let Some(url) = urls.iter().find(is_open) {
        let what = format!("clients could choose any host as the target of `{url}`");
        let mend = "list the permitted networks in `allow`, or set `tokens` for {token}";
        problems.error(at.clone(), what, mend);
    }
    if node.has("tokens") && !urls.iter().any(|url| names(url).contains(&TOKEN)) {
        let what = "`tokens` has no effect: the target has no {token}";
        let mend = "give the route a target as \"tcp://{token}\"";
        problems.error(node.at("tokens"), what, mend);
    }
    let mut listeners = document.config.listeners.iter();
    if node.has("tls_min_version") && !listeners.any(|listener| listener.tls.is_some()) {
        let what = "`tls_min_version` has no effect: no listener has TLS";
        problems.error(
            node.at("tls_min_version"),
            what,
            "leave it out, or give a listener `tls`",
        );
    }
    #[cfg(feature = "tls")]
    if node.has("upstream_tls") {
        let is_used = urls.iter().any(|url| polysock::upstream::uses_tls(url));
        let at = node.at("upstream_tls");
        upstream_tls(
            "upstream_tls",
            at,
            &route.settings.upstream_tls,
            is_used,
            problems,
        );
    }
    if node.has("strip_prefix") && node.has("rewrite") {
        let what =
            "`strip_prefix` and `rewrite` both change the path, and only one of them may be set";
        problems.error(node.at("rewrite"), what, "leave one of them out");
    }
}

/// Checks `upstream_tls` or `tls` for settings without effect.
#[cfg(feature = "tls")]
fn upstream_tls(
    key: &str,
    at: Range<usize>,
    tls: &UpstreamTls,
    is_used: bool,
    problems: &mut Problems,
) {
    if !is_used {
        let what = format!("`{key}` has no effect: no target uses TLS");
        let mend = "write wss://, tls:// or https:// in a target, or leave it out";
        problems.error(at, what, mend);
    } else if tls.key.is_some() && tls.certificate.is_none() {
        let what = "`key` has no effect without `certificate`";
        problems.error(at, what, "add `certificate`, or leave `key` out");
    }
}

/// The names of parameters in the host and port of a URL.
fn chosen_by_client(url: &str) -> Vec<&str> {
    let behind = url.split_once("://").map_or("", |(_, behind)| behind);
    names(behind.split('/').next().unwrap_or_default())
}

/// The name of the parameter for a token.
const TOKEN: &str = "token";

fn upstreams(document: &Document<'_>, problems: &mut Problems) {
    for (name, node) in &document.upstreams {
        let mut routes = document.config.routes.iter();
        if !routes.any(|route| matches!(&route.target, Target::Upstream(used) if used == name)) {
            let what = format!("no route uses the upstream `{name}`");
            let mend = format!("set target = \"{name}\" in a route, or remove the upstream");
            problems.warn(node.span(), what, mend);
        }
        let upstream = document.config.upstreams.get(*name);
        #[cfg(feature = "tls")]
        if let Some(upstream) = upstream
            && let Some(settings) = &upstream.tls
        {
            let mut servers = upstream.targets.iter();
            let is_used = servers.any(|server| polysock::upstream::uses_tls(&server.url));
            upstream_tls("tls", node.at("tls"), settings, is_used, problems);
        }
        if upstream.is_some_and(|upstream| upstream.targets.is_empty()) {
            let what = format!("the upstream `{name}` has no targets");
            problems.error(node.at("targets"), what, "list at least one");
        }
    }
}
