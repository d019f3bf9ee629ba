//! The listeners for clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use polysock::{Networks, PortSettings, Trusted};
use serde_json::{Value, json};

use super::form::{Form, List, Switch, Word, quoted};
use super::key::Key;
use super::node::Node;
use super::reader::Reader;
use super::tls::{self, Tls};
use super::words::{TrustedList, duration, head_size, network};
use crate::flags::values;

/// A listener for clients: a `[[listener]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) address: Address,
    /// The networks from which clients may connect.
    pub(crate) networks: Networks,
    /// The proxies whose PROXY header is trusted.
    pub(crate) proxy_protocol: Trusted,
    /// The proxies whose `Forwarded` and `X-Forwarded-*` fields are trusted.
    pub(crate) forwarded: Trusted,
    /// True if TLS ends at a proxy in front, so that pages see `wss://`.
    pub(crate) secure: bool,
    pub(crate) tls: Option<Tls>,
    /// True if a listener with TLS also accepts clients without it.
    pub(crate) plain: bool,
    pub(crate) http2: bool,
    pub(crate) flash_policy: bool,
    /// The longest head of a request, in bytes.
    pub(crate) max_head: usize,
    pub(crate) handshake_timeout: Duration,
    /// The idle time after which the kernel sends TCP keep-alive probes.
    pub(crate) keep_alive: Duration,
    /// The permissions of a Unix socket; `None` for those that the umask leaves.
    pub(crate) mode: Option<u32>,
}

/// The address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// The sockets of this name that systemd passes; `None` for all of them.
    Systemd(Option<String>),
}

impl Address {
    /// Parses `HOST:PORT`, `:PORT`, `unix:PATH`, `systemd:` or `systemd:NAME`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("write unix:PATH".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        match text.strip_prefix("systemd:") {
            // sd_listen_fds(3): colons separate the names.
            Some(name) if name.contains(':') => {
                Err("the name of a socket cannot contain a colon: write systemd:NAME".to_owned())
            }
            Some("") => Ok(Self::Systemd(None)),
            Some(name) => Ok(Self::Systemd(Some(name.to_owned()))),
            None => values::address(text).map(Self::Tcp),
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        let port = PortSettings::default();
        Self {
            address: Address::Tcp((Ipv4Addr::LOCALHOST, 8080).into()),
            networks: port.networks,
            proxy_protocol: port.proxy_protocol,
            forwarded: port.forwarded,
            secure: port.secure,
            tls: None,
            plain: false,
            http2: port.http2,
            flash_policy: port.flash_policy,
            max_head: port.head.head,
            handshake_timeout: port.handshake_timeout,
            keep_alive: port.keep_alive,
            mode: None,
        }
    }
}

/// The keys of `[[listener]]`.
pub(super) fn keys() -> Vec<Key<Listener>> {
    vec![
        Key::new(
            "address",
            Addresses,
            |listener: &mut Listener| &mut listener.address,
            "The address: HOST:PORT, :PORT for all addresses of this machine, unix:PATH, or systemd:NAME for the \
             sockets of that name that systemd passes; systemd: for all of them.",
        ),
        Key::new(
            "allow",
            List(network()),
            |listener: &mut Listener| &mut listener.networks.allow,
            "The networks from which clients are admitted. Other clients are closed before a byte is read. If a \
             trusted proxy names a client, the client's address is checked instead of the proxy's. Empty: any.",
        ),
        Key::new(
            "deny",
            List(network()),
            |listener| &mut listener.networks.deny,
            "The networks from which clients are refused, even if `allow` contains them.",
        ),
        Key::new(
            "proxy_protocol",
            TrustedList,
            |listener: &mut Listener| &mut listener.proxy_protocol,
            "The networks of trusted proxies whose connections begin with a PROXY header (v1 or v2), which names the \
             client; \"unix\" for proxies that connect over a Unix socket.",
        )
        .example("[\"10.0.0.0/8\"]"),
        Key::new(
            "forwarded",
            TrustedList,
            |listener: &mut Listener| &mut listener.forwarded,
            "The networks of trusted proxies, which name the client in Forwarded, X-Forwarded-* and X-Real-IP fields; \
             \"unix\" for proxies that connect over a Unix socket.",
        )
        .example("[\"10.0.0.0/8\", \"unix\"]"),
        Key::new(
            "secure",
            Switch,
            |listener| &mut listener.secure,
            "Whether a proxy in front terminates TLS, so that pages see wss://.",
        ),
        Key::new(
            "tls",
            tls::table(),
            |listener: &mut Listener| &mut listener.tls,
            "TLS on the same port.",
        ),
        Key::new(
            "plain",
            Switch,
            |listener| &mut listener.plain,
            "Whether plain text is accepted in addition to TLS. Otherwise ordinary requests in plain text are \
             redirected to https://, and WebSockets are refused.",
        ),
        Key::new(
            "http2",
            Switch,
            |listener| &mut listener.http2,
            "Whether HTTP/2 is enabled, with WebSockets on its streams (RFC 8441).",
        ),
        Key::new(
            "flash_policy",
            Switch,
            |listener| &mut listener.flash_policy,
            "Whether Flash's socket policy requests are answered. The policy lists this port, and the domains that the \
             `origins` of every route allow.",
        ),
        Key::new(
            "max_head",
            head_size(),
            |listener| &mut listener.max_head,
            "The maximum size of a request head: 1KiB to 256KiB.",
        ),
        Key::new(
            "handshake_timeout",
            duration(),
            |listener| &mut listener.handshake_timeout,
            "The time limit for the head of a request.",
        ),
        Key::new(
            "keep_alive",
            duration(),
            |listener| &mut listener.keep_alive,
            "The time of silence after which the kernel sends TCP keep-alive probes to a client.",
        ),
        Key::new(
            "mode",
            mode(),
            |listener: &mut Listener| &mut listener.mode,
            "The permissions of a Unix socket. Default: those that the umask leaves.",
        )
        .example("\"0660\""),
    ]
}

/// The form of a listener's address.
pub(super) struct Addresses;

impl Form<Address> for Addresses {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Address> {
        let word = node.word(&mut reader.problems)?;
        match Address::parse(&word) {
            Ok(Address::Unix(path)) => Some(Address::Unix(reader.resolve(&path.to_string_lossy()))),
            Ok(address) => Some(address),
            Err(mend) => {
                node.unfit(mend, &mut reader.problems);
                None
            }
        }
    }

    fn write(&self, value: &Address) -> Option<String> {
        Some(quoted(&value.to_string()))
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{}", name.as_deref().unwrap_or_default()),
        }
    }
}

/// The form of file permissions in octal digits.
fn mode() -> Word<Option<u32>> {
    Word {
        read: |text| {
            let digits = text.strip_prefix("0o").or(text.strip_prefix('0'));
            let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
            let mode = mode.filter(|mode| *mode <= 0o777);
            let mode = mode.ok_or("write permissions as octal digits in a string, as \"0660\"");
            Ok(Some(mode?))
        },
        write: |mode| Some(quoted(&format!("0{:03o}", (*mode)?))),
        schema: || json!({ "type": ["string", "integer"] }),
    }
}
