//! Third-party servers over TLS.

use std::fs;
use std::process::{Command, Stdio};

use polysock_test_support::PATIENCE;
use polysock_test_support::authority::Authority;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::peers::serve_with;
use polysock_test_support::process::Process;

use crate::POLYSOCK;

#[test]
fn websocket_servers_are_reached_over_tls() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let variables = [
        ("TLS_CERTIFICATE", identity.certificate.as_os_str()),
        ("TLS_KEY", identity.key.as_os_str()),
    ];
    let ca = authority.file();
    for (server, scheme) in [
        ("ws", "wss"),
        ("ws", "https"),
        ("ws", "wss+auto"),
        ("websocket-driver", "wss+hixie76"),
        ("websocket-driver", "wss+hixie75"),
    ] {
        let Some(upstream) = serve_with(server, &variables) else {
            continue;
        };
        let url = format!("{scheme}://localhost:{}/", upstream.address.port());
        let mut gateway = POLYSOCK.serve(&[&url, "--upstream-ca", ca.to_str().expect("text")]);
        let mut client = gateway.websocket();
        for text in ["hello", "and again"] {
            client.send(frame(0x81, text));
            client.expect(unmasked(0x81, text));
        }
        // A complete closing handshake on both sides.
        client.send(frame(0x88, b"\x03\xe8"));
        client.expect(b"\x88\x02\x03\xe8");
        client.gone();
        let log = gateway.stop();
        assert!(!log.contains("WARN"), "{server}: {log}");
    }
}

#[test]
fn bytes_go_to_openssl_and_its_pins_are_ours() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-accept", "127.0.0.1:0", "-rev"]);
    openssl.arg("-cert").arg(&identity.certificate);
    openssl.arg("-key").arg(&identity.key);
    let mut openssl = Process::start(openssl.stdin(Stdio::piped()));
    let port = openssl.wait_for_line(PATIENCE, |line| {
        let (_, port) = line.strip_prefix("ACCEPT ")?.rsplit_once(':')?;
        port.trim().parse::<u16>().ok()
    });
    let port = port.unwrap_or_else(|| panic!("{}", openssl.output()));
    // The command of the documentation.
    let pin = format!(
        "openssl x509 -in {} -pubkey -noout | openssl pkey -pubin -outform der | \
         openssl dgst -sha256 -binary | base64",
        identity.certificate.display()
    );
    let pin = Command::new("sh").args(["-c", &pin]).output();
    let pin = pin.expect("a shell");
    let pin = String::from_utf8(pin.stdout).expect("base64");
    let file = authority.place("polysock.toml");
    let text = format!(
        "[[route]]\ntarget = \"tls://localhost:{port}\"\n\
         upstream_tls = {{ pin = \"sha256/{}\", verify = false }}\n",
        pin.trim()
    );
    fs::write(&file, text).expect("room for a file");
    let gateway = POLYSOCK.serve(&["--config", file.to_str().expect("text")]);
    let mut client = gateway.websocket();
    client.send(frame(0x82, "hello\n"));
    client.expect(unmasked(0x82, "olleh\n"));
    client.send(frame(0x88, b"\x03\xe8"));
    client.expect(b"\x88\x02\x03\xe8");
    client.gone();
}
