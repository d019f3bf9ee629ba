//! An upstream that runs as a task in this process, and a relay to it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_core::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use polysock::protocols::{RawCodec, Role};
use polysock::upstream::{Client, Connected, Upstream, UpstreamError};
use polysock::{
    Accept, Application, BoxError, Connection, ConnectionOptions, Forwarded, Handshake, Rejection,
};

/// An upstream that echoes every message, without a socket.
#[derive(Debug)]
pub struct Parrot;

impl Upstream for Parrot {
    fn connect<'a>(
        &'a self,
        _client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let over = |end, role| {
            Connection::over(end, RawCodec::boxed(), ConnectionOptions::new("raw", role))
        };
        tokio::spawn(repeat(over(theirs, Role::Server)));
        Box::pin(async move { Ok(over(ours, Role::Client).into()) })
    }
}

async fn repeat(mut connection: Connection) -> Result<(), BoxError> {
    while let Some(message) = connection.next().await.transpose()? {
        connection.send(message).await?;
    }
    Ok(())
}

/// An application that relays each client to its own upstream connection.
pub struct Relay(pub Arc<dyn Upstream>);

impl Application for Relay {
    fn serve(&self, mut handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let upstream = Arc::clone(&self.0);
        Box::pin(async move {
            let client = Client {
                request: handshake.request(),
                peer: handshake.peer(),
            };
            let Connected {
                connection: mut upstream,
                target,
                subprotocol,
                fields,
                // The lease counts the connection at its target until it is dropped.
                lease: _lease,
            } = match upstream.connect(client).await {
                Ok(connected) => connected,
                Err(error) => {
                    handshake.reject(Rejection::new(502, "the upstream cannot be reached"));
                    return Err(error.into());
                }
            };
            if let Some(target) = target {
                handshake.served_by(target);
            }
            let accept = Accept {
                subprotocol,
                fields,
                ..Accept::default()
            };
            let mut client = handshake.accept(accept).await?;
            let ended = poll_fn(|cx| match client.poll_forward(&mut upstream, cx) {
                Poll::Ready(ended) => Poll::Ready(ended),
                Poll::Pending => upstream.poll_forward(&mut client, cx),
            });
            match ended.await {
                Forwarded::SourceEnded(result) => result?,
                Forwarded::TargetEnded(error) => return Err(error.into()),
                Forwarded::Undeliverable(error) => return Err(error.into()),
            }
            let _ = tokio::join!(client.close(None), upstream.close(None));
            Ok(())
        })
    }
}
