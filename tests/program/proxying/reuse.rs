//! Reuse of connections to a web server.

use polysock_test_support::client::Client;
use polysock_test_support::opening::assert_status;

use super::{GET, WebServer, ok};

fn page(client: &mut Client) {
    assert_status(&client.head(), 200);
    client.expect("page");
}

#[test]
fn a_connection_serves_the_requests_of_many_clients() {
    let (server, gateway) = WebServer::behind(&["--workers", "1"]);
    let mut first = gateway.connect();
    first.send(GET);
    let (mut connection, _) = server.asked();
    connection.send(ok("page"));
    page(&mut first);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n";
    for answer in [ok("page"), chunked.into(), ok("page")] {
        let mut other = gateway.connect();
        for client in [&mut first, &mut other] {
            client.send(GET);
            connection.head();
            connection.send(&answer);
            assert_status(&client.head(), 200);
            if answer.contains("chunked") {
                client.expect("4\r\npage\r\n0\r\n\r\n");
            } else {
                client.expect("page");
            }
        }
    }
    // Two concurrent requests use two connections.
    let mut other = gateway.connect();
    first.send(GET);
    connection.head();
    other.send(GET);
    let (mut second, _) = server.asked();
    second.send(ok("page"));
    page(&mut other);
    connection.send(ok("page"));
    page(&mut first);
}

#[test]
fn a_connection_that_the_server_closes_is_not_used_again() {
    let (server, gateway) = WebServer::behind(&["--workers", "1"]);
    let mut client = gateway.connect();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage",
        "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\npage",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage",
    ] {
        client.send(GET);
        let (mut connection, _) = server.asked();
        connection.send(answer);
        page(&mut client);
        drop(connection);
    }
}

#[test]
fn a_connection_is_kept_no_longer_than_its_keep_alive_timeout() {
    let (server, gateway) = WebServer::behind(&["--workers", "1"]);
    let mut client = gateway.connect();
    client.send(GET);
    let (mut connection, _) = server.asked();
    for (keep_alive, is_kept) in [("timeout=60, max=9", true), ("max=9, Timeout=1", false)] {
        let fields = format!("Connection: keep-alive\r\nKeep-Alive: {keep_alive}\r\n\r\n");
        connection.send(ok("page").replacen("\r\n\r\n", &format!("\r\n{fields}"), 1));
        page(&mut client);
        client.send(GET);
        if is_kept {
            connection.head();
        } else {
            connection.gone();
            let (mut other, _) = server.asked();
            other.send(ok("page"));
            page(&mut client);
        }
    }
}

#[test]
fn a_repeatable_request_on_a_closing_connection_is_sent_again() {
    for (request, is_repeated) in [
        (GET.to_owned(), true),
        (GET.replace("GET", "DELETE"), true),
        (GET.replace("GET", "POST"), false),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            false,
        ),
    ] {
        let (server, gateway) = WebServer::behind(&["--workers", "1"]);
        let mut client = gateway.connect();
        client.send(GET);
        let (mut connection, _) = server.asked();
        connection.send(ok("page"));
        page(&mut client);
        client.send(&request);
        // The server has the request, and closes without an answer.
        connection.head();
        drop(connection);
        if is_repeated {
            let (mut again, head) = server.asked();
            assert_eq!(head.split(' ').next(), request.split(' ').next());
            again.send(ok("page"));
            page(&mut client);
        } else {
            assert_status(&client.head(), 502);
        }
    }
}

#[test]
fn a_connection_with_an_unsolicited_answer_is_not_used_again() {
    let (server, gateway) = WebServer::behind(&["--workers", "1"]);
    let mut client = gateway.connect();
    client.send(GET);
    let (mut connection, _) = server.asked();
    connection.send(format!("{}{}", ok("page"), ok("evil")));
    page(&mut client);
    connection.gone();
    client.send(GET);
    let (mut connection, _) = server.asked();
    connection.send(ok("page"));
    page(&mut client);
}
