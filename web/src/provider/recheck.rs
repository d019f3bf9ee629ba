//! Repeated reading of the session of an open connection.

use std::sync::Arc;
use std::time::Duration;

use polysock::CloseCode;
use serde_json::Value;
use tokio::time::sleep;

use super::Required;
use super::warnings::Warnings;
use crate::session::{Session, SessionError};

/// A session that is read again at an interval.
pub(super) struct Recheck {
    session: Session,
    /// The required value's path. `before` is the value when the client was admitted.
    required: Required,
    before: Option<Value>,
    every: Duration,
}

impl Recheck {
    pub(super) fn new(session: Session, required: Required, every: Duration) -> Self {
        Self {
            before: required.value(&session),
            session,
            required,
            every,
        }
    }

    /// Waits until the session has ended, or its required value has changed. Returns the code to
    /// close with.
    pub(super) async fn over(self, warnings: Arc<Warnings>) -> CloseCode {
        loop {
            sleep(self.every).await;
            let is_there = match self.session.reload().await {
                Ok(is_there) => is_there && self.required.value(&self.session) == self.before,
                Err(error) => {
                    warnings.note(self.session.id(), &error);
                    match error {
                        SessionError::Broken(_) | SessionError::Refused(_) => false,
                        SessionError::Late(_) | SessionError::Unavailable(_) => true,
                    }
                }
            };
            if !is_there {
                return CloseCode::POLICY_VIOLATION;
            }
        }
    }
}

impl Required {
    /// Returns the required value.
    fn value(&self, session: &Session) -> Option<Value> {
        match self {
            Self::Nothing | Self::Session => None,
            Self::Value(path) => session.get(path),
        }
    }
}
