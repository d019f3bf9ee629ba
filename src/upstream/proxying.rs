//! The PROXY header, which names the client of a connection to an upstream.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::BytesMut;
use polysock_protocols::{ProxiedEnds, ProxyHeader, ProxyVersion};
use tokio::io::AsyncWriteExt;

use super::UpstreamError;
use crate::transport::{Peer, Transport};

/// Writes the PROXY header, if any, before all other bytes. The header names the client, or
/// declares the connection as our own if there is no client.
pub(super) async fn announce(
    transport: &mut impl Transport,
    version: Option<ProxyVersion>,
    peer: Option<&Peer>,
) -> Result<(), UpstreamError> {
    let Some(version) = version else {
        return Ok(());
    };
    let mut header = BytesMut::new();
    peer.map(header_for)
        .unwrap_or_default()
        .write(version, &mut header);
    Ok(transport.write_all_buf(&mut header).await?)
}

fn header_for(peer: &Peer) -> ProxyHeader {
    let Some(source) = peer.address else {
        return ProxyHeader::default();
    };
    // The address that the client connected to may be known only to a proxy.
    let nowhere = match source {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let destination = peer.local.unwrap_or(SocketAddr::new(nowhere, 0));
    ProxyHeader {
        ends: ProxiedEnds::Tcp {
            source,
            destination,
        },
        secure: peer.secure,
    }
}
