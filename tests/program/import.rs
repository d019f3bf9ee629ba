//! `polysock import`: what real clients said, captured by tcpdump, replays as it was; so does what
//! is left of it when packets are lost, repeated, out of order or cut.

use std::fs;
use std::path::PathBuf;

use polysock::Settings;
use polysock::protocols::PROTOCOLS;
use polysock_instrument::{Deed, Explanation, Fixture, Sight, Step, expand};
use polysock_test_support::packets::{ACK, Connection, FIN, From, Link, pcap, pcapng};
use polysock_test_support::program::Input;

use crate::POLYSOCK;

/// Two browsers in the chat of `polysock serve`, Chromium over RFC 6455 and PhantomJS 1.9.8 over
/// Hixie-76, and the page of the first: `tcpdump -i any` on one machine.
const CHAT: &[u8] = include_bytes!("../../compat-fixtures/captures/chat.pcap");

/// What an import came to.
struct Imported {
    directory: PathBuf,
    files: Vec<PathBuf>,
    stderr: String,
    code: Option<i32>,
}

impl Imported {
    /// Imports a file of this name and content.
    fn of(test: &str, name: &str, bytes: &[u8], flags: &[&str]) -> Self {
        let directory = POLYSOCK.directory(&format!("import/{test}"));
        let file = directory.join(name);
        fs::write(&file, bytes).unwrap();
        let out = directory.join("out");
        let arguments = [
            "import",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        let run = POLYSOCK.run(&[&arguments[..], flags].concat(), Input::Open);
        Self {
            files: run.text().lines().map(PathBuf::from).collect(),
            directory: out,
            stderr: run.stderr,
            code: run.code,
        }
    }

    fn names(&self) -> Vec<&str> {
        let names = self.files.iter().map(|path| path.file_name().unwrap());
        names.map(|name| name.to_str().unwrap()).collect()
    }

    fn fixture(&self, index: usize) -> Fixture {
        Fixture::read(&self.files[index]).unwrap()
    }

    /// Replays everything that was written, cut in several ways.
    fn assert_replays(&self) {
        for split in ["as-recorded", "whole", "1", "random:7"] {
            let directory = self.directory.to_str().unwrap();
            let run = POLYSOCK.run(&["replay", "--split", split, directory], Input::Open);
            assert_eq!(run.code, Some(0), "{split}: {}{}", run.text(), run.stderr);
        }
    }
}

/// All that the client says, and all that the application sees.
fn told(fixture: &Fixture) -> (Vec<u8>, Vec<String>) {
    let (mut said, mut seen) = (Vec::new(), Vec::new());
    for step in &fixture.transcript.steps {
        match step {
            Step::Client(line) => said.extend(expand(line.parts())),
            Step::Sees(_) | Step::Does(_) => seen.push(step.to_string()),
            _ => {}
        }
    }
    (said, seen)
}

/// The packets of a little-endian pcap file, with their headers; the file's own comes first.
fn packets(file: &[u8]) -> Vec<&[u8]> {
    let (header, mut rest) = file.split_at(24);
    let mut packets = vec![header];
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap());
        let (packet, behind) = rest.split_at(16 + len as usize);
        packets.push(packet);
        rest = behind;
    }
    packets
}

const HEAD: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// What Polysock answers to an opening handshake.
fn answer(head: &str) -> Vec<u8> {
    let settings = Settings {
        protocols: PROTOCOLS.to_vec(),
        ..Settings::default()
    };
    Explanation::of(head.as_bytes(), &settings).answer.to_vec()
}

fn connection(port: u16) -> Connection {
    Connection::open(
        &format!("127.0.0.1:{port}"),
        "127.0.0.1:80",
        [u32::MAX - 50, 9],
    )
}

/// A session with an echo: two messages and the close.
fn echo(head: &str) -> Connection {
    let mut connection = connection(50000);
    connection.say_in(From::Client, head.as_bytes(), 60);
    connection.say(From::Server, &answer(head));
    for (frame, echo) in [
        (&b"\x81\x82\0\0\0\0hi"[..], &b"\x81\x02hi"[..]),
        (b"\x82\x83\0\0\0\0\x01\x02\x03", b"\x82\x03\x01\x02\x03"),
        (b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"),
    ] {
        connection.say_in(From::Client, frame, 5);
        connection.say(From::Server, echo);
    }
    connection.segment(From::Server, FIN | ACK, b"");
    connection.segment(From::Client, FIN | ACK, b"");
    connection
}

#[test]
fn sessions_of_real_browsers_replay_as_they_were() {
    let imported = Imported::of("real", "chat.pcap", CHAT, &[]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert_eq!(
        imported.names(),
        ["chat-001-rfc6455.wire", "chat-002-hixie-76.wire"]
    );
    assert!(
        imported
            .stderr
            .contains("chat.pcap: skipped 1 connections: no opening handshake")
    );
    imported.assert_replays();
    let (said, seen) = told(&imported.fixture(1));
    assert!(said.starts_with(b"GET /?name=old HTTP/1.1\r\nUpgrade: WebSocket\r\n"));
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen[0], "= open hixie-76 \"/?name=old\"");
    assert_eq!(seen[3], "= text \"hello from 2014\"");
    assert_eq!(seen.last(), Some(&"= end"));
    let headers = imported.fixture(0).transcript;
    assert!(headers.header("client").unwrap().contains("HeadlessChrome"));
    assert_eq!(headers.header("source"), Some("packet capture chat.pcap"));
    assert_eq!(headers.header("app"), Some("script"));
}

#[test]
fn captures_with_packets_repeated_or_out_of_order_say_the_same() {
    let whole = Imported::of("whole", "chat.pcap", CHAT, &[]);
    let all = packets(CHAT);
    let (header, records) = all.split_first().unwrap();
    let doubled: Vec<&[u8]> = records
        .iter()
        .flat_map(|record| [*record, *record])
        .collect();
    let swapped: Vec<&[u8]> = records
        .chunks(2)
        .flat_map(|two| two.iter().rev().copied())
        .collect();
    let turned: Vec<&[u8]> = records
        .chunks(7)
        .flat_map(|some| some.iter().rev().copied())
        .collect();
    for (what, records) in [
        ("doubled", doubled),
        ("swapped", swapped),
        ("turned", turned),
    ] {
        let file = [&[*header][..], &records].concat().concat();
        let imported = Imported::of(what, "chat.pcap", &file, &[]);
        imported.assert_replays();
        assert_eq!(imported.files.len(), whole.files.len(), "{what}");
        let mut found: Vec<_> = (0..2).map(|index| told(&imported.fixture(index))).collect();
        let mut wanted: Vec<_> = (0..2).map(|index| told(&whole.fixture(index))).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{what}");
    }
}

#[test]
fn what_is_left_of_a_capture_replays() {
    let whole = Imported::of("left", "chat.pcap", CHAT, &[]);
    let said: Vec<Vec<u8>> = (0..2).map(|index| told(&whole.fixture(index)).0).collect();
    for tenth in 3..10 {
        let half = &CHAT[..CHAT.len() * tenth / 10];
        let imported = Imported::of("half", "chat.pcap", half, &[]);
        if imported.files.is_empty() {
            assert_eq!(imported.code, Some(1), "{}", imported.stderr);
            continue;
        }
        imported.assert_replays();
        for index in 0..imported.files.len() {
            let found = told(&imported.fixture(index)).0;
            let is_part = said.iter().any(|said| said.starts_with(&found));
            assert!(is_part && !found.is_empty(), "{tenth}");
        }
    }
    assert!(
        Imported::of("half", "chat.pcap", &CHAT[..CHAT.len() / 2], &[])
            .stderr
            .contains("read as far as it goes")
    );
}

#[test]
fn a_lost_packet_ends_what_is_kept_and_is_named() {
    let echo = echo(HEAD);
    // The client's second message, of which the second segment is missing.
    let frame = echo
        .packets
        .iter()
        .position(|packet| packet.ends_with(b"\x82\x83\0\0\0"))
        .unwrap();
    let mut packets = echo.packets.clone();
    packets.remove(frame + 1);
    let imported = Imported::of(
        "lost",
        "lost.pcap",
        &pcap(Link::Vlan, usize::MAX, &packets),
        &[],
    );
    assert_eq!(imported.names(), ["lost-001-rfc6455.wire"]);
    imported.assert_replays();
    let fixture = imported.fixture(0);
    let note = fixture.transcript.header("note").unwrap();
    assert!(
        note.contains("bytes of the client are missing after its first"),
        "{note}"
    );
    assert_eq!(
        told(&fixture).1,
        ["= open rfc6455 \"/chat\"", "= text \"hi\""]
    );
}

#[test]
fn an_echo_is_an_echo_and_keeps_segments_and_pauses() {
    for (name, file) in [
        (
            "echo.pcap",
            pcap(Link::Null, usize::MAX, &echo(HEAD).packets),
        ),
        ("echo.pcapng", pcapng(Link::Cooked, &echo(HEAD).packets)),
    ] {
        let imported = Imported::of("echo", name, &file, &[]);
        imported.assert_replays();
        let fixture = imported.fixture(0);
        assert_eq!(fixture.transcript.header("app"), None);
        assert_eq!(fixture.transcript.header("note"), None);
        assert_eq!(fixture.transcript.header("date"), Some("2020-09-13"));
        let seen = told(&fixture).1;
        assert_eq!(
            seen,
            [
                "= open rfc6455 \"/chat\"",
                "= text \"hi\"",
                "= binary hex 010203",
                "= close 1000"
            ]
        );
        let text = fs::read_to_string(&imported.files[0]).unwrap();
        assert!(
            text.contains(
                "\n> @1ms hex 8182000000\n> @1ms \\0hi\n= text \"hi\"\n< @1ms \\x81\\x02hi\n~\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("< @1ms end\n~\n> @1ms end\n"), "{text}");
    }
}

#[test]
fn what_was_not_answered_in_the_capture_is_left_out() {
    let echo = echo(HEAD);
    let answered = echo
        .packets
        .iter()
        .position(|packet| packet.ends_with(b"\x81\x02hi"))
        .unwrap();
    let file = pcap(Link::Ethernet, usize::MAX, &echo.packets[..answered + 3]);
    let imported = Imported::of("unanswered", "cut.pcap", &file, &[]);
    imported.assert_replays();
    let fixture = imported.fixture(0);
    let note = fixture.transcript.header("note").unwrap();
    assert!(note.contains("the last 4 bytes are left out"), "{note}");
    assert_eq!(told(&fixture).1.last().unwrap(), "= text \"hi\"");
}

#[test]
fn half_an_answer_is_no_answer() {
    let mut connection = connection(50000);
    connection.say(From::Client, HEAD.as_bytes());
    connection.say_in(From::Server, &answer(HEAD), 100);
    for (left, said) in [(5, "no answer was captured"), (6, "")] {
        let file = pcap(Link::Raw, usize::MAX, &connection.packets[..left]);
        let imported = Imported::of("half-answer", "half.pcap", &file, &[]);
        assert_eq!(imported.files.is_empty(), !said.is_empty());
        assert!(imported.stderr.contains(said), "{}", imported.stderr);
    }
    let hixie = "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: a\r\n\
         Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U";
    let answer = answer(hixie);
    let mut connection = self::connection(50000);
    connection.say(From::Client, hixie.as_bytes());
    connection.say(From::Server, &answer[..answer.len() - 1]);
    let file = pcap(Link::Raw, usize::MAX, &connection.packets);
    let imported = Imported::of("half-digest", "half.pcap", &file, &[]);
    assert!(
        imported
            .stderr
            .contains("the answer was captured in part only"),
        "{}",
        imported.stderr
    );
}

#[test]
fn a_refusal_says_by_which_rule() {
    let head = HEAD.replace("GET", "POST");
    let mut connection = connection(50000);
    connection.say(From::Client, head.as_bytes());
    connection.say(From::Server, &answer(&head));
    connection.segment(From::Server, FIN | ACK, b"");
    let imported = Imported::of(
        "refusal",
        "post.pcap",
        &pcap(Link::Raw, usize::MAX, &connection.packets),
        &[],
    );
    assert_eq!(imported.names(), ["post-001-refused.wire"]);
    imported.assert_replays();
    let text = fs::read_to_string(&imported.files[0]).unwrap();
    assert!(
        text.ends_with("end\n! 405 \"the method of an opening handshake is GET\"\n"),
        "{text}"
    );
}

#[test]
fn another_server_is_recorded_as_it_is() {
    let mut connection = connection(50000);
    connection.say(From::Client, HEAD.as_bytes());
    connection.say(
        From::Server,
        b"HTTP/1.1 101 Switching Protocols\r\nServer: other\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    connection.say(From::Server, b"\x81\x05hello");
    connection.say(From::Client, b"\x81\x82\0\0\0\0hi");
    let imported = Imported::of(
        "other",
        "other.pcap",
        &pcap(Link::Raw, usize::MAX, &connection.packets),
        &[],
    );
    let fixture = imported.fixture(0);
    assert!(
        fixture
            .transcript
            .header("note")
            .unwrap()
            .contains("recorded of another server")
    );
    assert_eq!(
        told(&fixture).1,
        [
            "= open rfc6455 \"/chat\"",
            "+ text \"hello\"",
            "= text \"hi\""
        ]
    );
    assert!(
        fs::read_to_string(&imported.files[0])
            .unwrap()
            .contains("\n< Server: other\\r\\n\n")
    );
}

#[test]
fn secrets_are_masked_unless_they_are_to_be_kept() {
    let head = HEAD.replace("/chat", "/chat?token=s3cr3t-token").replace(
        "Host:",
        "Cookie: id=s3cr3t-cookie\r\nAuthorization: Basic czNjcjN0\r\nHost:",
    );
    let file = pcap(Link::Loop, usize::MAX, &echo(&head).packets);
    let masked = Imported::of("masked", "secret.pcap", &file, &[]);
    masked.assert_replays();
    let text = fs::read_to_string(&masked.files[0]).unwrap();
    assert!(
        !text.contains("s3cr3t") && !text.contains("czNjcjN0"),
        "{text}"
    );
    assert!(
        text.contains("= open rfc6455 \"/chat?token=xxxxxxxxxxxx\""),
        "{text}"
    );
    assert!(text.contains("are replaced by stand-ins"), "{text}");
    let kept = Imported::of("kept", "secret.pcap", &file, &["--keep-secrets"]);
    kept.assert_replays();
    let (masked, kept) = (told(&masked.fixture(0)).0, told(&kept.fixture(0)).0);
    assert_eq!(kept[..head.len()], *head.as_bytes());
    assert_eq!(masked.len(), kept.len());
    let differ = masked.iter().zip(&kept).filter(|(one, other)| one != other);
    assert!(differ.clone().all(|(stand_in, _)| *stand_in == b'x'));
    assert_eq!(
        differ.count(),
        "s3cr3t-token".len() + "s3cr3t-cookie".len() + "czNjcjN0".len()
    );
}

#[test]
fn what_is_left_out_is_counted_by_reason() {
    let mut packets = Vec::new();
    for (port, said) in [
        (50001, &b"\x16\x03\x01\x00\x00"[..]),
        (50002, b"<policy-file-request/>\0"),
        (50003, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (50004, b"SSH-2.0-x\r\n"),
        (50005, b""),
        (50006, HEAD.as_bytes()),
    ] {
        let mut connection = connection(port);
        connection.say(From::Client, said);
        packets.extend(connection.packets);
    }
    let imported = Imported::of(
        "skipped",
        "many.pcap",
        &pcap(Link::Raw, usize::MAX, &packets),
        &[],
    );
    assert_eq!(imported.code, Some(1));
    for reason in [
        "many.pcap: no session to write",
        "1 connections: TLS",
        "1 connections: a Flash policy request",
        "2 connections: no opening handshake",
        "1 connections: no bytes of the client",
        "1 connections: no answer was captured",
    ] {
        assert!(
            imported.stderr.contains(reason),
            "{reason}: {}",
            imported.stderr
        );
    }
}

#[test]
fn a_handshake_behind_an_ordinary_request_is_found() {
    let mut connection = connection(50000);
    connection.say(
        From::Client,
        b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b",
    );
    connection.say(
        From::Server,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    connection.say(From::Client, HEAD.as_bytes());
    connection.say(From::Server, &answer(HEAD));
    let imported = Imported::of(
        "behind",
        "behind.pcap",
        &pcap(Link::QinQ, usize::MAX, &connection.packets),
        &[],
    );
    imported.assert_replays();
    assert_eq!(told(&imported.fixture(0)).0, HEAD.as_bytes());
}

#[test]
fn recordings_of_websockify_become_sessions() {
    let long = "x".repeat(200);
    let text = format!(
        "var VNC_frame_data = [\n'{{3{{RFB 003.008\\n',\n'}}12}}RFB 003.008\\n',\n\
         '{{20{{\\x01\\x02\\'\\\\{long}',\n'}}21}}\\x02',\n'EOF'];\n"
    );
    let imported = Imported::of("websockify", "vnc.1", text.as_bytes(), &[]);
    assert_eq!(imported.names(), ["vnc-001-rfc6455.wire"]);
    assert!(
        imported
            .stderr
            .contains("opening handshake, frames and segments are not in it")
    );
    imported.assert_replays();
    let fixture = imported.fixture(0);
    let payloads: Vec<Vec<u8>> = fixture
        .transcript
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Sees(Sight::Binary(parts)) => Some(expand(parts).to_vec()),
            Step::Does(Deed::Binary(parts)) => Some(expand(parts).to_vec()),
            _ => None,
        })
        .collect();
    assert_eq!(
        payloads,
        [
            b"RFB 003.008\n".to_vec(),
            b"RFB 003.008\n".to_vec(),
            format!("\u{1}\u{2}'\\{long}").into_bytes(),
            b"\x02".to_vec()
        ]
    );
    let old = "var VNC_frame_encoding = 'base64';\nvar VNC_frame_data = [\n\"{1{UkZC\",\n";
    let imported = Imported::of("websockify-old", "vnc.2", old.as_bytes(), &[]);
    imported.assert_replays();
    assert!(
        imported
            .stderr
            .contains("it ends before the connection did"),
        "{}",
        imported.stderr
    );
    assert_eq!(told(&imported.fixture(0)).1[1], "+ binary \"RFB\"");
}

#[test]
fn what_cannot_be_imported_is_named() {
    for (bytes, said) in [
        (&b"hello\n"[..], "no `var VNC_frame_data = [`"),
        (
            b"\xff\xfe",
            "neither a packet capture (pcap, pcapng) nor text",
        ),
        (
            b"var VNC_frame_data = [\n'{x{y',\n",
            "line 2: the time is a number of milliseconds",
        ),
        (
            b"var VNC_frame_data = [\n'{1{y\n",
            "line 2: the string does not end",
        ),
        (
            b"var VNC_frame_data = [\n{1{y\n",
            "line 2: a string in quotes is expected",
        ),
        (
            b"var VNC_frame_data = [\n'1',\n",
            "line 2: an element begins with { or }",
        ),
        (b"\xd4\xc3\xb2\xa1", "the capture is empty"),
    ] {
        let imported = Imported::of("bad", "bad.pcap", bytes, &[]);
        assert_eq!(imported.code, Some(1));
        assert!(
            imported.stderr.contains(said),
            "{said}: {}",
            imported.stderr
        );
    }
    let file = pcap(Link::Raw, usize::MAX, &echo(HEAD).packets);
    let imported = Imported::of("again", "echo.pcap", &file, &[]);
    let out = imported.directory.to_str().unwrap();
    let source = imported.directory.parent().unwrap().join("echo.pcap");
    let again = POLYSOCK.run(
        &["import", source.to_str().unwrap(), "--out", out],
        Input::Open,
    );
    assert_eq!(again.code, Some(1), "a transcript is never overwritten");
    assert!(again.stderr.contains("File exists"), "{}", again.stderr);
}
