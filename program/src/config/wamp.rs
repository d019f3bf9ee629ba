//! The settings of `app:wamp`.

use polysock::apps::wamp::Dialect;

use super::form::{Choice, Switch};
use super::key::Key;

/// The settings of `app:wamp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WampSettings {
    /// The dialect of the servers that the pages were written for.
    pub(crate) dialect: Dialect,
    /// True if clients must offer the subprotocol `wamp`.
    pub(crate) require_subprotocol: bool,
}

impl Default for WampSettings {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            require_subprotocol: true,
        }
    }
}

/// The keys of [`WampSettings`].
pub(super) fn keys() -> Vec<Key<WampSettings>> {
    vec![
        Key::new(
            "dialect",
            Choice(&[
                ("autobahn", Dialect::Autobahn),
                ("ratchet", Dialect::Ratchet),
            ]),
            |settings: &mut WampSettings| &mut settings.dialect,
            "The dialect of the servers that the pages were written for. With \"autobahn\", a publisher gets its own \
             event only if it requests that. With \"ratchet\", it gets it unless it excludes itself.",
        ),
        Key::new(
            "require_subprotocol",
            Switch,
            |settings| &mut settings.require_subprotocol,
            "Whether clients must offer the subprotocol \"wamp\".",
        ),
    ]
}
