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
            "Where operators are told how it goes, and change things: unix:PATH, whose file says who may (0660), or \
             HOST:PORT. Not given: nowhere.",
        )
        .example("\"unix:/run/polysock/control.sock\""),
        Key::new(
            "token",
            Maybe(Place),
            |control: &mut ControlSection| &mut control.token,
            "A file with what who asks by TCP has to send, as Authorization: Bearer TOKEN: to change anything, and where \
             `listen` is not on this machine alone to read anything as well. 22 characters or more.",
        )
        .example("\"/etc/polysock/control.token\""),
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
