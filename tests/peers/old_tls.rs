//! Old clients over old TLS versions, and current clients on the same port.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use polysock_test_support::PATIENCE;
use polysock_test_support::authority::{Authority, Identity};
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::RFC6455;
use polysock_test_support::peers::Peer;
use polysock_test_support::process::Process;
use polysock_test_support::server::Server;
use polysock_test_support::tcp::tcp_server;

use crate::POLYSOCK;

/// A certificate for current clients, one for old clients, and the authority that has signed them.
struct Certificates {
    authority: Authority,
    site: Identity,
    old: Identity,
}

impl Certificates {
    fn new() -> Self {
        let authority = Authority::new();
        Self {
            site: authority.issue(&["localhost", "site.test"]),
            old: authority.issue_rsa(&["old.test"]),
            authority,
        }
    }

    /// Starts an echo server. `tls` adds keys to the TLS settings of its listener.
    fn serve(&self, tls: &str) -> Server {
        let file = self.authority.place("polysock.toml");
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\nplain = true\n\
             tls = {{ certificate = {:?}, key = {:?}, {tls} }}\n\
             [[route]]\ntarget = \"app:echo\"\nprotocols = \"all\"\norigins = \"*\"\n",
            self.site.certificate, self.site.key
        );
        fs::write(&file, text).expect("room for a file");
        POLYSOCK.serve(&["--config", file.to_str().expect("text")])
    }

    fn serve_old(&self) -> Server {
        let Identity { certificate, key } = &self.old;
        self.serve(&format!(
            "min_version = \"1.0\", legacy = {{ certificate = {certificate:?}, key = {key:?} }}"
        ))
    }
}

/// Returns the SHA-256 fingerprint of a certificate.
fn fingerprint(identity: &Identity) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
    let output = openssl
        .arg(&identity.certificate)
        .output()
        .expect("openssl");
    let text = String::from_utf8(output.stdout).expect("text");
    let (_, digest) = text.trim().split_once('=').expect("a fingerprint");
    digest.replace(':', "").to_ascii_lowercase()
}

/// Echoes over protocol version 13 by `openssl s_client`. The error is its output.
fn s_client(port: u16, arguments: &[&str]) -> Result<(), String> {
    let mut client = Command::new("timeout")
        .args(["60", "openssl", "s_client", "-quiet"])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let mut input = client.stdin.take().expect("a pipe");
    // A client whose handshake has failed accepts no input.
    let _ = input.write_all(RFC6455.as_bytes());
    let _ = input.write_all(&frame(0x81, "hi"));
    let mut read = Vec::new();
    let mut output = client.stdout.take().expect("a pipe");
    let mut part = [0; 4096];
    while !read.ends_with(&unmasked(0x81, "hi")) {
        let read_now = output
            .read(&mut part)
            .ok()
            .and_then(|count| part.get(..count));
        match read_now {
            None | Some([]) => {
                let mut said = String::new();
                let mut errors = client.stderr.take().expect("a pipe");
                let _ = errors.read_to_string(&mut said);
                let _ = client.wait();
                return Err(said);
            }
            Some(more) => read.extend_from_slice(more),
        }
    }
    drop(input);
    let _ = client.kill();
    let _ = client.wait();
    Ok(())
}

const ANY: &str = "ALL:@SECLEVEL=0";

/// The arguments of `openssl s_client`, and the alert if old TLS is not accepted.
const CLIENTS: [(&[&str], Option<&str>); 6] = [
    (&["-tls1", "-cipher", ANY], Some("alert number 70")),
    (&["-tls1_1", "-cipher", ANY], Some("alert number 70")),
    (&["-tls1_2"], None),
    (&["-tls1_3"], None),
    // A suite without forward secrecy, and suites without authenticated encryption.
    (
        &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
        Some("alert number 40"),
    ),
    (
        &[
            "-tls1_2",
            "-cipher",
            "ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0",
        ],
        Some("alert number 40"),
    ),
];

#[test]
fn each_tls_version_reaches_the_echo_if_old_versions_are_allowed() {
    let certificates = Certificates::new();
    let server = certificates.serve_old();
    for (arguments, _) in CLIENTS {
        assert_eq!(
            s_client(server.address.port(), arguments),
            Ok(()),
            "{arguments:?}"
        );
    }
    let mut plain = server.websocket();
    plain.send(frame(0x81, "hi"));
    plain.expect(unmasked(0x81, "hi"));
    // A client that has failed with a newer version is refused with an older one.
    for version in ["-tls1", "-tls1_2"] {
        let error = s_client(
            server.address.port(),
            &[version, "-cipher", ANY, "-fallback_scsv"],
        );
        let error = error.expect_err("it is refused");
        assert!(error.contains("alert number 86"), "{version}: {error}");
    }
}

#[test]
fn a_client_of_a_too_old_tls_version_gets_an_alert() {
    let certificates = Certificates::new();
    let server = certificates.serve("min_version = \"1.2\"");
    for (arguments, alert) in CLIENTS {
        let result = s_client(server.address.port(), arguments);
        match (alert, result) {
            (None, result) => assert_eq!(result, Ok(()), "{arguments:?}"),
            (Some(alert), Ok(())) => panic!("{arguments:?} got in without {alert}"),
            (Some(alert), Err(said)) => assert!(said.contains(alert), "{arguments:?}: {said}"),
        }
    }
}

#[test]
fn old_tls_versions_are_admitted_by_network_and_by_route() {
    let certificates = Certificates::new();
    let old = CLIENTS[0].0;
    for (networks, expected) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let tls = format!("networks = [{{ networks = [{networks:?}], min_version = \"1.0\" }}]");
        let server = certificates.serve(&tls);
        assert_eq!(
            s_client(server.address.port(), old).is_ok(),
            expected,
            "{networks}"
        );
    }
    let file = certificates.authority.place("routes.toml");
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\ntls = {{ certificate = {:?}, key = {:?} }}\n\
         [[route]]\npath = \"/chat\"\ntarget = \"app:echo\"\ntls_min_version = \"1.0\"\n\
         [[route]]\ntarget = \"app:echo\"\n",
        certificates.site.certificate, certificates.site.key
    );
    fs::write(&file, text).expect("room for a file");
    let server = POLYSOCK.serve(&["--config", file.to_str().expect("text")]);
    // The client requests the path of this route.
    assert_eq!(s_client(server.address.port(), old), Ok(()));
    let port = server.address.port().to_string();
    let client = Peer::start(&["--old-tls", "127.0.0.1", &port, "TLSv1", "ALL", "none"]);
    let said = client.fails();
    assert!(
        said.is_none_or(|said| said.contains("HTTP/1.1 403 ")),
        "another route is as strict as ever"
    );
}

#[test]
fn java_begins_in_the_form_of_sslv2_and_speaks_3des() {
    let certificates = Certificates::new();
    let server = certificates.serve_old();
    let port = server.address.port().to_string();
    for (protocols, suites, expected) in [
        ("SSLv2Hello,TLSv1", "default", "PASS TLSv1 "),
        (
            "SSLv2Hello,TLSv1,TLSv1.1,TLSv1.2",
            "default",
            "PASS TLSv1.2 ",
        ),
        (
            "TLSv1",
            "SSL_RSA_WITH_3DES_EDE_CBC_SHA",
            "PASS TLSv1 SSL_RSA_WITH_3DES_EDE_CBC_SHA",
        ),
    ] {
        let client = Peer::start(&["--java-tls", "127.0.0.1", &port, protocols, suites]);
        if let Some(said) = client.passes() {
            assert!(said.contains(expected), "{protocols} {suites}: {said}");
        }
    }
    let server = certificates.serve("min_version = \"1.2\"");
    let port = server.address.port().to_string();
    let client = Peer::start(&[
        "--java-tls",
        "127.0.0.1",
        &port,
        "SSLv2Hello,TLSv1",
        "default",
    ]);
    let said = client.fails();
    assert!(
        said.is_none_or(|said| said.contains("protocol_version")),
        "it is told why"
    );
}

#[test]
fn each_client_gets_the_certificate_that_is_for_it() {
    let certificates = Certificates::new();
    let server = certificates.serve_old();
    let port = server.address.port().to_string();
    let (old, site) = (
        fingerprint(&certificates.old),
        fingerprint(&certificates.site),
    );
    for (version, name, expected) in [
        ("TLSv1", "none", &old),
        ("TLSv1", "old.test", &old),
        ("TLSv1", "site.test", &site),
        ("TLSv1_2", "none", &site),
        ("TLSv1_3", "site.test", &site),
    ] {
        let client = Peer::start(&["--old-tls", "127.0.0.1", &port, version, "ALL", name]);
        let Some(said) = client.passes() else { return };
        assert!(said.contains(expected.as_str()), "{version} {name}: {said}");
    }
}

#[test]
fn a_certificate_of_an_old_tls_client_is_verified_and_passed_on() {
    let certificates = Certificates::new();
    let authority = &certificates.authority;
    let (sender, heads) = mpsc::channel();
    let upstream = tcp_server(move |stream| {
        let lines = BufReader::new(stream).lines();
        let head: Vec<String> = lines
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        let _ = sender.send(head);
    });
    let file = authority.place("clients.toml");
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = {:?}, key = {:?}, min_version = \"1.0\", client_ca = {:?} }}\n\
         [[route]]\ntarget = \"{}\"\n\
         request_headers.set = {{ X-Client = \"{{tls.client_name}}, {{tls.version}}\" }}\n",
        certificates.old.certificate,
        certificates.old.key,
        authority.file(),
        upstream.replacen("tcp:", "ws:", 1)
    );
    fs::write(&file, text).expect("room for a file");
    let server = POLYSOCK.serve(&["--config", file.to_str().expect("text")]);
    let port = server.address.port().to_string();
    let arguments = ["--old-tls", "127.0.0.1", &port, "TLSv1", "ALL", "none"];
    let known = authority.issue_to("kiosk 7", &["kiosk.test"]);
    let stranger = Authority::new().issue(&["kiosk.test"]);
    for (identity, is_let_in) in [
        (Some(&known), true),
        (Some(&stranger), false),
        (None, false),
    ] {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let files = identity.map(|identity| [text(&identity.certificate), text(&identity.key)]);
        let variables = files.iter().flatten().map(String::as_str);
        let variables: Vec<_> = ["CERTIFICATE", "KEY"].into_iter().zip(variables).collect();
        // The upstream sends no answer, so all clients fail in the end.
        let Some(said) = Peer::start_with(&arguments, &variables).fails() else {
            return;
        };
        assert_eq!(said.contains("HTTP/1.1 502 "), is_let_in, "{said}");
    }
    let head = heads.recv().expect("one was let in");
    assert!(
        head.contains(&"X-Client: kiosk 7, 1.0".to_owned()),
        "{head:?}"
    );
    assert!(heads.try_recv().is_err(), "nobody else was");
}

#[test]
fn certificates_are_replaced_while_old_tls_clients_connect() {
    let certificates = Certificates::new();
    let next = certificates.authority.issue_rsa(&["old.test"]);
    let before = fingerprint(&certificates.old);
    let server = certificates.serve_old();
    let port = server.address.port().to_string();
    let arguments = [
        "--old-tls",
        "127.0.0.1",
        &port,
        "TLSv1",
        "ALL",
        "none",
        "--load",
    ];
    let mut client = Peer::start_endless(&arguments);
    if !client.waits_for(&format!("certificate {before}")) {
        client.passes();
        return;
    }
    // Files are checked once a second. Files that have just changed are checked again.
    certificates.old.replace_by(&next);
    assert!(
        client.waits_for(&format!("certificate {}", fingerprint(&next))),
        "the new one is served"
    );
    std::thread::sleep(Duration::from_millis(200));
    client.stop();
    // No handshake has failed, and the first connection is still open.
    client.passes();
}

#[test]
fn servers_with_old_tls_are_reached_if_the_route_allows_it() {
    let certificates = Certificates::new();
    let (authority, old) = (&certificates.authority, &certificates.old);
    // One server for each case: it serves connections one after the other.
    let openssl = || {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_server", "-accept", "127.0.0.1:0", "-rev"]);
        openssl.args(["-tls1", "-cipher", ANY]);
        openssl.arg("-cert").arg(&old.certificate);
        openssl.arg("-key").arg(&old.key);
        openssl.arg("-CAfile").arg(authority.file());
        // The server requires a client certificate.
        openssl.args(["-Verify", "1", "-verify_return_error"]);
        let mut openssl = Process::start(openssl.stdin(Stdio::piped()));
        let port = openssl.wait_for_line(PATIENCE, |line| {
            let (_, port) = line.strip_prefix("ACCEPT ")?.rsplit_once(':')?;
            port.trim().parse::<u16>().ok()
        });
        let port = port.unwrap_or_else(|| panic!("{}", openssl.output()));
        (openssl, port)
    };
    let client = authority.issue(&["client.test"]);
    let ca = authority.file();
    let gateway = |port: u16, tls: &str| {
        let file = authority.place("upstream.toml");
        let text = format!(
            "[[route]]\ntarget = \"tls://127.0.0.1:{port}\"\n\
             upstream_tls = {{ ca = {ca:?}, certificate = {:?}, key = {:?}, {tls} }}\n",
            client.certificate, client.key
        );
        fs::write(&file, text).expect("room for a file");
        POLYSOCK.serve(&["--config", file.to_str().expect("text")])
    };
    let (_openssl, port) = openssl();
    let server = gateway(port, "min_version = \"1.0\", server_name = \"old.test\"");
    let mut websocket = server.websocket();
    websocket.send(frame(0x82, "hello\n"));
    websocket.expect(unmasked(0x82, "olleh\n"));
    for (tls, reason) in [
        (
            "min_version = \"1.2\", server_name = \"old.test\"",
            "ProtocolVersion",
        ),
        (
            "min_version = \"1.0\", server_name = \"other.test\"",
            "cannot be verified",
        ),
        (
            "min_version = \"1.0\", server_name = \"old.test\", pin = \"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
            "has a key that is not pinned",
        ),
    ] {
        let (_openssl, port) = openssl();
        let mut server = gateway(port, tls);
        server.answers(RFC6455, 502);
        let log = server.stop();
        assert!(log.contains(reason), "{tls}: {log}");
    }
}

#[test]
fn a_scanner_finds_only_the_configured_versions() {
    let certificates = Certificates::new();
    let today = certificates.serve("min_version = \"1.2\"");
    for (server, versions) in [
        (today, "1.2,1.3"),
        (certificates.serve_old(), "1.0,1.1,1.2,1.3"),
    ] {
        let port = server.address.port().to_string();
        Peer::start(&["--scan-tls", "127.0.0.1", &port, versions]).passes();
    }
}

#[test]
fn browsers_of_2011_and_current_ones_share_the_port() {
    let certificates = Certificates::new();
    let mut server = certificates.serve_old();
    let port = server.address.port().to_string();
    let trusted = certificates.authority.place("trusted");
    fs::create_dir(&trusted).expect("a new directory");
    fs::copy(certificates.authority.file(), trusted.join("ca.pem")).expect("a file");
    let trusted = trusted.to_str().expect("text");
    let within_tls = [("SCHEME", "wss"), ("TRUSTED", trusted)];
    let peer = |name, version| {
        let arguments = [name, "localhost", &*port, "/echo", "", version];
        Peer::start_with(&arguments, &within_tls)
    };
    let (old, new) = (peer("phantomjs", "1.9.8"), peer("chromium", "binary"));
    let (old, new) = (old.passes().is_some(), new.passes().is_some());
    let log = server.stop();
    let has = |parts: &str| {
        let mut lines = log.lines();
        lines.any(|line| line.contains(" open id=") && line.contains(parts))
    };
    assert!(!old || has(" protocol=\"hixie-76\" tls=\"1.2\""), "{log}");
    let over_http2 = " protocol=\"rfc6455\" over=\"HTTP/2\" tls=\"1.3\"";
    assert!(!new || has(over_http2), "{log}");
}
