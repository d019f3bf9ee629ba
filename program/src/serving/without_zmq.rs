//! A substitute for ZeroMQ sockets in a build without the feature `zmq`.

use std::os::fd::OwnedFd;

use polysock::Channels;

use crate::beside::Beside;
use crate::config::zmq::ZmqSection;

/// An empty set of ZeroMQ sockets.
#[derive(Debug)]
pub(super) struct ZmqSockets(());

impl ZmqSockets {
    /// Returns no sockets.
    ///
    /// # Errors
    ///
    /// A ZeroMQ socket is configured.
    pub(super) fn start(
        of: &ZmqSection,
        _channels: &Channels,
        _passed: impl FnMut(&str) -> Option<Vec<OwnedFd>>,
    ) -> Result<Option<Self>, String> {
        match of.pull.is_empty() && of.sub.is_empty() {
            true => Ok(None),
            false => Err("this program was built without its feature `zmq`".to_owned()),
        }
    }

    /// Returns no sockets.
    pub(super) fn beside(&mut self) -> impl Iterator<Item = &mut Beside> {
        std::iter::empty()
    }

    /// Does nothing.
    pub(super) fn hand_over(&mut self, _wanted: &[String]) {}

    /// Does nothing.
    pub(super) fn end(self) {}
}
