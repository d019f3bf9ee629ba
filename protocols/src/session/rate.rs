//! Rate limits on received messages and control frames, counted without reading the clock for each.

use crate::error::ProtocolError;

/// The number of control frames that may be received in a second. A client that measures its
/// round-trip time sends a few.
const CONTROLS: u32 = 1000;

/// The counts of the current second.
#[derive(Debug)]
pub(super) struct Rates {
    /// The number of messages that may be received in a second.
    limit: u32,
    /// The lower half of the number of messages received before this second.
    begin: u32,
    /// The number of control frames until the limit is exceeded; 0 if it is.
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

    /// True if the current second exceeds a limit; `received` is the total number of messages.
    #[inline]
    pub(super) fn is_fast(&self, received: u64) -> bool {
        lower(received).wrapping_sub(self.begin) > self.limit || self.controls == 0
    }

    /// Begins a new second if one has passed; otherwise returns the limit that was exceeded.
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

/// Returns the lower half of a count. Fewer messages than that fit into a second.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn lower(count: u64) -> u32 {
    count as u32
}
