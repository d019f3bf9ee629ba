//! A target that was chosen for a client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use polysock_protocols::DialError;

use super::health::Ejection;
use super::target::Member;
use crate::connection::ShutdownSignal;
use crate::upstream::{HttpUpstream, Upstream, UpstreamError};

/// A target that was chosen for a client. The lease counts as a connection of the target until it
/// is dropped.
pub struct Lease {
    member: Arc<Member>,
    ejection: Arc<Ejection>,
    /// Whether the client is the trial of an ejected target.
    is_trial: bool,
}

impl Lease {
    pub(super) fn new(member: Arc<Member>, ejection: Arc<Ejection>, is_trial: bool) -> Self {
        member.kept.open.fetch_add(1, Ordering::Relaxed);
        Self {
            member,
            ejection,
            is_trial,
        }
    }

    /// Returns the target.
    pub fn upstream(&self) -> &Arc<dyn Upstream> {
        &self.member.target.upstream
    }

    /// Returns the handler of ordinary requests; `None` if the target is not a web server.
    pub fn web_server(&self) -> Option<&HttpUpstream> {
        self.member.target.web_server.as_ref()
    }

    /// Returns the name of the target with its secrets hidden.
    pub fn name(&self) -> &str {
        &self.member.shown
    }

    /// Records that the client is connected, and the target healthy.
    pub fn succeeded(&mut self) {
        self.is_trial = false;
        self.member.succeeded();
    }

    /// Records that the client could not be connected. Returns true if the target is to blame, so
    /// that another may be tried. A refusal by the application (401, 403, 404, 302 and the like) is
    /// not its fault.
    pub fn failed(&mut self, error: &UpstreamError) -> bool {
        let at_once = match blame(error) {
            Blame::Target { at_once } => at_once,
            Blame::Nobody => {
                self.succeeded();
                return false;
            }
            Blame::Client => return false,
        };
        let is_trial = std::mem::take(&mut self.is_trial);
        self.member.failed(error, at_once, is_trial, &self.ejection);
        true
    }

    /// Closes the client when the target is removed from its group.
    pub fn hold(&self, client: &ShutdownSignal) {
        self.member.kept.connections.add(client);
    }

    pub(super) fn is_of(&self, member: &Arc<Member>) -> bool {
        Arc::ptr_eq(&self.member, member)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.kept.open.fetch_sub(1, Ordering::Relaxed);
        if self.is_trial {
            self.member.state().health.end_trial();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.member.shown).finish()
    }
}

/// The party to blame for a client that is not connected.
enum Blame {
    /// The target. `at_once` if the next client would certainly fail as well.
    Target { at_once: bool },
    /// Nobody: the target is reachable, and refuses.
    Nobody,
    /// The client, or Polysock: the error says nothing about the target.
    Client,
}

fn blame(error: &UpstreamError) -> Blame {
    match error {
        UpstreamError::Timeout => Blame::Target { at_once: true },
        UpstreamError::Handshake(DialError::Unsupported(_)) => Blame::Client,
        UpstreamError::Connect { .. }
        | UpstreamError::Io(_)
        | UpstreamError::Handshake(_)
        | UpstreamError::Http(_)
        | UpstreamError::BadAnswer(_) => Blame::Target { at_once: false },
        #[cfg(feature = "tls")]
        UpstreamError::Tls { .. } => Blame::Target { at_once: false },
        // A proxy in front of the application sends these if it cannot reach the application.
        UpstreamError::Refused(refusal) => match refusal.response.head.status() {
            Some(502..=504) => Blame::Target { at_once: false },
            _ => Blame::Nobody,
        },
        _ => Blame::Client,
    }
}
