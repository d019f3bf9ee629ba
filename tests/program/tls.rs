//! TLS, from the user's point of view.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use polysock_test_support::PATIENCE;
use polysock_test_support::authority::Authority;
use polysock_test_support::client::Client;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::program::{self, Input};
use polysock_test_support::server::Server;
use polysock_test_support::tls::TlsClient;

use crate::POLYSOCK;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn echoes(client: &mut TlsClient) {
    client.send(frame(0x81, "hi"));
    client.expect(unmasked(0x81, "hi"));
}

fn open(client: &mut TlsClient) {
    client.send(RFC6455);
    assert_status(&client.head(), 101);
    echoes(client);
}

/// Returns a directory with a certificate for `a.test`, and the authority that has signed it.
fn certified(name: &str) -> (PathBuf, Authority) {
    let directory = POLYSOCK.directory(name);
    let authority = Authority::new();
    authority.issue(&["a.test"]).write(&directory, "site");
    (directory, authority)
}

/// Starts a server with this configuration in a directory.
fn serve(directory: &Path, config: &str) -> Server {
    let file = directory.join("polysock.toml");
    fs::write(&file, config).unwrap();
    let mut command = POLYSOCK.command();
    command.arg("serve").arg("--config").arg(&file);
    let server = Server::start(command.stdin(Stdio::null()), PATIENCE);
    server.unwrap_or_else(|end| panic!("{end:?}"))
}

#[test]
fn flags_enable_tls_on_the_port_and_the_log_reports_it() {
    let (directory, authority) = certified("tls-flags");
    let (certificate, key) = (directory.join("site.pem"), directory.join("site.key"));
    let both = directory.join("both.pem");
    let parts = [&key, &certificate].map(|path| fs::read_to_string(path).unwrap());
    fs::write(&both, parts.concat()).unwrap();
    for (arguments, takes_plain) in [
        (
            &[
                "--tls-certificate",
                text(&certificate),
                "--tls-key",
                text(&key),
            ][..],
            false,
        ),
        (
            &[
                "--tls-certificate",
                text(&both),
                "--tls-min-version",
                "1.3",
                "--plain",
            ],
            true,
        ),
    ] {
        let mut server = POLYSOCK.echo(arguments);
        let mut client = authority
            .client()
            .connect(server.address, "a.test")
            .unwrap();
        open(&mut client);
        let line = server.log_line(" open ");
        assert!(line.contains(" tls=\"1.3\" "), "{line}");
        server.answers(RFC6455, if takes_plain { 101 } else { 403 });
        if !takes_plain {
            server.log_line("not opened insecure=1");
        }
        Client::connect(server.address).send(b"\x16\x03\x01\0\x04\x02\0\0\0");
        server.log_line("not opened tls_failed=1");
        drop(client);
        server.stop();
    }
}

#[test]
fn invalid_certificates_are_reported_at_startup() {
    let (directory, _) = certified("tls-wrong");
    let other = Authority::new();
    other.issue(&["b.test"]).write(&directory, "other");
    let (certificate, key) = (directory.join("site.pem"), directory.join("other.key"));
    let mismatch = format!(
        "the private key in {} does not match the first certificate in {}",
        key.display(),
        certificate.display()
    );
    let missing = directory.join("none.pem");
    let unreadable = format!("cannot read {}: No such file", missing.display());
    for (arguments, code, problem) in [
        (
            &[
                "--tls-certificate",
                text(&certificate),
                "--tls-key",
                text(&key),
            ][..],
            2,
            &*mismatch,
        ),
        (&["--tls-certificate", text(&missing)], 2, &unreadable),
        (&["--tls-key", text(&key)], 2, "--tls-certificate <FILE>"),
        #[cfg(not(feature = "legacy-tls"))]
        (
            &[
                "--tls-certificate",
                text(&certificate),
                "--tls-min-version",
                "1.1",
            ],
            2,
            "TLS 1.1 needs the feature `legacy-tls`, which this build does not have",
        ),
    ] {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let run = POLYSOCK.run(&arguments, Input::NOTHING);
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(run.stderr.contains(problem), "{}", run.stderr);
    }
    let config = "[[listener]]\naddress = \"127.0.0.1:0\"\n\
        tls = { certificate = \"site.pem\", key = \"other.key\" }\n\
        [[route]]\ntarget = \"app:echo\"\n";
    fs::write(directory.join("polysock.toml"), config).unwrap();
    for command in ["check", "serve"] {
        let mut run = POLYSOCK.command();
        run.args([command, "--config", "polysock.toml"])
            .current_dir(&directory);
        let run = program::run(&mut run, PATIENCE, Input::NOTHING);
        assert_eq!(run.code, Some(78), "{}", run.stderr);
        assert!(
            run.stderr
                .contains("does not match the first certificate in"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn the_name_of_a_client_reaches_an_upstream() {
    let (directory, authority) = certified("tls-names");
    let clients = Authority::new();
    fs::copy(clients.file(), directory.join("clients.pem")).unwrap();
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = \"site.pem\", key = \"site.key\", client_ca = \"clients.pem\", \
         client_certificate = \"optional\" }}\n\
         [[route]]\ntarget = \"ws://{}\"\n\
         request_headers.set = {{ X-Client = \"{{tls.client}}\", X-Name = \"{{tls.client_name}} over {{tls.version}}\" }}\n",
        upstream.local_addr().unwrap()
    );
    let server = serve(&directory, &config);
    let told = |client: &polysock_test_support::tls::Trusting| {
        let mut client = client.connect(server.address, "a.test").unwrap();
        client.send(RFC6455.replace("Origin", "X-Client: made-up\r\nOrigin"));
        Client::over(upstream.accept().unwrap().0).head()
    };
    let desk = clients.issue_to("desk-7", &[]);
    let head = told(&authority.client().with(&desk));
    assert!(
        head.contains("\r\nX-Client: CN=desk-7,O=Polysock\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nX-Name: desk-7 over 1.3\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-Proto: https\r\n"), "{head}");
    let head = told(&authority.client()).to_lowercase();
    assert!(
        !head.contains("x-client") && !head.contains("x-name"),
        "{head}"
    );
}

#[test]
fn a_reload_has_the_new_certificate_and_no_handshake_fails() {
    let (directory, authority) = certified("tls-reload");
    let authority = Arc::new(authority);
    let config = "[[listener]]\naddress = \"127.0.0.1:0\"\n\
        tls = { certificate = \"site.pem\", key = \"site.key\" }\n\
        [[route]]\ntarget = \"app:echo\"\n";
    let mut server = serve(&directory, config);
    let address = server.address;
    let mut before = authority.client().connect(address, "a.test").unwrap();
    open(&mut before);
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (stop, authority) = (Arc::clone(&stop), Arc::clone(&authority));
        thread::spawn(move || {
            let mut served = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut client = authority.client().connect(address, "a.test").unwrap();
                open(&mut client);
                served += 1;
            }
            served
        })
    };
    for round in 0..5 {
        let issued = authority.issue(&["a.test"]);
        issued.write(&directory, "site");
        if round == 3 {
            // Other TLS settings on the same listener.
            let config = config.replace("tls = {", "tls = { min_version = \"1.3\",");
            fs::write(directory.join("polysock.toml"), config).unwrap();
        }
        server.signal("HUP");
        server.log_line("the configuration is in force");
        let client = authority.client().connect(address, "a.test").unwrap();
        let shown = client.connection().peer_certificates().unwrap();
        assert_eq!(shown[0], issued.der());
        echoes(&mut before);
    }
    fs::write(directory.join("site.key"), "no key").unwrap();
    server.signal("HUP");
    server.log_line("site.key contains no private key");
    server.log_line("the old configuration stays in force");
    let mut client = authority.client().connect(address, "a.test").unwrap();
    open(&mut client);
    stop.store(true, Ordering::Relaxed);
    assert!(load.join().unwrap() > 5);
    echoes(&mut before);
}

/// Requests a page with `openssl s_client` and these arguments. Returns the output, or `None`
/// without openssl.
fn s_client(server: &Server, arguments: &[&str]) -> Option<String> {
    let address = server.address.to_string();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address, "-servername", "a.test"]);
    client.args(arguments);
    let client = client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut client) = client.spawn() else {
        assert!(
            std::env::var_os("POLYSOCK_PEERS_REQUIRED").is_none(),
            "no openssl"
        );
        return None;
    };
    let mut stdin = client.stdin.take().unwrap();
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    // A client that was refused does not read its input.
    let _ = stdin.write_all(request.as_bytes());
    let output = polysock_test_support::process::output(client, PATIENCE);
    drop(stdin);
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn openssl_connects_in_each_version_and_resumes() {
    let (directory, authority) = certified("tls-openssl");
    let (certificate, key) = (directory.join("site.pem"), directory.join("site.key"));
    let ca = authority.file();
    let server = POLYSOCK.echo(&[
        "--tls-certificate",
        text(&certificate),
        "--tls-key",
        text(&key),
    ]);
    let trusts = [
        "-CAfile",
        text(&ca),
        "-verify_hostname",
        "a.test",
        "-verify_return_error",
    ];
    for (arguments, parts) in [
        (
            &["-tls1_3"][..],
            &["New, TLSv1.3", "HTTP/1.1 426", "closed"][..],
        ),
        (&["-tls1_2"], &["New, TLSv1.2", "HTTP/1.1 426", "closed"]),
        (
            &["-alpn", "http/1.1"],
            &["ALPN protocol: http/1.1", "HTTP/1.1 426"],
        ),
        (&["-alpn", "spdy/1"], &["no application protocol"]),
        (
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            &["alert", "Cipher is (NONE)"],
        ),
        (
            &["-tls1_2", "-cipher", "AES128-SHA"],
            &["handshake failure"],
        ),
    ] {
        let Some(printed) = s_client(&server, &[&trusts, arguments].concat()) else {
            return;
        };
        for part in parts {
            assert!(
                printed.contains(part),
                "{arguments:?}: no `{part}`:\n{printed}"
            );
        }
    }
    let session = directory.join("session");
    for arguments in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-no_ticket"]] {
        let out = [arguments, &["-sess_out", text(&session)]].concat();
        let again = [arguments, &["-sess_in", text(&session)]].concat();
        s_client(&server, &out);
        // Each worker thread accepts the session.
        for _ in 0..4 {
            let printed = s_client(&server, &again).unwrap();
            assert!(printed.contains("Reused, TLS"), "{arguments:?}:\n{printed}");
        }
    }
}
