//! How the kernel finds out that a TCP peer is gone.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The longest time that Linux takes for a keep-alive.
const MAX: Duration = Duration::from_secs(32_767);

/// How often a peer is asked before it is given up.
const RETRIES: u32 = 3;

/// Has a socket ask its peer after so much silence whether it is there, and fail where the peer's
/// kernel has answered nothing for twice as long, or has had no room for twice as long. Sockets that a
/// listener accepts inherit it.
///
/// Beside the probes, which are sent only while nothing is under way, this bounds how long what was
/// sent may wait to be acknowledged; else that is up to a quarter of an hour (`tcp_retries2`).
///
/// # Errors
///
/// It is no TCP socket.
pub(crate) fn watch(socket: &SockRef<'_>, silence: Duration) -> io::Result<()> {
    let silence = silence.clamp(Duration::from_secs(1), MAX);
    let probes = TcpKeepalive::new()
        .with_time(silence)
        .with_interval((silence / RETRIES).max(Duration::from_secs(1)))
        .with_retries(RETRIES);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(silence * 2))
}
