//! `polysock websockify`: the invocations that websockify and noVNC document.

#[cfg(feature = "tls")]
mod tls;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use polysock_test_support::client::Client;
use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::program::Input;
use polysock_test_support::server::Server;
use polysock_test_support::tcp::raw_echo_server;
use polysock_test_support::{PATIENCE, tcp};

use crate::POLYSOCK;

/// The files and servers that the command lines below name.
struct World {
    echo: SocketAddr,
    directory: PathBuf,
    tokens: String,
}

impl World {
    fn new(name: &str) -> Self {
        let directory = POLYSOCK.directory(name);
        let echo = raw_echo_server();
        fs::write(directory.join("vnc.html"), "<title>noVNC</title>").unwrap();
        let tokens = format!("# desks\n\ndesk-7: {echo}\ngone: 127.0.0.1:1\n");
        fs::write(directory.join("vnc_tokens"), tokens).unwrap();
        fs::create_dir(directory.join("token")).unwrap();
        fs::write(
            directory.join("token/one"),
            format!("desk-7: localhost:{}\n", echo.port()),
        )
        .unwrap();
        tcp::unix_echo_server(directory.join("vnc.sock"));
        fs::create_dir(directory.join("sockets")).unwrap();
        tcp::unix_echo_server(directory.join("sockets/desk-7"));
        let tokens = directory.join("vnc_tokens").to_str().unwrap().to_owned();
        Self {
            echo,
            directory,
            tokens,
        }
    }

    /// Splits a command line into words. `VNC` becomes the address of the server, and listening
    /// ports become free ones.
    fn words(&self, line: &str) -> Vec<String> {
        let (vnc, port) = (self.echo.to_string(), self.echo.port());
        let words = line.split(' ').map(|word| match word {
            "6080" | "5901" | "2023" | "80" => "0".to_owned(),
            ":6080" | "localhost:6080" => word.replace("6080", "0"),
            "localhost:5900" | "localhost:5901" => format!("localhost:{port}"),
            "VNC" => vnc.clone(),
            word => word.to_owned(),
        });
        words.collect()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = POLYSOCK.command();
        command
            .current_dir(&self.directory)
            .arg("websockify")
            .args(self.words(line))
            .stdin(Stdio::null());
        command
    }

    fn start(&self, line: &str) -> Server {
        let server = Server::start(&mut self.command(line), PATIENCE);
        server.unwrap_or_else(|end| panic!("{line}: {end:?}"))
    }
}

/// Connects a client to the echo server.
#[track_caller]
fn echoes(server: &Server, path: &str) -> Client {
    let request = RFC6455.replace("/chat", path);
    let (mut client, _) = server.answers(request, 101);
    client.send(frame(0x82, "hello"));
    client.expect([&[0x82, 5], &b"hello"[..]].concat());
    client
}

#[test]
fn the_invocations_of_websockify_and_novnc_run_unchanged() {
    let world = World::new("websockify-invocations");
    // From websockify's README, its help, its wiki on tokens, and its image.
    for (line, path) in [
        ("6080 localhost:5900", "/websockify"),
        (":6080 localhost:5900", "/"),
        ("localhost:6080 VNC", "/"),
        ("80 VNC", "/"),
        ("-v 6080 VNC", "/websockify"),
        ("--verbose --heartbeat=30 6080 VNC", "/"),
        ("--web ./ 6080 localhost:5901", "/"),
        ("--web=. 6080 localhost:5901 --heart 30", "/"),
        ("6080 --unix-target=vnc.sock", "/"),
        ("--unix-target vnc.sock --web . 6080", "/"),
        (
            "--web . --target-config=vnc_tokens 6080",
            "/websockify?token=desk-7",
        ),
        ("--target-config token 6080", "/?x=y&token=desk-7"),
        (
            "--token-plugin TokenFile --token-source ./token/ 6080",
            "/websockify?token=desk-7",
        ),
        (
            "--token-plugin=ReadOnlyTokenFile --token-source=vnc_tokens 6080",
            "/?token=desk-7",
        ),
        (
            "--token-plugin websockify.token_plugins.TokenFile --token-source vnc_tokens 6080",
            "/?token=desk%2D7",
        ),
        (
            "--token-plugin UnixDomainSocketDirectory --token-source sockets 6080",
            "/?token=desk-7",
        ),
        (
            "--auth-plugin ExpectOrigin --auth-source http://example.com 6080 VNC",
            "/",
        ),
        (
            "-6 --libserver --idle-timeout 60 --timeout 60 6080 VNC",
            "/",
        ),
        // From noVNC's launch.sh and novnc_proxy, as the shell runs them without options and with
        // each.
        (
            "--web /usr/share/../share/ 6080 localhost:5900",
            "/websockify",
        ),
        (
            "--web . 6080 localhost:5901 --heartbeat 30 --idle-timeout 600 --timeout 600",
            "/websockify",
        ),
    ] {
        let mut server = world.start(line);
        let with_origin = line.contains("ExpectOrigin");
        if with_origin {
            let request =
                polysock_test_support::opening::with(RFC6455, "Origin: http://example.com\r\n");
            server.answers(request, 101);
            server.answers(RFC6455, 403);
        } else {
            let mut client = echoes(&server, path);
            client.send(close(1000));
            client.gone();
        }
        server.stop();
    }
}

#[test]
fn files_are_served_on_the_same_port() {
    let world = World::new("websockify-files");
    let server = world.start("--web . 6080 localhost:5900");
    let get = "GET /vnc.html HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let (mut client, _) = server.answers(get, 200);
    assert_eq!(client.rest(), b"<title>noVNC</title>");
    server.answers(get.replace("vnc.html", "missing"), 404);
    echoes(&server, "/websockify");
}

#[test]
fn unsupported_options_are_refused_with_the_reason() {
    let world = World::new("websockify-refused");
    for (line, why) in [
        (
            "--record=session 6080 VNC",
            "sessions are recorded by `polysock capture`",
        ),
        (
            "--syslog /dev/log 6080 VNC",
            "the log goes to standard error",
        ),
        (
            "2023 -- PROGRAM ARGS",
            "programs are not wrapped: websockify does that with a library",
        ),
        (
            "5901 --wrap-mode=ignore -- vncserver -geometry 1024x768 :1",
            "--wrap-mode of websockify is not supported: programs are not wrapped",
        ),
        (
            "--token-plugin JSONTokenApi --token-source http://a/%s 6080",
            "--token-plugin JSONTokenApi is a Python class",
        ),
        (
            "--auth-plugin BasicHTTPAuth --auth-source a:b 6080 VNC",
            "--auth-plugin BasicHTTPAuth is not supported: passwords",
        ),
        (
            "--token-plugin TokenFile --token-source missing 6080",
            "`missing` cannot be read: No such file",
        ),
        (
            "--token-plugin TokenFile 6080",
            "--token-plugin TokenFile needs --token-source",
        ),
        (
            "--web missing 6080 VNC",
            "--web: `missing` is not a directory",
        ),
        ("", "the port to listen on is missing"),
        ("6080", "the target is missing"),
        ("http VNC", "`http`: the port is not a number"),
        ("6080 vnc", "`vnc` is not a target: write HOST:PORT"),
        (
            "6080 VNC --unix-target vnc.sock",
            "more than one target is given",
        ),
    ] {
        let mut command = world.command(line);
        if line.is_empty() {
            command = POLYSOCK.command();
            command.arg("websockify");
        }
        let run = polysock_test_support::program::run(&mut command, PATIENCE, Input::NOTHING);
        assert_eq!(run.code, Some(2), "{line}: {}", run.stderr);
        assert!(run.stderr.contains(why), "{line}: {}", run.stderr);
    }
}

#[test]
fn a_token_reaches_only_its_target_and_its_file_is_read_again() {
    let world = World::new("websockify-tokens");
    let mut server = world.start("--token-plugin TokenFile --token-source vnc_tokens 6080");
    for (path, status) in [
        ("/?token=other", 404),
        ("/", 404),
        ("/?token=", 404),
        ("/?token=gone", 502),
    ] {
        let (mut client, head) = server.answers(RFC6455.replace("/chat", path), status);
        let body = client.rest();
        let answer = head + &String::from_utf8(body).unwrap();
        assert!(
            !answer.contains("127.0.0.1") && !answer.contains("other"),
            "{answer}"
        );
    }
    fs::write(&world.tokens, format!("other: {}\n", world.echo)).unwrap();
    let began = std::time::Instant::now();
    loop {
        let (_, head) = server.ask(RFC6455.replace("/chat", "/?token=other"));
        if head.starts_with("HTTP/1.1 101 ") {
            break;
        }
        assert_status(&head, 404);
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "it is not read again"
        );
    }
    server.answers(RFC6455.replace("/chat", "/?token=desk-7"), 404);
    let log = server.stop();
    assert!(
        !log.contains("desk-7") && !log.contains("token=other"),
        "{log}"
    );
}

#[test]
fn run_once_and_timeouts_end_the_server() {
    let world = World::new("websockify-ends");
    let mut once = world.start("--run-once 6080 VNC");
    let mut client = echoes(&once, "/");
    client.send(close(1000));
    client.gone();
    let (code, log) = once.ends_within(PATIENCE);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("closing connections (--run-once)"), "{log}");

    for option in ["--idle-timeout", "--timeout"] {
        let mut server = world.start(&format!("{option} 1 6080 VNC"));
        let mut client = echoes(&server, "/");
        // Longer than the time limit, which does not apply while a client is connected.
        std::thread::sleep(Duration::from_millis(1500));
        client.send(frame(0x82, "still"));
        client.expect([&[0x82, 5], &b"still"[..]].concat());
        client.send(close(1000));
        client.gone();
        let (code, log) = server.ends_within(PATIENCE);
        assert_eq!(code, Some(0), "{log}");
        assert!(
            log.contains(&format!("closing connections ({option})")),
            "{log}"
        );
    }
}

#[test]
fn the_daemon_runs_in_the_background_and_logs_to_a_file() {
    let world = World::new("websockify-daemon");
    let mut command = world.command("-D --run-once --log-file websockify.log 6080 VNC");
    let run = polysock_test_support::program::run(&mut command, PATIENCE, Input::NOTHING);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let log = world.directory.join("websockify.log");
    let read = || fs::read_to_string(&log).unwrap();
    let began = std::time::Instant::now();
    let port: u16 = loop {
        let log = read();
        let port = log.split_once("listening on [::]:").map(|(_, rest)| rest);
        if let Some((port, _)) = port.and_then(|port| port.split_once('\n')) {
            break port.parse().unwrap();
        }
        assert!(began.elapsed() < PATIENCE, "{log}");
    };
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    client.send(RFC6455);
    assert_status(&client.head(), 101);
    client.send(close(1000));
    client.gone();
    while !read().contains("(--run-once)") {
        assert!(began.elapsed() < PATIENCE, "{}", read());
    }

    // Errors are reported before the process daemonises.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let line = format!("-D {} VNC", taken.local_addr().unwrap());
    let run =
        polysock_test_support::program::run(&mut world.command(&line), PATIENCE, Input::NOTHING);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("cannot listen on"), "{}", run.stderr);
}
