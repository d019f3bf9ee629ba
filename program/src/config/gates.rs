//! The keys of a route that restrict clients by network, policy and authentication.

use ipnet::IpNet;
use polysock::Trusted;
use serde_json::{Value, json};

#[cfg(feature = "auth")]
use super::auth;
use super::form::{Form, List, Word, quoted};
use super::key::Key;
use super::node::Node;
use super::policy;
use super::reader::Reader;
use super::session;
use super::settings::Settings;
use super::words::network_text;
use crate::flags::values;

/// The keys of a route that `[defaults]` has as well.
pub(super) fn keys() -> Vec<Key<Settings>> {
    vec![
        Key::new(
            "unmasked_from",
            Peers,
            |settings: &mut Settings| &mut settings.unmasked_from,
            "The networks from which clients that do not mask their data (hixie-75 to hybi-03) are admitted without \
             TLS; \"private\" for this machine and private networks, \"unix\", \"any\", \"none\". Others receive 403, \
             and the reason is logged.",
        ),
        Key::new(
            "policy",
            policy::rules(),
            |settings: &mut Settings| &mut settings.policy,
            "The rules of admission, of which the first that matches a client decides. The conditions are `protocols`, \
             `networks` and `user_agent`. The `action` is \"allow\" or \"deny\", and `until` is the last day on which \
             clients are admitted. With `log_only`, the clients that the rule would refuse are only logged. `name` is \
             the name of the rule in the log.",
        )
        .example(
            "[{ protocols = \"legacy\", networks = [\"10.0.0.0/8\"], until = 2099-06-30 }, \
             { user_agent = \"*PhantomJS*\", action = \"deny\", log_only = true }]",
        ),
        #[cfg(feature = "auth")]
        Key::new(
            "auth",
            auth::AuthTable,
            |settings: &mut Settings| &mut settings.auth,
            "The authentication of clients: by password { basic = { file = \"users.htpasswd\", realm = \"meters\" } }, \
             by token { jwt = { key = \"issuer.pem\", issuer = \"https://id.example\", audience = \"meters\", from = \
             [\"header\", \"cookie:sid\", \"query:token\", \"subprotocol:bearer\"], end_connections = true } } with a \
             `key`, a `secret` or a `jwks`, or by an HTTP endpoint { forward = { url = \
             \"http://127.0.0.1:9000/check\", pass = \"X-User\" } }. Further keys are pass_authorization and tls. \
             Other clients receive 401. \"none\" for no authentication.",
        ),
        Key::new(
            "session",
            session::name(),
            |settings: &mut Settings| &mut settings.session,
            "The NAME of the [session.NAME] that has the sessions of clients, or \"none\". {session.PATH} in the \
             values of `request_headers` is replaced by the session's value at this path, as {session.user_id}.",
        ),
        Key::new(
            "require_session",
            session::required(),
            |settings: &mut Settings| &mut settings.require_session,
            "Whether clients must have a session, or the name of a value that their session must have, as \"user_id\". \
             Others receive 403.",
        ),
    ]
}

/// The form of a set of networks, with words for common sets.
struct Peers;

impl Form<Trusted> for Peers {
    fn parse(&self, node: Node<'_>, reader: &mut Reader) -> Option<Trusted> {
        let peers = Word {
            read: values::peers,
            write: |_| None,
            schema: || Value::Null,
        };
        let peers: Vec<Trusted> = List(peers).parse(node, reader)?;
        Some(values::together(peers))
    }

    fn write(&self, value: &Trusted) -> Option<String> {
        let everyone = Trusted::everyone();
        if *value == everyone {
            return Some(quoted("any"));
        }
        let private = Trusted::private();
        let is_there = |network: &IpNet| value.networks.contains(network);
        let has_private = value.unix && private.networks.iter().all(is_there);
        let mut words = Vec::new();
        if has_private {
            words.push(quoted("private"));
        } else if value.unix {
            words.push(quoted("unix"));
        }
        let is_named = |network: &&IpNet| has_private && private.networks.contains(network);
        let others = value.networks.iter().filter(|network| !is_named(network));
        words.extend(others.map(|network| quoted(&network_text(network))));
        Some(format!("[{}]", words.join(", ")))
    }

    fn schema(&self) -> Value {
        let word = json!({ "type": "string" });
        json!({ "anyOf": [word, { "type": "array", "items": word }] })
    }
}
