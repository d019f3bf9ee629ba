//! `polysock replay` from outside: its output, its files and its exit codes, and its verdicts on
//! foreign servers.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use polysock::apps::echo;
use polysock::protocols::PROTOCOLS;
use polysock::{Gateway, PortSettings, Site, SiteSettings};
use polysock_test_support::corpus::DIRECTORY as CORPUS;
use polysock_test_support::gateway;
use polysock_test_support::program::{Input, Run};

use crate::POLYSOCK;

/// The example of RFC 6455 §1.2, from the corpus.
const SAMPLE: &str = include_str!("../../compat-fixtures/rfc6455/sample.wire");

#[test]
fn the_corpus_passes_in_every_split() {
    for split in ["as-recorded", "whole", "1", "random:7"] {
        let run = replay(&[CORPUS, "--split", split]);
        assert_eq!(run.code, Some(0), "{split}: {}", run.text());
        assert!(
            run.text()
                .ends_with(" as recorded, 0 different, 0 skipped\n")
        );
    }
}

#[test]
fn a_difference_is_shown_with_its_line() {
    let file = file("different.wire", &SAMPLE.replace("s3pPLM", "s3pPLN"));
    let run = replay(&[&file]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.text(),
        format!(
            "{file}:18: field Sec-WebSocket-Accept (split as-recorded)
  expected  Sec-WebSocket-Accept: s3pPLNBiTxaQ9kYGzzhZRbK+xOo=\\r\\n
  got       Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n
                                       ^

0 as recorded, 1 different, 0 skipped
"
        )
    );
    let json = replay(&[&file, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json["failed"], 1);
    let difference = &json["fixtures"][0]["differences"][0];
    assert_eq!(difference["line"], 18);
    assert_eq!(difference["place"], "field Sec-WebSocket-Accept");
    let xml = replay(&[&file, CORPUS, "--format", "junit"]);
    assert_eq!(xml.code, Some(1));
    assert_eq!(xml.text().matches("<failure ").count(), 1);
    assert_eq!(
        xml.text().matches("<testcase ").count(),
        xml.text().matches("</testcase>").count()
    );
}

#[test]
fn each_difference_is_reported_with_its_place() {
    for (before, after, place) in [
        ("< \\x81\\x02hi", "< \\x81\\x02ho", "frame 1, byte 3"),
        ("< \\x81\\x02hi", "< \\x81\\x02hi\n< end", "frame 2, byte 0"),
        ("= text \"hi\"", "= text \"ho\"", "application"),
        ("= text \"hi\"", "= binary \"hi\"", "application"),
        ("< \\x81\\x02hi\n", "", "frame 1, byte 0"),
        ("= text \"hi\"\n", "", "application"),
        ("HTTP/1.1 101", "HTTP/1.1 102", "first line of the head"),
        ("< Sec-WebSocket-Protocol: chat\\r\\n\n", "", "head, line 5"),
    ] {
        let file = file("named.wire", &SAMPLE.replace(before, after));
        let run = replay(&[&file, "--timeout", "100ms"]);
        assert_eq!(run.code, Some(1), "{before} for {after}");
        assert!(
            run.text().contains(&format!(": {place} (")),
            "{before} for {after}: {}",
            run.text()
        );
    }
}

#[test]
fn an_update_writes_the_actual_output_and_keeps_wildcards() {
    let wild = SAMPLE.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "\\{*}");
    let wrong = wild
        .replace("x02hi\n", "x02ho\n")
        .replace("= text \"hi\"", "= text \"ho\"");
    let file = file("update.wire", &wrong);
    let run = replay(&[&file, "--update"]);
    assert_eq!(run.code, Some(1));
    assert!(run.text().contains("update.wire: updated\n"));
    assert_eq!(fs::read_to_string(&file).unwrap(), wild);
    assert_eq!(replay(&[&file]).code, Some(0));
}

#[test]
fn a_fixture_that_cannot_be_replayed_is_wrong_usage() {
    let broken = file("broken.wire", "> GET / HTTP/1.1\\r\\n\n~\n");
    for (arguments, words) in [
        (&["no/such.wire"][..], "no/such.wire: "),
        (&[&file("one.wire", SAMPLE), "--jobs", "0"], "--jobs"),
        (&[concat!(env!("CARGO_MANIFEST_DIR"), "/../src")], ".wire"),
        (&[CORPUS, "--split", "random:x"], "random:SEED"),
        (&[&broken], "broken.wire:2:1: nothing is expected"),
        (&[], "FIXTURE"),
    ] {
        let run = replay(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
    }
}

/// Over TCP, with nonces of the server's own.
#[test]
fn a_gateway_over_tcp_passes_all_fixtures_that_need_no_fixed_nonce() {
    let site = Site::new(echo).with_settings(SiteSettings {
        compression: None,
        ..SiteSettings::default()
    });
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        flash_policy: true,
        ..PortSettings::default()
    };
    let address = gateway::serve(Gateway::with_site(site, settings));
    for split in ["as-recorded", "random:5"] {
        let to = address.to_string();
        let run = replay(&[CORPUS, "--to", &to, "--split", split, "--jobs", "16"]);
        // The known differences: the nonce of a draft 04 server is random, the Flash policy
        // contains the port, and this server does not compress.
        for line in run
            .text()
            .lines()
            .filter(|line| line.contains(".wire:") && line.contains(" (split "))
        {
            let known = ["field Sec-WebSocket-Nonce (", "/flash-policy/", "deflate"];
            let known = known.iter().any(|known| line.contains(known));
            assert!(known, "{}", run.text());
        }
        assert!(run.text().contains("it plays a server, to test a client\n"));
        assert!(run.text().contains("it needs TLS\n"));
        assert_eq!(run.code, Some(1));
    }
}

#[test]
fn a_foreign_server_is_judged_by_the_meaning_of_its_answer() {
    let good = "HTTP/1.1 101 Web Sockets, why not\r\nserver: foreign\r\nCONNECTION: keep-alive, upgrade\r\n\
                Sec-WebSocket-Protocol: chat\r\nupgrade: WebSocket\r\n\
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let cases = [
        (good.to_owned(), None),
        (good.replace(" 101 ", " 400 "), Some("status line")),
        (
            good.replace("s3pPLM", "s3pPLN"),
            Some("field Sec-WebSocket-Accept"),
        ),
        (
            good.replace("Protocol: chat", "Protocol: superchat"),
            Some("field Sec-WebSocket-Protocol"),
        ),
        (
            good.replace("upgrade: WebSocket\r\n", ""),
            Some("field Upgrade"),
        ),
        (
            good.replace("server: foreign", "Sec-WebSocket-Extensions: x"),
            Some("field Sec-WebSocket-Extensions"),
        ),
    ];
    let file = file("foreign.wire", SAMPLE);
    for (head, place) in cases {
        let answer = [head.as_bytes(), b"\x81\x02hi"].concat();
        let run = replay(&[&file, "--to", &serve_once(answer).to_string()]);
        match place {
            None => assert_eq!(run.code, Some(0), "{head}: {}", run.text()),
            Some(place) => {
                assert_eq!(run.code, Some(1), "{head}");
                assert!(
                    run.text().contains(&format!("{place} (")),
                    "{head}: {}",
                    run.text()
                );
            }
        }
    }
    // The bytes after the head are compared exactly.
    let answer = [good.as_bytes(), b"\x81\x02ha"].concat();
    let run = replay(&[&file, "--to", &serve_once(answer).to_string()]);
    assert!(run.text().contains(": frame 1, byte 3 ("), "{}", run.text());
}

/// The line splits of the fixture do not affect the comparison, nor does the text of a refusal.
#[test]
fn a_foreign_head_is_compared_up_to_its_own_end() {
    let good = "HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
                \r\n\x01";
    let joined = SAMPLE
        .replace("< \\r\\n\n=", "< \\r\\n\\x01\n=")
        .replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "\\{*}=")
        .replace("~\n", "");
    let fixture = file("joined.wire", joined.split_once("> hex").unwrap().0);
    let run = replay(&[&fixture, "--to", &serve_once(good.into()).to_string()]);
    assert_eq!(run.code, Some(0), "{}", run.text());
    let other = good.replace('\x01', "\x02");
    let run = replay(&[&fixture, "--to", &serve_once(other.into()).to_string()]);
    assert!(run.text().contains(": frame 1, byte 0 ("), "{}", run.text());

    let refused = format!("{CORPUS}/rfc6455/bad-no-host.wire");
    let answer = "HTTP/1.1 400 No\r\nServer: foreign\r\n\r\n<h1>no</h1>";
    let run = replay(&[&refused, "--to", &serve_once(answer.into()).to_string()]);
    assert_eq!(run.code, Some(0), "{}", run.text());
}

fn replay(arguments: &[&str]) -> Run {
    POLYSOCK.run(&[&["replay"], arguments].concat(), Input::NOTHING)
}

/// Writes a file with this name and text.
fn file(name: &str, text: &str) -> String {
    let directory = POLYSOCK.directory(&format!("replay/{name}"));
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Starts a server that answers its first connection with these bytes after it has read a head.
fn serve_once(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            head.extend(byte);
        }
        stream.write_all(&answer).unwrap();
        // Until the client has disconnected.
        let _ = stream.read_to_end(&mut head);
    });
    address
}
