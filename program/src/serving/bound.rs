//! An open listener.

use polysock::ListenAddress;

use super::listening::address;
use super::passed::Passed;
use crate::config::listener::{Address, Listener};

/// A listener and its bound address, in which a port of 0 is replaced by the real one.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) address: ListenAddress,
    /// The index of its socket among those that systemd has passed; `None` if the server has bound
    /// it.
    pub(super) passed: Option<usize>,
}

impl Bound {
    /// True if a listener of a configuration has the same address as this one. Other keys are
    /// ignored.
    pub(super) fn is(&self, listener: &Listener, passed: &Passed) -> bool {
        match (&listener.address, self.passed) {
            (Address::Systemd(name), Some(number)) => passed.is_named(number, name.as_deref()),
            (_, None) => address(&self.listener) == address(listener),
            (_, Some(_)) => false,
        }
    }
}

/// The name of a listener's socket in a handover.
pub(super) fn name(listener: &Listener) -> String {
    listener.address.to_string()
}
