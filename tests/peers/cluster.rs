//! Three servers that share a real broker, and their clients when the broker or one of the servers
//! is killed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, versioned};
use polysock_test_support::peers::Peer;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const SERVERS: usize = 3;

/// The number of clients of each server.
const CLIENTS: usize = 100;

/// The time for which the broker is down.
const GONE: Duration = Duration::from_secs(4);

/// The time limit for messages to flow again after the broker is back.
const SOON: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Nats,
    Redis,
}

/// A broker that runs until this is dropped.
struct Broker {
    kind: Kind,
    process: Peer,
    folder: PathBuf,
    port: String,
}

impl Broker {
    /// Starts a broker. `None` if it is not installed.
    fn start(kind: Kind, name: &str) -> Option<Self> {
        let folder = POLYSOCK.directory(&format!("cluster-{kind:?}-{name}"));
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let (process, is_there) = Self::run(kind, &folder, &port);
        is_there.then_some(Self {
            kind,
            process,
            folder,
            port,
        })
    }

    fn run(kind: Kind, folder: &Path, port: &str) -> (Peer, bool) {
        let place = folder.to_str().unwrap();
        let socket = folder.join("socket");
        let (arguments, sign) = match kind {
            Kind::Nats => (vec!["--nats", place, "-js", "-p", port], "Server is ready"),
            Kind::Redis => (
                vec![
                    "--redis",
                    socket.to_str().unwrap(),
                    "--dir",
                    place,
                    "--appendonly",
                    "yes",
                    // Otherwise the last publications could be lost when Redis is killed.
                    "--appendfsync",
                    "always",
                ],
                "ready to accept connections",
            ),
        };
        let mut process = Peer::start_endless(&arguments);
        let is_there = process.says(sign);
        (process, is_there)
    }

    fn url(&self) -> String {
        match self.kind {
            Kind::Nats => format!("nats://127.0.0.1:{}", self.port),
            Kind::Redis => format!("redis+unix://{}", self.folder.join("socket").display()),
        }
    }

    fn kill(&self) {
        self.process.signal("KILL");
    }

    /// Starts the broker again at the same address.
    fn restart(&mut self) {
        let (process, is_there) = Self::run(self.kind, &self.folder, &self.port);
        assert!(is_there);
        self.process = process;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One of the servers.
struct Member {
    server: Server,
    publish: SocketAddr,
    control: SocketAddr,
}

impl Member {
    fn start(broker: &Broker, name: &str, history: &str) -> Self {
        let file = POLYSOCK.directory(name).join("polysock.toml");
        let url = broker.url();
        let text = format!(
            "[bus]\nurl = \"{url}\"\nhistory = {history}\n[publish]\nlisten = \"127.0.0.1:0\"\n\
             [control]\nlisten = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
             [[route]]\ntarget = \"app:broadcast/room\"\nprotocols = \"all\"\n"
        );
        fs::write(&file, text).unwrap();
        let config = file.to_str().unwrap();
        let mut server = POLYSOCK.serve(&["--config", config]);
        let mut at = |sign: &str| {
            let line = server.log_line(sign);
            let (_, address) = line.split_once(sign).unwrap();
            address.trim().parse().unwrap()
        };
        let (publish, control) = (at("publish listener on "), at("control listener on "));
        let member = Self {
            server,
            publish,
            control,
        };
        member.is_connected_within(PATIENCE);
        member
    }

    fn is_connected_within(&self, limit: Duration) {
        let begun = Instant::now();
        while self.metric("polysock_bus_connected") == 0 {
            assert!(begun.elapsed() < limit, "it is not connected");
            sleep(Duration::from_millis(20));
        }
    }

    fn publish(&self, text: &str) {
        let (head, body) = ask(self.publish, "POST", "/channels/room", text);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}{body}");
    }

    fn metric(&self, name: &str) -> u64 {
        let (_, metrics) = ask(self.control, "GET", "/metrics", "");
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value
            .unwrap_or_else(|| panic!("no {name}:\n{metrics}"))
            .parse()
            .unwrap()
    }

    /// Connects a client, which must be accepted.
    fn client(&self, number: usize) -> Listener {
        let hybi = versioned("8", "");
        let (is_hixie, opening) = match number % 3 {
            0 => (true, [HIXIE_76.as_bytes(), HIXIE_76_BODY].concat()),
            1 => (false, hybi.into_bytes()),
            _ => (false, RFC6455.as_bytes().to_vec()),
        };
        self.open(is_hixie, &opening)
    }

    /// Connects a client that requests positions, and resumes at `at` unless it is empty.
    fn positioned(&self, at: &str) -> Listener {
        let opening = RFC6455.replacen("/chat", &format!("/chat?at={at}"), 1);
        self.open(false, opening.as_bytes())
    }

    fn open(&self, is_hixie: bool, opening: &[u8]) -> Listener {
        let (mut client, head) = self.server.ask(opening);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        if is_hixie {
            client.take(16);
        }
        Listener { client, is_hixie }
    }
}

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (String, String) {
    let mut client = Client::connect(address);
    let len = body.len();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"
    ));
    (client.head(), String::from_utf8(client.rest()).unwrap())
}

/// A client that receives publications.
struct Listener {
    client: Client,
    is_hixie: bool,
}

impl Listener {
    fn next(&mut self) -> String {
        let first = self.client.take(1);
        let text = if self.is_hixie {
            assert_eq!(first, [0]);
            let mut text = Vec::new();
            loop {
                match self.client.take(1)[..] {
                    [0xff] => break text,
                    [byte] => text.push(byte),
                    _ => unreachable!("one was asked for"),
                }
            }
        } else {
            assert_eq!(first, [0x81]);
            let len = match self.client.take(1)[0] {
                126 => {
                    let len = self.client.take(2);
                    usize::from(u16::from_be_bytes([len[0], len[1]]))
                }
                len => len.into(),
            };
            self.client.take(len)
        };
        String::from_utf8(text).unwrap()
    }

    fn take(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Returns the received texts by server, up to the point at which all servers have published
    /// this text.
    fn until_all_have_said(&mut self, what: &str) -> BTreeMap<usize, Vec<String>> {
        let mut heard: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut waits_for: BTreeSet<_> = (0..SERVERS).collect();
        while !waits_for.is_empty() {
            let text = self.next();
            let (server, said) = text.split_once(' ').unwrap();
            let server = server.parse().unwrap();
            if said == what {
                waits_for.remove(&server);
            }
            heard.entry(server).or_default().push(text);
        }
        heard
    }

    /// Waits for the next message of a client that requests positions. Returns this member of the
    /// message and the position.
    fn next_at(&mut self, member: &str) -> (serde_json::Value, String) {
        let text = self.next();
        let message: serde_json::Value = serde_json::from_str(&text).unwrap();
        let at = message["at"].as_str().unwrap_or_default().to_owned();
        assert!(message.get(member).is_some(), "no {member}: {text}");
        (message[member].clone(), at)
    }
}

#[test]
fn a_broker_of_nats_is_killed_and_comes_back() {
    a_broker_is_killed_and_comes_back(Kind::Nats, "\"none\"");
}

#[test]
fn a_nats_server_with_a_history_is_killed_and_comes_back() {
    a_broker_is_killed_and_comes_back(Kind::Nats, "1000");
}

#[test]
fn a_redis_is_killed_and_comes_back() {
    a_broker_is_killed_and_comes_back(Kind::Redis, "\"none\"");
}

#[test]
fn a_redis_server_with_a_history_is_killed_and_comes_back() {
    a_broker_is_killed_and_comes_back(Kind::Redis, "1000");
}

fn a_broker_is_killed_and_comes_back(kind: Kind, history: &str) {
    let has_history = history != "\"none\"";
    let name = format!("{kind:?}-{has_history}");
    let Some(mut broker) = Broker::start(kind, &name) else {
        return;
    };
    let members: Vec<Member> = (0..SERVERS)
        .map(|number| Member::start(&broker, &format!("cluster-{name}-{number}"), history))
        .collect();
    let mut clients: Vec<Vec<Listener>> = members
        .iter()
        .map(|member| (0..CLIENTS).map(|number| member.client(number)).collect())
        .collect();
    // Messages could be missed before the last subscription has taken effect.
    sleep(Duration::from_millis(300));
    let say = |what: &str| {
        for (number, member) in members.iter().enumerate() {
            member.publish(&format!("{number} {what}"));
        }
    };
    say("before");
    for listener in clients.iter_mut().flatten() {
        let mut heard = listener.take(SERVERS);
        heard.sort();
        assert_eq!(heard, ["0 before", "1 before", "2 before"]);
    }

    broker.kill();
    let killed = Instant::now();
    let mut said = Vec::new();
    for round in 0..5 {
        let what = format!("while it is gone {round}");
        say(&what);
        // Clients of the same server still receive the message, and no others do.
        for (number, listeners) in clients.iter_mut().enumerate() {
            let begun = Instant::now();
            for listener in listeners {
                assert_eq!(listener.next(), format!("{number} {what}"));
            }
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        }
        said.push(what);
    }
    for member in &members {
        let (head, body) = ask(member.control, "GET", "/readyz", "");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(body, "degraded: the bus is not connected\n");
    }
    sleep(GONE.saturating_sub(killed.elapsed()));
    broker.restart();
    let restarted = Instant::now();
    for member in &members {
        member.is_connected_within(SOON);
    }
    said.push("after".to_owned());
    say("after");
    for (number, listeners) in clients.iter_mut().enumerate() {
        let mut missing = BTreeSet::new();
        for listener in listeners {
            let heard = listener.until_all_have_said("after");
            // Each message arrives once and in order. Of their own server, clients receive only the
            // new one.
            let mut lost = 0;
            for server in 0..SERVERS {
                let whole = match server == number {
                    true => &said[said.len() - 1..],
                    false => &said[..],
                };
                let whole = whole.iter().map(|what| format!("{server} {what}"));
                let heard = &heard[&server];
                let kept: Vec<_> = whole.clone().filter(|text| heard.contains(text)).collect();
                assert_eq!(*heard, kept);
                lost += whole.len() - heard.len();
            }
            missing.insert(lost);
        }
        let lost = members[number].metric("polysock_bus_lost_total");
        let lost = usize::try_from(lost).unwrap();
        assert_eq!(
            missing,
            BTreeSet::from([lost]),
            "what is missing is counted"
        );
        // Without a history, a server that connects later than the others misses their messages.
        assert!(lost == 0 || !has_history, "{lost}");
        let gaps = members[number].metric("polysock_bus_gaps_total");
        assert_eq!(gaps > 0, !has_history, "{gaps}");
    }
    let took = restarted.elapsed();
    assert!(took < SOON + Duration::from_secs(1), "it took {took:?}");
    // No other message has arrived.
    say("the end");
    for listener in clients.iter_mut().flatten() {
        let mut heard = listener.take(SERVERS);
        heard.sort();
        assert_eq!(heard, ["0 the end", "1 the end", "2 the end"]);
    }
}

#[test]
fn clients_of_a_killed_server_miss_nothing_on_another_with_nats() {
    the_clients_of_a_server_that_is_killed_have_all_elsewhere(Kind::Nats);
}

#[test]
fn clients_of_a_killed_server_miss_nothing_on_another_with_redis() {
    the_clients_of_a_server_that_is_killed_have_all_elsewhere(Kind::Redis);
}

fn the_clients_of_a_server_that_is_killed_have_all_elsewhere(kind: Kind) {
    let Some(broker) = Broker::start(kind, "killed") else {
        return;
    };
    let start = |number| Member::start(&broker, &format!("killed-{kind:?}-{number}"), "1000");
    let [dies, lives, asks] = [0, 1, 2].map(start);
    let mut clients: Vec<(Listener, String)> = (0..10)
        .map(|_| {
            let mut listener = dies.positioned("");
            let (recovered, at) = listener.next_at("recovered");
            assert_eq!(recovered, true);
            (listener, at)
        })
        .collect();
    let mut stays = lives.client(2);
    sleep(Duration::from_millis(300));
    let presence = || {
        let (_, body) = ask(asks.publish, "GET", "/presence/room", "");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        (
            body["count"].as_u64().unwrap(),
            body["whole"].as_bool().unwrap(),
        )
    };
    assert_eq!(presence(), (11, true));

    // One message is published on each server, and the clients record their positions.
    dies.publish("first");
    lives.publish("second");
    for (listener, at) in &mut clients {
        let mut heard = Vec::new();
        for _ in 0..2 {
            let (text, now) = listener.next_at("text");
            heard.push(text.as_str().unwrap().to_owned());
            *at = now;
        }
        heard.sort();
        assert_eq!(heard, ["first", "second"]);
    }
    stays.take(2);

    dies.server.signal("KILL");
    let killed = Instant::now();
    lives.publish("third");
    lives.publish("fourth");
    assert_eq!(stays.take(2), ["third", "fourth"]);
    while presence() != (1, true) {
        assert!(
            killed.elapsed() < Duration::from_secs(10),
            "{:?}",
            presence()
        );
        sleep(Duration::from_millis(100));
    }
    for (number, (_, at)) in clients.iter().enumerate() {
        let elsewhere = [&lives, &asks][number % 2];
        let mut listener = elsewhere.positioned(at);
        assert_eq!(listener.next_at("recovered").0, true, "{at}");
        assert_eq!(listener.next_at("text").0, "third", "{at}");
        assert_eq!(listener.next_at("text").0, "fourth", "{at}");
        for before in 0..number {
            assert_eq!(listener.next_at("text").0, format!("{before} is back"));
        }
        // The client's own message arrives once, at the client and at the others.
        let text = format!("{number} is back");
        listener.client.send(frame(0x81, &text));
        assert_eq!(listener.next_at("text").0, *text);
        assert_eq!(stays.next(), text);
    }
    let (_, history) = ask(
        asks.publish,
        "GET",
        &format!("/history/room?after={}", clients[0].1),
        "",
    );
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(
        (history["whole"].as_bool(), history["more"].as_bool()),
        (Some(true), Some(false))
    );
    let items = history["items"].as_array().unwrap();
    let texts: Vec<_> = items
        .iter()
        .map(|item| item["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts[..3], ["third", "fourth", "0 is back"]);
    assert_eq!(texts.len(), 12);
}
