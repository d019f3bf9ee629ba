//! Limits of a site: the number of connections, and the time for an answer.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use polysock::apps::{Broadcaster, Chat, Relay, echo};
use polysock::upstream::{Client as UpstreamClient, Connected, Upstream, UpstreamError};
use polysock::{
    Application, BoxError, CloseCode, Gateway, Handshake, Overflow, PortSettings, Queue, Route,
    Site, SiteConnections, SiteSettings, Sites,
};
use polysock_test_support::client::Client;
use polysock_test_support::gateway::serve;
use polysock_test_support::http2::{self, run};
use polysock_test_support::member::{Member, Way};
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, RFC6455, assert_status, field};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

/// A port where `/few` has room for this many connections, and other paths for any number.
fn port(few: usize) -> Gateway {
    let connections = SiteConnections {
        total: few,
        ..SiteConnections::default()
    };
    let settings = SiteSettings {
        connections,
        ..SiteSettings::default()
    };
    let few = Site::new(echo).with_settings(settings);
    let few = Route {
        path: Some("/few".parse().unwrap()),
        ..Route::new(Arc::new(few))
    };
    let many = Route::new(Arc::new(Site::new(echo)));
    let sites = Arc::new(Sites::new(vec![few, many]));
    Gateway::with_sites(sites, PortSettings::default())
}

#[test]
fn a_full_site_refuses_clients_and_others_do_not() {
    let address = serve(port(2));
    let rfc6455 = |path: &str| RFC6455.replace("/chat", path).into_bytes();
    let hixie_76 = [HIXIE_76.replace("/demo", "/few").as_bytes(), HIXIE_76_BODY].concat();
    let ask = |request: &[u8]| {
        let mut client = Client::connect(address);
        client.send(request);
        let head = client.head();
        (client, head)
    };
    let (mut first, head) = ask(&rfc6455("/few"));
    assert_status(&head, 101);
    let (_second, head) = ask(&hixie_76);
    assert_status(&head, 101);
    for request in [&rfc6455("/few"), &hixie_76] {
        let (_, head) = ask(request);
        assert_status(&head, 503);
        assert!(field(&head, "retry-after").is_some(), "{head}");
    }
    run(async move {
        let mut peer = http2::Peer::connect(address).await;
        let version = [("sec-websocket-version", "13")];
        let (status, fields, text) = peer.refused_at("websocket", "/few", &version).await;
        assert_eq!(status, 503, "{text}");
        assert!(fields.contains_key("retry-after"));
        // The other streams of the client continue.
        peer.websocket().await;
    });
    let (_other, head) = ask(&rfc6455("/other"));
    assert_status(&head, 101);
    // Connections that have ended are not counted.
    first.send(b"\x88\x80\0\0\0\0");
    first.rest();
    drop(first);
    while !ask(&rfc6455("/few")).1.starts_with("HTTP/1.1 101 ") {}
}

/// An upstream that never connects.
#[derive(Debug)]
struct Never;

impl Upstream for Never {
    fn connect<'a>(
        &'a self,
        _: UpstreamClient<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_that_does_not_answer_in_time_is_cancelled() {
    let forgetful = |handshake: Handshake| async move {
        let _handshake = handshake;
        pending::<Result<(), BoxError>>().await
    };
    let settings = SiteSettings {
        handshake_timeout: Duration::from_secs(15),
        ..SiteSettings::default()
    };
    let site = |application: Box<dyn Fn() -> Site>| application().with_settings(settings.clone());
    let hixie_76 = [HIXIE_76.as_bytes(), HIXIE_76_BODY].concat();
    for request in [RFC6455.as_bytes(), &hixie_76] {
        for application in [
            Box::new(move || Site::new(forgetful)) as Box<dyn Fn() -> Site>,
            Box::new(|| Site::new(Relay::new(Arc::new(Never)))),
        ] {
            let gateway = Gateway::with_site(site(application), PortSettings::default());
            let mut client = Way::Memory(4096).go(gateway).await;
            let began = Instant::now();
            client.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
            assert_eq!(began.elapsed().as_secs(), 15);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_that_has_answered_has_no_deadline() {
    let settings = SiteSettings {
        handshake_timeout: Duration::from_secs(1),
        ..SiteSettings::default()
    };
    let site = Site::new(echo).with_settings(settings);
    let gateway = Gateway::with_site(site, PortSettings::default());
    let protocol = polysock::protocols::find_protocol("rfc6455").unwrap();
    let mut client = Member::open(Way::Memory(4096).go(gateway).await, protocol).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        client.send("Hello").await;
        assert_eq!(client.text().await, "Hello");
    }
}

#[tokio::test(start_paused = true)]
async fn each_application_has_its_own_overflow_policy() {
    let queue = Queue {
        messages: 8,
        overflow: Overflow::Disconnect,
        ..Queue::default()
    };
    async fn cut(application: impl Application) -> CloseCode {
        let gateway = Gateway::new(application);
        let protocol = polysock::protocols::find_protocol("rfc6455").unwrap();
        let mut slow = Member::open(Way::Memory(1024).go(gateway.clone()).await, protocol).await;
        let mut quick = Member::open(Way::Memory(1 << 20).go(gateway).await, protocol).await;
        for _ in 0..100 {
            quick.send("x".repeat(4096).as_str()).await;
            while quick.text().await.len() < 4096 {}
        }
        while slow.message().await.is_some() {}
        slow.closed().close.as_ref().unwrap().code
    }
    assert_eq!(
        cut(Broadcaster::new().queue(queue)).await,
        CloseCode::POLICY_VIOLATION
    );
    assert_eq!(
        cut(Chat::new().queue(queue)).await,
        CloseCode::POLICY_VIOLATION
    );
}
