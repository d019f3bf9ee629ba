//! What stands for sockets of ZeroMQ in a build that has none.

use polysock::Channels;

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
    pub(super) fn start(of: &ZmqSection, _channels: &Channels) -> Result<Option<Self>, String> {
        match of.pull.is_empty() && of.sub.is_empty() {
            true => Ok(None),
            false => Err(
                "this program was built without publishing by ZeroMQ, which is its feature `zmq`"
                    .to_owned(),
            ),
        }
    }

    /// Ends.
    pub(super) fn end(self) {}
}
