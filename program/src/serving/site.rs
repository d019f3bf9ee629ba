//! The site of a route.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use polysock::apps::component::ws;
use polysock::apps::wamp::{Broker, WampServer};
use polysock::apps::{Broadcaster, CHAT_PAGE, Chat, Files, Proxy, Relay, echo};
use polysock::protocols::http::HeadLimits;
use polysock::protocols::{Framing, hide_secrets};
use polysock::upstream::{
    Counted, ExecSettings, ExecUpstream, Group, GroupSettings, Template, Tokens, Upstream,
    UpstreamSettings,
};
use polysock::{BoxError, Channels, Handshake, Pages, Registry, Rejection, Site, SiteSettings};

use super::auth::policies;
use super::push;
use super::session;
use super::settings::{of_site, of_upstream};
use super::tls::UpstreamsTls;
use crate::config::exec;
use crate::config::publish::PublishSection;
use crate::config::route::Route;
use crate::config::server::Server;
use crate::config::session::Session;
use crate::config::target::{App, Target};
use crate::config::upstream;
use crate::flags::server::{bad_url, reach, web_server};

/// Returns the site of a route, and its group of upstream servers if there is one.
pub(super) fn site(
    route: &Route,
    group: Option<&upstream::Upstream>,
    session: Option<&Session>,
    head: HeadLimits,
    tls: &UpstreamsTls,
    registry: &Registry,
    pushed: (&Channels, &PublishSection),
) -> Result<(Site, Option<Group>), String> {
    let (channels, publish) = pushed;
    let settings = &route.settings;
    let binary_over_text = settings.binary_over_text;
    let mut group_behind = None;
    let name = counted_as(route);
    let relay = |upstream: Arc<dyn Upstream>| {
        let upstream = Arc::new(Counted::new(upstream, &name, registry));
        Site::new(Relay::new(upstream).binary_over_text(binary_over_text))
    };
    let (site, max_message) = match &route.target {
        Target::App(App::Echo) => (Site::new(echo), of_application()),
        Target::App(App::Chat) => {
            let page = Pages::with_index(CHAT_PAGE).at(&beginning(route));
            let chat = Site::new(Chat::new().queue(settings.queue)).with_http(page);
            (chat, Chat::MAX_MESSAGE)
        }
        Target::App(App::Broadcast) => {
            let broadcaster = Broadcaster::new().binary_over_text(binary_over_text);
            let broadcaster = broadcaster.queue(settings.queue);
            (Site::new(broadcaster), of_application())
        }
        Target::Broadcast(name) => {
            let broadcaster = Broadcaster::new().binary_over_text(binary_over_text);
            let broadcaster = broadcaster.queue(settings.queue);
            let broadcaster = broadcaster.on_channel(channels, name);
            (Site::new(broadcaster), of_application())
        }
        Target::Grip(url) => {
            let upstream = tls.apply(of_upstream(settings, head)?);
            let site = push::grip(url, route, upstream, channels, publish)?;
            (site, of_application())
        }
        Target::App(App::Wamp) => {
            let of = &settings.wamp;
            let server = WampServer::new(Broker)
                .dialect(of.dialect)
                .require_subprotocol(of.require_subprotocol)
                .on_channels(channels, &format!("wamp {}", route.title()));
            (
                Site::new(ws(server).queue(settings.queue)),
                of_application(),
            )
        }
        Target::Url(url) if !Template::is_template(url) => {
            let upstream = tls.apply(of_upstream(settings, head)?);
            let site = match web_server(url, upstream.clone())? {
                Some(server) => relay(Arc::new(server.clone())).with_http(Proxy::new(server)),
                None => relay(reach(url, upstream)?),
            };
            (site, u64::MAX)
        }
        Target::Url(url) => {
            let upstream = of_template(url, route, tls.apply(of_upstream(settings, head)?))?;
            (relay(upstream), u64::MAX)
        }
        Target::Exec(command) => {
            let upstream = of_upstream(settings, head)?;
            let url = format!("exec:{command}");
            let exec = ExecUpstream::parse(&url, upstream, exec_settings(&settings.exec));
            (
                relay(Arc::new(exec.map_err(|problem| bad_url(&problem))?)),
                u64::MAX,
            )
        }
        Target::Upstream(_) | Target::Servers(_) => {
            let of = group.ok_or("there are no targets")?;
            let targets = targets(group, route, head, tls)?;
            let made = Group::new(targets, group_settings(of, route));
            group_behind = Some(made.clone());
            let is_web = |server: &Server| is_web_server(&server.url);
            let site = relay(Arc::new(made.clone()));
            let site = match of.targets.iter().any(is_web) {
                true => site.with_http(Proxy::balanced(made)),
                false => site,
            };
            (site, u64::MAX)
        }
        Target::Files(folder) => {
            let site = Site::new(no_websocket).with_http(files(folder, route)?);
            (site, of_application())
        }
    };
    let mut policies = policies(settings)?;
    if let Some(session) = session {
        policies.push(session::policy(session, &settings.require_session)?);
    }
    let site = site
        .with_settings(of_site(route, max_message))
        .with_policies(policies);
    Ok((site, group_behind))
}

/// The name of a route's upstream in metrics. It contains nothing that a client sent.
fn counted_as(route: &Route) -> Arc<str> {
    match &route.target {
        Target::Upstream(name) => name.as_str().into(),
        Target::Url(url) | Target::Grip(url) => hide_secrets(url).as_ref().into(),
        Target::Exec(command) => {
            let program = command.split_whitespace().next().unwrap_or_default();
            format!("exec:{program}").into()
        }
        Target::Servers(_) => route.name.as_deref().unwrap_or("targets").into(),
        Target::App(_) | Target::Broadcast(_) | Target::Files(_) => "none".into(),
    }
}

/// The files of a folder. The fixed part of the route's path is stripped from requests.
fn files(folder: &Path, route: &Route) -> Result<Files, String> {
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(format!("`{}` is not a folder", folder.display())),
        Err(error) => return Err(format!("`{}`: {error}", folder.display())),
    }
    Ok(Files::new(folder).strip_prefix(&beginning(route)))
}

/// True if a URL is that of a server that gets ordinary requests.
fn is_web_server(url: &str) -> bool {
    let scheme = url.split("://").next().unwrap_or_default();
    ["http", "https"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web))
}

/// The fixed part of a route's path, before the first parameter.
fn beginning(route: &Route) -> String {
    let path = route.matching.path.as_ref().map(ToString::to_string);
    let path = path.unwrap_or_default();
    let beginning = path.strip_prefix('=').unwrap_or(&path);
    beginning.split("/{").next().unwrap_or_default().to_owned()
}

/// Refuses a WebSocket client of a route that serves files.
async fn no_websocket(handshake: Handshake) -> Result<(), BoxError> {
    handshake.reject(Rejection::new(
        404,
        "this path serves files, not WebSockets",
    ));
    Ok(())
}

/// The targets of a group.
pub(super) fn targets(
    of: Option<&upstream::Upstream>,
    route: &Route,
    head: HeadLimits,
    tls: &UpstreamsTls,
) -> Result<Vec<polysock::upstream::Target>, String> {
    let of = of.map_or(&[][..], |of| &of.targets);
    let settings = tls.apply(of_upstream(&route.settings, head)?);
    let target = |Server { url, weight }: &Server| {
        let target = polysock::upstream::Target::parse(url, settings.clone());
        let target = target.map_err(|problem| bad_url(&problem))?;
        Ok(target.with_weight(*weight))
    };
    of.iter().map(target).collect()
}

fn exec_settings(of: &exec::ExecSettings) -> ExecSettings {
    ExecSettings {
        framing: match of.framing {
            exec::Framing::Line => Framing::Line,
            exec::Framing::Nul => Framing::Nul,
            exec::Framing::Length => Framing::Length,
            exec::Framing::Stream => Framing::Stream,
        },
        binary: of.binary,
        dir: of.dir.clone(),
        env: of.env.clone().into_iter().collect(),
        pass_env: of.pass_env.clone(),
        max_processes: of.max_processes,
        grace: of.grace,
        shared: of.shared,
    }
}

fn group_settings(of: &upstream::Upstream, route: &Route) -> GroupSettings {
    GroupSettings {
        balance: of.balance.clone(),
        connect_timeout: route.settings.connect_timeout,
        attempts: of.attempts,
        try_timeout: of.try_timeout,
        ejection: of.ejection.clone(),
        health: of.health.clone(),
    }
}

/// Returns the upstream of a route whose URL has parameters from the path.
fn of_template(
    url: &str,
    route: &Route,
    settings: UpstreamSettings,
) -> Result<Arc<dyn Upstream>, String> {
    let tokens = route.settings.tokens.as_ref().map(|path| {
        let tokens = Tokens::read(path);
        tokens.map_err(|error| format!("{}: the tokens cannot be read: {error}", path.display()))
    });
    let template = Template::parse(url, settings, tokens.transpose()?);
    Ok(Arc::new(template.map_err(|problem| bad_url(&problem))?))
}

fn of_application() -> u64 {
    SiteSettings::default().session.max_message
}
