//! Warnings about a configuration.

use polysock::protocols::{Masking, PROTOCOLS, Protocol};
use polysock::{ListenAddress, Origins, Sites, Trusted};
use tracing::warn;

use crate::config::Config;
use crate::config::client::Client;
use crate::config::listener::Listener;
use crate::config::route::Route;
use crate::config::target::Target;
#[cfg(feature = "legacy-tls")]
use crate::flags::tls::MinVersion;

/// Warns of changed keys that need a restart.
pub(super) fn warn_of_what_stays(ours: &Config, theirs: &Config) {
    let has_control = ("[control]", ours.control == theirs.control);
    let has_publish = (
        "[publish] listen",
        ours.publish.listen == theirs.publish.listen,
    );
    let has_bus = ("[bus]", ours.bus == theirs.bus);
    let has_zmq = ("[zmq]", ours.zmq == theirs.zmq);
    let (ours, theirs) = (&ours.process, &theirs.process);
    for (key, is_same) in [
        ("workers", ours.workers == theirs.workers),
        ("max_memory", ours.max_memory == theirs.max_memory),
        (
            "max_connections",
            ours.max_connections == theirs.max_connections,
        ),
        (
            "max_connections_per_address",
            ours.max_connections_per_address == theirs.max_connections_per_address,
        ),
        (
            "max_handshakes",
            ours.max_handshakes == theirs.max_handshakes,
        ),
        (
            "max_connections_per_second",
            ours.rates.connections == theirs.rates.connections,
        ),
        (
            "max_connections_per_second_per_address",
            ours.rates.connections_per_address == theirs.rates.connections_per_address,
        ),
        (
            "max_handshakes_per_second",
            ours.rates.handshakes == theirs.rates.handshakes,
        ),
        (
            "max_handshakes_per_second_per_address",
            ours.rates.handshakes_per_address == theirs.rates.handshakes_per_address,
        ),
        (
            "max_messages_per_second_per_address",
            ours.rates.messages_per_address == theirs.rates.messages_per_address,
        ),
        (
            "shutdown_timeout",
            ours.shutdown_timeout == theirs.shutdown_timeout,
        ),
        ("pid_file", ours.pid_file == theirs.pid_file),
        ("handover", ours.handover == theirs.handover),
        has_control,
        has_publish,
        has_bus,
        has_zmq,
        ("log.format", ours.log.format == theirs.log.format),
        ("log.file", ours.log.file == theirs.log.file),
        ("log.access", ours.log.access == theirs.log.access),
        ("log.query", ours.log.query == theirs.log.query),
        ("log.otlp", ours.log.otlp == theirs.log.otlp),
    ] {
        if !is_same {
            warn!("`{key}` has changed; the change needs a restart and is not in force");
        }
    }
}

/// Warns of each listener that accepts TLS versions deprecated by RFC 8996.
#[cfg(feature = "legacy-tls")]
pub(super) fn warn_of_old_tls(config: &Config) {
    let of_routes = config
        .routes
        .iter()
        .filter_map(|route| route.tls_min_version);
    let of_routes = of_routes.min();
    for listener in &config.listeners {
        let Some(tls) = &listener.tls else { continue };
        let of_networks = tls.networks.iter().map(|network| network.min_version);
        let oldest = of_networks
            .chain(of_routes)
            .fold(tls.min_version, MinVersion::min);
        if oldest < MinVersion::Tls12 {
            warn!(
                "TLS {} is enabled on {}: it does not protect against attackers who can modify traffic",
                oldest.as_str(),
                listener.address
            );
        }
    }
}

/// Warns of routes without an origin check. Browsers include cookies, whatever page opens the
/// connection (RFC 6455 §10.2).
pub(super) fn warn_of_any_origin<'a>(
    config: &Config,
    mut addresses: impl Iterator<Item = &'a ListenAddress>,
) {
    let Some(address) = addresses.find(|address| is_open(address)) else {
        return;
    };
    let routes = config.routes.iter().filter(|route| lets_any_page_in(route));
    let routes: Vec<_> = routes.map(Route::title).collect();
    if !routes.is_empty() {
        warn!(
            ?routes,
            "web pages of any origin may connect on {address} on behalf of their users: list the allowed origins in \
             `origins` (--origin), as \"same-origin\" or \"https://example.com\"; \"*\" allows any"
        );
    }
}

/// Warns if the Flash policy names no domain: such a policy is useless.
pub(super) fn warn_of_useless_flash_policy(config: &Config, sites: &Sites) {
    let is_answered = config
        .listeners
        .iter()
        .any(|listener| listener.flash_policy);
    if is_answered
        && sites
            .flash_domains()
            .is_some_and(|domains| domains.is_empty())
    {
        warn!(
            "the Flash socket policy allows no domain: none is in `origins` of every route; list it in each, as \
             \"http://example.com\""
        );
    }
}

/// True if a route accepts WebSockets from pages of any origin without an explicit setting.
fn lets_any_page_in(route: &Route) -> bool {
    let clients = &route.matching.clients;
    let is_websocket = |client: &Client| !matches!(client, Client::Http);
    let takes_websockets = clients.is_empty() || clients.iter().any(is_websocket);
    takes_websockets
        && !matches!(route.target, Target::Files(_))
        && route.settings.origins.is_none()
        && route.matching.origins == Origins::Any
}

/// True if other machines can connect.
fn is_open(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        ListenAddress::Unix { .. } => false,
    }
}

/// Warns of listeners without TLS, where anyone on the path can read or write.
pub(super) fn warn_of_plain_text<'a>(
    config: &Config,
    mut bound: impl Iterator<Item = (&'a Listener, &'a ListenAddress)>,
) {
    let exposed = bound.find(|(listener, address)| is_plain(listener) && is_open(address));
    if let Some((_, address)) = exposed {
        #[cfg(feature = "auth")]
        warn_of_credentials(config, address);
        warn_of_unmasked(config, address);
    }
}

/// Warns of credentials in plain text, which anyone on the path can read (RFC 7617 §4, RFC 6750
/// §5.3).
#[cfg(feature = "auth")]
fn warn_of_credentials(config: &Config, address: &ListenAddress) {
    let asks = |route: &&Route| route.settings.auth.is_some();
    let routes = config.routes.iter().filter(asks);
    let routes: Vec<_> = routes.map(Route::title).collect();
    if !routes.is_empty() {
        warn!(
            ?routes,
            "passwords and tokens cross the network in plain text to {address}: enable TLS there (`tls`), or set \
             `secure` if a proxy in front terminates TLS"
        );
    }
}

/// True if clients may connect without TLS, as far as this server knows.
fn is_plain(listener: &Listener) -> bool {
    let takes_plain = listener.tls.is_none() || listener.plain;
    takes_plain && !listener.secure
}

/// Warns of protocols without masking (RFC 6455 §10.3), which may be limited to TLS. The warning
/// explains the refusal of other clients.
fn warn_of_unmasked(config: &Config, address: &ListenAddress) {
    let everyone = Trusted::everyone();
    let unmasked = |is_lifted: bool| {
        let routes = config.routes.iter().map(|route| &route.settings);
        let routes = routes.filter(|route| (route.unmasked_from == everyone) == is_lifted);
        let spoken: Vec<_> = routes.flat_map(|route| &route.protocols.0).collect();
        let unmasked = PROTOCOLS.iter().filter(|protocol| {
            let is_it = |spoken: &&&dyn Protocol| spoken.name() == protocol.name();
            protocol.masking() == Masking::None && spoken.iter().any(is_it)
        });
        let names: Vec<_> = unmasked.map(|protocol| protocol.name()).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    if let Some(protocols) = unmasked(true) {
        warn!(
            "clients of {protocols} do not mask their data, and are admitted on {address} from everywhere without TLS: \
             web pages can put chosen bytes on the wire and poison caches of proxies; list networks in \
             `unmasked_from` (--unmasked-from)"
        );
    }
    if let Some(protocols) = unmasked(false) {
        warn!(
            "clients of {protocols} do not mask their data, and are admitted on {address} only with TLS or from the \
             networks of `unmasked_from` (--unmasked-from), which are the private ones by default"
        );
    }
}
