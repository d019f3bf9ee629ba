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
            "The networks from where clients may come without TLS that do not mask what they send (hixie-75 to \
             hybi-03): \"private\" for this machine and private networks, \"unix\", \"any\", \"none\". Others are \
             told 403, and the log says why.",
        ),
        Key::new(
            "policy",
            policy::rules(),
            |settings: &mut Settings| &mut settings.policy,
            "Rules for who is let in, of which the first that is for a client decides: protocols, networks and \
             user_agent say whom it is for, action whether they are let in (\"allow\" or \"deny\"), until the last \
             day on which they are; log_only has the log say whom it would refuse, and name is for the log.",
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
            "Who has to say who it is, and how: by a password { basic = { file = \"users.htpasswd\", realm = \"meters\" } }, by a \
             token { jwt = { key = \"issuer.pem\", issuer = \"https://id.example\", audience = \"meters\", from = [\"header\", \
             \"cookie:sid\", \"query:token\", \"subprotocol:bearer\"], end_connections = true } } with a `key`, a `secret` or \
             a `jwks`, or by asking { forward = { url = \"http://127.0.0.1:9000/check\", pass = \"X-User\" } }; beside it \
             pass_authorization and tls. Others are told 401. \"none\": nobody has to.",
        ),
        Key::new(
            "session",
            session::name(),
            |settings: &mut Settings| &mut settings.session,
            "The NAME of a [session.NAME]: clients come with their session of a web app, whose values are \
             {session.NAME} in the values of `request_headers`. \"none\": without.",
        ),
        Key::new(
            "require_session",
            session::required(),
            |settings: &mut Settings| &mut settings.require_session,
            "Whether clients have to have that session, or the value that it has to have, as \"user_id\". Others are \
             told 403.",
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
