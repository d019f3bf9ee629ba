//! The environment of a process, with the variables of CGI (RFC 3875 §4.1) and websocketd that
//! describe a client.

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

/// The value of `SERVER_SOFTWARE`.
const SOFTWARE: &str = concat!("polysock/", env!("CARGO_PKG_VERSION"));

/// The value of `GATEWAY_INTERFACE`, which programs for websocketd look for.
const INTERFACE: &str = "websocketd-CGI/0.1";

/// The default ports, without and with TLS.
const PORTS: [&str; 2] = ["80", "443"];

/// Returns the environment of a process, which inherits none. `client` is `None` for a process that
/// all clients share.
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

/// Names and values. If a name occurs twice, the process gets the last value.
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
            // On a dual-stack socket, an IPv4 client has an IPv4-mapped IPv6 address.
            Some(address) => (
                address.ip().to_canonical().to_string(),
                address.port().to_string(),
            ),
            None => ("unix-socket".to_owned(), String::new()),
        };
        self.set("REMOTE_ADDR", &address);
        // Names are not looked up. CGI uses the address instead (RFC 3875 §4.1.9).
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
        // CGI has these variables, and an opening handshake has no values for them.
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

    /// Sets a variable for each field of a head. A repeated field becomes a list (RFC 9110 §5.3).
    /// Forwarding fields (`X-Forwarded-For` and the like) that do not come from a trusted proxy are
    /// left out.
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

/// Returns the name of the variable for a field. `None` if another field may have the same variable
/// and could be spoofed (`X_Forwarded_For`), and for `Proxy`, as HTTP clients use `HTTP_PROXY` for
/// their own requests (CVE-2016-5385 and others).
fn variable_of(field: &str) -> Option<String> {
    let name = field.to_ascii_uppercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || name == "PROXY" || !name.bytes().all(is_plain) {
        return None;
    }
    Some(format!("HTTP_{}", name.replace('-', "_")))
}

/// Splits a host into the name, without the brackets of IPv6, and the port, if any.
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

/// Decodes a path. A path with a NUL, which a variable cannot contain, stays encoded.
fn decoded(path: &str) -> OsString {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    if decoded.contains(&0) {
        return path.into();
    }
    OsString::from_vec(decoded)
}

/// Returns a random identifier for a connection.
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
