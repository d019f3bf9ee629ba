//! The registry: data of open connections, and counters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use polysock::protocols::PROTOCOLS;
use polysock::{
    Accept, BoxError, Close, CloseCode, Described, Ending, Handshake, Message, MetricFamily,
    Observer, OpenConnection, Peer, PortSettings, Refusal, Registry, Request, RouteName,
    SampleValue, Site, SiteSettings, Sites, Traffic,
};
use polysock_test_support::gateway::in_all_protocols;
use polysock_test_support::member::{Member, Way};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Sends each message back.
async fn echo(handshake: Handshake) -> Result<(), BoxError> {
    let mut connection = handshake.accept(Accept::default()).await?;
    while let Some(message) = connection.next().await.transpose()? {
        connection.send(message).await?;
    }
    Ok(())
}

fn total(families: &[MetricFamily], name: &str, labels: &[(&str, &str)]) -> u64 {
    let family = families.iter().find(|family| family.name == name);
    let family = family.unwrap_or_else(|| panic!("no {name}"));
    family.total(|sample| {
        let mut labels = labels.iter();
        labels.all(|(name, value)| sample.label(name) == Some(value))
    })
}

/// An action of a client.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Opens a connection in the protocol with this index.
    Open(usize),
    /// Sends a message on a connection.
    Say(usize, usize, bool),
    /// Closes a connection with the closing handshake of its protocol.
    Close(usize),
    /// Disconnects without a closing handshake.
    Cut(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..PROTOCOLS.len()).prop_map(Act::Open),
        3 => (any::<usize>(), 0_usize..3000, any::<bool>()).prop_map(|(who, len, text)| Act::Say(who, len, text)),
        2 => any::<usize>().prop_map(Act::Close),
        2 => any::<usize>().prop_map(Act::Cut),
    ]
}

/// The expected counts.
#[derive(Default)]
struct Truth {
    open: BTreeMap<&'static str, u64>,
    opened: u64,
    texts: u64,
    binaries: u64,
    payload: u64,
}

/// Ten thousand random acts in all.
#[test]
fn the_registry_counts_match_a_model() {
    let config = Config {
        cases: 10,
        ..Config::default()
    };
    let acts = prop::collection::vec(act(), 1000);
    TestRunner::new(config)
        .run(&acts, |acts| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(follow(acts));
            Ok(())
        })
        .unwrap();
}

async fn follow(acts: Vec<Act>) {
    let registry = Registry::default();
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        registry: registry.clone(),
        ..PortSettings::default()
    };
    let site = Site::new(echo).with_settings(SiteSettings {
        unmasked_from: polysock::Trusted::everyone(),
        ..SiteSettings::default()
    });
    let gateway = polysock::Gateway::with_site(site, settings);
    let mut truth = Truth::default();
    let mut members: Vec<(&'static str, Member)> = Vec::new();
    for act in acts {
        let one =
            |number: usize, members: &Vec<_>| (!members.is_empty()).then(|| number % members.len());
        match act {
            Act::Open(protocol) => {
                let protocol = PROTOCOLS[protocol];
                let stream = Way::Memory(1 << 16).go(gateway.clone()).await;
                members.push((protocol.name(), Member::open(stream, protocol).await));
                *truth.open.entry(protocol.name()).or_default() += 1;
                truth.opened += 1;
            }
            Act::Say(number, len, is_text) => {
                let Some(number) = one(number, &members) else {
                    continue;
                };
                let (_, member) = &mut members[number];
                let is_text = is_text || !member.session.capabilities().binary;
                let message = match is_text {
                    true => Message::text("x".repeat(len)),
                    false => Message::binary(vec![0; len]),
                };
                member.send(message.clone()).await;
                assert_eq!(member.message().await, Some(message));
                *(if is_text {
                    &mut truth.texts
                } else {
                    &mut truth.binaries
                }) += 1;
                truth.payload += len as u64;
            }
            Act::Close(number) => {
                let Some(number) = one(number, &members) else {
                    continue;
                };
                let (protocol, mut member) = members.swap_remove(number);
                member.session.close(Some(CloseCode::NORMAL.into()));
                member.flush().await;
                member.hang_up().await;
                assert_eq!(member.message().await, None);
                *truth.open.entry(protocol).or_default() -= 1;
            }
            Act::Cut(number) => {
                let Some(number) = one(number, &members) else {
                    continue;
                };
                let (protocol, _) = members.swap_remove(number);
                *truth.open.entry(protocol).or_default() -= 1;
            }
        }
    }
    // Connections that were cut disappear once their tasks have run.
    let live = members.len();
    let seen = async {
        while registry.connections(|_| true).len() != live {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(polysock_test_support::PATIENCE, seen)
        .await
        .expect("what is closed is gone");
    let families = registry.families();
    for (protocol, count) in &truth.open {
        let labels = [("protocol", *protocol)];
        assert_eq!(
            total(&families, "polysock_connections", &labels),
            *count,
            "{protocol}"
        );
    }
    let opened = total(&families, "polysock_connections_opened", &[]);
    assert_eq!(opened, truth.opened);
    let closed = total(&families, "polysock_connections_closed", &[]);
    assert_eq!(opened - closed, live as u64);
    for direction in ["in", "out"] {
        for (kind, count) in [("text", truth.texts), ("binary", truth.binaries)] {
            let labels = [("direction", direction), ("kind", kind)];
            let messages = total(&families, "polysock_messages", &labels);
            assert_eq!(messages, count, "{labels:?}");
        }
        let labels = [("direction", direction)];
        let payload = total(&families, "polysock_payload_bytes", &labels);
        assert_eq!(payload, truth.payload, "{direction}");
        assert!(total(&families, "polysock_wire_bytes", &labels) >= payload);
        let sizes = total(&families, "polysock_message_size_bytes", &labels);
        assert_eq!(sizes, truth.texts + truth.binaries);
    }
    assert_eq!(
        total(&families, "polysock_connection_duration_seconds", &[]),
        closed
    );
    assert_eq!(
        total(&families, "polysock_handshake_duration_seconds", &[]),
        opened
    );
}

/// The number of label values is bounded, for any number of routes, codes and methods.
#[tokio::test]
async fn the_series_are_bounded() {
    let registry = Registry::default();
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        registry: registry.clone(),
        ..PortSettings::default()
    };
    let site = Site::new(async |handshake: Handshake| {
        let target = handshake.request().target.to_string();
        let code = target.trim_start_matches('/').parse().unwrap_or(0);
        let connection = handshake.accept(Accept::default()).await?;
        let code = CloseCode::new(code).unwrap_or(CloseCode::NORMAL);
        connection.close(Some(Close::new(code, "enough"))).await?;
        Ok(())
    });
    let site = Arc::new(site);
    let gateway = polysock::Gateway::with_sites(
        Arc::new(Sites::new(vec![polysock::Route::new(site)])),
        settings,
    );
    let garbage = |number: usize| {
        let method = ["GET", "POST", "BREW", "PROPFIND"][number % 4];
        format!(
            "{method} /{number} HTTP/1.1\r\nHost: h{number}\r\nUser-Agent: agent-{number}\r\nOrigin: http://o{number}\r\n\
             X-{number}: {number}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let handshake = |number: usize| {
        format!(
            "GET /{number} HTTP/1.1\r\nHost: h{number}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: {}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            [13, 8, 7, 4, 99][number % 5]
        )
    };
    for number in 0..3000 {
        let mut peer = Peer::default();
        peer.extensions
            .insert(RouteName(format!("route-{number}").into()));
        let (mut ours, theirs) = duplex(1 << 14);
        let text = match number % 3 {
            0 => garbage(number),
            1 => handshake(1000 + number),
            _ => "\u{0}\u{1}garbage".to_owned(),
        };
        ours.write_all(text.as_bytes()).await.unwrap();
        ours.shutdown().await.unwrap();
        gateway.serve_connection(theirs, peer).await;
    }
    let families = registry.families();
    let series = families.iter().flat_map(|family| &family.samples);
    let series: usize = series
        .map(|sample| match &sample.value {
            SampleValue::Histogram { buckets, .. } => buckets.len() + 2,
            _ => 1,
        })
        .sum();
    assert!(series <= 1900, "{series}");
    // All connections are counted nevertheless.
    let opened = total(&families, "polysock_connections_opened", &[]);
    assert!(opened > 500, "{opened}");
    assert_eq!(total(&families, "polysock_connections", &[]), 0);
    for family in &families {
        for (number, sample) in family.samples.iter().enumerate() {
            let twice = family.samples[..number]
                .iter()
                .any(|other| other.labels == sample.labels);
            assert!(!twice, "{}: {:?}", family.name, sample.labels);
        }
    }
}

/// The measured time runs from our ping to its answer, whatever else the peer sends.
#[tokio::test(start_paused = true)]
async fn the_answers_to_pings_are_timed() {
    let mut settings = SiteSettings::default();
    settings.session.ping_interval = Some(Duration::from_secs(20));
    let gateway = in_all_protocols(Site::new(echo).with_settings(settings));
    let registry = gateway.registry();
    let (mut client, theirs) = duplex(1 << 14);
    let served = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.serve_connection(theirs, Peer::default()).await }
    });
    let handshake = polysock_test_support::opening::RFC6455;
    client.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
    let text = polysock_test_support::frame::frame(0x81, "a");
    // An unsolicited pong, a ping that is answered twice, and a ping that is answered by another
    // message.
    client.write_all(&PONG).await.unwrap();
    let mut ping = [0; 2];
    client.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping, [0x89, 0]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.write_all(&PONG).await.unwrap();
    client.write_all(&PONG).await.unwrap();
    client.read_exact(&mut ping).await.unwrap();
    client.write_all(&text).await.unwrap();
    drop(client);
    served.await.unwrap();
    let families = registry.families();
    let name = "polysock_ping_duration_seconds";
    let family = families.iter().find(|family| family.name == name).unwrap();
    let protocols: Vec<_> = family
        .samples
        .iter()
        .filter_map(|sample| sample.label("protocol"))
        .collect();
    assert_eq!(protocols.len(), PROTOCOLS.len() - 2, "{protocols:?}");
    let hixie = |name: &&str| name.starts_with("hixie");
    assert!(!protocols.iter().any(hixie), "{protocols:?}");
    assert_eq!(total(&families, name, &[]), 1);
    let mut samples = family.samples.iter();
    let of_rfc = samples.find(|sample| sample.label("protocol") == Some("rfc6455"));
    let SampleValue::Histogram { sum, .. } = of_rfc.unwrap().value else {
        panic!("{family:?}");
    };
    assert!((0.05..0.06).contains(&sum), "{sum}");
}

/// An observer that records its calls.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn opened(&self, connection: &Described<'_>, request: &Request, _: Duration) {
        let trace = connection.trace_parent.map(|parent| parent.trace_id);
        let said = format!(
            "open {} {} {} {trace:?}",
            connection.target,
            connection.transport,
            request.path()
        );
        self.0.lock().unwrap().push(said);
    }

    fn refused(&self, refusal: &Refusal) {
        let trace = refusal.trace_parent().map(|parent| parent.trace_id);
        let head = refusal.head.as_ref().map(bytes::Bytes::len);
        let target = refusal.target.as_ref().map(String::len);
        let said = format!(
            "refused {} {target:?} {head:?} {:?} {trace:?} {}",
            refusal.reason,
            refusal.protocol,
            refusal.took.is_some()
        );
        self.0.lock().unwrap().push(said);
    }

    fn closed(&self, connection: &Described<'_>, ending: &Ending, traffic: &Traffic) {
        let said = format!(
            "closed {} {} {} {} {}",
            connection.target,
            ending.by,
            ending.code,
            traffic.messages_received,
            traffic.messages_sent
        );
        self.0.lock().unwrap().push(said);
    }
}

#[tokio::test]
async fn an_observer_is_notified_of_events_as_they_happen() {
    use polysock_test_support::frame::{close, frame};
    use polysock_test_support::opening::{RFC6455, with};
    let gateway = in_all_protocols(Site::new(async |handshake: Handshake| {
        match handshake.request().path() {
            "/chat" => echo(handshake).await,
            _ => {
                handshake.reject(polysock::Rejection::new(403, "no"));
                Ok(())
            }
        }
    }));
    let told = Arc::new(Told::default());
    let registry = gateway.registry();
    registry.observe(Arc::<Told>::clone(&told));
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let session = [
        with(RFC6455, trace).into_bytes(),
        frame(0x81, "a"),
        close(1000),
    ];
    let long = format!("/{}", "a".repeat(10_000));
    let elsewhere = with(RFC6455, trace).replace("/chat", &long);
    let keyless = with(RFC6455, trace).replace("Sec-WebSocket-Key", "X-Key");
    for bytes in [&session.concat(), elsewhere.as_bytes(), keyless.as_bytes()] {
        let (mut client, theirs) = duplex(1 << 16);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        gateway.serve_connection(theirs, Peer::default()).await;
    }
    let told = told.0.lock().unwrap();
    let trace = r#"Some("0af7651916cd43dd8448eb211c80319c")"#;
    let expected = [
        format!("open /chat unix /chat {trace}"),
        "closed /chat client 1000 1 1".to_owned(),
        format!(r#"refused application Some(8192) Some(8192) Some("rfc6455") {trace} true"#),
        format!(
            "refused key None Some({}) None {trace} false",
            keyless.len()
        ),
    ];
    assert_eq!(*told, expected);
}

/// A connection is found by its id, and closed.
#[tokio::test]
async fn a_connection_is_closed_by_its_name() {
    for protocol in PROTOCOLS {
        let gateway = in_all_protocols(Site::new(echo));
        let registry = gateway.registry();
        let mut members = Vec::new();
        for _ in 0..3 {
            let stream = Way::Tcp.go(gateway.clone()).await;
            members.push(Member::open(stream, *protocol).await);
        }
        let all = registry.connections(|_| true);
        let all: Vec<OpenConnection> = all;
        assert_eq!(all.len(), 3);
        assert!(all.is_sorted_by_key(|connection| connection.id));
        assert_eq!(all[0].protocol, protocol.name());
        assert_eq!(all[0].transport, "tcp");
        let second = all[1].id;
        assert!(registry.close(second, CloseCode::POLICY_VIOLATION));
        assert_eq!(members[1].message().await, None);
        members[0].send("still here").await;
        assert_eq!(members[0].text().await, "still here");
        let seen = async {
            while registry.connection(second).is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(polysock_test_support::PATIENCE, seen)
            .await
            .unwrap();
        assert!(!registry.close(second, CloseCode::NORMAL), "it is gone");
        assert_eq!(registry.connections(|_| true).len(), 2);
    }
}

/// During a drain, new clients are refused and open connections are closed.
#[tokio::test]
async fn no_client_is_admitted_during_a_drain() {
    let gateway = in_all_protocols(Site::new(echo));
    let registry = gateway.registry();
    let mut members = Vec::new();
    for protocol in PROTOCOLS {
        let stream = Way::Tcp.go(gateway.clone()).await;
        members.push(Member::open(stream, *protocol).await);
    }
    registry.set_draining(true);
    let handshake = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = async || {
        polysock_test_support::gateway::answer(&gateway, "192.0.2.1", handshake.as_bytes(), "")
            .await
    };
    assert_eq!(answer().await.0, 503);
    let per_second = 1000.try_into().unwrap();
    let asked = registry.close_all(CloseCode::GOING_AWAY, per_second).await;
    assert!(asked >= PROTOCOLS.len(), "{asked}");
    for mut member in members {
        assert_eq!(member.message().await, None);
    }
    let families = registry.families();
    let refused = [("reason", "draining"), ("status", "503")];
    assert_eq!(total(&families, "polysock_handshakes_refused", &refused), 1);
    registry.set_draining(false);
    assert_eq!(answer().await.0, 101);
}
