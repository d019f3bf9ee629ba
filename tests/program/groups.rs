//! Several targets of one route: one is killed and one hangs under load, and no new client notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use polysock::apps::Relay;
use polysock::protocols::{PROTOCOLS, SessionConfig};
use polysock::upstream::{Group, GroupSettings, Target, UpstreamSettings};
use polysock::{Connection, Gateway, PortSettings, Site};
use polysock_test_support::client::Client;
use polysock_test_support::dial::dial_with;
use polysock_test_support::opening::assert_status;
use polysock_test_support::server::Server;
use polysock_test_support::{PATIENCE, gateway};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{POLYSOCK, configured};

/// Starts a gateway in front of these targets.
fn gateway(targets: &[Server]) -> SocketAddr {
    let settings = UpstreamSettings {
        session: SessionConfig {
            ping_interval: Some(Duration::from_secs(2)),
            pong_timeout: Duration::from_secs(2),
            ..SessionConfig::default()
        },
        ..UpstreamSettings::default()
    };
    let targets = targets.iter().map(|target| {
        let url = format!("ws://{}", target.address);
        Target::parse(&url, settings.clone()).unwrap()
    });
    let group = Group::new(
        targets.collect(),
        GroupSettings {
            connect_timeout: Duration::from_secs(8),
            ..GroupSettings::default()
        },
    );
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        handshake_timeout: PATIENCE,
        ..PortSettings::default()
    };
    let site = Site::new(Relay::new(Arc::new(group)));
    gateway::serve(Gateway::with_site(site, settings))
}

async fn open(protocol: &str, gateway: &str) -> Connection {
    let settings = UpstreamSettings {
        connect_timeout: PATIENCE,
        ..UpstreamSettings::default()
    };
    dial_with(protocol, gateway, &[], settings).await
}

async fn echoes(client: &mut Connection) -> bool {
    if client.send("hello".into()).await.is_err() {
        return false;
    }
    let answer = timeout(PATIENCE, client.next()).await.unwrap();
    matches!(answer, Some(Ok(message)) if message.as_text() == Some("hello"))
}

#[tokio::test]
async fn no_opening_handshake_fails_where_targets_die_and_their_connections_are_closed() {
    let targets = [(); 3].map(|()| POLYSOCK.echo(&[]));
    let address = gateway(&targets);
    survives(address, &targets).await;
}

#[tokio::test]
async fn no_opening_handshake_fails_behind_a_configured_route_whose_targets_die() {
    let targets = [(); 3].map(|()| POLYSOCK.echo(&[]));
    let route = format!(
        "[[route]]\nprotocols = \"all\"\nconnect_timeout = \"8s\"\n\
         ping_interval = \"2s\"\npong_timeout = \"2s\"\n{}",
        several("ws", &targets)
    );
    let server = configured::serve("group", &route, &[]);
    survives(server.address, &targets).await;
}

/// Returns the configuration line for these targets.
fn several(scheme: &str, targets: &[Server]) -> String {
    let urls = targets
        .iter()
        .map(|target| format!("\"{scheme}://{}\"", target.address));
    format!("targets = [{}]\n", urls.collect::<Vec<_>>().join(", "))
}

/// Kills one target and hangs another, under load.
async fn survives(gateway: SocketAddr, targets: &[Server; 3]) {
    let address = gateway.to_string();
    let protocols = ["rfc6455", "hybi-10", "hixie-76"];
    // Clients open one by one in turn, so that each target gets the same number in each protocol.
    let mut established = Vec::new();
    for turn in 0..18 {
        let protocol = protocols[turn / 3 % 3];
        let mut client = open(protocol, &address).await;
        assert!(echoes(&mut client).await);
        established.push((protocol, client));
    }

    // Each client reads all the time, so that it answers pings.
    let (check, checks) = watch::channel(());
    let ended = Arc::new(AtomicUsize::new(0));
    let ends = established.into_iter().map(|(protocol, mut client)| {
        let (mut checks, ended) = (checks.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            let end = tokio::select! {
                end = client.next() => end,
                // No message arrives for clients of the third target.
                _ = checks.changed() => {
                    assert!(echoes(&mut client).await, "{protocol}");
                    return None;
                }
            };
            ended.fetch_add(1, Ordering::SeqCst);
            assert!(end.is_none(), "{protocol}: {end:?}");
            let closed = client.closed().unwrap().clone();
            let code = closed.close.map(|close| close.code.get());
            Some((protocol, closed.clean, code))
        })
    });
    let ends: Vec<_> = ends.collect();

    let is_over = Arc::new(AtomicBool::new(false));
    let opened = Arc::new(AtomicUsize::new(0));
    let load = (0..16).map(|number| {
        let (is_over, opened) = (Arc::clone(&is_over), Arc::clone(&opened));
        let address = address.clone();
        tokio::spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                // A refusal fails the test here. An established connection to a dying target may be
                // cut.
                let mut client = open(protocols[number % 3], &address).await;
                opened.fetch_add(1, Ordering::SeqCst);
                echoes(&mut client).await;
                let _ = client.close(None).await;
            }
        })
    });
    let load: Vec<_> = load.collect();
    let began = Instant::now();
    let wait_for = async |more: usize| {
        let goal = opened.load(Ordering::SeqCst) + more;
        while opened.load(Ordering::SeqCst) < goal {
            assert!(began.elapsed() < 6 * PATIENCE, "no load");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    wait_for(100).await;
    targets[0].signal("KILL");
    wait_for(100).await;
    targets[1].signal("STOP");
    wait_for(100).await;

    while ended.load(Ordering::SeqCst) < 12 {
        assert!(began.elapsed() < 6 * PATIENCE, "clients of dead targets");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    check.send(()).unwrap();
    let ends = join_all(ends).await.into_iter();
    let ends: Vec<_> = ends.map(Result::unwrap).collect();
    is_over.store(true, Ordering::SeqCst);
    for client in load {
        client.await.unwrap();
    }
    assert_eq!(
        ends.iter().filter(|end| end.is_none()).count(),
        6,
        "{ends:?}"
    );
    for (protocol, code) in [
        ("rfc6455", Some(1014)),
        // hybi-10 has no code for a bad gateway.
        ("hybi-10", Some(1001)),
        ("hixie-76", None),
    ] {
        let of_protocol = ends
            .iter()
            .flatten()
            .filter(|end| **end == (protocol, true, code));
        assert_eq!(of_protocol.count(), 4, "{ends:?}");
    }
    eprintln!("{} opening handshakes", opened.load(Ordering::SeqCst));
}

#[test]
fn no_ordinary_request_fails_where_web_servers_die() {
    let targets = [(); 3].map(|()| POLYSOCK.serve(&["--app", "chat"]));
    let route = format!(
        "[[route]]\nanswer_timeout = \"1s\"\n{}",
        several("http", &targets)
    );
    let server = configured::serve("web-group", &route, &[]);
    let address = server.address;
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let mut client = Client::connect(address);
                    client.send(get);
                    assert_status(&client.head(), 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let wait_for_more = || {
            let goal = answered.load(Ordering::SeqCst) + 100;
            let began = Instant::now();
            while answered.load(Ordering::SeqCst) < goal {
                assert!(began.elapsed() < 6 * PATIENCE, "no load");
                thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for_more();
        targets[0].signal("KILL");
        wait_for_more();
        targets[1].signal("STOP");
        wait_for_more();
        is_over.store(true, Ordering::SeqCst);
    });
}
