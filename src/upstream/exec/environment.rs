//! The environment of a process: what CGI (RFC 3875 §4.1) and websocketd tell it of a client.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use percent_encoding::percent_decode_str;
use polysock_protocols::http::Head;

use super::ExecSettings;
use crate::random::entropy;
use crate::transport::{Authenticated, TrustedHop};
use crate::upstream::Client;
use crate::upstream::forwarding::is_of_forwarding;

/// What the environment says of whom it comes from.
const SOFTWARE: &str = concat!("polysock/", env!("CARGO_PKG_VERSION"));

/// The interface by the name that programs for websocketd look for.
const INTERFACE: &str = "websocketd-CGI/0.1";

/// The port that a `Host` field does not name.
const PORTS: [&str; 2] = ["80", "443"];

/// The environment of a process, which inherits none: for a client, or for all of them.
pub(super) fn environment(
    settings: &ExecSettings,
    client: Option<Client<'_>>,
) -> Vec<(OsString, OsString)> {
    let mut variables = Variables::default();
    variables.set("SERVER_SOFTWARE", SOFTWARE);
    variables.set("GATEWAY_INTERFACE", INTERFACE);
    let passed = settings.pass_env.iter().map(String::as_str);
    for name in std::iter::once("PATH").chain(passed) {
        if let Some(value) = std::env::var_os(name) {
            variables.set(name, value);
        }
    }
    if let Some(client) = client {
        variables.tell_of(client);
    }
    for (name, value) in &settings.env {
        variables.set(name, value);
    }
    variables.0
}

/// Names and values; of two with one name, a process has the last.
#[derive(Default)]
struct Variables(Vec<(OsString, OsString)>);

impl Variables {
    fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn tell_of(&mut self, client: Client<'_>) {
        let Client { request, peer } = client;
        let (address, port) = match peer.address {
            // An IPv4 client of a socket that takes both is written as one.
            Some(address) => (
                address.ip().to_canonical().to_string(),
                address.port().to_string(),
            ),
            None => ("unix-socket".to_owned(), String::new()),
        };
        self.set("REMOTE_ADDR", &address);
        // Names are not looked up; CGI has the address in their place (RFC 3875 §4.1.9).
        self.set("REMOTE_HOST", &address);
        self.set("REMOTE_PORT", port);

        let (name, port) = host_and_port(&request.host);
        let [plain, secure] = PORTS;
        let default = if request.secure { secure } else { plain };
        self.set("SERVER_NAME", name);
        self.set("SERVER_PORT", port.unwrap_or(default));
        self.set("SERVER_PROTOCOL", protocol(&request.head));
        if request.secure {
            self.set("HTTPS", "on");
        }

        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, query),
            None => (&*request.target, ""),
        };
        let decoded = decoded(path);
        self.set("REQUEST_METHOD", "GET");
        self.set("REQUEST_URI", &*request.target);
        self.set("SCRIPT_NAME", "/");
        self.set("PATH_INFO", &decoded);
        self.set("PATH_TRANSLATED", &decoded);
        self.set("QUERY_STRING", query);
        // What CGI has, and an opening handshake has not.
        for name in [
            "AUTH_TYPE",
            "CONTENT_LENGTH",
            "CONTENT_TYPE",
            "REMOTE_IDENT",
            "REMOTE_USER",
        ] {
            self.set(name, "");
        }
        self.set("UNIQUE_ID", unique());
        let authenticated = peer.extensions.get::<Authenticated>();
        if let Some(user) = authenticated.and_then(Authenticated::user) {
            self.set("REMOTE_USER", user);
        }
        let is_stranger = peer.extensions.get::<TrustedHop>().is_none();
        self.tell_fields(&request.head, is_stranger);
    }

    /// A variable for each field of a head. One that is repeated is a list (RFC 9110 §5.3). What a
    /// stranger says of himself, as a proxy would that is trusted, is left out.
    fn tell_fields(&mut self, head: &Head, is_stranger: bool) {
        let from = self.0.len();
        for (name, value) in head.fields() {
            let name = str::from_utf8(name).unwrap_or_default();
            if is_stranger && is_of_forwarding(name, false) {
                continue;
            }
            let Some(name) = variable_of(name) else {
                continue;
            };
            let value = OsStr::from_bytes(value);
            let fields = self.0.get_mut(from..).unwrap_or_default();
            match fields.iter_mut().find(|(known, _)| *known == *name) {
                Some((_, values)) => {
                    values.push(", ");
                    values.push(value);
                }
                None => self.set(name, value),
            }
        }
    }
}

/// The name of the variable of a field. None where another field may have the same, which would be
/// taken for it (`X_Forwarded_For`), and for `Proxy`, as `HTTP_PROXY` is what HTTP clients take for
/// their proxy (CVE-2016-5385 and others).
fn variable_of(field: &str) -> Option<String> {
    let name = field.to_ascii_uppercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || name == "PROXY" || !name.bytes().all(is_plain) {
        return None;
    }
    Some(format!("HTTP_{}", name.replace('-', "_")))
}

/// A host without the brackets of IPv6 and its port.
fn host_and_port(host: &str) -> (&str, Option<&str>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    (name, port.filter(|port| !port.is_empty()))
}

fn protocol(head: &Head) -> &'static str {
    if head.is_connect() {
        "HTTP/2.0"
    } else {
        "HTTP/1.1"
    }
}

/// A path without its escapes; as it came where that is none that a variable can have.
fn decoded(path: &str) -> OsString {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    if decoded.contains(&0) {
        return path.into();
    }
    OsString::from_vec(decoded)
}

/// A name that no other connection has.
fn unique() -> String {
    let mut bytes = [0; 12];
    entropy(&mut bytes);
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
