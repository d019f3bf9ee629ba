//! Connections that are opened over TLS.

use bytes::BytesMut;
use tokio::time::Instant;

use super::opening::{self, Opened, Opener, Unopened};
use super::serving::{Accepted, Serving};

impl Serving {
    /// Reads until the kind of a connection is clear or the deadline has passed. If the connection
    /// begins with TLS, that is the kind of what is inside TLS.
    pub(super) async fn read_opening(
        &self,
        accepted: &mut Accepted,
        incoming: &mut BytesMut,
        deadline: Instant,
    ) -> Result<Opened, Unopened> {
        let Accepted {
            transport, peer, ..
        } = accepted;
        let port = peer.local.map(|address| address.port());
        let opener = Opener::new(&self.settings, port).secure(peer.secure);
        let opened = opening::read(transport, incoming, opener, deadline).await?;
        #[cfg(feature = "tls")]
        if let (Opened::Tls, Some(acceptor)) = (&opened, &self.settings.tls) {
            // Boxed, so that connections in plain text need no memory for it.
            Box::pin(self.secure(accepted, incoming, acceptor, deadline)).await?;
            let opener = Opener::new(&self.settings, port).inside();
            return opening::read(&mut accepted.transport, incoming, opener, deadline).await;
        }
        Ok(opened)
    }

    /// Completes the TLS handshake. Then the transport is the one inside TLS.
    #[cfg(feature = "tls")]
    async fn secure(
        &self,
        accepted: &mut Accepted,
        incoming: &mut BytesMut,
        acceptor: &crate::transport::tls::Acceptor,
        deadline: Instant,
    ) -> Result<(), Unopened> {
        use tokio::time::timeout_at;

        use crate::telemetry::TlsVersion;
        use crate::transport::Io;

        let Accepted {
            transport, peer, ..
        } = accepted;
        // A connection whose handshake is abandoned is closed.
        let plain = std::mem::replace(transport, Io::new(tokio::io::empty()));
        let come = incoming.split().freeze();
        let accepting = acceptor.accept(plain, come, peer.address, self.settings.http2);
        let (inside, encryption) = match timeout_at(deadline, accepting).await {
            Ok(Ok(secured)) => secured,
            Ok(Err(error)) => {
                self.counters().tls("none", "failed");
                return Err(Unopened::Insecure(error));
            }
            Err(_) => {
                self.counters().tls("none", "timeout");
                return Err(Unopened::Unclear);
            }
        };
        self.counters().tls(encryption.version(), "complete");
        *transport = inside;
        peer.secure = true;
        peer.extensions.insert(TlsVersion(encryption.version()));
        peer.extensions.insert(encryption);
        Ok(())
    }
}
