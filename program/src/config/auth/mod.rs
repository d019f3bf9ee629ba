//! Authentication of clients: `auth`.

mod basic;
mod forward;
mod jwt;
mod words;

use serde_json::{Value, json};

pub(crate) use self::basic::Basic;
pub(crate) use self::forward::Forward;
pub(crate) use self::jwt::{Jwks, Jwt};
use super::form::{Form, Maybe, Switch, quoted};
use super::key::{Key, Section};
use super::node::Node;
use super::reader::Reader;
#[cfg(feature = "tls")]
use super::upstream_tls::{self, UpstreamTls};

/// The authentication of clients: `auth`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Auth {
    pub(crate) basic: Option<Basic>,
    pub(crate) jwt: Option<Jwt>,
    pub(crate) forward: Option<Forward>,
    /// True if the upstream receives the credentials that are checked here.
    pub(crate) pass_authorization: bool,
    /// The TLS settings of connections to JWKS and forward-auth servers.
    #[cfg(feature = "tls")]
    pub(crate) tls: UpstreamTls,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            basic: None,
            jwt: None,
            forward: None,
            pass_authorization: true,
            #[cfg(feature = "tls")]
            tls: UpstreamTls::default(),
        }
    }
}

/// Finds an inconsistency in the settings. Returns its description and the remedy.
pub(super) fn problem(auth: &Auth) -> Option<(&'static str, &'static str)> {
    match (&auth.basic, &auth.jwt, &auth.forward) {
        (None, None, None) => Some((
            "`auth` has no method",
            "add basic = { file = \"users.htpasswd\" }, jwt = { … } or forward = { … }",
        )),
        (Some(basic), None, None) => basic.file.is_none().then_some((
            "`basic` has no passwords",
            "add file = \"users.htpasswd\", which `htpasswd -B` writes",
        )),
        (None, Some(jwt), None) => {
            let keys = [jwt.key.is_some(), jwt.secret.is_some(), jwt.jwks.is_some()];
            match keys.into_iter().filter(|is_there| *is_there).count() {
                0 => Some((
                    "`jwt` has no keys",
                    "add key = \"issuer.pem\", secret = \"secret\" or jwks = \"https://…\"",
                )),
                1 if jwt.from.is_empty() => Some((
                    "`from` of `jwt` is empty, so no token would be found",
                    "leave `from` out, or write \"header\"",
                )),
                1 => None,
                _ => Some((
                    "`jwt` has more than one source of keys",
                    "leave all but one of `key`, `secret` and `jwks` out",
                )),
            }
        }
        (None, None, Some(forward)) => forward.url.is_none().then_some((
            "`forward` has no URL",
            "add url = \"http://127.0.0.1:9000/check\"",
        )),
        _ => Some((
            "`auth` has more than one method",
            "leave all but one of `basic`, `jwt` and `forward` out",
        )),
    }
}

/// The form of `auth`: a table, or `"none"`.
pub(super) struct AuthTable;

const TABLE: Section<Auth> = Section {
    title: "`auth`",
    keys,
};

impl Form<Option<Auth>> for AuthTable {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Option<Auth>> {
        match node.written().as_deref() {
            Some("none") => Some(None),
            Some(_) => {
                let mend = "write `none`, or { basic = … }, { jwt = … } or { forward = … }";
                node.unfit(mend, &mut reader.problems);
                None
            }
            None => TABLE.parse(node, reader).map(Some),
        }
    }

    fn write(&self, value: &Option<Auth>) -> Option<String> {
        match value {
            None => Some(quoted("none")),
            Some(auth) => TABLE.write(auth),
        }
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [{ "const": "none" }, TABLE.schema()] })
    }
}

fn keys() -> Vec<Key<Auth>> {
    let mut keys = vec![
        Key::new(
            "basic",
            Maybe(Section {
                title: "`basic`",
                keys: basic::keys,
            }),
            |auth: &mut Auth| &mut auth.basic,
            "Authentication by user and password.",
        ),
        Key::new(
            "jwt",
            Maybe(Section {
                title: "`jwt`",
                keys: jwt::keys,
            }),
            |auth: &mut Auth| &mut auth.jwt,
            "Authentication by JSON Web Token.",
        ),
        Key::new(
            "forward",
            Maybe(Section {
                title: "`forward`",
                keys: forward::keys,
            }),
            |auth: &mut Auth| &mut auth.forward,
            "Authentication by an HTTP endpoint.",
        ),
        Key::new(
            "pass_authorization",
            Switch,
            |auth| &mut auth.pass_authorization,
            "Whether the client's Authorization field is sent to the upstream.",
        ),
    ];
    keys.extend(tls());
    keys
}

#[cfg(feature = "tls")]
fn tls() -> Option<Key<Auth>> {
    Some(Key::new(
        "tls",
        Section {
            title: "`tls`",
            keys: upstream_tls::keys,
        },
        |auth: &mut Auth| &mut auth.tls,
        "The TLS settings for https:// URLs of `jwks` and `forward`.",
    ))
}

#[cfg(not(feature = "tls"))]
fn tls() -> Option<Key<Auth>> {
    None
}
