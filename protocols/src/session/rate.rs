//! How fast a peer sends, counted so that no message costs a look at the clock.

use crate::error::ProtocolError;

/// Pings, pongs and the like that may be received within a second. A client that measures its line
/// sends a few.
const CONTROLS: u32 = 1000;

/// From when on the messages and control frames of a second are counted.
#[derive(Debug)]
pub(super) struct Rates {
    /// How many messages may come in a second.
    limit: u32,
    /// How many had come when the second began, in its lower half.
    begin: u32,
    /// With how many more control frames there are too many.
    controls: u32,
}

impl Rates {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self {
            limit: limit.unwrap_or(u32::MAX),
            begin: 0,
            controls: CONTROLS + 1,
        }
    }

    pub(super) fn count_control(&mut self) {
        self.controls = self.controls.saturating_sub(1);
    }

    /// Whether more have come than may in a second, with so many messages received in all.
    #[inline]
    pub(super) fn is_fast(&self, received: u64) -> bool {
        lower(received).wrapping_sub(self.begin) > self.limit || self.controls == 0
    }

    /// Counts anew if a second has passed; else says what there was too much of.
    pub(super) fn check(
        &mut self,
        received: u64,
        second_has_passed: bool,
    ) -> Option<ProtocolError> {
        let Self {
            limit, controls, ..
        } = *self;
        if second_has_passed {
            self.begin = lower(received);
            self.controls = CONTROLS + 1;
            return None;
        }
        Some(if controls == 0 {
            ProtocolError::TooManyControls { limit: CONTROLS }
        } else {
            ProtocolError::TooManyMessages { limit }
        })
    }
}

/// The lower half. What comes in a second is less than that.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn lower(count: u64) -> u32 {
    count as u32
}
