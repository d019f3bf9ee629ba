//! The ZeroMQ sockets on which web apps publish: `[zmq]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::form::{Form, List, Maybe, Word, quoted};
use super::key::Key;
use super::node::Node;
use super::reader::Reader;

/// The ZeroMQ sockets on which web apps publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ZmqSection {
    pub(crate) pull: Vec<ZmqAddress>,
    pub(crate) sub: Vec<ZmqAddress>,
    /// The JSON field that names the channel.
    pub(crate) topic_field: Option<String>,
}

/// The address of a socket, on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ZmqAddress {
    Tcp(SocketAddr),
    Ipc(PathBuf),
}

impl ZmqAddress {
    /// Parses `tcp://127.0.0.1:PORT`, `tcp://[::1]:PORT` or `ipc://PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("ipc://") {
            None | Some("") => {}
            // libzmq treats these names as abstract sockets, which have no file permissions.
            Some(name) if name.starts_with('@') => {}
            Some(path) => return Ok(Self::Ipc(path.into())),
        }
        let Some(address) = text.strip_prefix("tcp://") else {
            return Err("write tcp://127.0.0.1:PORT or ipc://PATH".to_owned());
        };
        let local: Option<SocketAddr> = match address.strip_prefix("localhost:") {
            Some(port) => port
                .parse()
                .ok()
                .map(|port| (Ipv4Addr::LOCALHOST, port).into()),
            None => address.parse().ok(),
        };
        match local {
            Some(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
            _ => Err(
                "write tcp://127.0.0.1:PORT or ipc://PATH: anyone who can reach a ZeroMQ socket may publish, \
                 so it must be reachable only from this machine; other machines use POST /publish/ with a key"
                    .to_owned(),
            ),
        }
    }
}

impl std::fmt::Display for ZmqAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Ipc(path) => write!(f, "ipc://{}", path.display()),
        }
    }
}

/// The keys of `[zmq]`.
pub(super) fn keys() -> Vec<Key<ZmqSection>> {
    vec![
        Key::new(
            "pull",
            List(Addresses),
            |zmq: &mut ZmqSection| &mut zmq.pull,
            "The addresses on which ZeroMQ PULL sockets are bound: tcp://127.0.0.1:PORT, or ipc://PATH, whose file \
             permissions (0660) decide who may publish. Each message is a GRIP item.",
        )
        .example("[\"tcp://127.0.0.1:5560\"]"),
        Key::new(
            "sub",
            List(Addresses),
            |zmq: &mut ZmqSection| &mut zmq.sub,
            "The addresses on which SUB sockets are bound. Each message is a channel and an item.",
        )
        .example("[\"tcp://127.0.0.1:5562\"]"),
        Key::new(
            "topic_field",
            Maybe(topic_field()),
            |zmq: &mut ZmqSection| &mut zmq.topic_field,
            "The field that names the channel in a message that is itself the JSON to publish, as Ratchet's push \
             tutorial sends it to a PULL socket. Default: such messages are dropped.",
        )
        .example("\"category\""),
    ]
}

/// The form of a field name.
fn topic_field() -> Word<String> {
    Word {
        read: |text| match text.is_empty() {
            true => Err("write the name of a field".to_owned()),
            false => Ok(text.to_owned()),
        },
        write: |text| Some(quoted(text)),
        schema: || json!({ "type": "string" }),
    }
}

/// The form of a socket's address.
struct Addresses;

impl Form<ZmqAddress> for Addresses {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<ZmqAddress> {
        let word = node.word(&mut reader.problems)?;
        match ZmqAddress::parse(&word) {
            Ok(ZmqAddress::Ipc(path)) => {
                Some(ZmqAddress::Ipc(reader.resolve(&path.to_string_lossy())))
            }
            Ok(address) => Some(address),
            Err(mend) => {
                node.unfit(mend, &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &ZmqAddress) -> Option<String> {
        Some(quoted(&value.to_string()))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_zmq_addresses_are_accepted() {
        for (text, shown) in [
            ("tcp://127.0.0.1:5560", "tcp://127.0.0.1:5560"),
            ("tcp://127.9.9.9:1", "tcp://127.9.9.9:1"),
            ("tcp://[::1]:0", "tcp://[::1]:0"),
            ("tcp://localhost:5560", "tcp://127.0.0.1:5560"),
            ("ipc:///run/app/push.sock", "ipc:///run/app/push.sock"),
        ] {
            let address = ZmqAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
        }
        for (text, mend) in [
            ("tcp://0.0.0.0:5560", "reachable only from this machine"),
            ("tcp://[::]:5560", "reachable only from this machine"),
            ("tcp://*:5560", "reachable only from this machine"),
            ("tcp://10.0.0.1:5560", "reachable only from this machine"),
            ("tcp://app.example:5560", "reachable only from this machine"),
            ("tcp://127.0.0.1", "tcp://127.0.0.1:PORT"),
            ("tcp://localhost:x", "tcp://127.0.0.1:PORT"),
            ("ipc://", "ipc://PATH"),
            ("ipc://@name", "ipc://PATH"),
            ("127.0.0.1:5560", "tcp://127.0.0.1:PORT"),
            ("inproc://app", "ipc://PATH"),
            ("", "ipc://PATH"),
        ] {
            let error = ZmqAddress::parse(text).unwrap_err();
            assert!(error.contains(mend), "{text}: {error}");
        }
    }
}
