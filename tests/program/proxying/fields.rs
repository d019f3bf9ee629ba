//! The fields that are forwarded to the other side.

use polysock_test_support::http2::Peer;
use polysock_test_support::opening::{RFC6455, assert_status, with};

use super::{GET, WebServer, ok, sorted};

#[test]
fn a_request_is_forwarded_without_hop_by_hop_fields() {
    let (server, gateway) = WebServer::behind(&[]);
    let host = server.url().replace("http://", "");
    for (request, expected) in [
        (
            GET.replace("/ ", "/a//b%2f?c=d&e "),
            vec!["GET /a//b%2f?c=d&e HTTP/1.1"],
        ),
        (
            GET.replace("/ ", "http://b.example/x?y ")
                .replace(": a", ": b.example"),
            vec!["GET /x?y HTTP/1.1"],
        ),
        (
            GET.replace("GET / ", "OPTIONS * "),
            vec!["OPTIONS * HTTP/1.1"],
        ),
        (
            with(
                GET,
                "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAAA\r\nProxy-Authorization: b\r\nCookie: c=d\r\nX-Kept: \u{e4}\r\n",
            ),
            vec!["GET / HTTP/1.1", "Cookie: c=d", "X-Kept: \u{e4}"],
        ),
        (
            with(GET, "TE: trailers, gzip\r\nConnection: te\r\n"),
            vec!["GET / HTTP/1.1", "Connection: te", "Te: trailers"],
        ),
        (
            with(
                GET,
                "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n",
            ),
            vec!["GET / HTTP/1.1"],
        ),
    ] {
        let mut client = gateway.connect();
        client.send(&request);
        let (mut connection, head) = server.asked();
        let mut lines = sorted(&head);
        assert!(lines.contains(&format!("Host: {host}")), "{head}");
        assert!(
            lines.contains(&"X-Forwarded-For: 127.0.0.1".to_owned()),
            "{head}"
        );
        let is_ours = |line: &String| {
            ["Host: ", "X-Forwarded-", "X-Real-"]
                .iter()
                .any(|start| line.starts_with(start))
        };
        lines.retain(|line| !is_ours(line));
        assert_eq!(lines, expected, "{request}");
        connection.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert_status(&client.head(), 204);
    }
}

#[test]
fn an_answer_is_returned_without_hop_by_hop_fields() {
    let (server, gateway) = WebServer::behind(&[]);
    for (method, answer, expected, body) in [
        (
            "GET",
            "HTTP/1.1 404 No\r\nContent-Length: 3\r\nConnection: X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a\r\n\
             Set-Cookie: b\r\nServer: s\r\n\r\nabc",
            &[
                "HTTP/1.1 404 Not Found",
                "Content-Length: 3",
                "Server: s",
                "Set-Cookie: a",
                "Set-Cookie: b",
            ][..],
            "abc",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            &["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"],
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
            &["HTTP/1.1 200 OK", "Content-Length: 3"],
            "",
        ),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\n\r\n",
            &["HTTP/1.1 204 No Content"],
            "",
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
            &["HTTP/1.1 304 Not Modified", "Etag: x"],
            "",
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            &["HTTP/1.1 200 OK", "Content-Length: 0"],
            "",
        ),
    ] {
        let mut client = gateway.connect();
        client.send(GET.replace("GET", method));
        let (mut connection, _) = server.asked();
        connection.send(answer);
        assert_eq!(sorted(&client.head()), expected, "{answer}");
        client.expect(body);
        // No more bytes follow the body.
        client.send(GET);
        connection.head();
        connection.send(ok("next"));
        client.head();
        client.expect("next");
    }
}

#[test]
fn an_invalid_answer_is_a_bad_gateway() {
    let (server, gateway) = WebServer::behind(&[]);
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 OK\r\nX: ",
        "",
    ] {
        let mut client = gateway.connect();
        client.send(GET);
        let (mut connection, _) = server.asked();
        connection.send(answer);
        drop(connection);
        assert_status(&client.head(), 502);
    }
}

#[test]
fn connect_and_trace_are_refused() {
    let (server, gateway) = WebServer::behind(&[]);
    for (request, status) in [
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ] {
        gateway.answers(request, status);
    }
    server.0.set_nonblocking(true).unwrap();
    assert!(server.0.accept().is_err());
}

#[test]
fn a_path_in_the_url_is_joined_with_the_clients() {
    let server = WebServer::new();
    for (path, asked, expected) in [
        ("/", "/x?y", "/x?y"),
        ("/app/", "/x?y", "/app/x?y"),
        ("/app", "/x?y", "/app?y"),
        ("/app/?k=1", "/x?y", "/app/x?k=1&y"),
    ] {
        let gateway = crate::POLYSOCK.serve(&[&format!("{}{path}", server.url())]);
        let mut client = gateway.connect();
        client.send(GET.replace("/ ", &format!("{asked} ")));
        let (_connection, head) = server.asked();
        assert!(
            head.starts_with(&format!("GET {expected} HTTP/1.1\r\n")),
            "{head}"
        );
        if path.len() > 1 && path.ends_with('/') {
            gateway.answers(GET.replace("/ ", "/../x "), 400);
        }
    }
}

#[test]
fn the_user_of_the_url_replaces_the_clients_authorization() {
    let server = WebServer::new();
    let url = server.url().replace("http://", "http://me:secret@");
    let gateway = crate::POLYSOCK.serve(&[&url]);
    let mut client = gateway.connect();
    client.send(with(GET, "Authorization: Bearer x\r\n"));
    let (_connection, head) = server.asked();
    assert!(
        head.contains("\r\nAuthorization: Basic bWU6c2VjcmV0\r\n"),
        "{head}"
    );
    assert!(!head.contains("Bearer"), "{head}");
}

#[test]
fn a_websocket_is_relayed_in_addition_to_ordinary_requests() {
    let (server, gateway) = WebServer::behind(&[]);
    let mut client = gateway.connect();
    client.send(GET);
    let (mut connection, _) = server.asked();
    connection.send(ok("page"));
    client.head();
    client.expect("page");
    client.send(RFC6455);
    let (_second, head) = server.asked();
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{head}");
}

#[tokio::test]
async fn http_2_requests_are_forwarded_over_http_1() {
    let (server, gateway) = WebServer::behind(&[]);
    let mut peer = Peer::connect(gateway.address).await;
    let asked = std::thread::spawn(move || {
        let (mut connection, head) = server.asked();
        connection.send(
            "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Kept: 2\r\n\
            Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        );
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        head
    });
    let (answer, body) = peer.ask("GET", "/x?y").await;
    assert_eq!((answer.status().as_u16(), &body[..]), (200, &b"abc"[..]));
    let fields = answer.headers();
    assert!(!fields.contains_key("x-hop") && !fields.contains_key("transfer-encoding"));
    assert_eq!(fields["x-kept"], "2");
    let (answer, body) = peer.ask("HEAD", "/").await;
    assert_eq!(
        (&answer.headers()["content-length"], body.len()),
        (&"5".parse().unwrap(), 0)
    );
    let refused = peer.ask("TRACE", "/").await;
    assert_eq!(refused.0.status().as_u16(), 501);
    let head = tokio::task::spawn_blocking(|| asked.join().unwrap())
        .await
        .unwrap();
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\nX-Forwarded-Host: localhost\r\n"),
        "{head}"
    );
}
