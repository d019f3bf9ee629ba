//! Access control of the control listener.
//!
//! Any web page can make a browser send requests to this machine. So three things are checked. The
//! host of a request must be this listener's: an address, `localhost` or a configured name, not a
//! name that an attacker has pointed here (DNS rebinding). The page that sends it must come from
//! this listener. A request that changes something must have a form that no page of another origin
//! can send without preflight (CSRF).

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode};

use super::token::Token;

/// The access rules of a listener.
#[derive(Debug)]
pub(super) struct Guard {
    /// The address of the listener; `None` for a Unix socket, whose file permissions decide.
    pub(super) address: Option<IpAddr>,
    /// Further names that are allowed in `Host`.
    pub(super) hosts: Vec<String>,
    pub(super) token: Option<Token>,
    /// The secret in the forms of our own pages.
    pub(super) form_key: Token,
}

/// The reason for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) detail: &'static str,
}

const fn refused(status: StatusCode, detail: &'static str) -> Refused {
    Refused { status, detail }
}

/// The content type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

impl Guard {
    /// Checks a request by its head. A form needs [`check_form`](Self::check_form) as well.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Refused> {
        let host = single(&parts.headers, HOST.as_str());
        let host = host.or_else(|| parts.uri.authority().map(Authority::as_str));
        let Some(host) = host.filter(|host| self.is_own(host)) else {
            return Err(refused(
                StatusCode::MISDIRECTED_REQUEST,
                "the Host field names no address of this listener: use its address, localhost, or a name in \
                 [control] hosts",
            ));
        };
        if let Some(origin) = single(&parts.headers, ORIGIN.as_str()) {
            let is_own = ["http://", "https://"]
                .iter()
                .any(|scheme| origin.strip_prefix(scheme) == Some(host));
            if !is_own {
                return Err(refused(
                    StatusCode::FORBIDDEN,
                    "the Origin is not that of this listener",
                ));
            }
        }
        let site = single(&parts.headers, "sec-fetch-site");
        if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "the request comes from a page of another site (Sec-Fetch-Site)",
            ));
        }
        let changes = changes(&parts.method);
        let kind = content_type(&parts.headers);
        if changes
            && parts.method != Method::DELETE
            && !matches!(kind, Some("application/json" | FORM))
        {
            return Err(refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "requests that change something need Content-Type: application/json",
            ));
        }
        let is_form = changes && kind == Some(FORM);
        match &self.token {
            Some(_) if is_form => Ok(()),
            Some(token) => self.check_token(token, parts, changes),
            // Refused here: without a token, nobody may change anything by TCP.
            None if changes && self.address.is_some() => Err(refused(
                StatusCode::FORBIDDEN,
                "this listener is read-only: it has no [control] token",
            )),
            None => Ok(()),
        }
    }

    fn check_token(&self, token: &Token, parts: &Parts, changes: bool) -> Result<(), Refused> {
        let is_near = self.address.is_none_or(|address| address.is_loopback());
        let given = single(&parts.headers, AUTHORIZATION.as_str());
        match given.map(|given| given.split_once(' ')) {
            Some(Some((scheme, given))) if scheme.eq_ignore_ascii_case("bearer") => {
                match token.is(given.trim()) {
                    true => Ok(()),
                    false => Err(refused(StatusCode::UNAUTHORIZED, "the token is wrong")),
                }
            }
            Some(_) => Err(refused(
                StatusCode::UNAUTHORIZED,
                "send the token as Authorization: Bearer TOKEN",
            )),
            // The permissions of the Unix socket's file decide.
            None if self.address.is_none() || (is_near && !changes) => Ok(()),
            None => Err(refused(
                StatusCode::UNAUTHORIZED,
                "a token is needed, as Authorization: Bearer TOKEN",
            )),
        }
    }

    /// Checks that a form is from one of our own pages, and that the sender may change something.
    pub(super) fn check_form(&self, form: &[(String, String)]) -> Result<(), Refused> {
        let field = |name: &str| {
            let mut fields = form.iter();
            let found = fields.find(|(field, _)| field == name);
            found.map_or("", |(_, value)| value)
        };
        if !self.form_key.is(field("form_key")) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "the form does not come from a page of this process: reload the page",
            ));
        }
        match (&self.token, self.address) {
            (_, None) => Ok(()),
            (Some(token), _) if token.is(field("token")) => Ok(()),
            (Some(_), _) => Err(refused(StatusCode::UNAUTHORIZED, "the token is wrong")),
            (None, _) => Err(refused(
                StatusCode::FORBIDDEN,
                "this listener is read-only: it has no [control] token",
            )),
        }
    }

    /// True if a `Host` names this listener.
    fn is_own(&self, host: &str) -> bool {
        if self.address.is_none() {
            return true;
        }
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// True if a method changes something.
pub(super) fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// The content type without its parameters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let kind = single(headers, CONTENT_TYPE.as_str())?;
    Some(kind.split(';').next().unwrap_or_default().trim())
}

/// The value of a field. A field that occurs twice yields an empty value, which passes no check.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match values.next() {
        Some(_) => Some(""),
        None => Some(value.to_str().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn guard(address: Option<&str>, token: bool) -> Guard {
        Guard {
            address: address.map(|address| address.parse().unwrap()),
            hosts: vec!["ops.example".into()],
            token: token.then(|| Token::new("0123456789abcdef0123456789abcdef").unwrap()),
            form_key: Token::new("ffffffffffffffffffffffffffffffff").unwrap(),
        }
    }

    fn check(guard: &Guard, method: &str, fields: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri("/connections");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        guard
            .check(&parts)
            .map_or_else(|refused| refused.status.as_u16(), |()| 200)
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:9000");
    const JSON: (&str, &str) = ("content-type", "application/json");
    const TOKEN: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");

    #[test]
    fn requests_that_a_foreign_page_can_forge_are_refused() {
        let near = guard(Some("127.0.0.1"), true);
        for (method, fields, expected) in [
            ("GET", &[HOST][..], 200),
            ("GET", &[("host", "localhost:9000")], 200),
            ("GET", &[("host", "LOCALHOST")], 200),
            ("GET", &[("host", "[::1]:9000")], 200),
            ("GET", &[("host", "ops.example:9000")], 200),
            // DNS rebinding.
            ("GET", &[("host", "evil.example:9000")], 421),
            ("GET", &[("host", "localhost.evil.example")], 421),
            ("GET", &[("host", "127.0.0.1.evil.example:9000")], 421),
            ("GET", &[("host", "")], 421),
            ("GET", &[HOST, HOST], 421),
            ("GET", &[], 421),
            ("POST", &[("host", "evil.example"), JSON, TOKEN], 421),
            // Pages of other origins.
            ("GET", &[HOST, ("origin", "http://evil.example")], 403),
            ("GET", &[HOST, ("origin", "null")], 403),
            ("GET", &[HOST, ("origin", "http://127.0.0.1:9001")], 403),
            ("GET", &[HOST, ("origin", "http://127.0.0.1:9000")], 200),
            ("GET", &[HOST, ("sec-fetch-site", "cross-site")], 403),
            ("GET", &[HOST, ("sec-fetch-site", "same-site")], 403),
            ("GET", &[HOST, ("sec-fetch-site", "same-origin")], 200),
            ("GET", &[HOST, ("sec-fetch-site", "none")], 200),
            // CSRF.
            ("POST", &[HOST, TOKEN], 415),
            ("POST", &[HOST, TOKEN, ("content-type", "text/plain")], 415),
            (
                "POST",
                &[HOST, TOKEN, ("content-type", "multipart/form-data")],
                415,
            ),
            ("PUT", &[HOST, TOKEN], 415),
            ("POST", &[HOST, TOKEN, JSON], 200),
            (
                "POST",
                &[
                    HOST,
                    TOKEN,
                    ("content-type", "application/json; charset=utf-8"),
                ],
                200,
            ),
            ("DELETE", &[HOST, TOKEN], 200),
            (
                "POST",
                &[HOST, TOKEN, JSON, ("origin", "http://evil.example")],
                403,
            ),
            // Tokens.
            ("POST", &[HOST, JSON], 401),
            ("DELETE", &[HOST], 401),
            (
                "POST",
                &[
                    HOST,
                    JSON,
                    ("authorization", "Bearer 0123456789abcdef0123456789abcdee"),
                ],
                401,
            ),
            ("POST", &[HOST, JSON, ("authorization", "Bearer ")], 401),
            (
                "POST",
                &[
                    HOST,
                    JSON,
                    ("authorization", "Basic 0123456789abcdef0123456789abcdef"),
                ],
                401,
            ),
            ("GET", &[HOST, ("authorization", "Bearer no")], 401),
            (
                "POST",
                &[
                    HOST,
                    JSON,
                    ("authorization", "bearer 0123456789abcdef0123456789abcdef"),
                ],
                200,
            ),
        ] {
            assert_eq!(
                check(&near, method, fields),
                expected,
                "{method} {fields:?}"
            );
        }
    }

    #[test]
    fn the_kind_of_listener_decides_which_credentials_a_request_needs() {
        let (get, post) = (&[HOST][..], &[HOST, JSON][..]);
        for (guard, method, fields, expected) in [
            // Reading needs the token on other addresses.
            (guard(Some("192.0.2.1"), true), "GET", get, 401),
            (guard(Some("192.0.2.1"), true), "GET", &[HOST, TOKEN], 200),
            // Without a token, nothing is changed by TCP.
            (guard(Some("127.0.0.1"), false), "GET", get, 200),
            (guard(Some("127.0.0.1"), false), "POST", post, 403),
            // The file of a Unix socket decides.
            (guard(None, false), "GET", &[], 421),
            (guard(None, false), "GET", &[("host", "anything")], 200),
            (guard(None, false), "POST", post, 200),
            (guard(None, false), "POST", get, 415),
            (
                guard(None, false),
                "POST",
                &[HOST, JSON, ("origin", "http://evil.example")],
                403,
            ),
        ] {
            assert_eq!(
                check(&guard, method, fields),
                expected,
                "{guard:?} {method} {fields:?}"
            );
        }
    }

    #[test]
    fn a_form_needs_the_key_of_the_page() {
        let form = |key: &str, token: &str| {
            vec![
                ("form_key".to_owned(), key.to_owned()),
                ("token".to_owned(), token.to_owned()),
            ]
        };
        let (key, token) = ("f".repeat(32), "0123456789abcdef0123456789abcdef");
        for (guard, form, expected) in [
            (guard(Some("127.0.0.1"), true), form(&key, token), 200),
            (guard(Some("127.0.0.1"), true), form(&key, ""), 401),
            (guard(Some("127.0.0.1"), true), form("", token), 403),
            (guard(Some("127.0.0.1"), false), form(&key, ""), 403),
            (guard(None, false), form(&key, ""), 200),
            (guard(None, false), form("", ""), 403),
            (guard(None, false), Vec::new(), 403),
        ] {
            let checked = guard.check_form(&form);
            let status = checked.map_or_else(|refused| refused.status.as_u16(), |()| 200);
            assert_eq!(status, expected, "{guard:?} {form:?}");
        }
    }
}
