//! How fast a peer sends, counted so that no message costs a look at the clock.

use crate::error::ProtocolError;

/// Pings, pongs and the like that may be received within a second. A client that measures its line
/// sends a few.
const CONTROLS: u32 = 1000;

/// What may still come until the clock is to be looked at.
#[derive(Debug)]
pub(super) struct Rates {
    /// How many messages may come in a second.
    limit: u32,
    /// With how many more there are too many; zero also once there are too many control frames.
    messages: u32,
    /// The same of control frames.
    controls: u32,
}

impl Rates {
    pub(super) fn new(limit: Option<u32>) -> Self {
        let limit = limit.unwrap_or(u32::MAX);
        Self {
            limit,
            messages: limit.saturating_add(1),
            controls: CONTROLS + 1,
        }
    }

    #[inline]
    pub(super) fn count_messages(&mut self, count: u32) {
        self.messages = self.messages.saturating_sub(count);
    }

    pub(super) fn count_control(&mut self) {
        self.controls = self.controls.saturating_sub(1);
        if self.controls == 0 {
            self.messages = 0;
        }
    }

    /// Whether more have come than may in a second.
    #[inline]
    pub(super) fn is_fast(&self) -> bool {
        self.messages == 0
    }

    /// Counts anew if a second has passed; else says what there was too much of.
    pub(super) fn check(&mut self, second_has_passed: bool) -> Option<ProtocolError> {
        let Self {
            limit, controls, ..
        } = *self;
        if second_has_passed {
            *self = Self::new(Some(limit));
            return None;
        }
        Some(if controls == 0 {
            ProtocolError::TooManyControls { limit: CONTROLS }
        } else {
            ProtocolError::TooManyMessages { limit }
        })
    }
}
