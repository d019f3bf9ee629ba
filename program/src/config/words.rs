//! Forms of single words, which are parsed like the values of flags.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use bytestring::ByteString;
use ipnet::IpNet;
use polysock::upstream::HostSent;
use polysock::{OriginPattern, Origins, Trusted};
use serde_json::{Value, json};

use super::form::{Form, List, Word, quoted};
use super::node::Node;
use super::reader::Reader;
use crate::flags::values::{self, LetIn, ProtocolList};

/// The form of any text.
pub(super) fn text() -> Word<String> {
    Word {
        read: |text| Ok(text.to_owned()),
        write: |text| Some(quoted(text)),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a size in bytes. `none` is the largest number.
pub(super) fn size() -> Word<u64> {
    Word {
        read: values::size,
        write: |size| Some(size_text(*size)),
        schema: size_schema,
    }
}

/// The form of a number of bytes in memory. `none` is the largest number.
pub(super) fn bytes() -> Word<usize> {
    Word {
        read: |text| Ok(usize::try_from(values::size(text)?).unwrap_or(usize::MAX)),
        write: |bytes| Some(size_text(u64::try_from(*bytes).unwrap_or(u64::MAX))),
        schema: size_schema,
    }
}

/// The form of a byte rate below 4 GiB, or `none`.
pub(super) fn rate() -> Word<Option<NonZeroU32>> {
    Word {
        read: |text| match values::size(text)? {
            u64::MAX => Ok(None),
            size => {
                let rate = u32::try_from(size).ok().and_then(NonZeroU32::new);
                rate.map(Some)
                    .ok_or_else(|| "write a size from 1 to 4095MiB, or `none`".to_owned())
            }
        },
        write: |rate| Some(size_text(rate.map_or(u64::MAX, |rate| rate.get().into()))),
        schema: size_schema,
    }
}

/// The form of the size of a head.
pub(super) fn head_size() -> Word<usize> {
    Word {
        read: values::head_size,
        write: |size| Some(size_text(u64::try_from(*size).unwrap_or(u64::MAX))),
        schema: size_schema,
    }
}

/// The form of a number from 1 on. `none` is the largest number.
pub(super) fn count() -> Word<usize> {
    Word {
        read: values::count,
        write: |count| {
            Some(match *count {
                usize::MAX => quoted("none"),
                count => count.to_string(),
            })
        },
        schema: count_schema,
    }
}

/// The form of a number, or `none`.
pub(super) fn optional_count() -> Word<Option<u32>> {
    Word {
        read: |text| Ok(Some(values::optional_count(text)?).filter(|count| *count > 0)),
        write: |count| {
            Some(match count {
                None => quoted("none"),
                Some(count) => count.to_string(),
            })
        },
        schema: count_schema,
    }
}

/// The form of a number from 1 on.
pub(super) fn number() -> Word<u32> {
    Word {
        read: |text| match text.parse() {
            Ok(0) | Err(_) => Err("write a number of at least 1".to_owned()),
            Ok(number) => Ok(number),
        },
        write: |number| Some(number.to_string()),
        schema: || json!({ "type": "integer", "minimum": 1 }),
    }
}

/// The form of a number of threads.
pub(super) fn threads() -> Word<NonZeroUsize> {
    Word {
        read: |text| {
            let threads = text.parse();
            threads.map_err(|_| "write a number of at least 1".to_owned())
        },
        write: |number| Some(number.to_string()),
        schema: || json!({ "type": "integer", "minimum": 1 }),
    }
}

/// The form of a compression level.
pub(super) fn level() -> Word<u8> {
    Word {
        read: |text| between(text, 1, 9),
        write: |number| Some(number.to_string()),
        schema: || json!({ "type": "integer", "minimum": 1, "maximum": 9 }),
    }
}

/// The form of the bits of a compression window.
pub(super) fn window_bits() -> Word<u8> {
    Word {
        read: |text| between(text, 9, 15),
        write: |number| Some(number.to_string()),
        schema: || json!({ "type": "integer", "minimum": 9, "maximum": 15 }),
    }
}

fn between(text: &str, first: u8, last: u8) -> Result<u8, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (first..=last).contains(number));
    number.ok_or_else(|| format!("write a number from {first} to {last}"))
}

/// The form of a duration.
pub(super) fn duration() -> Word<Duration> {
    Word {
        read: values::duration,
        write: |time| Some(duration_text(*time)),
        schema: duration_schema,
    }
}

/// The form of a duration, or `none`.
pub(super) fn optional_duration() -> Word<Option<Duration>> {
    Word {
        read: |text| Ok(Some(values::optional_duration(text)?).filter(|time| !time.is_zero())),
        write: |time| Some(time.map_or_else(|| quoted("none"), duration_text)),
        schema: duration_schema,
    }
}

/// The form of a duration. `none` is zero.
pub(super) fn zero_duration() -> Word<Duration> {
    Word {
        read: values::optional_duration,
        write: |time| {
            Some(match *time {
                Duration::ZERO => quoted("none"),
                time => duration_text(time),
            })
        },
        schema: duration_schema,
    }
}

/// The form of a network or an address.
pub(super) fn network() -> Word<IpNet> {
    Word {
        read: values::network,
        write: |network| Some(quoted(&network_text(network))),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a subprotocol.
pub(super) fn subprotocol() -> Word<ByteString> {
    Word {
        read: values::subprotocol,
        write: |name| Some(quoted(name)),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of the `Host` that is sent to an upstream.
pub(super) fn upstream_host() -> Word<HostSent> {
    Word {
        read: |text| match text {
            "target" => Ok(HostSent::Target),
            "keep" => Ok(HostSent::Client),
            host => match format!("http://{host}").parse::<OriginPattern>() {
                Ok(_) if !host.contains(['/', '*']) => Ok(HostSent::Named(host.into())),
                _ => Err(
                    "write `target`, `keep`, or a host, as app.example or 10.0.0.7:8080".to_owned(),
                ),
            },
        },
        write: |host| {
            Some(match host {
                HostSent::Target => quoted("target"),
                HostSent::Client => quoted("keep"),
                HostSent::Named(host) => quoted(host),
            })
        },
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a file path, relative to the directory of the file.
pub(super) struct Place;

impl Form<PathBuf> for Place {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<PathBuf> {
        let word = node.word(&mut reader.problems)?;
        if word.is_empty() {
            node.unfit("write a path", &mut reader.problems);
            return None;
        }
        Some(reader.resolve(&word))
    }

    fn write(&self, value: &PathBuf) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

/// The form of networks and `unix`.
pub(super) struct TrustedList;

impl Form<Trusted> for TrustedList {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Trusted> {
        let peer = Word {
            read: |text| match text {
                "unix" => Ok(None),
                text => values::network(text).map(Some),
            },
            write: |_| None,
            schema: || Value::Null,
        };
        let peers: Vec<Option<IpNet>> = List(peer).parse(node, reader)?;
        Some(Trusted {
            unix: peers.contains(&None),
            networks: peers.into_iter().flatten().collect(),
        })
    }

    fn write(&self, value: &Trusted) -> Option<String> {
        let networks = value.networks.iter().map(network_text);
        let unix = value.unix.then(|| "unix".to_owned());
        let peers = networks.chain(unix).map(|peer| quoted(&peer));
        Some(format!("[{}]", peers.collect::<Vec<_>>().join(", ")))
    }

    fn schema(&self) -> Value {
        List(network()).schema()
    }
}

/// The form of names of protocols and of groups of them.
pub(super) struct Protocols;

impl Form<ProtocolList> for Protocols {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<ProtocolList> {
        let list = Word {
            read: values::protocol_list,
            write: |_| None,
            schema: || Value::Null,
        };
        let lists: Vec<ProtocolList> = List(list).parse(node, reader)?;
        let names = lists.iter().flat_map(|list| &list.0);
        let names: Vec<&str> = names.map(|protocol| protocol.name()).collect();
        match values::protocol_list(&names.join(",")) {
            Ok(protocols) => Some(protocols),
            Err(_) => {
                node.unfit("name at least one protocol", &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &ProtocolList) -> Option<String> {
        let groups = ["default", "all", "modern", "legacy"];
        let group = groups
            .into_iter()
            .find(|group| values::protocol_list(group).as_ref() == Ok(value));
        Some(group.map_or_else(
            || {
                let names = value.0.iter().map(|protocol| quoted(protocol.name()));
                format!("[{}]", names.collect::<Vec<_>>().join(", "))
            },
            quoted,
        ))
    }

    fn schema(&self) -> Value {
        let names = polysock::protocols::PROTOCOLS.iter();
        let names = names.map(|protocol| protocol.name());
        let names: Vec<&str> = ["all", "default", "modern", "legacy"]
            .into_iter()
            .chain(names)
            .collect();
        json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "enum": names } },
        ] })
    }
}

/// The form of origins, or `*`.
pub(super) struct OriginList;

impl Form<Origins> for OriginList {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Origins> {
        let origin = Word {
            read: values::origin,
            write: |_| None,
            schema: || Value::Null,
        };
        let listed: Vec<LetIn> = List(origin).parse(node, reader)?;
        if listed.is_empty() {
            let mend = "list at least one origin, or write \"*\" for any";
            node.unfit(mend, &mut reader.problems);
            return None;
        }
        let origins: Option<Vec<OriginPattern>> =
            listed.into_iter().map(|listed| listed.0).collect();
        Some(origins.map_or(Origins::Any, Origins::Listed))
    }

    fn write(&self, value: &Origins) -> Option<String> {
        Some(match value {
            Origins::Any => quoted("*"),
            Origins::Listed(origins) => {
                let origins = origins.iter().map(|origin| quoted(&origin.to_string()));
                format!("[{}]", origins.collect::<Vec<_>>().join(", "))
            }
        })
    }

    fn schema(&self) -> Value {
        List(text()).schema()
    }
}

fn size_text(size: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let mut units = units.into_iter();
    match units.find(|(shift, _)| size > 0 && size.trailing_zeros() >= *shift) {
        _ if size == u64::MAX => quoted("none"),
        Some((shift, unit)) => quoted(&format!("{}{unit}", size >> shift)),
        None => size.to_string(),
    }
}

fn duration_text(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let mut units = units.into_iter();
    let unit = units.find(|(length, _)| milliseconds > 0 && milliseconds.is_multiple_of(*length));
    let (length, unit) = unit.unwrap_or((1, "ms"));
    quoted(&format!("{}{unit}", milliseconds / length))
}

pub(super) fn network_text(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

fn size_schema() -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": "^([0-9]+ *([kKmMgG]([iI]?[bB])?|[bB])?|none)$|\\$\\{" },
    ] })
}

fn count_schema() -> Value {
    json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string" }] })
}

fn duration_schema() -> Value {
    json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h)|none)$|\\$\\{" })
}
