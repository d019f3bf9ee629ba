//! An upstream whose connections are counted.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures_core::future::BoxFuture;

use super::{Client, Connected, Upstream, UpstreamError};
use crate::connection::Registry;
use crate::telemetry::UpstreamTally;
use crate::transport::Permit;

/// An upstream whose connections are counted by a [`Registry`] under a name. The name comes from
/// the configuration and must not contain anything of a client.
#[derive(Clone)]
pub struct Counted {
    upstream: Arc<dyn Upstream>,
    tally: Arc<UpstreamTally>,
}

impl Counted {
    /// Counts the connections of an upstream under this name.
    pub fn new(upstream: Arc<dyn Upstream>, name: &Arc<str>, registry: &Registry) -> Self {
        let tally = registry.metrics().counters().upstream(name);
        Self { upstream, tally }
    }
}

impl Upstream for Counted {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        Box::pin(async move {
            let began = Instant::now();
            let mut connected = self.upstream.connect(client).await;
            self.tally.connected(connected.is_ok(), began.elapsed());
            if let Ok(Connected { connection, .. }) = &mut connected {
                connection.keep(Permit::new(Open(Arc::clone(&self.tally))));
            }
            connected
        })
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.upstream.fmt(f)
    }
}

/// A connection that counts as open until this is dropped.
struct Open(Arc<UpstreamTally>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}
