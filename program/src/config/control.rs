//! The control listener: `[control]`.

use std::path::PathBuf;

use serde_json::json;

use super::form::{List, Maybe, Switch, Word, quoted};
use super::key::Key;
use super::listener::{Address, Addresses};
use super::words::{Place, text};
use crate::control::Token;

/// The control listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ControlSection {
    /// Where it is, if there is one.
    pub(crate) listen: Option<Address>,
    pub(crate) token: Option<Token>,
    pub(crate) hosts: Vec<String>,
    pub(crate) census: Option<PathBuf>,
    pub(crate) ready_while_draining: bool,
}

/// Its keys.
pub(super) fn keys() -> Vec<Key<ControlSection>> {
    vec![
        Key::new(
            "listen",
            Maybe(Addresses),
            |control: &mut ControlSection| &mut control.listen,
            "Where operators are told how it goes, and change things: unix:PATH, whose file says who may (0660), or \
             HOST:PORT. Not given: nowhere.",
        )
        .example("\"unix:/run/polysock/control.sock\""),
        Key::new(
            "token",
            Maybe(token()),
            |control: &mut ControlSection| &mut control.token,
            "What who asks by TCP has to send, as Authorization: Bearer TOKEN: to change anything, and where `listen` is \
             not on this machine alone to read anything as well. 22 characters or more.",
        )
        .example("\"${POLYSOCK_CONTROL_TOKEN:-0123456789abcdef0123456789abcdef}\""),
        Key::new(
            "hosts",
            List(text()),
            |control| &mut control.hosts,
            "The names by which it may be asked, beside its address and localhost: a page of anybody's can point a name of \
             its own here.",
        ),
        Key::new(
            "census",
            Maybe(Place),
            |control: &mut ControlSection| &mut control.census,
            "A file for what is known of devices: which came, when, and speaking what. Not given: it is forgotten with the \
             process.",
        )
        .example("\"/var/lib/polysock/census.json\""),
        Key::new(
            "ready_while_draining",
            Switch,
            |control| &mut control.ready_while_draining,
            "Whether /readyz says that clients may be sent here while connections are being closed.",
        ),
    ]
}

fn token() -> Word<Token> {
    Word {
        read: |text| Token::new(text).map_err(str::to_owned),
        write: |_| Some(quoted("***")),
        schema: || json!({ "type": "string", "minLength": 22 }),
    }
}
