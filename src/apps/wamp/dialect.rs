//! The differences between the two families of servers.

use super::args::Args;
use super::client_message::{Exclude, SessionIds, elements};
use super::limits::Limits;
use super::message_error::MessageError;
use super::receivers::Receivers;
use super::session_id::SessionId;

/// The family of servers for which the pages were written. The specification does not define who
/// receives an event without exclusions, and the families differ:
///
/// | `PUBLISH` | [`Autobahn`](Self::Autobahn) | [`Ratchet`](Self::Ratchet) |
/// |---|---|---|
/// | `[7,topic,event]`, `[7,topic,event,null]` | all but the publisher | all |
/// | `[7,topic,event,true]` | all but the publisher | all but the publisher |
/// | `[7,topic,event,false]` | all | all |
/// | `[7,topic,event,[…]]` | all but these | all but these |
/// | `[7,topic,event,…,[]]` | nobody | as without the last list |
/// | `[7,topic,event,…,[…]]` | of these, those that are not excluded | the same |
///
/// A list of excluded sessions replaces the default: the publisher receives the event unless it is
/// in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// AutobahnPython and compatible servers.
    #[default]
    Autobahn,
    /// Ratchet.
    Ratchet,
}

impl Dialect {
    /// Returns the sessions that receive an event.
    pub(super) fn receivers(
        self,
        publisher: SessionId,
        exclude: Exclude,
        eligible: Option<SessionIds>,
    ) -> Receivers {
        let receivers = match (exclude, self) {
            (Exclude::Unsaid, Self::Autobahn) | (Exclude::Publisher(true), _) => {
                Receivers::all().except([publisher])
            }
            (Exclude::Unsaid, Self::Ratchet) | (Exclude::Publisher(false), _) => Receivers::all(),
            (Exclude::Sessions(ids), _) => Receivers::all().except(ids.sessions),
        };
        match (eligible, self) {
            (None, _) => receivers,
            (Some(ids), Self::Ratchet) if ids.is_empty => receivers,
            (Some(ids), _) => receivers.only(ids.sessions),
        }
    }
}

/// Unwraps a list that is the only argument into the arguments, as Ratchet does.
pub(super) fn spread<'a>(args: Args<'a>, limits: &Limits) -> Result<Args<'a>, MessageError> {
    match args.as_slice() {
        [list] if list.get().starts_with('[') => {
            let (elements, count) = elements(list.get(), limits.arguments)?;
            if count > limits.arguments {
                return Err(MessageError::TooMany {
                    what: "arguments",
                    max: limits.arguments,
                });
            }
            Ok(Args::new(elements, 0))
        }
        _ => Ok(args),
    }
}
