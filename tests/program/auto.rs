//! Upstreams whose protocol is unknown.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use polysock_test_support::client::Client;
use polysock_test_support::dial::dial;
use polysock_test_support::opening::RFC6455;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

const TRIED: [&str; 5] = ["rfc6455", "hybi-10", "hybi-07", "hixie-76", "hixie-75"];

/// The answers of a server that does not understand a request, which then closes. After `SILENT`
/// the client closes.
const CLOSED: &str = "";
const SILENT: &str = "silent";
const ANSWERS: [&str; 6] = [
    CLOSED,
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "what is that?\r\n\r\n",
];

/// The protocol that a server speaks, and its answer to the others.
#[derive(Clone, Copy)]
struct Spoken {
    protocol: &'static str,
    answer: &'static str,
}

/// A server that speaks one protocol, which the test can change.
struct Picky {
    address: SocketAddr,
    spoken: Arc<Mutex<Spoken>>,
    count: Arc<AtomicUsize>,
    _echo: Server,
}

impl Picky {
    fn start(spoken: Spoken) -> Self {
        let echo = POLYSOCK.echo(&[]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let picky = Self {
            address: listener.local_addr().unwrap(),
            spoken: Arc::new(Mutex::new(spoken)),
            count: Arc::default(),
            _echo: echo,
        };
        let (spoken, count) = (Arc::clone(&picky.spoken), Arc::clone(&picky.count));
        let behind = picky._echo.address;
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let spoken = *spoken.lock().unwrap();
                // A client that disconnects in the middle is no error of this server.
                thread::spawn(move || serve(&stream.unwrap(), behind, spoken));
            }
        });
        picky
    }

    fn gateway(&self, flags: &[&str]) -> Server {
        let url = format!("ws+auto://{}/", self.address);
        POLYSOCK.serve(&[&["--protocols", "all", &url], flags].concat())
    }
}

fn serve(stream: &TcpStream, behind: SocketAddr, spoken: Spoken) -> io::Result<()> {
    let mut client = Client::over(stream.try_clone()?);
    let head = client.head();
    let version = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Version: "));
    let asked = match version {
        Some("13") => "rfc6455",
        Some("8") => "hybi-10",
        Some("7") => "hybi-07",
        _ if head.contains("Sec-WebSocket-Key1: ") => "hixie-76",
        _ => "hixie-75",
    };
    if asked != spoken.protocol {
        if spoken.answer == SILENT {
            client.gone();
        }
        let mut stream = stream;
        return stream.write_all(spoken.answer.as_bytes());
    }
    let mut server = TcpStream::connect(behind)?;
    server.write_all(head.as_bytes())?;
    let (mut from, mut to) = (stream.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    let mut back = stream;
    io::copy(&mut server, &mut back)?;
    stream.shutdown(Shutdown::Write)
}

async fn echoes(gateway: &Server) {
    let mut client = dial("rfc6455", gateway.address, &[]).await;
    client.send("hello".into()).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), "hello".into());
    client.close(None).await.unwrap();
}

#[tokio::test]
async fn every_protocol_is_found_whatever_the_others_are_answered_with() {
    for (answer, protocols) in ANSWERS
        .map(|answer| (answer, &TRIED[..]))
        .into_iter()
        .chain([(SILENT, &TRIED[1..])])
    {
        let spoken = |protocol| Spoken { protocol, answer };
        let server = Picky::start(spoken("rfc6455"));
        for protocol in protocols {
            *server.spoken.lock().unwrap() = spoken(protocol);
            let mut gateway = server.gateway(&["--connect-timeout", "3s"]);
            for _ in 0..2 {
                echoes(&gateway).await;
            }
            let line = gateway.log_line("learned the upstream's protocol");
            assert!(line.contains(protocol), "{answer:?}: {line}");
        }
    }
}

#[tokio::test]
async fn simultaneous_clients_share_one_detection() {
    let server = Picky::start(Spoken {
        protocol: "hixie-76",
        answer: ANSWERS[1],
    });
    let gateway = server.gateway(&[]);
    join_all((0..20).map(|_| echoes(&gateway))).await;
    // Three attempts in protocols that the server does not speak, and one connection for each
    // client.
    assert_eq!(server.count.load(Ordering::SeqCst), 3 + 20);
}

#[tokio::test]
async fn a_server_that_changes_its_protocol_is_detected_again() {
    let spoken = |protocol, answer| Spoken { protocol, answer };
    let server = Picky::start(spoken("rfc6455", ANSWERS[1]));
    let gateway = server.gateway(&["--connect-timeout", "1s"]);
    for next in [
        spoken("hixie-76", ANSWERS[1]),
        spoken("hixie-75", CLOSED),
        spoken("hybi-10", ANSWERS[3]),
    ] {
        echoes(&gateway).await;
        *server.spoken.lock().unwrap() = next;
        echoes(&gateway).await;
    }
    *server.spoken.lock().unwrap() = spoken("hybi-07", SILENT);
    // The first client uses up all its time to find that the server is silent. The second one
    // learns.
    gateway.answers(RFC6455, 504);
    echoes(&gateway).await;
}

#[test]
fn refusals_of_the_application_are_passed_on_and_not_learned_from() {
    for (status, count) in [
        (401, 1),
        (403, 1),
        (404, 1),
        (302, 1),
        (503, 1),
        (400, 5),
        (500, 5),
    ] {
        let answer = format!("HTTP/1.1 {status} Mine\r\nContent-Length: 4\r\n\r\nmine");
        let answer: &'static str = answer.leak();
        let server = Picky::start(Spoken {
            protocol: "none",
            answer,
        });
        let gateway = server.gateway(&[]);
        for round in 1..=2 {
            let (mut client, _) = gateway.answers(RFC6455, status);
            client.expect("mine");
            assert_eq!(
                server.count.load(Ordering::SeqCst),
                round * count,
                "{status}"
            );
        }
    }
}

#[test]
fn an_unreachable_server_is_a_502_and_a_silent_one_a_504() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws+auto://{}/", listener.local_addr().unwrap());
    let gateway = POLYSOCK.serve(&[&url, "--connect-timeout", "500ms"]);
    let began = std::time::Instant::now();
    gateway.answers(RFC6455, 504);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    drop(listener);
    gateway.answers(RFC6455, 502);
}
