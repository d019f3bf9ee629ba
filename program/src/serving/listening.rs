//! The listeners of a configuration, and the ports made of them.

use polysock::protocols::http::HeadLimits;
use polysock::protocols::{PROTOCOLS, Protocol};
use polysock::{ListenAddress, PortSettings};

use super::Acceptors;
use crate::config::Config;
use crate::config::listener::{Address, Listener};

/// Returns the port settings of a listener. The limits of the process are not included.
pub(super) fn port_settings(
    listener: &Listener,
    config: &Config,
    acceptors: &Acceptors,
) -> PortSettings {
    let settings = PortSettings {
        protocols: protocols(config),
        head: HeadLimits {
            head: listener.max_head,
            ..HeadLimits::default()
        },
        keep_alive: listener.keep_alive,
        handshake_timeout: listener.handshake_timeout,
        http2: listener.http2,
        flash_policy: listener.flash_policy,
        secure: listener.secure,
        networks: listener.networks.clone(),
        proxy_protocol: listener.proxy_protocol.clone(),
        forwarded: listener.forwarded.clone(),
        ..PortSettings::default()
    };
    acceptors.secure(listener, settings)
}

/// The address of a listener; `None` if systemd passes its socket.
pub(super) fn address(listener: &Listener) -> Option<ListenAddress> {
    match &listener.address {
        Address::Tcp(address) => Some(ListenAddress::Tcp(*address)),
        Address::Unix(path) => Some(ListenAddress::Unix {
            path: path.clone(),
            mode: listener.mode,
        }),
        Address::Systemd(_) => None,
    }
}

/// The address of a listener that is not for clients. A Unix socket gets the mode 0660.
pub(super) fn inner_address(address: &Address, what: &str) -> Result<ListenAddress, String> {
    match address {
        Address::Tcp(address) => Ok(ListenAddress::Tcp(*address)),
        Address::Unix(path) => Ok(ListenAddress::Unix {
            path: path.clone(),
            mode: Some(0o660),
        }),
        Address::Systemd(_) => Err(format!(
            "a {what} listener cannot use systemd: write unix:PATH or HOST:PORT"
        )),
    }
}

/// The protocols that at least one route speaks.
fn protocols(config: &Config) -> Vec<&'static dyn Protocol> {
    let is_spoken = |protocol: &&&dyn Protocol| {
        let mut routes = config.routes.iter();
        routes.any(|route| {
            let mut own = route.settings.protocols.0.iter();
            own.any(|own| own.name() == protocol.name())
        })
    };
    PROTOCOLS.iter().filter(is_spoken).copied().collect()
}
