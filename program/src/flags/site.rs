//! The flags of protocols, origins and networks.

use clap::Args;
use ipnet::IpNet;
use polysock::protocols::http::HeadLimits;
use polysock::{Origins, PortSettings, SiteSettings, Trusted};

use super::values;

/// The protocols to speak, and the origins to allow.
#[derive(Args, Debug)]
pub(crate) struct AcceptFlags {
    /// Protocols to speak: comma-separated names, or `all`, `modern`, `legacy`, `default`
    #[arg(long, value_name = "LIST", default_value = "default", value_parser = values::protocol_list)]
    pub(crate) protocols: values::ProtocolList,

    /// Origin to allow: scheme, host, and the port if it is not the scheme's default, as
    /// http://example.com or https://*.example.com; `same-origin` for pages of the requested host,
    /// `*` for any, `null` for pages without a named origin, `none` for clients that send none.
    /// Repeatable. Without it every origin is allowed
    #[arg(long, value_name = "ORIGIN", value_parser = values::origin)]
    pub(crate) origin: Vec<values::LetIn>,
}

/// The networks from which clients are admitted.
#[derive(Args, Debug)]
pub(crate) struct GateFlags {
    /// Networks from which clients that do not mask their data (hixie-75 to hybi-03) are admitted
    /// without TLS: comma-separated networks or addresses, `private` for this machine and private
    /// networks, `unix`, `any`, `none`. From elsewhere such clients receive 403
    #[arg(long, value_name = "NETWORKS", value_parser = values::peer_list, default_value = "private")]
    pub(crate) unmasked_from: Trusted,

    /// Networks from which clients are admitted: comma-separated networks or addresses. Other
    /// clients are closed before a byte is read [default: any]
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', value_parser = values::network)]
    pub(crate) allow: Vec<IpNet>,

    /// Networks from which clients are refused, even if --allow contains them
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', value_parser = values::network)]
    pub(crate) deny: Vec<IpNet>,
}

/// The settings of a port.
#[derive(Args, Debug)]
pub(crate) struct PortFlags {
    /// Maximum size of a request head, and of an upstream's response head: 1KiB to 256KiB. A longer
    /// one is refused with 431, or 414 if its first line alone is longer
    #[arg(long, value_name = "SIZE", value_parser = values::head_size, default_value = "16KiB")]
    pub(crate) max_head: usize,

    /// Answer Flash socket policy requests, for this port and the domains of --origin
    #[arg(long)]
    pub(crate) flash_policy: bool,

    #[command(flatten)]
    pub(crate) secure: SecureFlag,
}

/// The proxies in front that are trusted.
#[derive(Args, Debug)]
pub(crate) struct TrustFlags {
    /// Proxies whose connections begin with a PROXY header (v1 or v2) that names the client:
    /// comma-separated networks or addresses, as 10.0.0.0/8. Their connections without one are
    /// closed
    #[arg(long, value_name = "NETWORKS")]
    pub(crate) proxy_protocol: Option<Trusted>,

    /// Proxies that are trusted to name the client in X-Forwarded-For, -Proto, -Host, -Port,
    /// X-Real-IP or Forwarded. From other peers these fields are dropped
    #[arg(long, value_name = "NETWORKS")]
    pub(crate) forwarded: Option<Trusted>,
}

/// The flag for TLS that a proxy in front terminates.
#[derive(Args, Debug)]
pub(crate) struct SecureFlag {
    /// Assume that a proxy in front terminates TLS: pages see wss:// (the hixie protocols name the
    /// URL)
    #[arg(long)]
    pub(crate) secure: bool,
}

/// Returns the port settings of these flags, and defaults for the rest.
pub(crate) fn port_settings(accept: &AcceptFlags, port: &PortFlags) -> PortSettings {
    PortSettings {
        protocols: accept.protocols.0.clone(),
        flash_policy: port.flash_policy,
        secure: port.secure.secure,
        head: port.head(),
        ..PortSettings::default()
    }
}

impl PortFlags {
    /// The limits of a head.
    pub(crate) fn head(&self) -> HeadLimits {
        HeadLimits {
            head: self.max_head,
            ..HeadLimits::default()
        }
    }
}

/// Returns the site settings of these flags, and defaults for the rest.
pub(crate) fn site_settings(accept: &AcceptFlags) -> SiteSettings {
    SiteSettings {
        origins: origins(&accept.origin),
        ..SiteSettings::default()
    }
}

/// The allowed origins: any if none is listed or `*` is.
pub(crate) fn origins(listed: &[values::LetIn]) -> Origins {
    let origins: Option<Vec<_>> = listed.iter().map(|listed| listed.0.clone()).collect();
    let origins = origins.filter(|origins| !origins.is_empty());
    origins.map_or(Origins::Any, Origins::Listed)
}
