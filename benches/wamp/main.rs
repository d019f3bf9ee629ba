//! The cost of WAMP compared with the same bytes without it:
//! `cargo bench --features wamp --bench wamp`.
//!
//! Measures the processor time of the server's thread for each message, from /proc. Runs with and
//! without WAMP alternate, so that other load on the machine affects both equally. The clients are
//! on other threads, over TCP on the loopback. Linux only.

#![allow(clippy::print_stdout, reason = "it prints what it has measured")]

#[expect(dead_code, reason = "what WAMP says is text of its own")]
#[path = "../hot_paths/rfc6455.rs"]
mod rfc6455;

use std::fs;
use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use polysock::apps::component::ws;
use polysock::apps::echo;
use polysock::apps::wamp::{
    Answer, Args, CallId, Json, Topics, Wamp, WampClient, WampError, WampServer,
};
use polysock::{Accept, Broadcast, Gateway, Handshake, Message, Queue};
use tokio::net::TcpListener;
use tokio::task::yield_now;

use crate::rfc6455::{RFC6455, masked};

const TOPIC: &str = "http://example.com/prices";

const SUBSCRIBERS: usize = 1000;

/// The number of runs with and without WAMP; the median of each is used.
const TURNS: usize = 7;

fn main() {
    for in_flight in [1, 16] {
        let plain = echoing(Gateway::new(echo));
        let wamp = echoing(Gateway::new(ws(WampServer::new(Echo))));
        let call = format!(
            "[2,\"0.8r3kq1\",\"http://example.com/calc#echo\",\"{}\"]",
            "x".repeat(64)
        );
        // The echo returns the same text, the WAMP server a call result.
        let answer = format!("[3,\"0.8r3kq1\",\"{}\"]", "x".repeat(64));
        let mut plain = Caller::connect(plain, &call, &call, in_flight, "");
        let mut wamp = Caller::connect(
            wamp,
            &call,
            &answer,
            in_flight,
            "Sec-WebSocket-Protocol: wamp\r\n",
        );
        compare(
            &format!("echo of {} bytes, {in_flight} at a time", call.len()),
            || plain.cost(40_000 * in_flight.min(4)),
            || wamp.cost(40_000 * in_flight.min(4)),
        );
    }
    let (plain, wamp) = (Listeners::plain(), Listeners::wamp());
    compare(
        &format!("an event to each of {SUBSCRIBERS} subscribers"),
        || plain.cost(300),
        || wamp.cost(300),
    );
}

/// Prints both costs, in nanoseconds, and the throughput with WAMP relative to that without.
fn compare(what: &str, mut plain: impl FnMut() -> f64, mut wamp: impl FnMut() -> f64) {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        without.push(plain());
        with.push(wamp());
    }
    let middle = |costs: &mut Vec<f64>| {
        costs.sort_by(f64::total_cmp);
        costs.get(TURNS / 2).copied().unwrap_or(f64::NAN)
    };
    let (without, with) = (middle(&mut without), middle(&mut with));
    println!(
        "{what:<40} {without:8.0} ns plain, {with:8.0} ns with WAMP: {:.2}",
        without / with
    );
}

/// Answers every call with its argument.
struct Echo;

impl Wamp for Echo {
    async fn on_call(
        &self,
        _: &WampClient,
        _: CallId<'_>,
        _: &str,
        args: Args<'_>,
    ) -> Result<Answer, WampError> {
        Ok(args.get(0).ok_or(WampError::new("no argument"))?.into())
    }
}

/// A server on its own thread.
struct Server {
    address: SocketAddr,
    /// The path of the file with the processor time of its thread.
    schedstat: String,
}

impl Server {
    /// Returns the processor time of its thread, in nanoseconds.
    fn used(&self) -> f64 {
        let stat = fs::read_to_string(&self.schedstat).expect("Linux");
        let used = stat.split(' ').next().and_then(|used| used.parse().ok());
        used.expect("a number of nanoseconds")
    }
}

/// Serves a gateway on a new thread, together with another task.
fn serving(gateway: Gateway, beside: impl Future<Output = ()> + Send + 'static) -> Server {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
            let address = listener.local_addr().expect("an address");
            let thread = fs::read_link("/proc/thread-self").expect("Linux");
            let schedstat = format!("/proc/{}/schedstat", thread.display());
            tell.send(Server { address, schedstat })
                .expect("somebody waits");
            tokio::spawn(beside);
            gateway.serve(listener, pending(), Duration::ZERO).await
        })
    });
    told.recv().expect("it serves")
}

fn echoing(gateway: Gateway) -> Server {
    serving(gateway, async {})
}

/// A client that sends calls and waits for the answers.
struct Caller {
    server: Server,
    stream: TcpStream,
    burst: Vec<u8>,
    answers: Vec<u8>,
    in_flight: usize,
}

impl Caller {
    fn connect(server: Server, call: &str, answer: &str, in_flight: usize, field: &str) -> Self {
        let mut stream = connect(server.address, field);
        if !field.is_empty() {
            read_message(&mut stream);
        }
        let answered = [
            &[0x81, u8::try_from(answer.len()).expect("short")],
            answer.as_bytes(),
        ]
        .concat();
        Self {
            server,
            stream,
            burst: masked(0x81, call.as_bytes()).repeat(in_flight),
            answers: answered.repeat(in_flight),
            in_flight,
        }
    }

    /// Sends `messages` messages, and returns the server's cost of each.
    fn cost(&mut self, messages: usize) -> f64 {
        let before = self.server.used();
        let mut got = vec![0; self.answers.len()];
        for _ in 0..messages / self.in_flight {
            self.stream.write_all(&self.burst).expect("room");
            self.stream.read_exact(&mut got).expect("answers");
        }
        assert!(got == self.answers, "{}", got.escape_ascii());
        (self.server.used() - before) / messages as f64
    }
}

/// Subscribers that read nothing during a run: the written bytes stay in their sockets.
struct Listeners {
    server: Server,
    publish: tokio::sync::mpsc::Sender<(usize, mpsc::Sender<()>)>,
    streams: Vec<TcpStream>,
}

/// Returns the published event, as JSON.
fn event() -> String {
    format!("\"{}\"", "x".repeat(64))
}

impl Listeners {
    fn plain() -> Self {
        let line = Broadcast::new();
        let gateway = Gateway::new({
            let line = line.clone();
            move |handshake: Handshake| {
                let line = line.clone();
                async move {
                    let mut connection = handshake.accept(Accept::default()).await?;
                    let mut subscription = line.subscribe(Queue::default());
                    connection.start_send_piece(Message::from("ready").into())?;
                    while let Some(message) = subscription.next(&mut connection).await {
                        message?;
                    }
                    Ok(())
                }
            }
        });
        let text = format!("[8,\"{TOPIC}\",{}]", event());
        let publish = move || line.publish(Message::from(&*text));
        Self::join(gateway, publish, "", |_| {})
    }

    fn wamp() -> Self {
        let topics = Topics::new();
        let server = WampServer::new(Echo).with_topics(topics.clone());
        let event = Json::parse(event()).expect("JSON");
        let publish = move || topics.get(TOPIC).broadcast(&event);
        let offer = "Sec-WebSocket-Protocol: wamp\r\n";
        Self::join(Gateway::new(ws(server)), publish, offer, |stream| {
            let subscribe = masked(0x81, format!("[5,\"{TOPIC}\"]").as_bytes());
            let call = masked(0x81, b"[2,1,\"echo\",1]");
            stream.write_all(&[subscribe, call].concat()).expect("room");
            assert_eq!(read_message(stream), b"[3,1,1]");
        })
    }

    fn join(
        gateway: Gateway,
        publish: impl Fn() + Send + 'static,
        field: &str,
        subscribe: impl Fn(&mut TcpStream),
    ) -> Self {
        let (sender, mut told) = tokio::sync::mpsc::channel::<(usize, mpsc::Sender<()>)>(1);
        let server = serving(gateway, async move {
            while let Some((count, done)) = told.recv().await {
                for _ in 0..count {
                    publish();
                    // All subscribers are written to before the next event is published.
                    for _ in 0..40 {
                        yield_now().await;
                    }
                }
                done.send(()).expect("somebody waits");
            }
        });
        let streams = (0..SUBSCRIBERS).map(|_| {
            let mut stream = connect(server.address, field);
            read_message(&mut stream);
            subscribe(&mut stream);
            stream
        });
        Self {
            streams: streams.collect(),
            server,
            publish: sender,
        }
    }

    /// Publishes `events` events, and returns the server's cost of each delivery.
    fn cost(&self, events: usize) -> f64 {
        let before = self.server.used();
        let (sender, done) = mpsc::channel();
        self.publish
            .blocking_send((events, sender))
            .expect("it serves");
        done.recv().expect("it is done");
        let used = self.server.used() - before;
        // Reading all events makes room in the sockets for the next run.
        let len = format!("[8,\"{TOPIC}\",{}]", event()).len() + 2;
        for mut stream in &self.streams {
            stream
                .read_exact(&mut vec![0; events * len])
                .expect("events");
        }
        used / (events * self.streams.len()) as f64
    }
}

fn connect(address: SocketAddr, field: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("no delay");
    let end = RFC6455.len() - 2;
    let head = [RFC6455.get(..end).unwrap_or_default(), field, "\r\n"].concat();
    stream.write_all(head.as_bytes()).expect("room");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        answer.extend(byte);
    }
    stream
}

/// Reads a message, which must be short.
fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 2];
    stream.read_exact(&mut header).expect("a message");
    let mut message = vec![0; usize::from(header[1])];
    stream.read_exact(&mut message).expect("a message");
    message
}
