//! Several targets of one route: the choice of a target, and the treatment of dead ones.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use polysock::apps::{Proxy, Relay};
use polysock::protocols::{RawCodec, Rejection, Role};
use polysock::upstream::{
    Balance, Client, Connected, Ejection, Group, GroupSettings, HashOf, HealthCheck, Target,
    Upstream, UpstreamError, UpstreamSettings,
};
use polysock::{
    Accept, Body, Connection, ConnectionOptions, Gateway, Handshake, PortSettings, Service, Site,
};
use polysock_test_support::client::Client as Bytes;
use polysock_test_support::dial::dial;
use polysock_test_support::gateway::serve;
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::{PATIENCE, opening};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// The behaviour of a target towards connections.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Sends its name, and reads.
    Serve,
    RefuseTheConnection,
    NeverAnswer,
}

#[derive(Debug)]
struct Fake {
    name: &'static str,
    does: Mutex<Does>,
    asked: AtomicUsize,
}

impl Fake {
    fn new(name: &'static str, does: Does) -> Arc<Self> {
        Arc::new(Self {
            name,
            does: Mutex::new(does),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Upstream for Fake {
    fn connect<'a>(&'a self, _: Client<'a>) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let does = *self.does.lock().unwrap();
        Box::pin(async move {
            match does {
                Does::NeverAnswer => std::future::pending().await,
                Does::RefuseTheConnection => Err(UpstreamError::Connect {
                    address: self.name.into(),
                    error: std::io::ErrorKind::ConnectionRefused.into(),
                }),
                Does::Serve => {
                    let (ours, mut theirs) = duplex(1024);
                    let name = self.name;
                    tokio::spawn(async move {
                        theirs.write_all(name.as_bytes()).await.unwrap();
                        while theirs.read(&mut [0; 64]).await.unwrap() > 0 {}
                    });
                    let options = ConnectionOptions::new("raw", Role::Client);
                    Ok(Connection::over(ours, RawCodec::boxed(), options).into())
                }
            }
        })
    }
}

fn targets(fakes: &[(&Arc<Fake>, u32)]) -> Vec<Target> {
    let targets = fakes.iter().map(|(fake, weight)| {
        let upstream: Arc<dyn Upstream> = Arc::<Fake>::clone(fake);
        Target::new(fake.name, upstream).with_weight(*weight)
    });
    targets.collect()
}

fn gateway(group: &Group) -> SocketAddr {
    let site = Site::new(Relay::new(Arc::new(group.clone())));
    let settings = PortSettings {
        handshake_timeout: Duration::from_secs(60),
        ..PortSettings::default()
    };
    serve(Gateway::with_site(site, settings))
}

/// Opens a client. Returns it and the name of its target.
async fn open(gateway: SocketAddr, path: &str) -> (Connection, String) {
    let mut client = dial("rfc6455", format!("{gateway}{path}"), &[]).await;
    let message = client.next().await.unwrap().unwrap();
    let name = String::from_utf8(message.as_bytes().to_vec()).unwrap();
    (client, name)
}

fn settings() -> GroupSettings {
    GroupSettings {
        connect_timeout: Duration::from_millis(900),
        ..GroupSettings::default()
    }
}

#[tokio::test]
async fn clients_are_distributed_round_robin_by_weight() {
    let fakes = ["a", "b", "c", "none"].map(|name| Fake::new(name, Does::Serve));
    let [a, b, c, none] = &fakes;
    let all = targets(&[(a, 1), (b, 3), (c, 1), (none, 0)]);
    let gateway = gateway(&Group::new(all, settings()));
    let mut names = Vec::new();
    for _ in 0..10 {
        names.push(open(gateway, "/").await.1);
    }
    assert_eq!(names.concat(), "babcbbabcb");
}

#[tokio::test]
async fn a_client_goes_to_the_target_with_the_fewest_open_connections() {
    let [a, b] = ["a", "b"].map(|name| Fake::new(name, Does::Serve));
    let settings = GroupSettings {
        balance: Balance::LeastConnections,
        ..settings()
    };
    let gateway = gateway(&Group::new(targets(&[(&a, 1), (&b, 1)]), settings));
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let (client, name) = open(gateway, "/").await;
        if name == "a" { &mut of_a } else { &mut of_b }.push(client);
    }
    assert_eq!((of_a.len(), of_b.len()), (5, 5));
    for client in of_b.drain(1..) {
        client.close(None).await.unwrap();
    }
    // The gateway may notice the last close a moment later.
    let began = Instant::now();
    for _ in 0..4 {
        loop {
            let (client, name) = open(gateway, "/").await;
            if name == "b" {
                of_b.push(client);
                break;
            }
            assert!(began.elapsed() < PATIENCE, "b has the fewest");
        }
    }
}

#[tokio::test]
async fn clients_with_the_same_query_value_go_to_the_same_target() {
    let fakes = ["a", "b", "c"].map(|name| Fake::new(name, Does::Serve));
    let settings = GroupSettings {
        balance: Balance::Hash(HashOf::Query("room".into())),
        ..settings()
    };
    let all: Vec<_> = fakes.iter().map(|fake| (fake, 1)).collect();
    let gateway = gateway(&Group::new(targets(&all), settings));
    let mut seen = std::collections::BTreeSet::new();
    for room in 0..20 {
        let path = format!("/?room={room}");
        let (_, name) = open(gateway, &path).await;
        assert_eq!(open(gateway, &path).await.1, name);
        seen.insert(name);
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn no_client_gets_an_error_of_a_dead_target_and_few_try_it() {
    let dead = Fake::new("dead", Does::RefuseTheConnection);
    let hole = Fake::new("hole", Does::NeverAnswer);
    let well = Fake::new("well", Does::Serve);
    let settings = GroupSettings {
        ejection: Ejection {
            back_off: Duration::from_secs(600),
            max_back_off: Duration::from_secs(600),
            ..Ejection::default()
        },
        ..settings()
    };
    let all = targets(&[(&dead, 1), (&hole, 1), (&well, 1)]);
    let gateway = gateway(&Group::new(all, settings));
    for _ in 0..20 {
        assert_eq!(open(gateway, "/").await.1, "well");
    }
    assert_eq!((dead.asked(), hole.asked()), (3, 1));
}

#[tokio::test]
async fn an_ejected_target_is_tried_by_one_client_and_readmitted() {
    let one = Fake::new("one", Does::RefuseTheConnection);
    let other = Fake::new("other", Does::Serve);
    let settings = GroupSettings {
        ejection: Ejection {
            failures: 1,
            back_off: Duration::ZERO,
            ..Ejection::default()
        },
        connect_timeout: Duration::from_secs(60),
        ..GroupSettings::default()
    };
    let gateway = gateway(&Group::new(targets(&[(&one, 1), (&other, 1)]), settings));
    assert_eq!(open(gateway, "/").await.1, "other");
    *one.does.lock().unwrap() = Does::NeverAnswer;
    let mut trial = Bytes::connect(gateway);
    trial.send(RFC6455);
    let began = Instant::now();
    while one.asked() < 2 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    for _ in 0..5 {
        assert_eq!(open(gateway, "/").await.1, "other");
    }
    assert_eq!(one.asked(), 2);
    *one.does.lock().unwrap() = Does::Serve;
    // The trial ends without a result, so that the next client makes another.
    drop(trial);
    while open(gateway, "/").await.1 != "one" {
        assert!(began.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn without_a_healthy_target_clients_get_503_with_retry_after() {
    let [one, other] = ["one", "other"].map(|name| Fake::new(name, Does::RefuseTheConnection));
    let settings = GroupSettings {
        ejection: Ejection {
            failures: 1,
            back_off: Duration::from_secs(7),
            ..Ejection::default()
        },
        ..settings()
    };
    let gateway = gateway(&Group::new(targets(&[(&one, 1), (&other, 1)]), settings));
    for _ in 0..3 {
        let head = refused(gateway, 503);
        let after = opening::field(&head, "retry-after").unwrap();
        assert!(["6", "7"].contains(&after), "{head}");
    }
    assert_eq!((one.asked(), other.asked()), (1, 1));
    let nothing = self::gateway(&Group::new(Vec::new(), GroupSettings::default()));
    refused(nothing, 503);
}

#[tokio::test]
async fn the_only_target_is_never_ejected_and_its_error_is_returned() {
    let only = Fake::new("only", Does::RefuseTheConnection);
    let gateway = gateway(&Group::new(targets(&[(&only, 1)]), settings()));
    for _ in 0..5 {
        refused(gateway, 502);
    }
    *only.does.lock().unwrap() = Does::NeverAnswer;
    refused(gateway, 504);
    *only.does.lock().unwrap() = Does::Serve;
    assert_eq!(open(gateway, "/").await.1, "only");
}

/// Asserts a refusal with this status, and returns its head.
fn refused(gateway: SocketAddr, status: u16) -> String {
    let mut client = Bytes::connect(gateway);
    client.send(RFC6455);
    let head = client.head();
    assert_status(&head, status);
    head
}

/// A WebSocket server that refuses with a status, and counts the refusals.
fn refusing(status: u16, asked: &Arc<AtomicUsize>) -> Target {
    let asked = Arc::clone(asked);
    let address = serve(Gateway::new(move |handshake: Handshake| {
        asked.fetch_add(1, Ordering::SeqCst);
        async move {
            handshake.reject(Rejection::new(status, "no"));
            Ok(())
        }
    }));
    Target::parse(&format!("ws://{address}"), UpstreamSettings::default()).unwrap()
}

#[tokio::test]
async fn refusals_are_passed_on_and_503_is_retried_on_another_target() {
    for (status, tries) in [(302, 1), (401, 1), (403, 1), (404, 1), (500, 1), (503, 3)] {
        let asked = Arc::default();
        let all = (0..3).map(|_| refusing(status, &asked)).collect();
        refused(gateway(&Group::new(all, settings())), status);
        assert_eq!(asked.load(Ordering::SeqCst), tries, "{status}");
    }
}

#[tokio::test]
async fn targets_are_replaced_and_connections_of_those_that_stay_are_untouched() {
    let [gone, stays, new] = ["gone", "stays", "new"].map(|name| Fake::new(name, Does::Serve));
    let group = Group::new(targets(&[(&gone, 1), (&stays, 1)]), settings());
    let gateway = gateway(&group);
    let (mut of_gone, name) = open(gateway, "/").await;
    assert_eq!(name, "gone");
    let (mut of_stays, name) = open(gateway, "/").await;
    assert_eq!(name, "stays");
    let draining = group.set_targets(targets(&[(&new, 1), (&stays, 1)]), Duration::ZERO);
    for _ in 0..4 {
        assert_ne!(open(gateway, "/").await.1, "gone");
    }
    draining.await;
    assert!(of_gone.next().await.is_none());
    let close = of_gone.closed().unwrap().close.clone().unwrap();
    assert_eq!(close.code.get(), 1001);
    of_stays.send("still there".into()).await.unwrap();
    of_stays.close(None).await.unwrap();
}

/// A service that answers a health check with the configured status.
struct Checked(Arc<AtomicUsize>);

impl Service for Checked {
    fn call(&self, request: hyper::Request<Body>) -> BoxFuture<'static, hyper::Response<Body>> {
        assert_eq!(request.uri().path(), "/health");
        let status = u16::try_from(self.0.load(Ordering::SeqCst)).unwrap();
        let mut response = hyper::Response::new(Body::from(bytes::Bytes::new()));
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
        Box::pin(std::future::ready(response))
    }
}

#[test]
fn a_target_that_fails_its_checks_gets_no_clients_until_it_passes_them() {
    let status = Arc::new(AtomicUsize::new(200));
    let app = |handshake: Handshake| async move {
        handshake.accept(Accept::default()).await?;
        Ok(())
    };
    let site = Site::new(app).with_http(Checked(Arc::clone(&status)));
    let address = serve(Gateway::with_site(site, PortSettings::default()));
    let target = Target::parse(&format!("ws://{address}"), UpstreamSettings::default());
    let health = HealthCheck {
        interval: Duration::from_millis(20),
        path: Some("/health".into()),
        ..HealthCheck::default()
    };
    let settings = GroupSettings {
        health: Some(health),
        ..settings()
    };
    let group = Group::new(vec![target.unwrap()], settings);
    let watching = group.watch();
    std::thread::spawn(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        // Runs until the process exits.
        runtime.block_on(watching);
    });
    let gateway = gateway(&group);
    for (checked, answered) in [(200, 101), (500, 503), (204, 101)] {
        status.store(checked, Ordering::SeqCst);
        let began = Instant::now();
        loop {
            let mut client = Bytes::connect(gateway);
            client.send(RFC6455);
            if client.head().starts_with(&format!("HTTP/1.1 {answered} ")) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{checked} is not heeded");
        }
    }
}

/// A web server on its own port that closes each connection without an answer.
fn breaking_off() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
        }
    });
    address
}

#[test]
fn ordinary_requests_go_to_a_target_that_answers() {
    // No server listens once the listener is dropped.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let dead = dead.unwrap();
    let app = |handshake: Handshake| async move {
        handshake.accept(Accept::default()).await?;
        Ok(())
    };
    let site = Site::new(app).with_http(Checked(Arc::new(AtomicUsize::new(200))));
    let well = serve(Gateway::with_site(site, PortSettings::default()));
    let proxy = |targets: &[SocketAddr]| {
        let targets = targets.iter().map(|address| {
            let url = format!("http://{address}");
            Target::parse(&url, UpstreamSettings::default()).unwrap()
        });
        let group = Group::new(targets.collect(), settings());
        let site = Site::new(Relay::new(Arc::new(group.clone())));
        let site = site.with_http(Proxy::balanced(group));
        serve(Gateway::with_site(site, PortSettings::default()))
    };
    let ask = |gateway: SocketAddr, request: &str, status: u16| {
        let mut client = Bytes::connect(gateway);
        client.send(request);
        let head = client.head();
        assert_status(&head, status);
        head
    };
    let get = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let gateway = proxy(&[dead, breaking_off(), well]);
    for _ in 0..9 {
        ask(gateway, get, 200);
    }
    // A request that may have been processed is not repeated.
    let post = "POST /health HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
    ask(proxy(&[breaking_off(), well]), post, 502);
    ask(proxy(&[dead, well]), post, 200);
    let nobody = proxy(&[dead, dead]);
    let head = ask(nobody, get, 503);
    assert!(opening::field(&head, "retry-after").is_some(), "{head}");
    // A web server accepts WebSockets too.
    let mut client = Bytes::connect(gateway);
    client.send(RFC6455);
    assert_status(&client.head(), 101);
}
