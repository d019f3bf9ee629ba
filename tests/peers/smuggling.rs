//! Attempts to make a web server behind the program see a request that the program has not seen.
//! The servers are nginx, and Node.js with its most lenient parser.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use polysock_test_support::PATIENCE;
use polysock_test_support::client::Client;
use polysock_test_support::hostile::{DATA, GOAWAY, HEADERS, Hostile, RST_STREAM};
use polysock_test_support::http2::http2_frame;
use polysock_test_support::opening::RFC6455;
use polysock_test_support::process::Process;
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// A request that no server may see.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A web server that prints the request lines that it sees.
struct Origin {
    process: Process,
    url: String,
}

impl Origin {
    /// Starts nginx; `None` if it is not installed.
    fn nginx() -> Option<Self> {
        let program = installed("nginx")?;
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("smuggling");
        fs::create_dir_all(&scratch).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let directory = scratch.display();
        let config = scratch.join("nginx.conf");
        fs::write(
            &config,
            format!(
                "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr notice;
                events {{}}
                http {{
                  log_format seen 'SAW $request';
                  access_log /dev/stdout seen;
                  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
                  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
                  scgi_temp_path {directory}/scgi;
                  server {{ listen 127.0.0.1:{port}; location / {{ return 200 ok; }} }}
                }}"
            ),
        )
        .unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(&scratch).arg("-c").arg(&config);
        let mut process = Process::start(command.stdin(Stdio::null()));
        let ready = process.wait_for_line(PATIENCE, |line| {
            line.contains("start worker").then_some(()).or_else(|| {
                // Without a master process, nginx prints this once it listens.
                line.contains("using the").then_some(())
            })
        });
        ready.expect("nginx starts");
        let url = format!("http://127.0.0.1:{port}");
        Some(Self { process, url })
    }

    /// Starts Node.js with its most lenient parser; `None` if it is not installed.
    fn node() -> Option<Self> {
        let program = installed("node")?;
        let mut command = Command::new(program);
        command.args(["--insecure-http-parser", "-e", NODE]);
        let mut process = Process::start(command.stdin(Stdio::null()));
        let address = process.wait_for_line(PATIENCE, |line| {
            line.strip_prefix("listening on ").map(str::to_owned)
        });
        let url = format!("http://{}", address.expect("it listens"));
        Some(Self { process, url })
    }

    /// Returns the request lines that the server saw before a marker request, which is sent now.
    fn seen(&mut self, gateway: &Server) -> Vec<String> {
        let (mut client, head) =
            gateway.ask("GET /marker HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        client.gone();
        let before = self.process.output().len();
        let marker = |line: &str| line.starts_with("SAW GET /marker").then_some(());
        self.process
            .wait_for_line(PATIENCE, marker)
            .expect("the marker");
        let lines = self.process.output()[before..].lines();
        let seen = lines.filter_map(|line| line.strip_prefix("SAW "));
        seen.filter(|line| !line.starts_with("GET /marker"))
            .map(str::to_owned)
            .collect()
    }
}

const NODE: &str = r#"
const server = require("http").createServer((request, response) => {
  console.log(`SAW ${request.method} ${request.url} HTTP/1.1`);
  request.on("end", () => response.end("ok")).resume();
});
server.on("upgrade", (request, socket) => {
  console.log(`SAW ${request.method} ${request.url} HTTP/1.1`);
  socket.end("HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
});
server.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
"#;

fn installed(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = places
        .map(|place| place.join(program))
        .find(|file| file.exists());
    if found.is_none() {
        let line = format!("SKIPPED {program}: not installed, run tests/peers/install");
        assert!(env::var_os("POLYSOCK_PEERS_REQUIRED").is_none(), "{line}");
        let _ = writeln!(io::stderr(), "{line}");
    }
    found
}

/// An attempt, and its allowed outcome.
struct Attempt {
    name: &'static str,
    bytes: Vec<u8>,
    /// The status of the first answer; 0 for any.
    status: u16,
    /// The request lines that the server may see. It may see none.
    seen: &'static [&'static str],
}

fn attempt(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    status: u16,
    seen: &'static [&'static str],
) -> Attempt {
    Attempt {
        name,
        bytes: bytes.into(),
        status,
        seen,
    }
}

const OUTER: &[&str] = &["POST /outer HTTP/1.1"];
const UPGRADE: &[&str] = &["GET /chat HTTP/1.1"];

/// A POST with these fields, and these bytes after its head.
fn post(fields: &str, behind: &str) -> String {
    format!("POST /outer HTTP/1.1\r\nHost: a\r\n{fields}\r\n{behind}")
}

fn attempts() -> Vec<Attempt> {
    let len = SMUGGLED.len();
    let handshake = |fields: &str, behind: &str| {
        let lines = RFC6455.strip_suffix("\r\n").unwrap();
        format!("{lines}{fields}\r\n{behind}")
    };
    let mut attempts = vec![
        // A body on an upgrade.
        attempt(
            "length on an upgrade",
            handshake(&format!("Content-Length: {len}\r\n"), SMUGGLED),
            400,
            &[],
        ),
        attempt(
            "chunks on an upgrade",
            handshake(
                "Transfer-Encoding: chunked\r\n",
                &format!("0\r\n\r\n{SMUGGLED}"),
            ),
            400,
            &[],
        ),
        // A request where a tunnel should be.
        attempt(
            "a request behind an upgrade",
            handshake("", SMUGGLED),
            0,
            UPGRADE,
        ),
        attempt(
            "a request behind an upgrade of an unknown version",
            handshake("", SMUGGLED).replace("Version: 13", "Version: 777"),
            426,
            &[],
        ),
        attempt(
            "h2c, and its preface",
            "GET /h2c HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            200,
            &["GET /h2c HTTP/1.1"],
        ),
        // A body is not read as a request.
        attempt(
            "a body of a GET",
            format!(
                "GET /outer HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{SMUGGLED}"
            ),
            200,
            &["GET /outer HTTP/1.1"],
        ),
        attempt(
            "a length that Connection lists",
            post(
                &format!("Content-Length: {len}\r\nConnection: close, Content-Length\r\n"),
                SMUGGLED,
            ),
            200,
            OUTER,
        ),
        attempt(
            "a coding that Connection lists",
            post(
                "Transfer-Encoding: chunked\r\nConnection: close, Transfer-Encoding\r\n",
                &format!("{len:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"),
            ),
            200,
            OUTER,
        ),
        attempt(
            "a coding in the trailer",
            post(
                "Transfer-Encoding: chunked\r\nConnection: close\r\nTrailer: Content-Length\r\n",
                "0\r\nContent-Length: 5\r\n\r\n",
            ),
            200,
            OUTER,
        ),
        attempt(
            "CONNECT",
            format!("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n{SMUGGLED}").replace(SMUGGLED, ""),
            501,
            &[],
        ),
    ];
    // Requests that are invalid or ambiguous.
    let unclear = [
        (
            "a length and a coding",
            post(
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "a coding and a length",
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "two lengths",
            post("Content-Length: 5\r\nContent-Length: 0\r\n", "abcde"),
        ),
        (
            "twice the same length",
            post("Content-Length: 5\r\nContent-Length: 5\r\n", "abcde"),
        ),
        (
            "a list of lengths",
            post("Content-Length: 5, 5\r\n", "abcde"),
        ),
        (
            "a length with a sign",
            post("Content-Length: +5\r\n", "abcde"),
        ),
        ("a length in hex", post("Content-Length: 0x5\r\n", "abcde")),
        ("an empty length", post("Content-Length:\r\n", "abcde")),
        (
            "a length that overflows",
            post("Content-Length: 18446744073709551621\r\n", "abcde"),
        ),
        (
            "a coding that is almost one",
            post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a coding of another kind",
            post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "chunked not the last",
            post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ),
        (
            "two codings",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "chunked twice",
            post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a coding in quotes",
            post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
        ),
        (
            "a coding behind a vertical tab",
            post("Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a coding with a space before its colon",
            post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a coding with a space before its name",
            post("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
        ("obs-fold", post("X: a\r\n b\r\n", "")),
        (
            "obs-fold of a coding",
            post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        ),
        ("obs-fold by a tab", post("X: a\r\n\tb\r\n", "")),
        ("a bare LF", post("X: a\nContent-Length: 5\r\n", "abcde")),
        ("a bare CR", post("X: a\rContent-Length: 5\r\n", "abcde")),
        (
            "a bare LF at the end",
            post("Content-Length: 5\r\n\n", "abcde"),
        ),
        ("NUL in a value", post("X: a\0b\r\n", "")),
        ("NUL in a name", post("X\0: a\r\n", "")),
        (
            "NUL in the target",
            post("", "").replace("/outer", "/outer\0"),
        ),
        (
            "a blank in the target",
            post("", "").replace("/outer", "/outer /x"),
        ),
        ("two hosts", post("Host: b\r\n", "")),
        ("no host", post("", "").replace("Host: a\r\n", "")),
        (
            "a host that is none",
            post("", "").replace("Host: a", "Host: a/smuggled"),
        ),
        (
            "a version that is none",
            post("", "").replace("HTTP/1.1", "HTTP/1.2"),
        ),
        ("a line without a colon", post("Transfer-Encoding\r\n", "")),
        ("a name of blanks", post(" : a\r\n", "")),
        (
            "a coding in HTTP/1.0",
            post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"),
        ),
    ];
    for (name, request) in unclear {
        attempts.push(attempt(name, format!("{request}{SMUGGLED}"), 400, &[]));
    }
    // Invalid chunks: the head may have been forwarded before they arrive.
    for (name, chunks) in [
        ("a chunk with a bare LF", "3\nabc\n0\n\n"),
        (
            "a chunk with an extension that has a bare LF",
            "3;a\nb\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "a chunk that is longer than it says",
            "3\r\nabcd\r\n0\r\n\r\n",
        ),
        ("a chunk whose size has a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a chunk whose size has a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        (
            "a chunk whose size overflows",
            "10000000000000003\r\nabc\r\n0\r\n\r\n",
        ),
        ("a chunk without a size", "\r\nabc\r\n0\r\n\r\n"),
        ("a chunk with a bare CR", "3\rabc\r\n0\r\n\r\n"),
    ] {
        let request = post(
            "Transfer-Encoding: chunked\r\n",
            &format!("{chunks}{SMUGGLED}"),
        );
        attempts.push(attempt(name, request, 0, OUTER));
    }
    attempts
}

/// Makes each attempt, and checks the requests that the server has seen.
fn refuses_all(origin: Option<Origin>) {
    let Some(mut origin) = origin else { return };
    let gateway = POLYSOCK.serve(&[&origin.url, "--protocols", "all"]);
    for Attempt {
        name,
        bytes,
        status,
        seen,
    } in attempts()
    {
        let mut client = gateway.connect();
        client.send(&bytes);
        client.finish();
        let answer = answer(&mut client);
        if status != 0 {
            let line = format!("HTTP/1.1 {status} ");
            let old = format!("HTTP/1.0 {status} ");
            assert!(
                answer.starts_with(&line) || answer.starts_with(&old),
                "{name}: {answer}"
            );
        }
        let found = origin.seen(&gateway);
        // A handshake whose client has disconnected may reach the server late.
        let is_allowed = |line: &String| seen.contains(&&**line) || UPGRADE.contains(&&**line);
        assert!(
            found.iter().all(is_allowed) && (status != 200 || !found.is_empty()),
            "{name}: the server has seen {found:?}, the client {answer:?}"
        );
    }
    for (name, fields, data) in streams() {
        let mut hostile = Hostile::over(gateway.connect());
        let flags = if data.is_empty() { 5 } else { 4 };
        // Sent together: a server may answer before it has read the data, which is checked as it
        // arrives.
        let mut frames = http2_frame(HEADERS, flags, 1, &block(&fields));
        if !data.is_empty() {
            frames.extend(http2_frame(DATA, 1, 1, data.as_bytes()));
        }
        hostile.send(&frames);
        // Either an answer or a refusal.
        while let Some((kind, payload)) = hostile.next() {
            match kind {
                HEADERS => {
                    // A status other than 200.
                    assert_ne!(payload.first(), Some(&0x88), "{name}: 200");
                    break;
                }
                RST_STREAM | GOAWAY => break,
                _ => {}
            }
        }
        let found = origin.seen(&gateway);
        let is_harmless = |line: &String| line == "POST /outer HTTP/1.1" && !data.is_empty();
        assert!(
            found.iter().all(is_harmless),
            "{name}: the server has seen {found:?}"
        );
    }
    // An unambiguous request is forwarded.
    let mut hostile = Hostile::over(gateway.connect());
    hostile.send(&http2_frame(HEADERS, 5, 1, &block(&plain())));
    hostile.waits_for(HEADERS, 1);
    assert_eq!(origin.seen(&gateway), OUTER);
}

/// Reads until the end of the stream or a reset.
fn answer(client: &mut Client) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let mut stream = client.stream();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&bytes)),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

type Field = (String, String);

fn plain() -> Vec<Field> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/outer"),
        (":authority", "a"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// HTTP/2 streams whose fields would have another meaning in HTTP/1.
fn streams() -> Vec<(&'static str, Vec<Field>, &'static str)> {
    let replaced = |name: &str, value: &str| {
        let mut fields = plain();
        for field in &mut fields {
            if field.0 == name {
                value.clone_into(&mut field.1);
            }
        }
        fields
    };
    let with = |name: &str, value: &str| {
        let mut fields = plain();
        fields.push((name.to_owned(), value.to_owned()));
        fields
    };
    let ends = format!("a\r\n\r\n{SMUGGLED}");
    vec![
        ("a line end in a value", with("x", &ends), ""),
        ("an LF in a value", with("x", "a\nb: c"), ""),
        ("a CR in a value", with("x", "a\rb: c"), ""),
        ("NUL in a value", with("x", "a\0b"), ""),
        ("a line end in a name", with("x: a\r\ny", "b"), ""),
        ("a colon in a name", with("x:y", "b"), ""),
        ("a blank in a name", with("x y", "b"), ""),
        ("an upper-case name", with("X", "b"), ""),
        (
            "a line end in the path",
            replaced(":path", "/ HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled"),
            "",
        ),
        (
            "a blank in the path",
            replaced(":path", "/smuggled HTTP/1.1"),
            "",
        ),
        ("no slash in the path", replaced(":path", "smuggled"), ""),
        (
            "a line end in the authority",
            replaced(":authority", "a\r\nX: b"),
            "",
        ),
        (
            "a blank in the method",
            replaced(":method", "GET /smuggled HTTP/1.1"),
            "",
        ),
        (
            "a line end in the method",
            replaced(":method", "GET\r\nX: y"),
            "",
        ),
        (
            "a coding",
            with("transfer-encoding", "chunked"),
            "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        ),
        ("an upgrade", with("upgrade", "h2c"), ""),
        ("a connection", with("connection", "content-length"), ""),
        (
            "a length that is too short",
            with("content-length", "0"),
            "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "a length that is too long",
            with("content-length", "50"),
            "abc",
        ),
        ("a length that is none", with("content-length", "+3"), "abc"),
        ("CONNECT", replaced(":method", "CONNECT"), ""),
    ]
}

/// Encodes fields in HPACK, all of them literal.
fn block(fields: &[Field]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // The length is one byte up to 126 (RFC 7541 §5.1).
            let len = u8::try_from(text.len()).unwrap();
            assert!(len < 127, "{text}");
            block.push(len);
            block.extend(text.as_bytes());
        }
    }
    block
}

#[test]
fn nothing_is_smuggled_past_us_to_nginx() {
    refuses_all(Origin::nginx());
}

#[test]
fn nothing_is_smuggled_past_us_to_node() {
    refuses_all(Origin::node());
}
