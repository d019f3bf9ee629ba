//! A substitute for web apps that push, in a build without the feature `grip`.

use std::os::fd::OwnedFd;

use polysock::upstream::UpstreamSettings;
use polysock::{Channels, Site};

use crate::beside::BesideListener;
use crate::config::publish::PublishSection;
use crate::config::route::Route;

const ABSENT: &str = "this program was built without its feature `grip`, for web apps that push";

/// Refuses the target.
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

/// Returns no listener.
///
/// # Errors
///
/// A publish listener is configured.
pub(super) fn publishing(
    of: &PublishSection,
    _channels: &Channels,
    _passed: Option<Vec<OwnedFd>>,
) -> Result<Option<BesideListener>, String> {
    match of.listen {
        None => Ok(None),
        Some(_) => Err(ABSENT.to_owned()),
    }
}
