//! What stands for web apps that push in a build that has none.

use polysock::upstream::UpstreamSettings;
use polysock::{Channels, Site};

use crate::config::publish::PublishSection;
use crate::config::route::Route;

const ABSENT: &str =
    "this program was built without web apps that push, which is its feature `grip`";

/// There is none.
///
/// # Errors
///
/// Always.
pub(super) fn grip(
    _url: &str,
    _route: &Route,
    _settings: UpstreamSettings,
    _channels: &Channels,
    _of: &PublishSection,
) -> Result<Site, String> {
    Err(ABSENT.to_owned())
}

/// Nothing: nobody publishes.
#[derive(Debug)]
pub(super) struct Publishing(());

impl Publishing {
    /// There is none.
    ///
    /// # Errors
    ///
    /// There is to be one.
    pub(super) fn start(of: &PublishSection, _channels: &Channels) -> Result<Option<Self>, String> {
        match of.listen {
            None => Ok(None),
            Some(_) => Err(ABSENT.to_owned()),
        }
    }

    /// Ends.
    pub(super) fn end(self) {}
}
