//! A whole configuration.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::bus::{self, BusSection};
use super::control::{self, ControlSection};
use super::key::{Entries, Key};
use super::listener::{self, Listener};
use super::node::Node;
use super::process::{self, Process};
use super::publish::{self, PublishSection};
use super::reader::Reader;
use super::route::{self, Draft, Route};
use super::session::{self, Session};
use super::settings::Settings;
use super::settings_keys;
use super::target::{App, Target};
use super::upstream::{self, Upstream};
use super::zmq::{self, ZmqSection};

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) process: Process,
    pub(crate) control: ControlSection,
    pub(crate) publish: PublishSection,
    pub(crate) bus: BusSection,
    pub(crate) zmq: ZmqSection,
    /// The listeners, at least one.
    pub(crate) listeners: Vec<Listener>,
    /// The settings that routes inherit.
    pub(crate) defaults: Settings,
    /// The routes in their order, at least one.
    pub(crate) routes: Vec<Route>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) sessions: BTreeMap<String, Session>,
}

impl Config {
    /// Returns a configuration of one listener and this route.
    pub(crate) fn of_route(route: Route) -> Self {
        Self {
            process: Process::default(),
            control: ControlSection::default(),
            publish: PublishSection::default(),
            bus: BusSection::default(),
            zmq: ZmqSection::default(),
            listeners: vec![Listener::default()],
            defaults: Settings::default(),
            routes: vec![route],
            upstreams: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }
}

/// The configuration of a server without any arguments: the chat.
impl Default for Config {
    fn default() -> Self {
        Self::of_route(Route::everything(
            Target::App(App::Chat),
            Settings::default(),
        ))
    }
}

/// A configuration, and the places of its parts in the file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) config: Config,
    /// The root table of the file.
    pub(super) root: Node<'a>,
    pub(super) listeners: Vec<Node<'a>>,
    pub(super) defaults: Option<Node<'a>>,
    pub(super) routes: Vec<Node<'a>>,
    pub(super) upstreams: BTreeMap<&'a str, Node<'a>>,
    pub(super) sessions: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Document<'a> {
    /// Reads the whole file and records errors. The result is unusable if there are any.
    pub(super) fn read(root: Node<'a>, reader: &mut Reader) -> Self {
        let mut entries = Entries::new("the file", root, reader);
        let mut process = Process::default();
        entries.read(&process::keys(), &mut process, reader);

        let mut control = ControlSection::default();
        if let Some(node) = entries.take("control") {
            let mut entries = Entries::new("[control]", node, reader);
            entries.read(&control::keys(), &mut control, reader);
            entries.finish(&[], reader);
        }

        let mut publish = PublishSection::default();
        if let Some(node) = entries.take("publish") {
            let mut entries = Entries::new("[publish]", node, reader);
            entries.read(&publish::keys(), &mut publish, reader);
            entries.finish(&[], reader);
        }

        let mut bus = BusSection::default();
        if let Some(node) = entries.take("bus") {
            let mut entries = Entries::new("[bus]", node, reader);
            entries.read(&bus::keys(), &mut bus, reader);
            entries.finish(&[], reader);
        }

        let mut zmq = ZmqSection::default();
        if let Some(node) = entries.take("zmq") {
            let mut entries = Entries::new("[zmq]", node, reader);
            entries.read(&zmq::keys(), &mut zmq, reader);
            entries.finish(&[], reader);
        }

        let mut defaults = Settings::default();
        let defaults_at = entries.take("defaults");
        if let Some(node) = defaults_at {
            let mut entries = Entries::new("[defaults]", node, reader);
            entries.read(&settings_keys::keys(), &mut defaults, reader);
            entries.finish(&[("[[route]]", &names(&route::keys()))], reader);
            hasten_pongs(&mut defaults, node);
        }

        let listeners_at = tables("listener", &mut entries, reader);
        let listeners = listeners_at.iter().map(|node| listener(*node, reader));
        let listeners: Vec<Listener> = listeners.collect();

        let routes_at = tables("route", &mut entries, reader);
        let routes = routes_at.iter().map(|node| route(*node, &defaults, reader));
        let routes: Vec<Route> = routes.collect();

        let mut upstreams = BTreeMap::new();
        let mut upstreams_at = BTreeMap::new();
        for (name, node) in named("upstream", &mut entries, reader) {
            upstreams.insert(name.to_owned(), upstream(name, node, reader));
            upstreams_at.insert(name, node);
        }

        let mut sessions = BTreeMap::new();
        let mut sessions_at = BTreeMap::new();
        for (name, node) in named("session", &mut entries, reader) {
            sessions.insert(name.to_owned(), session(name, node, reader));
            sessions_at.insert(name, node);
        }

        for table in [
            "listener", "route", "upstream", "session", "defaults", "control", "publish", "bus",
            "zmq",
        ] {
            entries.know(table);
        }
        entries.finish(
            &[
                ("[[route]] and [defaults]", &names(&settings_keys::keys())),
                ("[[route]]", &names(&route::keys())),
                ("[[listener]]", &names(&listener::keys())),
            ],
            reader,
        );
        Self {
            config: Config {
                process,
                control,
                publish,
                bus,
                zmq,
                listeners: match listeners.is_empty() {
                    true => vec![Listener::default()],
                    false => listeners,
                },
                defaults,
                routes,
                upstreams,
                sessions,
            },
            root,
            listeners: listeners_at,
            defaults: defaults_at,
            routes: routes_at,
            upstreams: upstreams_at,
            sessions: sessions_at,
        }
    }
}

fn listener(node: Node<'_>, reader: &mut Reader) -> Listener {
    let mut listener = Listener::default();
    let mut entries = Entries::new("[[listener]]", node, reader);
    if !entries.has("address") && node.table().is_some() {
        let what = "this listener has no address";
        let mend = "add a line as address = \":8080\"";
        reader.problems.error(node.span(), what, mend);
    }
    entries.read(&listener::keys(), &mut listener, reader);
    let of_route = names(&settings_keys::keys());
    entries.finish(&[("[[route]] and [defaults]", &of_route)], reader);
    listener
}

fn route(node: Node<'_>, defaults: &Settings, reader: &mut Reader) -> Route {
    let mut draft = Draft::default();
    let mut settings = defaults.clone();
    let mut entries = Entries::new("[[route]]", node, reader);
    match (entries.has("target"), entries.has("targets")) {
        (false, false) if node.table().is_some() => {
            let what = "this route has no target";
            let mend =
                "add a line as target = \"ws://127.0.0.1:9000\", or targets = [\"…\", \"…\"]";
            reader.problems.error(node.span(), what, mend);
        }
        (true, true) => {
            let what = "this route has `target` and `targets`";
            reader
                .problems
                .error(node.span(), what, "leave one of them out");
        }
        _ => {}
    }
    if let Some(node) = entries.take("tls") {
        let what = "there is no key `tls` in [[route]]";
        let mend = "use `upstream_tls` for the TLS settings of the upstream";
        reader.problems.error(node.span(), what, mend);
    }
    entries.read(&route::keys(), &mut draft, reader);
    entries.read(&settings_keys::keys(), &mut settings, reader);
    let elsewhere = [
        ("[upstream.NAME]", names(&upstream::keys())),
        ("[[listener]]", names(&listener::keys())),
        ("the file, above all tables", names(&process::keys())),
    ];
    let elsewhere = elsewhere
        .each_ref()
        .map(|(title, names)| (*title, &**names));
    entries.finish(&elsewhere, reader);
    hasten_pongs(&mut settings, node);
    draft.finish(settings)
}

/// Limits a pong timeout that is not set here to the ping interval.
fn hasten_pongs(settings: &mut Settings, node: Node<'_>) {
    if let Some(interval) = settings.ping_interval
        && !node.has("pong_timeout")
    {
        settings.pong_timeout = settings.pong_timeout.min(interval);
    }
}

fn upstream(name: &str, node: Node<'_>, reader: &mut Reader) -> Upstream {
    let mut upstream = Upstream::default();
    let title = format!("[upstream.{name}]");
    let mut entries = Entries::new(&title, node, reader);
    if !entries.has("targets") && node.table().is_some() {
        let what = format!("the upstream `{name}` has no targets");
        let mend = "add a line as targets = [\"ws://10.0.0.1:9000\", \"ws://10.0.0.2:9000\"]";
        reader.problems.error(node.span(), what, mend);
    }
    entries.read(&upstream::keys(), &mut upstream, reader);
    let of_route = names(&settings_keys::keys());
    entries.finish(&[("[[route]] and [defaults]", &of_route)], reader);
    upstream
}

fn session(name: &str, node: Node<'_>, reader: &mut Reader) -> Session {
    let mut session = Session::default();
    let title = format!("[session.{name}]");
    let mut entries = Entries::new(&title, node, reader);
    entries.read(&session::keys(), &mut session, reader);
    let of_route = names(&settings_keys::keys());
    entries.finish(&[("[[route]] and [defaults]", &of_route)], reader);
    session
}

/// Takes the tables of an array of tables.
fn tables<'a>(name: &str, entries: &mut Entries<'a>, reader: &mut Reader) -> Vec<Node<'a>> {
    match entries.take(name) {
        None => Vec::new(),
        Some(node) if node.is_array() => node.items(),
        Some(node) => {
            let mend = format!("write [[{name}]] above its keys, once for each");
            node.unfit(mend, &mut reader.problems);
            Vec::new()
        }
    }
}

/// Takes the named tables inside a table.
fn named<'a>(
    name: &str,
    entries: &mut Entries<'a>,
    reader: &mut Reader,
) -> Vec<(&'a str, Node<'a>)> {
    let Some(node) = entries.take(name) else {
        return Vec::new();
    };
    let table: Option<&'a DeTable<'a>> = node.table();
    let Some(table) = table else {
        let mend = format!("write [{name}.NAME] above its keys");
        node.unfit(mend, &mut reader.problems);
        return Vec::new();
    };
    let tables = table.iter();
    let tables = tables.map(|(name, value)| {
        let name: &'a str = name.get_ref();
        (name, Node::new(name, value))
    });
    tables.collect()
}

fn names<S>(keys: &[Key<S>]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}
