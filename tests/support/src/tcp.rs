//! Plain TCP servers, and a minimal client.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use crate::PATIENCE;

/// Starts a TCP server that knows no WebSocket and echoes all bytes.
pub fn raw_echo_server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback can be bound");
    let address = listener.local_addr().expect("it is bound");
    let echo = |connection: io::Result<TcpStream>| -> io::Result<()> {
        let mut connection = connection?;
        io::copy(&mut connection.try_clone()?, &mut connection)?;
        connection.shutdown(Shutdown::Write)
    };
    // Both threads end with the process at the latest.
    thread::spawn(move || {
        for connection in listener.incoming() {
            thread::spawn(move || echo(connection));
        }
    });
    address
}

/// Starts a TCP server that passes each connection to `serve`. Returns its URL.
pub fn tcp_server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let url = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.expect("a connection"), serve.clone());
            let set = stream.set_read_timeout(Some(PATIENCE));
            set.expect("a timeout");
            thread::spawn(move || serve(stream));
        }
    });
    url
}

/// The same as `raw_echo_server`, on a Unix socket at this path.
pub fn unix_echo_server(path: impl AsRef<Path>) {
    let listener = UnixListener::bind(path).expect("a free path");
    let echo = |connection: io::Result<UnixStream>| -> io::Result<()> {
        let mut connection = connection?;
        io::copy(&mut connection.try_clone()?, &mut connection)?;
        connection.shutdown(Shutdown::Write)
    };
    thread::spawn(move || {
        for connection in listener.incoming() {
            thread::spawn(move || echo(connection));
        }
    });
}

/// Returns the status line of a server's answer to the handshake of RFC 6455 §1.3.
pub fn status_line_of_rfc6455(server: SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect(server)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    write!(
        connection,
        "GET /chat HTTP/1.1\r\n\
         Host: {server}\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Origin: http://example.com\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line)?;
    Ok(line)
}
