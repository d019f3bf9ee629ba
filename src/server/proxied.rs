//! Connections from trusted proxies, which begin with a PROXY header.

use bytes::BytesMut;
use polysock_protocols::ProxiedEnds;
use tokio::time::Instant;

use super::opening::{Unopened, read_proxy_header};
use super::serving::{Accepted, Serving};
use crate::transport::{Permit, TrustedHop};

impl Serving {
    /// Reads the PROXY header, if the peer is a proxy that has to send one. Then the peer is the
    /// client in the header, and is counted as that client.
    pub(super) async fn read_proxied(
        &self,
        accepted: &mut Accepted,
        incoming: &mut BytesMut,
        deadline: Instant,
    ) -> Result<(), Unopened> {
        let Accepted {
            transport, peer, ..
        } = accepted;
        if !self.settings.proxy_protocol.includes(peer.address) {
            return Ok(());
        }
        let header = read_proxy_header(transport, incoming, deadline).await?;
        peer.secure |= header.secure;
        let forwarded = &self.settings.forwarded;
        let mut stands_for_others = forwarded.includes(peer.address);
        if stands_for_others {
            // The fields in its requests are still those of a trusted proxy.
            peer.extensions.insert(TrustedHop {
                address: peer.address,
                host: None,
            });
        }
        (peer.address, peer.local) = match header.ends {
            // A connection of the proxy itself, or of a client that it does not know.
            ProxiedEnds::Unknown => return Ok(()),
            ProxiedEnds::Tcp {
                source,
                destination,
            } => (Some(source), Some(destination)),
            ProxiedEnds::Unix { .. } => (None, None),
        };
        // Limits on addresses do not apply to a proxy that connects for many clients.
        stands_for_others |= forwarded.includes(peer.address);
        if !stands_for_others {
            if !self.settings.networks.include(peer.address) {
                return Err(Unopened::Denied);
            }
            self.admission
                .pace(peer.address)
                .map_err(Unopened::LimitReached)?;
            let counted = self.admission.count(peer.address);
            if let Some(counted) = counted.map_err(Unopened::LimitReached)? {
                transport.add_permit(Permit::new(counted));
            }
        }
        Ok(())
    }
}
