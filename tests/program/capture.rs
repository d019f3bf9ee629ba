//! `polysock capture`: what goes through it is written down as it was, and replays.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use polysock::protocols::CloseCode;
use polysock_instrument::{Deed, Fixture, Sight, Step, Transcript, expand};
use polysock_test_support::PATIENCE;
use polysock_test_support::corpus;
use polysock_test_support::frame::{close, frame};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, with};
use polysock_test_support::program::Input;
use polysock_test_support::server::Server;
use polysock_test_support::tcp::raw_echo_server;

use crate::POLYSOCK;

/// A capture at work.
struct Capture {
    server: Server,
    directory: PathBuf,
}

impl Capture {
    /// Starts one that writes to a new directory of this name.
    fn start(test: &str, flags: &[&str]) -> Self {
        let directory = POLYSOCK.directory(&format!("capture/{test}"));
        Self::start_in(directory, flags)
    }

    fn start_in(directory: PathBuf, flags: &[&str]) -> Self {
        let server = POLYSOCK.capture(&directory, flags);
        Self { server, directory }
    }

    /// Has it end as SIGTERM asks it to; the log.
    fn stop(&mut self) -> String {
        self.server.stop()
    }

    /// The names of what is in the directory, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// What is in the directory, each read and written in the one way.
    fn fixtures(&self) -> Vec<Fixture> {
        let paths = self
            .names()
            .into_iter()
            .map(|name| self.directory.join(name));
        let fixtures = paths.map(|path| {
            let fixture = Fixture::read(&path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, fixture.transcript.to_string(), "{}", path.display());
            fixture
        });
        fixtures.collect()
    }

    /// The one session in the directory.
    fn only(&self) -> Transcript {
        let mut fixtures = self.fixtures();
        assert_eq!(fixtures.len(), 1, "{:?}", self.names());
        fixtures.remove(0).transcript
    }

    /// Everything in the directory replays as it was recorded, whole, as it came and byte by byte.
    #[track_caller]
    fn replays(&self) {
        self.replays_cut(&["as-recorded", "whole", "1", "random:5"]);
    }

    #[track_caller]
    fn replays_cut(&self, splits: &[&str]) {
        let count = self.names().len();
        for split in splits {
            let directory = self.directory.to_str().unwrap();
            let run = POLYSOCK.run(&["replay", directory, "--split", split], Input::Open);
            let all = format!("{count} as recorded, 0 different, 0 skipped\n");
            assert!(
                run.text().ends_with(&all),
                "{split}: {}{}",
                run.text(),
                run.stderr
            );
        }
    }
}

fn note(transcript: &Transcript) -> &str {
    transcript.header("note").unwrap_or_default()
}

/// What one side says in a transcript.
fn said(transcript: &Transcript, by_client: bool) -> Vec<u8> {
    let lines = transcript.steps.iter().filter_map(|step| match step {
        Step::Client(line) if by_client => Some(line),
        Step::Server(line) if !by_client => Some(line),
        _ => None,
    });
    lines.flat_map(|line| expand(line.parts())).collect()
}

#[test]
fn the_whole_corpus_is_recorded_and_replays() {
    // HTTP/2 is written only so.
    let mut capture = Capture::start("corpus", &["--keep-secrets"]);
    let address = capture.server.address.to_string();
    let played = POLYSOCK.run(
        &["replay", corpus::DIRECTORY, "--to", &address, "--jobs", "8"],
        Input::Open,
    );
    let last = played.text().lines().last().unwrap_or_default().to_owned();
    let count = |what: &str| -> usize {
        let mut words = last.split(", ").filter_map(|words| words.split_once(' '));
        let found = words.find(|(_, kind)| *kind == what);
        found.unwrap_or_else(|| panic!("{last}")).0.parse().unwrap()
    };
    let (green, different) = (count("as recorded"), count("different"));
    capture.stop();
    assert!(green > 150, "{last}");
    assert_eq!(capture.names().len(), green + different);
    // What the corpus marks `only: whole` is true as it came, and not cut otherwise.
    capture.replays_cut(&["as-recorded", "whole"]);
    let refused = capture
        .names()
        .iter()
        .filter(|name| name.contains("-refused-4"))
        .count();
    assert!(refused > 30, "{refused} refusals");
}

#[test]
fn a_name_tells_time_protocol_peer_and_outcome() {
    let mut capture = Capture::start("names", &[]);
    let (mut client, _) = capture.server.ask(HIXIE_76.replace("Host", "X: y\r\nHost"));
    client.send(HIXIE_76_BODY);
    let (mut refused, _) = capture.server.ask(RFC6455.replace("Key", "Kex"));
    let ports = [client.address().port(), refused.address().port()];
    client.take(16);
    client.finish();
    client.rest();
    refused.rest();
    drop(refused);
    capture.stop();
    let names = capture.names();
    let [first, second] = &names[..] else {
        panic!("{names:?}");
    };
    let ends = [
        format!("Z-hixie-76-127.0.0.1_{}-open.wire", ports[0]),
        format!("Z-none-127.0.0.1_{}-refused-400.wire", ports[1]),
    ];
    assert!(first.ends_with(&ends[0]), "{first}");
    assert!(second.ends_with(&ends[1]), "{second}");
    assert_eq!(first.find('T'), Some("2026-01-02".len()), "{first}");
    capture.replays();
}

#[test]
fn the_newest_refusal_is_explained() {
    let mut capture = Capture::start("explained", &[]);
    let (mut client, head) = capture.server.ask(RFC6455.replace("GET", "POST"));
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    client.rest();
    drop(client);
    capture.stop();
    let directory = capture.directory.to_str().unwrap();
    let run = POLYSOCK.run(&["explain", "--last-refused", directory], Input::Open);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.text().contains("refused"), "{}", run.text());
    capture.replays();
}

#[test]
fn a_head_that_does_not_end_is_recorded_with_its_refusal() {
    let mut capture = Capture::start("slow", &["--handshake-timeout", "300ms"]);
    let (mut client, head) = capture.server.ask(RFC6455.trim_end());
    assert!(head.starts_with("HTTP/1.1 408"), "{head}");
    client.rest();
    drop(client);
    capture.stop();
    let refused = |step: &Step| matches!(step, Step::Refused(one) if one.status == Some(408));
    assert!(capture.only().steps.iter().any(refused));
    capture.replays();
}

#[test]
fn what_is_no_websocket_is_recorded_too() {
    let mut capture = Capture::start("others", &[]);
    for bytes in [
        &b"<policy-file-request/>\0"[..],
        b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HT",
    ] {
        let mut client = capture.server.connect();
        client.send(bytes);
        client.finish();
        client.gone();
    }
    // Secrets in HTTP/2 could not be masked.
    let mut opaque = capture.server.connect();
    opaque.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    opaque.finish();
    opaque.gone();
    // Who says nothing is not worth a file.
    let mut silent = capture.server.connect();
    silent.finish();
    silent.gone();
    let log = capture.stop();
    assert!(log.contains("HTTP/2 is not written"), "{log}");
    assert_eq!(capture.names().len(), 5, "{:?}", capture.names());
    capture.replays();
}

#[test]
fn segments_and_pauses_are_in_the_file() {
    let mut capture = Capture::start("segments", &[]);
    let (mut client, _) = capture.server.ask(RFC6455);
    let frame = frame(0x81, "Hello");
    client.send(&frame[..4]);
    thread::sleep(Duration::from_millis(60));
    client.send(&frame[4..]);
    client.expect(b"\x81\x05Hello");
    client.send(close(1000));
    client.rest();
    drop(client);
    capture.stop();
    let transcript = capture.only();
    let text = transcript.to_string();
    assert!(text.contains("hex 81850000\n> @"), "{text}");
    let hello = Step::Sees(Sight::Text(vec![polysock_instrument::Part::Bytes(
        "Hello".into(),
    )]));
    assert!(
        transcript
            .steps
            .iter()
            .any(|step| step.says_the_same(&hello)),
        "{text}"
    );
    capture.replays();
}

#[test]
fn secrets_are_masked_unless_they_are_to_be_kept() {
    let request = with(
        &RFC6455.replace("/chat", "/chat?token=s3cr3t-s3cr3t&room=7"),
        "Cookie: id=c00kie-c00kie\r\nAuthorization: Bearer b3arer-b3arer\r\n",
    );
    for (name, flags, are_kept) in [
        ("masked", &[][..], false),
        ("kept", &["--keep-secrets"], true),
    ] {
        let mut capture = Capture::start(name, flags);
        let (mut client, _) = capture.server.ask(&request);
        client.send(close(1000));
        client.rest();
        drop(client);
        capture.stop();
        let text = capture.only().to_string();
        for secret in ["s3cr3t-s3cr3t", "c00kie-c00kie", "b3arer-b3arer"] {
            assert_eq!(text.contains(secret), are_kept, "{text}");
        }
        assert!(text.contains("room=7"), "{text}");
        assert_eq!(note(&capture.only()).contains("stand-ins"), !are_kept);
        capture.replays();
    }
}

#[test]
fn secrets_of_refused_and_other_requests_are_masked_too() {
    let request = with(
        &RFC6455.replace("/chat", "/chat?token=s3cr3t-s3cr3t"),
        "Cookie: id=c00kie-c00kie\r\n",
    );
    let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut capture = Capture::start("masked-refusals", &["--handshake-timeout", "300ms"]);
    for bytes in [
        request.replace("Host:", "Host :"),
        request.replace("GET ", "POST "),
        request.replace("Upgrade: websocket", "Upgrade: x"),
        request.replace("HTTP/1.1", "HTTP/9"),
        request.trim_end().to_owned(),
        request.replace("\r\n", "\n"),
        format!(
            "{plain}{}",
            request.replace("ebsocket", "x").replace("WebSocket", "x")
        ),
    ] {
        let mut client = capture.server.connect();
        client.send(bytes);
        client.read_once();
        client.finish();
        client.gone();
    }
    capture.stop();
    assert_eq!(capture.names().len(), 7);
    for fixture in capture.fixtures() {
        let text = fixture.transcript.to_string();
        assert!(text.contains("token=xxxxxxxxxxxxx"), "{text}");
        assert!(text.contains("id=xxxxxxxxxxxxx"), "{text}");
    }
    capture.replays();
}

#[test]
fn what_is_longer_than_the_bound_is_cut_and_says_so() {
    let mut capture = Capture::start("cut", &["--max-size", "64KiB"]);
    let (mut client, _) = capture.server.ask(RFC6455);
    let message = "x".repeat(20_000);
    for _ in 0..5 {
        client.send(frame(0x81, &message));
        client.take(20_004);
    }
    client.send(close(1000));
    client.rest();
    drop(client);
    capture.stop();
    let transcript = capture.only();
    assert!(
        note(&transcript).contains("what follows the first"),
        "{}",
        note(&transcript)
    );
    let len = said(&transcript, true).len() + said(&transcript, false).len();
    assert!((40_000..=64 << 10).contains(&len), "{len} bytes");
    let text = fs::metadata(capture.directory.join(&capture.names()[0])).unwrap();
    assert!(text.len() < 200_000, "{} bytes", text.len());
    capture.replays();
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    for (flags, words) in [
        (&["--max-size", "1KiB"][..], "64KiB to 2MiB"),
        (&["--max-size", "1GiB"], "64KiB to 2MiB"),
        (&["--pass-through", "nowhere"], "HOST:PORT"),
        (
            &["--pass-through", "a:1", "tcp://b:1"],
            "cannot be used with",
        ),
    ] {
        let arguments = [&["capture", "--out", "nowhere"], flags].concat();
        let run = POLYSOCK.run(&arguments, Input::Open);
        assert_eq!(run.code, Some(2), "{flags:?}");
        assert!(run.stderr.contains(words), "{flags:?}: {}", run.stderr);
    }
}

#[test]
fn a_full_directory_gets_no_more_and_the_port_serves_on() {
    let mut capture = Capture::start("full", &["--max-fixtures", "3"]);
    let session = |capture: &Capture| {
        let (mut client, _) = capture.server.ask(RFC6455);
        client.send(close(1000));
        client.rest();
    };
    (0..2).for_each(|_| session(&capture));
    capture.stop();
    assert_eq!(capture.names().len(), 2);
    // What is there counts, also of those before.
    let directory = capture.directory.clone();
    let mut capture = Capture::start_in(directory, &["--max-fixtures", "3"]);
    (0..4).for_each(|_| session(&capture));
    let log = capture.stop();
    assert_eq!(capture.names().len(), 3);
    assert_eq!(log.matches("served and not captured").count(), 1, "{log}");
    capture.replays();
}

#[test]
fn a_killed_capture_has_lost_no_session_that_had_ended() {
    const ENDED: usize = 20;
    let mut capture = Capture::start("killed", &[]);
    let mut open = Vec::new();
    for _ in 0..ENDED {
        let (client, _) = capture.server.ask(RFC6455);
        open.push(client);
        let (mut client, _) = capture.server.ask(RFC6455);
        client.send(frame(0x81, "x".repeat(10_000)));
        client.take(10_004);
        client.send(close(1000));
        client.rest();
    }
    for _ in 0..ENDED {
        capture.server.log_line("INFO captured");
    }
    capture.server.signal("KILL");
    assert_eq!(capture.server.ends_within(PATIENCE).0, None);
    assert_eq!(capture.fixtures().len(), ENDED);
    capture.replays();
}

#[test]
fn a_capture_that_is_killed_while_it_writes_leaves_only_whole_files() {
    for round in 0..5 {
        let mut capture = Capture::start(&format!("killed-{round}"), &[]);
        let address = capture.server.address;
        let clients: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || -> std::io::Result<()> {
                    loop {
                        let mut client = std::net::TcpStream::connect(address)?;
                        client.write_all(RFC6455.as_bytes())?;
                        client.write_all(&frame(0x81, "x".repeat(5_000)))?;
                        client.write_all(&close(1000))?;
                        client.read_to_end(&mut Vec::new())?;
                    }
                })
            })
            .collect();
        for _ in 0..(3 + round * 7) {
            capture.server.log_line("INFO captured");
        }
        capture.server.signal("KILL");
        let (_, log) = capture.server.ends_within(PATIENCE);
        for client in clients {
            assert!(client.join().unwrap().is_err(), "the server is gone");
        }
        let (whole, parts): (Vec<_>, Vec<_>) = capture
            .names()
            .into_iter()
            .partition(|name| name.ends_with(".wire"));
        assert!(parts.len() <= 1, "{parts:?}");
        assert!(whole.len() >= log.matches("INFO captured").count(), "{log}");
        for name in whole {
            let fixture = Fixture::read(&capture.directory.join(&name)).unwrap();
            let last = Step::Sees(Sight::Close(Some(CloseCode::new(1000).unwrap().into())));
            assert!(fixture.transcript.steps.contains(&last), "{name}");
        }
    }
}

#[test]
fn sigterm_finishes_what_is_open() {
    let mut capture = Capture::start("finished", &[]);
    let mut half = capture.server.connect();
    half.send("GET / HTTP/1.1\r\nHost:");
    let silent = capture.server.connect();
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    capture.server.signal("TERM");
    // 1001, and its answer.
    client.expect(b"\x88\x02\x03\xe9");
    client.send(close(1001));
    client.gone();
    half.gone();
    drop((client, silent));
    let (code, log) = capture.server.ends_within(PATIENCE);
    assert_eq!(code, Some(0), "{log}");
    let fixtures = capture.fixtures();
    assert_eq!(fixtures.len(), 2, "{:?}", capture.names());
    let closes = |fixture: &Fixture| {
        let steps = &fixture.transcript.steps;
        steps.contains(&Step::Does(Deed::Close(Some(CloseCode::GOING_AWAY.into()))))
    };
    assert_eq!(fixtures.iter().filter(|fixture| closes(fixture)).count(), 1);
    capture.replays();
}

#[test]
fn half_closed_and_reset_connections_are_recorded() {
    let mut capture = Capture::start("half-closed", &[]);
    // A client that ends its direction with its last message, and reads the answer.
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send([frame(0x81, "Hello"), close(1000)].concat());
    client.finish();
    client.expect(b"\x81\x05Hello\x88\x02\x03\xe8");
    client.rest();
    // One that ends without a closing handshake.
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    client.finish();
    client.gone();
    // One that is reset, as what it was sent is not read.
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    for _ in 0..2 {
        capture.server.log_line("INFO captured");
    }
    drop(client);
    capture.server.log_line("INFO captured");
    capture.stop();
    assert_eq!(capture.names().len(), 3);
    capture.replays();
}

#[test]
fn two_hundred_connections_at_once_are_two_hundred_files() {
    const COUNT: usize = 200;
    let mut capture = Capture::start("many", &[]);
    let mut clients: Vec<_> = (0..COUNT)
        .map(|number| {
            let mut client = capture.server.connect();
            client.send(RFC6455.replace("/chat", &format!("/{number}")));
            client
        })
        .collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.head();
        client.send(frame(0x82, number.to_string().repeat(50)));
    }
    for client in &mut clients {
        client.send(close(1000));
    }
    for client in &mut clients {
        client.rest();
    }
    drop(clients);
    capture.stop();
    let fixtures = capture.fixtures();
    assert_eq!(fixtures.len(), COUNT);
    for number in 0..COUNT {
        let opens = format!("= open rfc6455 \"/{number}\"\n");
        let payload = number.to_string().repeat(50);
        let found = fixtures.iter().filter(|fixture| {
            let text = fixture.transcript.to_string();
            text.contains(&opens) && text.contains(&payload)
        });
        assert_eq!(found.count(), 1, "{number}");
    }
    capture.replays();
}

#[test]
fn a_session_with_an_upstream_is_recorded() {
    let upstream = format!("tcp://{}", raw_echo_server());
    let mut capture = Capture::start("upstream", &[&upstream]);
    let (mut client, _) = capture.server.ask(RFC6455);
    for text in ["Hello", "again"] {
        client.send(frame(0x82, text));
        client.expect([&b"\x82\x05"[..], text.as_bytes()].concat());
    }
    client.send(close(1000));
    client.rest();
    drop(client);
    capture.stop();
    capture.replays();
}

/// A server that answers each connection with the next of these, once it has read a head, and
/// then sends back what comes until its end.
fn foreign(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            stream.write_all(&rest).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        }
    });
    address
}

#[test]
fn the_answers_of_any_server_are_recorded_and_handed_on_unchanged() {
    const ODD: &str = "HTTP/1.1 101 Whatever\r\nupgrade:WebSocket\r\nConnection: keep-alive, \
         Upgrade\r\nX-Odd:  spaces  \r\nSec-WebSocket-Accept: wrong\r\n\r\n";
    const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n";
    let server = foreign(&[ODD, NOT_FOUND]).to_string();
    let mut capture = Capture::start("foreign", &["--pass-through", &server]);
    for (answer, rest) in [(ODD, &b"\x81\x05Hello\xff\x00"[..]), (NOT_FOUND, b"")] {
        let mut client = capture.server.connect();
        client.send(RFC6455);
        client.send(rest);
        // The server sees the end of this direction, and may still answer.
        client.finish();
        assert_eq!(client.rest(), [answer.as_bytes(), rest].concat());
    }
    capture.stop();
    let names = capture.names();
    assert!(
        names[0].contains("-rfc6455-") && names[0].ends_with("-open.wire"),
        "{names:?}"
    );
    assert!(names[1].ends_with("-refused-404.wire"), "{names:?}");
    let fixtures = capture.fixtures();
    for (fixture, (answer, rest)) in fixtures
        .iter()
        .zip([(ODD, &b"\x81\x05Hello\xff\x00"[..]), (NOT_FOUND, b"")])
    {
        let transcript = &fixture.transcript;
        assert_eq!(said(transcript, false), [answer.as_bytes(), rest].concat());
        assert_eq!(said(transcript, true), [RFC6455.as_bytes(), rest].concat());
        assert!(
            note(transcript).contains("another server"),
            "{}",
            note(transcript)
        );
        assert!(transcript.header("source").unwrap().contains(&server));
    }
    // They say where Polysock differs.
    let directory = capture.directory.to_str().unwrap();
    let run = POLYSOCK.run(&["replay", directory], Input::Open);
    assert_eq!(run.code, Some(1));
    assert!(run.text().contains("101 Whatever"), "{}", run.text());
}

#[test]
fn what_passes_through_to_nobody_is_closed_and_what_is_open_at_the_end_is_cut() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut capture = Capture::start("nobody", &["--pass-through", &gone.to_string()]);
    let mut client = capture.server.connect();
    client.gone();
    let log = capture.stop();
    assert!(log.contains("cannot be reached"), "{log}");
    assert!(capture.names().is_empty());

    let server = POLYSOCK.echo(&[]);
    let address = server.address.to_string();
    let mut capture = Capture::start("open", &["--pass-through", &address]);
    let (mut client, _) = capture.server.ask(RFC6455);
    client.send(frame(0x81, "Hello"));
    client.expect(b"\x81\x05Hello");
    let before = Instant::now();
    capture.stop();
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "it waits for nobody"
    );
    assert!(note(&capture.only()).contains("ends before the connection"));
    capture.replays();
}
