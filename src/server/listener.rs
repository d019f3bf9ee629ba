//! Sockets that listen.

use std::future::pending;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::incidents::Incidents;

/// How many connections the kernel may hold until they are accepted (its own cap is lower on
/// most machines).
const BACKLOG: i32 = 4096;

/// How long to wait after a failed accept: without file descriptors, trying again at once would
/// only heat the machine.
const PAUSE: Duration = Duration::from_millis(50);

/// Binds sockets that share an address, one for each worker; the kernel spreads the connections
/// over them. A port of 0 becomes the same free port for all.
///
/// # Errors
///
/// The address is in use, not this machine's, or not permitted.
pub(crate) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    // Sockets that share a port may be bound by two processes, which would both be lucky half of
    // the time: the first is bound alone, to find out that nobody else is there.
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    let bound = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    let bind_one = |_| {
        let socket = socket(bound)?;
        socket.set_reuse_port(true)?;
        // Accepted sockets inherit it, which saves a call for each connection.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&bound.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    (0..count).map(bind_one).collect()
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Has a socket listen no more: who connects is refused, and [`accept`] waits.
pub(super) fn shut(listener: &std::net::TcpListener) {
    // It fails where a system does not know how; there the socket ends with its listener.
    let _ = SockRef::from(listener).shutdown(Shutdown::Both);
}

/// The next connection. A failure, such as having no file descriptors left, is told and waited out;
/// where the listener was shut, there is none.
///
/// # Cancel safety
///
/// Cancel safe: no connection is lost.
pub(crate) async fn accept(
    listener: &TcpListener,
    incidents: &Incidents,
) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // It has been shut.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => pending().await,
            Err(error) => {
                incidents.accept_failed(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
