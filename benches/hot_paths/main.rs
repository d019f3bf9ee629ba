//! The hot paths, each repeated COUNT times: `cargo bench --bench hot_paths -- CASE COUNT`.
//!
//! No time is measured here. `benches/instructions` runs each case under callgrind, whose
//! instruction counts are reproducible.

mod client;
mod frames;
mod rfc6455;

use std::sync::Arc;

use polysock::apps::echo;
use polysock::protocols::PROTOCOLS;
use polysock::{Gateway, Pages, Peer, PortSettings, Route, Site, Sites};

use self::client::{Client, Slow};
use self::frames::{CLOSE, GET, HIXIE76, RFC6455_DEFLATE, deflated_frame, hixie_frame};
use self::rfc6455::{RFC6455, masked_frame};

/// The behaviour of a client.
struct Case {
    handshake: &'static str,
    burst: Vec<u8>,
    /// Whether the client's reads are sometimes pending.
    is_slow: bool,
    /// Whether each burst has its own connection.
    is_connection: bool,
    /// The number of routes, of which the last is for the client; 0 for a single site.
    routes: usize,
}

fn case(name: &str) -> Option<Case> {
    let (handshake, burst) = match name {
        "echo-64x1" | "woken-64x1" => (RFC6455, masked_frame(2, 64)),
        "echo-64x16" => (RFC6455, masked_frame(2, 64).repeat(16)),
        "echo-text-64x16" => (RFC6455, masked_frame(1, 64).repeat(16)),
        "echo-1024x16" => (RFC6455, masked_frame(2, 1024).repeat(16)),
        "echo-16384x3" => (RFC6455, masked_frame(2, 16384).repeat(3)),
        "echo-deflate-1024x16" => (RFC6455_DEFLATE, deflated_frame(1024).repeat(16)),
        "hixie-64x16" => (HIXIE76, hixie_frame(64).repeat(16)),
        // An opening handshake and a close: one connection for each round. The connection of a slow
        // client is idle before the close.
        "handshake" | "open-close-idle" => (RFC6455, CLOSE.to_vec()),
        "handshake-hixie-76" => (HIXIE76, b"\xff\0".to_vec()),
        // The same on the only route, or the last of a hundred.
        "handshake-route-1" | "handshake-route-100" => (RFC6455, CLOSE.to_vec()),
        // A request on a persistent connection.
        "http-get" => (GET, GET.as_bytes().to_vec()),
        _ => return None,
    };
    Some(Case {
        handshake,
        burst,
        is_slow: ["woken-64x1", "open-close-idle", "http-get"].contains(&name),
        is_connection: name.starts_with("handshake") || name == "open-close-idle",
        routes: name
            .strip_prefix("handshake-route-")
            .map_or(0, |count| count.parse().expect("a number of routes")),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let name = arguments.next().unwrap_or_else(|| "echo-64x16".into());
    let count = arguments
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1000);
    let Some(case) = case(&name) else {
        eprintln!("there is no case `{name}`");
        std::process::exit(2);
    };
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    let page = "<!doctype html><title>polysock</title>".repeat(32);
    let site = Site::new(echo).with_http(Pages::with_index(page));
    let gateway = match case.routes {
        0 => Gateway::with_site(site, settings),
        count => Gateway::with_sites(Arc::new(routes(site, count)), settings),
    };
    let rounds = if case.is_connection { count } else { 1 };
    for _ in 0..rounds {
        let client = Client {
            handshake: case.handshake.as_bytes().to_vec(),
            burst: case.burst.clone(),
            left: count / rounds,
        };
        if case.is_slow {
            serve_slow(gateway.clone(), client).await;
        } else {
            gateway.serve_connection(client, Peer::default()).await;
        }
    }
}

/// Returns `count` routes: each has a path of its own, except the last, which serves all other
/// paths.
fn routes(site: Site, count: usize) -> Sites {
    let site = Arc::new(site);
    let route = |number: usize| {
        let path = match number {
            _ if number == count => "/".to_owned(),
            number => format!("/app-{number}"),
        };
        Route {
            path: Some(path.parse().expect("a path")),
            ..Route::new(Arc::clone(&site))
        }
    };
    Sites::new((1..=count).map(route).collect())
}

/// Serves a slow client in a task of its own, since the wake of a task is measured.
async fn serve_slow(gateway: Gateway, client: Client) {
    let client = Slow {
        client,
        has_paused: false,
    };
    let serving =
        tokio::spawn(async move { gateway.serve_connection(client, Peer::default()).await });
    serving.await.expect("it is served");
}
