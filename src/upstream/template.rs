//! An upstream whose URL is filled in from the request: `tcp://{token}`, `unix:/run/{name}.sock`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_core::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::location::{problem_of, strip_scheme};
use super::target::query;
use super::tokens::{TokenTarget, Tokens};
use super::url::parse;
use super::{Captures, Client, Connected, Upstream, UpstreamError, UpstreamSettings, UrlError};

/// An upstream whose URL contains names in braces. Each is replaced with the segment of the path
/// that the route [captures](Captures) by this name, as in `tcp://{host}:{port}`,
/// `ws://10.0.0.7:9000/{room}` or `unix:/run/{name}.sock`. If the route captures no `token`, it is
/// taken from the client's query, where noVNC puts it: `/websockify?token=desk-7`.
///
/// A value cannot exceed its place: before the path it is a part of the host and port, and in the
/// path a part of one segment, or of a file's name.
pub struct Template {
    url: String,
    pieces: Vec<Piece>,
    tokens: Option<Tokens>,
    is_host_token: bool,
    settings: UpstreamSettings,
    /// The upstreams that were used before, by URL, with the results of their look-ups.
    known: Mutex<HashMap<String, Arc<dyn Upstream>>>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    TokenTarget { name: String, place: Place },
}

/// The place of a name in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The host, the port, or a part of them.
    Authority,
    Path,
    Query,
    /// The path of a socket.
    File,
}

/// The name of the token, which the route may capture as well.
const TOKEN: &str = "token";

/// The maximum number of upstreams that are remembered.
const MAX_KNOWN: usize = 256;

/// The longest host with its port, in bytes (RFC 1035 §2.3.4).
const MAX_AUTHORITY: usize = 255 + ":65535".len();

/// The characters that are escaped in a segment of a path and a value of a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Template {
    /// True if a URL has names to fill in.
    pub fn is_template(url: &str) -> bool {
        url.contains(['{', '}'])
    }

    /// Reads a URL. With `tokens`, `{token}` is replaced with the target of the client's token.
    ///
    /// # Errors
    ///
    /// The URL is invalid regardless of the values, or a client could choose any host: neither
    /// tokens nor [networks](UpstreamSettings::allow) limit the hosts.
    pub fn parse(
        url: &str,
        settings: UpstreamSettings,
        tokens: Option<Tokens>,
    ) -> Result<Self, UrlError> {
        let pieces = pieces(url)?;
        let chooses_host = pieces.iter().any(|piece| match piece {
            Piece::TokenTarget { name, place } => {
                *place == Place::Authority && (name != TOKEN || tokens.is_none())
            }
            Piece::Text(_) => false,
        });
        if chooses_host && settings.allow.is_empty() {
            let problem = "clients could reach any host: configure tokens, or the allowed networks";
            return Err(problem_of(url, problem));
        }
        let template = Self {
            url: url.to_owned(),
            pieces,
            tokens,
            is_host_token: false,
            settings,
            known: Mutex::default(),
        };
        let sample = template.fill(|_, place, is_whole| {
            Ok(match place {
                Place::Authority if is_whole => "host:1",
                _ => "1",
            }
            .into())
        });
        let sample = sample.unwrap_or_default();
        parse(&sample, template.settings.clone()).map_err(|error| match error {
            UrlError::Address { problem, .. } => problem_of(url, problem),
            other => other,
        })?;
        Ok(template)
    }

    /// Uses the name of the host that the client requests, without its port, as the token.
    #[must_use]
    pub fn with_host_token(self) -> Self {
        Self {
            is_host_token: true,
            ..self
        }
    }

    /// Returns the URL for a client.
    async fn url_for(&self, client: Client<'_>) -> Result<String, UpstreamError> {
        let captures = client.peer.extensions.get::<Captures>();
        let mut token = None;
        if let Some(tokens) = &self.tokens {
            let given = self.named(client, captures, TOKEN)?;
            token = Some(match tokens.find(&given).await {
                None => return Err(UpstreamError::UnknownToken),
                // A socket replaces the whole URL if the template is just the token.
                Some(TokenTarget::Unix(path))
                    if strip_scheme("tcp://{token}", &self.url) == Some("") =>
                {
                    return Ok(format!("unix:{path}"));
                }
                Some(TokenTarget::Unix(_)) => {
                    return Err(UpstreamError::Unsupported(
                        "the token stands for a Unix socket, which this target does not support",
                    ));
                }
                Some(TokenTarget::Address(address)) => address,
            });
        }
        self.fill(|name, place, _| match &token {
            Some(token) if name == TOKEN => checked(token.clone(), place),
            _ => checked(self.named(client, captures, name)?, place),
        })
    }

    /// Returns a client's value for a name, decoded.
    fn named(
        &self,
        client: Client<'_>,
        captures: Option<&Captures>,
        name: &str,
    ) -> Result<String, UpstreamError> {
        let request = client.request;
        let bytes: Cow<'_, [u8]> = match captures.and_then(|captures| captures.get(name)) {
            Some(captured) => percent_decode_str(captured).into(),
            None if name != TOKEN => {
                return Err(UpstreamError::Unsupported(
                    "the target has a name in braces that the route does not capture",
                ));
            }
            None if self.is_host_token => {
                let host = request.host.rsplit_once(':');
                let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
                let host = host.filter(|(_, port)| is_port(port));
                host.map_or(&*request.host, |(host, _)| host)
                    .as_bytes()
                    .into()
            }
            None => query(&request.target, TOKEN)
                .ok_or(UpstreamError::UnknownToken)?
                .into(),
        };
        String::from_utf8(bytes.into_owned()).map_err(|_| UpstreamError::Captured)
    }

    /// Fills in the URL. `value` receives a name, its place, and whether it is the entire host and
    /// port.
    fn fill(
        &self,
        mut value: impl FnMut(&str, Place, bool) -> Result<String, UpstreamError>,
    ) -> Result<String, UpstreamError> {
        let mut url = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::TokenTarget { name, place } => {
                    let is_first = url.ends_with("://");
                    let is_last = match self.pieces.get(index + 1) {
                        Some(Piece::Text(text)) => text.starts_with(['/', '?']),
                        Some(Piece::TokenTarget { .. }) => false,
                        None => true,
                    };
                    url.push_str(&value(name, *place, is_first && is_last)?);
                }
            }
        }
        Ok(url)
    }

    /// Returns the upstream for a URL that has been filled in.
    fn upstream(&self, url: String) -> Result<Arc<dyn Upstream>, UpstreamError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(upstream) = known.get(&url) {
            return Ok(Arc::clone(upstream));
        }
        let upstream = parse(&url, self.settings.clone()).map_err(|_| UpstreamError::Captured)?;
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(url, Arc::clone(&upstream));
        Ok(upstream)
    }
}

impl Upstream for Template {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        Box::pin(async move {
            let url = self.url_for(client).await?;
            self.upstream(url)?.connect(client).await
        })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = polysock_protocols::hide_secrets(&self.url);
        f.debug_tuple("Template").field(&url).finish()
    }
}

/// Splits a URL at its braces.
fn pieces(url: &str) -> Result<Vec<Piece>, UrlError> {
    let is_file = strip_scheme("unix:", url).is_some();
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), url);
    let mut before = String::new();
    while let Some(at) = rest.find(['{', '}']) {
        let (plain, brace) = rest.split_at(at);
        text.push_str(plain);
        before.push_str(plain);
        let named = brace
            .strip_prefix('{')
            .and_then(|named| named.split_once('}'));
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let Some((name, strip_scheme)) = named.filter(|(name, _)| is_name(name)) else {
            let problem = "braces must contain a name of letters, digits and _, such as {token}";
            return Err(problem_of(url, problem));
        };
        let place = match before.split_once("://") {
            _ if is_file => Place::File,
            None => {
                return Err(problem_of(
                    url,
                    "a scheme must not contain a name in braces",
                ));
            }
            Some((_, before)) if before.contains('?') => Place::Query,
            Some((_, before)) if before.contains('/') => Place::Path,
            Some((_, before)) if strip_scheme.contains('@') && !before.contains('@') => {
                return Err(problem_of(
                    url,
                    "a user name must not contain a name in braces",
                ));
            }
            Some(_) => Place::Authority,
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        let name = name.to_owned();
        pieces.push(Piece::TokenTarget { name, place });
        rest = strip_scheme;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Checks a value for its place, and escapes it if needed.
fn checked(value: String, place: Place) -> Result<String, UpstreamError> {
    let is_of_authority = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_segment = !value.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
        // An empty value and dots alone are refused, as they could form `.` or `..`.
        && !value.bytes().all(|byte| byte == b'.');
    let is_good = match place {
        Place::Authority => {
            !value.is_empty() && value.len() <= MAX_AUTHORITY && value.bytes().all(is_of_authority)
        }
        Place::Path | Place::File => is_segment,
        Place::Query => true,
    };
    match place {
        _ if !is_good => Err(UpstreamError::Captured),
        Place::Authority | Place::File => Ok(value),
        Place::Path | Place::Query => Ok(utf8_percent_encode(&value, ESCAPED).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(networks: &[&str]) -> UpstreamSettings {
        UpstreamSettings {
            allow: networks.iter().map(|one| one.parse().unwrap()).collect(),
            ..UpstreamSettings::default()
        }
    }

    #[test]
    fn a_filled_in_value_cannot_leave_its_part_of_the_url() {
        let (host, path, file, search) = (
            "tcp://{a}:80",
            "ws://h/x/{a}",
            "unix:/run/{a}.sock",
            "ws://h/?q={a}",
        );
        for (template, value, expected) in [
            (host, "10.0.0.7", Some("tcp://10.0.0.7:80")),
            (host, "[::1]", Some("tcp://[::1]:80")),
            (host, "h/x", None),
            (host, "u@h", None),
            (host, "h?x", None),
            (host, "h#x", None),
            (host, "h%2fx", None),
            (host, "h x", None),
            (host, "h\0", None),
            (host, "h\r\nx", None),
            (host, "grüße", None),
            (host, "", None),
            (path, "room 7?#%", Some("ws://h/x/room%207%3F%23%25")),
            (path, "grüße", Some("ws://h/x/gr%C3%BC%C3%9Fe")),
            (path, "..", None),
            (path, ".", None),
            (path, "", None),
            (path, "a/b", None),
            (path, "a\\b", None),
            (path, "a\nb", None),
            (file, "app", Some("unix:/run/app.sock")),
            (file, "a..b", Some("unix:/run/a..b.sock")),
            (file, "../app", None),
            (file, "a/b", None),
            (file, "a\0", None),
            (file, "..", None),
            (search, "a&b=c/..", Some("ws://h/?q=a%26b%3Dc%2F..")),
        ] {
            let template = Template::parse(template, settings(&["10.0.0.0/8"]), None).unwrap();
            let filled = template.fill(|name, place, _| {
                assert_eq!(name, "a");
                checked(value.to_owned(), place)
            });
            assert_eq!(filled.ok().as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_filled_in_host_and_port_must_form_an_address() {
        let template = settings(&["10.0.0.0/8"]);
        let template = Template::parse("tcp://{host}:{port}", template, None).unwrap();
        for (host, port, is_good) in [
            ("10.0.0.7", "5900", true),
            ("a.example", "1", true),
            ("10.0.0.7:80", "5900", false),
            ("10.0.0.7", "0", false),
            ("10.0.0.7", "65536", false),
            ("10.0.0.7", "http", false),
        ] {
            let filled = template.fill(|name, place, _| {
                let value = if name == "host" { host } else { port };
                checked(value.to_owned(), place)
            });
            let upstream = template.upstream(filled.unwrap());
            assert_eq!(upstream.is_ok(), is_good, "{host} {port}");
        }
    }

    #[test]
    fn a_template_must_be_a_url_for_any_value() {
        let problem = |url: &str, networks: &[&str]| {
            let template = Template::parse(url, settings(networks), None);
            template.err().map(|error| error.to_string())
        };
        for url in [
            "tcp://{token}",
            "ws://{host}/{room}?q={q}",
            "tcp://10.0.0.{n}:{port}",
        ] {
            assert_eq!(problem(url, &["10.0.0.0/8"]), None, "{url}");
            let open = problem(url, &[]).unwrap();
            assert!(open.contains("clients could reach any host"), "{open}");
        }
        for url in ["unix:/run/{name}.sock", "ws://10.0.0.7/{room}"] {
            assert_eq!(problem(url, &[]), None, "{url}");
        }
        for url in [
            "tcp://{host}",
            "tcp://{}:80",
            "tcp://{a:80",
            "tcp://a}:80",
            "tcp://{a-b}:80",
            "{scheme}://h:1",
            "ws://{user}:x@h/",
            "foo://{a}",
            "tcp://{a}:{b}/{c}",
        ] {
            let has_problem = problem(url, &["10.0.0.0/8"]).is_some();
            assert_eq!(has_problem, url != "tcp://{host}", "{url}");
        }
    }
}
