//! The handshake options of a client.

use bytes::Bytes;
use bytestring::ByteString;
use clap::Args;
use polysock::protocols::Dial;
use polysock::protocols::http::is_token;

use super::values;

/// The handshake options of a client.
#[derive(Args, Debug)]
pub(crate) struct DialFlags {
    /// Subprotocol to offer. Repeatable, in order of preference
    #[arg(long, value_name = "NAME", value_parser = values::subprotocol)]
    subprotocol: Vec<ByteString>,

    /// Origin to send
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    origin: Option<ByteString>,

    /// Header field to send, as `Authorization: Bearer …`. Repeatable
    #[arg(short = 'H', long, value_name = "NAME:VALUE", value_parser = header)]
    header: Vec<Header>,

    /// Offer compression
    #[arg(long)]
    pub(crate) compression: bool,
}

/// A header field.
#[derive(Clone, Debug)]
struct Header {
    name: ByteString,
    value: Bytes,
}

impl DialFlags {
    /// The handshake options, apart from the URL.
    pub(crate) fn dial(&self) -> Dial {
        let fields = self.header.iter().cloned();
        Dial {
            subprotocols: self.subprotocol.clone(),
            origin: self.origin.clone(),
            fields: fields.map(|field| (field.name, field.value)).collect(),
            ..Dial::default()
        }
    }
}

/// Fields that the handshake sets, or that would break its framing.
const OF_THE_HANDSHAKE: &[&str] = &[
    "host",
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "sec-websocket-key",
    "sec-websocket-key1",
    "sec-websocket-key2",
    "sec-websocket-version",
    "sec-websocket-draft",
    "sec-websocket-extensions",
];

/// Fields that have a flag of their own.
const WITH_A_FLAG: &[(&str, &str)] = &[
    ("origin", "--origin"),
    ("sec-websocket-origin", "--origin"),
    ("sec-websocket-protocol", "--subprotocol"),
    ("websocket-protocol", "--subprotocol"),
];

fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("write NAME:VALUE, as `Authorization: Bearer …`")?;
    let (name, value) = (name.trim(), value.trim());
    if !is_token(name) {
        return Err("a field name consists of letters, digits and !#$%&'*+-.^_`|~".into());
    }
    let lower = name.to_ascii_lowercase();
    if OF_THE_HANDSHAKE.contains(&&*lower) {
        return Err(format!("{name} is set by the opening handshake"));
    }
    if let Some((_, flag)) = WITH_A_FLAG.iter().find(|(name, _)| *name == lower) {
        return Err(format!("use {flag}, as the field differs by protocol"));
    }
    one_line(value)?;
    Ok(Header {
        name: name.into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    })
}

fn origin(text: &str) -> Result<ByteString, String> {
    one_line(text)?;
    Ok(text.into())
}

/// Checks a field value: no control characters that would end its line (RFC 9110 §5.5).
fn one_line(value: &str) -> Result<(), String> {
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err("a field value must not contain line ends or control characters".into());
    }
    Ok(())
}
