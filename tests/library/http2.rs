//! WebSocket over HTTP/2 (RFC 8441): the requests that an application sees, and its answers.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use h2::Reason;
use hyper::{Request, Response};
use polysock::protocols::SessionConfig;
use polysock::{
    Accept, Body, BoxError, Close, CloseCode, ConnectionError, Fields, Gateway, Handshake,
    PortSettings, Rejection, Service, Side, Site, SiteSettings,
};
use polysock_test_support::client::Client;
use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::gateway;
use polysock_test_support::hostile::{END_HEADERS, HEADERS, Hostile, RST_STREAM, streams};
use polysock_test_support::http2::{Peer, connect, http2_frame, run};
use tokio::time::{sleep, timeout};

#[test]
fn a_handshake_over_http2_is_passed_on_and_answered_as_over_http_1() {
    let application = |handshake: Handshake| async move {
        let request = handshake.request();
        assert_eq!(
            (request.protocol.name(), &*request.target),
            ("rfc6455", "/chat?x=y")
        );
        assert_eq!((&*request.host, request.path()), ("localhost", "/chat"));
        assert_eq!(request.origin.as_deref(), Some("http://a.example"));
        assert_eq!(request.head.value("Cookie"), Some(&b"a=1; b=2"[..]));
        assert!(handshake.peer().address.is_some());
        let accept = Accept {
            subprotocol: request.subprotocols.get(1).cloned(),
            fields: Fields::from([("Set-Cookie", "c=3"), ("Connection", "x")]),
            ..Accept::default()
        };
        let mut connection = handshake.accept(accept).await?;
        assert_eq!(connection.subprotocol().map(|name| &**name), Some("b"));
        let text = connection.next().await.unwrap()?;
        connection.send(text).await?;
        Ok(connection.close(Some(CloseCode::NORMAL.into())).await?)
    };
    let address = gateway::serve(Gateway::new(application));
    run(async move {
        let mut peer = Peer::connect(address).await;
        let (mut socket, fields) = peer
            .websocket_with(&[
                ("origin", "http://a.example"),
                ("sec-websocket-protocol", "a"),
                ("sec-websocket-protocol", "b"),
                ("cookie", "a=1"),
                ("cookie", "b=2"),
            ])
            .await;
        assert_eq!(fields["sec-websocket-protocol"], "b");
        assert_eq!(fields["set-cookie"], "c=3");
        for absent in ["sec-websocket-accept", "connection", "upgrade"] {
            assert!(!fields.contains_key(absent), "{absent}");
        }
        socket.send(frame(0x81, "Hello")).await;
        socket.expect(unmasked(0x81, "Hello")).await;
        // The server closes first, and waits for the answer.
        socket.expect(unmasked(0x88, b"\x03\xe8")).await;
        socket.send(close(1000)).await;
        socket.ended().await;
    });
}

#[test]
fn a_refused_handshake_sets_the_status_of_the_response() {
    let settings = SiteSettings {
        origins: polysock::Origins::Listed(vec![
            "none".parse().unwrap(),
            "http://a.example".parse().unwrap(),
        ]),
        ..SiteSettings::default()
    };
    let application = |handshake: Handshake| async move {
        if handshake.request().origin.is_some() {
            return Ok(());
        }
        let mut rejection = Rejection::new(401, "who are you?");
        let fields = [("WWW-Authenticate", "Basic"), ("Connection", "close")];
        rejection.fields.extend(fields);
        handshake.reject(rejection);
        Ok::<_, BoxError>(())
    };
    let site = Site::new(application).with_settings(settings);
    let address = gateway::serve(Gateway::with_site(site, PortSettings::default()));
    run(async move {
        let mut peer = Peer::connect(address).await;
        let version = ("sec-websocket-version", "13");
        let (status, fields, text) = peer.refused("websocket", &[version]).await;
        assert_eq!((status, &*text), (401, "who are you?\n"));
        assert_eq!(fields["www-authenticate"], "Basic");
        assert!(!fields.contains_key("connection"));
        let (evil, own) = (
            ("origin", "http://b.example"),
            ("origin", "http://a.example"),
        );
        for (protocol, fields, status, part) in [
            ("websocket", &[version, evil][..], 403, "origin"),
            ("websocket", &[version, own], 500, "did not answer"),
            ("websocket", &[("sec-websocket-version", "8")], 400, "is 13"),
            ("websocket", &[], 400, "is 13"),
            (
                "websocket",
                &[version, ("sec-websocket-protocol", "a b")],
                400,
                "Protocol",
            ),
            ("connect-udp", &[version], 501, ":protocol"),
        ] {
            let (refused, fields, text) = peer.refused(protocol, fields).await;
            assert_eq!(refused, status, "{text}");
            assert!(text.contains(part), "{text}");
            let versions = fields.get("sec-websocket-version");
            assert_eq!(versions.is_some(), part == "is 13", "{fields:?}");
        }
        // The protocol name is compared without regard to case.
        let (status, ..) = peer.refused("WebSocket", &[version]).await;
        assert_eq!(status, 401);
    });
}

#[test]
fn an_application_learns_how_the_stream_ended() {
    let (sender, mut ends) = tokio::sync::mpsc::channel(1);
    let application = move |handshake: Handshake| {
        let sender = sender.clone();
        async move {
            let mut connection = handshake.accept(Accept::default()).await?;
            let end = connection.next().await;
            let closed = connection.closed().cloned();
            sender.send((end, closed)).await.unwrap();
            Ok(())
        }
    };
    let address = gateway::serve(Gateway::new(application));
    run(async move {
        let mut peer = Peer::connect(address).await;
        let mut closing = peer.websocket().await;
        closing.send(frame(0x88, b"\x0f\xa0bye")).await;
        closing.expect(unmasked(0x88, b"\x0f\xa0")).await;
        let (end, closed) = ends.recv().await.unwrap();
        assert!(end.is_none(), "{end:?}");
        let closed = closed.unwrap();
        let close = Close::new(CloseCode::new(4000).unwrap(), "bye");
        assert_eq!(
            (closed.clean, closed.by, closed.close),
            (true, Side::Peer, Some(close))
        );

        let mut finished = peer.websocket().await;
        finished.finish();
        let (end, closed) = ends.recv().await.unwrap();
        assert!(
            matches!(end, Some(Err(ConnectionError::Aborted))),
            "{end:?}"
        );
        assert!(!closed.unwrap().clean);

        peer.websocket().await.reset();
        let (end, closed) = ends.recv().await.unwrap();
        let Some(Err(ConnectionError::Io(error))) = end else {
            panic!("{end:?}");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(!closed.unwrap().clean);
    });
}

/// A page that is larger than any window.
struct Page;

impl Service for Page {
    fn call(&self, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let page = Bytes::from(vec![b'x'; 1 << 20]);
        Box::pin(ready(Response::new(Body::from(page))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_its_answer_is_closed() {
    let site = Site::new(polysock::apps::echo).with_http(Page);
    let gateway = Gateway::with_site(site, PortSettings::default());
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        gateway
            .serve_connection(theirs, polysock::Peer::default())
            .await;
    });
    let mut peer = Peer::over(ours).await;
    let mut answer = peer.asked("GET", "/").await.into_body();
    let since = tokio::time::Instant::now();
    // The client reads the received data, and opens no window for more.
    let end = loop {
        match answer.data().await.expect("more to come") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(end.reason(), Some(Reason::CANCEL));
    assert_eq!(since.elapsed().as_secs(), 30);
    // Clients that read their answers are still served.
    let (_, page) = peer.ask("GET", "/").await;
    assert_eq!(page.len(), 1 << 20);
}

/// Time is paused in this test: it advances only while all tasks are idle.
#[tokio::test(start_paused = true)]
async fn a_connection_without_streams_is_closed_after_some_time() {
    let site = Site::new(polysock::apps::echo).with_settings(SiteSettings {
        session: SessionConfig::default(),
        ..SiteSettings::default()
    });
    let gateway = Gateway::with_site(site, PortSettings::default());
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        gateway
            .serve_connection(theirs, polysock::Peer::default())
            .await;
    });
    let mut peer = Peer::over(ours).await;
    let mut socket = peer.websocket().await;
    // One open stream keeps the connection, even if it is silent.
    sleep(Duration::from_secs(3600)).await;
    socket.send(frame(0x81, "Hello")).await;
    socket.expect(unmasked(0x81, "Hello")).await;
    socket.send(close(1000)).await;
    socket.expect(unmasked(0x88, b"\x03\xe8")).await;
    socket.ended().await;
    socket.finish();
    let (answer, _) = peer.ask("GET", "/").await;
    assert_eq!(answer.status(), 404);
    let since = tokio::time::Instant::now();
    let ended = timeout(Duration::from_secs(3600), peer.ended).await;
    ended.expect("it is closed").unwrap().unwrap();
    let seconds = since.elapsed().as_secs();
    assert!((75..=150).contains(&seconds), "after {seconds} seconds");
}

#[test]
fn a_flood_of_immediately_reset_streams_is_not_fully_served() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    // A slow application, such as one that queries a database.
    let application = move |handshake: Handshake| {
        let count = Arc::clone(&count);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
            drop(handshake);
            Ok::<_, BoxError>(())
        }
    };
    let address = gateway::serve(Gateway::new(application));
    let mut hostile = Hostile::over(Client::connect(address));
    for id in streams(100_000) {
        let open = http2_frame(HEADERS, END_HEADERS, id, &connect());
        let reset = http2_frame(RST_STREAM, 0, id, &8_u32.to_be_bytes());
        if !hostile.send(&[open, reset].concat()) {
            break;
        }
    }
    hostile.is_calmed();
    let served = served.load(Ordering::SeqCst);
    assert!(served <= 128, "{served} handshakes were served at a time");
}
