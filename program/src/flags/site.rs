//! The flags of protocols, origins and networks.

use clap::Args;
use ipnet::IpNet;
use polysock::protocols::http::HeadLimits;
use polysock::{Origins, PortSettings, SiteSettings, Trusted};

use super::values;

/// The protocols that are spoken, and to whom.
#[derive(Args, Debug)]
pub(crate) struct AcceptFlags {
    /// The protocols to speak: names with commas, or `all`, `modern`, `legacy`, `default`
    #[arg(long, value_name = "LIST", default_value = "default", value_parser = values::protocol_list)]
    pub(crate) protocols: values::ProtocolList,

    /// An origin to let in: scheme and host, and the port if it is another, as http://example.com or
    /// https://*.example.com; `same-origin` for pages of the host that is asked for, `*` for any, `null`
    /// for pages without a name, `none` for clients that send none. Repeatable. Without it every origin
    /// is let in
    #[arg(long, value_name = "ORIGIN", value_parser = values::origin)]
    pub(crate) origin: Vec<values::LetIn>,
}

/// The ways by which clients may come.
#[derive(Args, Debug)]
pub(crate) struct GateFlags {
    /// The networks from where clients may come without TLS that do not mask what they send (hixie-75 to
    /// hybi-03): networks or addresses with commas, `private` for this machine and private networks,
    /// `unix`, `any`, `none`. Others are told 403
    #[arg(long, value_name = "NETWORKS", value_parser = values::peer_list, default_value = "private")]
    pub(crate) unmasked_from: Trusted,

    /// The networks from where anybody may come: networks or addresses with commas. Others are closed
    /// before a byte of theirs is read [default: any]
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', value_parser = values::network)]
    pub(crate) allow: Vec<IpNet>,

    /// The networks from where nobody may come, in spite of --allow
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', value_parser = values::network)]
    pub(crate) deny: Vec<IpNet>,
}

/// What a port is told of what is around it.
#[derive(Args, Debug)]
pub(crate) struct PortFlags {
    /// The longest head of a request, and of an upstream's answer: 1KiB to 256KiB. One that is longer
    /// is refused with 431, or 414 if its first line is
    #[arg(long, value_name = "SIZE", value_parser = values::head_size, default_value = "16KiB")]
    pub(crate) max_head: usize,

    /// Answer Flash's socket policy requests: for this port, and the domains of --origin
    #[arg(long)]
    pub(crate) flash_policy: bool,

    #[command(flatten)]
    pub(crate) secure: SecureFlag,
}

/// The proxies in front whose word is taken.
#[derive(Args, Debug)]
pub(crate) struct TrustFlags {
    /// The proxies whose connections begin with a PROXY header (v1 or v2), which says for whom they
    /// are: networks or addresses with commas, as 10.0.0.0/8. Those that do not are closed
    #[arg(long, value_name = "NETWORKS")]
    pub(crate) proxy_protocol: Option<Trusted>,

    /// The proxies whose X-Forwarded-For, -Proto, -Host, -Port, X-Real-IP or Forwarded say who asks.
    /// What others say there is dropped
    #[arg(long, value_name = "NETWORKS")]
    pub(crate) forwarded: Option<Trusted>,
}

/// Whether TLS ends in front.
#[derive(Args, Debug)]
pub(crate) struct SecureFlag {
    /// TLS ends at a proxy in front: pages see wss:// (the hixie protocols name the URL)
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
