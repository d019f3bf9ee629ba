//! Calls and their answers.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use polysock_protocols::CloseCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::client::WampClient;
use super::json::Json;
use super::server_message::ServerMessage;
use super::wamp_error::WampError;

/// The answer to a call: its result, or a promise to answer [later](CallId::later).
///
/// ```
/// use polysock::apps::wamp::{Answer, Json, WampError};
///
/// fn answer(is_known: bool) -> Result<Answer, WampError> {
///     match is_known {
///         true => Answer::of(&[1, 2]),
///         false => Ok(Json::parse("1e400")?.into()),
///     }
/// }
/// # answer(true).unwrap();
/// # answer(false).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Answer(AnswerKind);

#[derive(Clone, Debug)]
enum AnswerKind {
    Result(Json),
    Later,
}

impl Answer {
    /// Creates an answer from a result, as JSON.
    ///
    /// # Errors
    ///
    /// The value cannot be serialized as JSON.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, WampError> {
        Ok(Json::of(value)?.into())
    }
}

impl From<Json> for Answer {
    fn from(result: Json) -> Self {
        Self(AnswerKind::Result(result))
    }
}

impl From<&RawValue> for Answer {
    fn from(result: &RawValue) -> Self {
        Json::from(result).into()
    }
}

/// A call whose handler is running.
pub(super) struct PendingCall<'a> {
    client: &'a WampClient,
    id: &'a RawValue,
    /// The flag that is set once the call is answered; empty unless the call is answered later.
    later: OnceLock<Arc<AtomicBool>>,
}

impl<'a> PendingCall<'a> {
    pub(super) fn new(client: &'a WampClient, id: &'a RawValue) -> Self {
        Self {
            client,
            id,
            later: OnceLock::new(),
        }
    }

    /// Sends the answer that the handler has returned.
    pub(super) fn answer(self, answered: Result<Answer, WampError>) {
        let answered = match answered {
            Ok(Answer(AnswerKind::Later)) => return,
            Ok(Answer(AnswerKind::Result(result))) => Ok(result),
            Err(error) => Err(error),
        };
        match self.later.get() {
            Some(is_answered) => give(self.client, self.id, is_answered, answered),
            None => tell(self.client, self.id, answered),
        }
    }
}

/// The identity of a call.
pub struct CallId<'a>(pub(super) &'a PendingCall<'a>);

impl<'a> CallId<'a> {
    /// Returns the id that the client gave the call, as it is written. Clients may reuse an id.
    pub fn get(&self) -> &'a RawValue {
        self.0.id
    }

    /// Defers the answer. Returns the value for the handler to return, and a [`Call`] that answers
    /// later, from any place and thread. Further messages of the client are handled meanwhile. If
    /// the handler returns another answer, the first answer counts.
    pub fn later(self) -> (Answer, Call) {
        let PendingCall { client, id, later } = self.0;
        client.session.begin_waiting();
        let call = Call {
            client: WampClient::clone(client),
            id: (*id).to_owned(),
            is_answered: Arc::clone(later.get_or_init(Arc::default)),
        };
        (Answer(AnswerKind::Later), call)
    }
}

impl fmt::Debug for CallId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallId").finish_non_exhaustive()
    }
}

/// A call that is answered later, once. Dropping it without an answer sends an error.
///
/// ```
/// use std::time::Duration;
///
/// use polysock::apps::wamp::{Answer, Args, CallId, Json, Wamp, WampClient, WampError};
///
/// struct Slow;
///
/// impl Wamp for Slow {
///     async fn on_call(
///         &self,
///         _: &WampClient,
///         call: CallId<'_>,
///         procedure: &str,
///         args: Args<'_>,
///     ) -> Result<Answer, WampError> {
///         let seconds: (u64,) = args.read()?;
///         let (answer, call) = call.later();
///         tokio::spawn(async move {
///             tokio::time::sleep(Duration::from_secs(seconds.0)).await;
///             call.result(Json::from("done"));
///         });
///         Ok(answer)
///     }
/// }
/// ```
pub struct Call {
    client: WampClient,
    id: Box<RawValue>,
    is_answered: Arc<AtomicBool>,
}

impl Call {
    /// Returns the caller.
    pub fn client(&self) -> &WampClient {
        &self.client
    }

    /// Answers with a result.
    pub fn result(self, result: Json) {
        self.answer(Ok(result));
    }

    /// Answers with an error.
    pub fn error(self, error: WampError) {
        self.answer(Err(error));
    }

    /// Answers with a result or an error.
    pub fn answer(self, answered: Result<Json, WampError>) {
        give(&self.client, &self.id, &self.is_answered, answered);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let given_up = Err(WampError::internal(
            "the call was dropped without an answer",
        ));
        give(&self.client, &self.id, &self.is_answered, given_up);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Sends the deferred answer of a call, unless it was answered before.
fn give(
    client: &WampClient,
    id: &RawValue,
    is_answered: &AtomicBool,
    answered: Result<Json, WampError>,
) {
    if !is_answered.swap(true, Ordering::AcqRel) {
        client.session.end_waiting();
        tell(client, id, answered);
    }
}

fn tell(client: &WampClient, id: &RawValue, answered: Result<Json, WampError>) {
    match answered {
        Ok(result) => client.tell(ServerMessage::CallResult {
            id,
            result: &result,
        }),
        Err(error) => {
            client.tell(ServerMessage::CallError { id, error: &error });
            if error.closes
                && let Some(code) = CloseCode::new(3000)
            {
                client.close(code);
            }
        }
    }
}
