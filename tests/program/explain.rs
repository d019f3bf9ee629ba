//! `polysock explain`: every refusal of the corpus names its rule, where the rule is from, and
//! what mends it.

use std::fs;
use std::path::PathBuf;

use polysock::Settings;
use polysock::protocols::PROTOCOLS;
use polysock_instrument::{Evidence, Explanation, Look, Says};
use polysock_test_support::corpus;
use polysock_test_support::packets::{Connection, From, Link, pcap};
use polysock_test_support::program::Input;

use crate::POLYSOCK;

const HIXIE_76: &str =
    "(draft-hixie-thewebsocketprotocol-76, \"Reading the client's opening handshake\")";
const BODY: (&str, &str) = (
    "400: an opening handshake has no body (RFC 9112 §11.2)",
    "send neither Transfer-Encoding nor a Content-Length",
);
const HOST: (&str, &str) = (
    "400: exactly one valid Host field is needed (RFC 6455 §4.2.1, item 2)",
    "send one Host field",
);
const HTTP: (&str, &str) = (
    "400: an opening handshake needs HTTP/1.1 (RFC 6455 §4.2.1, item 1)",
    "must speak HTTP/1.1",
);
const CONNECTION: (&str, &str) = (
    "400: the Connection field does not list `upgrade` (RFC 6455 §4.2.1, item 4)",
    "a proxy in between may have taken them",
);
const UPGRADE: (&str, &str) = (
    "400: the Upgrade field does not list `websocket` (RFC 6455 §4.2.1, item 3)",
    "send Upgrade: websocket",
);
const KEY: (&str, &str) = (
    "400: missing or malformed Sec-WebSocket-Key (RFC 6455 §4.2.1, item 5)",
    "the base64 of 16 random bytes",
);
const SUBPROTOCOL: (&str, &str) = (
    "400: malformed Sec-WebSocket-Protocol (RFC 6455 §11.3.4, in the drafts \"Sec-WebSocket-Protocol\")",
    "name subprotocols by tokens",
);
const UNEVEN: (&str, &str) = (
    "400: invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2: a key number that its spaces do not divide",
    "no proxy may touch their spaces",
);
const HEAD: &str = "must write the head as HTTP/1.1 has it";

/// Each refusal of the corpus: how it is explained, and how it is mended.
const REFUSALS: &[(&str, (&str, &str))] = &[
    ("hixie-75/bad-content-length", BODY),
    ("hixie-75/bad-empty-protocol", SUBPROTOCOL),
    (
        "hixie-75/bad-folded-host",
        (
            "400: malformed head: a folded field line (RFC 9112 §5.2)",
            HEAD,
        ),
    ),
    ("hixie-75/bad-host-port-hex", HOST),
    ("hixie-75/bad-illegal-protocol", SUBPROTOCOL),
    (
        "hixie-75/bad-leftover-bytes",
        (
            "400: bytes after the head before it was answered (draft-hixie-thewebsocketprotocol-75, \
             \"Reading the client's opening handshake\")",
            "whose keys a proxy took",
        ),
    ),
    ("hixie-75/bad-missing-upgrade", UPGRADE),
    (
        "hixie-75/bad-requestline-two-spaces",
        (
            "400: malformed head: the first line is not HTTP/1.x (RFC 9112 §3)",
            HEAD,
        ),
    ),
    ("hixie-75/bad-wrong-upgrade", UPGRADE),
    ("hixie-76/bad-cross-protocol-86-753-09", UNEVEN),
    ("hixie-76/bad-driver-key1", UNEVEN),
    (
        "hixie-76/bad-empty-key",
        (
            "400: invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2: a key without digits",
            "send both keys as draft 76 makes them",
        ),
    ),
    (
        "hixie-76/bad-glued-request-line",
        (
            "400: malformed head: the first line is not HTTP/1.x (RFC 9112 §3)",
            HEAD,
        ),
    ),
    ("hixie-76/bad-http10", HTTP),
    ("hixie-76/bad-key1-lost-space", UNEVEN),
    ("hixie-76/bad-key2-plus-one", UNEVEN),
    (
        "hixie-76/bad-missing-key1",
        (
            "400: invalid Sec-WebSocket-Key1 or Sec-WebSocket-Key2: one key is missing",
            "send both keys as draft 76 makes them",
        ),
    ),
    ("hixie-76/bad-misultin-tabs", UNEVEN),
    ("hixie-76/bad-transfer-encoding", BODY),
    ("hybi-04/bad-short-key", KEY),
    ("hybi-07/bad-http10", HTTP),
    ("hybi-10/bad-hixie-keys", KEY),
    ("hybi-10/bad-http10", HTTP),
    ("hybi-10/bad-key-not-base64", HOST),
    ("rfc6455/bad-body-content-length", BODY),
    ("rfc6455/bad-cl-and-te", BODY),
    (
        "rfc6455/bad-ext-syntax",
        (
            "400: malformed Sec-WebSocket-Extensions (RFC 6455 §9.1)",
            "offer extensions as `name; parameter=value, name`",
        ),
    ),
    ("rfc6455/bad-http10", HTTP),
    ("rfc6455/bad-http10-and-key", HTTP),
    ("rfc6455/bad-key-empty", KEY),
    ("rfc6455/bad-key-garbage", KEY),
    ("rfc6455/bad-no-connection", CONNECTION),
    ("rfc6455/bad-no-host", HOST),
    ("rfc6455/bad-no-upgrade", UPGRADE),
    (
        "rfc6455/bad-post",
        (
            "405: the method of an opening handshake is GET (RFC 6455 §4.2.1, item 1)",
            "send GET",
        ),
    ),
    ("rfc6455/bad-proxy-stripped", CONNECTION),
    (
        "rfc6455/bad-smuggled-header",
        (
            "400: malformed head: a control character in the value of a field (RFC 9110 §5.5)",
            HEAD,
        ),
    ),
    (
        "rfc6455/bad-space-before-colon",
        (
            "400: malformed head: white space before the colon of a field (RFC 9112 §5.1)",
            HEAD,
        ),
    ),
    ("rfc6455/bad-two-hosts", HOST),
    ("none/upgrade-tls", UPGRADE),
    (
        "none/version-12",
        (
            "426: unsupported Sec-WebSocket-Version (RFC 6455 §4.2.2, item 4)",
            "one Sec-WebSocket-Version of those in the answer",
        ),
    ),
];

/// A server that speaks everything.
fn everything() -> Settings {
    Settings {
        protocols: PROTOCOLS.to_vec(),
        flash_policy: true,
        ..Settings::default()
    }
}

/// The transcripts of the corpus, whole: name and text.
fn corpus() -> Vec<(String, String)> {
    let read = |path: PathBuf| {
        let parent = path.parent().unwrap().file_name().unwrap().display();
        let name = format!("{parent}/{}", path.file_stem().unwrap().display());
        (name, fs::read_to_string(path).unwrap())
    };
    let mut found: Vec<_> = corpus::files().into_iter().map(read).collect();
    found.sort();
    found
}

fn explain(text: &str, settings: &Settings) -> Explanation {
    let evidence = Evidence::read("fixture", text.as_bytes()).unwrap();
    Explanation::of(&evidence[0].client, settings)
}

fn is_refusal(text: &str) -> bool {
    text.lines().any(|line| {
        let rest = line.strip_prefix("! ");
        rest.is_some_and(|rest| rest.starts_with(['4', '5']))
    })
}

#[test]
fn every_refusal_of_the_corpus_names_its_rule_and_its_mend() {
    let corpus = corpus();
    let refusals: Vec<_> = corpus.iter().filter(|(_, text)| is_refusal(text)).collect();
    let names: Vec<&str> = refusals.iter().map(|(name, _)| name.as_str()).collect();
    let mut rows = REFUSALS.to_vec();
    rows.sort_unstable();
    let listed: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed);
    for ((name, text), (_, (rule, mend))) in refusals.iter().zip(rows) {
        let explained = explain(text, &everything()).to_string();
        let lines: Vec<&str> = explained.lines().collect();
        assert!(
            lines[1].starts_with(&format!("  refused with {rule}")),
            "{name}: {}",
            lines[1]
        );
        assert!(
            lines[1].contains('('),
            "{name} names no section: {}",
            lines[1]
        );
        assert!(
            lines[2].starts_with("  to mend it: ") && lines[2].contains(mend),
            "{name}: {}",
            lines[2]
        );
        if name.starts_with("hixie-76/") && lines[1].contains("Key1") {
            assert!(lines[1].ends_with(HIXIE_76), "{name}: {}", lines[1]);
        }
    }
}

#[test]
fn what_the_corpus_accepts_is_explained_as_accepted() {
    let settings = everything();
    let mut count = 0;
    for (name, text) in corpus() {
        let of = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key));
            value.map(str::trim)
        };
        if is_refusal(&text) || of("# needs:") == Some("tls") || of("# role:") == Some("client") {
            continue;
        }
        let explained = explain(&text, &settings);
        if of("# protocol:") == Some("none") {
            assert!(!explained.is_accepted(), "{name}: {explained}");
            continue;
        }
        assert!(explained.is_accepted(), "{name}: {explained}");
        // Draft 2 is also what some clients of hixie-76 say.
        let says = |look: &&Look| Some(look.protocol) == of("# protocol:");
        if let Some(look) = explained.protocols.iter().find(says) {
            let takes = matches!(look.says, Says::Yes | Says::Fallback);
            assert!(takes, "{name}: {explained}");
        }
        assert!(
            !explained.answer.is_empty() && explained.mend.is_none(),
            "{name}"
        );
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn a_flag_that_is_named_accepts() {
    let directory = POLYSOCK.directory("explain/flags");
    let corpus = corpus();
    let text = |name: &str| {
        let found = corpus.iter().find(|(other, _)| other == name);
        found.unwrap().1.as_str()
    };
    for (name, flags, mend) in [
        ("hixie-75/driver", &[][..], "--protocols default,hixie-75"),
        ("hybi-06/spec", &[], "--protocols default,hybi-06"),
        (
            "hixie-76/spec",
            &["--protocols", "modern"],
            "--protocols hybi-07,hybi-10,rfc6455,hixie-76",
        ),
        (
            "rfc6455/sample",
            &["--origin", "http://a.example"],
            "--origin http://example.com",
        ),
        ("flash-policy/plain", &[], "--flash-policy"),
    ] {
        let path = directory.join(name.replace('/', "-"));
        fs::write(&path, text(name)).unwrap();
        let path = path.to_str().unwrap();
        let run = |flags: &[&str]| POLYSOCK.run(&[&["explain", path], flags].concat(), Input::Open);
        let refused = run(flags);
        assert_eq!(refused.code, Some(1), "{name}: {}", refused.stderr);
        let line = refused.text().lines().nth(2).unwrap();
        assert_eq!(
            line,
            format!("  accepted with: polysock serve {mend}"),
            "{name}"
        );
        let accepted = run(&mend.split(' ').collect::<Vec<_>>());
        assert_eq!(accepted.code, Some(0), "{name}: {}", accepted.text());
    }
}

#[test]
fn reads_stdin_hex_and_captures_alike() {
    let head = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                Sec-WebSocket-Version: 13\r\n\r\n";
    let hex: String = head.bytes().map(|byte| format!("{byte:02x} ")).collect();
    let mut connection = Connection::open("127.0.0.1:50000", "127.0.0.1:80", [7, 9]);
    connection.say(From::Client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.say(
        From::Server,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    connection.say_in(From::Client, head.as_bytes(), 40);
    let capture = pcap(Link::Cooked, usize::MAX, &connection.packets);
    for bytes in [head.as_bytes(), hex.as_bytes(), &capture] {
        let run = POLYSOCK.run(&["explain", "-"], Input::Bytes(bytes));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let text = run.text();
        assert!(text.starts_with("stdin: "), "{text}");
        assert!(
            text.contains("GET /chat HTTP/1.1\n  accepted: rfc6455\n"),
            "{text}"
        );
        assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n"));
    }
    assert!(
        POLYSOCK
            .run(&["explain", "-"], Input::Bytes(&capture))
            .text()
            .contains("127.0.0.1:50000 to")
    );
}

#[test]
fn the_exit_status_says_what_would_become_of_it() {
    let noise = Connection::open("127.0.0.1:50000", "127.0.0.1:80", [7, 9]);
    let noise = pcap(Link::Raw, usize::MAX, &noise.packets);
    for (bytes, code, said) in [
        (
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            1,
            "which does not ask to upgrade (RFC 6455",
        ),
        (
            b"\x16\x03\x01\x00",
            1,
            "closed without an answer: TLS is not spoken",
        ),
        (
            b"PRI * HTTP/2.0\r\n",
            2,
            "not understood: each of its streams has a request",
        ),
        (
            b"SSH-2.0-x\r\n",
            2,
            "not understood: the bytes begin neither HTTP nor TLS",
        ),
        (b"", 2, "not understood: there are no bytes"),
        (
            b"GET / HTTP/1.1\r\nUpgrade:",
            2,
            "the head is not complete: 24 bytes and no blank line",
        ),
        (&noise, 2, "no opening handshake in 1 TCP connections"),
        (b"\xd4\xc3\xb2\xa1\x02", 2, "the capture is empty"),
    ] {
        let run = POLYSOCK.run(&["explain", "-"], Input::Bytes(bytes));
        let all = format!("{}{}", run.text(), run.stderr);
        assert_eq!(run.code, Some(code), "{all}");
        assert!(all.contains(said), "{all}");
    }
    let run = POLYSOCK.run(&["explain", "/nonexistent"], Input::Open);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("/nonexistent"), "{}", run.stderr);
}

#[test]
fn json_has_the_members_of_its_schema() {
    let schema = include_str!("../../docs/explain.md");
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 99\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\n\r\n";
    let run = POLYSOCK.run(&["explain", "--json", "-"], Input::Bytes(head));
    assert_eq!(run.code, Some(1));
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let one = &json[0];
    assert_eq!(one["source"], "stdin");
    let explained = one["explanation"].as_object().unwrap();
    let members = [
        one.as_object().unwrap(),
        explained,
        explained["protocols"][0].as_object().unwrap(),
    ];
    for name in members.iter().flat_map(|object| object.keys()) {
        assert!(
            schema.contains(&format!("\n| `{name}` |")),
            "{name} is not in docs/explain.md"
        );
    }
    assert_eq!(explained["verdict"], "refused");
    assert_eq!(explained["status"], 426);
    assert_eq!(explained["section"], "RFC 6455 §4.2.2, item 4");
    assert_eq!(explained["rules"].as_array().unwrap().len(), 6);
    assert_eq!(
        explained["protocols"][10]["why"],
        "its Sec-WebSocket-Version is another"
    );
    let answer = explained["answer"].as_str().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 426 Upgrade Required\\r\\n"),
        "{answer}"
    );
}

#[test]
fn the_newest_refusal_of_a_directory_is_found() {
    let directory = POLYSOCK.directory("explain/last-refused");
    let path = directory.to_str().unwrap();
    let none = POLYSOCK.run(&["explain", "--last-refused", path], Input::Open);
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr.contains("no transcript of a refused handshake"),
        "{}",
        none.stderr
    );
    let wire = |target: &str, end: &str| {
        format!(
            "# client: x\n> POST {target} HTTP/1.1\\r\\n\n> Host: a\\r\\n\n> Upgrade: websocket\\r\\n\n> \\r\\n\n{end}\n"
        )
    };
    let refused = "! 405 \"the method of an opening handshake is GET\"";
    let time = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    for (name, text, seconds) in [
        ("old.wire", wire("/old", refused), 1000),
        ("new.wire", wire("/new", refused), 2000),
        ("accepted.wire", wire("/accepted", "< x"), 3000),
        ("half.wire", "# client: x\n> GE\\".to_owned(), 4000),
        ("other.txt", wire("/other", refused), 5000),
    ] {
        let file = directory.join(name);
        fs::write(&file, text).unwrap();
        let file = fs::File::options().append(true).open(file).unwrap();
        file.set_modified(time(seconds)).unwrap();
    }
    let run = POLYSOCK.run(&["explain", "--last-refused", path], Input::Open);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.text()
            .contains("new.wire: POST /new HTTP/1.1\n  refused with 405"),
        "{}",
        run.text()
    );
}
