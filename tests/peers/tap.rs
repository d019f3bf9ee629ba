//! A client of hixie-76 in front of a current server: both sides are tapped, and their transcripts
//! replayed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;

use polysock_test_support::PATIENCE;
use polysock_test_support::peers::Peer;
use polysock_test_support::server::Server;

use super::super::{POLYSOCK, replay};

#[test]
fn a_tapped_session_of_phantomjs_replays() {
    let echo = POLYSOCK.serve(&["--app", "echo"]);
    let directory = POLYSOCK.directory("tap-phantomjs");
    let control = format!("unix:{}", directory.join("control.sock").display());
    let upstream = format!("ws://{}", echo.address);
    let mut server = POLYSOCK.serve(&[
        &*upstream,
        "--protocols",
        "all",
        "--origin",
        "*",
        "--control",
        &control,
    ]);
    server.log_line("control listener on ");
    let out = directory.join("sessions").display().to_string();
    let mut command = POLYSOCK.command();
    command
        .args([
            "ctl",
            "--control",
            &control,
            "tap",
            "--output",
            "wire",
            "--out",
            &out,
            "--for",
            "1m",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut tap = command.spawn().unwrap();
    server.log_line("a tap begins");
    let port = server.address.port().to_string();
    let peer = Peer::start(&["phantomjs", "127.0.0.1", &port, "/room", "", "1.9.8"]);
    if peer.passes().is_some() {
        // A transcript is written when the tap reports the end of its connection.
        let is_written = || {
            let files = std::fs::read_dir(&out).map_or(0, |files| {
                let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
                names.filter(|name| name.ends_with(".wire")).count()
            });
            files >= 2
        };
        let end = std::time::Instant::now() + PATIENCE;
        while !is_written() {
            assert!(std::time::Instant::now() < end, "no transcripts in {out}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let (is_same, printed) = replay(&[&out]);
        assert!(is_same, "{printed}");
        assert!(printed.contains(" 0 different"), "{printed}");
        let names: Vec<_> = std::fs::read_dir(&out)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        let texts: Vec<_> = names
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        for protocol in ["# protocol: hixie-76", "# protocol: rfc6455"] {
            assert!(
                texts.iter().any(|text| text.contains(protocol)),
                "{protocol} in {out}"
            );
        }
    }
    let _ = tap.kill();
    let _ = tap.wait();
    let _: String = Server::stop(&mut server);
}
