//! The status pages, which need no script.
//!
//! Text from clients is untrusted: the templates escape it, and invisible characters are shown as
//! `\u{202e}`.

mod sparkline;
mod words;

use std::time::{Duration, SystemTime};

use askama::Template;
use hyper::{Response, StatusCode};
use polysock::{Body, MetricFamily, OpenConnection};

use self::sparkline::points;
use self::words::{bytes, said, time};
use super::answer::{html, problem};
use super::census;
use super::connections::Sort;
use super::guard::Guard;
use super::metrics::families;
use super::rates::Rate;
use super::state::State;
use super::status::{Refused, find, refused, retire};

pub(super) const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("script.js");

/// The number of connections shown in each order.
const SHOWN: usize = 10;

#[derive(Template)]
#[template(path = "status.html")]
struct Status<'a> {
    /// True if the page reloads itself when its script does not run.
    reloads: bool,
    version: &'static str,
    uptime: String,
    ready: bool,
    draining: bool,
    closing: Option<usize>,
    workers: usize,
    listeners: Vec<String>,
    routes: usize,
    open: usize,
    most: usize,
    /// The used share of the maximum of connections, in percent.
    used: usize,
    held: String,
    kinds: Vec<Kind>,
    rates: Vec<RateRow>,
    census: Vec<CensusRow>,
    retire: Vec<String>,
    refused: Vec<Refused>,
    ends: Vec<End>,
    upstreams: Vec<UpstreamRow>,
    tls: Vec<(String, u64)>,
    orders: Vec<Order>,
    form: Form<'a>,
}

/// The connections of one protocol, transport and route.
struct Kind {
    protocol: String,
    transport: String,
    route: String,
    now: u64,
    total: u64,
}

/// The counts of one quantity.
struct RateRow {
    name: &'static str,
    minute: u64,
    quarter: u64,
    day: u64,
    points: String,
}

struct CensusRow {
    protocol: String,
    device: String,
    origin: String,
    live: u64,
    total: u64,
    first: String,
    last: String,
    user_agent: String,
    refusal: String,
}

struct End {
    protocol: String,
    by: String,
    code: String,
    clean: bool,
    count: u64,
}

struct UpstreamRow {
    name: String,
    open: u64,
    connected: u64,
    failed: u64,
}

/// Connections in one order.
struct Order {
    title: &'static str,
    connections: Vec<Shown>,
}

/// A connection as shown on a page.
struct Shown {
    id: String,
    protocol: &'static str,
    transport: &'static str,
    route: String,
    peer: String,
    target: String,
    upstream: String,
    user_agent: String,
    origin: String,
    age: String,
    idle: String,
    held: String,
    received: String,
    sent: String,
    messages_received: u64,
    messages_sent: u64,
    closing: bool,
    tapped: bool,
}

/// The common parts of every form.
struct Form<'a> {
    key: &'a str,
    /// True if the form asks for the token.
    needs_token: bool,
    /// True if the listener allows changes.
    is_there: bool,
}

#[derive(Template)]
#[template(path = "connection.html")]
struct Connection<'a> {
    connection: Shown,
    form: Form<'a>,
}

/// The page of the server.
pub(super) fn status(state: &State, guard: &Guard, reloads: bool) -> Response<Body> {
    let facts = state.facts();
    let metrics = families(state);
    let open = state.registry.connections(|_| true);
    let now = SystemTime::now();
    let census = state.census.rows(&open);
    let page = Status {
        reloads,
        version: env!("CARGO_PKG_VERSION"),
        uptime: time(state.began.elapsed()),
        ready: state.is_ready(),
        draining: state.registry.is_draining(),
        closing: state.closing().as_ref().map(|closing| closing.count),
        workers: state.workers,
        listeners: facts.listeners,
        routes: facts.routes,
        open: open.len(),
        most: state.max_connections,
        used: open.len() * 100 / state.max_connections.max(1),
        held: bytes(state.budget.held()),
        kinds: kinds(&metrics),
        rates: state.rates.rates().iter().map(rate_row).collect(),
        census: census.iter().map(|row| census_row(row, now)).collect(),
        retire: retire(state, &metrics),
        refused: refused(state).into_iter().map(shown_refusal).collect(),
        ends: ends(&metrics),
        upstreams: upstreams(&metrics),
        tls: tls(&metrics),
        orders: orders(&open),
        form: form(guard),
    };
    rendered(&page)
}

/// The page of one connection.
pub(super) fn connection(guard: &Guard, connection: &OpenConnection) -> Response<Body> {
    rendered(&Connection {
        connection: Shown::of(connection),
        form: form(guard),
    })
}

fn rendered(page: &impl Template) -> Response<Body> {
    match page.render() {
        Ok(page) => html(page),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn form(guard: &Guard) -> Form<'_> {
    Form {
        key: guard.form_key.as_str(),
        needs_token: guard.address.is_some(),
        is_there: guard.address.is_none() || guard.token.is_some(),
    }
}

fn orders(open: &[OpenConnection]) -> Vec<Order> {
    let orders = [
        ("Slowest readers", Sort::Held),
        ("Oldest", Sort::Age),
        ("Busiest", Sort::Received),
        ("Longest idle", Sort::Idle),
    ];
    let orders = orders.into_iter().map(|(title, sort)| {
        let mut connections: Vec<_> = open.iter().collect();
        sort.apply(&mut connections);
        let first = connections.iter().take(SHOWN);
        Order {
            title,
            connections: first.map(|connection| Shown::of(connection)).collect(),
        }
    });
    orders.collect()
}

impl Shown {
    fn of(connection: &OpenConnection) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(said).unwrap_or_default();
        let traffic = connection.traffic;
        Self {
            id: connection.id.to_string(),
            protocol: connection.protocol,
            transport: connection.transport,
            route: connection.route.as_deref().map(said).unwrap_or_default(),
            peer: text(&connection.peer),
            target: said(&connection.target),
            upstream: text(&connection.upstream),
            user_agent: text(&connection.user_agent),
            origin: text(&connection.origin),
            age: time(connection.age),
            idle: time(connection.idle),
            held: bytes(connection.held),
            received: bytes(traffic.received),
            sent: bytes(traffic.sent),
            messages_received: traffic.messages_received,
            messages_sent: traffic.messages_sent,
            closing: connection.closing.is_some(),
            tapped: connection.is_tapped,
        }
    }
}

fn kinds(metrics: &[MetricFamily]) -> Vec<Kind> {
    let samples = |name| {
        find(metrics, name)
            .map(|family| &*family.samples)
            .unwrap_or_default()
    };
    let opened = samples("polysock_connections_opened");
    let kinds = samples("polysock_connections").iter().map(|sample| {
        let label = |name: &str| said(sample.label(name).unwrap_or_default());
        let same = opened.iter().find(|other| other.labels == sample.labels);
        Kind {
            protocol: label("protocol"),
            transport: label("transport"),
            route: label("route"),
            now: sample.value.count(),
            total: same.map_or(0, |sample| sample.value.count()),
        }
    });
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_by(|one, other| {
        let order = (other.now, other.total).cmp(&(one.now, one.total));
        order.then_with(|| one.protocol.cmp(&other.protocol))
    });
    kinds
}

fn ends(metrics: &[MetricFamily]) -> Vec<End> {
    let family = find(metrics, "polysock_connections_closed");
    let samples = family.map(|family| &*family.samples).unwrap_or_default();
    let ends = samples.iter().map(|sample| {
        let label = |name: &str| sample.label(name).unwrap_or_default().to_owned();
        End {
            protocol: label("protocol"),
            by: label("by"),
            code: label("code"),
            clean: label("clean") == "true",
            count: sample.value.count(),
        }
    });
    let mut ends: Vec<_> = ends.collect();
    ends.sort_by(|one, other| {
        let order = other.count.cmp(&one.count);
        order.then_with(|| {
            (&one.protocol, &one.code, &one.by).cmp(&(&other.protocol, &other.code, &other.by))
        })
    });
    ends
}

fn upstreams(metrics: &[MetricFamily]) -> Vec<UpstreamRow> {
    let open = find(metrics, "polysock_upstream_connections");
    let connects = find(metrics, "polysock_upstream_connects");
    let samples = open.map(|family| &*family.samples).unwrap_or_default();
    let upstreams = samples.iter().map(|sample| {
        let name = sample.label("upstream").unwrap_or_default();
        let count = |outcome: &str| {
            connects.map_or(0, |family| {
                family.total(|sample| {
                    sample.label("upstream") == Some(name)
                        && sample.label("outcome") == Some(outcome)
                })
            })
        };
        UpstreamRow {
            name: said(name),
            open: sample.value.count(),
            connected: count("connected"),
            failed: count("failed"),
        }
    });
    upstreams.collect()
}

fn tls(metrics: &[MetricFamily]) -> Vec<(String, u64)> {
    let family = find(metrics, "polysock_tls_handshakes");
    let samples = family.map(|family| &*family.samples).unwrap_or_default();
    let mut tls: Vec<_> = samples
        .iter()
        .map(|sample| {
            let label = |name: &str| sample.label(name).unwrap_or_default();
            (
                format!("{}, {}", label("version"), label("outcome")),
                sample.value.count(),
            )
        })
        .collect();
    tls.sort();
    tls
}

fn rate_row(rate: &Rate) -> RateRow {
    RateRow {
        name: rate.name,
        minute: rate.minute,
        quarter: rate.quarter,
        day: rate.day,
        points: points(&rate.seconds),
    }
}

fn census_row(row: &census::Row, now: SystemTime) -> CensusRow {
    let ago = |at: SystemTime| {
        let ago = now.duration_since(at).unwrap_or(Duration::ZERO);
        format!("{} ago", time(ago))
    };
    CensusRow {
        protocol: row.who.protocol.clone(),
        device: said(&row.who.device),
        origin: said(&row.who.origin),
        live: row.live,
        total: row.seen.total,
        first: ago(row.seen.first),
        last: ago(row.seen.last),
        user_agent: said(&row.seen.last_user_agent),
        refusal: row.seen.last_refusal.clone().unwrap_or_default(),
    }
}

fn shown_refusal(refused: Refused) -> Refused {
    let lines = refused.head.lines().map(said);
    Refused {
        head: lines.collect::<Vec<_>>().join("\n"),
        detail: said(&refused.detail),
        peer: said(&refused.peer),
        remedy: refused.remedy.as_deref().map(said),
        ..refused
    }
}
