//! Requests whose client or server disconnects, or that time out.

use std::net::TcpListener;

use polysock_test_support::http2::Peer;
use polysock_test_support::opening::assert_status;

use super::{GET, WebServer};
use crate::POLYSOCK;

#[test]
fn an_unreachable_server_is_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut gateway = POLYSOCK.serve(&[&format!("http://{address}")]);
    let (mut client, _) = gateway.answers(GET, 502);
    // The connection to the client stays open.
    client.take("the upstream cannot be reached\n".len());
    client.send(GET);
    assert_status(&client.head(), 502);
    let line = gateway.log_line("request not passed on");
    assert!(
        line.contains(&format!("cannot connect to {address}")),
        "{line}"
    );
}

#[test]
fn a_body_that_breaks_off_on_one_side_breaks_off_on_the_other() {
    let (server, gateway) = WebServer::behind(&[]);
    for (framing, body) in [
        ("Content-Length: 9\r\n", "abc"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\nzz\r\n"),
    ] {
        let mut client = gateway.connect();
        client.send(GET);
        let (mut connection, _) = server.asked();
        connection.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n{body}"));
        client.head();
        client.expect(&body[..body.len().min(8)]);
        drop(connection);
        assert_eq!(client.rest(), b"", "{framing}");
    }
    // The same for the body of a request.
    for (framing, body) in [
        ("Content-Length: 9\r\n", "abc"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"),
    ] {
        let mut client = gateway.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n{body}"));
        let (mut connection, _) = server.asked();
        connection.expect(body);
        drop(client);
        assert_eq!(connection.rest(), b"", "{framing}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_resets_its_stream() {
    let (server, gateway) = WebServer::behind(&[]);
    let mut peer = Peer::connect(gateway.address).await;
    let breaking = std::thread::spawn(move || {
        let (mut connection, _) = server.asked();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    });
    let mut body = peer.asked("GET", "/").await.into_body();
    let data = body.data().await.unwrap().unwrap();
    assert_eq!(data, "abc");
    let end = body.data().await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
    breaking.join().unwrap();
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    let (server, gateway) = WebServer::behind(&[]);
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut client = gateway.connect();
        client.send(GET);
        let (mut connection, _) = server.asked();
        connection.send(answer);
        if !answer.is_empty() {
            client.head();
        }
        drop(client);
        assert_eq!(connection.rest(), b"", "after {answer:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_its_request() {
    for answer in ["", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let (server, gateway) = WebServer::behind(&[]);
        let mut peer = Peer::connect(gateway.address).await;
        let (asked, is_asked) = tokio::sync::oneshot::channel();
        let ended = std::thread::spawn(move || {
            let (mut connection, _) = server.asked();
            connection.send(answer);
            asked.send(()).unwrap();
            connection.rest()
        });
        let mut asking = Box::pin(peer.asked("GET", "/"));
        if answer.is_empty() {
            tokio::select! {
                _ = &mut asking => panic!("an answer"),
                asked = is_asked => asked.unwrap(),
            }
            drop(asking);
        } else {
            drop(asking.await);
        }
        let rest = tokio::task::spawn_blocking(|| ended.join().unwrap()).await;
        assert_eq!(rest.unwrap(), b"");
    }
}

#[test]
fn a_client_that_only_half_closes_gets_its_answer() {
    let (server, gateway) = WebServer::behind(&[]);
    let mut client = gateway.connect();
    client.send(GET);
    client.finish();
    let (mut connection, _) = server.asked();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.ends_with("\r\n\r\nabc"), "{answer}");
}
