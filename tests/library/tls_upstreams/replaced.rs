//! TLS settings that are reloaded.

use polysock::protocols::Dial;
use polysock::tls::ClientTls;
use polysock::upstream::{UpstreamSettings, WebSocketUpstream};
use polysock_test_support::authority::Authority;
use polysock_test_support::client::Client;
use polysock_test_support::tls_server::TlsServer;

use super::web::{ask, proxy, tells};
use super::{assert_echoes, echoes, trusting};

#[tokio::test]
async fn new_connections_use_the_replaced_tls_settings() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = TlsServer::new(&new.issue(&["localhost"])).before(echoes());
    let tls = ClientTls::new(&trusting(&old)).unwrap();
    let settings = UpstreamSettings {
        tls: tls.clone(),
        ..UpstreamSettings::default()
    };
    let url = format!("wss://{}/", server.host());
    let upstream = WebSocketUpstream::parse(&url, settings).unwrap();
    assert!(upstream.dial(Dial::default()).await.is_err());
    tls.replace(&ClientTls::new(&trusting(&new)).unwrap());
    let before = upstream.dial(Dial::default()).await.unwrap();
    tls.replace(&ClientTls::new(&trusting(&old)).unwrap());
    assert!(upstream.dial(Dial::default()).await.is_err());
    // An open connection stays.
    assert_echoes(before).await;
}

#[test]
fn kept_connections_are_not_used_after_tls_settings_are_replaced() {
    let authority = Authority::new();
    let server = TlsServer::new(&authority.issue(&["localhost"])).before(tells());
    let tls = ClientTls::new(&trusting(&authority)).unwrap();
    let settings = UpstreamSettings {
        tls: tls.clone(),
        ..UpstreamSettings::default()
    };
    let gateway = proxy(&format!("https://{}", server.host()), settings);
    let mut client = Client::connect(gateway);
    for connections in [1, 1] {
        ask(&mut client);
        assert_eq!(server.met().len(), connections);
    }
    tls.replace(&ClientTls::new(&trusting(&authority)).unwrap());
    for connections in [2, 2] {
        ask(&mut client);
        assert_eq!(server.met().len(), connections);
    }
    // No TLS session is resumed either.
    assert!(server.met().iter().all(|met| !met.is_resumed));
}
