//! The trait of WAMP applications.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::args::Args;
use super::call::{Answer, CallId};
use super::client::WampClient;
use super::receivers::Receivers;
use super::topic::Topic;
use super::wamp_error::WampError;
use crate::error::BoxError;

/// An application that handles calls and controls topics, see the [module](super). By default,
/// every topic may be subscribed to, events are delivered to their receivers, and every call fails.
///
/// Handlers of one client run one after another, in the order of its messages. Handlers of several
/// clients run concurrently. A panic closes one connection, with 1011.
///
/// ```
/// use polysock::apps::wamp::{Answer, Args, CallId, Wamp, WampClient, WampError};
///
/// struct Calculator;
///
/// impl Wamp for Calculator {
///     async fn on_call(
///         &self,
///         _: &WampClient,
///         _: CallId<'_>,
///         procedure: &str,
///         args: Args<'_>,
///     ) -> Result<Answer, WampError> {
///         match procedure {
///             "http://example.com/calc#add" => {
///                 let (a, b): (f64, f64) = args.read()?;
///                 Answer::of(&(a + b))
///             }
///             _ => Err(WampError::no_procedure(procedure)),
///         }
///     }
/// }
/// ```
pub trait Wamp: Send + Sync + 'static {
    /// Handles a new client, after its session was sent.
    ///
    /// # Errors
    ///
    /// Any error closes the client with 1011.
    fn on_open(&self, client: &WampClient) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = client;
        async { Ok(()) }
    }

    /// Handles a call of a procedure, given by its full URI.
    ///
    /// # Errors
    ///
    /// The error is the answer to the client.
    fn on_call(
        &self,
        client: &WampClient,
        call: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> impl Future<Output = Result<Answer, WampError>> + Send {
        let _ = (client, call, args);
        let error = WampError::no_procedure(procedure);
        async { Err(error) }
    }

    /// Decides whether a client may subscribe to a topic to which it is not yet subscribed. A
    /// refused client receives no answer, because WAMP has none for that.
    fn on_subscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = bool> + Send {
        let _ = (client, topic);
        async { true }
    }

    /// Handles the end of a subscription. Not called for the topics that a client leaves by
    /// disconnecting.
    fn on_unsubscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = ()> + Send {
        let _ = (client, topic);
        async {}
    }

    /// Handles an event that a client publishes, whether it is subscribed or not. An implementation
    /// has to [send](Topic::broadcast_to) the event. By default, the event is sent unchanged to its
    /// receivers.
    fn on_publish(
        &self,
        client: &WampClient,
        topic: &Topic,
        event: &RawValue,
        receivers: &Receivers,
    ) -> impl Future<Output = ()> + Send {
        let _ = client;
        topic.broadcast_to(event, receivers);
        async {}
    }

    /// Handles the end of a client, which has left its topics. This is the last call for each
    /// client.
    fn on_close(&self, client: &WampClient) -> impl Future<Output = ()> + Send {
        let _ = client;
        async {}
    }
}

/// An application in several places.
impl<W: Wamp> Wamp for Arc<W> {
    fn on_open(&self, client: &WampClient) -> impl Future<Output = Result<(), BoxError>> + Send {
        (**self).on_open(client)
    }

    fn on_call(
        &self,
        client: &WampClient,
        call: CallId<'_>,
        procedure: &str,
        args: Args<'_>,
    ) -> impl Future<Output = Result<Answer, WampError>> + Send {
        (**self).on_call(client, call, procedure, args)
    }

    fn on_subscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = bool> + Send {
        (**self).on_subscribe(client, topic)
    }

    fn on_unsubscribe(
        &self,
        client: &WampClient,
        topic: &Topic,
    ) -> impl Future<Output = ()> + Send {
        (**self).on_unsubscribe(client, topic)
    }

    fn on_publish(
        &self,
        client: &WampClient,
        topic: &Topic,
        event: &RawValue,
        receivers: &Receivers,
    ) -> impl Future<Output = ()> + Send {
        (**self).on_publish(client, topic, event, receivers)
    }

    fn on_close(&self, client: &WampClient) -> impl Future<Output = ()> + Send {
        (**self).on_close(client)
    }
}

/// An application with topics only: events are sent to the subscribers, and every call fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Broker;

impl Wamp for Broker {}
