//! Upstreams over TLS, behind a gateway and for a client.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use polysock::protocols::PROTOCOLS;
use polysock::{Gateway, PortSettings, Site, apps};
use polysock_test_support::PATIENCE;
use polysock_test_support::authority::Authority;
use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::gateway;
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::program::{self, Input};
use polysock_test_support::server::Server;
use polysock_test_support::tcp::raw_echo_server;
use polysock_test_support::tls_server::{Running, TlsServer};

use crate::POLYSOCK;

/// Starts an echo server in every protocol that assumes TLS in front.
fn echoes() -> SocketAddr {
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        secure: true,
        ..PortSettings::default()
    };
    gateway::serve(Gateway::with_site(Site::new(apps::echo), settings))
}

/// Starts an echo server over TLS at localhost.
fn echoes_within_tls(authority: &Authority) -> Running {
    TlsServer::new(&authority.issue(&["localhost"])).before(echoes())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn assert_echoes(client: &mut Client) {
    client.send(frame(0x81, "hi"));
    client.expect(b"\x81\x02hi");
}

const UNKNOWN: &str = "the server's certificate is signed by an unknown authority: set `ca` to the file with the certificate of that authority";

#[test]
fn a_gateway_trusts_the_configured_authorities() {
    let authority = Authority::new();
    let server = echoes_within_tls(&authority);
    let ca = authority.file();
    for url in ["wss", "wss+hixie76", "wss+auto", "https"] {
        let url = format!("{url}://{}", server.host());
        let gateway = POLYSOCK.serve(&[&url, "--upstream-ca", path(&ca)]);
        assert_echoes(&mut gateway.websocket());
        let mut gateway = POLYSOCK.serve(&[&url]);
        let (mut client, _) = gateway.answers(RFC6455, 502);
        client.expect("the upstream cannot be reached");
        let line = gateway.log_line("TLS with");
        assert!(line.contains(UNKNOWN), "{line}");
        let mut gateway = POLYSOCK.serve(&[&url, "--upstream-insecure"]);
        gateway.log_line("the certificates of upstreams are not verified");
        assert_echoes(&mut gateway.websocket());
    }
    let bytes = TlsServer::new(&authority.issue(&["localhost"])).before(raw_echo_server());
    let url = format!("tls://{}", bytes.host());
    let gateway = POLYSOCK.serve(&[&url, "--upstream-ca", path(&ca)]);
    let mut client = gateway.websocket();
    client.send(frame(0x82, "hi"));
    client.expect(b"\x82\x02hi");
}

#[test]
fn a_client_trusts_the_given_authorities() {
    let authority = Authority::new();
    let server = echoes_within_tls(&authority);
    let (url, ca) = (format!("wss://{}/", server.host()), authority.file());
    let input = Input::Bytes(b"hello\n");
    for trust in [&["--cacert", path(&ca)][..], &["--insecure"], &["-k"]] {
        let run = POLYSOCK.run(&[&["connect", &url][..], trust].concat(), input);
        assert_eq!(
            (run.code, run.text()),
            (Some(0), "hello\n"),
            "{}",
            run.stderr
        );
        let bench = ["bench", &url, "--duration", "100ms"];
        let run = POLYSOCK.run(&[&bench[..], trust].concat(), Input::NOTHING);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    for command in ["connect", "bench"] {
        let run = POLYSOCK.run(&[command, &url], Input::NOTHING);
        assert_eq!(run.code, Some(3));
        assert!(run.stderr.contains(UNKNOWN), "{}", run.stderr);
        let run = POLYSOCK.run(
            &[command, &url, "--cacert", "/nonexistent/ca"],
            Input::NOTHING,
        );
        assert_eq!(run.code, Some(2));
        let problem = "cannot read /nonexistent/ca: No such file or directory";
        assert!(run.stderr.contains(problem), "{}", run.stderr);
    }
    let url = format!("wss://{}/", echoes());
    let run = POLYSOCK.run(&["connect", "-k", &url], Input::NOTHING);
    assert_eq!(run.code, Some(3));
    assert!(
        run.stderr.contains("does not speak TLS on this port"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_capture_records_sessions_of_a_tls_upstream() {
    let authority = Authority::new();
    let server = echoes_within_tls(&authority);
    let out = POLYSOCK.directory("capture-within-tls");
    let (url, ca) = (format!("wss://{}/", server.host()), authority.file());
    let capture = POLYSOCK.capture(&out, &[&url, "--upstream-ca", path(&ca)]);
    assert_echoes(&mut capture.websocket());
}

#[test]
fn the_trusted_authorities_of_the_system_are_the_default() {
    let authority = Authority::new();
    let server = echoes_within_tls(&authority);
    let url = format!("wss://{}/", server.host());
    let run = |arguments: &[&str], roots: &Path| {
        let mut command = POLYSOCK.command();
        command.args(arguments).env("SSL_CERT_FILE", roots);
        command.env_remove("SSL_CERT_DIR");
        program::run(&mut command, PATIENCE, Input::Bytes(b"hello\n"))
    };
    let told = run(&["connect", &url], &authority.file());
    assert_eq!(
        (told.code, told.text()),
        (Some(0), "hello\n"),
        "{}",
        told.stderr
    );
    let none = authority.place("none.pem");
    fs::write(&none, "").unwrap();
    // The error occurs before any connection.
    for (command, code) in [("serve", 2), ("connect", 3)] {
        let told = run(&[command, &url], &none);
        assert_eq!(told.code, Some(code), "{command}: {}", told.stderr);
        let problem = "servers cannot be verified, because the system has no CA certificates";
        assert!(told.stderr.contains(problem), "{}", told.stderr);
        let mend =
            "install its package `ca-certificates`, or set `ca` to a file of CA certificates";
        assert!(told.stderr.contains(mend), "{}", told.stderr);
    }
}

/// Starts a gateway with this configuration.
fn configured(name: &str, text: &str, flags: &[&str]) -> Server {
    let file = POLYSOCK.directory(name).join("polysock.toml");
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    fs::write(&file, format!("{listener}{text}")).unwrap();
    let mut command = POLYSOCK.command();
    command.arg("serve").arg("--config").arg(&file).args(flags);
    let server = Server::start(command.stdin(Stdio::null()), PATIENCE);
    server.unwrap_or_else(|end| panic!("{end:?}"))
}

#[test]
fn each_upstream_has_its_own_tls_settings_in_the_configuration() {
    let (ours, other) = (Authority::new(), Authority::new());
    let clients = Authority::new();
    let one = TlsServer::new(&ours.issue(&["one.example"])).before(echoes());
    let two = TlsServer::new(&other.issue(&["localhost"])).with_clients_of(&clients);
    let two = two.before(echoes());
    let bytes = TlsServer::new(&ours.issue(&["localhost"])).before(raw_echo_server());
    let shown = clients.issue(&["gateway.example"]);
    let tokens = ours.place("tokens");
    fs::write(&tokens, format!("desk: {}\n", bytes.host())).unwrap();
    let text = format!(
        r#"
        [defaults]
        upstream_tls = {{ ca = "{ours}" }}
        [[route]]
        path = "/one"
        target = "wss://{one}/"
        upstream_tls = {{ server_name = "one.example", min_version = "1.3" }}
        [[route]]
        path = "/two"
        target = "two"
        [[route]]
        path = "/bytes/{{token}}"
        target = "tls://{{token}}"
        tokens = "{tokens}"
        [upstream.two]
        targets = ["wss://{two}/"]
        tls = {{ ca = "{other}", certificate = "{certificate}", key = "{key}" }}
        "#,
        ours = ours.file().display(),
        other = other.file().display(),
        tokens = tokens.display(),
        certificate = shown.certificate.display(),
        key = shown.key.display(),
        one = one.address,
        two = two.host(),
    );
    let gateway = configured("tls-upstreams", &text, &[]);
    for (path, code) in [("/one", 0x81), ("/two", 0x81), ("/bytes/desk", 0x82)] {
        let (mut client, _) = gateway.answers(RFC6455.replace("/chat", path), 101);
        client.send(frame(code, "hi"));
        client.expect([&[code, 2][..], b"hi"].concat());
    }
    assert_eq!(one.met()[0].name.as_deref(), Some("one.example"));
    assert!(two.met()[0].has_certificate);
    // The server name for a token is the host of its target.
    assert_eq!(bytes.met()[0].name.as_deref(), Some("localhost"));
    // A flag overrides the setting in every place.
    let mut gateway = configured(
        "tls-upstreams",
        &text,
        &["--upstream-ca", path(&clients.file())],
    );
    for path in ["/one", "/two"] {
        gateway.answers(RFC6455.replace("/chat", path), 502);
        let line = gateway.log_line("TLS with");
        assert!(line.contains(UNKNOWN), "{line}");
    }
}

#[test]
fn invalid_tls_files_are_reported_at_startup() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.example"]);
    let file = authority.place("polysock.toml");
    for (tls, problem) in [
        (
            "ca = \"missing.pem\"".to_owned(),
            "missing.pem: No such file or directory",
        ),
        (
            format!("ca = \"{}\"", identity.key.display()),
            "contains no certificate",
        ),
        (
            format!(
                "ca = \"ca.pem\", certificate = \"{}\"",
                identity.certificate.display()
            ),
            "contains no private key",
        ),
    ] {
        let route = "[[route]]\ntarget = \"wss://a.example\"\n";
        fs::write(&file, format!("{route}upstream_tls = {{ {tls} }}\n")).unwrap();
        let run = POLYSOCK.run(&["serve", "--config", path(&file)], Input::NOTHING);
        assert_eq!(run.code, Some(78), "{}", run.stderr);
        assert!(run.stderr.contains(problem), "{}", run.stderr);
    }
    let run = POLYSOCK.run(
        &[
            "serve",
            "wss://a.example",
            "--upstream-ca",
            "/nonexistent/ca",
        ],
        Input::NOTHING,
    );
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.contains("cannot read /nonexistent/ca"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_reload_reads_the_files_again_and_keeps_connections() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = echoes_within_tls(&old);
    let text = format!(
        r#"
        [[route]]
        target = "wss://{host}/"
        upstream_tls = {{ ca = "{ca}" }}
        [[route]]
        path = "/several"
        targets = ["wss://{host}/"]
        upstream_tls = {{ ca = "{ca}" }}
        "#,
        host = server.host(),
        ca = old.place("trusted.pem").display(),
    );
    // The route without a path would match all requests if it were first.
    let (first, second) = text.split_at(text.rfind("[[route]]").unwrap());
    let text = format!("{second}\n{first}");
    fs::copy(old.file(), old.place("trusted.pem")).unwrap();
    let mut gateway = configured("tls-reload", &text, &[]);
    let requests = ["/several", "/one"].map(|path| RFC6455.replace("/chat", path));
    let mut before = requests
        .clone()
        .map(|request| gateway.answers(request, 101).0);
    let reload = |gateway: &mut Server, authority: &Authority, says: &str| {
        fs::copy(authority.file(), old.place("trusted.pem")).unwrap();
        gateway.signal("HUP");
        gateway.log_line(says)
    };
    let line = reload(&mut gateway, &new, "the configuration is in force");
    assert!(line.contains("unchanged=2"), "{line}");
    for request in &requests {
        gateway.answers(request, 502);
        gateway.log_line(UNKNOWN);
    }
    before.iter_mut().for_each(assert_echoes);
    reload(&mut gateway, &old, "the configuration is in force");
    for request in &requests {
        gateway.answers(request, 101);
    }
    before.iter_mut().for_each(assert_echoes);
    // An invalid file changes nothing.
    fs::write(old.place("trusted.pem"), "nothing").unwrap();
    gateway.signal("HUP");
    gateway.log_line("trusted.pem contains no certificate");
    gateway.log_line("the old configuration stays in force");
    for request in &requests {
        gateway.answers(request, 101);
    }
    assert_status(&gateway.ask(&requests[0]).1, 101);
}
