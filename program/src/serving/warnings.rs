//! What a server says of its configuration.

use polysock::ListenAddress;
use polysock::protocols::Masking;
use tracing::warn;

use crate::config::Config;
use crate::config::process::Process;
#[cfg(feature = "legacy-tls")]
use crate::flags::tls::MinVersion;

/// Tells what of another configuration takes a restart.
pub(super) fn warn_of_what_stays(ours: &Process, theirs: &Process) {
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
            "shutdown_timeout",
            ours.shutdown_timeout == theirs.shutdown_timeout,
        ),
        ("pid_file", ours.pid_file == theirs.pid_file),
        ("handover", ours.handover == theirs.handover),
        ("log_format", ours.log_format == theirs.log_format),
    ] {
        if !is_same {
            warn!("`{key}` has changed, which takes a restart: it stays as it was");
        }
    }
}

/// RFC 8996 in a line for each listener that does not heed it.
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
                "TLS {} is spoken on {}: it protects from nobody who can change what passes",
                oldest.as_str(),
                listener.address
            );
        }
    }
}

/// RFC 6455 §10.3 in a line for each protocol that cannot heed it.
pub(super) fn warn_of_unmasked<'a>(
    config: &Config,
    mut addresses: impl Iterator<Item = &'a ListenAddress>,
) {
    let is_open = |address: &&ListenAddress| match address {
        ListenAddress::Tcp(address) => !address.ip().is_loopback(),
        ListenAddress::Unix { .. } => false,
    };
    let Some(address) = addresses.find(is_open) else {
        return;
    };
    let routes = config.routes.iter().map(|route| &route.settings);
    let open = routes.filter(|settings| settings.origins.is_none());
    let mut named = Vec::new();
    for protocol in open.flat_map(|settings| &settings.protocols.0) {
        if protocol.masking() != Masking::None || named.contains(&protocol.name()) {
            continue;
        }
        named.push(protocol.name());
        warn!(
            "{} is served on {address} to pages of any origin, and its clients do not mask: \
             list the pages with --origin, or leave it out of --protocols",
            protocol.name()
        );
    }
}
