//! The control listener: `[control]`.

use std::path::PathBuf;

use super::form::{List, Maybe, Switch};
use super::key::Key;
use super::listener::{Address, Addresses};
use super::words::{Place, text};

/// The settings of the control listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ControlSection {
    /// The address; `None` if there is no control listener.
    pub(crate) listen: Option<Address>,
    /// The file of the token.
    pub(crate) token: Option<PathBuf>,
    pub(crate) hosts: Vec<String>,
    pub(crate) census: Option<PathBuf>,
    pub(crate) ready_while_draining: bool,
}

/// The keys of `[control]`.
pub(super) fn keys() -> Vec<Key<ControlSection>> {
    vec![
        Key::new(
            "listen",
            Maybe(Addresses),
            |control: &mut ControlSection| &mut control.listen,
            "The address of the control listener: unix:PATH, whose file permissions (0660) decide who has access, or \
             HOST:PORT. Default: no control listener.",
        )
        .example("\"unix:/run/polysock/control.sock\""),
        Key::new(
            "token",
            Maybe(Place),
            |control: &mut ControlSection| &mut control.token,
            "A file with the token that TCP clients send as Authorization: Bearer TOKEN, at least 22 characters. It is \
             required for changes, and for reading as well if other machines can reach `listen`. Default: no token, \
             and no changes over TCP.",
        )
        .example("\"/etc/polysock/control.token\""),
        Key::new(
            "hosts",
            List(text()),
            |control| &mut control.hosts,
            "Host names by which requests may address the listener, in addition to its address and localhost. Requests \
             with other names in Host are refused, because any web page can point a name of its own to this address.",
        ),
        Key::new(
            "census",
            Maybe(Place),
            |control: &mut ControlSection| &mut control.census,
            "The file of the census of clients: which devices have connected, when, and with which protocol. Default: \
             no file; the census is lost when the process ends.",
        )
        .example("\"/var/lib/polysock/census.json\""),
        Key::new(
            "ready_while_draining",
            Switch,
            |control| &mut control.ready_while_draining,
            "Whether /readyz reports that this server is ready while connections are being closed by a drain.",
        ),
    ]
}
