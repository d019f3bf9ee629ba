//! TLS, with clients and with the target.

use std::fs;

use polysock_test_support::PATIENCE;
use polysock_test_support::authority::Authority;
use polysock_test_support::frame::{frame, unmasked};
use polysock_test_support::opening::{RFC6455, assert_status};
use polysock_test_support::program::{self, Input};
use polysock_test_support::server::Server;
use polysock_test_support::tls::{TLS12, Trusting};
use polysock_test_support::tls_server::TlsServer;

use super::{World, echoes};

/// Adds certificate files for `a.test` to the files of the world.
fn certified(name: &str) -> (World, Authority) {
    let world = World::new(name);
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]).write(&world.directory, "cert");
    let key = fs::read(&identity.key).unwrap();
    fs::rename(&identity.key, world.directory.join("key.pem")).unwrap();
    let both = [fs::read(&identity.certificate).unwrap(), key].concat();
    fs::write(world.directory.join("novnc.pem"), both).unwrap();
    fs::copy(authority.file(), world.directory.join("ca.pem")).unwrap();
    (world, authority)
}

/// Echoes bytes through the target over TLS. Returns the error if TLS fails.
fn echoes_within_tls(server: &Server, client: &Trusting) -> std::io::Result<()> {
    let mut client = client.connect(server.address, "a.test")?;
    client.send(RFC6455);
    // In TLS 1.3 a client is refused after it has finished.
    let mut byte = [0];
    client.read(&mut byte)?;
    let head = String::from_utf8_lossy(&byte).into_owned() + &client.head();
    assert_status(&head, 101);
    client.send(frame(0x82, "hello"));
    client.expect(unmasked(0x82, "hello"));
    Ok(())
}

#[test]
fn the_invocations_with_certificates_run_unchanged() {
    let (world, authority) = certified("websockify-tls");
    let known = authority.issue(&[]);
    let verified = "--cert=cert.pem --key=key.pem --verify-client --cafile=ca.pem 6080 VNC";
    for (line, takes_plain) in [
        ("--cert novnc.pem 6080 VNC", true),
        ("--web=. --cert=novnc.pem 6080 VNC", true),
        ("--web . --cert cert.pem --key key.pem 6080 VNC", true),
        (
            "--ssl-only --web . --cert cert.pem --key key.pem 6080 VNC",
            false,
        ),
        ("--cert novnc.pem --ssl-version=tlsv1_2 6080 VNC", true),
        ("--cert novnc.pem --ssl-version tlsv1_3 6080 VNC", true),
        (
            "--cert novnc.pem --ssl-version default --cafile ca.pem 6080 VNC",
            true,
        ),
        (verified, true),
    ] {
        let mut server = world.start(line);
        let client = match line == verified {
            true => authority.client().with(&known),
            false => authority.client(),
        };
        echoes_within_tls(&server, &client).unwrap();
        let mut old = client;
        old.versions = TLS12;
        let is_met = echoes_within_tls(&server, &old).is_ok();
        assert_eq!(is_met, !line.contains("tlsv1_3"), "{line}");
        if line == verified {
            let error = echoes_within_tls(&server, &authority.client()).unwrap_err();
            assert!(error.to_string().contains("CertificateRequired"), "{error}");
        }
        match takes_plain {
            true => drop(echoes(&server, "/websockify")),
            false => drop(server.answers(RFC6455, 403)),
        }
        server.stop();
    }
}

#[test]
fn self_pem_is_used_if_it_exists() {
    let (world, authority) = certified("websockify-self-pem");
    let server = world.start("6080 VNC");
    assert!(echoes_within_tls(&server, &authority.client()).is_err());
    let found = world.directory.join("self.pem");
    fs::rename(world.directory.join("novnc.pem"), &found).unwrap();
    let server = world.start("--ssl-only 6080 VNC");
    echoes_within_tls(&server, &authority.client()).unwrap();
    server.answers(RFC6455, 403);
    fs::copy(world.directory.join("cert.pem"), &found).unwrap();
    let server = world.start("--key key.pem 6080 VNC");
    echoes_within_tls(&server, &authority.client()).unwrap();
    echoes(&server, "/");
    refused(
        &world,
        "6080 VNC",
        "self.pem, the default of --cert: self.pem contains no private key",
    );
}

#[test]
fn a_target_is_reached_over_tls() {
    let (world, authority) = certified("websockify-ssl-target");
    let target = TlsServer::new(&authority.issue(&["127.0.0.1"])).before(world.echo);
    let tokens = format!("desk-7: {}\n", target.address);
    fs::write(&world.tokens, tokens).unwrap();
    let world = World {
        echo: target.address,
        ..world
    };
    for (line, path) in [
        ("--ssl-target 6080 VNC", "/"),
        (
            "--ssl-target --token-plugin TokenFile --token-source vnc_tokens 6080",
            "/?token=desk-7",
        ),
    ] {
        let mut command = world.command(line);
        command.env("SSL_CERT_FILE", authority.file());
        let server = Server::start(&mut command, PATIENCE);
        echoes(
            &server.unwrap_or_else(|end| panic!("{line}: {end:?}")),
            path,
        );
        // A target whose authority is unknown is not trusted.
        let other = Authority::new();
        let mut command = world.command(line);
        command.env("SSL_CERT_FILE", other.file());
        let server = Server::start(&mut command, PATIENCE);
        let server = server.unwrap_or_else(|end| panic!("{line}: {end:?}"));
        server.answers(RFC6455.replace("/chat", path), 502);
    }
}

#[track_caller]
fn refused(world: &World, line: &str, why: &str) {
    let run = program::run(&mut world.command(line), PATIENCE, Input::NOTHING);
    assert_eq!(run.code, Some(2), "{line}: {}", run.stderr);
    assert!(run.stderr.contains(why), "{line}: {}", run.stderr);
}

#[test]
fn invalid_tls_arguments_are_reported_at_startup() {
    let (world, _authority) = certified("websockify-tls-wrong");
    for (line, why) in [
        (
            "--cert self.pem 6080 VNC",
            "cannot read self.pem: No such file",
        ),
        (
            "--cert cert.pem 6080 VNC",
            "cert.pem contains no private key",
        ),
        (
            "--ssl-only 6080 VNC",
            "--ssl-only needs a certificate: name its file with --cert, as there is no self.pem here",
        ),
        ("--key key.pem 6080 VNC", "--key needs a certificate"),
        (
            "--verify-client --cafile ca.pem 6080 VNC",
            "--verify-client needs a certificate",
        ),
        (
            "--cert novnc.pem --verify-client 6080 VNC",
            "--cafile <FILE>",
        ),
        #[cfg(not(feature = "legacy-tls"))]
        (
            "--cert novnc.pem --ssl-version tlsv1_1 6080 VNC",
            "write tlsv1_2 or tlsv1_3: older ones need the feature `legacy-tls`",
        ),
        (
            "--cert novnc.pem --ssl-version sslv3 6080 VNC",
            "write tlsv1_2 or tlsv1_3",
        ),
        (
            "--cert novnc.pem --ssl-ciphers HIGH 6080 VNC",
            "--ssl-ciphers of websockify is not supported: cipher suites cannot be chosen",
        ),
        (
            "--cert novnc.pem --key-password secret 6080 VNC",
            "--key-password of websockify is not supported: encrypted keys are not read",
        ),
        (
            "--ssl-target 6080 --unix-target vnc.sock",
            "--ssl-target needs a TCP target",
        ),
        (
            "--ssl-target --token-plugin UnixDomainSocketDirectory --token-source sockets 6080",
            "--ssl-target needs a TCP target",
        ),
    ] {
        refused(&world, line, why);
    }
}
