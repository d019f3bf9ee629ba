//! What stands for sockets of ZeroMQ in a build that has none.

use std::os::fd::OwnedFd;

use polysock::Channels;

use crate::beside::Beside;
use crate::config::zmq::ZmqSection;

/// None.
#[derive(Debug)]
pub(super) struct ZmqSockets(());

impl ZmqSockets {
    /// There are none.
    ///
    /// # Errors
    ///
    /// There are to be some.
    pub(super) fn start(
        of: &ZmqSection,
        _channels: &Channels,
        _passed: impl FnMut(&str) -> Option<Vec<OwnedFd>>,
    ) -> Result<Option<Self>, String> {
        match of.pull.is_empty() && of.sub.is_empty() {
            true => Ok(None),
            false => Err(
                "this program was built without publishing by ZeroMQ, which is its feature `zmq`"
                    .to_owned(),
            ),
        }
    }

    /// There are none.
    pub(super) fn beside(&mut self) -> impl Iterator<Item = &mut Beside> {
        std::iter::empty()
    }

    /// There are none.
    pub(super) fn hand_over(&mut self, _wanted: &[String]) {}

    /// Ends.
    pub(super) fn end(self) {}
}
