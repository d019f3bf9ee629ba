//! A server that takes over from another: no client is refused, or cut before its answer.

use std::fs;
#[cfg(all(feature = "grip", feature = "zmq"))]
use std::io::Read;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use polysock::protocols::PROTOCOLS;
use polysock_test_support::PATIENCE;
use polysock_test_support::alone::alone;
use polysock_test_support::dial::dial;
use polysock_test_support::opening::RFC6455;
use polysock_test_support::program::Input;
#[cfg(all(feature = "grip", feature = "zmq"))]
use polysock_test_support::zmq::{frame, greeting, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::traffic::echo;
use super::{Configured, LISTENER, echo_at, echoes};
use crate::POLYSOCK;

/// The number of successive servers.
const SERVERS: usize = 20;

/// The interval between clients.
const EVERY: Duration = Duration::from_millis(5);

/// The minimum number of clients of each server.
const VISITS: usize = 20;

const HAS_LEFT: &str = "took over from process";

/// Returns the process settings of a configuration.
fn process(directory: &Path) -> String {
    format!(
        "handover = \"{0}/handover\"\npid_file = \"{0}/pid\"\n",
        directory.display()
    )
}

#[test]
fn no_client_notices_that_another_server_takes_over() {
    let name = "reload::handover::no_client_notices_that_another_server_takes_over";
    alone(name, || {
        let directory = POLYSOCK.directory("successors");
        let unix = directory.join("socket");
        let text = [
            &process(&directory),
            &format!("[[listener]]\naddress = \"unix:{}\"\n", unix.display()),
            LISTENER,
            "[[route]]\nclient = \"http\"\ntarget = \"app:chat\"\n",
            &echo_at("/", "protocols = \"all\""),
        ];
        let mut server = Configured::start("successors-file", &text.concat());
        let address = server.server.address;
        let (count, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let coming = {
            let (unix, count, stop) = (unix.clone(), Arc::clone(&count), stop.clone());
            thread::spawn(move || come(address, &unix, &count, &stop))
        };
        for number in 1..SERVERS {
            while count.load(Ordering::Relaxed) < number * VISITS {
                assert!(!coming.is_finished(), "one was not answered");
                thread::sleep(EVERY);
            }
            let mut client = server.open("/");
            let mut next = Configured::start_of(server.file.clone());
            assert_eq!(next.server.address, address);
            next.server.log_line(HAS_LEFT);
            // RFC 6455 §7.4.1: going away.
            client.expect(b"\x88\x02\x03\xe9");
            drop(client);
            let (code, log) = server.server.ends_within(PATIENCE);
            assert_eq!(code, Some(0), "{log}");
            echoes(&mut next.open("/"));
            server = next;
        }
        stop.cancel();
        coming.join().unwrap();
        eprintln!("{} came", count.load(Ordering::Relaxed));
        let pid = fs::read_to_string(directory.join("pid")).unwrap();
        assert_eq!(pid.trim(), server.server.id().to_string());
        server.server.stop();
        for gone in ["pid", "handover", "socket"] {
            assert!(!directory.join(gone).exists(), "{gone} is left");
        }
    });
}

/// Lets clients connect one after another until `stop` is cancelled, and counts them. Each must be
/// answered.
fn come(address: SocketAddr, unix: &Path, count: &AtomicUsize, stop: &CancellationToken) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut visits = JoinSet::new();
        while !stop.is_cancelled() {
            every.tick().await;
            let number = count.fetch_add(1, Ordering::Relaxed);
            match number % 3 {
                0 => visits.spawn(async move {
                    ask(TcpStream::connect(address).await.unwrap(), GET, "200").await;
                }),
                1 => {
                    let unix: PathBuf = unix.to_owned();
                    visits.spawn(async move {
                        ask(UnixStream::connect(unix).await.unwrap(), RFC6455, "101").await;
                    })
                }
                _ => {
                    let protocol = PROTOCOLS[number / 3 % PROTOCOLS.len()].name();
                    visits.spawn(async move {
                        let mut client = dial(protocol, format!("{address}/"), &[]).await;
                        // The server may be about to close the connection.
                        if echo(&mut client, 0).await {
                            let _ = client.close(None).await;
                        }
                    })
                }
            };
            while let Some(visit) = visits.try_join_next() {
                visit.unwrap();
            }
        }
        while let Some(visit) = visits.join_next().await {
            visit.unwrap();
        }
    });
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Sends a request and expects this status.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str, status: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let answered = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    answered.expect("an answer").expect("no end before it");
    assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes());
}

#[test]
fn a_server_that_cannot_take_over_leaves_the_other_as_it_was() {
    let directory = POLYSOCK.directory("no-successor");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let unix = directory.join("socket");
    let unix = format!("[[listener]]\naddress = \"unix:{}\"\n", unix.display());
    let text = [&process(&directory), LISTENER, &unix, &echo_at("/", "")].concat();
    let mut first = Configured::start("no-successor-file", &text);
    let mut client = first.open("/");
    let more = format!("{text}[[listener]]\naddress = \"{taken}\"\n");
    let file = directory.join("more.toml");
    fs::write(&file, more).unwrap();
    let run = POLYSOCK.run(
        &["serve", "--config", file.to_str().unwrap()],
        Input::NOTHING,
    );
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let says = format!("cannot listen on {taken}: Address already in use");
    assert!(run.stderr.contains(&says), "{}", run.stderr);
    first
        .server
        .log_line("failed: the other process closed the connection");
    for client in [&mut client, &mut first.open("/")] {
        echoes(client);
    }
    assert!(directory.join("socket").exists() && directory.join("handover").exists());
    let mut next = Configured::start_of(first.file.clone());
    next.server.log_line(HAS_LEFT);
    echoes(&mut next.open("/"));
}

#[test]
fn an_unknown_handover_version_is_refused() {
    let path = POLYSOCK.directory("strange").join("handover");
    let listener = UnixListener::bind(&path).unwrap();
    let stranger = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"polysock handover 9\n\n").unwrap();
        BufReader::new(stream).read_line(&mut String::new())
    });
    let path = path.to_str().unwrap();
    let run = POLYSOCK.run(
        &["serve", "--listen", "127.0.0.1:0", "--handover", path],
        Input::NOTHING,
    );
    assert_eq!(run.code, Some(1));
    let says = format!(
        "cannot take over from the server at {path}: unexpected message `polysock handover 9`; \
         stop it before starting this one"
    );
    assert!(run.stderr.contains(&says), "{}", run.stderr);
    let _ = stranger.join();
}

/// While the old server still waits for one of its clients, all control requests and publications
/// go to the new server.
#[cfg(all(feature = "grip", feature = "zmq"))]
#[test]
fn the_control_publish_and_zmq_listeners_are_taken_over() {
    let directory = POLYSOCK.directory("successors-beside");
    let [control, publish, zmq] = ["control", "publish", "zmq"].map(|name| directory.join(name));
    let text = format!(
        "{}[control]\nlisten = \"unix:{}\"\n[publish]\nlisten = \"unix:{}\"\n[zmq]\npull = [\"ipc://{}\"]\n\
         {LISTENER}[[route]]\ntarget = \"app:broadcast/news\"\n",
        process(&directory),
        control.display(),
        publish.display(),
        zmq.display(),
    );
    let mut server = Configured::start("successors-beside-file", &text);
    for _ in 0..2 {
        // The client does not answer the close.
        let _silent = server.open("/");
        let mut next = Configured::start_of(server.file.clone());
        next.server.log_line(HAS_LEFT);
        let mut client = next.open("/");
        // A client that has received its own message has joined.
        client.send(polysock_test_support::frame::frame(0x81, "here"));
        client.expect(b"\x81\x04here");
        for _ in 0..20 {
            let ready = request(&control, "GET /readyz", "");
            assert!(ready.ends_with("\r\n\r\nok\n"), "{ready}");
            let published = request(&publish, "POST /channels/news", "hello");
            assert!(published.starts_with("HTTP/1.1 200 "), "{published}");
            client.expect(b"\x81\x05hello");
        }
        let mut site = std::os::unix::net::UnixStream::connect(&zmq).unwrap();
        let item = r#"J{"channel":"news","formats":{"ws-message":{"content":"hello"}}}"#;
        let sent = [
            greeting("NULL"),
            ready("PUSH"),
            frame(false, item.as_bytes()),
        ];
        site.write_all(&sent.concat()).unwrap();
        client.expect(b"\x81\x05hello");
        let (code, log) = server.server.ends_within(PATIENCE);
        assert_eq!(code, Some(0), "{log}");
        server = next;
    }
    server.server.stop();
    for gone in [control, publish, zmq] {
        assert!(!gone.exists(), "{} is left", gone.display());
    }
}

/// Sends a request to a Unix socket, and returns the answer.
#[cfg(all(feature = "grip", feature = "zmq"))]
fn request(path: &Path, line: &str, body: &str) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let len = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
