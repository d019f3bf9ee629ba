//! The values of flags: sizes, durations, addresses, protocols.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use bytestring::ByteString;
use ipnet::IpNet;
use polysock::protocols::http::is_token;
use polysock::protocols::{DEFAULT_PROTOCOLS, Masking, PROTOCOLS, Protocol, find_protocol};
use polysock::upstream::{TcpUpstream, UpstreamSettings};
use polysock::{OriginPattern, OriginPatternError, Trusted};

/// Parses a size: `64KiB`, `1MiB`, `1000`, `none`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    if text == "none" {
        return Ok(u64::MAX);
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err("write a number of bytes, with KiB, MiB or GiB, or `none`".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "the number is missing".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "that is more than 2^64 bytes: write `none` for no limit".into())
}

/// Parses the size of a head. A head is buffered whole, so it has an upper bound.
pub(crate) fn head_size(text: &str) -> Result<usize, String> {
    const KIB: usize = 1024;
    let size = size(text)?;
    usize::try_from(size)
        .ok()
        .filter(|size| (KIB..=256 * KIB).contains(size))
        .ok_or_else(|| "write a size from 1KiB to 256KiB".into())
}

/// Parses a number from 1 on, or `none` as the largest number.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text == "none" => Ok(usize::MAX),
        Ok(0) | Err(_) => Err("write a number from 1 on, or `none`".into()),
        Ok(count) => Ok(count),
    }
}

/// Parses a duration: `10s`, `500ms`, `2m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "write a number with ms, s, m or h, as 10s".to_owned())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a unit: ms, s, m or h, as 10s".into()),
    };
    Ok(Duration::from_millis(number.saturating_mul(milliseconds)))
}

/// Parses a duration, or `none` as zero.
pub(crate) fn optional_duration(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::ZERO);
    }
    match duration(text)? {
        Duration::ZERO => Err("write `none` for no limit".into()),
        duration => Ok(duration),
    }
}

/// Parses a number, or `none` as zero.
pub(crate) fn optional_count(text: &str) -> Result<u32, String> {
    if text == "none" {
        return Ok(0);
    }
    match text.parse() {
        Ok(0) => Err("write `none` for no limit".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("write a number, or `none`".into()),
    }
}

/// Parses `HOST:PORT`. `:PORT` is every address of this machine.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let every = text.strip_prefix(':').map(|port| format!("[::]:{port}"));
    let text = every.as_deref().unwrap_or(text);
    if !text.contains(':') {
        return Err("the port is missing: write HOST:PORT, as 127.0.0.1:8080".into());
    }
    let mut addresses = text.to_socket_addrs().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => "the port is not a number up to 65535".to_owned(),
        _ => format!("the host is unknown ({error})"),
    })?;
    addresses
        .next()
        .ok_or_else(|| "the host has no address".into())
}

/// Parses a network, `10.0.0.0/8`, or an address as a network of one.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse();
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network: Result<IpNet, _> = network.or_else(|_| address());
    match network {
        Ok(network) if network != network.trunc() => Err(format!(
            "this address has bits outside the network mask: write {}",
            network.trunc()
        )),
        Ok(network) => Ok(network),
        Err(_) => Err("write an address or a network, as 10.0.0.0/8 or ::1".into()),
    }
}

/// Parses `any`, `private`, `unix`, `none`, or a [`network`].
pub(crate) fn peers(text: &str) -> Result<Trusted, String> {
    Ok(match text {
        "any" => Trusted::everyone(),
        "private" => Trusted::private(),
        "none" => Trusted::default(),
        "unix" => Trusted {
            unix: true,
            ..Trusted::default()
        },
        text => {
            let network = network(text)
                .map_err(|mend| format!("{mend}; or `private`, `unix`, `any`, `none`"));
            vec![network?].into()
        }
    })
}

/// Parses [`peers`] separated by commas.
pub(crate) fn peer_list(text: &str) -> Result<Trusted, String> {
    let peers = text.split(',').map(|peer| peers(peer.trim()));
    Ok(together(peers.collect::<Result<Vec<_>, _>>()?))
}

/// The union of several sets of peers.
pub(crate) fn together(peers: Vec<Trusted>) -> Trusted {
    let mut all = Trusted::default();
    for peers in peers {
        all.unix |= peers.unix;
        for network in peers.networks {
            if !all.networks.contains(&network) {
                all.networks.push(network);
            }
        }
    }
    all
}

/// Checks the `HOST:PORT` of a server. The name is resolved on connecting.
pub(crate) fn server(text: &str) -> Result<String, String> {
    let url = format!("tcp://{text}");
    let is_server = TcpUpstream::parse(&url, UpstreamSettings::default()).is_ok();
    if is_server && !text.ends_with('/') {
        Ok(text.into())
    } else {
        Err("write HOST:PORT, as 192.168.0.7:80".into())
    }
}

/// Parses the name of a protocol.
pub(crate) fn protocol(name: &str) -> Result<&'static dyn Protocol, String> {
    find_protocol(name).ok_or_else(|| "no such protocol; `polysock protocols` lists them".into())
}

/// A list of protocols, as a value for clap.
#[derive(Clone, Debug)]
pub(crate) struct ProtocolList(pub(crate) Vec<&'static dyn Protocol>);

impl PartialEq for ProtocolList {
    fn eq(&self, other: &Self) -> bool {
        let names = |list: &Self| list.0.iter().map(|protocol| protocol.name()).collect();
        let (ours, theirs): (Vec<&str>, Vec<&str>) = (names(self), names(other));
        ours == theirs
    }
}

/// Parses [`protocols`] for clap.
pub(crate) fn protocol_list(text: &str) -> Result<ProtocolList, String> {
    protocols(text).map(ProtocolList)
}

/// An allowed origin; `None` is every origin.
#[derive(Clone, Debug)]
pub(crate) struct LetIn(pub(crate) Option<OriginPattern>);

/// Parses an origin, or `*`.
pub(crate) fn origin(text: &str) -> Result<LetIn, String> {
    if text == "*" {
        return Ok(LetIn(None));
    }
    match text.parse() {
        Ok(origin) => Ok(LetIn(Some(origin))),
        Err(OriginPatternError::Scheme) if !text.is_empty() => {
            Err(format!("write http://{text} or https://{text}"))
        }
        Err(error) => Err(format!(
            "{error}; write scheme and host, as http://example.com"
        )),
    }
}

/// Parses the name of a subprotocol.
pub(crate) fn subprotocol(text: &str) -> Result<ByteString, String> {
    if is_token(text) {
        Ok(text.into())
    } else {
        Err("write a token, of letters, digits and !#$%&'*+-.^_`|~".into())
    }
}

/// Parses names separated by commas, `all`, `default`, `modern` (payloads masked on the wire) or
/// `legacy` (the others).
pub(crate) fn protocols(text: &str) -> Result<Vec<&'static dyn Protocol>, String> {
    let name_of = |protocol: &&'static dyn Protocol| protocol.name();
    let is_modern = |protocol: &&&'static dyn Protocol| protocol.masking() == Masking::Payload;
    let mut names: Vec<&str> = Vec::new();
    for name in text.split(',').map(str::trim) {
        match name {
            "all" => names.extend(PROTOCOLS.iter().map(name_of)),
            "default" => names.extend(DEFAULT_PROTOCOLS.iter().map(name_of)),
            "modern" => names.extend(PROTOCOLS.iter().filter(is_modern).map(name_of)),
            "legacy" => {
                let is_legacy = |protocol: &&&'static dyn Protocol| !is_modern(protocol);
                names.extend(PROTOCOLS.iter().filter(is_legacy).map(name_of));
            }
            name if find_protocol(name).is_some() => names.push(name),
            name => {
                return Err(format!(
                    "`{name}` is not a protocol; `polysock protocols` lists them"
                ));
            }
        }
    }
    let chosen = |protocol: &&&dyn Protocol| names.contains(&protocol.name());
    Ok(PROTOCOLS.iter().filter(chosen).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        for (text, expected) in [
            ("0", 0),
            ("64KiB", 65536),
            ("64k", 65536),
            ("1 MiB", 1 << 20),
            ("2g", 2 << 30),
            ("none", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "KiB",
            "1T",
            "-1",
            "99999999999999999999",
            "99999999999g",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("10").is_err() && duration("s").is_err() && duration("1d").is_err());
        assert_eq!(optional_duration("none"), Ok(Duration::ZERO));
        assert!(optional_duration("0s").is_err());
    }

    #[test]
    fn reads_lists_of_protocols_in_the_order_of_their_age() {
        let names = |text: &str| -> Vec<&str> {
            protocols(text)
                .unwrap()
                .iter()
                .map(|protocol| protocol.name())
                .collect()
        };
        assert_eq!(names("rfc6455,hixie-75"), ["hixie-75", "rfc6455"]);
        assert_eq!(names("modern"), ["hybi-07", "hybi-10", "rfc6455"]);
        assert_eq!(names("legacy,modern"), names("all"));
        assert_eq!(names("all").len(), 11);
        assert!(protocols("hixie76").is_err() && protocols("").is_err());
    }
}
