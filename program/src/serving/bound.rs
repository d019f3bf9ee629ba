//! A listener at work.

use polysock::ListenAddress;

use super::listening::address;
use super::passed::Passed;
use crate::config::listener::{Address, Listener};

/// A listener, and where it is: a port of 0 has become another.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) address: ListenAddress,
    /// The number of its socket among those that systemd has passed.
    pub(super) passed: Option<usize>,
}

impl Bound {
    /// Whether a listener of a configuration is this one, whatever else it says.
    pub(super) fn is(&self, listener: &Listener, passed: &Passed) -> bool {
        match (&listener.address, self.passed) {
            (Address::Systemd(name), Some(number)) => passed.is_named(number, name.as_deref()),
            (_, None) => address(&self.listener) == address(listener),
            (_, Some(_)) => false,
        }
    }
}

/// What the socket of a listener is called where it is handed over.
pub(super) fn name(listener: &Listener) -> String {
    listener.address.to_string()
}
