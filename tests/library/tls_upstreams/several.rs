//! Groups of targets over TLS.

use std::sync::Arc;
use std::time::Duration;

use polysock::apps::{Proxy, Relay};
use polysock::upstream::{Group, GroupSettings, HealthCheck, Target, UpstreamError};
use polysock::{Gateway, PortSettings, Site};
use polysock_test_support::PATIENCE;
use polysock_test_support::authority::Authority;
use polysock_test_support::client::Client;
use polysock_test_support::gateway::serve;
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::tcp::raw_echo_server;
use polysock_test_support::tls_server::TlsServer;

use super::web::{ask, tells};
use super::{echoes, settings, trusting};

#[test]
fn a_target_with_an_invalid_certificate_is_skipped() {
    let (ours, other) = (Authority::new(), Authority::new());
    let bad = TlsServer::new(&other.issue(&["localhost"]));
    let good = TlsServer::new(&ours.issue(&["localhost"]));
    let settings = settings(&trusting(&ours));
    for (scheme, behind) in [
        ("wss", echoes()),
        ("wss+auto", echoes()),
        ("tls", raw_echo_server()),
    ] {
        let (bad, good) = (bad.clone().before(behind), good.clone().before(behind));
        let targets = [&bad, &good].map(|server| {
            Target::parse(&format!("{scheme}://{}", server.host()), settings.clone()).unwrap()
        });
        let group = Group::new(targets.into(), GroupSettings::default());
        let site = Site::new(Relay::new(Arc::new(group)));
        let gateway = serve(Gateway::with_site(site, PortSettings::default()));
        for _ in 0..4 {
            let mut client = Client::connect(gateway);
            client.send(RFC6455);
            assert_status(&client.head(), 101);
        }
        assert_eq!(bad.met(), []);
        assert_eq!(good.meets(4).len(), 4);
    }
    // The same for web servers.
    let behind = tells();
    let (bad, good) = (bad.before(behind), good.before(behind));
    let targets = [&bad, &good].map(|server| {
        Target::parse(&format!("https://{}", server.host()), settings.clone()).unwrap()
    });
    let group = Group::new(targets.into(), GroupSettings::default());
    let site = Site::new(Relay::new(Arc::new(group.clone()))).with_http(Proxy::balanced(group));
    let gateway = serve(Gateway::with_site(site, PortSettings::default()));
    let mut client = Client::connect(gateway);
    for _ in 0..4 {
        assert_eq!(ask(&mut client), format!("{} http", good.host()));
    }
}

#[tokio::test]
async fn a_health_check_includes_the_tls_handshake() {
    let (ours, other) = (Authority::new(), Authority::new());
    let settings = settings(&trusting(&ours));
    for (scheme, path) in [
        ("wss", None),
        ("tls", None),
        ("https", Some("/health")),
        ("wss+hixie76", Some("/health")),
    ] {
        for (authority, is_well) in [(&ours, true), (&other, false)] {
            let server = TlsServer::new(&authority.issue(&["localhost"])).before(tells());
            let url = format!("{scheme}://{}", server.host());
            let target = Target::parse(&url, settings.clone()).unwrap();
            let health = HealthCheck {
                interval: Duration::from_millis(50),
                path: path.map(str::to_owned),
                rise: 1,
                fall: 1,
                ..HealthCheck::default()
            };
            let group = Group::new(
                vec![target],
                GroupSettings {
                    health: Some(health),
                    ..GroupSettings::default()
                },
            );
            let _watch = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(group.watch()));
            let settled = async {
                loop {
                    let is_there = group.pick(None, &[]).is_some();
                    let is_asked = server.met().len() > 1;
                    if (is_well && is_asked) || !is_there {
                        return is_there;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let settled = tokio::time::timeout(PATIENCE, settled).await.unwrap();
            assert_eq!(settled, is_well, "{scheme}");
            if !is_well {
                assert!(matches!(group.none_left(), UpstreamError::NoTarget { .. }));
            }
        }
    }
}
