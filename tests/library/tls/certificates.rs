//! The certificates of servers and clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use polysock::apps::echo;
use polysock::tls::{Acceptor, ClientCertificates, IdentityFiles, ServerSettings};
use polysock::{Gateway, ListenAddress, PortSettings, Site, Workers};
use polysock_test_support::authority::Authority;
use polysock_test_support::frame::frame;
use polysock_test_support::gateway::serve;

use super::{echoes, opens, secure, tells};

#[test]
fn each_host_gets_its_certificate() {
    let authority = Authority::new();
    let issued = [["first.test"], ["*.wild.test"]].map(|names| authority.issue(&names));
    let files = issued.clone().map(|identity| IdentityFiles {
        certificate: identity.certificate,
        key: identity.key,
    });
    let settings = ServerSettings {
        identities: files.to_vec(),
        ..ServerSettings::default()
    };
    let port = PortSettings {
        tls: Some(Acceptor::new(settings).unwrap()),
        ..PortSettings::default()
    };
    let address = serve(Gateway::with_site(Site::new(echo), port));
    for (host, expected) in [
        ("first.test", Some(0)),
        ("x.wild.test", Some(1)),
        ("other.test", None),
    ] {
        let client = authority.client().connect(address, host);
        let Some(expected) = expected else {
            // The client gets the first certificate, which does not match.
            let error = client.err().unwrap().to_string();
            assert!(
                error.contains("only valid for DnsName(\"first.test\")"),
                "{error}"
            );
            continue;
        };
        let client = client.unwrap();
        let shown = client.connection().peer_certificates().unwrap();
        assert_eq!(shown[0], issued[expected].der(), "{host}");
    }
}

#[test]
fn a_client_certificate_is_verified_and_passed_on() {
    let (trusted, stranger) = (Authority::new(), Authority::new());
    let known = trusted.issue_to("desk, 7", &["desk-7.test"]);
    let unknown = stranger.issue_to("mallory", &["desk-7.test"]);
    let ca = trusted.file();
    let proved = "Some((\"CN=desk\\\\, 7,O=Polysock\", [\"desk-7.test\"]))";
    for (clients, nobody, expected) in [
        (ClientCertificates::Optional(ca.clone()), true, proved),
        (ClientCertificates::Required(ca.clone()), false, proved),
        (ClientCertificates::None, true, "None"),
    ] {
        let is_asked = clients != ClientCertificates::None;
        let (authority, port) = secure(|settings| {
            settings.clients = clients;
        });
        let address = serve(Gateway::with_site(Site::new(tells), port));
        // TLS 1.3 refuses a client after it has finished the handshake: the first read fails.
        let ask = |client: polysock_test_support::tls::Trusting| -> std::io::Result<String> {
            let mut client = client.connect(address, "a.test")?;
            client.send(polysock_test_support::opening::RFC6455);
            let mut read = [0; 4096];
            client.read(&mut read)?;
            client.send(frame(0x81, ""));
            let count = client.read(&mut read)?;
            Ok(String::from_utf8_lossy(&read[..count]).into_owned())
        };
        let told = ask(authority.client().with(&known)).unwrap();
        assert!(told.ends_with(expected), "{told}");
        let told = ask(authority.client());
        match nobody {
            true => assert!(told.unwrap().ends_with("None")),
            false => assert!(
                told.unwrap_err()
                    .to_string()
                    .contains("CertificateRequired")
            ),
        }
        let told = ask(authority.client().with(&unknown));
        match is_asked {
            true => assert!(told.unwrap_err().to_string().contains("UnknownCA")),
            false => assert!(told.unwrap().ends_with("None")),
        }
    }
}

#[test]
fn certificates_are_replaced_while_clients_connect() {
    let authority = Arc::new(Authority::new());
    let issued = [(); 3].map(|()| authority.issue(&["a.test"]));
    let site = authority.issue(&["a.test"]);
    site.replace_by(&issued[0]);
    let acceptor = Acceptor::read(&site.certificate, &site.key).unwrap();
    let port = PortSettings {
        tls: Some(acceptor.clone()),
        ..PortSettings::default()
    };
    let gateway = Gateway::with_site(Site::new(echo), port);
    let mut workers = Workers::start(2, Duration::ZERO).unwrap();
    let any = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
    let ListenAddress::Tcp(address) = workers.listen(&any, &gateway).unwrap() else {
        panic!("no port");
    };
    let mut before = authority.client().connect(address, "a.test").unwrap();
    opens(&mut before);

    let (stop, served) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load: Vec<_> = (0..2)
        .map(|_| {
            let (stop, served, authority) = (
                Arc::clone(&stop),
                Arc::clone(&served),
                Arc::clone(&authority),
            );
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut client = authority.client().connect(address, "a.test").unwrap();
                    opens(&mut client);
                    echoes(&mut client);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let shown = || {
        let client = authority.client().connect(address, "a.test").unwrap();
        let shown = client.connection().peer_certificates().unwrap();
        issued
            .iter()
            .position(|issued| issued.der() == shown[0])
            .unwrap()
    };
    let comes = |expected: usize| {
        let until = Instant::now() + Duration::from_secs(20);
        while shown() != expected {
            assert!(
                Instant::now() < until,
                "certificate {expected} does not come"
            );
        }
    };
    assert_eq!(shown(), 0);
    // By a change of the files, the certificate first and then the key.
    site.replace_by(&issued[1]);
    comes(1);
    // An invalid key changes nothing, and the caller gets the error.
    std::fs::write(&site.key, "no key").unwrap();
    let error = acceptor.read_again().unwrap_err().to_string();
    let expected = format!("{} contains no private key", site.key.display());
    assert!(error.contains(&expected), "{error}");
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(shown(), 1);
    // By an explicit call.
    site.replace_by(&issued[2]);
    acceptor.read_again().unwrap();
    assert_eq!(shown(), 2);
    stop.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().unwrap();
    }
    assert!(served.load(Ordering::Relaxed) > 10);
    echoes(&mut before);
    workers.stop();
}
