//! Tapping connections: who looks on at what goes through them.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::registry::{OpenConnection, Registry};
use super::tap::{TapEvent, TapSettings, Tapping};

/// A tap of connections: what comes and goes on them, frame by frame. It ends when it is dropped.
///
/// Nothing waits for it: where 1,024 events or 16 MiB of them wait, further ones are [missed](Self::missed).
pub struct Tap {
    tapping: Arc<Tapping>,
    events: Receiver<TapEvent>,
    registry: Registry,
}

impl Registry {
    /// Taps the connections that are chosen: those that are open, each when it comes to wait next, and those that
    /// open while the tap lasts, from their opening handshake on. A connection has one tap at a time: who has one
    /// already keeps that.
    pub fn tap(
        &self,
        settings: TapSettings,
        is_chosen: impl Fn(&OpenConnection) -> bool + Send + Sync + 'static,
    ) -> Tap {
        let (tapping, events) = Tapping::new(settings);
        self.begin_tap(&tapping, is_chosen);
        Tap {
            tapping,
            events,
            registry: self.clone(),
        }
    }
}

impl Tap {
    /// The next event; it is waited for.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> TapEvent {
        match self.events.recv().await {
            Some(event) => {
                self.tapping.taken(&event);
                event
            }
            // What it is told by is part of it.
            None => std::future::pending().await,
        }
    }

    /// How many events have been missed, as there was no room for them.
    pub fn missed(&self) -> u64 {
        self.tapping.missed()
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.registry.end_tap(&self.tapping);
    }
}
