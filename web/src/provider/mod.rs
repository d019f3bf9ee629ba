//! A policy that looks up the sessions of clients.

mod recheck;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use polysock::protocols::Rejection;
use polysock::{Admitted, Extensions, Policy, SessionVariables, Visitor, Watch};

use self::recheck::Recheck;
use self::warnings::Warnings;
use crate::session::{Session, SessionError, Sessions, read};

/// Reads the session of each client before the client is admitted: as a [`Policy`] of a site, or as
/// a [layer](polysock::apps::Layer) around an application. The [`Session`], if there is one, is
/// among the extensions of the peer. Its values are `{session.PATH}` for header policies
/// ([`SessionVariables`]).
///
/// A client without a session is admitted without one, unless a session is
/// [required](Self::require): then it receives 403. (401 requests credentials of an HTTP
/// authentication scheme, RFC 9110 §15.5.2, and a cookie is not one.) If a store does not answer,
/// clients receive 503 if a session is required, and are otherwise admitted without one. Broken
/// data counts as no session. In both cases a warning is logged, which contains the store and the
/// reason, and no value.
///
/// ```
/// use std::time::Duration;
///
/// use polysock::apps::Layered;
/// use polysock::{Accept, Application, BoxError, Handshake};
/// use polysock_web::{Files, PhpSessions, Session, SessionProvider};
///
/// # fn example() -> Result<impl Application, polysock::BoxError> {
/// let sessions = PhpSessions::new(Files::new("/var/lib/php/sessions")?);
/// let provider = SessionProvider::new(sessions)
///     .require_value("user_id")
///     .recheck(Duration::from_secs(60));
/// let application = |handshake: Handshake| async move {
///     let session = handshake.peer().extensions.get::<Session>().cloned();
///     let user = session.and_then(|session| session.get("user_id"));
///     println!("{user:?} is here");
///     handshake.accept(Accept::default()).await?;
///     Ok::<_, BoxError>(())
/// };
/// let application = application.layer(provider);
/// # Ok(application)
/// # }
/// # assert!(example().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct SessionProvider {
    sessions: Arc<dyn Sessions>,
    required: Required,
    recheck: Option<Duration>,
    timeout: Duration,
    warnings: Arc<Warnings>,
}

/// The condition for admission.
#[derive(Clone, Debug)]
enum Required {
    Nothing,
    Session,
    /// A session that has a value at this path.
    Value(Arc<str>),
}

impl SessionProvider {
    /// Creates a provider of these sessions, with a time limit of two seconds for each.
    pub fn new(sessions: impl Sessions) -> Self {
        let sessions = Arc::new(sessions);
        Self {
            warnings: Arc::new(Warnings::of(sessions.place())),
            sessions,
            required: Required::Nothing,
            recheck: None,
            timeout: Duration::from_secs(2),
        }
    }

    /// Requires a session. In PHP, anybody can have a session; to require a login, use
    /// [`require_value`](Self::require_value).
    #[must_use]
    pub fn require(self) -> Self {
        Self {
            required: Required::Session,
            ..self
        }
    }

    /// Requires a session that has a value at this path, such as `user_id`. Null, `false`, `0` and
    /// an empty text do not count.
    #[must_use]
    pub fn require_value(self, path: &str) -> Self {
        Self {
            required: Required::Value(path.into()),
            ..self
        }
    }

    /// Reads the session of an open connection again at this interval, which is at least a hundred
    /// milliseconds. The connection is closed with 1008, or its equivalent in its protocol, once
    /// the session has ended, is broken or refused, or a required value has changed. While a store
    /// does not answer, the connection stays open.
    #[must_use]
    pub fn recheck(self, every: Duration) -> Self {
        Self {
            recheck: Some(every.max(Duration::from_millis(100))),
            ..self
        }
    }

    /// Sets the time limit for reading a session.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn admit_session(&self, visitor: Visitor<'_>) -> Result<Admitted, Rejection> {
        match self.find(visitor).await {
            Ok(Some(session)) => self.admitted(&session, visitor.handshake().is_some()),
            Ok(None) => self.without_session(),
            Err(SessionError::Refused(status)) => {
                Err(Rejection::new(status, "the session is refused"))
            }
            Err(error) => {
                let is_broken = matches!(error, SessionError::Broken(_));
                match self.required {
                    Required::Session | Required::Value(_) if !is_broken => {
                        Err(Rejection::unavailable("the sessions cannot be read"))
                    }
                    _ => self.without_session(),
                }
            }
        }
    }

    /// Returns the session of a client.
    async fn find(&self, visitor: Visitor<'_>) -> Result<Option<Session>, SessionError> {
        let Some(key) = self.sessions.key(visitor) else {
            return Ok(None);
        };
        match read(&*self.sessions, &key, self.timeout).await {
            Ok(values) => {
                let sessions = Arc::clone(&self.sessions);
                let session = |values| Session::new(sessions, key, self.timeout, values);
                Ok(values.map(session))
            }
            Err(error) => {
                self.warnings.note(key.id(), &error);
                Err(error)
            }
        }
    }

    fn admitted(&self, session: &Session, is_connection: bool) -> Result<Admitted, Rejection> {
        if !self.required.is_met(session) {
            return self.without_session();
        }
        let watch = self.recheck.filter(|_| is_connection).map(|every| {
            let recheck = Recheck::new(session.clone(), self.required.clone(), every);
            Watch::new(recheck.over(Arc::clone(&self.warnings)))
        });
        let mut extensions = Extensions::new();
        extensions.insert(session.clone());
        let of_variables = session.clone();
        extensions.insert(SessionVariables::new(move |path| {
            of_variables.values()?.text(path)
        }));
        Ok(Admitted {
            extensions,
            watch,
            ..Admitted::default()
        })
    }

    fn without_session(&self) -> Result<Admitted, Rejection> {
        match self.required {
            Required::Nothing => Ok(Admitted::default()),
            Required::Session | Required::Value(_) => {
                Err(Rejection::new(403, "a session is required"))
            }
        }
    }
}

impl Policy for SessionProvider {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        Box::pin(self.admit_session(visitor))
    }
}

impl Required {
    /// Whether a session fulfils the condition.
    fn is_met(&self, session: &Session) -> bool {
        use serde_json::Value;
        match self {
            Self::Nothing | Self::Session => true,
            Self::Value(path) => match session.get(path) {
                None | Some(Value::Null | Value::Bool(false)) => false,
                Some(Value::String(text)) => !text.is_empty(),
                Some(Value::Number(number)) => number.as_f64() != Some(0.0),
                Some(_) => true,
            },
        }
    }
}
