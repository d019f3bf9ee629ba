//! The receivers of an event.

use super::session_id::SessionId;
use crate::push::Audience;

/// The subscribers of a topic that receive an event: the eligible ones, or all if none are named,
/// without the excluded ones.
///
/// ```
/// use polysock::apps::wamp::{Receivers, SessionId};
///
/// let (ann, bob): (SessionId, SessionId) = ("AnnAnnAnnAnnAnn1".parse()?, "BobBobBobBobBob1".parse()?);
/// assert!(Receivers::all().includes(ann));
/// assert!(!Receivers::all().except([ann]).includes(ann));
/// assert!(!Receivers::all().only([ann, bob]).except([ann]).includes(ann));
/// assert!(!Receivers::all().only([]).includes(bob));
/// # Ok::<(), polysock::apps::wamp::SessionIdError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receivers {
    /// Sorted, as `eligible` is, for binary search.
    pub(super) excluded: Vec<SessionId>,
    pub(super) eligible: Option<Vec<SessionId>>,
}

impl Receivers {
    /// All subscribers.
    pub fn all() -> Self {
        Self::default()
    }

    /// Removes sessions from the receivers.
    #[must_use]
    pub fn except(mut self, sessions: impl IntoIterator<Item = SessionId>) -> Self {
        self.excluded.extend(sessions);
        self.excluded.sort_unstable();
        self
    }

    /// Restricts the receivers to these sessions.
    #[must_use]
    pub fn only(self, sessions: impl IntoIterator<Item = SessionId>) -> Self {
        let is_eligible = |session: &SessionId| match &self.eligible {
            Some(eligible) => eligible.binary_search(session).is_ok(),
            None => true,
        };
        let mut eligible: Vec<_> = sessions.into_iter().filter(is_eligible).collect();
        eligible.sort_unstable();
        Self {
            eligible: Some(eligible),
            ..self
        }
    }

    /// Whether all subscribers receive the event.
    pub fn is_all(&self) -> bool {
        self.excluded.is_empty() && self.eligible.is_none()
    }

    /// Returns the receivers as an audience of a channel.
    pub(super) fn audience(&self) -> Audience {
        let ids = |sessions: &Vec<SessionId>| sessions.iter().map(ToString::to_string).collect();
        Audience {
            except: ids(&self.excluded),
            only: self.eligible.as_ref().map(ids),
        }
    }

    /// Creates receivers from an audience, and ignores ids that are no sessions.
    pub(super) fn of(audience: &Audience) -> Self {
        let sessions = |ids: &Vec<String>| -> Vec<SessionId> {
            ids.iter().filter_map(|id| id.parse().ok()).collect()
        };
        let all = Self::all().except(sessions(&audience.except));
        match &audience.only {
            Some(only) => all.only(sessions(only)),
            None => all,
        }
    }

    /// Whether a session receives the event.
    pub fn includes(&self, session: SessionId) -> bool {
        let is_in = |sessions: &[SessionId]| sessions.binary_search(&session).is_ok();
        !is_in(&self.excluded) && self.eligible.as_deref().is_none_or(is_in)
    }
}
