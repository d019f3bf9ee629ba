//! Taps, which show the frames of connections.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::registry::{OpenConnection, Registry};
use super::tap::{TapEvent, TapLink, TapSettings};

/// A tap of connections, which yields their traffic frame by frame. Dropping it ends the tap.
///
/// No connection waits for a tap: while 1,024 events or 16 MiB of them wait, further ones are
/// [missed](Self::missed).
pub struct Tap {
    tapping: Arc<TapLink>,
    events: Receiver<TapEvent>,
    registry: Registry,
}

impl Registry {
    /// Taps the connections that the filter selects. Open connections are tapped when they next
    /// begin to wait. Connections that open while the tap lasts are tapped from their opening
    /// handshake on. A connection has one tap at a time: an existing tap stays.
    pub fn tap(
        &self,
        settings: TapSettings,
        is_chosen: impl Fn(&OpenConnection) -> bool + Send + Sync + 'static,
    ) -> Tap {
        let (tapping, events) = TapLink::new(settings);
        self.begin_tap(&tapping, is_chosen);
        Tap {
            tapping,
            events,
            registry: self.clone(),
        }
    }
}

impl Tap {
    /// Waits for the next event, and returns it.
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
            // Unreachable: the tap itself holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Returns the number of events that were missed because there was no room for them.
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
