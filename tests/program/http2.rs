//! WebSocket over HTTP/2 (RFC 8441), with prior knowledge: many on one connection, beside ordinary
//! requests, and each of them as over TCP.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use h2::Reason;
use polysock::{
    Accept, BoxError, Close, CloseCode, ConnectionError, Gateway, Handshake, Pages, Rejection,
    Settings, Side,
};
use polysock_test_support::client::Client;
use polysock_test_support::frame::{close, frame, unmasked};
use polysock_test_support::gateway;
use polysock_test_support::http2::{GET, Peer, connect, http2_frame, preface, run};
use polysock_test_support::opening::RFC6455;
use polysock_test_support::tcp::raw_echo_server;
use tokio::time::{sleep, timeout};

use crate::POLYSOCK;

const MIB: usize = 1024 * 1024;

#[test]
fn many_websockets_and_ordinary_requests_share_a_connection() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut sockets = Vec::new();
        for _ in 0..5 {
            sockets.push(peer.websocket().await);
        }
        let payloads = [0, 1, 125, 126, 65_535, 65_536, 200_000].map(|len| vec![b'x'; len]);
        for payload in &payloads {
            for socket in &mut sockets {
                let message = frame(0x82, payload);
                // A window may be shut until the echo is read.
                let expected = unmasked(0x82, payload);
                let (first, rest) = message.split_at(message.len() / 2);
                socket.send(first).await;
                socket.send(rest).await;
                socket.expect(expected).await;
            }
        }
        let (answer, body) = peer.ask("GET", "/").await;
        assert_eq!(answer.status(), 404, "HTTP/2 has no upgrade to require");
        assert_eq!(body, b"this port speaks WebSocket\n");
        for socket in &mut sockets {
            socket.send(frame(0x81, "still here")).await;
            socket.expect(unmasked(0x81, "still here")).await;
        }
    });
}

#[test]
fn pages_are_served_as_over_http_1() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "chat"]);
        let mut peer = Peer::connect(server.address).await;
        let (answer, page) = peer.ask("GET", "/").await;
        assert_eq!(answer.status(), 200);
        assert!(page.starts_with(b"<!"), "{}", page.escape_ascii());
        let fields = answer.headers();
        assert_eq!(fields["content-type"], "text/html; charset=utf-8");
        assert_eq!(fields["content-length"], page.len().to_string().as_str());
        assert!(fields.contains_key("date"), "{fields:?}");
        let (answer, body) = peer.ask("HEAD", "/").await;
        assert_eq!(
            answer.headers()["content-length"],
            page.len().to_string().as_str()
        );
        assert!(body.is_empty());
        for (method, target, status) in [
            ("GET", "/elsewhere", 404),
            ("POST", "/", 405),
            ("CONNECT", "example.com:80", 405),
        ] {
            let (answer, body) = peer.ask(method, target).await;
            assert_eq!(answer.status(), status, "{method}");
            assert!(!body.is_empty(), "{method}");
        }
    });
}

#[test]
fn frames_are_put_together_however_data_is_cut() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut socket = peer.websocket().await;
        let fragments = [
            frame(0x01, "Hel"),
            frame(0x89, "ping"),
            frame(0x80, "lo"),
            frame(0x81, "next"),
        ];
        for byte in fragments.concat().chunks(1) {
            socket.send(byte).await;
        }
        socket.expect(unmasked(0x8a, "ping")).await;
        socket.expect(unmasked(0x81, "Hello")).await;
        socket.expect(unmasked(0x81, "next")).await;
    });
}

#[test]
fn the_handshake_is_told_and_answered_as_over_http_1() {
    let application = |handshake: Handshake| async move {
        let request = handshake.request();
        assert_eq!(
            (request.protocol, &*request.target),
            ("rfc6455", "/chat?x=y")
        );
        assert_eq!((&*request.host, request.path()), ("localhost", "/chat"));
        assert_eq!(request.origin.as_deref(), Some("http://a.example"));
        assert_eq!(request.head.value("Cookie"), Some(&b"a=1; b=2"[..]));
        assert!(handshake.peer().is_some());
        let accept = Accept {
            subprotocol: request.subprotocols.get(1).cloned(),
            fields: vec![
                ("Set-Cookie".into(), "c=3".into()),
                ("Connection".into(), "x".into()),
            ],
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
fn compression_is_agreed_on_as_over_http_1() {
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        for (offer, answer) in [
            (
                "permessage-deflate; client_max_window_bits",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            ),
            (
                "x-webkit-deflate-frame",
                "x-webkit-deflate-frame; no_context_takeover",
            ),
        ] {
            let field = ("sec-websocket-extensions", offer);
            let (mut socket, fields) = peer.websocket_with(&[field]).await;
            assert_eq!(fields["sec-websocket-extensions"], answer);
            socket
                .send(frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"))
                .await;
            socket.expect(unmasked(0x81, "Hello")).await;
            // A long run of one letter is worth it.
            socket.send(frame(0x81, "x".repeat(1000))).await;
            assert_eq!(socket.take(1).await[..], [0xc1]);
        }
    });
}

#[test]
fn a_refused_handshake_is_the_status_of_the_response() {
    let settings = Settings {
        origins: polysock::Origins::Listed(vec!["none".into(), "http://a.example".into()]),
        ..Settings::default()
    };
    let application = |handshake: Handshake| async move {
        if handshake.request().origin.is_some() {
            return Ok(());
        }
        let mut rejection = Rejection::new(401, "who are you?");
        let fields = [("WWW-Authenticate", "Basic"), ("Connection", "close")];
        rejection
            .fields
            .extend(fields.map(|(name, value)| (name, value.to_owned())));
        Ok::<_, BoxError>(handshake.reject(rejection).await?)
    };
    let address = gateway::serve(Gateway::with_settings(
        application,
        settings,
        Pages::default(),
    ));
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
        // The name is compared without regard to case.
        let (status, ..) = peer.refused("WebSocket", &[version]).await;
        assert_eq!(status, 401);
    });
}

#[test]
fn a_close_ends_the_stream_and_no_other() {
    run(async {
        let mut server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut other = peer.websocket().await;

        let mut socket = peer.websocket().await;
        let line = server.log_line(" open ");
        assert!(line.contains("over=\"HTTP/2\""), "{line}");
        let reason = frame(0x88, b"\x0f\xa0bye");
        socket.send(&reason).await;
        socket.expect(unmasked(0x88, b"\x0f\xa0")).await;
        socket.ended().await;
        socket.finish();
        let line = server.log_line(" close ");
        assert!(
            line.contains("code=4000 reason=\"bye\" by=\"client\""),
            "{line}"
        );

        // One that does not end its side is reset without an error (RFC 9113 §8.1).
        let mut lazy = peer.websocket().await;
        lazy.send(close(1000)).await;
        lazy.expect(unmasked(0x88, b"\x03\xe8")).await;
        lazy.ended().await;
        assert_eq!(lazy.was_reset().await, Reason::NO_ERROR);
        server.log_line(" close ");

        let mut breach = peer.websocket().await;
        breach.send(b"\x81\x02hi").await;
        let close = unmasked(0x88, b"\x03\xeaunmasked frame from a client");
        breach.expect(close).await;
        breach.ended().await;
        server.log_line(" close ");

        // What stands for FIN and RST of TCP.
        let mut finished = peer.websocket().await;
        finished.finish();
        finished.ended().await;
        let line = server.log_line(" close ");
        assert!(line.contains("code=1006"), "{line}");
        peer.websocket().await.reset();
        let line = server.log_line(" close ");
        assert!(line.contains("code=1006"), "{line}");

        other.send(frame(0x81, "still here")).await;
        other.expect(unmasked(0x81, "still here")).await;
        // The connection ends, and its streams with it.
        drop(peer);
        let line = server.log_line(" close ");
        assert!(line.contains("code=1006"), "{line}");
    });
}

#[test]
fn an_application_is_told_how_the_stream_ended() {
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

#[test]
fn of_a_hundred_one_that_does_not_read_stops_no_other() {
    const COUNT: usize = 100;
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut peer = Peer::connect(server.address).await;
        let mut sockets = Vec::new();
        for _ in 0..COUNT {
            sockets.push(peer.websocket().await);
        }
        let mut stuck = sockets.pop().unwrap();
        let message = frame(0x82, vec![7; 10_000]);
        let sent = stuck.send_until_stuck(&message).await;
        assert!(
            sent < MIB,
            "{sent} bytes were taken of one that does not read"
        );
        let (before, _) = server.memory();
        let large = vec![9; 200_000];
        for _ in 0..3 {
            for socket in &mut sockets {
                socket.send(frame(0x82, &large)).await;
            }
            for socket in &mut sockets {
                socket.expect(unmasked(0x82, &large)).await;
            }
        }
        let (_, highest) = server.memory();
        let growth = highest.saturating_sub(before);
        assert!(growth < 64 * MIB, "memory grew by {growth} bytes");
        // Nothing of it was lost.
        let echo = unmasked(0x82, vec![7; 10_000]);
        for _ in 0..sent / message.len() {
            stuck.expect(&echo).await;
        }
        stuck.send(&message[sent % message.len()..]).await;
        stuck.expect(&echo).await;
    });
}

#[test]
fn is_known_by_its_preface_however_it_comes() {
    let server = POLYSOCK.serve(&["--app", "echo"]);
    let headers = http2_frame(1, 4, 1, &connect());
    let data = http2_frame(0, 0, 1, &frame(0x81, "Hello"));
    let whole = [preface(), headers, data].concat();
    let echo = http2_frame(0, 0, 1, &unmasked(0x81, "Hello"));
    for cut in [1, 2, 3, 4, 11, 12, 13, 24, 25, 33, 60, whole.len()] {
        let mut client = server.connect();
        for part in whole.chunks(cut) {
            client.send(part);
        }
        let mut answer = Vec::new();
        while !answer.ends_with(&echo) {
            let bytes = client.read_once();
            assert!(!bytes.is_empty(), "{}", answer.escape_ascii());
            answer.extend(bytes);
        }
        // SETTINGS come first: those of a WebSocket server (RFC 8441 §3).
        assert_eq!(answer[3], 4);
        let settings: Vec<_> = answer[9..9 + usize::from(answer[2])].chunks(6).collect();
        assert!(
            settings.contains(&&b"\0\x08\0\0\0\x01"[..]),
            "{settings:02x?}"
        );
    }
}

#[test]
fn is_closed_without_a_word_where_it_is_off() {
    let server = POLYSOCK.serve(&["--app", "echo", "--http2", "off"]);
    let mut client = server.connect();
    client.send(preface());
    client.gone();
    let (_, head) = server.ask(RFC6455);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[test]
fn is_not_offered_where_no_protocol_is_spoken_on_streams() {
    let server = POLYSOCK.serve(&["--app", "echo", "--protocols", "legacy"]);
    let mut client = server.connect();
    client.send(preface());
    let answer = client.read_once();
    let settings: Vec<_> = answer[9..9 + usize::from(answer[2])].chunks(6).collect();
    assert!(
        !settings.contains(&&b"\0\x08\0\0\0\x01"[..]),
        "{settings:02x?}"
    );
}

#[test]
fn a_first_request_that_does_not_come_has_a_deadline() {
    let server = POLYSOCK.serve(&["--app", "echo", "--handshake-timeout", "500ms"]);
    let began = Instant::now();
    let half_a_head = http2_frame(1, 0, 1, GET);
    for sent in [
        b"PRI * HTTP/2.0\r\n\r\nSM".to_vec(),
        preface(),
        [preface(), half_a_head].concat(),
    ] {
        let mut client = server.connect();
        client.send(sent);
        client.gone();
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn is_relayed_to_a_byte_stream_and_to_a_websocket_server() {
    run(async {
        let echo = POLYSOCK.serve(&["--app", "echo"]);
        for url in [
            format!("tcp://{}", raw_echo_server()),
            format!("ws://{}", echo.address),
        ] {
            let server = POLYSOCK.serve(&[&url]);
            let mut peer = Peer::connect(server.address).await;
            let (mut socket, fields) = peer
                .websocket_with(&[("sec-websocket-protocol", "binary")])
                .await;
            assert_eq!(fields["sec-websocket-protocol"], "binary", "{url}");
            socket.send(frame(0x82, "Hello")).await;
            socket.expect(unmasked(0x82, "Hello")).await;
            socket.send(close(1000)).await;
            socket.expect(unmasked(0x88, b"\x03\xe8")).await;
            socket.ended().await;
        }
    });
}

#[test]
fn an_upstream_that_does_not_read_stops_its_own_stream_only() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let server = POLYSOCK.serve(&[&url]);
        let mut peer = Peer::connect(server.address).await;
        let mut stuck = peer.websocket().await;
        let silent = listener.accept().unwrap().0;
        let mut other = peer.websocket().await;
        let mut reading = Client::over(listener.accept().unwrap().0);
        let (before, _) = server.memory();
        let sent = stuck.send_until_stuck(&frame(0x82, vec![7; 100_000])).await;
        let read = tokio::task::spawn_blocking(move || reading.expect(vec![8; 600_000]));
        for _ in 0..20 {
            other.send(frame(0x82, vec![8; 30_000])).await;
        }
        read.await.unwrap();
        let (_, highest) = server.memory();
        let growth = highest.saturating_sub(before);
        assert!(
            growth < 8 * MIB,
            "memory grew by {growth} bytes after {sent} sent"
        );
        drop(silent);
    });
}

#[test]
fn every_stream_is_told_of_a_shutdown() {
    run(async {
        let slow = ["--close-timeout", "10m", "--shutdown-timeout", "10m"];
        let mut server = POLYSOCK.serve(&[&["--app", "echo"][..], &slow].concat());
        let mut peer = Peer::connect(server.address).await;
        let mut sockets = Vec::new();
        for _ in 0..3 {
            sockets.push(peer.websocket().await);
        }
        server.signal("TERM");
        for socket in &mut sockets {
            socket.expect(unmasked(0x88, b"\x03\xe9")).await;
        }
        for socket in &mut sockets {
            socket.send(close(1001)).await;
            socket.ended().await;
            socket.finish();
        }
        // GOAWAY without an error, when the last is gone.
        peer.ended.await.unwrap().unwrap();
        let (code, log) = server.ends_within(Duration::from_secs(20));
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.matches("code=1001").count(), 3, "{log}");
        assert!(!log.contains("panicked"), "{log}");
    });
}

/// The time of this test is not that of the world: it passes while nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_connection_without_streams_is_closed_after_some_time() {
    let settings = Settings {
        ping_interval: None,
        ..Settings::default()
    };
    let gateway = Gateway::with_settings(polysock::apps::echo, settings, Pages::default());
    let (ours, theirs) = tokio::io::duplex(MIB);
    tokio::spawn(async move { gateway.serve_connection(theirs).await });
    let mut peer = Peer::over(ours).await;
    let mut socket = peer.websocket().await;
    // One that is open is enough, however silent.
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
fn a_shutdown_is_not_held_up_by_an_idle_connection() {
    let mut server = POLYSOCK.serve(&["--app", "echo", "--shutdown-timeout", "10m"]);
    let mut idle = server.connect();
    idle.send([preface(), http2_frame(1, 5, 1, GET)].concat());
    // The answer has a text.
    let mut answer = Vec::new();
    while !answer.ends_with(b"WebSocket\n") {
        answer.extend(idle.read_once());
    }
    server.signal("TERM");
    // It answers neither GOAWAY nor PING.
    let (code, log) = server.ends_within(Duration::from_secs(20));
    assert_eq!(code, Some(0), "{log}");
    let rest = idle.rest();
    assert!(rest.len() > 9 && rest[3] == 7, "no GOAWAY: {rest:02x?}");
}

#[test]
fn one_that_does_not_read_is_given_up_and_reset() {
    run(async {
        let arguments = ["--app", "echo", "--ping-interval", "500ms"];
        let mut server = POLYSOCK.serve(&arguments);
        let mut peer = Peer::connect(server.address).await;
        let mut stuck = peer.websocket().await;
        stuck.send_until_stuck(&frame(0x82, vec![7; 10_000])).await;
        assert_eq!(stuck.was_reset().await, Reason::CANCEL);
        let line = server.log_line(" close ");
        assert!(line.contains("code=1001"), "{line}");
        let (answer, _) = peer.ask("GET", "/").await;
        assert_eq!(answer.status(), 404);
    });
}

#[test]
fn a_shutdown_is_not_held_up_by_one_that_does_not_read() {
    run(async {
        let arguments = ["--app", "echo", "--close-timeout", "200ms"];
        let mut server = POLYSOCK.serve(&[&arguments[..], &["--shutdown-timeout", "15s"]].concat());
        let mut peer = Peer::connect(server.address).await;
        let mut stuck = peer.websocket().await;
        stuck.send_until_stuck(&frame(0x82, vec![7; 10_000])).await;
        server.signal("TERM");
        let (code, log) = server.ends_within(Duration::from_secs(20));
        assert_eq!(code, Some(0), "{log}");
    });
}

#[test]
fn an_idle_websocket_costs_a_few_kilobytes() {
    const PEERS: usize = 20;
    const EACH: usize = 100;
    run(async {
        let server = POLYSOCK.serve(&["--app", "echo"]);
        let mut first = Peer::connect(server.address).await;
        let mut socket = first.websocket().await;
        socket.send(frame(0x81, "hi")).await;
        socket.expect(unmasked(0x81, "hi")).await;
        let (before, _) = server.memory();
        let mut peers = Vec::new();
        let mut sockets = Vec::new();
        for _ in 0..PEERS {
            let mut peer = Peer::connect(server.address).await;
            for _ in 0..EACH {
                sockets.push(peer.websocket().await);
            }
            peers.push(peer);
        }
        for socket in &mut sockets {
            socket.send(frame(0x81, "hi")).await;
            socket.expect(unmasked(0x81, "hi")).await;
        }
        let (after, _) = server.memory();
        let each = after.saturating_sub(before) / (PEERS * EACH);
        eprintln!("an idle WebSocket on HTTP/2 takes {each} bytes");
        assert!(each < 8192, "an idle WebSocket takes {each} bytes");
    });
}
