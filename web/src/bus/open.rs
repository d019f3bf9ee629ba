//! Selection of a broker by its URL.

use polysock::bus::Bus;

#[cfg(feature = "nats")]
use super::nats::NatsBus;
#[cfg(feature = "redis")]
use super::redis::RedisBus;
use super::settings::{BusSettings, BusUrlError};

/// Returns the broker at a URL: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://` for
/// TLS, `redis+unix:///PATH`, `nats://[USER:PASSWORD@]HOST[:PORT]`, or `tls://` for NATS over TLS.
/// Nothing is connected yet.
///
/// # Errors
///
/// The URL is not valid for a broker, or this build lacks the feature that the broker needs.
pub fn open(url: &str, settings: &BusSettings) -> Result<Box<dyn Bus>, BusUrlError> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        Some("redis" | "rediss" | "redis+unix") => redis(url, settings),
        Some("nats" | "tls") => nats(url, settings),
        _ => Err(BusUrlError::no_broker(url)),
    }
}

#[cfg(feature = "redis")]
fn redis(url: &str, settings: &BusSettings) -> Result<Box<dyn Bus>, BusUrlError> {
    Ok(Box::new(RedisBus::new(url, settings.clone())?))
}

#[cfg(not(feature = "redis"))]
fn redis(url: &str, _: &BusSettings) -> Result<Box<dyn Bus>, BusUrlError> {
    Err(BusUrlError::not_built(url, "redis"))
}

#[cfg(feature = "nats")]
fn nats(url: &str, settings: &BusSettings) -> Result<Box<dyn Bus>, BusUrlError> {
    Ok(Box::new(NatsBus::new(url, settings.clone())?))
}

#[cfg(not(feature = "nats"))]
fn nats(url: &str, _: &BusSettings) -> Result<Box<dyn Bus>, BusUrlError> {
    Err(BusUrlError::not_built(url, "nats"))
}
