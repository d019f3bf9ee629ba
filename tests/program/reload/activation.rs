//! Socket activation: sockets from systemd, which outlive the process.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::process::Process;
use polysock_test_support::server::Server;

use super::{Configured, IN_FORCE, echo_at, echoes};
use crate::POLYSOCK;

/// A shell script that acts as systemd: passes two sockets as descriptors 3 and 4, and sets the
/// environment.
const PASS: &str =
    "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"";

/// The same with the process id of another process.
const PASS_BY: &str =
    "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=1 LISTEN_FDS=2; exec \"$@\"";

/// Starts `polysock serve` with two sockets and their names.
fn start(pass: &str, sockets: (OwnedFd, OwnedFd), names: &str, arguments: &[&str]) -> Process {
    let polysock = POLYSOCK.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", pass, "sh"])
        .arg(polysock.get_program())
        .arg("serve")
        .args(arguments)
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1")
        .env("LISTEN_FDNAMES", names)
        .stdin(sockets.0)
        .stdout(sockets.1);
    Process::start_logging(&mut command)
}

/// A port and a Unix socket that the test holds.
struct Held {
    port: TcpListener,
    unix: UnixListener,
}

impl Held {
    fn new(name: &str) -> Self {
        let unix = POLYSOCK.directory(name).join("socket");
        Self {
            port: TcpListener::bind("127.0.0.1:0").unwrap(),
            unix: UnixListener::bind(unix).unwrap(),
        }
    }

    fn sockets(&self) -> (OwnedFd, OwnedFd) {
        let (port, unix) = (self.port.try_clone(), self.unix.try_clone());
        (port.unwrap().into(), unix.unwrap().into())
    }

    fn serve(&self, arguments: &[&str]) -> Server {
        let process = start(PASS, self.sockets(), "web:local", arguments);
        Server::of(process, PATIENCE).unwrap_or_else(|end| panic!("{end:?}"))
    }

    fn connect(&self) -> Client {
        Client::connect(self.port.local_addr().unwrap())
    }

    /// Requests a WebSocket over the Unix socket.
    fn ask(&self) -> UnixStream {
        let address = self.unix.local_addr().unwrap();
        let mut stream = UnixStream::connect(address.as_pathname().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(RFC6455.as_bytes()).unwrap();
        stream
    }
}

fn assert_accepted(mut stream: UnixStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert_status(std::str::from_utf8(&head).unwrap(), 101);
}

#[test]
fn a_systemd_socket_is_a_listener_by_name_and_survives_reloads() {
    let held = Held::new("activated");
    let file = POLYSOCK.directory("activated-file").join("polysock.toml");
    let local = "[[listener]]\naddress = \"systemd:local\"\n";
    let web = "[[listener]]\naddress = \"systemd:web\"\n";
    let all = "[[listener]]\naddress = \"systemd:\"\n";
    let route = echo_at("/", "");
    fs::write(&file, [local, web, &route].concat()).unwrap();
    let server = held.serve(&["--config", file.to_str().unwrap()]);
    let mut configured = Configured { file, server };
    let mut client = configured.open("/");
    assert_accepted(held.ask());

    let line = configured.reload(&[web, &route].concat(), "no listener uses");
    assert!(line.contains("the sockets `local` from systemd"), "{line}");
    let waiting = held.ask();
    let line = configured.reload(&[all, &route].concat(), IN_FORCE);
    assert!(line.contains("listeners=2"), "{line}");
    assert_accepted(waiting);
    for client in [&mut client, &mut configured.open("/")] {
        echoes(client);
    }
    configured.server.signal("TERM");
    client.expect(b"\x88\x02\x03\xe9");
}

#[test]
fn a_client_that_connects_between_two_processes_is_answered() {
    let held = Held::new("restarted");
    let arguments = ["--listen", "systemd:", "--app", "echo"];
    let mut server = held.serve(&arguments);
    let mut open = server.websocket();
    let mut early = held.connect();
    let (half, rest) = RFC6455.split_at(20);
    early.send(half);
    // The early client has been accepted once each thread has accepted later ones.
    for _ in 0..32 {
        server.websocket();
    }
    server.signal("TERM");
    server.log_line("closing connections");
    early.send(rest);
    assert_status(&early.head(), 101);
    for client in [&mut open, &mut early] {
        client.expect(b"\x88\x02\x03\xe9");
    }
    drop((open, early));
    let (code, log) = server.ends_within(PATIENCE);
    assert_eq!(code, Some(0), "{log}");

    let mut between = held.connect();
    between.send(RFC6455);
    let waiting = held.ask();
    let mut next = held.serve(&arguments);
    assert_status(&between.head(), 101);
    echoes(&mut between);
    assert_accepted(waiting);
    drop(between);
    next.stop();
}

#[test]
fn an_unusable_socket_is_an_error_with_advice() {
    let datagrams = || {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        (datagrams.try_clone().unwrap().into(), datagrams.into())
    };
    let held = Held::new("unfit");
    for (pass, sockets, listen, says) in [
        (
            PASS,
            held.sockets(),
            "systemd:webb",
            "systemd has passed no socket named `webb`, only `web`, `local`; FileDescriptorName= in a \
             socket's unit sets its name",
        ),
        (
            PASS,
            datagrams(),
            "systemd:local",
            "the socket `local` from systemd is unusable: it is not a stream socket; its unit needs \
             ListenStream=, and no Accept=",
        ),
        (
            PASS_BY,
            held.sockets(),
            "systemd:",
            "systemd's sockets belong to process 1 (LISTEN_PID), and this is process ",
        ),
    ] {
        let end = start(pass, sockets, "web:local", &["--listen", listen]).end(PATIENCE);
        assert_eq!(end.status.unwrap().code(), Some(1), "{}", end.output);
        assert!(end.output.contains(says), "{}", end.output);
    }
    let run = POLYSOCK.run(
        &["serve", "--listen", "systemd:web"],
        polysock_test_support::program::Input::NOTHING,
    );
    assert_eq!(run.code, Some(1));
    let says = "systemd has passed no sockets: start polysock by a socket unit, or give an address";
    assert!(run.stderr.contains(says), "{}", run.stderr);
}
