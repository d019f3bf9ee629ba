//! Detection of dead TCP peers by the kernel.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The longest keep-alive time that Linux accepts.
const MAX: Duration = Duration::from_secs(32_767);

/// The number of unanswered probes after which a peer is given up.
const RETRIES: u32 = 3;

/// Makes a socket probe its peer after `silence`. The socket fails if the peer's kernel has
/// acknowledged nothing, or has had no room for data, for twice as long. Sockets that a listener
/// accepts inherit this.
///
/// Probes are sent only while no data is in flight. The second limit bounds how long sent data may
/// go unacknowledged, which is otherwise up to a quarter of an hour (`tcp_retries2`).
///
/// # Errors
///
/// The socket is not a TCP socket.
pub(crate) fn watch(socket: &SockRef<'_>, silence: Duration) -> io::Result<()> {
    let silence = silence.clamp(Duration::from_secs(1), MAX);
    let probes = TcpKeepalive::new()
        .with_time(silence)
        .with_interval((silence / RETRIES).max(Duration::from_secs(1)))
        .with_retries(RETRIES);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(silence * 2))
}
