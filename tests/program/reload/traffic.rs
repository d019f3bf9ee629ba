//! Reloads under traffic: unchanged routes are not disturbed, and no client is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use polysock::Connection;
use polysock::protocols::{PROTOCOLS, Side};
use polysock_test_support::PATIENCE;
use polysock_test_support::alone::alone;
use polysock_test_support::dial::dial;
use polysock_test_support::frame::frame;
use polysock_test_support::http2::Peer;
use polysock_test_support::server::Server;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Configured, IN_FORCE};
use crate::POLYSOCK;

const RELOADS: usize = 20;

/// The number of reloads before memory is measured. By then each kind of change has occurred.
const SETTLED: usize = 8;

#[test]
fn reloads_do_not_disturb_connections_of_unchanged_routes() {
    let name = "reload::traffic::reloads_do_not_disturb_connections_of_unchanged_routes";
    alone(name, || {
        let load = Load {
            connections: 500,
            pause: Duration::from_millis(100),
            newcomers: None,
        };
        reload_under(&load, "steady");
    });
}

#[test]
fn no_new_client_is_refused_during_a_reload() {
    let name = "reload::traffic::no_new_client_is_refused_during_a_reload";
    alone(name, || {
        let load = Load {
            connections: 2000,
            pause: Duration::from_millis(500),
            newcomers: Some(Duration::from_secs(1) / 200),
        };
        reload_under(&load, "newcomers");
    });
}

/// The load on a server while it reloads.
struct Load {
    /// The number of permanent connections.
    connections: usize,
    /// The pause of each connection between two messages.
    pause: Duration,
    /// The interval between short connections, which stay for one message. `None` for no such
    /// clients.
    newcomers: Option<Duration>,
}

/// The upstream servers: one is permanent, and one is added and removed.
struct Behind {
    stays: Server,
    comes_and_goes: Server,
}

impl Behind {
    /// Returns the configuration after this many changes.
    fn configuration(&self, change: usize) -> String {
        let Self {
            stays,
            comes_and_goes,
        } = self;
        let mut listeners = String::from("[[listener]]\naddress = \"127.0.0.1:0\"\n");
        if change.is_multiple_of(3) {
            listeners += "[[listener]]\naddress = \"127.0.0.2:0\"\n";
        }
        let mut targets = format!("\"ws://{}\"", stays.address);
        if !change.is_multiple_of(2) {
            targets += &format!(", \"ws://{}\"", comes_and_goes.address);
        }
        let size = change + 1;
        let route = |path: &str, target: &str, more: &str| {
            format!(
                "[[route]]\npath = \"{path}\"\ntarget = \"{target}\"\nprotocols = \"all\"\n\
                 access_log = false\n{more}\n"
            )
        };
        [
            listeners,
            route("/echo", "app:echo", ""),
            route("/chat", "app:echo", ""),
            route("/relay", &format!("ws://{}", stays.address), ""),
            route("/servers", "servers", ""),
            route(
                "/kept",
                "app:echo",
                &format!("on_reload = \"keep\"\nmax_message = \"{size}KiB\""),
            ),
            route(
                "/changed",
                "app:echo",
                &format!("drain = \"100ms\"\nmax_message = \"{size}KiB\""),
            ),
            format!("[upstream.servers]\ntargets = [{targets}]\ndrain = \"100ms\"\n"),
        ]
        .concat()
    }
}

fn reload_under(load: &Load, name: &str) {
    let behind = Behind {
        stays: POLYSOCK.echo(&[]),
        comes_and_goes: POLYSOCK.echo(&[]),
    };
    let mut configured = Configured::start(name, &behind.configuration(0));
    let line = configured.server.log_line("listening on 127.0.0.2:");
    let (_, second) = line.split_once("listening on ").unwrap();
    let second = second.trim().parse().unwrap();
    let traffic = Traffic::start(load, configured.server.address, second);
    let mut settled = 0;
    for reload in 1..=RELOADS {
        // Every second reload changes something.
        let text = behind.configuration(reload.div_ceil(2));
        configured.reload(&text, IN_FORCE);
        traffic.goes_on();
        if reload == SETTLED {
            settled = configured.server.memory().0;
        }
    }
    let growth = configured.server.memory().0.saturating_sub(settled);
    traffic.end();
    eprintln!("{name}: of {settled} bytes of memory, grew by {growth}");
    assert!(growth < 2 << 20, "grew by {growth} bytes");
    configured.server.stop();
}

/// Running clients of all protocols and routes.
struct Traffic {
    /// The number of echoes to each client that must not notice the reloads.
    echoed: Vec<Arc<AtomicU64>>,
    stop: CancellationToken,
    clients: thread::JoinHandle<()>,
}

impl Traffic {
    fn start(load: &Load, first: SocketAddr, second: SocketAddr) -> Self {
        let mut clients = Clients {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            tasks: Vec::new(),
            echoed: Vec::new(),
            stop: CancellationToken::new(),
            pause: load.pause,
        };
        let places = [
            format!("{first}/echo"),
            format!("{first}/relay"),
            format!("{first}/servers"),
            format!("{first}/kept"),
            format!("{second}/echo"),
        ];
        for number in 0..load.connections {
            let protocol = PROTOCOLS[number % PROTOCOLS.len()].name();
            let place = &places[number / PROTOCOLS.len() % places.len()];
            clients.count(protocol, place);
        }
        clients.count_in_streams(first);
        for protocol in ["hixie-76", "hybi-10", "rfc6455"] {
            clients.come_again(protocol, &format!("{first}/changed"));
        }
        if let Some(every) = load.newcomers {
            clients.come_and_go(every, first);
        }
        clients.run()
    }

    /// Waits until each of these clients has received another message.
    fn goes_on(&self) {
        let now = || {
            let echoed = self.echoed.iter();
            echoed.map(|echoed| echoed.load(Ordering::Relaxed))
        };
        let before: Vec<_> = now().collect();
        let deadline = Instant::now() + PATIENCE;
        while now().zip(&before).any(|(now, before)| now == *before) {
            assert!(Instant::now() < deadline, "some get nothing any more");
            assert!(!self.clients.is_finished(), "some have ended");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops all clients, and asserts that none has failed.
    fn end(self) {
        self.stop.cancel();
        self.clients.join().unwrap();
    }
}

/// Clients that have not started yet.
struct Clients {
    runtime: Runtime,
    tasks: Vec<JoinHandle<()>>,
    echoed: Vec<Arc<AtomicU64>>,
    stop: CancellationToken,
    pause: Duration,
}

impl Clients {
    /// Adds a client that counts its echoes and must not be disturbed.
    fn count(&mut self, protocol: &'static str, place: &str) {
        let mut client = self.runtime.block_on(dial(protocol, place, &[]));
        let (echoed, stop, pause) = (Arc::default(), self.stop.clone(), self.pause);
        self.echoed.push(Arc::clone(&echoed));
        let place = place.to_owned();
        self.tasks.push(self.runtime.spawn(async move {
            while !stop.is_cancelled() {
                let number = echoed.load(Ordering::Relaxed);
                let has_come = echo(&mut client, number).await;
                assert!(has_come, "{protocol} {place}: closed after {number}");
                echoed.fetch_add(1, Ordering::Relaxed);
                pass(pause, &stop).await;
            }
            client.close(None).await.unwrap();
        }));
    }

    /// Adds such clients in the streams of one HTTP/2 connection.
    fn count_in_streams(&mut self, address: SocketAddr) {
        let (stop, pause) = (self.stop.clone(), self.pause);
        let echoed: Vec<Arc<AtomicU64>> = (0..20).map(|_| Arc::default()).collect();
        self.echoed.extend(echoed.iter().cloned());
        self.tasks.push(self.runtime.spawn(async move {
            let mut peer = Peer::connect(address).await;
            let mut streams = Vec::new();
            for echoed in echoed {
                streams.push((peer.websocket().await, echoed));
            }
            while !stop.is_cancelled() {
                for (stream, echoed) in &mut streams {
                    let text = echoed.load(Ordering::Relaxed).to_string();
                    stream.send(frame(0x81, &text)).await;
                    let len = u8::try_from(text.len()).unwrap();
                    stream
                        .expect([&[0x81, len], text.as_bytes()].concat())
                        .await;
                    echoed.fetch_add(1, Ordering::Relaxed);
                }
                pass(pause, &stop).await;
            }
        }));
    }

    /// Adds a client whose route changes: it is closed, and reconnects.
    fn come_again(&mut self, protocol: &'static str, place: &str) {
        let (stop, pause, place) = (self.stop.clone(), self.pause, place.to_owned());
        self.tasks.push(self.runtime.spawn(async move {
            let mut times = 0;
            while !stop.is_cancelled() {
                let mut client = dial(protocol, &place, &[]).await;
                times += 1;
                let mut number = 0;
                while !stop.is_cancelled() && echo(&mut client, number).await {
                    number += 1;
                    pass(pause, &stop).await;
                }
                match client.closed() {
                    Some(closed) => assert_eq!((closed.by, closed.clean), (Side::Peer, true)),
                    None => client.close(None).await.unwrap(),
                }
            }
            assert!(times > RELOADS / 4, "{protocol}: came {times} times");
        }));
    }

    /// Adds a series of short clients, each of which must get its message back.
    fn come_and_go(&mut self, every: Duration, address: SocketAddr) {
        let stop = self.stop.clone();
        self.tasks.push(self.runtime.spawn(async move {
            let began = Instant::now();
            let mut every = interval(every);
            every.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let paths = ["echo", "relay", "servers", "kept", "changed"];
            let (mut visits, mut count) = (JoinSet::new(), 0);
            while !stop.is_cancelled() {
                every.tick().await;
                let protocol = PROTOCOLS[count % PROTOCOLS.len()].name();
                let path = paths[count / PROTOCOLS.len() % paths.len()];
                visits.spawn(async move {
                    let mut client = dial(protocol, format!("{address}/{path}"), &[]).await;
                    let may_close = ["servers", "changed"].contains(&path);
                    let has_come = echo(&mut client, 0).await;
                    assert!(has_come || may_close, "{protocol} {path}: closed");
                    if has_come {
                        // The route may be about to close the connection.
                        let closed = client.close(None).await;
                        assert!(closed.is_ok() || may_close, "{protocol} {path}: {closed:?}");
                    }
                });
                count += 1;
                while let Some(visit) = visits.try_join_next() {
                    visit.unwrap();
                }
                // Bounds the number of concurrent clients if they are slower than the interval.
                if visits.len() > 1000 {
                    visits.join_next().await.unwrap().unwrap();
                }
            }
            while let Some(visit) = visits.join_next().await {
                visit.unwrap();
            }
            eprintln!("{count} came in {:?}", began.elapsed());
        }));
    }

    /// Runs the clients in a thread of their own.
    fn run(self) -> Traffic {
        let Self {
            runtime,
            tasks,
            echoed,
            stop,
            ..
        } = self;
        let clients = thread::spawn(move || {
            runtime.block_on(async {
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
        Traffic {
            echoed,
            stop,
            clients,
        }
    }
}

/// Sends a number and receives it back. Returns false if the server closes instead.
pub(super) async fn echo(client: &mut Connection, number: u64) -> bool {
    let text = number.to_string();
    // If the server has closed meanwhile, the next read reports it.
    let sent = client.send(text.as_str().into()).await;
    let next = timeout(PATIENCE, client.next()).await.expect("an echo");
    match next {
        Some(Ok(message)) => assert_eq!(message.as_text(), Some(text.as_str())),
        None => return false,
        Some(Err(error)) => panic!("{error} in place of {number}, sent: {sent:?}"),
    }
    true
}

/// Pauses between two messages.
async fn pass(pause: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = sleep(pause) => {}
        () = stop.cancelled() => {}
    }
}
