//! Quirks of real clients, with each test named after the client that needs it. The tests send the
//! exact bytes to the program over real sockets.

mod ends;
mod extensions;
mod flash;
mod frames;
mod opening;
mod origin;
mod versions;

use polysock_test_support::client::Client;
use polysock_test_support::frame::frame;
use polysock_test_support::opening::{HIXIE_76, HIXIE_76_BODY, HIXIE_76_DIGEST, field};
use polysock_test_support::server::Server;

use crate::POLYSOCK;

/// Starts a server for all of these clients.
fn server() -> Server {
    POLYSOCK.echo(&["--origin", "*", "--flash-policy"])
}

/// Opens a hixie-76 connection, with the eight bytes together with the head.
fn hixie_76(server: &Server) -> Client {
    let (mut client, head) = server.ask([HIXIE_76.as_bytes(), HIXIE_76_BODY].concat());
    assert_hixie_76(&head);
    client.expect(HIXIE_76_DIGEST);
    client
}

/// Asserts that the answer has the exact beginning, and no `Content-Length`.
#[track_caller]
fn assert_hixie_76(head: &str) {
    let beginning = "HTTP/1.1 101 WebSocket Protocol Handshake\r\n\
        Upgrade: WebSocket\r\nConnection: Upgrade\r\n";
    assert!(head.starts_with(beginning), "{head}");
    assert_eq!(field(head, "Content-Length"), None);
}

/// Opens a connection in RFC 6455 or one of the drafts that look like it.
#[track_caller]
fn open(server: &Server, request: impl AsRef<[u8]>) -> (Client, String) {
    let (client, head) = server.ask(request);
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    (client, head)
}

/// Asserts that the connection works.
#[track_caller]
fn assert_echo(client: &mut Client, text: &str) {
    client.send(frame(0x81, text));
    client.expect([&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat());
}

#[track_caller]
fn assert_hixie_echo(client: &mut Client, text: &str) {
    client.send(hixie(text));
    client.expect(hixie(text));
}

fn hixie(text: &str) -> Vec<u8> {
    [b"\0", text.as_bytes(), b"\xff"].concat()
}
