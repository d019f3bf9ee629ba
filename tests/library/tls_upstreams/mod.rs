//! Upstreams that are reached over TLS.

mod bytes;
mod certificates;
mod replaced;
mod several;
mod web;

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use polysock::apps::echo;
use polysock::protocols::{Dial, PROTOCOLS};
use polysock::tls::{Authorities, ClientTls, ClientTlsSettings};
use polysock::upstream::{UpstreamError, UpstreamSettings, WebSocketUpstream};
use polysock::{Connection, Gateway, Message, PortSettings, Site};
use polysock_test_support::authority::Authority;
use polysock_test_support::gateway::serve;
use polysock_test_support::tls_server::TlsServer;

/// Settings that trust this authority.
fn trusting(authority: &Authority) -> ClientTlsSettings {
    ClientTlsSettings {
        authorities: Some(Authorities::read(authority.file()).unwrap()),
        ..ClientTlsSettings::default()
    }
}

/// Upstream settings with this TLS.
fn settings(tls: &ClientTlsSettings) -> UpstreamSettings {
    UpstreamSettings {
        tls: ClientTls::new(tls).unwrap(),
        ..UpstreamSettings::default()
    }
}

/// Starts an echo server in every protocol that assumes TLS in front.
fn echoes() -> SocketAddr {
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        secure: true,
        ..PortSettings::default()
    };
    serve(Gateway::with_site(Site::new(echo), settings))
}

async fn dial(url: &str, tls: &ClientTlsSettings) -> Result<Connection, UpstreamError> {
    let upstream = WebSocketUpstream::parse(url, settings(tls)).unwrap();
    upstream.dial(Dial::default()).await
}

/// Sends a message, and expects its echo.
async fn assert_echoes(mut connection: Connection) {
    connection.send("hello".into()).await.unwrap();
    let answer = connection.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::from("hello"));
    connection.close(None).await.unwrap();
}

#[tokio::test]
async fn a_tls_server_receives_its_name_and_alpn_for_http() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost", "127.0.0.1", "other.example"]);
    let server = TlsServer::new(&identity).with_alpn(&["h2", "http/1.1"]);
    let server = server.before(echoes());
    let url = format!("wss://{}/", server.host());
    assert_echoes(dial(&url, &trusting(&authority)).await.unwrap()).await;
    // RFC 6066 §3: an address is not sent as a server name.
    let url = format!("WSS://{}", server.address);
    assert_echoes(dial(&url, &trusting(&authority)).await.unwrap()).await;
    let tls = ClientTlsSettings {
        server_name: Some("other.example".parse().unwrap()),
        ..trusting(&authority)
    };
    assert_echoes(dial(&url, &tls).await.unwrap()).await;
    let met = server.met();
    let names: Vec<_> = met.iter().map(|met| met.name.as_deref()).collect();
    assert_eq!(names, [Some("localhost"), None, Some("other.example")]);
    for met in met {
        assert_eq!(met.alpn.as_deref(), Some("http/1.1"));
        assert_eq!(met.version, "1.3");
        assert!(!met.is_resumed && !met.has_certificate);
    }
}

#[tokio::test]
async fn every_protocol_is_dialled_over_tls() {
    let authority = Authority::new();
    let server = TlsServer::new(&authority.issue(&["localhost"])).before(echoes());
    for protocol in PROTOCOLS {
        let name = protocol.name().replace('-', "");
        let url = format!("wss+{name}://{}/chat", server.host());
        // The hixie protocols have a location. It begins with wss:// here, and is checked.
        let connection = dial(&url, &trusting(&authority)).await;
        let connection = connection.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(connection.protocol(), protocol.name());
        assert_echoes(connection).await;
    }
}

#[tokio::test]
async fn tls_sessions_are_resumed_by_upstreams_with_shared_settings() {
    let authority = Authority::new();
    let server = TlsServer::new(&authority.issue(&["localhost"])).before(echoes());
    let settings = settings(&trusting(&authority));
    let url = format!("wss://{}/", server.host());
    for _ in 0..2 {
        // Another upstream, with a clone of the settings.
        let upstream = WebSocketUpstream::parse(&url, settings.clone()).unwrap();
        assert_echoes(upstream.dial(Dial::default()).await.unwrap()).await;
    }
    let resumed: Vec<_> = server.met().iter().map(|met| met.is_resumed).collect();
    assert_eq!(resumed, [false, true]);
}

#[test]
fn a_host_that_no_certificate_can_have_is_refused() {
    for url in ["wss://a..b/", "tls://a..b:1", "https://-/"] {
        let parsed = polysock::upstream::parse(url, UpstreamSettings::default());
        let error = parsed.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("`{url}`: the host is not valid in a certificate")
        );
    }
}
