//! Sites of web apps that push by GRIP, and the listener on which they publish.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use polysock::apps::Publisher;
use polysock::apps::grip::{Grip, GripProxy};
use polysock::upstream::{HostSent, UpstreamSettings};
use polysock::{
    Channels, Gateway, GripKey, Handshake, ListenAddress, PortSettings, Rejection, Site,
};

use super::listening::inner_address;
use crate::beside::{BesideListener, PUBLISH};
use crate::config::publish::PublishSection;
use crate::config::route::Route;
use crate::config::target::web_app;
use crate::flags::server::web_server;

/// The longest head of a publish request, in bytes.
const HEAD: usize = 10_000;

/// Returns the site of a GRIP web app. The app receives WebSockets as HTTP requests, and ordinary
/// requests unchanged. It may ask for ordinary requests to be held.
pub(super) fn grip(
    url: &str,
    route: &Route,
    mut settings: UpstreamSettings,
    channels: &Channels,
    of: &PublishSection,
) -> Result<Site, String> {
    if settings.forward.host == HostSent::Target {
        // The app behaves as the client's own server, so it gets the client's Host.
        settings.forward.host = HostSent::Client;
    }
    let upstream = web_server(&web_app(url), settings)?;
    let upstream = upstream.ok_or("write http+grip://HOST:PORT, or https+grip://…")?;
    let grip = Grip::new(upstream.clone(), channels.clone())
        .queue(route.settings.queue)
        .binary_over_text(route.settings.binary_over_text);
    let proxy = GripProxy::new(upstream, channels.clone()).queue(route.settings.queue);
    let (grip, proxy) = match key(of)? {
        Some(key) => (grip.signed(key.clone()), proxy.signed(key)),
        None => (grip, proxy),
    };
    Ok(Site::new(grip).with_http(proxy))
}

fn key(of: &PublishSection) -> Result<Option<GripKey>, String> {
    let key = of.key.as_deref();
    let key = key.map(|key| GripKey::parse(key, &*of.issuer));
    key.transpose()
        .map_err(|error| format!("[publish] key, or --grip-key: {error}"))
}

/// Opens the publish listener, or continues with the sockets that the predecessor has passed on.
/// Returns `None` if none is configured.
///
/// # Errors
///
/// The address cannot be bound, a thread cannot be started, or the address is reachable from other
/// machines and no key is set.
pub(super) fn publishing(
    of: &PublishSection,
    channels: &Channels,
    passed: Option<Vec<OwnedFd>>,
) -> Result<Option<BesideListener>, String> {
    let Some(address) = &of.listen else {
        return Ok(None);
    };
    let address = inner_address(address, PUBLISH)?;
    let key = key(of)?;
    let is_open = |ip: IpAddr| !ip.is_loopback() && key.is_none();
    if let ListenAddress::Tcp(tcp) = &address
        && is_open(tcp.ip())
    {
        return Err(format!(
            "the publish listener on {address} is reachable from other machines and needs a key: add [publish] \
             key or --grip-key, or listen on unix:PATH or 127.0.0.1"
        ));
    }
    let publisher = Publisher::new(channels.clone());
    let publisher = match key {
        Some(key) => publisher.keyed(key),
        None => publisher,
    };
    let site = Site::new(async |handshake: Handshake| {
        handshake.reject(Rejection::new(404, "there is no WebSocket here"));
        Ok(())
    });
    let mut settings = PortSettings::default();
    settings.head.head = HEAD;
    let gateway = Gateway::with_site(site.with_http(publisher), settings);
    BesideListener::start(PUBLISH, &address, passed, &gateway).map(Some)
}
