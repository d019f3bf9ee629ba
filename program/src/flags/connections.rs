//! The limits of connections.

use clap::Args;
use polysock::ConnectionLimits;
use tracing::warn;

use super::values;
use crate::descriptors;

/// The number of descriptors reserved for listeners, for refusals, and for connections that are
/// closing. With few descriptors, half of them are reserved.
const RESERVE: usize = 128;

/// The limits on the number of connections.
#[derive(Args, Debug)]
pub(crate) struct ConnectionFlags {
    /// Maximum number of connections, WebSockets on HTTP/2 streams included, or `none`. Further
    /// clients receive 503 [default: the limit of file descriptors less 128; half of that with an
    /// upstream]
    #[arg(long, value_name = "COUNT", value_parser = values::count)]
    pub(crate) max_connections: Option<usize>,

    /// Maximum number of connections from one address, or one IPv6 /64, or `none`. Connections from
    /// this machine are not counted
    #[arg(long, value_name = "COUNT", value_parser = values::count, default_value = "none")]
    pub(crate) max_connections_per_address: usize,

    /// Maximum number of connections whose first request is incomplete, or `none`. The next
    /// connection displaces the oldest of them [default: half of --max-connections]
    #[arg(long, value_name = "COUNT", value_parser = values::count)]
    pub(crate) max_handshakes: Option<usize>,
}

/// The limits on the rates of connections, handshakes and messages.
#[derive(Args, Debug)]
pub(crate) struct RateFlags {
    /// Maximum number of new connections per second, or `none`. One second's worth may arrive
    /// together. Further clients receive 429, or are closed if they begin with TLS
    #[arg(long, value_name = "COUNT", value_parser = values::optional_count, default_value = "none")]
    pub(crate) max_connections_per_second: u32,

    /// Maximum number of new connections per second from one address, or one IPv6 /64, or `none`.
    /// Connections from this machine are not counted
    #[arg(long, value_name = "COUNT", value_parser = values::optional_count, default_value = "none")]
    pub(crate) max_connections_per_second_per_address: u32,

    /// Maximum number of opening handshakes per second, those on HTTP/2 streams included, or
    /// `none`. Further ones receive 429
    #[arg(long, value_name = "COUNT", value_parser = values::optional_count, default_value = "none")]
    pub(crate) max_handshakes_per_second: u32,

    /// Maximum number of opening handshakes per second from one address, or `none`
    #[arg(long, value_name = "COUNT", value_parser = values::optional_count, default_value = "none")]
    pub(crate) max_handshakes_per_second_per_address: u32,

    /// Maximum number of messages per second from one address, over all of its connections, or
    /// `none`. A connection that exceeds it is closed (1008)
    #[arg(long, value_name = "COUNT", value_parser = values::optional_count, default_value = "none")]
    pub(crate) max_messages_per_second_per_address: u32,
}

/// The number of descriptors that a connection needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DescriptorUse {
    /// One, for the client.
    One,
    /// Two: another for the upstream.
    Two,
}

/// Returns the connection limits of a process that has its descriptors to itself: in total, from
/// one address, and before the first request. `None` selects a limit that suits the system.
pub(crate) fn limits(
    connections: Option<usize>,
    per_address: usize,
    handshakes: Option<usize>,
    takes: DescriptorUse,
) -> ConnectionLimits {
    let room = room(descriptors::raise(), takes);
    let connections = connections.unwrap_or(room);
    if connections > room {
        warn!(
            "the file descriptors allow {room} connections: raise the system limit \
             (ulimit -n, LimitNOFILE=), or lower --max-connections"
        );
    }
    ConnectionLimits {
        connections,
        per_address,
        handshakes: handshakes.unwrap_or(half(connections)),
        ..ConnectionLimits::default()
    }
}

/// The number of connections for which there are descriptors.
fn room(descriptors: usize, takes: DescriptorUse) -> usize {
    let room = descriptors - RESERVE.min(descriptors / 2);
    match takes {
        DescriptorUse::One => room,
        DescriptorUse::Two => room / 2,
    }
}

fn half(connections: usize) -> usize {
    match connections {
        usize::MAX => usize::MAX,
        connections => connections.div_ceil(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_reserved() {
        for (descriptors, one, two) in [
            (1024, 896, 448),
            (20_000, 19_872, 9936),
            (64, 32, 16),
            (1, 1, 0),
        ] {
            assert_eq!(room(descriptors, DescriptorUse::One), one);
            assert_eq!(room(descriptors, DescriptorUse::Two), two);
        }
    }
}
